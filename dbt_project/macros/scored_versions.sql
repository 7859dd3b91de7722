{#-
The rows that a scorer made of news items, in the version known at `as_of`. What our own scorer says
is a function of the text: it counts as known with the version of the item it is of, whenever it ran, and
a row says by its `known_at` which that is. What another source says counts from when it was known, and
not before the item.
-#}
{% macro scored_versions(table, key) %}
    with
        news as (
            select ticker, news_id, known_at as item_known_at, known_from, pit_quality
            from {{ ref("stg_news") }}
        ),
        texts as (
            select ticker, news_id, known_at, known_from, pit_quality
            from {{ ref("stg_news_history") }}
        ),
        dated as (
            select
                v.*,
                case
                    when v.source = 'news_scorer'
                    then coalesce(texts.known_from, news.known_from)
                    when v.known_at < news.known_from
                    then news.known_from
                    else v.known_at
                end as known_from,
                case
                    when v.source = 'news_scorer'
                    then coalesce(texts.pit_quality, news.pit_quality)
                    when v.known_at < news.known_from
                    then news.pit_quality
                    when v.known_at <> v.stored_at
                    then 'vendor_stated'
                    else 'observed'
                end as pit_quality,
                v.source = 'news_scorer' and v.known_at > news.item_known_at as is_of_later_text
            from {{ source("raw", table) }} as v
            inner join news on news.news_id = v.news_id and news.ticker = v.ticker
            left join
                texts
                on texts.news_id = v.news_id
                and texts.ticker = v.ticker
                and texts.known_at = v.known_at
        ),
        ranked as (
            select
                dated.*,
                row_number() over (
                    partition by dated.{{ key | join(", dated.") }}
                    order by
                        source_priority.priority asc nulls last,
                        dated.is_of_later_text asc nulls last,
                        case when dated.is_of_later_text then dated.known_at end asc nulls last,
                        dated.known_at desc nulls last,
                        dated.source asc nulls last
                ) as version_rank
            from dated
            left join
                {{ ref("source_priority") }} as source_priority
                on source_priority.source = dated.source
                and source_priority.table_name = '*'
            where dated.known_from <= {{ as_of() }}
        )
    select *
    from ranked
    where version_rank = 1
{% endmacro %}
