{{ config(materialized="table", tags="always") }}

{%- set of_split_days -%}
    where (v.ticker, v.session_date) in (
        select ticker, session_date from {{ source("raw", "prices") }} where split_ratio <> 1
    )
{%- endset -%}

with
    source as (
        {{
            known_versions(
                "prices",
                ["ticker", "session_date"],
                happened_at=bar_happened_at(),
                day="v.session_date",
                first_loads=ref("stg_price_loads"),
                changes=of_split_days,
            )
        }}
    ),
    tellings as (
        select
            ticker,
            session_date,
            split_ratio,
            row_number() over (
                partition by ticker, session_date
                order by known_at asc nulls last, source asc nulls last
            ) as telling
        from {{ source("raw", "prices") }}
        where split_ratio <> 1
    ),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, opens_at from {{ ref("stg_calendar_days") }} where is_session),
    known as (
        select ticker, session_date, split_ratio
        from source
        where session_date <= cast({{ as_of() }} as date)
    ),
    -- A history that was fetched after a split nobody knew of at `as_of` is on its basis already.
    told as (
        select ticker, session_date, split_ratio, true as is_known
        from known
        where split_ratio <> 1
        union all
        select tellings.ticker, tellings.session_date, tellings.split_ratio, false as is_known
        from tellings
        left join
            known on known.ticker = tellings.ticker and known.session_date = tellings.session_date
        where tellings.telling = 1 and known.ticker is null
    ),
    begun as (
        select told.*, {{ day_begins_at("told.session_date", "days.opens_at") }} as begins_at
        from told
        left join listings on listings.ticker = told.ticker
        left join days on days.exchange = listings.exchange and days.day = told.session_date
    ),
    dated as (
        select
            ticker,
            session_date as split_on,
            split_ratio,
            is_known,
            case
                when is_known or begins_at > {{ as_of() }}
                then begins_at
                else {{ as_of() }} + interval '1' second
            end as effective_at
        from begun
        union all
        select distinct
            ticker,
            cast('9999-12-31' as date) as split_on,
            1.0 as split_ratio,
            false as is_known,
            cast('9999-12-31' as timestamp) as effective_at
        from begun
        where not is_known
    ),
    final as (
        select
            ticker,
            split_on,
            split_ratio,
            is_known,
            coalesce(
                lag(effective_at) over (
                    partition by ticker
                    order by effective_at asc nulls last, split_on asc nulls last
                ),
                cast('0001-01-01' as timestamp)
            ) as told_from,
            effective_at,
            round(
                exp(
                    sum(ln(split_ratio)) over (
                        partition by ticker
                        order by effective_at desc nulls last, split_on desc nulls last
                        rows between unbounded preceding and current row
                    ) - sum(case when is_known then 0.0 else ln(split_ratio) end) over (
                        partition by ticker
                    )
                ),
                12
            ) as split_factor
        from dated
    )
select *
from final
