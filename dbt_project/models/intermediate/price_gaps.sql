with
    versions as (select * from {{ ref("stg_price_versions") }} where is_final),
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
                coalesce(other.superseded_at, cast('9999-12-31' as timestamp))
            ) as known_until
        from versions as used
        inner join
            versions as other
            on other.ticker = used.ticker
            and other.session_date = used.session_date
            and (
                other.source_priority > used.source_priority
                or (other.source_priority = used.source_priority and other.source > used.source)
            )
    )
select *
from final
where known_from < known_until
