with
    source as ({{ known_versions("earnings_dates", ["ticker", "snapshot_date"], every=true) }}),
    renamed as (
        select
            row_id,
            source,
            ticker,
            snapshot_date,
            announced_from,
            announced_to,
            source_priority,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
