{{ config(meta={"only_calls": true}) }}

with
    source as (
        {{ scored_versions("broker_calls", ["news_id", "ticker", "firm", "scorer_version"]) }}
    ),
    renamed as (
        select
            row_id,
            source,
            news_id,
            ticker,
            firm,
            scorer_version,
            grade,
            prior_grade,
            target,
            prior_target,
            target_currency,
            action,
            is_soft,
            span,
            known_at,
            stored_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
