with
    source as ({{ known_versions("consensus", ["ticker", "snapshot_date", "period"]) }}),
    renamed as (
        select
            row_id,
            source,
            ticker,
            snapshot_date,
            period,
            strong_buy,
            buy,
            hold,
            sell,
            strong_sell,
            buy_share,
            recommendation_mean,
            recommendation_key,
            target_mean,
            target_median,
            target_high,
            target_low,
            target_count,
            currency,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
