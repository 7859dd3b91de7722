with
    news as (
        select row_id, ticker, news_id, published_at, title, publisher from {{ ref("stg_news") }}
    ),
    signals as (select * from {{ ref("stg_news_signals") }}),
    scorers as (select * from {{ ref("news_scorers") }}),
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
