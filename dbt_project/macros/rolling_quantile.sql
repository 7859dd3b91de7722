{#- A quantile as an aggregate that takes a sliding frame; `over` follows the call. -#}
{% macro rolling_quantile(column, share) -%}
    {{ return(adapter.dispatch("rolling_quantile")(column, share)) }}
{%- endmacro %}

{% macro default__rolling_quantile(column, share) -%}
    quantile_cont({{ column }}, {{ share }})
{%- endmacro %}

{% macro spark__rolling_quantile(column, share) -%}
    percentile({{ column }}, {{ share }})
{%- endmacro %}
