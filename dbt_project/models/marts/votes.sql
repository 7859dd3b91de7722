with
    live as (
        select *
        from {{ ref("vote_history") }}
        where from_number <= {{ newest() }} and to_number > {{ newest() }}
    ),
    medians as (
        select
            ticker,
            percentile_cont(0.5) within group (order by target asc nulls last) as target_median
        from live
        where target_status = 'used'
        group by ticker
    ),
    distances as (
        select live.ticker, live.firm, abs(live.target - medians.target_median) as distance
        from live
        inner join medians on medians.ticker = live.ticker
        where live.target_status = 'used'
    ),
    deviations as (
        select
            ticker,
            percentile_cont(0.5) within group (order by distance asc nulls last) as deviation
        from distances
        group by ticker
    ),
    final as (
        select
            live.ticker,
            live.firm,
            live.grade,
            live.score,
            live.bucket,
            live.target,
            live.prior_target,
            case
                when live.target_status = 'none'
                then null
                when live.target_status = 'currency_unknown' and live.is_currency_assumed
                then null
                else live.target_currency
            end as target_currency,
            case
                when distances.distance > 3 * 1.4826 * deviations.deviation
                then 'outlier'
                else live.target_status
            end as target_status,
            live.graded_on,
            live.known_from,
            live.expires_on,
            live.pit_quality,
            live.note,
            live.table_name,
            live.row_id
        from live
        left join distances on distances.ticker = live.ticker and distances.firm = live.firm
        left join deviations on deviations.ticker = live.ticker
    )
select *
from final
