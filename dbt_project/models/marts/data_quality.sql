{{ config(tags="always") }}

with
    momentum_blanks as (select * from {{ ref("momentum_blanks") }}),
    prices as (
        select row_id, ticker, session_date, currency from {{ ref("stg_prices") }} where is_final
    ),
    bars as (
        select row_id, ticker, exchange, session_date, session_number from {{ ref("known_bars") }}
    ),
    scorecard_blanks as (select * from {{ ref("scorecard_blanks") }}),
    ratings as (
        select row_id, ticker, to_grade
        from {{ ref("stg_ratings") }}
        where table_name = 'raw.ratings'
    ),
    consensus_blanks as (select * from {{ ref("consensus_blanks") }}),
    consensus_reconciliation as (select * from {{ ref("consensus_reconciliation") }}),
    snapshots as (select ticker from {{ ref("stg_consensus") }}),
    all_listings as (select ticker, exchange, currency from {{ ref("stg_listings") }}),
    grades as (select grade from {{ ref("rating_grades") }}),
    rejects as (
        select table_name from {{ source("raw", "rejects") }} where rejected_at <= {{ as_of() }}
    ),
    fetches as (
        select load_id, source, table_name, outcome, fetched_at
        from {{ source("raw", "fetches") }}
        where fetched_at <= {{ as_of() }}
    ),
    drifts as (
        select load_id, source, table_name, ticker, field, expected, found
        from {{ source("raw", "drifts") }}
        where seen_at <= {{ as_of() }}
    ),
    -- A ticker that nothing visible tells of is not yet known.
    listings as (
        select ticker, exchange, currency
        from all_listings
        where
            ticker in (select ticker from prices)
            or ticker in (select ticker from ratings)
            or ticker in (select ticker from snapshots)
    ),
    unknown_listings as (
        select
            'listing_exchange' as check_name,
            ticker,
            'neither an exchange code nor the symbol tells the exchange: no calendar, no known_from by session'
            as reason
        from listings
        where exchange is null
    ),
    unmapped_grades as (
        select
            ratings.ticker,
            min(ratings.row_id) as row_id,
            count(*) as event_count,
            min(coalesce(ratings.to_grade, '(blank)')) as first_grade,
            count(distinct coalesce(ratings.to_grade, '(blank)')) as grade_count
        from ratings
        left join grades on grades.grade = {{ normalise_grade("ratings.to_grade") }}
        where grades.grade is null
        group by ratings.ticker
    ),
    newest_load as (select max(fetched_at) as fetched_at from fetches),
    newest_attempts as (
        select
            count(*) as attempt_count,
            count(case when outcome not in ('ok', 'empty') then 1 end) as failure_count
        from fetches
        where
            load_id in (
                select fetches.load_id
                from fetches
                inner join newest_load on newest_load.fetched_at = fetches.fetched_at
            )
    ),
    newest_table_loads as (
        select
            source,
            table_name,
            load_id,
            row_number() over (
                partition by source, table_name order by max(fetched_at) desc nulls last
            ) as age_rank
        from fetches
        group by source, table_name, load_id
    ),
    newest_drifts as (
        select
            drifts.table_name,
            drifts.field,
            drifts.expected,
            min(drifts.found) as found,
            count(distinct drifts.ticker) as ticker_count
        from drifts
        inner join
            newest_table_loads
            on newest_table_loads.source = drifts.source
            and newest_table_loads.table_name = drifts.table_name
            and newest_table_loads.load_id = drifts.load_id
        where newest_table_loads.age_rank = 1
        group by drifts.table_name, drifts.field, drifts.expected
    ),
    mixed_currencies as (
        select ticker, count(distinct currency) as currency_count
        from prices
        group by ticker
        having count(distinct currency) > 1
    ),
    off_sessions as (
        select ticker, exchange, count(*) as bar_count, max(session_date) as newest_session_date
        from bars
        where exchange is not null and session_number is null
        group by ticker, exchange
    ),
    missing_sessions as (
        select ticker, session_count, newest_session_date from {{ ref("missing_sessions") }}
    ),
    findings as (
        select
            'price_session_missing' as check_name,
            ticker,
            'warn' as status,
            cast(session_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            concat(
                'sessions without a final bar, the newest on ',
                cast(newest_session_date as {{ dbt.type_string() }})
            ) as reason,
            'raw.prices' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from missing_sessions
        union all
        select
            'price_currency_mixed' as check_name,
            ticker,
            'warn' as status,
            cast(currency_count as {{ dbt.type_float() }}) as observed_value,
            cast(1 as {{ dbt.type_float() }}) as expected_value,
            'its bars are told in several currencies: returns across them mean nothing' as reason,
            'raw.prices' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from mixed_currencies
        union all
        select
            'price_off_session' as check_name,
            off_sessions.ticker,
            'warn' as status,
            cast(off_sessions.bar_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            concat(
                'bars on days without a session of ',
                off_sessions.exchange,
                ', the newest on ',
                cast(off_sessions.newest_session_date as {{ dbt.type_string() }})
            ) as reason,
            'raw.prices' as table_name,
            bars.row_id
        from off_sessions
        inner join
            bars
            on bars.ticker = off_sessions.ticker
            and bars.session_date = off_sessions.newest_session_date
        union all
        select
            concat('momentum_', column_name) as check_name,
            ticker,
            -- A close that none before reached is a finding, not a lack.
            case when column_name = 'highest_close_since' then 'ok' else 'warn' end as status,
            observed_value,
            expected_value,
            reason,
            'raw.prices' as table_name,
            row_id
        from momentum_blanks
        union all
        select
            check_name,
            ticker,
            'warn' as status,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            reason,
            cast(null as {{ dbt.type_string() }}) as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from unknown_listings
        union all
        select
            concat('consensus_', column_name) as check_name,
            ticker,
            'warn' as status,
            observed_value,
            expected_value,
            reason,
            table_name,
            row_id
        from consensus_blanks
        union all
        select
            check_name, ticker, status, observed_value, expected_value, reason, table_name, row_id
        from consensus_reconciliation
        union all
        select
            concat('scorecard_', column_name) as check_name,
            ticker,
            'warn' as status,
            observed_value,
            expected_value,
            reason,
            table_name,
            row_id
        from scorecard_blanks
        union all
        select
            'rating_grade_unmapped' as check_name,
            ticker,
            'warn' as status,
            cast(event_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            concat(
                'no vote from ',
                cast(grade_count as {{ dbt.type_string() }}),
                ' unknown or blank grades, the first: ',
                first_grade
            ) as reason,
            'raw.ratings' as table_name,
            row_id
        from unmapped_grades
        union all
        select
            concat('rejected_rows_', table_name) as check_name,
            'all' as ticker,
            'warn' as status,
            cast(count(*) as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            'raw.rejects holds each row with its reason' as reason,
            'raw.rejects' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from rejects
        group by table_name
        union all
        select
            concat('schema_drift: ', table_name, ', ', field) as check_name,
            'all' as ticker,
            'warn' as status,
            cast(ticker_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            concat(
                'the vendor changed its format: ', expected, ' expected, ', found, ' found'
            ) as reason,
            'raw.drifts' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from newest_drifts
        union all
        select
            'newest_fetches' as check_name,
            'all' as ticker,
            case
                when failure_count = 0
                then 'ok'
                when failure_count = attempt_count
                then 'fail'
                else 'warn'
            end as status,
            cast(failure_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            case
                when failure_count > 0 then 'raw.fetches says how each attempt ended'
            end as reason,
            'raw.fetches' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from newest_attempts
        where attempt_count > 0
    ),
    final as (
        select
            check_name,
            ticker,
            {{ as_of_date() }} as checked_on,
            status,
            observed_value,
            expected_value,
            reason,
            table_name,
            row_id
        from findings
    )
select *
from final
