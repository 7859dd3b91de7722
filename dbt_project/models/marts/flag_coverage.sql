with
    momentum as (select ticker from {{ ref("momentum") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    news as (select ticker from {{ ref("stg_news") }}),
    rules as (select flag, metric from {{ ref("risk_flag_rules") }}),
    evaluated as (select distinct ticker, metric from {{ ref("flag_metrics") }}),
    tickers as (
        select ticker
        from momentum
        union
        select ticker
        from consensus
        union
        select ticker
        from news
    ),
    final as (
        select
            tickers.ticker,
            rules.flag,
            case when evaluated.ticker is null then 'not_evaluable' else 'evaluated' end as status,
            case
                when evaluated.ticker is not null
                then cast(null as {{ dbt.type_string() }})
                when rules.metric = 'drawdown_252d'
                then 'no final bar is stored'
                when rules.metric = 'missed_sessions'
                then 'no final bar on a known exchange'
                when rules.metric = 'has_foreign_reporting_currency'
                then 'reporting or quote currency is unknown, or there are no prices'
                when rules.metric = 'has_foreign_audit_exposure'
                then 'country or exchange is unknown, or there are no prices'
            end as reason
        from tickers
        cross join rules
        left join evaluated on evaluated.ticker = tickers.ticker and evaluated.metric = rules.metric
    )
select *
from final
