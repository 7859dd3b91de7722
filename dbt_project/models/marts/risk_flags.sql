with
    episodes as (select * from {{ ref("flag_episodes") }}),
    metrics as (select * from {{ ref("flag_metrics") }}),
    rules as (select * from {{ ref("risk_flag_rules") }}),
    valued as (
        select
            episodes.*,
            rules.rule_version,
            rules.family,
            rules.kind,
            rules.metric,
            rules.enter_at,
            rules.exit_at,
            opening.value as opening_value,
            newest.value as newest_value,
            opening.pit_quality
        from episodes
        inner join rules on rules.flag = episodes.flag
        inner join
            metrics as opening
            on opening.ticker = episodes.ticker
            and opening.metric = rules.metric
            and opening.observed_on = episodes.opened_on
        inner join
            metrics as newest
            on newest.ticker = episodes.ticker
            and newest.metric = rules.metric
            and newest.observed_on = episodes.last_observed_on
    ),
    worded as (
        select
            *,
            {%- set opening_pct = (
                "cast(cast(round(100 * abs(opening_value), 1) as decimal(18, 1)) as "
                ~ dbt.type_string()
                ~ ")"
            ) -%}
            {%- set newest_pct = (
                "cast(cast(round(100 * abs(newest_value), 1) as decimal(18, 1)) as "
                ~ dbt.type_string()
                ~ ")"
            ) -%}
            {%- set enter_pct = (
                "cast(cast(round(100 * abs(enter_at), 0) as integer) as "
                ~ dbt.type_string()
                ~ ")"
            ) -%}
            case
                flag
                when 'DD_DEEP'
                then
                    concat(
                        'The close fell ',
                        {{ opening_pct }},
                        ' % below its 252-session high (flag from ',
                        {{ enter_pct }},
                        ' %); on ',
                        cast(last_observed_on as {{ dbt.type_string() }}),
                        ' it stood ',
                        {{ newest_pct }},
                        ' % below.'
                    )
                when 'STALE_PRICE'
                then
                    concat(
                        'No final price arrived for ',
                        cast(cast(newest_value as integer) as {{ dbt.type_string() }}),
                        ' sessions in a row (flag from ',
                        cast(cast(enter_at as integer) as {{ dbt.type_string() }}),
                        ').'
                    )
                when 'FX_EXPOSURE'
                then 'The company reports in another currency than its shares are quoted in.'
                when 'ADR_HFCAA'
                then
                    concat(
                        'A company of China, Hong Kong or Macao listed in New York is exposed to the Holding Foreign ',
                        'Companies Accountable Act; an exposure, not an event.'
                    )
            end as message
        from valued
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
            pit_quality
        from worded
    )
select *
from final
