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
                happened_at="case when coalesce(v.is_final, true) then coalesce(d.closes_at + interval '15' minute, cast(v.session_date as timestamp) + interval '1' day) end",
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
    -- The ex-date begins where the exchange is, nine hours or so before it opens.
    splits as (
        select
            source.ticker,
            coalesce(
                days.opens_at - interval '9' hour, cast(source.session_date as timestamp)
            ) as effective_at,
            source.split_ratio
        from source
        left join listings on listings.ticker = source.ticker
        left join days on days.exchange = listings.exchange and days.day = source.session_date
        where source.split_ratio <> 1 and source.session_date <= cast({{ as_of() }} as date)
    ),
    -- A version fetched on a day before a split is divided by that split and all later ones.
    split_factors as (
        select
            splits.ticker,
            coalesce(
                lag(splits.effective_at) over (
                    partition by splits.ticker order by splits.effective_at asc nulls last
                ),
                cast('0001-01-01' as timestamp)
            ) as fetched_from,
            splits.effective_at as fetched_before,
            exp(
                sum(ln(splits.split_ratio)) over (
                    partition by splits.ticker
                    order by splits.effective_at desc nulls last
                    rows between unbounded preceding and current row
                )
            ) as split_factor
        from splits
    ),
    based as (
        select source.*, coalesce(split_factors.split_factor, 1.0) as split_factor
        from source
        left join
            split_factors
            on split_factors.ticker = source.ticker
            and source.known_at >= split_factors.fetched_from
            and source.known_at < split_factors.fetched_before
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
                then
                    coalesce(
                        days.opens_at - interval '9' hour, cast(based.session_date as timestamp)
                    )
            end as split_effective_at,
            based.split_factor,
            coalesce(based.currency, listings.currency) as currency,
            coalesce(
                based.is_final,
                based.known_at >= coalesce(
                    days.closes_at + interval '15' minute,
                    cast(based.session_date as timestamp) + interval '1' day
                )
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
