{#- The words of a rule are no part of it. -#}
{%- set parts = [
    "flag",
    "kind",
    "family",
    "metric",
    "comparison",
    "enter_at",
    "min_count",
    "qualifier_comparison",
    "qualifier_at",
    "exit_at",
    "min_days",
    "quiet_days",
    "base_severity",
    "severity_2_at",
    "severity_3_at",
    "severity_4_at",
] -%}

with
    rules as (select * from {{ ref("risk_flag_rules") }}),
    written as (
        select
            flag,
            kind,
            metric,
            concat(
                {%- for part in parts %}
                    coalesce(cast({{ part }} as {{ dbt.type_string() }}), ''),
                    ';'
                    {{- "," if not loop.last }}
                {%- endfor %}
            ) as rule
        from rules
    ),
    final as (
        select
            flag,
            kind,
            substring(
                md5(string_agg(rule, '|' order by metric asc nulls last)), 1, 8
            ) as rule_version
        from written
        group by flag, kind
    )
select *
from final
