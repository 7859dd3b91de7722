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
A window over all rows in the order in which a window with `history` left them: tickers one after the other, each by date.
DuckDB runs a window without partition and order over rows as they come, with neither sorting nor copying them, so
that any number of such windows may follow one another; elsewhere it is the window itself.
-#}
{% macro in_order() -%} {{ return(adapter.dispatch("in_order")()) }} {%- endmacro %}

{% macro default__in_order() -%}
    partition by ticker_number order by session_date asc nulls last
{%- endmacro %}

{% macro duckdb__in_order() -%} {%- endmacro %}

{#- Streams that the tickers of windows `in_order` are divided among: DuckDB runs each on one thread. -#}
{% macro streams_in_order() -%} {{ return(adapter.dispatch("streams_in_order")()) }} {%- endmacro %}

{% macro default__streams_in_order() -%} {{ return(1) }} {%- endmacro %}

{% macro duckdb__streams_in_order() -%} {{ return(2) }} {%- endmacro %}

{#- The number of a bar within its ticker, if the rows do come in order; else an error. -#}
{% macro verified_in_order(bar_count) -%}
    {{ return(adapter.dispatch("verified_in_order")(bar_count)) }}
{%- endmacro %}

{% macro default__verified_in_order(bar_count) -%} {{ bar_count }} {%- endmacro %}

{% macro duckdb__verified_in_order(bar_count) -%}
    case
        when
            {{ bar_count }} = 1
            or (
                lag({{ bar_count }}) over () = {{ bar_count }} - 1
                and lag(ticker_number) over () = ticker_number
            )
        then {{ bar_count }}
        else
            error('bars did not come in order: DuckDB must be the version that pyproject.toml pins')
    end
{%- endmacro %}

{#-
A number counted in units of 2^-56, as an integer: a sum that runs through all tickers must not round. Logarithms of
shares and prices lie within the 127 that this leaves room for.
-#}
{% macro in_units(number) -%} cast({{ number }} * {{ 2**56 }} as bigint) {%- endmacro %}

{% macro from_units(units) -%}
    cast({{ units }} as {{ dbt.type_float() }}) / {{ 2**56 }}
{%- endmacro %}

{#- The value of a column so many rows before `in_order`; 0 where the ticker has none. -#}
{% macro rows_before_in_order(column, rows) -%}
    case
        when bar_number > {{ rows }}
        then lag({{ column }}, {{ rows }}) over ({{ in_order() }})
        else 0
    end
{%- endmacro %}

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
