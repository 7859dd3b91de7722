{#-
The newest of `value`, which never falls along the named `window`, in it; the window begins at the
partition's first row and ends at the current one.
-#}
{% macro greatest_so_far(value, window) %}
    {{- return(adapter.dispatch("greatest_so_far")(value, window)) -}}
{% endmacro %}

{% macro default__greatest_so_far(value, window) -%}
    max({{ value }}) over {{ window }}
{%- endmacro %}

{#- A third of the cost of max, which DuckDB computes from a tree of segments. -#}
{% macro duckdb__greatest_so_far(value, window) -%}
    last_value({{ value }} ignore nulls) over {{ window }}
{%- endmacro %}
