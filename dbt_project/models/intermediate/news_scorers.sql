with
    signals as (select * from {{ ref("stg_news_signals") }}),
    topics as (select * from {{ ref("stg_news_topics") }}),
    priorities as (
        select source, priority from {{ ref("source_priority") }} where table_name = '*'
    ),
    scorings as (
        select ticker, scorer_version, source, stored_at
        from signals
        union all
        select ticker, scorer_version, source, stored_at
        from topics
    ),
    ranked as (
        select
            scorings.ticker,
            scorings.scorer_version,
            row_number() over (
                partition by scorings.ticker
                order by
                    min(priorities.priority) asc nulls last,
                    max(scorings.stored_at) desc nulls last,
                    scorings.scorer_version desc nulls last
            ) as scorer_rank
        from scorings
        left join priorities on priorities.source = scorings.source
        group by scorings.ticker, scorings.scorer_version
    ),
    final as (select ticker, scorer_version from ranked where scorer_rank = 1)
select *
from final
