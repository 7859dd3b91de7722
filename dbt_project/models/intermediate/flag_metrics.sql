{{ config(materialized="view") }}

{%- set no_number = "cast(null as " ~ dbt.type_float() ~ ")" -%}
{#- Metric, its value, the number of observations behind it, and its second value. -#}
{%- set of_prices = [
    ("drawdown_252d", "drawdown_252d", "null", "null"),
    (
        "volatility_21d_to_median_756d",
        "volatility_21d_to_median_756d",
        "volatility_count_756d",
        "volatility_21d_to_high_756d",
    ),
    ("opening_gap_in_atr", "opening_gap_in_atr", "null", "opening_gap"),
    (
        "rsi_14",
        "case when close_to_sma_200 is not null then rsi_14 end",
        "null",
        "close_to_sma_200",
    ),
    (
        "sessions_below_sma_200",
        "sessions_below_sma_200",
        "null",
        "sessions_above_before",
    ),
] -%}
{%- set of_liquidity = [
    ("median_turnover_60d_usd_m", "volume_count_60d", "volume", "told_volume"),
    ("untraded_share_60d", "volume_count_60d", "volume", "told_volume"),
    ("highest_close_30d_usd", "close_count_30d", "close", "told_close"),
    ("price_currency_count", "1", "currency", "null"),
    ("unadjusted_splits_60d", "1", "close", "told_close"),
    ("source_gap_60d", "1", "close", "told_close"),
] -%}
{%- set of_consensus = [
    ("firms_down_10d", "null", "null"),
    ("net_upgrade_share_30d", "firm_count", "null"),
    ("target_breadth_30d", "null", "target_changes_30d"),
    ("target_cv", "target_count", "null"),
    ("target_high_to_low", "target_count", "null"),
    ("median_vote_age_days", "null", "null"),
    ("coverage_ratio", "firm_count", "null"),
    ("upside_median", "target_count", "null"),
    ("buy_share", "analyst_count", "momentum_percentile"),
    ("action_conflicts_90d", "null", "null"),
] -%}

with
    prices as (select * from {{ ref("flag_metrics_price") }} where {{ is_share("ticker") }}),
    liquidity as (select * from {{ ref("flag_metrics_liquidity") }}),
    staleness as (select * from {{ ref("flag_metrics_staleness") }}),
    analysts as (select * from {{ ref("flag_metrics_analyst") }}),
    fundamentals as (select * from {{ ref("flag_metrics_fundamentals") }}),
    news as (select * from {{ ref("flag_metrics_news") }}),
    exposures as (select * from {{ ref("flag_metrics_exposure") }}),
    final as (
        {%- for metric, value, count, qualifier in of_prices %}
            select
                ticker,
                session_date as observed_on,
                '{{ metric }}' as metric,
                '' as item,
                cast({{ value }} as {{ dbt.type_float() }}) as value,
                cast({{ count }} as {{ dbt.type_float() }}) as sample_count,
                cast({{ qualifier }} as {{ dbt.type_float() }}) as qualifier,
                'raw.prices' as table_name,
                row_id,
                {% if metric == "opening_gap_in_atr" %}
                    'open' as column_name, told_open as evidence_value,
                {% else %} 'close' as column_name, told_close as evidence_value,
                {% endif %}
                pit_quality,
                true as is_of_prices
            from prices
            union all
        {%- endfor %}
        {%- for metric, count, column, told in of_liquidity %}
            select
                ticker,
                session_date as observed_on,
                '{{ metric }}' as metric,
                '' as item,
                cast({{ metric }} as {{ dbt.type_float() }}) as value,
                cast({{ count }} as {{ dbt.type_float() }}) as sample_count,
                {{ no_number }} as qualifier,
                'raw.prices' as table_name,
                row_id,
                '{{ column }}' as column_name,
                cast({{ told }} as {{ dbt.type_float() }}) as evidence_value,
                pit_quality,
                true as is_of_prices
            from liquidity
            union all
        {%- endfor %}
        select
            ticker,
            observed_on,
            metric,
            '' as item,
            value,
            {{ no_number }} as sample_count,
            {{ no_number }} as qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality,
            false as is_of_prices
        from staleness
        union all
        {%- for metric, count, qualifier in of_consensus %}
            select
                ticker,
                session_date as observed_on,
                '{{ metric }}' as metric,
                '' as item,
                cast({{ metric }} as {{ dbt.type_float() }}) as value,
                cast({{ count }} as {{ dbt.type_float() }}) as sample_count,
                cast({{ qualifier }} as {{ dbt.type_float() }}) as qualifier,
                cast(null as {{ dbt.type_string() }}) as table_name,
                cast(null as {{ dbt.type_string() }}) as row_id,
                cast(null as {{ dbt.type_string() }}) as column_name,
                {{ no_number }} as evidence_value,
                pit_quality,
                false as is_of_prices
            from analysts
            union all
        {%- endfor %}
        select
            ticker,
            observed_on,
            metric,
            '' as item,
            value,
            sample_count,
            qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality,
            false as is_of_prices
        from fundamentals
        union all
        select
            ticker,
            observed_on,
            metric,
            row_id as item,
            value,
            {{ no_number }} as sample_count,
            qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality,
            false as is_of_prices
        from news
        union all
        select
            ticker,
            observed_on,
            metric,
            '' as item,
            value,
            sample_count,
            {{ no_number }} as qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality,
            false as is_of_prices
        from exposures
    )
select *
from final
where value is not null
