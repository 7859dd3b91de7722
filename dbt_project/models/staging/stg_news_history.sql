with
    source as (
        {{
            known_versions(
                "news", ["ticker", "news_id"], happened_at="v.published_at", every=true
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            news_id,
            published_at,
            title,
            summary,
            publisher,
            url,
            content_type,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
