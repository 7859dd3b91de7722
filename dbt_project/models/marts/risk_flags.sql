{#- What a rule's message may name. -#}
{%- set words = {
    "{value_pct}": worded_percent("abs(opening_value)"),
    "{enter_pct}": worded_percent("abs(enter_at)"),
    "{newest_pct}": worded_percent("abs(newest_value)"),
    "{newest_signed_pct}": worded_percent("newest_value"),
    "{qualifier_pct}": worded_percent("abs(opening_qualifier)"),
    "{value}": worded_number("opening_value"),
    "{enter}": worded_number("enter_at"),
    "{newest}": worded_number("newest_value"),
    "{qualifier}": worded_number("opening_qualifier"),
    "{count}": worded_number("opening_sample_count"),
    "{day}": "cast(newest_observed_on as " ~ dbt.type_string() ~ ")",
} -%}

with
    episodes as (select * from {{ ref("flag_episodes") }}),
    rules as (select * from {{ ref("risk_flag_rules") }}),
    versions as (select flag, kind, rule_version from {{ ref("flag_rule_versions") }}),
    worded as (
        select
            episodes.*,
            rules.family,
            rules.enter_at,
            versions.rule_version,
            {% for _ in words %} replace({% endfor %}rules.message
            {%- for name, text in words.items() %}
                    , '{{ name }}', coalesce({{ text }}, '(unknown)'))
            {% endfor %} as message
        from episodes
        inner join
            rules
            on rules.flag = episodes.flag
            and rules.kind = episodes.kind
            and rules.metric = episodes.metric
        inner join versions on versions.flag = episodes.flag and versions.kind = episodes.kind
    ),
    final as (
        select
            flag_episode_id,
            ticker,
            flag,
            family,
            kind,
            severity,
            peak_severity,
            opened_on,
            closed_on,
            closed_on is null as is_open,
            opening_value as observed_value,
            enter_at as threshold,
            rule_version,
            message,
            opening_pit_quality as pit_quality
        from worded
    )
select *
from final
