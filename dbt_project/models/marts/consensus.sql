with
    newest as (select * from {{ ref("consensus_sessions") }} where is_newest),
    ratings as (select distinct ticker from {{ ref("stg_ratings") }}),
    snapshots as (select distinct ticker from {{ ref("snapshot_history") }}),
    known as (
        select *
        from newest
        where
            close is not null
            or ticker in (select ticker from ratings)
            or ticker in (select ticker from snapshots)
    ),
    final as ({{ consensus_rows("known", is_newest=true) }})
select *
from final
