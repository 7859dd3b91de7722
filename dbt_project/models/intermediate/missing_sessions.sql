with
    universe as ({{ newest_universe() }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    sessions as (
        select exchange, day, session_number from {{ ref("stg_calendar_days") }} where is_session
    ),
    bars as (
        select prices.ticker, prices.session_date, sessions.exchange, sessions.session_number
        from ({{ final_bars(none) }}) as prices
        inner join listings on listings.ticker = prices.ticker
        inner join
            sessions on sessions.exchange = listings.exchange and sessions.day = prices.session_date
    ),
    spans as (
        select
            ticker,
            exchange,
            min(session_number) as first_number,
            max(session_number) as last_number
        from bars
        group by ticker, exchange
        having count(*) < max(session_number) - min(session_number) + 1
    ),
    final as (
        select spans.ticker, count(*) as session_count, max(sessions.day) as newest_session_date
        from spans
        inner join
            sessions
            on sessions.exchange = spans.exchange
            and sessions.session_number between spans.first_number and spans.last_number
        where
            not exists (
                select 1
                from {{ ref("stg_prices") }} as prices
                where
                    prices.ticker = spans.ticker
                    and prices.session_date = sessions.day
                    and prices.is_final
            )
        group by spans.ticker
    )
select *
from final
