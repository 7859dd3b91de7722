{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook=[
            "{{ delete_changed(ref('momentum_changes'), 'replaced_from') }}",
            "{{ blank_levels(ref('momentum_changes')) }}",
        ],
    )
}}

{#- Calendar anchors in months, and the rows that end a block of the deepest fall: 6 x 6 x 7 = 252. -#}
{%- set anchors = [1, 3, 6, 7, 12, 13] -%}
{#- Days on which a window begins: its anchor is the last bar on or before. -#}
{%- set anchor_days = {
    "ytd": "cast(" ~ dbt.date_trunc("year", "session_date") ~ " as date) - 1"
} -%}
{%- for months in anchors -%}
    {%- do anchor_days.update(
        {months ~ "m": "cast(session_date - interval '" ~ months ~ "' month as date)"}
    ) -%}
{%- endfor -%}
{%- set by_session = "partition by ticker order by session_date asc nulls last" -%}
{#- Columns that are done before the sliding windows and ride along. -#}
{%- set done = [
    "return_1d",
    "return_5d",
    "return_21d",
    "return_63d",
    "return_126d",
    "return_252d",
    "return_1m",
    "return_3m",
    "return_6m",
    "return_12m",
    "return_ytd",
    "high_return_1d",
    "low_return_1d",
    "open_return_1d",
    "return_7m_1m",
    "return_13m_1m",
] -%}
{#- Exponential averages: value, its position in the series, length of the seed, alpha. -#}
{%- set averages = {
    "gain": ("gain", "(bar_number - 1)", 14, 1 / 14),
    "loss": ("loss", "(bar_number - 1)", 14, 1 / 14),
    "range": ("true_range", "(bar_number - 1)", 14, 1 / 14),
    "close_12": ("close", "bar_number", 12, 2 / 13),
    "close_26": ("close", "bar_number", 26, 2 / 27),
} -%}
{%- set read = "changes" if is_incremental() else none -%}

with
    changes as (
        select ticker, replaced_from, read_from from {{ ref("momentum_changes") }} where not is_tail
    ),
    tails as (select * from {{ ref("momentum_tails") }}),
    {{ momentum_bars(read) }},
    -- Where a ticker has every session of its calendar, no other bar and nothing unknown, its bars
    -- are counted by the calendar, once for all such tickers; those of others one by one.
    countings as (
        select
            prices.ticker,
            case
                when
                    count(*) = count(case when days.is_session then 1 end)
                    and count(*) = max(days.session_number) - min(days.session_number) + 1
                    and count(*) = count(prices.dividend)
                    and count(*) = count(prices.volume)
                    and count(*) = count(prices.high + prices.low)
                    and max(prices.dividend) < min(prices.close)
                then 'sessions of ' || max(days.exchange)
                else 'bars of ' || prices.ticker
            end as series
        from ({{ final_bars(read) }}) as prices
        left join listings on listings.ticker = prices.ticker
        left join days on days.exchange = listings.exchange and days.day = prices.session_date
        group by prices.ticker
    ),
    series as (
        select
            'sessions of ' || exchange as series,
            day as session_date,
            session_number,
            1.0 as close,
            1.0 as adj_close,
            0.0 as dividend,
            false as is_range_unknown,
            false as is_volume_unknown,
            cast(null as {{ dbt.type_string() }}) as source,
            cast(null as {{ dbt.type_timestamp() }}) as known_at
        from days
        where is_session and 'sessions of ' || exchange in (select series from countings)
        union all
        select
            countings.series,
            prices.session_date,
            days.session_number,
            prices.close,
            prices.adj_close,
            prices.dividend,
            prices.high is null or prices.low is null as is_range_unknown,
            prices.volume is null as is_volume_unknown,
            prices.source,
            prices.known_at
        from countings
        inner join ({{ final_bars(read) }}) as prices on prices.ticker = countings.ticker
        left join listings on listings.ticker = prices.ticker
        left join days on days.exchange = listings.exchange and days.day = prices.session_date
        where countings.series = 'bars of ' || countings.ticker
    ),
    numbered as (
        select
            *,
            row_number() over dates as bar_number,
            lag(session_date) over dates as previous_session_date,
            lag(session_number) over dates as previous_session_number,
            lag(close) over dates as close_1d_ago,
            lag(adj_close) over dates as adj_close_1d_ago,
            lag(source) over dates as source_1d_ago,
            lag(known_at) over dates as known_at_1d_ago
        from series
        window dates as (partition by series order by session_date asc nulls last)
    ),
    judged as (
        select
            series,
            session_date,
            previous_session_date,
            bar_number,
            {{ is_after_gap() }} as is_after_gap,
            {{ log_dividend_factor() }} is null as is_factor_unknown,
            bar_number > 1
            and (dividend is null or dividend >= close_1d_ago) as is_dividend_unknown,
            is_range_unknown,
            is_volume_unknown
        from numbered
    ),
    counted as (
        select
            *,
            max(case when is_after_gap then bar_number end) over so_far as gap_bar,
            count(case when is_after_gap then 1 end) over so_far as gap_count,
            {% for what in ["factor", "dividend", "range", "volume"] %}
                coalesce(
                    max(case when is_{{ what }}_unknown then bar_number end) over so_far, 0
                ) as unknown_{{ what }}_bar,
            {% endfor %}
            coalesce(
                max(case when is_factor_unknown then bar_number end) over (partition by series), 0
            ) as newest_unknown_factor_bar,
            max(
                case
                    when extract(year from previous_session_date) < extract(year from session_date)
                    then bar_number - 1
                end
            ) over so_far as anchor_bar_ytd,
            {% for months in anchors %}
                count(*) over (
                    partition by series
                    order by session_date asc nulls last
                    range between unbounded preceding and interval '{{ months }}' month preceding
                ) as anchor_bar_{{ months }}m
                {{- "," if not loop.last }}
            {% endfor %}
        from judged
        window
            so_far as (
                partition by series
                order by session_date asc nulls last
                rows between unbounded preceding and current row
            )
    ),
    dated as (
        select
            *,
            {% for anchor in anchor_days %}
                {{
                    rows_before(
                        "session_date", "bar_number - coalesce(anchor_bar_" ~ anchor ~ ", 0)"
                    )
                }} over dates as anchor_{{ anchor }},
            {% endfor %}
            {{ rows_before("unknown_factor_bar", "bar_number - anchor_bar_1m") }} over dates
            as unknown_factor_bar_1m_ago
        from counted
        window dates as (partition by series order by session_date asc nulls last)
    ),
    anchors as (
        select
            series,
            session_date,
            gap_count,
            bar_number - gap_bar as bars_since_gap,
            bar_number - unknown_factor_bar as bars_since_unknown_factor,
            newest_unknown_factor_bar <= bar_number as is_level_known,
            case
                when unknown_factor_bar > greatest(bar_number - 252, 0)
                then null
                when unknown_dividend_bar > greatest(bar_number - 252, 0)
                then 'vendor'
                else 'own'
            end as total_return_basis,
            unknown_factor_bar_1m_ago <= anchor_bar_12m as is_factor_known_12m_1m,
            unknown_range_bar = 0 or unknown_range_bar <= bar_number - 150 as is_range_known,
            unknown_volume_bar < bar_number - 60 as is_volume_known,
            {% for anchor, day in anchor_days.items() %}
                case
                    when anchor_{{ anchor }} + 7 >= {{ day }}
                    then bar_number - anchor_bar_{{ anchor }}
                    else bar_number
                end as bars_since_{{ anchor }}{{ "," if not loop.last }}
            {% endfor %}
        from dated
    ),
    located as (
        select
            bars.*,
            anchors.gap_count,
            anchors.bars_since_unknown_factor,
            anchors.is_level_known,
            anchors.total_return_basis,
            anchors.is_factor_known_12m_1m,
            anchors.is_range_known,
            anchors.is_volume_known,
            {% for anchor in anchor_days %} anchors.bars_since_{{ anchor }}, {% endfor %}
            anchors.bars_since_gap
        from bars
        inner join countings on countings.ticker = bars.ticker
        inner join
            anchors
            on anchors.series = countings.series
            and anchors.session_date = bars.session_date
    ),
    lagged as (
        select
            *,
            row_number() over history as bar_number,
            lag(adj_close) over history as adj_close_1d_ago,
            lag(source) over history as source_1d_ago,
            lag(known_at) over history as known_at_1d_ago,
            {{ blocks_before(["close"], 6, 1) }}
            {% for length in [1, 5, 21, 63, 126, 252] %}
                lag(close, {{ length }}) over history as close_{{ length }}d_ago,
            {% endfor %}
            {% for anchor in anchor_days %}
                {{ rows_before("close", "bars_since_" ~ anchor) }} over history
                as close_{{ anchor }}_ago,
            {% endfor %}
            {% for length in [1, 63, 126, 252] %}
                lag(benchmark_level, {{ length }}) over history
                as benchmark_level_{{ length }}d_ago,
                lag(benchmark_segment, {{ length }}) over history
                as benchmark_segment_{{ length }}d_ago
                {{- "," if not loop.last }}
            {% endfor %}
        from located
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
            is_level_known,
            total_return_basis,
            is_range_known,
            is_volume_known,
            bars_since_unknown_factor,
            bar_number - gap_count as step_count,
            bars_since_gap > 0 as is_step,
            {% for anchor in ["1m", "12m", "ytd"] %} bars_since_{{ anchor }}, {% endfor %}
            {% for length in [1, 5, 21, 63, 126, 252] %}
                case
                    when bars_since_gap >= {{ length }} then close / close_{{ length }}d_ago - 1
                end as return_{{ length }}d,
            {% endfor %}
            {% for price in ["high", "low", "open"] %}
                case
                    when bars_since_gap >= 1 then {{ price }} / close_1d_ago - 1
                end as {{ price }}_return_1d,
            {% endfor %}
            {% for anchor in ["1m", "3m", "6m", "12m", "ytd"] %}
                close / close_{{ anchor }}_ago - 1 as return_{{ anchor }},
            {% endfor %}
            close_1m_ago / close_7m_ago - 1 as return_7m_1m,
            close_1m_ago / close_13m_ago - 1 as return_13m_1m,
            case
                when bar_number >= 252 and is_factor_known_12m_1m then close_1m_ago / close_12m_ago
            end as growth_12m_1m,
            ln(close / close_1d_ago) as log_return,
            {{ log_dividend_factor() }} as log_dividend_factor,
            case when close > close_1d_ago then close - close_1d_ago else 0.0 end as gain,
            case when close < close_1d_ago then close_1d_ago - close else 0.0 end as loss,
            {{ true_range() }} as true_range,
            case
                when benchmark_segment = benchmark_segment_1d_ago
                then exp(benchmark_level - benchmark_level_1d_ago) - 1
            end as benchmark_return,
            {% for length in [63, 126, 252] %}
                case
                    when
                        bars_since_gap >= {{ length }}
                        and bars_since_unknown_factor >= {{ length }}
                        and benchmark_segment = benchmark_segment_{{ length }}d_ago
                    then
                        ln(close / close_{{ length }}d_ago)
                        - (benchmark_level - benchmark_level_{{ length }}d_ago)
                end as log_lead_{{ length }}d,
            {% endfor %}
            {{ over_blocks("greatest", "close", 6) }} as high_6,
            {{ over_blocks("least", "close", 6) }} as low_6,
            {{ deepest_fall("close", "close", none, 6) }} as fall_6
        from lagged
    ),
    paired as (
        select
            *,
            case when is_step then log_return end as step,
            case
                when is_step and benchmark_return is not null
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
            is_level_known,
            total_return_basis,
            is_range_known,
            is_volume_known,
            bars_since_unknown_factor,
            {{ done | join(", ") }},
            {% for length in [63, 126, 252] %} log_lead_{{ length }}d, {% endfor %}
            {% for anchor in ["1m", "12m", "ytd"] %} bars_since_{{ anchor }}, {% endfor %}
            growth_12m_1m,
            high_6,
            low_6,
            fall_6,
            {% for length in [21, 63, 252] %}
                step_count
                - coalesce(lag(step_count, {{ length }}) over history, 0) as steps_{{ length }},
            {% endfor %}
            coalesce(sum(log_dividend_factor) over so_far, 0) as log_factors,
            coalesce(sum(log_dividend_factor) over whole, 0) as all_log_factors,
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
            ticker,
            session_date,
            close,
            volume,
            bar_number,
            total_return_basis,
            bars_since_unknown_factor,
            {{ done | join(", ") }},
            {% for length in [63, 126, 252] %} log_lead_{{ length }}d, {% endfor %}
            {% for anchor in ["1m", "12m", "ytd"] %} bars_since_{{ anchor }}, {% endfor %}
            growth_12m_1m,
            log_factors,
            high_36,
            low_36,
            fall_36,
            high_52w_intraday,
            case
                when is_level_known then close * exp(all_log_factors - log_factors)
            end as total_return_close,
            case when bar_number >= 50 then mean_50 end as sma_50,
            case when bar_number >= 200 then mean_200 end as sma_200,
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
            case
                when bar_number > 60 and is_volume_known then volume / nullif(median_volume, 0)
            end as volume_surge,
            case
                when bar_number < 150
                then null
                when average_gain + average_loss > 0
                then 100 * average_gain / (average_gain + average_loss)
                else 50.0
            end as rsi_14,
            case when bar_number >= 15 and is_range_known then average_range end as atr_14,
            case
                when bar_number >= 26 then average_close_12 - average_close_26
            end as average_difference
        from averaged
    ),
    combined as (
        select
            *,
            {% for length in [63, 126, 252] %}
                log_factors
                - lag(log_factors, {{ length }}) over history as log_factors_{{ length }}d,
            {% endfor %}
            {% for anchor in ["1m", "12m", "ytd"] %}
                {{ rows_before("log_factors", "bars_since_" ~ anchor) }} over history
                as log_factors_{{ anchor }}_ago,
            {% endfor %}
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
            {{ deepest_fall("high_36", "low_36", "fall_36", 7) }} as fall_252
        from combined
    ),
    final as (
        select
            ticker,
            session_date,
            close,
            total_return_close,
            volume,
            sma_50,
            sma_200,
            {{ done[:11] | join(", ") }},
            {{ done[11:14] | join(", ") }},
            {% for anchor in ["1m", "12m", "ytd"] %}
                case
                    when bars_since_unknown_factor >= bars_since_{{ anchor }}
                    then
                        (1 + return_{{ anchor }}) * exp(log_factors_{{ anchor }}_ago - log_factors)
                        - 1
                end as total_return_{{ anchor }},
            {% endfor %}
            total_return_basis,
            growth_12m_1m * exp(log_factors_12m_ago - log_factors_1m_ago) - 1 as momentum_12_1,
            return_7m_1m,
            return_13m_1m,
            high_252 as high_52w,
            close / high_252 as high_52w_ratio,
            high_52w_intraday,
            close / high_252 - 1 as drawdown_252d,
            fall_252 - 1 as max_drawdown_252d,
            volatility_21d,
            volatility_63d,
            volatility_252d,
            beta_252d,
            {% for length in [63, 126, 252] %}
                log_lead_{{ length }}d
                - log_factors_{{ length }}d as relative_strength_{{ length }}d,
            {% endfor %}
            volume_surge,
            rsi_14,
            case when bar_number >= 200 then average_difference end as macd,
            case
                when bar_number >= 200 then {{ exponential_average("signal", 0.2) }}
            end as macd_signal,
            atr_14
        from anchored
        {% if is_incremental() %}
            union all
            select *
            from tails
        {% endif %}
    )
select *
from final
