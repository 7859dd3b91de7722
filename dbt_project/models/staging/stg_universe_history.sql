with
    source as (
        {{
            known_versions(
                "universe",
                ["ticker"],
                happened_at="cast('1900-01-01' as timestamp)",
                every=true,
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            benchmark,
            exchange,
            currency,
            listed_from,
            listed_to,
            successor,
            coalesce(is_covered, true) as is_covered,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
