with
    metrics as (select * from {{ ref("flag_metrics") }}),
    rules as (
        select *, case when comparison in ('<', '<=') then -1 else 1 end as sign
        from {{ ref("risk_flag_rules") }}
    ),
    -- Turned so that greater is worse, whatever the side of the rule. With too few observations
    -- behind it a value neither opens nor closes.
    compared as (
        select
            metrics.*,
            rules.flag,
            rules.kind,
            rules.sign,
            rules.min_days,
            rules.quiet_days,
            rules.exit_at,
            (
                rules.sign * metrics.value > rules.sign * rules.enter_at
                or (metrics.value = rules.enter_at and rules.comparison in ('<=', '>='))
            )
            and (
                rules.qualifier_at is null
                or coalesce(metrics.qualifier >= rules.qualifier_at, false)
            ) as is_entered,
            rules.sign * metrics.value < rules.sign * rules.exit_at as is_beyond_exit,
            case
                when rules.sign * metrics.value >= rules.sign * rules.severity_4_at
                then 4
                when rules.sign * metrics.value >= rules.sign * rules.severity_3_at
                then 3
                when rules.sign * metrics.value >= rules.sign * rules.severity_2_at
                then 2
                else rules.base_severity
            end as value_severity
        from metrics
        inner join rules on rules.metric = metrics.metric
        where rules.min_count is null or metrics.sample_count >= rules.min_count
    ),
    -- Without a value to leave at, a flag is left where it is not entered.
    judged as (
        select
            *,
            case
                when quiet_days is not null
                then false
                when exit_at is null
                then not is_entered
                else is_beyond_exit and not is_entered
            end as is_left,
            -- How bad an event was, the days after it do not tell.
            case when is_entered or exit_at is not null then value_severity end as severity
        from compared
        where quiet_days is null or is_entered
    ),
    troubled as (select distinct flag, kind, metric, ticker from judged where is_entered),
    numbered as (
        select
            judged.*,
            row_number() over (
                partition by judged.flag, judged.kind, judged.metric, judged.ticker
                order by
                    judged.observed_on asc nulls last,
                    judged.sign * judged.value desc nulls last,
                    judged.row_id asc nulls last
            ) as observation
        from judged
        inner join
            troubled
            on troubled.flag = judged.flag
            and troubled.kind = judged.kind
            and troubled.metric = judged.metric
            and troubled.ticker = judged.ticker
    ),
    runs as (
        select
            *,
            observation - coalesce(
                max(case when not is_left then observation end) over (
                    partition by flag, kind, metric, ticker
                    order by observation asc nulls last
                    rows between unbounded preceding and current row
                ),
                0
            ) as left_days,
            lead(observed_on) over (
                partition by flag, kind, metric, ticker order by observation asc nulls last
            ) as next_observed_on
        from numbered
    ),
    final as (
        select
            flag,
            kind,
            metric,
            ticker,
            observed_on,
            observation * 2 as observation,
            case when is_entered then 1 when left_days = min_days then 0 end as event,
            severity,
            value,
            sample_count,
            qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality
        from runs
        where left_days <= min_days
        union all
        -- Quiet is no observation: it is so many days in which none was made.
        select
            flag,
            kind,
            metric,
            ticker,
            observed_on + quiet_days as observed_on,
            observation * 2 + 1 as observation,
            0 as event,
            severity,
            value,
            sample_count,
            qualifier,
            table_name,
            row_id,
            column_name,
            evidence_value,
            pit_quality
        from runs
        where
            quiet_days is not null
            and (next_observed_on is null or next_observed_on > observed_on + quiet_days)
            and observed_on + quiet_days <= {{ as_of_date() }}
    )
select *
from final
