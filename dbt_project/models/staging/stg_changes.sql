{{ config(materialized="table", tags="always", meta={"only_calls": true}) }}

with
    final as (
        {{ changes_of(["prices", "ratings", "consensus", "news", "universe", "broker_calls"]) }}
    )
select *
from final
