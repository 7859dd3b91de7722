with
    news as (
        select row_id, ticker, news_id, published_at, title, publisher from {{ ref("stg_news") }}
    ),
    signals as (select * from {{ ref("stg_news_signals") }}),
    priorities as (
        select source, priority from {{ ref("source_priority") }} where table_name = '*'
    ),
    -- Scores of two scorers are not one series: a ticker's items are those of one.
    scorers as (
        select
            signals.ticker,
            signals.scorer_version,
            row_number() over (
                partition by signals.ticker
                order by
                    min(priorities.priority) asc nulls last,
                    max(signals.stored_at) desc nulls last,
                    count(*) desc nulls last,
                    signals.scorer_version desc nulls last
            ) as scorer_rank
        from signals
        left join priorities on priorities.source = signals.source
        group by signals.ticker, signals.scorer_version
    ),
    scored as (
        select
            signals.news_id,
            signals.ticker,
            news.row_id,
            coalesce(signals.cluster_id, signals.news_id) as cluster_id,
            news.published_at,
            news.title,
            news.publisher,
            signals.sentiment,
            signals.sentiment_score,
            signals.confidence,
            signals.relevance,
            signals.novelty,
            signals.scorer_version
        from signals
        inner join
            scorers
            on scorers.ticker = signals.ticker
            and scorers.scorer_version = signals.scorer_version
            and scorers.scorer_rank = 1
        inner join news on news.ticker = signals.ticker and news.news_id = signals.news_id
    ),
    final as (
        select
            *,
            row_number() over (
                partition by ticker, cluster_id
                order by published_at asc nulls last, news_id asc nulls last
            ) as cluster_position,
            row_number() over (
                partition by ticker, cluster_id, lower(trim(title))
                order by published_at asc nulls last, news_id asc nulls last
            ) as text_position
        from scored
    )
select *
from final
