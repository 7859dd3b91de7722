with
    articles as (select * from {{ ref("scored_news") }}),
    topics as (select * from {{ ref("stg_news_topics") }}),
    final as (
        select
            articles.cluster_id,
            articles.ticker,
            topics.topic,
            coalesce(topics.subtopic, '') as subtopic,
            max(topics.confidence) as confidence
        from articles
        inner join
            topics
            on topics.ticker = articles.ticker
            and topics.news_id = articles.news_id
            and topics.scorer_version = articles.scorer_version
        group by articles.cluster_id, articles.ticker, topics.topic, coalesce(topics.subtopic, '')
    )
select *
from final
