with
    source as (select * from {{ source("raw", "news_signals") }}),
    news as (select ticker, news_id, known_from, pit_quality from {{ ref("stg_news") }}),
    newest as (
        select
            *,
            row_number() over (
                partition by news_id, ticker, scorer_version
                order by known_at desc nulls last, source asc nulls last
            ) as age_rank
        from source
    ),
    renamed as (
        select
            newest.row_id,
            newest.source,
            newest.news_id,
            newest.ticker,
            newest.scorer_version,
            newest.sentiment,
            newest.sentiment_score,
            newest.confidence,
            newest.relevance,
            newest.cluster_id,
            newest.known_at,
            news.known_from,
            news.pit_quality
        from newest
        inner join news on news.news_id = newest.news_id and news.ticker = newest.ticker
        where newest.age_rank = 1
    )
select *
from renamed
