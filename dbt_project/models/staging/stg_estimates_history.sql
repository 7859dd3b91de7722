with
    source as (
        {{ known_versions("estimates", ["ticker", "snapshot_date", "period"], every=true) }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            snapshot_date,
            period,
            eps_mean,
            eps_90d_ago,
            revisions_up_30d,
            revisions_down_30d,
            source_priority,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
