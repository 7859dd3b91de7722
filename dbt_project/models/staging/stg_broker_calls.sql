with
    source as (select * from {{ source("raw", "broker_calls") }}),
    news as (select ticker, news_id, known_from, pit_quality from {{ ref("stg_news") }}),
    newest as (
        select
            *,
            row_number() over (
                partition by news_id, ticker, firm, scorer_version
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
            newest.firm,
            newest.scorer_version,
            newest.grade,
            newest.prior_grade,
            newest.target,
            newest.prior_target,
            newest.target_currency,
            newest.action,
            newest.is_soft,
            newest.span,
            newest.known_at,
            news.known_from,
            news.pit_quality
        from newest
        inner join news on news.news_id = newest.news_id and news.ticker = newest.ticker
        where newest.age_rank = 1
    )
select *
from renamed
