{{ config(materialized="table", meta={"only_tickers": true}) }}

{#- Of the raw tables read here only the tickers count: a build need not make it anew for more of the known ones
    (`only_tickers`). -#}
with
    securities as (select ticker, exchange, currency from {{ ref("stg_securities") }}),
    universe as (select ticker, exchange, currency from {{ ref("stg_universe") }}),
    exchanges as (select kind, value, exchange, currency from {{ ref("exchanges") }}),
    tickers as (
        select ticker
        from securities
        union
        select ticker
        from universe
        {% for table in [
                "prices",
                "ratings",
                "consensus",
                "valuations",
                "estimates",
                "earnings",
                "earnings_dates",
                "short_interest",
                "news",
            ] %}
            union
            select ticker
            from {{ source("raw", table) }}
        {% endfor %}
    ),
    described as (
        select
            tickers.ticker,
            coalesce(securities.exchange, universe.exchange) as exchange_code,
            coalesce(securities.currency, universe.currency) as stated_currency,
            case
                when tickers.ticker like '%=X'
                then '=X'
                when tickers.ticker like '%=F'
                then '=F'
                when tickers.ticker like '%-USD'
                then '-USD'
                when tickers.ticker like '%-EUR'
                then '-EUR'
                when tickers.ticker like '%.%'
                then replace(regexp_extract(tickers.ticker, '[.][^.]*$'), '.', '')
                else ''
            end as suffix
        from tickers
        left join securities on securities.ticker = tickers.ticker
        left join universe on universe.ticker = tickers.ticker
    ),
    final as (
        select
            described.ticker,
            coalesce(by_code.exchange, by_suffix.exchange) as exchange,
            coalesce(described.stated_currency, by_code.currency, by_suffix.currency) as currency,
            case
                when described.stated_currency is not null
                then 'stated'
                when by_code.currency is not null
                then 'exchange'
                when by_suffix.currency is not null
                then 'suffix'
            end as currency_basis
        from described
        left join
            exchanges as by_code
            on by_code.kind = 'code'
            and by_code.value = described.exchange_code
        left join
            exchanges as by_suffix
            on by_suffix.kind = 'suffix'
            and coalesce(by_suffix.value, '') = described.suffix
    )
select *
from final
