with
    bars as (select * from {{ ref("known_bars") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    securities as (
        select row_id, ticker, currency, financial_currency, country, known_from, pit_quality
        from {{ ref("stg_securities_history") }}
    ),
    currencies as (select code, major_code from {{ ref("currencies") }}),
    currency_moves as (select * from {{ ref("currency_moves") }}),
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
    -- While a version of the security stands, its pair of currencies is watched.
    pairs as (
        select
            exposures.ticker,
            exposures.observed_on,
            lead(exposures.observed_on, 1, cast('9999-12-31' as date)) over (
                partition by exposures.ticker order by exposures.observed_on asc nulls last
            ) as observed_until,
            reported.major_code as reported_code,
            quoted.major_code as quoted_code
        from exposures
        left join currencies as reported on reported.code = exposures.financial_currency
        left join currencies as quoted on quoted.code = exposures.currency
    ),
    shocks as (
        select
            pairs.ticker,
            currency_moves.session_date as observed_on,
            'fx_move_20d_sigmas' as metric,
            currency_moves.move_20d_sigmas as value,
            currency_moves.change_count as sample_count,
            'raw.prices' as table_name,
            currency_moves.row_id,
            'close' as column_name,
            currency_moves.told_close as evidence_value,
            currency_moves.pit_quality
        from pairs
        inner join
            currency_moves
            on currency_moves.reported_code = pairs.reported_code
            and currency_moves.quoted_code = pairs.quoted_code
            and currency_moves.session_date >= pairs.observed_on
            and currency_moves.session_date < pairs.observed_until
    ),
    final as (
        select
            ticker,
            observed_on,
            metric,
            value,
            cast(null as {{ dbt.type_float() }}) as sample_count,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality
        from reporting_currencies
        union all
        select
            ticker,
            observed_on,
            metric,
            value,
            cast(null as {{ dbt.type_float() }}) as sample_count,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality
        from audit_exposures
        union all
        select *
        from shocks
    )
select *
from final
