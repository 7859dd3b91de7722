with
    source as (select * from {{ ref("stg_ratings_history") }} where known_to is null),
    renamed as (
        select
            table_name,
            row_id,
            source,
            ticker,
            firm,
            graded_on,
            to_grade,
            graded_at,
            from_grade,
            action,
            target,
            prior_target,
            target_action,
            target_currency,
            kind,
            note,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
