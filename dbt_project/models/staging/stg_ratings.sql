{{ config(materialized="table") }}

with
    source as (
        {{
            known_versions(
                "ratings",
                ["ticker", "firm", "graded_on", "to_grade"],
                happened_at="case when cast(v.graded_at as time) <> time '00:00:00' then v.graded_at else d.next_opens_at end",
                day="v.graded_on",
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            firm,
            graded_on,
            nullif(to_grade, '') as to_grade,
            graded_at,
            from_grade,
            action,
            nullif(target, 0) as target,
            nullif(prior_target, 0) as prior_target,
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
