with
    momentum_history as (
        select ticker, session_date, drawdown_252d from {{ ref("momentum_history") }}
    ),
    prices as (
        select row_id, ticker, session_date, close, split_factor, pit_quality
        from {{ ref("stg_prices") }}
        where is_final
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, listed_to from {{ ref("stg_universe") }}),
    days as (
        select exchange, day, session_number
        from {{ ref("stg_calendar_days") }}
        where is_session and closes_at + interval '15' minute <= {{ as_of() }}
    ),
    securities as (
        select row_id, ticker, currency, financial_currency, country, known_from, pit_quality
        from {{ ref("stg_securities_history") }}
    ),
    currencies as (select code, major_code from {{ ref("currencies") }}),
    first_bars as (
        select ticker, min(session_date) as first_session_date from prices group by ticker
    ),
    drawdowns as (
        select
            prices.ticker,
            prices.session_date as observed_on,
            'drawdown_252d' as metric,
            momentum_history.drawdown_252d as value,
            'raw.prices' as table_name,
            prices.row_id,
            'close' as column_name,
            prices.close * prices.split_factor as evidence_value,
            prices.pit_quality
        from momentum_history
        inner join
            prices
            on prices.ticker = momentum_history.ticker
            and prices.session_date = momentum_history.session_date
    ),
    -- Sessions of the exchange between a bar and the next one, or the last session before as_of.
    last_sessions as (
        select exchange, max(session_number) as last_session_number from days group by exchange
    ),
    numbered_bars as (
        select
            prices.*,
            listings.exchange,
            days.session_number,
            lag(days.session_number) over (
                partition by prices.ticker order by prices.session_date asc nulls last
            ) as previous_session_number,
            lead(days.session_number) over (
                partition by prices.ticker order by prices.session_date asc nulls last
            ) as next_session_number
        from prices
        inner join listings on listings.ticker = prices.ticker
        inner join days on days.exchange = listings.exchange and days.day = prices.session_date
    ),
    gaps as (
        select
            numbered_bars.*,
            coalesce(numbered_bars.next_session_number - 1, last_sessions.last_session_number)
            - numbered_bars.session_number as missed_sessions
        from numbered_bars
        inner join last_sessions on last_sessions.exchange = numbered_bars.exchange
    ),
    missed as (
        select
            gaps.ticker,
            days.day as observed_on,
            'missed_sessions' as metric,
            cast(days.session_number - gaps.session_number as {{ dbt.type_float() }}) as value,
            'raw.prices' as table_name,
            gaps.row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            gaps.pit_quality
        from gaps
        inner join
            days
            on days.exchange = gaps.exchange
            and (
                days.session_number = gaps.session_number + 3
                or days.session_number = gaps.session_number + gaps.missed_sessions
            )
        left join universe on universe.ticker = gaps.ticker
        where
            gaps.missed_sessions >= 3
            and (universe.listed_to is null or universe.listed_to >= days.day)
    ),
    arrived as (
        select
            ticker,
            session_date as observed_on,
            'missed_sessions' as metric,
            cast(0 as {{ dbt.type_float() }}) as value,
            'raw.prices' as table_name,
            row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            pit_quality
        from numbered_bars
        where previous_session_number is null or session_number - previous_session_number > 3
    ),
    dated_securities as (
        select
            securities.*,
            case
                when cast(securities.known_from as date) > first_bars.first_session_date
                then cast(securities.known_from as date)
                else first_bars.first_session_date
            end as observed_on
        from securities
        inner join first_bars on first_bars.ticker = securities.ticker
    ),
    ranked_securities as (
        select
            *,
            row_number() over (
                partition by ticker, observed_on order by known_from desc nulls last
            ) as age_rank
        from dated_securities
    ),
    exposures as (select * from ranked_securities where age_rank = 1),
    reporting_currencies as (
        select
            ticker,
            observed_on,
            'has_foreign_reporting_currency' as metric,
            cast(
                case
                    when reported.major_code <> quoted.major_code then 1 else 0
                end as {{ dbt.type_float() }}
            ) as value,
            'raw.securities' as table_name,
            row_id,
            'financial_currency' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            pit_quality
        from exposures
        inner join currencies as reported on reported.code = exposures.financial_currency
        inner join currencies as quoted on quoted.code = exposures.currency
    ),
    audit_exposures as (
        select
            exposures.ticker,
            exposures.observed_on,
            'has_foreign_audit_exposure' as metric,
            cast(
                case
                    when
                        exposures.country in ('China', 'Hong Kong', 'Macao', 'Macau')
                        and listings.exchange = 'XNYS'
                    then 1
                    else 0
                end as {{ dbt.type_float() }}
            ) as value,
            'raw.securities' as table_name,
            exposures.row_id,
            'country' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            exposures.pit_quality
        from exposures
        inner join listings on listings.ticker = exposures.ticker
        where exposures.country is not null and listings.exchange is not null
    ),
    {% set columns = "ticker, observed_on, metric, value, table_name, row_id, column_name, evidence_value, pit_quality" %}
    final as (
        select {{ columns }}
        from drawdowns
        where value is not null
        union all
        select {{ columns }}
        from missed
        union all
        select {{ columns }}
        from arrived
        union all
        select {{ columns }}
        from reporting_currencies
        union all
        select {{ columns }}
        from audit_exposures
    )
select *
from final
