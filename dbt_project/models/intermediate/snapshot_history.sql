{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_rows(touched_snapshots()) }}",
    )
}}

{#- A snapshot of an earlier day that arrives late never replaces a newer one. -#}
with
    versions as (select * from {{ ref("stg_consensus_history") }} where period = '0m'),
    quotes as (select * from {{ ref("quotes") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    splits as (select * from {{ ref("stg_splits") }}),
    days as (
        select exchange, day, is_session, opens_at, next_opens_at, session_number
        from {{ ref("stg_calendar_days") }}
    ),
    numbered as (
        select
            versions.*,
            {{ session_number_at("versions.known_from", "days", "quotes.counted_on") }}
            as from_number
        from versions
        inner join quotes on quotes.ticker = versions.ticker
        left join
            days on days.exchange = quotes.exchange and days.day = cast(versions.known_from as date)
    ),
    {% if is_incremental() %}
        -- What stays of a ticker is a beginning without a gap: what was known before its end lost.
        kept as (select ticker, max(to_number) as to_number from {{ this }} group by ticker),
        told as (
            select numbered.*
            from numbered
            left join kept on kept.ticker = numbered.ticker
            where kept.to_number is null or numbered.from_number >= kept.to_number
        ),
    {% else %} told as (select * from numbered),
    {% endif %}
    ranked as (
        select
            row_id,
            ticker,
            from_number,
            row_number() over (
                partition by ticker
                order by
                    snapshot_date asc nulls last,
                    priority desc nulls last,
                    source desc nulls last,
                    known_from asc nulls last
            ) as standing
        from told
    ),
    best as (
        select ticker, from_number, max(standing) as standing
        from ranked
        group by ticker, from_number
    ),
    compared as (
        select
            *,
            max(standing) over (
                partition by ticker
                order by from_number asc nulls last
                rows between unbounded preceding and 1 preceding
            ) as standing_before
        from best
    ),
    stretches as (
        select
            ticker,
            standing,
            from_number,
            coalesce(
                lead(from_number) over (partition by ticker order by from_number asc nulls last),
                {{ newest() }} + 1
            ) as to_number
        from compared
        where standing_before is null or standing > standing_before
    ),
    -- Targets in another currency than the quote are left out: a row has one currency.
    based as (
        select
            versions.*,
            stretches.from_number,
            stretches.to_number,
            quotes.currency as quote_currency,
            case
                when
                    versions.currency is null
                    or quotes.currency is null
                    or versions.currency = quotes.currency
                then 1.0
                when told_units.major_code = quotes.major_code
                then 1.0 * quotes.units_per_major / told_units.units_per_major
            end
            / coalesce(splits.split_factor, 1.0) as multiplier
        from stretches
        inner join
            ranked on ranked.ticker = stretches.ticker and ranked.standing = stretches.standing
        inner join versions on versions.row_id = ranked.row_id
        inner join quotes on quotes.ticker = versions.ticker
        left join currencies as told_units on told_units.code = versions.currency
        left join
            splits
            on splits.ticker = versions.ticker
            and versions.known_at >= splits.told_from
            and versions.known_at < splits.effective_at
    ),
    counted as (
        select
            *,
            case
                when
                    strong_buy is not null
                    or buy is not null
                    or hold is not null
                    or sell is not null
                    or strong_sell is not null
                then
                    coalesce(strong_buy, 0)
                    + coalesce(buy, 0)
                    + coalesce(hold, 0)
                    + coalesce(sell, 0)
                    + coalesce(strong_sell, 0)
            end as analyst_count
        from based
    ),
    final as (
        select
            ticker,
            from_number,
            to_number,
            snapshot_date as snapshot_on,
            analyst_count,
            strong_buy as strong_buy_count,
            buy as buy_count,
            hold as hold_count,
            sell as sell_count,
            strong_sell as strong_sell_count,
            1.0 * (
                coalesce(strong_buy, 0)
                + 2 * coalesce(buy, 0)
                + 3 * coalesce(hold, 0)
                + 4 * coalesce(sell, 0)
                + 5 * coalesce(strong_sell, 0)
            )
            / nullif(analyst_count, 0) as counted_mean_score,
            recommendation_mean,
            nullif(target_mean, 0) * multiplier as target_mean,
            nullif(target_median, 0) * multiplier as target_median,
            nullif(target_high, 0) * multiplier as target_high,
            nullif(target_low, 0) * multiplier as target_low,
            target_count,
            currency is not null and quote_currency is not null as is_currency_stated,
            multiplier is not null as is_convertible,
            quote_currency,
            known_from,
            pit_quality,
            row_id
        from counted
    )
select *
from final
