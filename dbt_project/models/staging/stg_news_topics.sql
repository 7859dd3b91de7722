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
            stored_at,
            known_from,
            pit_quality
        from source
        -- Nought says that a corrected text no longer tells of it.
        where coalesce(confidence, 1) > 0
    )
select *
from renamed
