{#- Each column of marts.momentum that can be blank: the final bars it needs, and its reason in SQL. -#}
{%- set few = "when bar_count < expected_value then 'too few final bars for this window'" -%}
{%- set gap = "else 'more than 10 sessions in a row are missing in the window'" -%}
{%- set stale = "else 'no final bar lies in the 7 days up to the day the window begins'" -%}
{%- set dividend = "'a dividend in the window is unknown, and no one vintage of adjusted closes tells its two bars'" -%}
{%- set benchmark = "when benchmark is null then 'the universe names no benchmark' when benchmark_bar_count is null then 'the benchmark has no final bar'" -%}
{%- set unranked = "when is_benchmark then 'a benchmark is not ranked' when is_other then 'a fund, currency, future or index is not ranked' when not is_covered then 'the universe does not cover it' when session_date > listed_to then 'it was no longer listed' when universe_count is null and momentum_12_1 is not null then 'the universe did not cover it on that session'" -%}
{%- set columns = [
    ("volume", none, "else 'the bar has no volume'"),
    ("total_return_basis", none, "else " ~ dividend),
    (
        "highest_close_since",
        none,
        "else 'no earlier close since history_start was as high'",
    ),
    ("high_52w_intraday", none, "else 'no bar of the window has a high'"),
    (
        "volume_surge",
        61,
        few
        ~ " when volume is null then 'the bar has no volume' else 'of the 60 bars before, one has no volume or most traded none'",
    ),
    ("atr_14", 15, few ~ " else 'one of the last 150 bars has no high or no low'"),
    (
        "beta_252d",
        121,
        benchmark
        ~ " "
        ~ few
        ~ " else 'fewer than 120 daily returns pair with the benchmark, or it did not move'",
    ),
    (
        "momentum_percentile",
        none,
        unranked
        ~ " when momentum_12_1 is null then 'momentum_12_1 is blank' else 'fewer than 20 tickers were ranked that day'",
    ),
    (
        "universe_count",
        none,
        unranked ~ " else 'neither momentum_12_1 nor momentum_score has a value'",
    ),
    (
        "momentum_score",
        none,
        unranked
        ~ " when return_7m_1m is null or return_13m_1m is null then 'the price return of 6 or 12 months, the newest month skipped, is blank' else 'fewer than 100 weekly returns, no weekly movement, or fewer than 30 tickers were scored that day'",
    ),
] -%}
{%- for column, bars in [
    ("sma_50", 50),
    ("sma_200", 200),
    ("rsi_14", 150),
    ("macd", 200),
    ("macd_signal", 200),
] -%}
    {%- do columns.append((column, bars, "else 'too few final bars for this window'")) -%}
{%- endfor -%}
{%- for length in [1, 5, 21, 63, 126, 252] -%}
    {%- do columns.append(("return_" ~ length ~ "d", length + 1, few ~ gap)) -%}
{%- endfor -%}
{%- for price in ["open", "high", "low"] -%}
    {%- do columns.append(
        (
            price ~ "_return_1d",
            2,
            few
            ~ " when newest_"
            ~ price
            ~ " is null then 'the bar has no "
            ~ price
            ~ "' "
            ~ gap,
        )
    ) -%}
{%- endfor -%}
{%- for length, bars in [(21, 18), (63, 52), (252, 203)] -%}
    {%- do columns.append(
        (
            "volatility_" ~ length ~ "d",
            bars,
            few
            ~ " else 'gaps leave fewer than 80 % of the daily returns of the window'",
        )
    ) -%}
{%- endfor -%}
{%- for length in [63, 126, 252] -%}
    {%- do columns.append(
        (
            "relative_strength_" ~ length ~ "d",
            length + 1,
            benchmark
            ~ " "
            ~ few
            ~ " when return_"
            ~ length
            ~ "d is null then 'more than 10 sessions in a row are missing in the window'"
            ~ " else 'the benchmark has no bar at an end of the window, or a dividend in it is unknown'",
        )
    ) -%}
{%- endfor -%}
{%- for months in ["1", "3", "6", "12", "7", "13", "ytd"] -%}
    {%- if months == "ytd" -%}
        {%- set begins = "cast(" ~ dbt.date_trunc("year", "session_date") ~ " as date)" -%}
        {%- set late = (
            "when history_start >= "
            ~ begins
            ~ " then 'the history begins after the start of the year' "
        ) -%}
    {%- else -%}
        {%- set begins = "cast(session_date - interval '" ~ months ~ "' month as date)" -%}
        {%- set late = (
            "when history_start > "
            ~ begins
            ~ " then 'the history begins after the day "
            ~ months
            ~ " calendar months ago' "
        ) -%}
    {%- endif -%}
    {%- set suffix = months if months == "ytd" else months ~ "m" -%}
    {%- if months in ["7", "13"] -%}
        {%- do columns.append(("return_" ~ suffix ~ "_1m", none, late ~ stale)) -%}
    {%- else -%} {%- do columns.append(("return_" ~ suffix, none, late ~ stale)) -%}
    {%- endif -%}
    {%- if months in ["1", "12", "ytd"] -%}
        {%- do columns.append(
            (
                "total_return_" ~ suffix,
                none,
                "when return_"
                ~ suffix
                ~ " is not null then "
                ~ dividend
                ~ " "
                ~ late
                ~ stale,
            )
        ) -%}
    {%- endif -%}
    {%- if months == "12" -%}
        {%- do columns.append(
            (
                "momentum_12_1",
                252,
                few
                ~ " when return_1m is not null and return_12m is not null then "
                ~ dividend
                ~ " "
                ~ late
                ~ stale,
            )
        ) -%}
    {%- endif -%}
{%- endfor -%}

with
    momentum as (select * from {{ ref("momentum") }}),
    prices as (
        select row_id, ticker, session_date, open, high, low, volume
        from {{ ref("stg_prices") }}
        where is_final
    ),
    universe as (
        select
            ticker,
            benchmark,
            is_covered,
            listed_to,
            row_number() over (partition by ticker order by known_from desc nulls last) as age_rank
        from {{ ref("stg_universe_history") }}
    ),
    securities as (select ticker, quote_type from {{ ref("stg_securities") }}),
    bar_counts as (select ticker, bar_count from momentum),
    measured as (
        select
            momentum.*,
            newest.row_id,
            newest.open as newest_open,
            newest.high as newest_high,
            newest.low as newest_low,
            universe.benchmark,
            universe.is_covered,
            universe.listed_to,
            benchmark_counts.bar_count as benchmark_bar_count,
            is_benchmark.ticker is not null as is_benchmark,
            coalesce(securities.quote_type, 'EQUITY') <> 'EQUITY'
            or momentum.ticker like '%=X'
            or momentum.ticker like '%=F'
            or momentum.ticker like '^%' as is_other
        from momentum
        inner join
            prices as newest
            on newest.ticker = momentum.ticker
            and newest.session_date = momentum.session_date
        left join universe on universe.ticker = momentum.ticker and universe.age_rank = 1
        left join bar_counts as benchmark_counts on benchmark_counts.ticker = universe.benchmark
        left join
            (select distinct benchmark as ticker from universe) as is_benchmark
            on is_benchmark.ticker = momentum.ticker
        left join securities on securities.ticker = momentum.ticker
    ),
    blanks as (
        {% for column, expected_bars, reason in columns %}
            select
                '{{ column }}' as column_name,
                {% if expected_bars %} {{ expected_bars }}
                {% else %} cast(null as {{ dbt.type_int() }})
                {% endif %} as expected_value,
                measured.*
            from measured
            where {{ column }} is null {{ "union all" if not loop.last }}
        {% endfor %}
    ),
    final as (
        select
            ticker,
            column_name,
            case
                {% for column, expected_bars, reason in columns %}
                    when column_name = '{{ column }}'
                    then
                        {% if reason.startswith("else ") %} {{ reason[5:] }}
                        {% else %} case {{ reason }} end
                        {% endif %}
                {% endfor %}
            end as reason,
            case
                when expected_value is not null then cast(bar_count as {{ dbt.type_float() }})
            end as observed_value,
            cast(expected_value as {{ dbt.type_float() }}) as expected_value,
            row_id
        from blanks
    )
select *
from final
