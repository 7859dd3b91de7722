with
    momentum_history as (
        select ticker, session_date, momentum_12_1 from {{ ref("momentum_history") }}
    ),
    universe as (select benchmark from {{ ref("stg_universe") }}),
    securities as (select ticker, quote_type from {{ ref("stg_securities") }}),
    benchmarks as (select distinct benchmark as ticker from universe where benchmark is not null),
    covered as (
        select
            momentum_history.ticker,
            momentum_history.session_date,
            -- Equal momentum must tie, whatever the last digit of a float.
            cast(momentum_history.momentum_12_1 as decimal(38, 12)) as momentum_12_1
        from momentum_history
        left join benchmarks on benchmarks.ticker = momentum_history.ticker
        left join securities on securities.ticker = momentum_history.ticker
        where
            momentum_history.momentum_12_1 is not null
            and benchmarks.ticker is null
            and coalesce(securities.quote_type, 'EQUITY') = 'EQUITY'
            and momentum_history.ticker not like '%=X'
            and momentum_history.ticker not like '%=F'
            and momentum_history.ticker not like '^%'
    ),
    ranked as (
        select
            ticker,
            session_date,
            percent_rank() over (
                partition by session_date order by momentum_12_1 asc nulls last
            ) as momentum_percentile,
            count(*) over (partition by session_date) as universe_count
        from covered
    ),
    final as (
        select
            ticker,
            session_date,
            case when universe_count >= 20 then momentum_percentile end as momentum_percentile,
            universe_count
        from ranked
    )
select *
from final
