with
    source as ({{ known_versions("estimates", ["ticker", "snapshot_date", "period"]) }}),
    renamed as (
        select
            row_id,
            source,
            ticker,
            snapshot_date,
            period,
            eps_mean,
            eps_low,
            eps_high,
            eps_analyst_count,
            eps_30d_ago,
            eps_90d_ago,
            revisions_up_30d,
            revisions_down_30d,
            revenue_mean,
            currency,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
