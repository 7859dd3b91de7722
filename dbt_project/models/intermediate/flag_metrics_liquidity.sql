with
    prices as (select * from {{ ref("flag_metrics_price") }} where {{ is_share("ticker") }}),
    rates as (select * from {{ ref("dollar_rates") }}),
    listings as (select ticker, currency from {{ ref("stg_listings") }}),
    currencies as (select code, major_code, units_per_major from {{ ref("currencies") }}),
    splits as (
        select distinct ticker, session_date, split_ratio
        from {{ ref("stg_prices") }}
        where split_ratio <> 1 and is_final
    ),
    shares as (
        select prices.*, quoted.major_code, quoted.units_per_major
        from prices
        left join listings on listings.ticker = prices.ticker
        left join currencies as quoted on quoted.code = coalesce(prices.currency, listings.currency)
    ),
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
    turnovers as (
        select
            shares.ticker,
            shares.session_date as observed_on,
            'median_turnover_60d_usd_m' as metric,
            shares.median_turnover_60d
            / shares.units_per_major
            * case when shares.major_code = 'USD' then 1.0 else standing_rates.dollar_rate end
            / 1000000 as value,
            shares.volume_count_60d as sample_count,
            shares.row_id,
            'volume' as column_name,
            shares.told_volume as evidence_value,
            shares.pit_quality
        from shares
        left join
            standing_rates
            on standing_rates.currency = shares.major_code
            and shares.session_date >= standing_rates.used_from
            and shares.session_date < standing_rates.used_until
    ),
    pennies as (
        select
            ticker,
            session_date as observed_on,
            'highest_close_30d_usd' as metric,
            highest_close_30d / units_per_major as value,
            close_count_30d as sample_count,
            row_id,
            'close' as column_name,
            told_close as evidence_value,
            pit_quality
        from shares
        where major_code = 'USD'
    ),
    untraded as (
        select
            ticker,
            session_date as observed_on,
            'untraded_share_60d' as metric,
            untraded_share_60d as value,
            volume_count_60d as sample_count,
            row_id,
            'volume' as column_name,
            told_volume as evidence_value,
            pit_quality
        from shares
    ),
    numbered as (
        select
            *,
            row_number() over (
                partition by ticker order by session_date asc nulls last
            ) as bar_number,
            min(currency) over last_60 as first_currency,
            max(currency) over last_60 as last_currency
        from prices
        window
            last_60 as (
                partition by ticker
                order by session_date asc nulls last
                rows between 59 preceding and current row
            )
    ),
    -- Prices that a split moved by its ratio are not adjusted for it.
    unadjusted as (
        select numbered.ticker, numbered.bar_number
        from splits
        inner join
            numbered
            on numbered.ticker = splits.ticker
            and numbered.session_date = splits.session_date
        where
            abs(ln(1 + numbered.return_1d) + ln(splits.split_ratio))
            < abs(ln(1 + numbered.return_1d))
    ),
    suspects as (
        select distinct ticker
        from unadjusted
        union
        select ticker
        from prices
        group by ticker
        having count(distinct currency) > 1
    ),
    unadjusted_counts as (
        select numbered.ticker, numbered.session_date, count(*) as unadjusted_splits_60d
        from unadjusted
        inner join
            numbered
            on numbered.ticker = unadjusted.ticker
            and numbered.bar_number between unadjusted.bar_number and unadjusted.bar_number + 59
        group by numbered.ticker, numbered.session_date
    ),
    -- Of tickers without a finding, the first session says that there was something to look at.
    conflicts as (
        select
            numbered.*,
            coalesce(unadjusted_counts.unadjusted_splits_60d, 0) as unadjusted_splits_60d
        from numbered
        left join
            unadjusted_counts
            on unadjusted_counts.ticker = numbered.ticker
            and unadjusted_counts.session_date = numbered.session_date
        where numbered.bar_number = 1 or numbered.ticker in (select ticker from suspects)
    ),
    currency_conflicts as (
        select
            ticker,
            session_date as observed_on,
            'price_currency_count' as metric,
            case when first_currency <> last_currency then 2 else 1 end as value,
            1 as sample_count,
            row_id,
            'currency' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            pit_quality
        from conflicts
        where first_currency is not null
    ),
    split_conflicts as (
        select
            ticker,
            session_date as observed_on,
            'unadjusted_splits_60d' as metric,
            unadjusted_splits_60d as value,
            1 as sample_count,
            row_id,
            'close' as column_name,
            told_close as evidence_value,
            pit_quality
        from conflicts
    ),
    final as (
        {%- for cte in [
            "turnovers",
            "untraded",
            "pennies",
            "currency_conflicts",
            "split_conflicts",
        ] %}
            select
                ticker,
                observed_on,
                metric,
                cast(value as {{ dbt.type_float() }}) as value,
                cast(sample_count as {{ dbt.type_float() }}) as sample_count,
                row_id,
                column_name,
                evidence_value,
                pit_quality
            from {{ cte }}
            {% if not loop.last %}
                union all
            {% endif %}
        {%- endfor %}
    )
select *
from final
