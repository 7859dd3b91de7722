{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_rows(touched_sessions()) }}",
    )
}}

{#-
The newest row of a ticker, with its newest final bar, knows what was known at `as_of` and is counted
at the last session its exchange had closed by then. The rows before it stand one to a session, from
the first that knew of a call or snapshot on.
-#}
with
    quotes as (select * from {{ ref("quotes") }}),
    calls as (
        select ticker, min(from_number) as first_number
        from {{ ref("rating_calls") }}
        group by ticker
    ),
    snapshots as (
        select ticker, min(from_number) as first_number
        from {{ ref("snapshot_history") }}
        group by ticker
    ),
    sessions as (
        select exchange, day as session_date, session_number
        from {{ ref("stg_calendar_days") }}
        where is_session
    ),
    told as (
        select ticker, first_number
        from calls
        union all
        select ticker, first_number
        from snapshots
    ),
    firsts as (select ticker, min(first_number) as first_number from told group by ticker),
    {% if is_incremental() %}
        -- What stays of a ticker is a beginning without a gap.
        kept as (select ticker, max(session_date) as session_date from {{ this }} group by ticker),
        wanted as (
            select
                firsts.ticker,
                firsts.first_number,
                coalesce(kept.session_date, cast('0001-01-01' as date)) as kept_to
            from firsts
            left join kept on kept.ticker = firsts.ticker
        ),
    {% else %}
        wanted as (select ticker, first_number, cast('0001-01-01' as date) as kept_to from firsts),
    {% endif %}
    bars as (
        select ticker, session_date, close, currency, pit_quality
        from {{ ref("stg_prices") }}
        where is_final and close is not null and session_date > (select min(kept_to) from wanted)
    ),
    past as (
        select
            quotes.ticker,
            sessions.session_number,
            sessions.session_date,
            sessions.session_date as counted_on,
            case
                when coalesce(bars.currency, quotes.currency) = quotes.currency then bars.close
            end as close,
            bars.pit_quality,
            quotes.currency as quote_currency,
            true as has_history
        from wanted
        inner join quotes on quotes.ticker = wanted.ticker
        inner join
            sessions
            on sessions.exchange = quotes.exchange
            and sessions.session_number >= wanted.first_number
            and sessions.session_date > wanted.kept_to
            and sessions.session_date < quotes.session_date
        left join bars on bars.ticker = quotes.ticker and bars.session_date = sessions.session_date
    ),
    final as (
        select
            ticker,
            session_number,
            session_date,
            counted_on,
            close,
            pit_quality,
            quote_currency,
            false as is_newest,
            has_history
        from past
        union all
        select
            ticker,
            {{ newest() }} as session_number,
            session_date,
            counted_on,
            close,
            pit_quality,
            currency as quote_currency,
            true as is_newest,
            ticker in (select ticker from firsts) as has_history
        from quotes
    )
select *
from final
