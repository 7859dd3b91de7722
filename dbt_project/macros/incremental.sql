{#-
An incremental model goes on from its table only where the caller says that the table fits; built by
hand, without these vars, every model is made anew. `orchestration/builds.py` decides it.
-#}
{% macro should_full_refresh() -%} {{ return(model.name not in var("continued")) }} {%- endmacro %}

{#- Whether a version was stored since the build that is continued; every one is where none is. -#}
{% macro is_stored_since(stored_at="stored_at") -%}
    {%- if var("stored_until") is none -%} true
    {%- else -%} {{ stored_at }} > cast('{{ var("stored_until") }}' as timestamp)
    {%- endif -%}
{%- endmacro %}

{#- As the pre-hook of an incremental model: delete the rows that it is about to make anew. -#}
{% macro delete_rows(condition) -%}
    {%- if is_incremental() -%} delete from {{ this }} where {{ condition }}{%- endif -%}
{%- endmacro %}
