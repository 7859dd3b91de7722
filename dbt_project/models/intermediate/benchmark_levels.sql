with
    universe as ({{ newest_universe() }}),
    benchmarks as (
        select distinct benchmark as ticker, cast('0001-01-01' as date) as read_from
        from {{ ref("stg_universe_history") }}
        where benchmark is not null
    ),
    prices as ({{ final_bars("benchmarks") }}),
    lagged as (
        select
            *,
            lag(close) over history as close_1d_ago,
            lag(adj_close) over history as adj_close_1d_ago,
            lag(source) over history as source_1d_ago,
            lag(known_at) over history as known_at_1d_ago
        from prices
        window history as (partition by ticker order by session_date asc nulls last)
    ),
    factored as (select *, {{ log_dividend_factor() }} as log_dividend_factor from lagged),
    final as (
        select
            ticker,
            session_date,
            ln(close) - coalesce(sum(log_dividend_factor) over so_far, 0) as log_level,
            sum(case when log_dividend_factor is null then 1 else 0 end) over so_far as segment
        from factored
        window
            so_far as (
                partition by ticker
                order by session_date asc nulls last
                rows between unbounded preceding and current row
            )
    )
select *
from final
