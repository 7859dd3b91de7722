{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_changed(ref('stg_price_changes'), 'replaced_from') }}",
    )
}}

with
    told as (select * from {{ ref("stg_price_versions") }} where is_final),
    versions as (
        select
            told.*,
            dense_rank() over (
                partition by told.ticker, told.session_date
                order by told.source_priority asc nulls last, told.source asc nulls last
            ) as source_place
        from told {{ only_changed(ref("stg_price_changes"), "replaced_from", "told") }}
    ),
    sources as (
        select ticker, session_date, source_place, min(known_from) as known_from
        from versions
        group by ticker, session_date, source_place
    ),
    -- A source counts until one that counts more tells of the bar.
    counted as (
        select
            sources.ticker,
            sources.session_date,
            sources.source_place,
            min(better.known_from) as counted_until
        from sources
        left join
            sources as better
            on better.ticker = sources.ticker
            and better.session_date = sources.session_date
            and better.source_place < sources.source_place
        group by sources.ticker, sources.session_date, sources.source_place
    ),
    final as (
        select
            used.ticker,
            used.session_date,
            used.row_id,
            used.close * used.split_factor as told_close,
            other.row_id as other_row_id,
            other.close * other.split_factor as other_told_close,
            abs(other.close / used.close - 1) as gap,
            greatest(used.known_from, other.known_from) as known_from,
            least(
                coalesce(used.superseded_at, cast('9999-12-31' as timestamp)),
                coalesce(other.superseded_at, cast('9999-12-31' as timestamp)),
                coalesce(counted.counted_until, cast('9999-12-31' as timestamp))
            ) as known_until
        from versions as used
        inner join
            counted
            on counted.ticker = used.ticker
            and counted.session_date = used.session_date
            and counted.source_place = used.source_place
        inner join
            versions as other
            on other.ticker = used.ticker
            and other.session_date = used.session_date
            and other.source_place > used.source_place
    )
select *
from final
where known_from < known_until
