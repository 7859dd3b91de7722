with
    articles as (select * from {{ ref("scored_news") }}),
    events as (select * from {{ ref("news_events") }}),
    topics as (select * from {{ ref("news_event_topics") }}),
    calls as (select * from {{ ref("stg_broker_calls") }} where not is_soft),
    ratings as (
        select row_id, ticker, firm, graded_on, graded_at, known_from from {{ ref("stg_ratings") }}
    ),
    reactions as (
        select row_id, abnormal_return_0_1, is_influential from {{ ref("rating_reactions") }}
    ),
    aliases as (select lower(trim(alias)) as alias_key, firm from {{ ref("firm_aliases") }}),
    -- An article that tells of the call itself, by the firm's name.
    reported as (
        select distinct
            articles.cluster_id,
            articles.ticker,
            ratings.row_id,
            ratings.firm,
            ratings.graded_on,
            'reports' as relation
        from calls
        inner join
            articles
            on articles.ticker = calls.ticker
            and articles.news_id = calls.news_id
            and articles.scorer_version = calls.scorer_version
        inner join
            ratings
            on ratings.ticker = calls.ticker
            and ratings.graded_on
            between cast(articles.published_at as date)
            - 3 and cast(articles.published_at as date)
            + 1
        left join aliases as told on told.alias_key = lower(trim(calls.firm))
        left join aliases as rated on rated.alias_key = lower(trim(ratings.firm))
        where
            coalesce(told.firm, calls.firm) = coalesce(rated.firm, trim(ratings.firm))
            or lower(trim(calls.firm)) = lower(trim(ratings.firm))
    ),
    -- News of the company itself; what analysts, markets and the economy did explains no call.
    causes as (
        select distinct events.cluster_id, events.ticker, events.first_published_at
        from events
        inner join topics on topics.cluster_id = events.cluster_id and topics.ticker = events.ticker
        where events.relevance = 'primary' and topics.topic not in ('ANALYST', 'MOVE', 'MACRO')
    ),
    followed as (
        select
            causes.cluster_id,
            causes.ticker,
            ratings.row_id,
            ratings.firm,
            ratings.graded_on,
            'explains' as relation
        from causes
        inner join
            ratings
            on ratings.ticker = causes.ticker
            and ratings.graded_on between cast(causes.first_published_at as date) and cast(
                causes.first_published_at as date
            )
            + 2
        where
            ratings.graded_at is null
            or ratings.graded_at = cast(ratings.graded_on as timestamp)
            or ratings.graded_at >= causes.first_published_at
    ),
    told as (
        select *
        from reported
        union all
        select followed.*
        from followed
        left join
            reported
            on reported.cluster_id = followed.cluster_id
            and reported.ticker = followed.ticker
            and reported.row_id = followed.row_id
        where reported.row_id is null
    ),
    final as (
        select told.*, reactions.abnormal_return_0_1, reactions.is_influential
        from told
        left join reactions on reactions.row_id = told.row_id
    )
select *
from final
