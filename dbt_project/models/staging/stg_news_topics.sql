with
    source as (
        {{
            scored_versions(
                "news_topics", ["news_id", "ticker", "scorer_version", "topic", "subtopic"]
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            news_id,
            ticker,
            scorer_version,
            topic,
            nullif(subtopic, '') as subtopic,
            confidence,
            found_by,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
