{{ config(materialized="incremental", incremental_strategy="append") }}

with
    loads as (
        select batch_id, min(started_at) over (partition by load_id) as load_started_at
        from {{ source("raw", "batches") }}
        where asset = 'raw/prices'
    ),
    versions as (
        select source, ticker, batch_id
        from {{ source("raw", "prices") }}
        {% if is_incremental() %} where {{ is_stored_since() }} {% endif %}
    ),
    final as (
        select versions.source, versions.ticker, min(loads.load_started_at) as first_load_started_at
        from versions
        inner join loads on loads.batch_id = versions.batch_id
        {% if is_incremental() %}
            left join
                {{ this.include(database=false) }} as known
                on known.source = versions.source
                and known.ticker = versions.ticker
            where known.ticker is null
        {% endif %}
        group by versions.source, versions.ticker
    )
select *
from final
