with
    source as (
        {{
            known_versions(
                "securities",
                ["ticker"],
                happened_at="cast('1900-01-01' as timestamp)",
                every=true,
            )
        }}
    ),
    renamed as (
        select
            row_id,
            source,
            ticker,
            name,
            exchange,
            currency,
            financial_currency,
            country,
            sector,
            industry,
            quote_type,
            shares_outstanding,
            known_at,
            known_from,
            pit_quality
        from source
    )
select *
from renamed
