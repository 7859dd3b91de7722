{#-
The rows of `consensus_history` are numbered by the sessions of the exchange. What is known at a
moment is in the row of the last session that had opened by then, because a row knows what was known
before the next open. `days` is the row of `stg_calendar_days` for the moment's day (UTC). Before the
calendar begins, and without one, it is in every row.
-#}
{% macro session_number_at(moment, days, counted_on) -%}
    case
        when {{ days }}.session_number is not null
        then
            {{ days }}.session_number
            + case when {{ moment }} >= {{ days }}.next_opens_at then 1 else 0 end
            - case
                when {{ days }}.is_session and {{ moment }} < {{ days }}.opens_at then 1 else 0
            end
        when cast({{ moment }} as date) > {{ counted_on }}
        then {{ newest() }}
        else 0
    end
{%- endmacro %}

{#- Number of the newest row of every ticker, which knows what was known at `as_of`. -#}
{% macro newest() -%} 1000000 {%- endmacro %}
