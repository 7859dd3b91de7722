{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_rows(touched_snapshot_days()) }}",
    )
}}

with
    source as (
        {{
            known_versions(
                "consensus",
                ["ticker", "snapshot_date", "period"],
                every=true,
                changes="where "
                ~ is_absent({"ticker": "v.ticker", "snapshot_date": "v.snapshot_date"}),
            )
        }}
    ),
    priorities as (select source, table_name, priority from {{ ref("source_priority") }}),
    renamed as (
        select
            source.row_id,
            source.source,
            source.ticker,
            source.snapshot_date,
            source.period,
            source.strong_buy,
            source.buy,
            source.hold,
            source.sell,
            source.strong_sell,
            source.recommendation_mean,
            source.target_mean,
            source.target_median,
            source.target_high,
            source.target_low,
            source.target_count,
            source.currency,
            source.stored_at,
            source.known_at,
            source.known_from,
            source.pit_quality,
            coalesce(own.priority, general.priority) as priority
        from source
        left join priorities as own on own.source = source.source and own.table_name = 'consensus'
        left join
            priorities as general on general.source = source.source and general.table_name = '*'
    )
select *
from renamed
