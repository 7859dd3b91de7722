{#- The moment (UTC) whose knowledge the marts show. -#}
{% macro as_of() -%}
    {%- set moment = var("as_of") -%}
    {%- if moment == "now" -%}
        {%- set moment = run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") -%}
    {%- endif -%}
    cast('{{ moment }}' as timestamp)
{%- endmacro %}

{#- The last day whose knowledge the marts show: until New York opens again, a moment is of the day
    before. -#}
{% macro as_of_date() -%}
    (
        select
            case
                when min(cast(opens_at as date)) <= cast({{ as_of() }} as date)
                then min(cast(opens_at as date)) - 1
                else cast({{ as_of() }} as date)
            end
        from {{ ref("stg_sessions") }}
        where exchange = 'XNYS' and opens_at > {{ as_of() }}
    )
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
