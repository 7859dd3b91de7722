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
    recent_closes as (
        select ticker, session_date, close
        from {{ ref("momentum_history") }}
        where session_date >= (select max(newest_session_date) - 400 from spans)
    ),
    newest as (
        select momentum_history.*, spans.history_start, spans.bar_count
        from momentum_history
        inner join
            spans
            on spans.ticker = momentum_history.ticker
            and spans.newest_session_date = momentum_history.session_date
    ),
    -- Closes brought to another split basis differ in the last digits of a float. Most tickers have
    -- a close as high within a year; only those of the others are compared with all of history.
    recently_not_lower as (
        select newest.ticker, max(recent_closes.session_date) as highest_close_since
        from newest
        inner join
            recent_closes
            on recent_closes.ticker = newest.ticker
            and recent_closes.session_date < newest.session_date
            and recent_closes.close >= newest.close * (1 - 1e-9)
        group by newest.ticker
    ),
    others as (
        select newest.ticker, newest.session_date, newest.close
        from newest
        left join recently_not_lower on recently_not_lower.ticker = newest.ticker
        where recently_not_lower.ticker is null
    ),
    not_lower as (
        select *
        from recently_not_lower
        union all
        select others.ticker, max(closes.session_date) as highest_close_since
        from others
        inner join
            closes
            on closes.ticker = others.ticker
            and closes.session_date < others.session_date
            and closes.close >= others.close * (1 - 1e-9)
        group by others.ticker
    ),
    newest_ranks as (
        select
            spans.ticker,
            momentum_ranks.momentum_percentile,
            momentum_ranks.momentum_score,
            momentum_ranks.universe_count
        from spans
        inner join
            momentum_ranks
            on momentum_ranks.ticker = spans.ticker
            and momentum_ranks.session_date = spans.newest_session_date
    ),
    final as (
        select
            newest.*,
            not_lower.highest_close_since,
            not_lower.highest_close_since is null as is_all_time_high,
            newest_ranks.momentum_percentile,
            newest_ranks.momentum_score,
            newest_ranks.universe_count
        from newest
        left join not_lower on not_lower.ticker = newest.ticker
        left join newest_ranks on newest_ranks.ticker = newest.ticker
    )
select *
from final
