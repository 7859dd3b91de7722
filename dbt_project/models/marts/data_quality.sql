{#- A column of marts.momentum, the final bars it needs, and whether it rests on dividends. -#}
{%- set blanks = [
    ("return_1d", 2, false),
    ("return_21d", 22, false),
    ("return_63d", 64, false),
    ("return_126d", 127, false),
    ("return_252d", 253, false),
    ("return_1m", 20, false),
    ("return_12m", 250, false),
    ("return_ytd", 2, false),
    ("total_return_12m", 250, true),
    ("momentum_12_1", 253, true),
    ("high_52w", 252, false),
    ("sma_200", 200, false),
    ("volatility_63d", 52, false),
] -%}

with
    momentum as (select * from {{ ref("momentum") }}),
    prices as (select row_id, ticker, session_date from {{ ref("stg_prices") }} where is_final),
    valuations as (
        select row_id, ticker, valued_on, currency, eps_currency from {{ ref("stg_valuations") }}
    ),
    ratings as (select row_id, ticker, to_grade from {{ ref("stg_ratings") }}),
    currencies as (select code, major_code from {{ ref("currencies") }}),
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
    bars as (
        select ticker, count(*) as bar_count, max(session_date) as session_date
        from prices
        group by ticker
    ),
    newest_bars as (
        select prices.row_id, bars.ticker, bars.bar_count
        from bars
        inner join prices on prices.ticker = bars.ticker and prices.session_date = bars.session_date
    ),
    blank_columns as (
        {%- for column, bars, rests_on_dividends in blanks %}
            select
                'momentum_{{ column }}' as check_name,
                momentum.ticker,
                newest_bars.row_id,
                cast(newest_bars.bar_count as {{ dbt.type_float() }}) as observed_value,
                cast({{ bars }} as {{ dbt.type_float() }}) as expected_value,
                case
                    when newest_bars.bar_count < {{ bars }}
                    then 'too few final bars for this window'
                    {%- if rests_on_dividends %}
                        when momentum.total_return_basis is null
                        then
                            'dividends are unknown and no one vintage of adjusted closes covers the history'
                    {%- endif %}
                    else
                        'a gap of more than 10 sessions lies in the window, or its first bar is missing'
                end as reason
            from momentum
            inner join newest_bars on newest_bars.ticker = momentum.ticker
            where momentum.{{ column }} is null
            {%- if not loop.last %}
                union all
            {%- endif %}
        {%- endfor %}
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
    findings as (
        select
            check_name,
            ticker,
            'warn' as status,
            observed_value,
            expected_value,
            reason,
            'raw.prices' as table_name,
            row_id
        from blank_columns
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
