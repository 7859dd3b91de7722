with
    momentum as (select ticker from {{ ref("momentum") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    news as (select ticker from {{ ref("stg_news") }}),
    signals as (select ticker from {{ ref("stg_news_signals") }}),
    topics as (select ticker from {{ ref("stg_news_topics") }}),
    rules as (select * from {{ ref("risk_flag_rules") }}),
    metrics as (select * from {{ ref("flag_metrics") }}),
    tickers as (
        select ticker
        from momentum
        union
        select ticker
        from consensus
        union
        select ticker
        from news
    ),
    scored as (
        select ticker
        from signals
        union
        select ticker
        from topics
    ),
    -- News without a topic is news that was looked at.
    evaluated as (
        select metrics.ticker, rules.flag
        from metrics
        inner join rules on rules.metric = metrics.metric
        where
            (rules.min_count is null or metrics.sample_count >= rules.min_count)
            and (rules.qualifier_at is null or metrics.qualifier is not null)
        union
        select scored.ticker, rules.flag
        from scored
        cross join rules
        where rules.quiet_days is not null
    ),
    flags as (
        select
            flag,
            concat(
                'needs ',
                string_agg(needs, '; or ' order by kind asc nulls last, metric asc nulls last)
            ) as reason
        from
            (
                select distinct
                    flag, kind, needs, min(metric) over (partition by flag, kind, needs) as metric
                from rules
            ) as needed
        group by flag
    ),
    final as (
        select
            tickers.ticker,
            flags.flag,
            case when evaluated.ticker is null then 'not_evaluable' else 'evaluated' end as status,
            case
                when evaluated.ticker is not null
                then null
                when {{ is_share("tickers.ticker") }}
                then flags.reason
                else 'a currency, a future or an index is no company'
            end as reason
        from tickers
        cross join flags
        left join evaluated on evaluated.ticker = tickers.ticker and evaluated.flag = flags.flag
    )
select *
from final
