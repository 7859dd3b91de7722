with
    metrics as (select * from {{ ref("flag_metrics") }}),
    rules as (
        select *, case when direction = 'below' then -1 else 1 end as sign
        from {{ ref("risk_flag_rules") }}
    ),
    -- Turned so that greater is worse, whatever the direction of the rule.
    observed as (
        select
            metrics.*,
            rules.flag,
            rules.min_days,
            rules.sign * metrics.value >= rules.sign * rules.enter_at as is_entered,
            rules.sign * metrics.value < rules.sign * rules.exit_at as is_left,
            case
                when rules.sign * metrics.value >= rules.sign * rules.severity_4_at
                then 4
                when rules.sign * metrics.value >= rules.sign * rules.severity_3_at
                then 3
                when rules.sign * metrics.value >= rules.sign * rules.severity_2_at
                then 2
                else rules.base_severity
            end as severity,
            row_number() over (
                partition by rules.flag, metrics.ticker order by metrics.observed_on asc nulls last
            ) as observation
        from metrics
        inner join rules on rules.metric = metrics.metric
    ),
    left_runs as (
        select
            *,
            observation - coalesce(
                max(case when not is_left then observation end) over (
                    partition by flag, ticker
                    order by observation asc nulls last
                    rows between unbounded preceding and current row
                ),
                0
            ) as left_days
        from observed
    ),
    events as (
        select *, case when is_entered then 1 when left_days >= min_days then 0 end as event
        from left_runs
    ),
    -- The state is that of the newest event: the parity of the greatest of 2 x observation + event.
    states as (
        select
            *,
            coalesce(
                max(case when event is not null then observation * 2 + event end) over (
                    partition by flag, ticker
                    order by observation asc nulls last
                    rows between unbounded preceding and current row
                ),
                0
            ) as newest_event
        from events
    ),
    switched as (
        select
            *,
            newest_event % 2 as state,
            lead(newest_event % 2, 1, 0) over (
                partition by flag, ticker order by observation asc nulls last
            ) as state_after,
            lag(newest_event % 2, 1, 0) over (
                partition by flag, ticker order by observation asc nulls last
            ) as state_before
        from states
    ),
    numbered as (
        select
            *,
            sum(case when state = 1 and state_before = 0 then 1 else 0 end) over (
                partition by flag, ticker
                order by observation asc nulls last
                rows between unbounded preceding and current row
            ) as episode
        from switched
    ),
    final as (
        select
            md5(
                concat(flag, '|', ticker, '|', cast(min(observed_on) as {{ dbt.type_string() }}))
            ) as flag_episode_id,
            flag,
            ticker,
            min(observed_on) as opened_on,
            min(case when state = 0 then observed_on end) as closed_on,
            max(case when state = 1 then observed_on end) as last_observed_on,
            max(case when state = 1 and state_after = 0 then severity end) as severity,
            max(case when state = 1 then severity end) as peak_severity
        from numbered
        where episode > 0 and (state = 1 or state_before = 1)
        group by flag, ticker, episode
    )
select *
from final
