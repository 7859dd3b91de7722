with
    source as (
        {{
            known_versions(
                "sessions",
                ["exchange", "session_date"],
                happened_at="cast('1900-01-01' as timestamp)",
                owner="exchange",
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            exchange,
            session_date,
            opens_at,
            closes_at,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
