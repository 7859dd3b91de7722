{#- The median as an aggregate that takes a sliding frame; `over` follows the call. -#}
{% macro rolling_median(column) -%}
    {{ return(adapter.dispatch("rolling_median")(column)) }}
{%- endmacro %}

{% macro default__rolling_median(column) -%} median({{ column }}) {%- endmacro %}

{% macro spark__rolling_median(column) -%} percentile({{ column }}, 0.5) {%- endmacro %}
