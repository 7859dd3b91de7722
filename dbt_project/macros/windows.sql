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
Exponential averages without recursion: E = (1 - alpha) E + alpha x, seeded with the mean of the
first `seed` values, is a sum of weighted values. A value is summed with the weight it has at the
start of its block of 512 rows, and the sum so far in the block is scaled to the current row; the sum at
the end of the block before decays from there. What is older weighs less than a rounding.

`value`: SQL of x; `position`: its number in the series, from 1.
-#}
{% macro weighted(value, position, seed, alpha) -%}
    {%- set kept = 1 - alpha -%}
    {{ value }} * case
        when {{ position }} > {{ seed }}
        then {{ alpha }}
        else power({{ kept }}, {{ position }} - {{ seed }}) / {{ seed }}.0
    end
    / power({{ kept }}, bar_number % 512)
{%- endmacro %}

{% macro averaged_in_block(weighted_sum, alpha) -%}
    coalesce({{ weighted_sum }}, 0) * power({{ 1 - alpha }}, bar_number % 512)
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

{#- The same column so many rows before, once for each of `count` blocks of `step` rows. -#}
{% macro blocks_before(columns, count, step) -%}
    {%- for column in columns -%}
        {%- for block in range(1, count) -%}
            lag({{ column }}, {{ block * step }}) over history as {{ column }}_{{ block }},
        {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{% macro over_blocks(function, column, count, first=0) -%}
    {%- if first + 1 < count -%}
        {{ function }} (
    {%- endif -%}
        {%- for block in range(first, count) -%}
            {{ column }}{{ "_" ~ block if block }}{{ ", " if not loop.last }}
        {%- endfor -%}
    {%- if first + 1 < count -%}) {%- endif -%}
{%- endmacro %}

{#-
The least ratio of a later price to an earlier one within `count` blocks of rows, the newest first: within
a block it is `fall`; across blocks, the lowest of one over the highest of the older ones.
-#}
{% macro deepest_fall(high, low, fall, count) -%}
    least(
        {%- if fall -%}
            {%- for block in range(count) -%}{{ fall }}{{ "_" ~ block if block }}, {%- endfor -%}
        {%- else -%}1.0,
        {%- endif -%}
        {%- for block in range(count - 1) -%}
            {{ low }}{{ "_" ~ block if block }}
            / {{ over_blocks("greatest", high, count, block + 1) }}
            {{- ", " if not loop.last }}
        {%- endfor -%}
    )
{%- endmacro %}
