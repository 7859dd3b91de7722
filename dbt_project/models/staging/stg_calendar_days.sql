{{ config(materialized="table") }}

with
    sessions as (
        select exchange, session_date, opens_at, closes_at
        from {{ ref("stg_sessions") }}
        where opens_at is not null
    ),
    numbered as (
        select
            *,
            row_number() over (
                partition by exchange order by session_date asc nulls last
            ) as session_number,
            lead(session_date) over (
                partition by exchange order by session_date asc nulls last
            ) as next_session_date,
            lead(opens_at) over (
                partition by exchange order by session_date asc nulls last
            ) as next_opens_at,
            lead(opens_at, 9) over (
                partition by exchange order by session_date asc nulls last
            ) as opens_at_9_sessions_later
        from sessions
    ),
    days as (
        select days.day
        from
            {{
                days_between(
                    "(select min(session_date) from sessions)",
                    "(select max(session_date) from sessions)",
                )
            }} as days
    ),
    final as (
        select
            numbered.exchange,
            days.day,
            days.day = numbered.session_date as is_session,
            case when days.day = numbered.session_date then numbered.opens_at end as opens_at,
            case when days.day = numbered.session_date then numbered.closes_at end as closes_at,
            numbered.next_opens_at,
            numbered.opens_at_9_sessions_later,
            numbered.session_number
        from numbered
        inner join
            days
            on days.day >= numbered.session_date
            and (days.day < numbered.next_session_date or numbered.next_session_date is null)
    )
select *
from final
