with
    valuations as (select * from {{ ref("stg_valuations_history") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    -- A multiple of two currencies is no multiple; of unknown ones, the vendor's word stands.
    newest_valuations as ({{ newest_told("valuations", "valued_on") }}),
    priced as (
        select
            told.*,
            earned.major_code is null
            or quoted.major_code is null
            or earned.major_code = quoted.major_code as is_one_currency,
            (told.price / quoted.units_per_major)
            / nullif(told.forward_eps / earned.units_per_major, 0) as own_multiple
        from newest_valuations as told
        left join listings on listings.ticker = told.ticker
        left join currencies as quoted on quoted.code = coalesce(told.currency, listings.currency)
        left join currencies as earned on earned.code = told.eps_currency
    ),
    final as (
        select
            row_id,
            ticker,
            valued_on,
            observed_on,
            pit_quality,
            forward_eps,
            case
                when forward_eps <= 0 or not is_one_currency
                then null
                else coalesce(own_multiple, forward_pe)
            end as forward_pe,
            lead(observed_on, 1, cast('9999-12-31' as date)) over (
                partition by ticker order by observed_on asc nulls last
            ) as replaced_on,
            row_number() over (
                partition by ticker, {{ dbt.date_trunc("month", "valued_on") }}
                order by valued_on desc nulls last, observed_on desc nulls last
            ) as month_rank
        from priced
    )
select *
from final
