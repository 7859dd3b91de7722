{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('momentum_changes'), 'replaced_from') }}",
    )
}}

{#- Calendar anchors in months, and the rows that end a block of the deepest fall: 6 x 6 x 7 = 252. -#}
{%- set anchors = [1, 3, 6, 7, 12, 13] -%}
{%- set by_session = "partition by ticker order by session_date asc nulls last" -%}
{#- Exponential averages: value, its position in the series, length of the seed, alpha. -#}
{%- set averages = {
    "gain": ("gain", "(bar_number - 1)", 14, 1 / 14),
    "loss": ("loss", "(bar_number - 1)", 14, 1 / 14),
    "range": ("true_range", "(bar_number - 1)", 14, 1 / 14),
    "close_12": ("close", "bar_number", 12, 2 / 13),
    "close_26": ("close", "bar_number", 26, 2 / 27),
} -%}

with
    changes as (
        select ticker, replaced_from, read_from from {{ ref("momentum_changes") }} where not is_tail
    ),
    tails as (select * from {{ ref("momentum_tails") }}),
    {{ momentum_bars("changes" if is_incremental() else none) }},
    lagged as (
        select
            *,
            row_number() over history as bar_number,
            lag(session_date) over history as previous_session_date,
            lag(session_number) over history as previous_session_number,
            lag(adj_close) over history as adj_close_1d_ago,
            lag(source) over history as source_1d_ago,
            lag(known_at) over history as known_at_1d_ago,
            {{ blocks_before(["close"], 6, 1) }}
            {% for length in [1, 5, 21, 63, 126, 252] %}
                lag(close, {{ length }}) over history as close_{{ length }}d_ago,
            {% endfor %}
            {% for length in [1, 63, 126, 252] %}
                lag(benchmark_level, {{ length }}) over history
                as benchmark_level_{{ length }}d_ago,
                lag(benchmark_segment, {{ length }}) over history
                as benchmark_segment_{{ length }}d_ago
                {{- "," if not loop.last }}
            {% endfor %}
        from bars
        window history as ({{ by_session }})
    ),
    measured as (
        select
            ticker,
            session_date,
            close,
            high,
            volume,
            bar_number,
            previous_session_date,
            close_1d_ago,
            close_5d_ago,
            close_21d_ago,
            close_63d_ago,
            close_126d_ago,
            close_252d_ago,
            open / close_1d_ago - 1 as open_return,
            high / close_1d_ago - 1 as high_return,
            low / close_1d_ago - 1 as low_return,
            {{ is_after_gap() }} as is_after_gap,
            ln(close / close_1d_ago) as log_return,
            {{ log_dividend_factor() }} as log_dividend_factor,
            dividend is null or dividend >= close_1d_ago as is_dividend_unknown,
            case when close > close_1d_ago then close - close_1d_ago else 0.0 end as gain,
            case when close < close_1d_ago then close_1d_ago - close else 0.0 end as loss,
            {{ true_range() }} as true_range,
            high is null or low is null as is_range_unknown,
            case
                when benchmark_segment = benchmark_segment_1d_ago
                then exp(benchmark_level - benchmark_level_1d_ago) - 1
            end as benchmark_return,
            {% for length in [63, 126, 252] %}
                case
                    when benchmark_segment = benchmark_segment_{{ length }}d_ago
                    then benchmark_level - benchmark_level_{{ length }}d_ago
                end as benchmark_log_return_{{ length }}d,
            {% endfor %}
            {{ over_blocks("greatest", "close", 6) }} as high_6,
            {{ over_blocks("least", "close", 6) }} as low_6,
            {{ deepest_fall("close", "close", none, 6) }} as fall_6
        from lagged
    ),
    paired as (
        select
            *,
            case when not is_after_gap then log_return end as step,
            case
                when not is_after_gap and benchmark_return is not null
                then exp(log_return - log_dividend_factor) - 1
            end as paired_return
        from measured
    ),
    framed as (
        select
            ticker,
            session_date,
            close,
            volume,
            bar_number,
            close_1d_ago,
            close_5d_ago,
            close_21d_ago,
            close_63d_ago,
            close_126d_ago,
            close_252d_ago,
            open_return,
            high_return,
            low_return,
            benchmark_log_return_63d,
            benchmark_log_return_126d,
            benchmark_log_return_252d,
            high_6,
            low_6,
            fall_6,
            -- Bars since something happened last; NULL where it never did.
            bar_number
            - max(case when is_after_gap then bar_number end) over so_far as bars_since_gap,
            max(case when log_dividend_factor is null then bar_number end) over so_far
            as last_unknown_factor,
            max(case when is_dividend_unknown and bar_number > 1 then bar_number end) over so_far
            as last_vendor_factor,
            max(case when is_range_unknown then bar_number end) over so_far as last_unknown_range,
            max(case when volume is null then bar_number end) over so_far as last_unknown_volume,
            max(
                case
                    when extract(year from previous_session_date) < extract(year from session_date)
                    then bar_number - 1
                end
            ) over so_far as year_end_bar,
            {% for months in anchors %}
                count(*) over (
                    {{ by_session }}
                    range between unbounded preceding and interval '{{ months }}' month preceding
                ) as anchor_bar_{{ months }}m,
            {% endfor %}
            count(step) over so_far as step_count,
            coalesce(sum(log_dividend_factor) over so_far, 0) as log_factors,
            coalesce(sum(log_dividend_factor) over whole, 0) as all_log_factors,
            max(case when log_dividend_factor is null then bar_number end) over whole
            as newest_unknown_factor,
            avg(close) over last_50 as mean_50,
            avg(close) over last_200 as mean_200,
            max(high) over last_252 as high_52w_intraday,
            stddev_samp(step) over last_21 as stddev_21,
            stddev_samp(step) over last_63 as stddev_63,
            stddev_samp(step) over last_252 as stddev_252,
            count(paired_return) over last_252 as pair_count,
            covar_samp(paired_return, benchmark_return) over last_252 as benchmark_covariance,
            var_samp(case when paired_return is not null then benchmark_return end) over last_252
            as benchmark_variance,
            {{ blocks_before(["high_6", "low_6", "fall_6"], 6, 6) }}
            {% for name, (value, position, seed, alpha) in averages.items() %}
                sum({{ weighted(value, position, seed, alpha, true) }}) over last_512
                as {{ name }}_even,
                sum({{ weighted(value, position, seed, alpha, false) }}) over last_512
                as {{ name }}_odd,
            {% endfor %}
            {{ rolling_median("volume") }} over previous_60 as median_volume
        from paired
        window
            history as ({{ by_session }}),
            so_far as ({{ by_session }} rows between unbounded preceding and current row),
            whole as ({{ by_session }} rows between unbounded preceding and unbounded following),
            last_21 as ({{ by_session }} rows between 20 preceding and current row),
            last_50 as ({{ by_session }} rows between 49 preceding and current row),
            last_63 as ({{ by_session }} rows between 62 preceding and current row),
            last_200 as ({{ by_session }} rows between 199 preceding and current row),
            last_252 as ({{ by_session }} rows between 251 preceding and current row),
            last_512 as ({{ by_session }} rows between 511 preceding and current row),
            previous_60 as ({{ by_session }} rows between 60 preceding and 1 preceding)
    ),
    averaged as (
        select
            *,
            {% for name, (value, position, seed, alpha) in averages.items() %}
                {{ exponential_average(name, alpha) }} as average_{{ name }},
            {% endfor %}
            {{ over_blocks("greatest", "high_6", 6) }} as high_36,
            {{ over_blocks("least", "low_6", 6) }} as low_36,
            {{ deepest_fall("high_6", "low_6", "fall_6", 6) }} as fall_36
        from framed
    ),
    converged as (
        select
            *,
            case
                when bar_number >= 26 then average_close_12 - average_close_26
            end as average_difference
        from averaged
    ),
    combined as (
        select
            *,
            {% for length in [21, 63, 252] %}
                step_count
                - coalesce(lag(step_count, {{ length }}) over history, 0) as steps_{{ length }},
            {% endfor %}
            {% for length in [63, 126, 252] %}
                log_factors
                - lag(log_factors, {{ length }}) over history as log_factors_{{ length }}d,
            {% endfor %}
            {% for months in anchors %}
                {% set back = "bar_number - anchor_bar_" ~ months ~ "m" %}
                {{ rows_before("close", back) }} over history as close_{{ months }}m_ago,
                {{ rows_before("session_date", back) }} over history as anchor_{{ months }}m,
                {% if months in [1, 12] %}
                    {{ rows_before("log_factors", back) }} over history
                    as log_factors_{{ months }}m_ago,
                {% endif %}
            {% endfor %}
            {{ rows_before("coalesce(last_unknown_factor, 0)", "bar_number - anchor_bar_1m") }}
            over history as unknown_factor_1m_ago,
            {{ rows_before("close", "bar_number - coalesce(year_end_bar, 0)") }} over history
            as close_year_end,
            {{ rows_before("session_date", "bar_number - coalesce(year_end_bar, 0)") }} over history
            as year_end,
            {{ rows_before("log_factors", "bar_number - coalesce(year_end_bar, 0)") }} over history
            as log_factors_year_end,
            {{ blocks_before(["high_36", "low_36", "fall_36"], 7, 36) }}
            sum(
                {{ weighted("average_difference", "(bar_number - 25)", 9, 0.2, true) }}
            ) over last_512 as signal_even,
            sum(
                {{ weighted("average_difference", "(bar_number - 25)", 9, 0.2, false) }}
            ) over last_512 as signal_odd
        from converged
        window
            history as ({{ by_session }}),
            last_512 as ({{ by_session }} rows between 511 preceding and current row)
    ),
    anchored as (
        select
            *,
            {{ over_blocks("greatest", "high_36", 7) }} as high_252,
            {{ deepest_fall("high_36", "low_36", "fall_36", 7) }} as fall_252,
            {% for months in anchors %}
                coalesce(
                    anchor_{{ months }}m + 7
                    >= cast(session_date - interval '{{ months }}' month as date),
                    false
                ) as has_{{ months }}m,
            {% endfor %}
            coalesce(
                year_end + 8 >= cast({{ dbt.date_trunc("year", "session_date") }} as date), false
            ) as has_year_end,
            bar_number - coalesce(last_unknown_factor, 0) as bars_since_unknown_factor
        from combined
    ),
    final as (
        select
            ticker,
            session_date,
            close,
            case
                when coalesce(newest_unknown_factor, 0) <= bar_number
                then close * exp(all_log_factors - log_factors)
            end as total_return_close,
            volume,
            case when bar_number >= 50 then mean_50 end as sma_50,
            case when bar_number >= 200 then mean_200 end as sma_200,
            {% for length in [1, 5, 21, 63, 126, 252] %}
                case
                    when bars_since_gap >= {{ length }} then close / close_{{ length }}d_ago - 1
                end as return_{{ length }}d,
            {% endfor %}
            {% for months in [1, 3, 6, 12] %}
                case
                    when has_{{ months }}m then close / close_{{ months }}m_ago - 1
                end as return_{{ months }}m,
            {% endfor %}
            case when has_year_end then close / close_year_end - 1 end as return_ytd,
            {% for price in ["high", "low", "open"] %}
                case when bars_since_gap >= 1 then {{ price }}_return end as {{ price }}_return_1d,
            {% endfor %}
            {% for months in [1, 12] %}
                case
                    when
                        has_{{ months }}m
                        and bars_since_unknown_factor >= bar_number - anchor_bar_{{ months }}m
                    then
                        close
                        / close_{{ months }}m_ago
                        * exp(log_factors_{{ months }}m_ago - log_factors)
                        - 1
                end as total_return_{{ months }}m,
            {% endfor %}
            case
                when has_year_end and bars_since_unknown_factor >= bar_number - year_end_bar
                then close / close_year_end * exp(log_factors_year_end - log_factors) - 1
            end as total_return_ytd,
            case
                when last_unknown_factor > bar_number - 252
                then null
                when last_vendor_factor > bar_number - 252
                then 'vendor'
                else 'own'
            end as total_return_basis,
            case
                when
                    bar_number >= 252
                    and has_1m
                    and has_12m
                    and unknown_factor_1m_ago <= anchor_bar_12m
                then
                    close_1m_ago / close_12m_ago * exp(log_factors_12m_ago - log_factors_1m_ago) - 1
            end as momentum_12_1,
            case when has_1m and has_7m then close_1m_ago / close_7m_ago - 1 end as return_7m_1m,
            case when has_1m and has_13m then close_1m_ago / close_13m_ago - 1 end as return_13m_1m,
            high_252 as high_52w,
            close / high_252 as high_52w_ratio,
            high_52w_intraday,
            close / high_252 - 1 as drawdown_252d,
            fall_252 - 1 as max_drawdown_252d,
            {% for length in [21, 63, 252] %}
                case
                    when steps_{{ length }} >= 0.8 * {{ length }}
                    then stddev_{{ length }} * sqrt(252)
                end as volatility_{{ length }}d,
            {% endfor %}
            case
                when pair_count >= 120 and benchmark_variance > 1e-18
                then benchmark_covariance / benchmark_variance
            end as beta_252d,
            {% for length in [63, 126, 252] %}
                case
                    when
                        bars_since_gap >= {{ length }} and bars_since_unknown_factor >= {{ length }}
                    then
                        ln(close / close_{{ length }}d_ago)
                        - log_factors_{{ length }}d
                        - benchmark_log_return_{{ length }}d
                end as relative_strength_{{ length }}d,
            {% endfor %}
            case
                when bar_number > 60 and coalesce(last_unknown_volume, 0) < bar_number - 60
                then volume / nullif(median_volume, 0)
            end as volume_surge,
            case
                when bar_number < 150
                then null
                when average_gain + average_loss > 0
                then 100 * average_gain / (average_gain + average_loss)
                else 50.0
            end as rsi_14,
            case when bar_number >= 200 then average_difference end as macd,
            case
                when bar_number >= 200 then {{ exponential_average("signal", 0.2) }}
            end as macd_signal,
            case
                when
                    bar_number >= 15
                    and (last_unknown_range is null or last_unknown_range <= bar_number - 150)
                then average_range
            end as atr_14
        from anchored
        {% if is_incremental() %}
            union all
            select *
            from tails
        {% endif %}
    )
select *
from final
