{#-
Days that hold the bars of a tail, those that mostly hold a bar before a change, and the most sessions that
are worth aggregating each alone.
-#}
{%- set days, days_before, most_sessions = 660, 30, 5 -%}

with
    changes as (
        select ticker, changed_from, replaced_from, is_level_changed, is_unknown_told
        from {{ ref("stg_price_changes") }}
    ),
    universe as ({{ newest_universe() }}),
    -- Levels move from here on; the bar before is mostly among those read.
    level_changes as (
        select ticker, changed_from, changed_from - {{ days_before }} as read_from
        from changes
        where is_level_changed
    ),
    moving as (
        select
            prices.*,
            changed_from,
            lag(session_date) over history as previous_session_date,
            lag(close) over history as close_1d_ago,
            lag(adj_close) over history as adj_close_1d_ago,
            lag(source) over history as source_1d_ago,
            lag(known_at) over history as known_at_1d_ago
        from level_changes
        inner join
            ({{ final_bars("level_changes") }}) as prices on prices.ticker = level_changes.ticker
        window history as (partition by prices.ticker order by session_date asc nulls last)
    ),
    -- Before an unknown step no level is known, however far it would have moved. Others move all
    -- levels before them by as much as that of the bar before the changes, where that was known.
    moves as (
        select
            ticker,
            max(case when log_dividend_factor is null then session_date end) as unknown_from,
            max(
                case when previous_session_date < changed_from then previous_session_date end
            ) as level_date,
            max(case when previous_session_date < changed_from then close_1d_ago end)
            * exp(sum(log_dividend_factor)) as level
        from
            (
                select *, {{ log_dividend_factor() }} as log_dividend_factor
                from moving
                where session_date >= changed_from
            ) as steps
        group by ticker
    ),
    causes as (
        select
            changes.ticker,
            changes.changed_from,
            case
                when
                    changes.is_level_changed
                    and moves.unknown_from is null
                    and (moves.level_date is null or changes.is_unknown_told)
                then cast('0001-01-01' as date)
                else changes.replaced_from
            end as replaced_from,
            case
                when moves.unknown_from is not null
                then moves.unknown_from
                when moves.level_date is not null
                then changes.changed_from
            end as levels_from,
            case when moves.unknown_from is null then moves.level_date end as level_date,
            moves.level
        from changes
        left join moves on moves.ticker = changes.ticker
        union all
        -- Beta and relative strength follow the benchmark.
        select
            universe.ticker,
            changes.changed_from,
            changes.replaced_from,
            cast(null as date) as levels_from,
            cast(null as date) as level_date,
            cast(null as {{ dbt.type_float() }}) as level
        from changes
        inner join universe on universe.benchmark = changes.ticker and universe.age_rank = 1
    ),
    first_days as (
        select
            ticker,
            min(changed_from) as changed_from,
            min(replaced_from) as replaced_from,
            max(levels_from) as levels_from,
            max(level_date) as level_date,
            max(level) as level
        from causes
        group by ticker
    ),
    tail_reads as (
        select ticker, replaced_from, replaced_from - {{ days }} as read_from
        from first_days
        where replaced_from > cast('0001-01-01' as date)
    ),
    tails as (
        select
            tail_reads.ticker,
            count(case when session_date < replaced_from then 1 end) as bar_count,
            count(case when session_date >= replaced_from then 1 end) as session_count
        from tail_reads
        inner join ({{ final_bars("tail_reads") }}) as prices on prices.ticker = tail_reads.ticker
        group by tail_reads.ticker
    ),
    judged as (
        select
            first_days.*,
            coalesce(
                tails.bar_count >= {{ tail_bars() }} and tails.session_count <= {{ most_sessions }},
                false
            ) as is_tail
        from first_days
        left join tails on tails.ticker = first_days.ticker
    ),
    final as (
        select
            ticker,
            changed_from,
            case
                when is_tail then replaced_from else cast('0001-01-01' as date)
            end as replaced_from,
            case
                when is_tail then replaced_from - {{ days }} else cast('0001-01-01' as date)
            end as read_from,
            levels_from,
            level_date,
            level,
            is_tail
        from judged
    )
select *
from final
