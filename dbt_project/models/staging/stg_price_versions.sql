{{ config(materialized="table") }}

with
    source as (
        {{
            known_versions(
                "prices",
                ["ticker", "session_date"],
                happened_at="case when coalesce(v.is_final, true) then coalesce(d.closes_at + interval '15' minute, cast(v.session_date as timestamp) + interval '1' day) end",
                day="v.session_date",
                every=true,
            )
        }}
    ),
    prices as (select ticker, split_ratio, split_effective_at from {{ ref("stg_prices") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, closes_at from {{ ref("stg_calendar_days") }} where is_session),
    counted as (
        select *, count(*) over (partition by ticker, session_date) as version_count from source
    ),
    told_again as (select * from counted where version_count > 1),
    split_factors as (
        select told_again.row_id, exp(sum(ln(prices.split_ratio))) as split_factor
        from told_again
        inner join
            prices
            on prices.ticker = told_again.ticker
            and prices.split_effective_at > told_again.known_at
        group by told_again.row_id
    ),
    renamed as (
        select
            told_again.row_id,
            told_again.source,
            told_again.ticker,
            told_again.session_date,
            told_again.close / coalesce(split_factors.split_factor, 1.0) as close,
            coalesce(split_factors.split_factor, 1.0) as split_factor,
            coalesce(
                told_again.is_final,
                told_again.known_at >= coalesce(
                    days.closes_at + interval '15' minute,
                    cast(told_again.session_date as timestamp) + interval '1' day
                )
            ) as is_final,
            told_again.source_priority,
            told_again.known_at,
            told_again.known_from,
            case
                when told_again.superseded_at <= {{ as_of() }} then told_again.superseded_at
            end as superseded_at,
            told_again.pit_quality
        from told_again
        left join split_factors on split_factors.row_id = told_again.row_id
        left join listings on listings.ticker = told_again.ticker
        left join days on days.exchange = listings.exchange and days.day = told_again.session_date
    )
select *
from renamed
