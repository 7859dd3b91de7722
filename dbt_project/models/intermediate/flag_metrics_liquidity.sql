{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('flag_changes'), 'replaced_from') }}",
    )
}}

with
    changes as (select ticker, replaced_from from {{ ref("flag_changes") }}),
    told as (select * from {{ ref("flag_metrics_price") }} where {{ is_share("ticker") }}),
    rates as (select * from {{ ref("dollar_rates") }}),
    known_bars as (select ticker, exchange, session_date, cut_off_at from {{ ref("known_bars") }}),
    days as (
        select exchange, day, opens_at, next_opens_at
        from {{ ref("stg_calendar_days") }}
        where is_session
    ),
    price_gaps as (select * from {{ ref("price_gaps") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    splits as (
        select ticker, session_date, split_ratio
        from {{ ref("stg_prices") }}
        where split_ratio <> 1 and is_final
    ),
    {% if is_incremental() %}
        firsts as (
            select told.ticker, min(told.bar_number) as first_number
            from told
            inner join changes on changes.ticker = told.ticker
            where told.session_date >= changes.replaced_from
            group by told.ticker
        ),
        prices as (
            select told.*
            from told
            inner join firsts on firsts.ticker = told.ticker
            where told.bar_number >= firsts.first_number - 60
        ),
    {% else %} prices as (select * from told),
    {% endif %}
    -- A rate serves the sessions after it was known, for a week.
    known_rates as (
        select
            *,
            case when known_on > session_date then known_on else session_date end + 1 as used_from
        from rates
    ),
    standing_rates as (
        select
            currency,
            dollar_rate,
            row_id,
            told_close,
            used_from,
            least(
                lead(used_from, 1, cast('9999-12-31' as date)) over (
                    partition by currency
                    order by used_from asc nulls last, session_date asc nulls last
                ),
                session_date + 8
            ) as used_until
        from known_rates
    ),
    -- Bars that another source tells as well.
    told_twice as (
        select
            prices.ticker,
            prices.session_date,
            prices.bar_number,
            known_bars.exchange,
            known_bars.cut_off_at,
            price_gaps.gap,
            price_gaps.known_from,
            price_gaps.known_until
        from price_gaps
        inner join
            prices
            on prices.ticker = price_gaps.ticker
            and prices.session_date = price_gaps.session_date
        inner join
            known_bars
            on known_bars.ticker = prices.ticker
            and known_bars.session_date = prices.session_date
    ),
    -- Sessions at whose cut-off the other source's word was first known.
    compared as (
        select distinct
            told_twice.ticker,
            case
                when told_twice.known_from <= told_twice.cut_off_at
                then told_twice.session_date
                else days.day
            end as session_date
        from told_twice
        left join
            days
            on days.exchange = told_twice.exchange
            and days.opens_at < told_twice.known_from
            and days.next_opens_at >= told_twice.known_from
            and told_twice.known_from > told_twice.cut_off_at
    ),
    -- What sources round is no gap, and would be looked at for 60 sessions each.
    gaps as (select * from told_twice where gap > 0.01),
    -- Where a gap is no more, or has left the window, that is said once more.
    widest as (
        select
            prices.ticker,
            prices.session_date,
            max(
                case
                    when
                        prices.bar_number < gaps.bar_number + 60
                        and known_bars.cut_off_at < gaps.known_until
                    then gaps.gap
                    else 0.0
                end
            ) as gap
        from gaps
        inner join
            prices
            on prices.ticker = gaps.ticker
            and prices.bar_number between gaps.bar_number and gaps.bar_number + 60
        inner join
            known_bars
            on known_bars.ticker = prices.ticker
            and known_bars.session_date = prices.session_date
            and known_bars.cut_off_at >= gaps.known_from
        group by prices.ticker, prices.session_date
    ),
    framed as (
        select
            prices.*,
            coalesce(
                widest.gap, case when count(compared.ticker) over last_60 > 0 then 0.0 end
            ) as source_gap_60d,
            quoted.major_code,
            quoted.units_per_major,
            min(prices.currency) over last_60 as first_currency,
            max(prices.currency) over last_60 as last_currency,
            -- Prices that a split moved by its ratio are not adjusted for it.
            count(
                case
                    when
                        abs(ln(1 + prices.return_1d) + ln(splits.split_ratio))
                        < abs(ln(1 + prices.return_1d))
                    then 1
                end
            ) over last_60 as unadjusted_splits_60d
        from prices
        left join listings on listings.ticker = prices.ticker
        left join currencies as quoted on quoted.code = coalesce(prices.currency, listings.currency)
        left join
            splits on splits.ticker = prices.ticker and splits.session_date = prices.session_date
        left join
            compared
            on compared.ticker = prices.ticker
            and compared.session_date = prices.session_date
        left join
            widest on widest.ticker = prices.ticker and widest.session_date = prices.session_date
        window
            last_60 as (
                partition by prices.ticker
                order by prices.session_date asc nulls last
                rows between 59 preceding and current row
            )
    ),
    final as (
        select
            framed.ticker,
            framed.session_date,
            framed.row_id,
            framed.pit_quality,
            framed.told_close,
            framed.told_volume,
            framed.volume_count_60d,
            framed.median_turnover_60d
            / framed.units_per_major
            * case when framed.major_code = 'USD' then 1.0 else standing_rates.dollar_rate end
            / 1000000 as median_turnover_60d_usd_m,
            standing_rates.row_id as rate_row_id,
            standing_rates.told_close as rate_told_close,
            framed.untraded_share_60d,
            case
                when framed.major_code = 'USD'
                then framed.highest_close_30d / framed.units_per_major
            end as highest_close_30d_usd,
            framed.close_count_30d,
            case
                when framed.first_currency is null
                then null
                when framed.first_currency <> framed.last_currency
                then 2
                else 1
            end as price_currency_count,
            framed.unadjusted_splits_60d,
            framed.source_gap_60d
        from framed
        left join
            standing_rates
            on standing_rates.currency = framed.major_code
            and framed.session_date >= standing_rates.used_from
            and framed.session_date < standing_rates.used_until
            {{ only_changed(ref("flag_changes"), "replaced_from", "framed") }}
    )
select *
from final
