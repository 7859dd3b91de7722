with
    momentum as (select ticker from {{ ref("momentum") }}),
    consensus as (select ticker from {{ ref("consensus") }}),
    news as (select ticker from {{ ref("stg_news") }}),
    universe as (select ticker from {{ ref("stg_universe") }}),
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
        union
        select ticker
        from universe
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
        select metrics.ticker, rules.flag, rules.kind, rules.metric
        from metrics
        inner join rules on rules.metric = metrics.metric
        where
            (rules.min_count is null or metrics.sample_count >= rules.min_count)
            and (rules.qualifier_at is null or metrics.qualifier is not null)
        union
        select scored.ticker, rules.flag, rules.kind, rules.metric
        from scored
        cross join rules
        where rules.quiet_days is not null
    ),
    conditions as (
        select
            tickers.ticker,
            rules.flag,
            rules.kind,
            rules.metric,
            rules.needs,
            evaluated.ticker is not null as is_evaluated
        from tickers
        cross join rules
        left join
            evaluated
            on evaluated.ticker = tickers.ticker
            and evaluated.flag = rules.flag
            and evaluated.kind = rules.kind
            and evaluated.metric = rules.metric
    ),
    -- Conditions that lack the same are told once.
    lacks as (
        select ticker, flag, kind, needs, min(metric) as metric
        from conditions
        where not is_evaluated
        group by ticker, flag, kind, needs
    ),
    reasons as (
        select
            ticker,
            flag,
            kind,
            string_agg(needs, '; or ' order by metric asc nulls last) as needs_any,
            string_agg(needs, '; and ' order by metric asc nulls last) as needs_more
        from lacks
        group by ticker, flag, kind
    ),
    flags as (
        select ticker, flag, kind, max(case when is_evaluated then 1 else 0 end) as is_evaluated
        from conditions
        group by ticker, flag, kind
    ),
    final as (
        select
            flags.ticker,
            flags.flag,
            flags.kind,
            case when flags.is_evaluated = 1 then 'evaluated' else 'not_evaluable' end as status,
            case
                when reasons.ticker is null
                then null
                when flags.is_evaluated = 1
                then concat('in part: all of it needs ', reasons.needs_more)
                when {{ is_share("flags.ticker") }}
                then concat('needs ', reasons.needs_any)
                else 'a currency, a future or an index is no company'
            end as reason
        from flags
        left join
            reasons
            on reasons.ticker = flags.ticker
            and reasons.flag = flags.flag
            and reasons.kind = flags.kind
    )
select *
from final
