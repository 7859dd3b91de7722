with
    articles as (select * from {{ ref("scored_news") }}),
    listings as (select ticker, exchange from {{ ref("stg_listings") }}),
    universe as (select ticker, benchmark from {{ ref("stg_universe") }}),
    days as (select exchange, day, closes_at from {{ ref("stg_calendar_days") }} where is_session),
    bars as (
        select ticker, session_date, close from {{ ref("stg_prices") }} where is_final and close > 0
    ),
    -- A copy of the same headline adds no publisher: the first one's counts for all of them.
    stories as (
        select
            cluster_id,
            ticker,
            scorer_version,
            min(published_at) as first_published_at,
            max(published_at) as last_published_at,
            max(case when cluster_position = 1 then title end) as headline,
            count(*) as article_count,
            nullif(
                count(distinct case when text_position = 1 then publisher end), 0
            ) as publisher_count,
            max(case when relevance = 'primary' then 1 else 0 end) as is_primary,
            max(case when cluster_position = 1 then novelty end) as novelty,
            coalesce(
                sum(case when text_position = 1 and sentiment = 'negative' then confidence end), 0
            ) as negative_weight,
            coalesce(
                sum(case when text_position = 1 and sentiment = 'neutral' then confidence end), 0
            ) as neutral_weight,
            coalesce(
                sum(case when text_position = 1 and sentiment = 'positive' then confidence end), 0
            ) as positive_weight,
            avg(
                case when text_position = 1 and sentiment <> 'abstain' then sentiment_score end
            ) as kept_score,
            avg(case when text_position = 1 then sentiment_score end) as any_score
        from articles
        group by cluster_id, ticker, scorer_version
    ),
    -- Day 0 is the session whose close came first after the news.
    numbered as (
        select
            exchange,
            day,
            closes_at,
            lag(day) over (partition by exchange order by day asc nulls last) as day_before,
            lead(day) over (partition by exchange order by day asc nulls last) as day_after,
            lag(closes_at) over (
                partition by exchange order by day asc nulls last
            ) as closed_before_at
        from days
    ),
    windows as (
        select
            stories.cluster_id,
            stories.ticker,
            universe.benchmark,
            numbered.day_before,
            numbered.day_after
        from stories
        left join universe on universe.ticker = stories.ticker
        left join listings on listings.ticker = stories.ticker
        left join
            numbered
            on numbered.exchange = listings.exchange
            and numbered.closes_at > stories.first_published_at
            and numbered.closed_before_at <= stories.first_published_at
    ),
    returns as (
        select
            windows.cluster_id,
            windows.ticker,
            own_after.close / own_before.close
            - benchmark_after.close / benchmark_before.close as abnormal_return_0_1,
            case
                when windows.benchmark is null
                then 'the universe names no benchmark of the ticker'
                when windows.day_before is null
                then 'no calendar of its exchange reaches so far'
                when own_before.close is null
                then 'no final bar of the session before is stored'
                when own_after.close is null
                then 'no final bar of day 1 is stored'
                when benchmark_before.close is null or benchmark_after.close is null
                then 'the benchmark has no final bar on those sessions'
            end as abnormal_return_note
        from windows
        left join
            bars as own_before
            on own_before.ticker = windows.ticker
            and own_before.session_date = windows.day_before
        left join
            bars as own_after
            on own_after.ticker = windows.ticker
            and own_after.session_date = windows.day_after
        left join
            bars as benchmark_before
            on benchmark_before.ticker = windows.benchmark
            and benchmark_before.session_date = windows.day_before
        left join
            bars as benchmark_after
            on benchmark_after.ticker = windows.benchmark
            and benchmark_after.session_date = windows.day_after
    ),
    final as (
        select
            stories.cluster_id,
            stories.ticker,
            stories.first_published_at,
            stories.last_published_at,
            stories.headline,
            stories.article_count,
            stories.publisher_count,
            case
                when
                    stories.negative_weight > stories.neutral_weight
                    and stories.negative_weight > stories.positive_weight
                then 'negative'
                when
                    stories.positive_weight > stories.neutral_weight
                    and stories.positive_weight > stories.negative_weight
                then 'positive'
                when
                    stories.neutral_weight > stories.negative_weight
                    and stories.neutral_weight > stories.positive_weight
                then 'neutral'
                else 'abstain'
            end as sentiment_label,
            coalesce(stories.kept_score, stories.any_score) as sentiment_score,
            case when stories.is_primary = 1 then 'primary' else 'mention' end as relevance,
            stories.novelty,
            returns.abnormal_return_0_1,
            returns.abnormal_return_note,
            stories.scorer_version
        from stories
        left join
            returns on returns.cluster_id = stories.cluster_id and returns.ticker = stories.ticker
    )
select *
from final
