with
    source as ({{ scored_versions("news_signals", ["news_id", "ticker", "scorer_version"]) }}),
    renamed as (
        select
            row_id,
            source,
            news_id,
            ticker,
            scorer_version,
            sentiment,
            sentiment_score,
            confidence,
            relevance,
            cluster_id,
            {{ json_number("payload", "novelty") }} as novelty,
            known_at,
            stored_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
