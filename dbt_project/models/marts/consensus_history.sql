{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        meta={"only_calls": true},
        pre_hook="{{ delete_rows(touched_consensus()) }}",
    )
}}

{#- What stays in the table of a ticker is a beginning without a gap; the sessions after it are made. -#}
with
    sessions as (select * from {{ ref("consensus_sessions") }} where not is_newest),
    {% if is_incremental() %}
        kept as (select ticker, max(session_date) as session_date from {{ this }} group by ticker),
        past as (
            select sessions.*
            from sessions
            left join kept on kept.ticker = sessions.ticker
            where kept.session_date is null or sessions.session_date > kept.session_date
        ),
    {% else %} past as (select * from sessions),
    {% endif %}
    newest as (
        select consensus.*
        from {{ ref("consensus") }} as consensus
        inner join {{ ref("consensus_sessions") }} as told on told.ticker = consensus.ticker
        where told.is_newest and told.has_history and consensus.session_date is not null
    ),
    earlier as ({{ consensus_rows("past", is_newest=false) }}),
    final as (
        select *
        from earlier
        union all
        select *
        from newest
    )
select *
from final
