{{ config(materialized="table", tags="always") }}

with final as ({{ changes_of() }})
select *
from final
