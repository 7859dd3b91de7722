{#- Yahoo writes the yen per dollar as JPY=X or USDJPY=X, and dollars per euro as EURUSD=X. -#}
with
    prices as (
        select ticker, session_date, known_on, row_id, told_close, pit_quality
        from {{ ref("flag_metrics_price") }}
        where ticker like '%=X' and told_close > 0
    ),
    named as (
        select
            *,
            case
                when ticker like '___=X'
                then substring(ticker, 1, 3)
                when ticker like 'USD___=X'
                then substring(ticker, 4, 3)
                when ticker like '___USD=X'
                then substring(ticker, 1, 3)
            end as currency,
            case when ticker like '___USD=X' then told_close else 1 / told_close end as dollar_rate
        from prices
    ),
    ranked as (
        select
            *,
            row_number() over (
                partition by currency, session_date order by ticker asc nulls last
            ) as ticker_rank
        from named
        where currency is not null and currency <> 'USD'
    ),
    final as (
        select currency, session_date, known_on, dollar_rate, row_id, told_close, pit_quality
        from ranked
        where ticker_rank = 1
    )
select *
from final
