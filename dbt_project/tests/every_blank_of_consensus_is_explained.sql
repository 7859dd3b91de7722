-- depends_on: {{ ref("consensus") }}
with
    blanks as (
        {% if execute %}
            {% for column in adapter.get_columns_in_relation(ref("consensus")) %}
                select ticker, '{{ column.name }}' as column_name
                from {{ ref("consensus") }}
                where {{ column.name }} is null {{ "union all" if not loop.last }}
            {% endfor %}
        {% else %}select ticker, ticker as column_name from {{ ref("consensus") }}
        {% endif %}
    ),
    told as (select ticker, column_name from {{ ref("consensus_blanks") }}),
    final as (
        select
            coalesce(blanks.ticker, told.ticker) as ticker,
            coalesce(blanks.column_name, told.column_name) as column_name
        from blanks
        full join told on told.ticker = blanks.ticker and told.column_name = blanks.column_name
        where blanks.ticker is null or told.ticker is null
    )
select *
from final
