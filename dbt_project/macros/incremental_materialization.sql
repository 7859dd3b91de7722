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
    {%- set former = load_cached_relation(this) -%}
    {%- if former is not none and not former.is_table -%}
        {%- do drop_relation_if_exists(former) -%}
    {%- endif -%}
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
