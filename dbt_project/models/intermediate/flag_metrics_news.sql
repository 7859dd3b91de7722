{#- Items of a cluster in the order they were known: what it told on each day. -#}
with
    news as (select row_id, ticker, news_id, title, publisher from {{ ref("stg_news") }}),
    signals as (
        select ticker, news_id, scorer_version, cluster_id, source, stored_at
        from {{ ref("stg_news_signals") }}
    ),
    topics as (select * from {{ ref("stg_news_topics") }}),
    scorers as (select * from {{ ref("news_scorers") }}),
    -- A law firm's call for clients is no suit and its investigation no regulator's; an audit
    -- rule's
    -- threat of a delisting is no delisting.
    exceptions as (
        select distinct ticker, news_id, scorer_version, 'LIT' as code
        from topics
        where topic = 'LIT' and subtopic = 'solicitation'
        union
        select distinct ticker, news_id, scorer_version, 'REG' as code
        from topics
        where topic = 'LIT' and subtopic = 'solicitation'
        union
        select distinct ticker, news_id, scorer_version, 'LIST.delist' as code
        from topics
        where topic = 'LIST' and subtopic = 'hfcaa'
    ),
    named as (
        select topics.*, concat(topics.topic, '.', topics.subtopic) as code
        from topics
        where topics.subtopic is not null
        union all
        select topics.*, topics.topic as code
        from topics
    ),
    items as (
        select
            named.ticker,
            coalesce(signals.cluster_id, named.news_id) as cluster_id,
            named.code,
            named.row_id,
            named.confidence,
            named.known_from,
            named.pit_quality,
            news.row_id as news_row_id,
            news.title,
            news.publisher
        from named
        inner join
            scorers
            on scorers.ticker = named.ticker
            and scorers.scorer_version = named.scorer_version
        inner join news on news.ticker = named.ticker and news.news_id = named.news_id
        left join
            signals
            on signals.ticker = named.ticker
            and signals.news_id = named.news_id
            and signals.scorer_version = named.scorer_version
        left join
            exceptions
            on exceptions.ticker = named.ticker
            and exceptions.news_id = named.news_id
            and exceptions.scorer_version = named.scorer_version
            and exceptions.code in (named.topic, named.code)
        where exceptions.news_id is null
    ),
    -- A copy of a headline adds no source, nor does a publisher that told before.
    first_tellings as (
        select
            *,
            row_number() over (
                partition by ticker, cluster_id, code, lower(trim(title))
                order by known_from asc nulls last, row_id asc nulls last
            ) as text_rank
        from items
    ),
    first_publications as (
        select
            *,
            row_number() over (
                partition by ticker, cluster_id, code, text_rank = 1, coalesce(publisher, row_id)
                order by known_from asc nulls last, row_id asc nulls last
            ) as publisher_rank
        from first_tellings
    ),
    counted as (
        select
            *,
            sum(case when text_rank = 1 and publisher_rank = 1 then 1 else 0 end) over (
                partition by ticker, cluster_id, code
                order by known_from asc nulls last, row_id asc nulls last
                rows between unbounded preceding and current row
            ) as publisher_count,
            max(confidence) over (
                partition by ticker, cluster_id, code
                order by known_from asc nulls last, row_id asc nulls last
                rows between unbounded preceding and current row
            ) as highest_confidence
        from first_publications
    ),
    final as (
        select
            ticker,
            cast(known_from as date) as observed_on,
            code as metric,
            cast(publisher_count as {{ dbt.type_float() }}) as value,
            highest_confidence as qualifier,
            'raw.news_topics' as table_name,
            row_id,
            'confidence' as column_name,
            confidence as evidence_value,
            pit_quality,
            cluster_id,
            news_row_id
        from counted
    )
select *
from final
