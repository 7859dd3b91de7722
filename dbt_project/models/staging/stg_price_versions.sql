{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('stg_price_changes'), 'replaced_from') }}",
    )
}}

{#- Most bars are told once. -#}
{%- set of_bars_told_again -%}
    {{ only_changed(ref("stg_price_changes"), "replaced_from", "v") }}
    where (v.ticker, v.session_date) in (
        select told.ticker, told.session_date
        from {{ source("raw", "prices") }} as told
        {{ only_changed(ref("stg_price_changes"), "replaced_from", "told") }}
        group by told.ticker, told.session_date
        having count(*) > 1
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
                every=true,
                of_all_sources=true,
                first_loads=ref("stg_price_loads"),
                changes=of_bars_told_again,
            )
        }}
    ),
    splits as (select ticker, told_from, effective_at, split_factor from {{ ref("stg_splits") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    days as (select exchange, day, closes_at from {{ ref("stg_calendar_days") }} where is_session),
    counted as (
        select *, count(*) over (partition by ticker, session_date) as version_count from source
    ),
    told_again as (select * from counted where version_count > 1),
    renamed as (
        select
            told_again.row_id,
            told_again.source,
            told_again.ticker,
            told_again.session_date,
            told_again.open / coalesce(splits.split_factor, 1.0) as open,
            told_again.high / coalesce(splits.split_factor, 1.0) as high,
            told_again.low / coalesce(splits.split_factor, 1.0) as low,
            told_again.close / coalesce(splits.split_factor, 1.0) as close,
            told_again.volume * coalesce(splits.split_factor, 1.0) as volume,
            coalesce(splits.split_factor, 1.0) as split_factor,
            coalesce(
                told_again.is_final,
                told_again.known_at >= {{ final_at("told_again.session_date", "days.closes_at") }}
            ) as is_final,
            told_again.source_priority,
            told_again.source_rank,
            told_again.known_at,
            told_again.known_from,
            case
                when told_again.superseded_at <= {{ as_of() }} then told_again.superseded_at
            end as superseded_at,
            told_again.pit_quality
        from told_again
        left join
            splits
            on splits.ticker = told_again.ticker
            and told_again.known_at >= splits.told_from
            and told_again.known_at < splits.effective_at
        left join listings on listings.ticker = told_again.ticker
        left join days on days.exchange = listings.exchange and days.day = told_again.session_date
    )
select *
from renamed
