with
    bars as (select * from {{ ref("known_bars") }}),
    universe as (select ticker, listed_to from {{ ref("stg_universe") }}),
    days as (
        select exchange, day, session_number, opens_at, next_opens_at
        from {{ ref("stg_calendar_days") }}
        where is_session and closes_at + interval '15' minute <= {{ as_of() }}
    ),
    last_sessions as (
        select exchange, max(session_number) as last_session_number from days group by exchange
    ),
    -- A bar counts from the first session at whose cut-off it was known.
    late_arrivals as (
        select bars.ticker, bars.session_number, days.session_number as arrived_number
        from bars
        inner join
            days
            on days.exchange = bars.exchange
            and days.opens_at < bars.first_known_from
            and days.next_opens_at >= bars.first_known_from
        where bars.first_known_from > bars.cut_off_at
    ),
    arrivals as (
        select
            bars.ticker,
            bars.exchange,
            bars.session_number,
            coalesce(late_arrivals.arrived_number, bars.session_number) as arrived_number,
            bars.first_row_id as row_id,
            bars.first_pit_quality as pit_quality
        from bars
        left join
            late_arrivals
            on late_arrivals.ticker = bars.ticker
            and late_arrivals.session_number = bars.session_number
        where bars.session_number is not null
    ),
    newest_arrivals as (
        select
            *,
            row_number() over (
                partition by ticker, arrived_number order by session_number desc nulls last
            ) as age_rank
        from arrivals
    ),
    -- Bars that arrive behind a newer one change nothing.
    advances as (
        select
            *,
            coalesce(
                max(session_number) over (
                    partition by ticker
                    order by arrived_number asc nulls last
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as newest_before
        from newest_arrivals
        where age_rank = 1
    ),
    newest_known as (
        select
            *,
            lag(session_number) over (
                partition by ticker order by arrived_number asc nulls last
            ) as previous_session_number,
            lead(arrived_number) over (
                partition by ticker order by arrived_number asc nulls last
            ) as next_arrived_number
        from advances
        where session_number > newest_before
    ),
    gaps as (
        select
            newest_known.*,
            coalesce(
                newest_known.next_arrived_number - 1, last_sessions.last_session_number
            ) as last_missed_number
        from newest_known
        inner join last_sessions on last_sessions.exchange = newest_known.exchange
    ),
    stale_gaps as (select * from gaps where last_missed_number >= session_number + 3),
    missed as (
        select
            stale_gaps.ticker,
            days.day as observed_on,
            'missed_sessions' as metric,
            cast(
                days.session_number - stale_gaps.session_number as {{ dbt.type_float() }}
            ) as value,
            'raw.prices' as table_name,
            stale_gaps.row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            stale_gaps.pit_quality
        from stale_gaps
        inner join
            days
            on days.exchange = stale_gaps.exchange
            and (
                days.session_number = stale_gaps.session_number + 3
                or days.session_number = stale_gaps.last_missed_number
            )
        left join universe on universe.ticker = stale_gaps.ticker
        where
            days.session_number > stale_gaps.arrived_number
            and days.session_number >= stale_gaps.session_number + 3
            and days.session_number <= stale_gaps.last_missed_number
            and (universe.listed_to is null or universe.listed_to >= days.day)
    ),
    arrived as (
        select
            gaps.ticker,
            days.day as observed_on,
            'missed_sessions' as metric,
            cast(gaps.arrived_number - gaps.session_number as {{ dbt.type_float() }}) as value,
            'raw.prices' as table_name,
            gaps.row_id,
            'session_date' as column_name,
            cast(null as {{ dbt.type_float() }}) as evidence_value,
            gaps.pit_quality
        from gaps
        inner join
            days on days.exchange = gaps.exchange and days.session_number = gaps.arrived_number
        where
            gaps.previous_session_number is null
            or gaps.arrived_number - gaps.previous_session_number > 1
    ),
    final as (
        select *
        from missed
        union all
        select *
        from arrived
    )
select *
from final
