{#-
Comments of a relation and its columns in one statement. dbt's own asks for the columns first, twice,
and leaves out those that are not there; here a description without a column is an error.
-#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set columns = model.columns if for_columns else {} -%}
    {%- set comments -%}
        {%- if for_relation and model.description -%}
            {{ alter_relation_comment(relation, model.description) }}
        {%- endif -%}
        {%- for name, column in columns.items() -%}
            comment on column {{ relation }}.{{ name }} is {{ duckdb_escape_comment(column.description) }};
        {%- endfor -%}
    {%- endset -%}
    {%- do run_query(comments) -%}
{%- endmacro %}
