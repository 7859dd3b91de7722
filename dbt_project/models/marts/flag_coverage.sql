{{ config(tags="always") }}

with
    inputs as (select * from {{ ref("flag_inputs") }}),
    -- Conditions that lack the same for the same reason are told once.
    lacks as (
        select ticker, flag, kind, needs, reason, min(metric) as metric
        from inputs
        where status = 'missing'
        group by ticker, flag, kind, needs, reason
    ),
    reasons as (
        select
            ticker,
            flag,
            kind,
            string_agg(
                concat(needs, ' (', reason, ')'), '; or ' order by metric asc nulls last
            ) as needs_any,
            string_agg(
                concat(needs, ' (', reason, ')'), '; and ' order by metric asc nulls last
            ) as needs_more
        from lacks
        group by ticker, flag, kind
    ),
    flags as (
        select
            ticker,
            flag,
            kind,
            max(case when status = 'evaluated' then 1 else 0 end) as is_evaluated,
            min(evaluated_from) as evaluated_from,
            case
                when
                    max(case when status = 'evaluated' and evaluated_to is null then 1 else 0 end)
                    = 0
                then max(evaluated_to)
            end as evaluated_to
        from inputs
        group by ticker, flag, kind
    ),
    final as (
        select
            flags.ticker,
            flags.flag,
            flags.kind,
            case when flags.is_evaluated = 1 then 'evaluated' else 'not_evaluable' end as status,
            case
                when reasons.ticker is null
                then null
                when flags.is_evaluated = 1
                then concat('in part: all of it needs ', reasons.needs_more)
                when {{ is_share("flags.ticker") }}
                then concat('needs ', reasons.needs_any)
                else 'a currency, a future or an index is no company'
            end as reason,
            flags.evaluated_from,
            flags.evaluated_to
        from flags
        left join
            reasons
            on reasons.ticker = flags.ticker
            and reasons.flag = flags.flag
            and reasons.kind = flags.kind
    )
select *
from final
