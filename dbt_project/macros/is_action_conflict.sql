{#- Whether a call says it is an upgrade, a downgrade or neither, and its own grades say otherwise. -#}
{% macro is_action_conflict(event) -%}
    (
        (
            lower({{ event }}.action) in ('up', 'upgrade', 'upgrades')
            and {{ event }}.score >= {{ event }}.prior_score
        )
        or (
            lower({{ event }}.action) in ('down', 'downgrade', 'downgrades')
            and {{ event }}.score <= {{ event }}.prior_score
        )
        or (
            lower({{ event }}.action)
            in ('main', 'maintain', 'maintains', 'reit', 'reiterate', 'reiterates')
            and {{ event }}.score <> {{ event }}.prior_score
        )
    )
{%- endmacro %}
