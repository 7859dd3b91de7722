{#- Fiscal reports come within these days of the period's end; a later one is of the next period. -#}
{%- set report_days = 100 -%}

with
    earnings as (select * from {{ ref("stg_earnings_history") }}),
    earnings_dates as (
        select * from {{ ref("stg_earnings_dates_history") }} where announced_from is not null
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    returns as (select ticker, session_date, return_1d from {{ ref("flag_metrics_price") }}),
    days as (
        select exchange, day, closes_at
        from {{ ref("stg_calendar_days") }}
        where is_session and closes_at + interval '15' minute <= {{ as_of() }}
    ),
    newest_results as ({{ newest_told("earnings", "period_end") }}),
    announcements as (
        select
            newest_results.*,
            earnings_dates.announced_from,
            earnings_dates.row_id as announcement_row_id,
            row_number() over (
                partition by newest_results.row_id
                order by
                    earnings_dates.snapshot_date desc nulls last,
                    earnings_dates.source_priority asc nulls last,
                    earnings_dates.known_from desc nulls last
            ) as age_rank
        from newest_results
        left join
            earnings_dates
            on earnings_dates.ticker = newest_results.ticker
            and earnings_dates.known_from <= newest_results.known_from
            and earnings_dates.announced_from <= newest_results.known_from
            and cast(earnings_dates.announced_from as date) > newest_results.period_end
            and cast(earnings_dates.announced_from as date)
            <= newest_results.period_end + {{ report_days }}
    ),
    announced as (
        select
            announcements.*,
            coalesce(
                announced_from, case when pit_quality = 'vendor_stated' then known_from end
            ) as announced_at,
            coalesce(
                surprise,
                case
                    when abs(eps_estimate) >= 0.01
                    then (eps_actual - eps_estimate) / abs(eps_estimate)
                end
            ) as earnings_surprise
        from announcements
        where age_rank = 1
    ),
    numbered_returns as (
        select
            returns.ticker,
            returns.session_date,
            returns.return_1d - benchmark.return_1d as abnormal_return,
            row_number() over (
                partition by returns.ticker order by returns.session_date asc nulls last
            ) as bar_number
        from returns
        inner join universe on universe.ticker = returns.ticker
        inner join
            returns as benchmark
            on benchmark.ticker = universe.benchmark
            and benchmark.session_date = returns.session_date
        where returns.ticker in (select ticker from announced)
    ),
    first_sessions as (
        select announced.row_id, min(days.day) as session_date
        from announced
        inner join listings on listings.ticker = announced.ticker
        inner join
            days
            on days.exchange = listings.exchange
            and days.closes_at > announced.announced_at
            and days.closes_at < announced.announced_at + interval '15' day
        group by announced.row_id
    ),
    reactions as (
        select
            first_sessions.row_id,
            min(near.session_date) as first_session_date,
            max(
                case when near.bar_number = day_0.bar_number - 2 then near.session_date end
            ) as last_session_date,
            max(
                case when near.bar_number = day_0.bar_number - 1 then near.session_date end
            ) as day_before,
            max(day_0.session_date) as day_0,
            max(
                case when near.bar_number = day_0.bar_number + 1 then near.session_date end
            ) as day_1,
            count(
                case when near.bar_number >= day_0.bar_number then near.abnormal_return end
            ) as day_count,
            sum(
                case when near.bar_number >= day_0.bar_number then near.abnormal_return end
            ) as abnormal_return_0_1,
            count(
                case
                    when near.bar_number between day_0.bar_number - 64 and day_0.bar_number - 2
                    then near.abnormal_return
                end
            ) as return_count,
            stddev_samp(
                case
                    when near.bar_number between day_0.bar_number - 64 and day_0.bar_number - 2
                    then near.abnormal_return
                end
            ) as stddev_63
        from first_sessions
        inner join announced on announced.row_id = first_sessions.row_id
        inner join
            numbered_returns as day_0
            on day_0.ticker = announced.ticker
            and day_0.session_date = first_sessions.session_date
        -- The first return is from the close of the bar before it.
        inner join
            numbered_returns as near
            on near.ticker = day_0.ticker
            and near.bar_number between day_0.bar_number - 65 and day_0.bar_number + 1
        group by first_sessions.row_id
    ),
    judged as (
        select
            announced.row_id,
            announced.ticker,
            -- What the second day shows was not known before.
            greatest(reactions.day_1, announced.observed_on) as observed_on,
            announced.announcement_row_id,
            reactions.first_session_date,
            reactions.last_session_date,
            reactions.day_before,
            reactions.day_0,
            reactions.day_1,
            announced.earnings_surprise,
            reactions.return_count,
            - reactions.abnormal_return_0_1
            / nullif(reactions.stddev_63 * sqrt(2.0), 0) as fall_in_sigmas,
            announced.pit_quality
        from reactions
        inner join announced on announced.row_id = reactions.row_id
        where reactions.day_count = 2
    ),
    ranked as (
        select
            *,
            row_number() over (
                partition by ticker, observed_on order by row_id asc nulls last
            ) as day_rank
        from judged
    ),
    final as (
        select
            row_id,
            ticker,
            observed_on,
            announcement_row_id,
            first_session_date,
            last_session_date,
            day_before,
            day_0,
            day_1,
            earnings_surprise,
            return_count,
            fall_in_sigmas,
            pit_quality
        from ranked
        where day_rank = 1
    )
select *
from final
