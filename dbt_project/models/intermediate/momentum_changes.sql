{#- Days that hold the bars of a tail, and the most sessions that are worth aggregating each alone. -#}
{%- set days, most_sessions = 660, 5 -%}

with
    changes as (
        select ticker, changed_from, replaced_from, is_level_changed
        from {{ ref("stg_price_changes") }}
    ),
    prices as (select ticker, session_date from {{ ref("stg_prices") }} where is_final),
    universe as (
        select
            ticker,
            benchmark,
            row_number() over (partition by ticker order by known_from desc nulls last) as age_rank
        from {{ ref("stg_universe_history") }}
    ),
    causes as (
        select
            ticker,
            changed_from,
            case
                when is_level_changed then cast('0001-01-01' as date) else replaced_from
            end as replaced_from
        from changes
        union all
        -- Beta and relative strength follow the benchmark.
        select universe.ticker, changes.changed_from, changes.replaced_from
        from changes
        inner join universe on universe.benchmark = changes.ticker and universe.age_rank = 1
    ),
    first_days as (
        select ticker, min(changed_from) as changed_from, min(replaced_from) as replaced_from
        from causes
        group by ticker
    ),
    tails as (
        select
            first_days.ticker,
            count(case when prices.session_date < first_days.replaced_from then 1 end) as bar_count,
            count(
                case when prices.session_date >= first_days.replaced_from then 1 end
            ) as session_count
        from first_days
        inner join
            prices
            on prices.ticker = first_days.ticker
            and prices.session_date >= first_days.replaced_from - {{ days }}
        where prices.session_date >= (select min(changed_from) - {{ days }} from first_days)
        group by first_days.ticker
    ),
    judged as (
        select
            first_days.*,
            coalesce(
                tails.bar_count >= {{ tail_bars() }} and tails.session_count <= {{ most_sessions }},
                false
            ) as is_tail
        from first_days
        left join tails on tails.ticker = first_days.ticker
    ),
    final as (
        select
            ticker,
            changed_from,
            case
                when is_tail then replaced_from else cast('0001-01-01' as date)
            end as replaced_from,
            case
                when is_tail then replaced_from - {{ days }} else cast('0001-01-01' as date)
            end as read_from,
            is_tail
        from judged
    )
select *
from final
