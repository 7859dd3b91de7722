{{ config(tags="always") }} with final as ({{ changes_of() }}) select * from final
