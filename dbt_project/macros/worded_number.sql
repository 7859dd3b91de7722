{#- A number as a reader writes it: two decimals, or none where they say nothing. -#}
{% macro worded_number(value) -%}
    regexp_replace(
        cast(cast(round({{ value }}, 2) as decimal(28, 2)) as {{ dbt.type_string() }}), '[.]00$', ''
    )
{%- endmacro %}

{#- A share in percent with one decimal, or none where it says nothing. -#}
{% macro worded_percent(value) -%}
    concat(
        regexp_replace(
            cast(cast(round(100 * {{ value }}, 1) as decimal(28, 1)) as {{ dbt.type_string() }}),
            '[.]0$',
            ''
        ),
        ' %'
    )
{%- endmacro %}
