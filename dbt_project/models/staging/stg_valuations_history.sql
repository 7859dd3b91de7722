with
    source as (
        {{
            known_versions(
                "valuations",
                ["ticker", "valued_on"],
                happened_at="d.next_opens_at",
                day="v.valued_on",
                every=true,
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            valued_on,
            price,
            forward_pe,
            forward_eps,
            currency,
            eps_currency,
            source_priority,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
