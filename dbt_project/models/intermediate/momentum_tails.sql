{#- The share of an exponential average that a session takes, and the bars that windows reach back. -#}
{%- set alphas = {"14": 1 / 14, "12": 2 / 13, "26": 2 / 27} -%}
{%- set lengths = [0, 1, 5, 21, 63, 126, 252] -%}
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
            row_number() over (
                order by steps.ticker asc nulls last, steps.session_date asc nulls last
            ) as tail_number,
            {% for name, day in anchors.items() %}
                {{ day }} as day_{{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from steps
        inner join changes on changes.ticker = steps.ticker
        where steps.session_date >= changes.replaced_from
    ),
    aged as (
        select
            sessions.tail_number,
            sessions.bar_number - steps.bar_number as age,
            steps.high,
            steps.close,
            steps.volume,
            steps.true_range,
            steps.gain,
            steps.loss,
            steps.step,
            steps.paired_return,
            steps.benchmark_return
        from sessions
        inner join
            steps
            on steps.ticker = sessions.ticker
            and steps.bar_number > sessions.bar_number - {{ tail_bars() }}
            and steps.bar_number <= sessions.bar_number
    ),
    -- A power costs more than a sum, so those of an age are computed once.
    weights as (
        select
            age,
            {% for name, alpha in alphas.items() %}
                {{ alpha }} * power({{ 1 - alpha }}, age) as weight_{{ name }},
            {% endfor %}
            -- The average of 9 of the difference of the averages of 12 and 26, as one weight.
            0.2 * (
                {{ 2 / 13 }}
                * (power({{ 11 / 13 }}, age + 1) - power(0.8, age + 1))
                / {{ 11 / 13 - 0.8 }}
                - {{ 2 / 27 }}
                * (power({{ 25 / 27 }}, age + 1) - power(0.8, age + 1))
                / {{ 25 / 27 - 0.8 }}
            ) as weight_signal
        from (select distinct age from aged) as ages
    ),
    -- The highest close so far in the window, for the deepest fall.
    peaks as (
        select
            tail_number,
            close / max(close) over (
                partition by tail_number
                order by age desc nulls last
                rows between unbounded preceding and current row
            ) as fall
        from aged
        where age < 252
    ),
    falls as (select tail_number, min(fall) as fall_252 from peaks group by tail_number),
    framed as (
        select
            tail_number,
            avg(close) filter (where aged.age < 50) as sma_50,
            avg(close) filter (where aged.age < 200) as sma_200,
            max(close) filter (where aged.age < 252) as high_252,
            max(high) filter (where aged.age < 252) as high_52w_intraday,
            {% for length in [21, 63, 252] %}
                count(step) filter (where aged.age < {{ length }}) as steps_{{ length }},
                stddev_samp(step) filter (where aged.age < {{ length }}) as stddev_{{ length }},
            {% endfor %}
            count(paired_return) filter (where aged.age < 252) as pair_count,
            covar_samp(paired_return, benchmark_return) filter (
                where aged.age < 252
            ) as benchmark_covariance,
            var_samp(benchmark_return) filter (
                where aged.age < 252 and paired_return is not null
            ) as benchmark_variance,
            percentile_cont(0.5) within group (order by volume) filter (
                where aged.age between 1 and 60
            ) as median_volume,
            sum(gain * weight_14) as average_gain,
            sum(loss * weight_14) as average_loss,
            sum(true_range * weight_14) as average_range,
            sum(close * weight_12) as average_close_12,
            sum(close * weight_26) as average_close_26,
            sum(close * weight_signal) as macd_signal
        from aged
        inner join weights on weights.age = aged.age
        group by tail_number
    ),
    -- The few bars at the ends of windows.
    ends as (
        select
            sessions.tail_number,
            sessions.bar_number - steps.bar_number as age,
            steps.open / steps.close_1d_ago - 1 as open_return,
            steps.high / steps.close_1d_ago - 1 as high_return,
            steps.low / steps.close_1d_ago - 1 as low_return,
            steps.close,
            steps.volume,
            steps.benchmark_level,
            steps.benchmark_segment
        from sessions
        inner join
            steps
            on steps.ticker = sessions.ticker
            and sessions.bar_number - steps.bar_number in ({{ lengths | join(", ") }})
    ),
    ended as (
        select
            tail_number,
            {% for length in lengths %}
                max(close) filter (where age = {{ length }}) as close_{{ length }}d_ago,
                max(benchmark_level) filter (
                    where age = {{ length }}
                ) as benchmark_level_{{ length }}d_ago,
                max(benchmark_segment) filter (
                    where age = {{ length }}
                ) as benchmark_segment_{{ length }}d_ago,
            {% endfor %}
            {% for column in ["volume", "open_return", "high_return", "low_return"] %}
                max({{ column }}) filter (where age = 0) as {{ column }}{{ "," if not loop.last }}
            {% endfor %}
        from ends
        group by tail_number
    ),
    anchored as (
        select
            sessions.tail_number,
            {% for name in anchors %}
                max(close) filter (
                    where
                        steps.session_date <= day_{{ name }}
                        and steps.next_session_date > day_{{ name }}
                        and steps.session_date + 7 >= day_{{ name }}
                ) as close_{{ name }}{{ "," if not loop.last }}
            {% endfor %}
        from sessions
        inner join
            steps
            on steps.ticker = sessions.ticker
            and (
                {% for name in anchors %}
                    {% if not loop.first %}
                        or {% endif %} (
                        steps.session_date <= day_{{ name }}
                        and steps.next_session_date > day_{{ name }}
                    )
                {% endfor %}
            )
        group by sessions.tail_number
    ),
    -- The few bars with a gap, a dividend or something unknown.
    uneven as (
        select
            sessions.*,
            sessions.bar_number - steps.bar_number as age,
            steps.session_date as bar_date,
            steps.is_after_gap,
            steps.log_dividend_factor,
            steps.dividend is null or steps.dividend >= steps.close_1d_ago as is_dividend_unknown,
            steps.high is null or steps.low is null as is_range_unknown,
            steps.volume is null as is_volume_unknown
        from sessions
        inner join
            steps
            on steps.ticker = sessions.ticker
            and steps.bar_number > sessions.bar_number - {{ tail_bars() }}
        where
            steps.is_after_gap
            or steps.log_dividend_factor is null
            or steps.log_dividend_factor <> 0
            or steps.dividend is null
            or steps.dividend >= steps.close_1d_ago
            or steps.high is null
            or steps.low is null
            or steps.volume is null
    ),
    counted as (
        select
            tail_number,
            min(age) filter (where is_after_gap and age >= 0) as bars_since_gap,
            min(age) filter (
                where log_dividend_factor is null and age >= 0
            ) as bars_since_unknown_factor,
            min(age) filter (where is_dividend_unknown and age >= 0) as bars_since_vendor_factor,
            min(age) filter (where is_range_unknown and age >= 0) as bars_since_unknown_range,
            min(age) filter (where is_volume_unknown and age >= 0) as bars_since_unknown_volume,
            count(*) filter (where log_dividend_factor is null and age < 0) as later_unknown_count,
            sum(log_dividend_factor) filter (where age < 0) as later_log_factors,
            {% for length in [63, 126, 252] %}
                sum(log_dividend_factor) filter (
                    where age between 0 and {{ length - 1 }}
                ) as log_factors_{{ length }}d,
            {% endfor %}
            {% for name in anchors %}
                sum(log_dividend_factor) filter (
                    where bar_date > day_{{ name }} and age >= 0
                ) as log_factors_{{ name }},
                count(*) filter (
                    where bar_date > day_{{ name }} and log_dividend_factor is null and age >= 0
                ) as unknown_count_{{ name }}
                {{- "," if not loop.last }}
            {% endfor %}
        from uneven
        group by tail_number
    ),
    aggregated as (
        select
            sessions.ticker,
            sessions.session_date,
            ended.*,
            ended.close_0d_ago as close,
            framed.sma_50,
            framed.sma_200,
            framed.high_252,
            framed.high_52w_intraday,
            {% for length in [21, 63, 252] %}
                framed.steps_{{ length }}, framed.stddev_{{ length }},
            {% endfor %}
            framed.pair_count,
            framed.benchmark_covariance,
            framed.benchmark_variance,
            framed.median_volume,
            framed.average_gain,
            framed.average_loss,
            framed.average_range,
            framed.average_close_12,
            framed.average_close_26,
            framed.macd_signal,
            falls.fall_252,
            {% for name in anchors %}
                anchored.close_{{ name }},
                coalesce(counted.log_factors_{{ name }}, 0) as log_factors_{{ name }},
                coalesce(counted.unknown_count_{{ name }}, 0) as unknown_count_{{ name }},
            {% endfor %}
            {% for length in [63, 126, 252] %}
                coalesce(counted.log_factors_{{ length }}d, 0) as log_factors_{{ length }}d,
            {% endfor %}
            counted.bars_since_gap,
            counted.bars_since_unknown_factor,
            counted.bars_since_vendor_factor,
            counted.bars_since_unknown_range,
            counted.bars_since_unknown_volume,
            coalesce(counted.later_unknown_count, 0) as later_unknown_count,
            coalesce(counted.later_log_factors, 0) as later_log_factors
        from sessions
        inner join ended on ended.tail_number = sessions.tail_number
        inner join framed on framed.tail_number = sessions.tail_number
        inner join falls on falls.tail_number = sessions.tail_number
        left join anchored on anchored.tail_number = sessions.tail_number
        left join counted on counted.tail_number = sessions.tail_number
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
                        and benchmark_segment_0d_ago = benchmark_segment_{{ length }}d_ago
                    then
                        ln(close / close_{{ length }}d_ago)
                        - log_factors_{{ length }}d
                        - (benchmark_level_0d_ago - benchmark_level_{{ length }}d_ago)
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
    )
select *
from final
