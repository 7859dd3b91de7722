with
    episodes as (
        select flag_episode_id, flag, ticker, opened_on, closed_on from {{ ref("flag_episodes") }}
    ),
    rules as (select flag, metric from {{ ref("risk_flag_rules") }}),
    metrics as (select * from {{ ref("flag_metrics") }}),
    bars as (
        select row_id, ticker, session_date, bar_number, close, told_close
        from {{ ref("known_bars") }}
    ),
    known_drawdowns as (
        select ticker, session_date, high_row_id, high_told_close from {{ ref("known_drawdowns") }}
    ),
    moments as (
        select flag_episode_id, flag, ticker, 'open' as role, opened_on as observed_on
        from episodes
        union all
        select flag_episode_id, flag, ticker, 'close' as role, closed_on as observed_on
        from episodes
        where closed_on is not null
    ),
    observed as (
        select
            moments.flag_episode_id,
            moments.role,
            metrics.table_name,
            metrics.row_id,
            metrics.column_name,
            metrics.evidence_value as value
        from moments
        inner join rules on rules.flag = moments.flag
        inner join
            metrics
            on metrics.ticker = moments.ticker
            and metrics.metric = rules.metric
            and metrics.observed_on = moments.observed_on
    ),
    -- The high that a drawdown is measured from.
    highs as (
        select
            moments.flag_episode_id,
            moments.role,
            coalesce(known_drawdowns.high_row_id, bars.row_id) as row_id,
            coalesce(known_drawdowns.high_told_close, bars.told_close) as told_close,
            row_number() over (
                partition by moments.flag_episode_id, moments.role
                order by bars.close desc nulls last, bars.session_date desc nulls last
            ) as height_rank
        from moments
        inner join
            bars as newest
            on newest.ticker = moments.ticker
            and newest.session_date = moments.observed_on
        inner join
            bars
            on bars.ticker = moments.ticker
            and bars.bar_number between newest.bar_number - 251 and newest.bar_number
        left join
            known_drawdowns
            on known_drawdowns.ticker = moments.ticker
            and known_drawdowns.session_date = moments.observed_on
        where moments.flag = 'DD_DEEP'
    ),
    final as (
        select flag_episode_id, role, table_name, row_id, column_name, value
        from observed
        union
        select
            flag_episode_id,
            role,
            'raw.prices' as table_name,
            row_id,
            'close' as column_name,
            told_close as value
        from highs
        where height_rank = 1
    )
select *
from final
