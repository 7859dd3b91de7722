{#-
Values of `flag_metrics` as each condition of a flag judges them: whether it is entered, whether it is left, how bad
it is. `of` is a condition on the values.
-#}
{% macro flag_judgements(of="true") %}
    with
        metrics as (select * from {{ ref("flag_metrics") }} as metrics where {{ of }}),
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
                    or coalesce(metrics.qualifier > rules.qualifier_at, false)
                    or (
                        coalesce(metrics.qualifier = rules.qualifier_at, false)
                        and rules.qualifier_comparison = '>='
                    )
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
        final as (
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
        )
    select *
    from final
{% endmacro %}
