{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook=[
            "{{ move_levels(ref('momentum_changes')) }}",
            "{{ delete_changed(ref('momentum_changes'), 'replaced_from') }}",
        ],
    )
}}

{#- Calendar anchors in months. -#}
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
{%- set by_session = "partition by ticker_number order by session_date asc nulls last" -%}
{#- Exponential averages: value, its position in the series, length of the seed, alpha. -#}
{%- set averages = {
    "gain": ("greatest(change, 0.0)", "(bar_number - 1)", 14, 1 / 14),
    "loss": ("greatest(- change, 0.0)", "(bar_number - 1)", 14, 1 / 14),
    "range": ("true_range", "(bar_number - 1)", 14, 1 / 14),
    "close_9": ("close", "bar_number", 1, 0.2),
    "close_12": ("close", "bar_number", 12, 2 / 13),
    "close_26": ("close", "bar_number", 26, 2 / 27),
} -%}
{#- What is counted on the calendar or bar by bar. -#}
{%- set located = [
    "gap_count",
    "bars_since_gap",
    "bars_since_unknown_factor",
    "is_level_known",
    "is_basis_unknown",
    "is_basis_vendor",
    "is_factor_known_12m_1m",
    "is_range_known",
    "is_volume_known",
] -%}
{%- for anchor in anchor_days -%} {%- do located.append("bars_since_" ~ anchor) -%} {%- endfor -%}
{#- What rides along with averages and extremes. -#}
{%- set carried = located + [
    "ticker",
    "ticker_number",
    "session_date",
    "close",
    "high",
    "volume",
    "benchmark_level",
    "benchmark_segment",
    "bar_number",
    "return_1d",
    "high_return_1d",
    "low_return_1d",
    "open_return_1d",
    "step",
] -%}
{#-
Averages of 512 rows are made of those of 1, 2, 4, ... rows, now and as many rows before. Extremes cover 1, 2, 4, 8, 16, 32, 63, 126
and 252 rows: halves that share more than one would take a low before a high for a fall.
-#}
{%- set spans = [1, 2, 4, 8, 16, 32, 64, 128, 256] -%}
{%- set fall_shifts = {1: 1, 2: 2, 4: 4, 8: 8, 16: 16, 32: 31, 64: 63, 128: 126} -%}
{%- set streams = streams_in_order() -%}
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
    -- Sorting by a number is quicker than by a symbol.
    counted_tickers as (
        select ticker, series, row_number() over (order by ticker asc nulls last) as ticker_number
        from countings
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
            unknown_factor_bar > greatest(bar_number - 252, 0) as is_basis_unknown,
            unknown_dividend_bar > greatest(bar_number - 252, 0) as is_basis_vendor,
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
    {% for stream in range(streams) %}
        known_{{ stream }} as (
            select
                bars.ticker,
                counted_tickers.ticker_number,
                bars.session_date,
                bars.open,
                bars.high,
                bars.low,
                bars.close,
                bars.adj_close,
                bars.volume,
                bars.dividend,
                bars.source,
                bars.known_at,
                bars.benchmark_level,
                bars.benchmark_segment,
                {{ located | join(", ") }}
            from bars
            inner join counted_tickers on counted_tickers.ticker = bars.ticker
            inner join
                anchors
                on anchors.series = counted_tickers.series
                and anchors.session_date = bars.session_date
            where counted_tickers.ticker_number % {{ streams }} = {{ stream }}
        ),
        lagged_{{ stream }} as (
            select
                *,
                row_number() over history as bar_count,
                lag(close) over history as close_1d_ago,
                lag(adj_close) over history as adj_close_1d_ago,
                lag(source) over history as source_1d_ago,
                lag(known_at) over history as known_at_1d_ago,
                lag(benchmark_level) over history as benchmark_level_1d_ago,
                lag(benchmark_segment) over history as benchmark_segment_1d_ago
            from known_{{ stream }}
            window history as ({{ by_session }})
        ),
        measured_{{ stream }} as (
            select
                *,
                {{ verified_in_order("bar_count", spans[-1]) }} as bar_number,
                close - close_1d_ago as change,
                {% for price in ["close", "high", "low", "open"] %}
                    case
                        when bars_since_gap > 0 then {{ price }} / close_1d_ago - 1
                    end as {{ "" if price == "close" else price ~ "_" }}return_1d,
                {% endfor %}
                case when bars_since_gap > 0 then ln(close / close_1d_ago) end as step,
                {{ log_dividend_factor() }} as log_dividend_factor,
                {{ true_range() }} as true_range,
                case
                    when bars_since_gap > 0 and benchmark_segment = benchmark_segment_1d_ago
                    then exp(benchmark_level - benchmark_level_1d_ago) - 1
                end as benchmark_return
            from lagged_{{ stream }}
        ),
        -- What one bar makes of each average and extreme; then what two make, four, and so on.
        averaged_1_{{ stream }} as (
            select
                {{ carried | join(", ") }},
                case
                    when benchmark_return is not null then exp(step - log_dividend_factor) - 1
                end as paired_return,
                case
                    when log_dividend_factor is not null then benchmark_return
                end as benchmark_return,
                sum({{ in_units("log_dividend_factor") }}) over (
                    {{ in_order(by_session) }} rows between unbounded preceding and current row
                ) as log_factors,
                close as highest,
                1 / close as lowest_inverse,
                1.0 as deepest_fall,
                {% for name, (value, position, seed, alpha) in averages.items() %}
                    {{ weighted(value, position, seed, alpha) }} as average_{{ name }}
                    {{- "," if not loop.last }}
                {% endfor %}
            from measured_{{ stream }}
        ),
        {% for rows in spans %}
            averaged_{{ 2 * rows }}_{{ stream }} as (
                select
                    {{ carried | join(", ") }},
                    paired_return,
                    benchmark_return,
                    log_factors,
                    {% if rows in fall_shifts %}
                        {%- set shift = fall_shifts[rows] -%}
                        greatest(
                            highest, {{ rows_before_in_order("highest", shift, by_session) }}
                        ) as highest,
                        greatest(
                            lowest_inverse,
                            {{ rows_before_in_order("lowest_inverse", shift, by_session) }}
                        ) as lowest_inverse,
                        greatest(
                            deepest_fall,
                            {{ rows_before_in_order("deepest_fall", shift, by_session) }},
                            {{ rows_before_in_order("highest", shift, by_session) }}
                            * lowest_inverse
                        ) as deepest_fall,
                    {% else %} highest, lowest_inverse, deepest_fall,
                    {% endif %}
                    {% for name, (value, position, seed, alpha) in averages.items() %}
                        average_{{ name }}
                        + {{ (1 - alpha) ** rows }}
                        * {{ rows_before_in_order("average_" ~ name, rows, by_session) }}
                        as average_{{ name }}
                        {{- "," if not loop.last }}
                    {% endfor %}
                from averaged_{{ rows }}_{{ stream }}
            ),
        {% endfor %}
    {% endfor %}
    averaged as (
        {% for stream in range(streams) %}
            select *
            from averaged_{{ 2 * spans[-1] }}_{{ stream }} {{ "union all" if not loop.last }}
        {% endfor %}
    ),
    framed as (
        select
            *,
            {% for length in [5, 21, 63, 126, 252] %}
                lag(close, {{ length }}) over history as close_{{ length }}d_ago,
            {% endfor %}
            {% for anchor in anchor_days %}
                {{ rows_before("close", "bars_since_" ~ anchor) }} over history
                as close_{{ anchor }}_ago,
            {% endfor %}
            {% for anchor in ["1m", "12m", "ytd"] %}
                {{ rows_before("log_factors", "bars_since_" ~ anchor) }} over history
                as log_factors_{{ anchor }}_ago,
            {% endfor %}
            {% for length in [63, 126, 252] %}
                lag(benchmark_level, {{ length }}) over history
                as benchmark_level_{{ length }}d_ago,
                lag(benchmark_segment, {{ length }}) over history
                as benchmark_segment_{{ length }}d_ago,
                lag(log_factors, {{ length }}) over history as log_factors_{{ length }}d_ago,
            {% endfor %}
            last_value(log_factors) over to_the_end as all_log_factors,
            avg(close) over last_50 as mean_50,
            avg(close) over last_200 as mean_200,
            max(high) over last_252 as high_52w_intraday,
            {% for length in [21, 63, 252] %}
                (bar_number - gap_count) - coalesce(
                    lag(bar_number - gap_count, {{ length }}) over history, 0
                ) as steps_{{ length }},
                stddev_samp(step) over last_{{ length }} as stddev_{{ length }},
            {% endfor %}
            count(paired_return) over last_252 as pair_count,
            covar_samp(paired_return, benchmark_return) over last_252 as benchmark_covariance,
            var_samp(benchmark_return) over last_252 as benchmark_variance,
            {{ rolling_median("volume") }} over previous_60 as median_volume
        from averaged
        window
            history as ({{ by_session }}),
            to_the_end as ({{ by_session }} rows between current row and unbounded following),
            last_21 as ({{ by_session }} rows between 20 preceding and current row),
            last_50 as ({{ by_session }} rows between 49 preceding and current row),
            last_63 as ({{ by_session }} rows between 62 preceding and current row),
            last_200 as ({{ by_session }} rows between 199 preceding and current row),
            last_252 as ({{ by_session }} rows between 251 preceding and current row),
            previous_60 as ({{ by_session }} rows between 60 preceding and 1 preceding)
    ),
    final as (
        select
            ticker,
            session_date,
            close,
            case
                when is_level_known
                then close * exp({{ from_units("all_log_factors - log_factors") }})
            end as total_return_close,
            volume,
            case when bar_number >= 50 then mean_50 end as sma_50,
            case when bar_number >= 200 then mean_200 end as sma_200,
            return_1d,
            {% for length in [5, 21, 63, 126, 252] %}
                case
                    when bars_since_gap >= {{ length }} then close / close_{{ length }}d_ago - 1
                end as return_{{ length }}d,
            {% endfor %}
            {% for anchor in ["1m", "3m", "6m", "12m", "ytd"] %}
                close / close_{{ anchor }}_ago - 1 as return_{{ anchor }},
            {% endfor %}
            high_return_1d,
            low_return_1d,
            open_return_1d,
            {% for anchor in ["1m", "12m", "ytd"] %}
                case
                    when bars_since_unknown_factor >= bars_since_{{ anchor }}
                    then
                        close
                        / close_{{ anchor }}_ago
                        * exp({{ from_units("log_factors_" ~ anchor ~ "_ago - log_factors") }})
                        - 1
                end as total_return_{{ anchor }},
            {% endfor %}
            case
                when is_basis_unknown then null when is_basis_vendor then 'vendor' else 'own'
            end as total_return_basis,
            case
                when bar_number >= 252 and is_factor_known_12m_1m
                then
                    close_1m_ago
                    / close_12m_ago
                    * exp({{ from_units("log_factors_12m_ago - log_factors_1m_ago") }})
                    - 1
            end as momentum_12_1,
            close_1m_ago / close_7m_ago - 1 as return_7m_1m,
            close_1m_ago / close_13m_ago - 1 as return_13m_1m,
            highest as high_52w,
            close / highest as high_52w_ratio,
            high_52w_intraday,
            close / highest - 1 as drawdown_252d,
            1 / deepest_fall - 1 as max_drawdown_252d,
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
                        bars_since_gap >= {{ length }}
                        and bars_since_unknown_factor >= {{ length }}
                        and benchmark_segment = benchmark_segment_{{ length }}d_ago
                    then
                        ln(close / close_{{ length }}d_ago)
                        - {{ from_units("log_factors - log_factors_" ~ length ~ "d_ago") }}
                        - (benchmark_level - benchmark_level_{{ length }}d_ago)
                end as relative_strength_{{ length }}d,
            {% endfor %}
            case
                when bar_number > 60 and is_volume_known then volume / nullif(median_volume, 0)
            end as volume_surge,
            case
                when bar_number < 150
                then null
                when average_gain + average_loss > close * {{ least_movement() }}
                then 100 * average_gain / (average_gain + average_loss)
                else 50.0
            end as rsi_14,
            case when bar_number >= 200 then average_close_12 - average_close_26 end as macd,
            case
                when bar_number >= 200
                then
                    {{ average_of_average("average_close_12", 2 / 13, "average_close_9", 0.2) }}
                    - {{ average_of_average("average_close_26", 2 / 27, "average_close_9", 0.2) }}
            end as macd_signal,
            case when bar_number >= 15 and is_range_known then average_range end as atr_14
        from framed
        {% if is_incremental() %}
            union all
            select *
            from tails
        {% endif %}
    )
select *
from final
