{#- Exponential averages: value and the share of it that a session takes. -#}
{%- set averages = {
    "gain": ("gain", 1 / 14),
    "loss": ("loss", 1 / 14),
    "range": ("true_range", 1 / 14),
    "close_12": ("close", 2 / 13),
    "close_26": ("close", 2 / 27),
} -%}
{#- Days on which a window begins: its anchor is the last bar on or before. -#}
{%- set anchors = {
    "year_end": "cast(" ~ dbt.date_trunc("year", "session_date") ~ " as date) - 1"
} -%}
{%- for months in [1, 3, 6, 7, 12, 13] -%}
    {%- do anchors.update(
        {months ~ "m": "cast(session_date - interval '" ~ months ~ "' month as date)"}
    ) -%}
{%- endfor -%}

with
    changes as (
        select ticker, replaced_from, read_from from {{ ref("momentum_changes") }} where is_tail
    ),
    {{ momentum_bars("changes") }},
    lagged as (
        select
            *,
            row_number() over history as bar_number,
            lead(session_date, 1, cast('9999-12-31' as date)) over history as next_session_date,
            lag(session_date) over history as previous_session_date,
            lag(session_number) over history as previous_session_number,
            lag(close) over history as close_1d_ago,
            lag(adj_close) over history as adj_close_1d_ago,
            lag(source) over history as source_1d_ago,
            lag(known_at) over history as known_at_1d_ago,
            lag(benchmark_level) over history as benchmark_level_1d_ago,
            lag(benchmark_segment) over history as benchmark_segment_1d_ago
        from bars
        window history as (partition by ticker order by session_date asc nulls last)
    ),
    stepped as (
        select
            *,
            {{ is_after_gap() }} as is_after_gap,
            {{ log_dividend_factor() }} as log_dividend_factor,
            {{ true_range() }} as true_range,
            case when close > close_1d_ago then close - close_1d_ago else 0.0 end as gain,
            case when close < close_1d_ago then close_1d_ago - close else 0.0 end as loss,
            case
                when benchmark_segment = benchmark_segment_1d_ago
                then exp(benchmark_level - benchmark_level_1d_ago) - 1
            end as benchmark_return
        from lagged
    ),
    steps as (
        select
            *,
            case when not is_after_gap then ln(close / close_1d_ago) end as step,
            case
                when not is_after_gap and benchmark_return is not null
                then exp(ln(close / close_1d_ago) - log_dividend_factor) - 1
            end as paired_return
        from stepped
    ),
    sessions as (
        select
            steps.ticker,
            steps.session_date,
            steps.bar_number,
            {% for name, day in anchors.items() %}
                {{ day }} as day_{{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from steps
        inner join changes on changes.ticker = steps.ticker
        where steps.session_date >= changes.replaced_from
    ),
    aged as (
        select
            steps.ticker,
            sessions.session_date,
            sessions.bar_number - steps.bar_number as age,
            steps.session_date as bar_date,
            {% for name in anchors %}
                steps.session_date <= sessions.day_{{ name }}
                and steps.next_session_date > sessions.day_{{ name }} as is_{{ name }},
                steps.session_date > sessions.day_{{ name }} as is_after_{{ name }},
                sessions.day_{{ name }},
            {% endfor %}
            steps.open,
            steps.high,
            steps.low,
            steps.close,
            steps.volume,
            steps.dividend,
            steps.close_1d_ago,
            steps.is_after_gap,
            steps.log_dividend_factor,
            steps.true_range,
            steps.gain,
            steps.loss,
            steps.step,
            steps.paired_return,
            steps.benchmark_return,
            steps.benchmark_level,
            steps.benchmark_segment
        from sessions
        inner join
            steps
            on steps.ticker = sessions.ticker
            and steps.bar_number > sessions.bar_number - {{ tail_bars() }}
    ),
    -- The highest close so far in the window, for the deepest fall.
    peaks as (
        select
            ticker,
            session_date,
            close / max(close) over (
                partition by ticker, session_date
                order by age desc nulls last
                rows between unbounded preceding and current row
            ) as fall
        from aged
        where age between 0 and 251
    ),
    falls as (
        select ticker, session_date, min(fall) as fall_252 from peaks group by ticker, session_date
    ),
    aggregated as (
        select
            ticker,
            session_date,
            max(close) filter (where age = 0) as close,
            max(volume) filter (where age = 0) as volume,
            {% for price in ["open", "high", "low"] %}
                max({{ price }} / close_1d_ago - 1) filter (where age = 0) as {{ price }}_return,
            {% endfor %}
            {% for length in [1, 5, 21, 63, 126, 252] %}
                max(close) filter (where age = {{ length }}) as close_{{ length }}d_ago,
            {% endfor %}
            min(age) filter (where is_after_gap and age >= 0) as bars_since_gap,
            min(age) filter (
                where log_dividend_factor is null and age >= 0
            ) as bars_since_unknown_factor,
            min(age) filter (
                where (dividend is null or dividend >= close_1d_ago) and age >= 0
            ) as bars_since_vendor_factor,
            min(age) filter (
                where (high is null or low is null) and age >= 0
            ) as bars_since_unknown_range,
            min(age) filter (where volume is null and age >= 0) as bars_since_unknown_volume,
            count(*) filter (where log_dividend_factor is null and age < 0) as later_unknown_count,
            coalesce(sum(log_dividend_factor) filter (where age < 0), 0) as later_log_factors,
            avg(close) filter (where age between 0 and 49) as sma_50,
            avg(close) filter (where age between 0 and 199) as sma_200,
            max(close) filter (where age between 0 and 251) as high_252,
            max(high) filter (where age between 0 and 251) as high_52w_intraday,
            {% for length in [21, 63, 252] %}
                count(step) filter (where age between 0 and {{ length - 1 }}) as steps_{{ length }},
                stddev_samp(step) filter (
                    where age between 0 and {{ length - 1 }}
                ) as stddev_{{ length }},
            {% endfor %}
            count(paired_return) filter (where age between 0 and 251) as pair_count,
            covar_samp(paired_return, benchmark_return) filter (
                where age between 0 and 251
            ) as benchmark_covariance,
            var_samp(benchmark_return) filter (
                where age between 0 and 251 and paired_return is not null
            ) as benchmark_variance,
            {% for length in [63, 126, 252] %}
                max(benchmark_level) filter (where age = 0) - max(benchmark_level) filter (
                    where age = {{ length }}
                ) as benchmark_log_return_{{ length }}d,
                max(benchmark_segment) filter (where age = 0) = max(benchmark_segment) filter (
                    where age = {{ length }}
                ) as is_benchmark_known_{{ length }}d,
                coalesce(
                    sum(log_dividend_factor) filter (where age between 0 and {{ length - 1 }}), 0
                ) as log_factors_{{ length }}d,
            {% endfor %}
            percentile_cont(0.5) within group (order by volume) filter (
                where age between 1 and 60
            ) as median_volume,
            {% for name, (value, alpha) in averages.items() %}
                {{ alpha }} * sum({{ value }} * power({{ 1 - alpha }}, age)) filter (
                    where age >= 0
                ) as average_{{ name }},
            {% endfor %}
            -- The average of 9 of the difference of the averages of 12 and 26, as one weight.
            0.2 * sum(
                close * (
                    {{ 2 / 13 }}
                    * (power({{ 11 / 13 }}, age + 1) - power(0.8, age + 1))
                    / {{ 11 / 13 - 0.8 }}
                    - {{ 2 / 27 }}
                    * (power({{ 25 / 27 }}, age + 1) - power(0.8, age + 1))
                    / {{ 25 / 27 - 0.8 }}
                )
            ) filter (where age >= 0) as macd_signal,
            {% for name in anchors %}
                max(close) filter (
                    where is_{{ name }} and bar_date + 7 >= day_{{ name }}
                ) as close_{{ name }},
                coalesce(
                    sum(log_dividend_factor) filter (where is_after_{{ name }} and age >= 0), 0
                ) as log_factors_{{ name }},
                count(*) filter (
                    where is_after_{{ name }} and log_dividend_factor is null and age >= 0
                ) as unknown_count_{{ name }}
                {{- "," if not loop.last }}
            {% endfor %}
        from aged
        group by ticker, session_date
    ),
    final as (
        select
            aggregated.ticker,
            aggregated.session_date,
            close,
            case
                when later_unknown_count = 0 then close * exp(later_log_factors)
            end as total_return_close,
            volume,
            sma_50,
            sma_200,
            {% for length in [1, 5, 21, 63, 126, 252] %}
                case
                    when coalesce(bars_since_gap >= {{ length }}, true)
                    then close / close_{{ length }}d_ago - 1
                end as return_{{ length }}d,
            {% endfor %}
            {% for name in ["1m", "3m", "6m", "12m"] %}
                close / close_{{ name }} - 1 as return_{{ name }},
            {% endfor %}
            close / close_year_end - 1 as return_ytd,
            {% for price in ["high", "low", "open"] %}
                case
                    when coalesce(bars_since_gap >= 1, true) then {{ price }}_return
                end as {{ price }}_return_1d,
            {% endfor %}
            {% for name, column in [("1m", "1m"), ("12m", "12m"), ("year_end", "ytd")] %}
                case
                    when unknown_count_{{ name }} = 0
                    then close / close_{{ name }} * exp(- log_factors_{{ name }}) - 1
                end as total_return_{{ column }},
            {% endfor %}
            case
                when bars_since_unknown_factor < 252
                then null
                when bars_since_vendor_factor < 252
                then 'vendor'
                else 'own'
            end as total_return_basis,
            case
                when unknown_count_12m = unknown_count_1m
                then close_1m / close_12m * exp(log_factors_1m - log_factors_12m) - 1
            end as momentum_12_1,
            close_1m / close_7m - 1 as return_7m_1m,
            close_1m / close_13m - 1 as return_13m_1m,
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
                        coalesce(bars_since_gap >= {{ length }}, true)
                        and coalesce(bars_since_unknown_factor >= {{ length }}, true)
                        and is_benchmark_known_{{ length }}d
                    then
                        ln(close / close_{{ length }}d_ago)
                        - log_factors_{{ length }}d
                        - benchmark_log_return_{{ length }}d
                end as relative_strength_{{ length }}d,
            {% endfor %}
            case
                when coalesce(bars_since_unknown_volume > 60, true)
                then volume / nullif(median_volume, 0)
            end as volume_surge,
            case
                when average_gain + average_loss > close * {{ least_movement() }}
                then 100 * average_gain / (average_gain + average_loss)
                else 50.0
            end as rsi_14,
            average_close_12 - average_close_26 as macd,
            macd_signal,
            case
                when coalesce(bars_since_unknown_range >= 150, true) then average_range
            end as atr_14
        from aggregated
        inner join
            falls
            on falls.ticker = aggregated.ticker
            and falls.session_date = aggregated.session_date
    )
select *
from final
