{#- Sessions in which an episode is judged, from the first close after its opening was known. -#}
{%- set ahead = 21 -%}

with
    episodes as (
        select
            flag_episode_id, flag, kind, ticker, opening_severity as severity, opened_on, closed_on
        from {{ ref("flag_episodes") }}
    ),
    families as (select distinct flag, kind, family from {{ ref("risk_flag_rules") }}),
    coverage as (
        select ticker, flag, kind, evaluated_from, evaluated_to
        from {{ ref("flag_coverage") }}
        where evaluated_from is not null
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (
        select
            exchange,
            day,
            session_number,
            -- That of the day, or of the first session after it.
            session_number + case when is_session then 0 else 1 end as next_number
        from {{ ref("stg_calendar_days") }}
        where day <= {{ as_of_date() }}
    ),
    last_numbers as (
        select exchange, max(session_number) as last_number from days group by exchange
    ),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    momentum_history as (
        select ticker, session_date, total_return_close from {{ ref("momentum_history") }}
    ),
    ahead as (
        select
            ticker,
            session_date,
            lag(session_date, 1, cast('0001-01-01' as date)) over history as day_before,
            lead(session_date, {{ ahead }}) over history as day_ahead,
            lead(total_return_close, {{ ahead }}) over history / nullif(total_return_close, 0)
            - 1 as return_ahead
        from momentum_history
        window history as (partition by ticker order by session_date asc nulls last)
    ),
    -- Without a benchmark, all shares of the same days are one.
    means as (
        select session_date, day_ahead, avg(return_ahead) as return_ahead
        from ahead
        where
            {{ is_share("ticker") }}
            and ticker not in (select benchmark from universe where benchmark is not null)
        group by session_date, day_ahead
    ),
    judged as (
        select
            episodes.flag_episode_id,
            ahead.return_ahead - case
                when universe.benchmark is null
                then means.return_ahead
                else
                    benchmark_after.total_return_close
                    / nullif(benchmark_before.total_return_close, 0)
                    - 1
            end as abnormal_return
        from episodes
        inner join
            ahead
            on ahead.ticker = episodes.ticker
            and ahead.session_date > episodes.opened_on
            and ahead.day_before <= episodes.opened_on
        left join universe on universe.ticker = episodes.ticker
        left join
            means on means.session_date = ahead.session_date and means.day_ahead = ahead.day_ahead
        left join
            momentum_history as benchmark_before
            on benchmark_before.ticker = universe.benchmark
            and benchmark_before.session_date = ahead.session_date
        left join
            momentum_history as benchmark_after
            on benchmark_after.ticker = universe.benchmark
            and benchmark_after.session_date = ahead.day_ahead
        where ahead.day_ahead is not null and ahead.day_before > cast('0001-01-01' as date)
    ),
    -- Sessions of the exchange, since a price that is missing has no bar to count.
    spans as (
        select
            coverage.ticker,
            coverage.flag,
            coverage.kind,
            listings.exchange,
            coalesce(first_days.next_number, 1) as first_number,
            coalesce(last_days.session_number, last_numbers.last_number) as last_number
        from coverage
        inner join listings on listings.ticker = coverage.ticker
        inner join last_numbers on last_numbers.exchange = listings.exchange
        left join
            days as first_days
            on first_days.exchange = listings.exchange
            and first_days.day = coverage.evaluated_from
        left join
            days as last_days
            on last_days.exchange = listings.exchange
            and last_days.day = coverage.evaluated_to
    ),
    open_sessions as (
        select
            episodes.flag_episode_id,
            greatest(
                least(coalesce(closing.next_number, spans.last_number + 1), spans.last_number + 1)
                - coalesce(opening.next_number, 1),
                0
            ) as session_count
        from episodes
        inner join
            spans
            on spans.ticker = episodes.ticker
            and spans.flag = episodes.flag
            and spans.kind = episodes.kind
        left join
            days as opening
            on opening.exchange = spans.exchange
            and opening.day = episodes.opened_on
        left join
            days as closing
            on closing.exchange = spans.exchange
            and closing.day = episodes.closed_on
    ),
    all_sessions as (
        select flag, kind, sum(greatest(last_number - first_number + 1, 0)) as session_count
        from spans
        group by flag, kind
    ),
    final as (
        select
            episodes.flag,
            episodes.kind,
            families.family,
            episodes.severity,
            count(*) as episode_count,
            1.0
            * coalesce(sum(open_sessions.session_count), 0)
            / nullif(max(all_sessions.session_count), 0) as base_rate,
            percentile_cont(0.5) within group (
                order by
                    {{ dbt.datediff("episodes.opened_on", "episodes.closed_on", "day") }} asc nulls last
            ) as median_days,
            count(judged.abnormal_return) as judged_count,
            avg(judged.abnormal_return) as forward_abnormal_return_{{ ahead }}d,
            avg(
                case
                    when judged.abnormal_return < 0
                    then 1.0
                    when judged.abnormal_return >= 0
                    then 0.0
                end
            ) as share_worse
        from episodes
        inner join families on families.flag = episodes.flag and families.kind = episodes.kind
        left join judged on judged.flag_episode_id = episodes.flag_episode_id
        left join open_sessions on open_sessions.flag_episode_id = episodes.flag_episode_id
        left join
            all_sessions on all_sessions.flag = episodes.flag and all_sessions.kind = episodes.kind
        group by episodes.flag, episodes.kind, families.family, episodes.severity
    )
select *
from final
