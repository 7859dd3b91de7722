{#- dbt's own answer for DuckDB is a 32-bit float, which would lose the last digits. -#}
{% macro duckdb__type_float() -%} double {%- endmacro %}

{#- The number of that name in a JSON object, NULL where there is none. -#}
{% macro json_number(payload, name) -%}
    {{ return(adapter.dispatch("json_number")(payload, name)) }}
{%- endmacro %}

{% macro default__json_number(payload, name) -%}
    cast(json_extract_string({{ payload }}, '$.{{ name }}') as {{ dbt.type_float() }})
{%- endmacro %}

{% macro postgres__json_number(payload, name) -%}
    cast(cast({{ payload }} as json) ->> '{{ name }}' as {{ dbt.type_float() }})
{%- endmacro %}

{% macro spark__json_number(payload, name) -%}
    cast(get_json_object({{ payload }}, '$.{{ name }}') as {{ dbt.type_float() }})
{%- endmacro %}
