with
    source as ({{ known_versions("earnings_dates", ["ticker", "snapshot_date"]) }}),
    renamed as (
        select
            row_id,
            source,
            ticker,
            snapshot_date,
            announced_from,
            announced_to,
            timing,
            eps_estimate,
            eps_actual,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
