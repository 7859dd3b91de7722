with
    source as (
        {{
            known_versions(
                "short_interest",
                ["ticker", "settled_on"],
                happened_at="d.opens_at_9_sessions_later",
                day="v.settled_on",
                every=true,
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            settled_on,
            shares_short,
            short_share_of_float,
            days_to_cover,
            source_priority,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
