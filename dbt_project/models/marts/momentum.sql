with
    -- Each reads its own columns of history: a step that is asked for twice would be kept, whole.
    momentum_history as (select * from {{ ref("momentum_history") }}),
    sessions as (select ticker, session_date from {{ ref("momentum_history") }}),
    closes as (select ticker, session_date, close from {{ ref("momentum_history") }}),
    momentum_ranks as (
        select ticker, session_date, momentum_percentile, momentum_score, universe_count
        from {{ ref("momentum_ranks") }}
    ),
    spans as (
        select
            ticker,
            min(session_date) as history_start,
            max(session_date) as newest_session_date,
            count(*) as bar_count
        from sessions
        group by ticker
    ),
    newest as (
        select momentum_history.*, spans.history_start, spans.bar_count
        from momentum_history
        inner join
            spans
            on spans.ticker = momentum_history.ticker
            and spans.newest_session_date = momentum_history.session_date
    ),
    -- Closes brought to another split basis differ in the last digits of a float.
    not_lower as (
        select newest.ticker, max(closes.session_date) as highest_close_since
        from newest
        inner join
            closes
            on closes.ticker = newest.ticker
            and closes.session_date < newest.session_date
            and closes.close >= newest.close * (1 - 1e-9)
        group by newest.ticker
    ),
    final as (
        select
            newest.*,
            not_lower.highest_close_since,
            not_lower.highest_close_since is null as is_all_time_high,
            momentum_ranks.momentum_percentile,
            momentum_ranks.momentum_score,
            momentum_ranks.universe_count
        from newest
        left join not_lower on not_lower.ticker = newest.ticker
        left join
            momentum_ranks
            on momentum_ranks.ticker = newest.ticker
            and momentum_ranks.session_date = newest.session_date
    )
select *
from final
