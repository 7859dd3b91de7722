with
    told as (
        select
            ticker,
            session_date as split_on,
            coalesce(split_effective_at, cast(session_date as timestamp)) as effective_at,
            split_ratio
        from {{ ref("stg_prices") }}
        where split_ratio > 0 and split_ratio <> 1
    ),
    final as (
        select
            ticker,
            split_on,
            effective_at,
            split_ratio,
            coalesce(
                lag(effective_at) over (partition by ticker order by effective_at asc nulls last),
                cast('0001-01-01' as timestamp)
            ) as told_from,
            exp(
                sum(ln(split_ratio)) over (
                    partition by ticker
                    order by effective_at desc nulls last
                    rows between unbounded preceding and current row
                )
            ) as split_factor
        from told
    )
select *
from final
