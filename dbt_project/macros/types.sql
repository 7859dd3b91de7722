{#- dbt's own answer for DuckDB is a 32-bit float, which would lose the last digits. -#}
{% macro duckdb__type_float() -%} double {%- endmacro %}
