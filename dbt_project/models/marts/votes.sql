with
    methods as (select window_days from {{ ref("house_methods") }} where method = 'default'),
    events as ({{ rating_events() }}),
    ranked as (
        select
            *,
            row_number() over (
                partition by ticker, firm order by graded_on desc nulls last
            ) as age_rank
        from events
    ),
    live as (
        select ranked.*, ranked.graded_on + methods.window_days as expires_on
        from ranked
        cross join methods
        where
            ranked.age_rank = 1
            and ranked.effect = 'vote'
            and ranked.graded_on + methods.window_days > ranked.counted_on
    ),
    judged as (
        select
            *,
            case
                when target is null
                then 'none'
                when is_fair_value
                then 'fair_value'
                when not is_convertible
                then 'currency_unknown'
                when
                    is_currency_assumed
                    and (target / nullif(close, 0) < 0.2 or target / nullif(close, 0) > 5)
                then 'currency_unknown'
                else 'used'
            end as target_status
        from live
    ),
    medians as (
        select
            ticker,
            percentile_cont(0.5) within group (order by target asc nulls last) as target_median
        from judged
        where target_status = 'used'
        group by ticker
    ),
    distances as (
        select judged.ticker, judged.firm, abs(judged.target - medians.target_median) as distance
        from judged
        inner join medians on medians.ticker = judged.ticker
        where judged.target_status = 'used'
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
            judged.ticker,
            judged.firm,
            judged.grade,
            judged.score,
            judged.bucket,
            judged.target,
            judged.prior_target,
            case
                when judged.target_status = 'none'
                then null
                when judged.target_status = 'currency_unknown' and judged.is_currency_assumed
                then null
                else judged.target_currency
            end as target_currency,
            case
                when distances.distance > 3 * 1.4826 * deviations.deviation
                then 'outlier'
                else judged.target_status
            end as target_status,
            judged.graded_on,
            judged.known_from,
            judged.expires_on,
            judged.pit_quality,
            judged.note,
            judged.row_id
        from judged
        left join distances on distances.ticker = judged.ticker and distances.firm = judged.firm
        left join deviations on deviations.ticker = judged.ticker
    )
select *
from final
