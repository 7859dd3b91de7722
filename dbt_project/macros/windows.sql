{#- The value of a column so many rows before; `over` follows the call. -#}
{% macro rows_before(column, rows) -%}
    {{ return(adapter.dispatch("rows_before")(column, rows)) }}
{%- endmacro %}

{% macro default__rows_before(column, rows) -%} lag({{ column }}, {{ rows }}) {%- endmacro %}

{#- Spark's lag takes one number for all rows. -#}
{% macro spark__rows_before(column, rows) -%}
    try_element_at(reverse(collect_list({{ column }})), cast({{ rows }} as int) + 1)
{%- endmacro %}

{#- As an aggregate: the value in the row of the greatest `rank`. -#}
{% macro value_at_greatest(value, rank) -%}
    {{ return(adapter.dispatch("value_at_greatest")(value, rank)) }}
{%- endmacro %}

{% macro default__value_at_greatest(value, rank) -%} max_by({{ value }}, {{ rank }}) {%- endmacro %}

{% macro postgres__value_at_greatest(value, rank) -%}
    (array_agg({{ value }} order by {{ rank }} desc nulls last))[1]
{%- endmacro %}

{#-
The logarithm of the share of the previous close that is left when the dividend of a bar goes:
1 - dividend / previous close. Where the dividend is unknown, or takes all, it follows from the
adjusted closes of both bars if one vintage told both; else it is NULL.
-#}
{% macro log_dividend_factor() -%}
    case
        when close_1d_ago is null
        then 0.0
        when dividend = 0
        then 0.0
        when dividend < close_1d_ago
        then ln(1 - dividend / close_1d_ago)
        when known_at = known_at_1d_ago and source = source_1d_ago
        then ln(close / close_1d_ago) - ln(adj_close / adj_close_1d_ago)
    end
{%- endmacro %}

{#-
Windows `in_order` run over rows that a window of the same order has just left: tickers one after the other, each by date. DuckDB
runs a window without partition and order over rows as they come, without sorting or copying them, so that any
number of such windows may follow one another. Nothing promises that order, so it is verified. Elsewhere they are
ordinary windows.

`history`: SQL of the partition by `ticker_number` and the order. The rows have `bar_number`, from 1 in each ticker.
-#}
{% macro in_order(history) -%} {{ return(adapter.dispatch("in_order")(history)) }} {%- endmacro %}

{% macro default__in_order(history) -%} {{ history }} {%- endmacro %}

{% macro duckdb__in_order(history) -%} {%- endmacro %}

{#- Streams that tickers are divided among, because DuckDB runs each on one thread: two, as more cost more on two cores. -#}
{% macro streams_in_order() -%} {{ return(adapter.dispatch("streams_in_order")()) }} {%- endmacro %}

{% macro default__streams_in_order() -%} {{ return(1) }} {%- endmacro %}

{% macro duckdb__streams_in_order() -%} {{ return(2) }} {%- endmacro %}

{#- The number of a bar within its ticker, if the bars as far before as any window reaches do come in order; else an error. -#}
{% macro verified_in_order(bar_count, farthest) -%}
    {{ return(adapter.dispatch("verified_in_order")(bar_count, farthest)) }}
{%- endmacro %}

{% macro default__verified_in_order(bar_count, farthest) -%} {{ bar_count }} {%- endmacro %}

{% macro duckdb__verified_in_order(bar_count, farthest) -%}
    case
        when
            {% for rows in [1, farthest] %}
                (
                    {{ bar_count }} <= {{ rows }}
                    or (
                        lag({{ bar_count }}, {{ rows }}) over () = {{ bar_count }} - {{ rows }}
                        and lag(ticker_number, {{ rows }}) over () = ticker_number
                    )
                )
                {{ "and" if not loop.last }}
            {% endfor %}
        then {{ bar_count }}
        else
            error('bars did not come in order: DuckDB must be the version that pyproject.toml pins')
    end
{%- endmacro %}

{#- The value of a column so many rows before; 0, which adds nothing and is no maximum, where the ticker has none. -#}
{% macro rows_before_in_order(column, rows, history) -%}
    case
        when bar_number > {{ rows }}
        then lag({{ column }}, {{ rows }}) over ({{ in_order(history) }})
        else 0
    end
{%- endmacro %}

{#-
A number in units of 2^-64, as an integer: a sum that runs through all tickers must not round, and numbers down to 2^-12 are
told exactly.
-#}
{% macro in_units(number) -%} cast(({{ number }}) * {{ 2**64 }} as decimal(38, 0)) {%- endmacro %}

{% macro from_units(units) -%}({{ units }}) * {{ 2**-64 }} {%- endmacro %}

{#-
Exponential averages without recursion: E = (1 - alpha) E + alpha x, seeded with the mean of the first `seed` values, is a
sum of values weighted by their age. This is the share of a bar's own value in it on its day.

`value`: SQL of x; `position`: its number in the series, from 1.
-#}
{% macro weighted(value, position, seed, alpha) -%}
    coalesce({{ value }}, 0) * case
        when {{ position }} > {{ seed }}
        then {{ alpha }}
        else power({{ 1 - alpha }}, {{ position }} - {{ seed }}) / {{ seed }}.0
    end
{%- endmacro %}

{#-
The exponential average, with `outer_alpha`, of an exponential average, as a sum of that one and of the
average of the same values with `outer_alpha`: both sides follow one recursion, so that only their seeds
differ, which weigh (1 - outer_alpha)^n after n rows.
-#}
{% macro average_of_average(inner, alpha, outer, outer_alpha) -%}
    {%- set share = outer_alpha * (1 - alpha) / (outer_alpha - alpha) -%}
    ({{ share }} * {{ inner }} + {{ 1 - share }} * {{ outer }})
{%- endmacro %}
