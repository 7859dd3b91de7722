with
    episodes as (
        select flag_episode_id, flag, ticker, opened_on, closed_on from {{ ref("flag_episodes") }}
    ),
    rules as (select flag, metric from {{ ref("risk_flag_rules") }}),
    metrics as (select * from {{ ref("flag_metrics") }}),
    prices as (
        select
            row_id,
            ticker,
            session_date,
            close,
            close * split_factor as told_close,
            row_number() over (partition by ticker order by session_date asc nulls last) as bar
        from {{ ref("stg_prices") }}
        where is_final
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
            prices.row_id,
            prices.close,
            prices.told_close,
            row_number() over (
                partition by moments.flag_episode_id, moments.role
                order by prices.close desc nulls last, prices.session_date desc nulls last
            ) as height_rank
        from moments
        inner join
            prices as newest
            on newest.ticker = moments.ticker
            and newest.session_date = moments.observed_on
        inner join
            prices
            on prices.ticker = moments.ticker
            and prices.bar between newest.bar - 251 and newest.bar
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
