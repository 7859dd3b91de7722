with
    source as ({{ known_versions("earnings", ["ticker", "period_end"], every=true) }}),
    renamed as (
        select
            row_id,
            source,
            ticker,
            period_end,
            eps_estimate,
            eps_actual,
            surprise,
            source_priority,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
