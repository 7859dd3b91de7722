with
    listings as (select ticker, exchange, currency from {{ ref("stg_listings") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    prices as (
        select row_id, ticker, session_date, close, currency, pit_quality
        from {{ ref("stg_prices") }}
        where is_final and close is not null
    ),
    days as (
        select exchange, day, is_session, closes_at, session_number
        from {{ ref("stg_calendar_days") }}
    ),
    newest as (
        select ticker, max(session_date) as session_date
        from {{ ref("stg_prices") }}
        where is_final and close is not null
        group by ticker
    ),
    bars as (
        select prices.*
        from prices
        inner join
            newest on newest.ticker = prices.ticker and newest.session_date = prices.session_date
    ),
    last_sessions as (
        select exchange, max(day) as session_date
        from days
        where is_session and closes_at <= {{ as_of() }}
        group by exchange
    ),
    quoted as (
        select
            listings.ticker,
            listings.exchange,
            coalesce(bars.session_date, last_sessions.session_date) as session_date,
            coalesce(last_sessions.session_date, cast({{ as_of() }} as date)) as counted_on,
            bars.close,
            coalesce(bars.currency, listings.currency) as currency,
            bars.pit_quality,
            bars.row_id
        from listings
        left join bars on bars.ticker = listings.ticker
        left join last_sessions on last_sessions.exchange = listings.exchange
    ),
    final as (
        select
            quoted.*,
            coalesce(days.session_number, 0) as session_number,
            currencies.major_code,
            currencies.units_per_major
        from quoted
        left join currencies on currencies.code = quoted.currency
        left join days on days.exchange = quoted.exchange and days.day = quoted.session_date
    )
select *
from final
