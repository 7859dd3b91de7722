{{ config(materialized="table", tags="always") }}

{#- Days that a row may lie before what changes it: the cut-off of a bar is the next session's open. -#}
{%- set days = 15 -%}

with
    changes as (select ticker, replaced_from from {{ ref("stg_price_changes") }}),
    listings as (select ticker from {{ ref("stg_listings") }}),
    rates as (select min(replaced_from) as replaced_from from changes where ticker like '%=X'),
    causes as (
        select ticker, replaced_from
        from changes
        union all
        select listings.ticker, rates.replaced_from
        from listings
        cross join rates
        where rates.replaced_from is not null
    ),
    final as (
        select
            ticker,
            case
                when min(replaced_from) > cast('0002-01-01' as date)
                then min(replaced_from) - {{ days }}
                else cast('0001-01-01' as date)
            end as replaced_from
        from causes
        group by ticker
    )
select *
from final
