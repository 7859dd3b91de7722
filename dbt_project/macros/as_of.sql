{#- The moment (UTC) whose knowledge the marts show. -#}
{% macro as_of() -%}
    {%- set moment = var("as_of") -%}
    {%- if moment == "now" -%}
        {%- set moment = run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") -%}
    {%- endif -%}
    cast('{{ moment }}' as timestamp)
{%- endmacro %}

{#- Days from `start` to `end`, as a relation with the column `day`. -#}
{% macro days_between(start, end) -%}
    {{ return(adapter.dispatch("days_between")(start, end)) }}
{%- endmacro %}

{% macro default__days_between(start, end) -%}
    (
        select cast(day as date) as day
        from
            generate_series(
                cast({{ start }} as timestamp), cast({{ end }} as timestamp), interval '1' day
            ) as days(day)
    )
{%- endmacro %}

{% macro spark__days_between(start, end) -%}
    (
        select
            explode(
                sequence(cast({{ start }} as date), cast({{ end }} as date), interval 1 day)
            ) as day
    )
{%- endmacro %}
