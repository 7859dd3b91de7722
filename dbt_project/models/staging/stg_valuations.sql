with
    source as (
        {{
            known_versions(
                "valuations",
                ["ticker", "valued_on"],
                happened_at="d.next_opens_at",
                day="v.valued_on",
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
            market_cap,
            trailing_pe,
            forward_pe,
            forward_eps,
            trailing_eps,
            price_to_sales,
            peg_ratio,
            currency,
            eps_currency,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
