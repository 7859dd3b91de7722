with
    momentum_history as (
        select ticker, session_date, drawdown_252d from {{ ref("momentum_history") }}
    ),
    bars as (select * from {{ ref("known_bars") }}),
    known_drawdowns as (select * from {{ ref("known_drawdowns") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, listed_to from {{ ref("stg_universe") }}),
    days as (
        select exchange, day, session_number, opens_at, next_opens_at
        from {{ ref("stg_calendar_days") }}
        where is_session and closes_at + interval '15' minute <= {{ as_of() }}
    ),
    securities as (
        select row_id, ticker, currency, financial_currency, country, known_from, pit_quality
        from {{ ref("stg_securities_history") }}
    ),
    currencies as (select code, major_code from {{ ref("currencies") }}),
    -- A bar of long ago that arrives late moves no beginning.
    first_bars as (
        select
            ticker,
            min(
                case
                    when first_known_from <= cut_off_at
                    then session_date
                    else cast(first_known_from as date)
                end
            ) as first_session_date
        from bars
        group by ticker
    ),
    drawdowns as (
        select
            bars.ticker,
            bars.session_date as observed_on,
            'drawdown_252d' as metric,
            coalesce(known_drawdowns.drawdown_252d, momentum_history.drawdown_252d) as value,
            'raw.prices' as table_name,
            coalesce(known_drawdowns.row_id, bars.row_id) as row_id,
            'close' as column_name,
            coalesce(known_drawdowns.told_close, bars.told_close) as evidence_value,
            coalesce(known_drawdowns.pit_quality, bars.pit_quality) as pit_quality
        from momentum_history
        inner join
            bars
            on bars.ticker = momentum_history.ticker
            and bars.session_date = momentum_history.session_date
        left join
            known_drawdowns
            on known_drawdowns.ticker = momentum_history.ticker
            and known_drawdowns.session_date = momentum_history.session_date
    ),
    last_sessions as (
        select exchange, max(session_number) as last_session_number from days group by exchange
    ),
    -- A bar counts from the first session at whose cut-off it was known.
    late_arrivals as (
        select bars.ticker, bars.session_number, days.session_number as arrived_number
        from bars
        inner join
            days
            on days.exchange = bars.exchange
            and days.opens_at < bars.first_known_from
            and days.next_opens_at >= bars.first_known_from
        where bars.first_known_from > bars.cut_off_at
    ),
    arrivals as (
        select
            bars.ticker,
            bars.exchange,
            bars.session_number,
            coalesce(late_arrivals.arrived_number, bars.session_number) as arrived_number,
            bars.first_row_id as row_id,
            bars.first_pit_quality as pit_quality
        from bars
        left join
            late_arrivals
            on late_arrivals.ticker = bars.ticker
            and late_arrivals.session_number = bars.session_number
        where bars.session_number is not null
    ),
    newest_arrivals as (
        select
            *,
            row_number() over (
                partition by ticker, arrived_number order by session_number desc nulls last
            ) as age_rank
        from arrivals
    ),
    -- Bars that arrive behind a newer one change nothing.
    advances as (
        select
            *,
            coalesce(
                max(session_number) over (
                    partition by ticker
                    order by arrived_number asc nulls last
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as newest_before
        from newest_arrivals
        where age_rank = 1
    ),
    newest_known as (
        select
            *,
            lag(session_number) over (
                partition by ticker order by arrived_number asc nulls last
            ) as previous_session_number,
            lead(arrived_number) over (
                partition by ticker order by arrived_number asc nulls last
            ) as next_arrived_number
        from advances
        where session_number > newest_before
    ),
    gaps as (
        select
            newest_known.*,
            coalesce(
                newest_known.next_arrived_number - 1, last_sessions.last_session_number
            ) as last_missed_number
        from newest_known
        inner join last_sessions on last_sessions.exchange = newest_known.exchange
    ),
    stale_gaps as (select * from gaps where last_missed_number >= session_number + 3),
    missed as (
        select
            stale_gaps.ticker,
            days.day as observed_on,
            'missed_sessions' as metric,
            cast(
                days.session_number - stale_gaps.session_number as {{ dbt.type_float() }}
            ) as value,
            'raw.prices' as table_name,
            stale_gaps.row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            stale_gaps.pit_quality
        from stale_gaps
        inner join
            days
            on days.exchange = stale_gaps.exchange
            and (
                days.session_number = stale_gaps.session_number + 3
                or days.session_number = stale_gaps.last_missed_number
            )
        left join universe on universe.ticker = stale_gaps.ticker
        where
            days.session_number > stale_gaps.arrived_number
            and days.session_number >= stale_gaps.session_number + 3
            and days.session_number <= stale_gaps.last_missed_number
            and (universe.listed_to is null or universe.listed_to >= days.day)
    ),
    arrived as (
        select
            gaps.ticker,
            days.day as observed_on,
            'missed_sessions' as metric,
            cast(gaps.arrived_number - gaps.session_number as {{ dbt.type_float() }}) as value,
            'raw.prices' as table_name,
            gaps.row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            gaps.pit_quality
        from gaps
        inner join
            days on days.exchange = gaps.exchange and days.session_number = gaps.arrived_number
        where
            gaps.previous_session_number is null
            or gaps.arrived_number - gaps.previous_session_number > 1
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
