{{ config(materialized="table") }}

{% set by_session = "partition by exchange order by session_date asc nulls last" %}

with
    sessions as (
        select exchange, session_date, opens_at, closes_at
        from {{ ref("stg_sessions") }}
        where opens_at is not null
    ),
    numbered as (
        select
            *,
            row_number() over ({{ by_session }}) as session_number,
            lead(opens_at) over ({{ by_session }}) as next_opens_at,
            lead(opens_at, 9) over ({{ by_session }}) as opens_at_9_sessions_later
        from sessions
    ),
    spans as (
        select exchange, min(session_date) as first_day, max(session_date) as last_day
        from sessions
        group by exchange
    ),
    days as (
        select spans.exchange, days.day
        from spans
        inner join
            {{
                days_between(
                    "(select min(session_date) from sessions)",
                    "(select max(session_date) from sessions)",
                )
            }} as days on days.day between spans.first_day and spans.last_day
    ),
    counted as (
        select
            days.exchange,
            days.day,
            numbered.session_date is not null as is_session,
            count(numbered.session_date) over (
                partition by days.exchange
                order by days.day asc nulls last
                rows between unbounded preceding and current row
            ) as session_number
        from days
        left join numbered on numbered.exchange = days.exchange and numbered.session_date = days.day
    ),
    final as (
        select
            counted.exchange,
            counted.day,
            counted.is_session,
            case when counted.is_session then numbered.opens_at end as opens_at,
            case when counted.is_session then numbered.closes_at end as closes_at,
            numbered.next_opens_at,
            numbered.opens_at_9_sessions_later,
            counted.session_number
        from counted
        inner join
            numbered
            on numbered.exchange = counted.exchange
            and numbered.session_number = counted.session_number
    )
select *
from final
