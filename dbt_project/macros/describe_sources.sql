{#- Statements that put the descriptions of the raw tables' columns into the database, where they
    differ: dbt persists those of models and seeds by itself, but not those of sources. -#}
{% macro describe_sources() -%} {{ return(adapter.dispatch("describe_sources")()) }} {%- endmacro %}

{% macro default__describe_sources() -%}
    {%- if execute -%}
        {%- set told = run_query(
            "select table_name, column_name, comment from duckdb_columns() where schema_name = 'raw'"
        ) -%}
        {%- set stored = {} -%}
        {%- for row in told.rows -%}
            {%- do stored.update({row[0] ~ "." ~ row[1]: row[2]}) -%}
        {%- endfor -%}
        {%- for source in graph.sources.values() -%}
            {%- for column in source.columns.values() -%}
                {%- set name = source.name ~ "." ~ column.name -%}
                {%- if name in stored and stored[name] != column.description -%}
                    comment on column {{ source.schema }}.{{ name }}
                    is '{{ column.description | replace("'", "''") }}';
                {% endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__describe_sources() -%} {%- endmacro %}
