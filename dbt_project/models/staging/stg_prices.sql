{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('stg_price_changes'), 'replaced_from') }}",
    )
}}

with
    source as (
        {{
            known_versions(
                "prices",
                ["ticker", "session_date"],
                happened_at=bar_happened_at(),
                day="v.session_date",
                first_loads=ref("stg_price_loads"),
                changes=only_changed(ref("stg_price_changes"), "replaced_from", "v"),
            )
        }}
    ),
    listings as (select ticker, exchange, currency from {{ ref("stg_listings") }}),
    days as (
        select exchange, day, opens_at, closes_at
        from {{ ref("stg_calendar_days") }}
        where is_session
    ),
    splits as (select ticker, told_from, effective_at, split_factor from {{ ref("stg_splits") }}),
    based as (
        select source.*, coalesce(splits.split_factor, 1.0) as split_factor
        from source
        left join
            splits
            on splits.ticker = source.ticker
            and source.known_at >= splits.told_from
            and source.known_at < splits.effective_at
    ),
    renamed as (
        select
            based.row_id,
            based.source,
            based.ticker,
            based.session_date,
            based.open / based.split_factor as open,
            based.high / based.split_factor as high,
            based.low / based.split_factor as low,
            based.close / based.split_factor as close,
            based.adj_close / based.split_factor as adj_close,
            based.volume * based.split_factor as volume,
            based.dividend / based.split_factor as dividend,
            based.split_ratio,
            case
                when based.split_ratio <> 1
                then {{ day_begins_at("based.session_date", "days.opens_at") }}
            end as split_effective_at,
            based.split_factor,
            coalesce(based.currency, listings.currency) as currency,
            coalesce(
                based.is_final,
                based.known_at >= {{ final_at("based.session_date", "days.closes_at") }}
            ) as is_final,
            based.known_at,
            based.known_from,
            based.pit_quality
        from based
        left join listings on listings.ticker = based.ticker
        left join days on days.exchange = listings.exchange and days.day = based.session_date
    )
select *
from renamed
