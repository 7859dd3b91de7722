{#-
Each relation is replaced by one statement within its transaction. dbt's own make it under another name,
ask for what else there is, rename twice and drop, which costs more than most models here.
-#}
{% macro duckdb__replace_relation(kind) -%}
    {%- set target = this.incorporate(type=kind) -%}
    {%- do duckdb__drop_of_other_kind(target) -%}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement("main") -%}
        create or replace {{ kind }} {{ target }} as ({{ compiled_code }})
    {%- endcall -%}
    {%- do persist_docs(target, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {{ return({"relations": [target]}) }}
{%- endmacro %}

{% macro duckdb__drop_of_other_kind(target) -%}
    {%- set former = load_cached_relation(target) -%}
    {%- if former is not none and former.type != target.type -%}
        {%- do drop_relation_if_exists(former) -%}
    {%- endif -%}
{%- endmacro %}

{% materialization table, adapter = "duckdb" %}
    {{ return(duckdb__replace_relation("table")) }}
{% endmaterialization %}

{% materialization view, adapter = "duckdb" %}
    {{ return(duckdb__replace_relation("view")) }}
{% endmaterialization %}

{#- Our seeds declare their columns' types, so nothing of their content has to be guessed before it is read. -#}
{% materialization seed, adapter = "duckdb" %}
    {%- set target = this.incorporate(type="table") -%}
    {%- set path = adapter.get_seed_file_path(model) | replace("'", "''") -%}
    {%- set types = config.get("column_types") | tojson | replace('"', "'") -%}
    {%- set dialect = "header = true, delim = ',', quote = '\"', escape = '\"'" -%}
    {%- set declared = ", types = " ~ types if config.get("column_types") else "" -%}
    {%- do duckdb__drop_of_other_kind(target) -%}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement("main") -%}
        create or replace table {{ target }} as
        from read_csv(
            '{{ path }}', {{ dialect }}{{ declared }}
        )
    {%- endcall -%}
    {%- do store_result("agate_table", response="OK") -%}  {#- dbt shows its head when asked to -#}
    {%- do persist_docs(target, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}

{#-
Made anew, or gone on from by what its query adds. dbt's own first makes a temporary table, asks for
the columns of both four times and comments on them again, which costs more than most additions.
What is made anew is deleted by the model's pre-hook.
-#}
{% materialization incremental, adapter = "duckdb" %}
    {%- if config.get("incremental_strategy") != "append" or config.get("unique_key") -%}
        {%- do exceptions.raise_compiler_error(
            "incremental models here append, and delete in a pre-hook what they make anew"
        ) -%}
    {%- endif -%}
    {%- set target = this.incorporate(type="table") -%}
    {%- do duckdb__drop_of_other_kind(target) -%}
    {{ run_hooks(pre_hooks, inside_transaction=true) }}
    {%- call statement("main") -%}
        {%- if is_incremental() -%} insert into {{ target }} by name ({{ compiled_code }})
        {%- else -%} create or replace table {{ target }} as ({{ compiled_code }})
        {%- endif -%}
    {%- endcall -%}
    {%- if not is_incremental() -%} {%- do persist_docs(target, model) -%} {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=true) }}
    {%- do adapter.commit() -%}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}
