with
    momentum_blanks as (select * from {{ ref("momentum_blanks") }}),
    prices as (select row_id, ticker, session_date from {{ ref("stg_prices") }} where is_final),
    valuations as (
        select row_id, ticker, valued_on, currency, eps_currency from {{ ref("stg_valuations") }}
    ),
    ratings as (
        select row_id, ticker, to_grade
        from {{ ref("stg_ratings") }}
        where table_name = 'raw.ratings'
    ),
    consensus_blanks as (select * from {{ ref("consensus_blanks") }}),
    consensus_reconciliation as (select * from {{ ref("consensus_reconciliation") }}),
    currencies as (select code, major_code from {{ ref("currencies") }}),
    snapshots as (select ticker from {{ ref("stg_consensus") }}),
    all_listings as (select ticker, exchange, currency from {{ ref("stg_listings") }}),
    grades as (select grade from {{ ref("rating_grades") }}),
    rejects as (
        select table_name from {{ source("raw", "rejects") }} where rejected_at <= {{ as_of() }}
    ),
    fetches as (
        select load_id, outcome, fetched_at
        from {{ source("raw", "fetches") }}
        where fetched_at <= {{ as_of() }}
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
        union all
        select
            'listing_currency' as check_name,
            ticker,
            'neither the security, its exchange nor the symbol tells the currency of its quotes'
            as reason
        from listings
        where currency is null
    ),
    newest_valuations as (
        select
            valuations.*,
            quoted.major_code as quoted_code,
            earned.major_code as earned_code,
            row_number() over (
                partition by valuations.ticker order by valuations.valued_on desc nulls last
            ) as age_rank
        from valuations
        left join currencies as quoted on quoted.code = valuations.currency
        left join currencies as earned on earned.code = valuations.eps_currency
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
    newest_failures as (
        select count(*) as failure_count
        from fetches
        where
            outcome <> 'ok'
            and load_id in (
                select fetches.load_id
                from fetches
                inner join newest_load on newest_load.fetched_at = fetches.fetched_at
            )
    ),
    findings as (
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
            'forward_pe_currency' as check_name,
            ticker,
            'warn' as status,
            cast(null as {{ dbt.type_float() }}) as observed_value,
            cast(null as {{ dbt.type_float() }}) as expected_value,
            concat(
                'the price is in ',
                currency,
                ' and forward earnings in ',
                eps_currency,
                ': no multiple is shown'
            ) as reason,
            'raw.valuations' as table_name,
            row_id
        from newest_valuations
        where age_rank = 1 and quoted_code <> earned_code
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
            'newest_fetches' as check_name,
            'all' as ticker,
            case when failure_count > 0 then 'warn' else 'ok' end as status,
            cast(failure_count as {{ dbt.type_float() }}) as observed_value,
            cast(0 as {{ dbt.type_float() }}) as expected_value,
            case
                when failure_count > 0 then 'raw.fetches says how each attempt ended'
            end as reason,
            'raw.fetches' as table_name,
            cast(null as {{ dbt.type_string() }}) as row_id
        from newest_failures
    ),
    final as (
        select
            check_name,
            ticker,
            cast({{ as_of() }} as date) as checked_on,
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
