with
    estimates as (select * from {{ ref("stg_estimates_history") }} where period = '0y'),
    earnings_dates as (
        select * from {{ ref("stg_earnings_dates_history") }} where announced_from is not null
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    peers as (select ticker, peer, valid_from, valid_to from {{ ref("peers") }}),
    days as (
        select exchange, day, session_number, closes_at, next_opens_at
        from {{ ref("stg_calendar_days") }}
        where is_session and closes_at + interval '15' minute <= {{ as_of() }}
    ),

    -- Estimates of this fiscal year.
    newest_estimates as ({{ newest_told("estimates", "snapshot_date") }}),
    revisions as (
        select
            ticker,
            observed_on,
            row_id,
            pit_quality,
            coalesce(revisions_up_30d, 0) + coalesce(revisions_down_30d, 0) as revision_count,
            case
                when revisions_up_30d is null and revisions_down_30d is null
                then null
                when coalesce(revisions_up_30d, 0) + coalesce(revisions_down_30d, 0) = 0
                then 0
                else
                    1.0
                    * (coalesce(revisions_up_30d, 0) - coalesce(revisions_down_30d, 0))
                    / nullif(coalesce(revisions_up_30d, 0) + coalesce(revisions_down_30d, 0), 0)
            end as eps_revision_ratio_30d,
            revisions_down_30d,
            eps_mean,
            case
                when abs(eps_90d_ago) >= 0.01 then (eps_mean - eps_90d_ago) / abs(eps_90d_ago)
            end as eps_drift_90d
        from newest_estimates
    ),

    judged_results as (select * from {{ ref("earnings_reactions") }}),

    -- Days to the next report, session by session, from the dates known at its cut-off.
    newest_dates as ({{ newest_told("earnings_dates", "snapshot_date") }}),
    standing_dates as (
        select
            *,
            lead(known_from, 1, cast('9999-12-31' as timestamp)) over (
                partition by ticker order by known_from asc nulls last
            ) as replaced_at
        from newest_dates
    ),
    waits as (
        select
            standing_dates.ticker,
            days.day as observed_on,
            standing_dates.row_id,
            standing_dates.pit_quality,
            greatest(
                {{ dbt.datediff("days.day", "standing_dates.announced_from", "day") }}, 0
            ) as days_to_earnings,
            {{
                dbt.datediff(
                    "days.day",
                    "coalesce(standing_dates.announced_to, standing_dates.announced_from)",
                    "day",
                )
            }} as days_to_latest
        from standing_dates
        inner join listings on listings.ticker = standing_dates.ticker
        inner join
            days
            on days.exchange = listings.exchange
            and days.next_opens_at >= standing_dates.known_from
            and days.next_opens_at < standing_dates.replaced_at
            -- What has passed for long tells of no next report.
            and days.day
            <= cast(coalesce(standing_dates.announced_to, standing_dates.announced_from) as date)
            + 15
    ),

    multiples as (select * from {{ ref("flag_multiples") }}),
    own_histories as (
        select
            multiples.ticker,
            multiples.observed_on,
            multiples.row_id,
            multiples.pit_quality,
            multiples.forward_pe,
            count(*) as month_count,
            avg(
                case when earlier.forward_pe < multiples.forward_pe then 1.0 else 0.0 end
            ) as forward_pe_percentile
        from multiples
        inner join
            multiples as earlier
            on earlier.ticker = multiples.ticker
            and earlier.valued_on
            < cast({{ dbt.date_trunc("month", "multiples.valued_on") }} as date)
            and earlier.month_rank = 1
        where multiples.forward_pe is not null and earlier.forward_pe is not null
        group by
            multiples.ticker,
            multiples.observed_on,
            multiples.row_id,
            multiples.pit_quality,
            multiples.forward_pe
    ),
    peer_medians as (
        select
            multiples.ticker,
            multiples.observed_on,
            multiples.row_id,
            multiples.pit_quality,
            multiples.forward_pe,
            count(theirs.forward_pe) as peer_count,
            percentile_cont(0.5) within group (
                order by theirs.forward_pe asc nulls last
            ) as median_forward_pe
        from multiples
        inner join
            peers
            on peers.ticker = multiples.ticker
            and peers.valid_from <= multiples.observed_on
            and (peers.valid_to is null or peers.valid_to >= multiples.observed_on)
        inner join
            multiples as theirs
            on theirs.ticker = peers.peer
            and theirs.observed_on <= multiples.observed_on
            and theirs.replaced_on > multiples.observed_on
        where multiples.forward_pe is not null
        group by
            multiples.ticker,
            multiples.observed_on,
            multiples.row_id,
            multiples.pit_quality,
            multiples.forward_pe
    ),

    shorts as (select * from {{ ref("short_changes") }}),
    {%- set metrics = [
        (
            "revisions",
            "eps_revision_ratio_30d",
            "null",
            "revision_count",
            "raw.estimates",
            "revisions_down_30d",
            "revisions_down_30d",
        ),
        (
            "revisions",
            "eps_drift_90d",
            "null",
            "null",
            "raw.estimates",
            "eps_mean",
            "eps_mean",
        ),
        (
            "judged_results",
            "earnings_surprise",
            "return_count",
            "fall_in_sigmas",
            "raw.earnings",
            "surprise",
            "earnings_surprise",
        ),
        (
            "waits",
            "days_to_earnings",
            "null",
            "days_to_latest",
            "raw.earnings_dates",
            "announced_from",
            "null",
        ),
        (
            "own_histories",
            "forward_pe_percentile",
            "month_count",
            "null",
            "raw.valuations",
            "forward_pe",
            "forward_pe",
        ),
        (
            "peer_medians",
            "forward_pe_to_peers",
            "peer_count",
            "null",
            "raw.valuations",
            "forward_pe",
            "forward_pe",
        ),
        (
            "multiples",
            "forward_eps",
            "null",
            "null",
            "raw.valuations",
            "forward_eps",
            "forward_eps",
        ),
        (
            "shorts",
            "short_share_of_float",
            "null",
            "null",
            "raw.short_interest",
            "short_share_of_float",
            "short_share_of_float",
        ),
        (
            "shorts",
            "days_to_cover",
            "null",
            "null",
            "raw.short_interest",
            "days_to_cover",
            "days_to_cover",
        ),
        (
            "shorts",
            "short_growth_1m",
            "null",
            "null",
            "raw.short_interest",
            "shares_short",
            "shares_short",
        ),
    ] %}
    final as (
        {%- for cte, metric, count, qualifier, table, column, told in metrics %}
            select
                ticker,
                observed_on,
                '{{ metric }}' as metric,
                cast(
                    {{
                        (
                            "forward_pe / nullif(median_forward_pe, 0)"
                            if cte == "peer_medians"
                            else metric
                        )
                    }} as {{ dbt.type_float() }}
                ) as value,
                cast({{ count }} as {{ dbt.type_float() }}) as sample_count,
                cast({{ qualifier }} as {{ dbt.type_float() }}) as qualifier,
                '{{ table }}' as table_name,
                row_id,
                '{{ column }}' as column_name,
                cast({{ told }} as {{ dbt.type_float() }}) as evidence_value,
                pit_quality
            from {{ cte }}
            {% if not loop.last %}
                union all
            {% endif %}
        {%- endfor %}
    )
select *
from final
