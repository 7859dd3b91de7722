"""Past moments that the published file can answer from its history tables, and those it cannot.

What follows from more than the histories hold (stories and their reactions, words of flags, the
scorecard) is for the time machine, and so is a moment since which one of the facts the histories
rest on was told anew: they are made of what is known now.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.publish import seal

PUBLISHED, HISTORY, TIME_MACHINE = "published", "history", "time_machine"
# Days that hold the bars of 156 weeks, the longest window of a rank.
_BAR_DAYS = 1140
_FACTS = (
    "stg_ratings_history", "stg_consensus_history", "stg_news_history", "stg_securities_history",
    "stg_valuations_history", "stg_estimates_history", "stg_earnings_history",
    "stg_earnings_dates_history", "stg_short_interest_history", "stg_universe_history",
)  # fmt: skip


class Answer(NamedTuple):
    """Which way a moment is answered (published, history or time_machine), and why."""

    way: str
    reason: str


def answer(
    con: duckdb.DuckDBPyConnection, shown: datetime, moment: datetime, ticker: str | None = None
) -> Answer:
    """Say how to answer for a moment (UTC), given the published file, whose marts show `shown`.

    With a `ticker`, its histories count as an answer: for its votes, consensus, returns and states
    of flags they are what the marts of the moment would say, or the reason tells why not.
    """
    changed = _change_between(con, *sorted((shown, moment))) if shown != moment else None
    if moment > shown and changed is None and _has_unseen(con, shown):
        changed = f"the published marts show {shown} only"
    if changed is None:
        return Answer(PUBLISHED, "they show this moment")
    if ticker is None:
        return Answer(TIME_MACHINE, changed)
    lacking = _lacking(con, shown, moment, ticker)
    if lacking is not None:
        return Answer(TIME_MACHINE, lacking)
    return Answer(HISTORY, "nothing they rest on was told anew since")


@contextlib.contextmanager
def history(file: Path, moment: datetime, ticker: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file so that some marts of one ticker show a past moment by its histories.

    These are `votes`, `consensus`, `momentum` and `risk_flags` (without words) of `marts`; prices
    are on the split basis of the file. Only right where `answer` says so.
    """
    with duckdb.connect() as con:
        con.execute(f"attach '{str(file).replace(chr(39), chr(39) * 2)}' as published (read_only)")
        seal(con)
        session = _session(con, moment, ticker, "published.")
        assert session is not None
        con.execute("create schema raw; create schema staging; create schema marts")
        con.execute("create table asked as select ? as ticker, ? as moment, ? as day, ? as number, "
                    "? as last_day", [ticker, moment, session.day, session.number,
                                      _last_day(con, moment, ticker, "published.")])  # fmt: skip
        for schema, name in con.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'published' "
            "union all select schema_name, view_name from duckdb_views() "
            "where database_name = 'published' and not internal"
        ).fetchall():
            if (schema, name) not in _VIEWS and schema in ("raw", "staging", "marts"):
                con.execute(f"create view {schema}.{name} as from published.{schema}.{name}")
        for (schema, name), query in _VIEWS.items():
            con.execute(f"create view {schema}.{name} as {query}")
        yield con


class _Session(NamedTuple):
    day: date
    number: int
    next_opens_at: datetime


def _session(
    con: duckdb.DuckDBPyConnection, moment: datetime, ticker: str, database: str = ""
) -> _Session | None:
    """The last session of the ticker's exchange that was final at a moment outside sessions."""
    found = con.execute(
        f"""
        select d.day, d.session_number, d.next_opens_at
        from {database}staging.stg_calendar_days as d
        inner join {database}staging.stg_listings as l on l.exchange = d.exchange
        where l.ticker = $ticker and d.is_session and d.next_opens_at > $moment
            and d.closes_at + interval '15' minute <= $moment
        """,
        {"ticker": ticker, "moment": moment},
    ).fetchone()
    return _Session(*found) if found else None


def _change_between(
    con: duckdb.DuckDBPyConnection, before: datetime, after: datetime
) -> str | None:
    """Say what makes the marts of two moments differ, or nothing if nothing does."""
    if time_changes(con, before, after):
        return "a day, a session or an announcement lies between it and the published marts"
    for table in (*_FACTS, "stg_price_versions", "stg_prices"):
        row = con.execute(
            f"select 1 from staging.{table} where known_from > ? and known_from <= ? limit 1",
            [before, after],
        ).fetchone()
        if row:
            return "facts became known between it and the published marts"
    # Windows of news move by the minute.
    for days in (7, 30, 45):
        left = timedelta(days=days)
        row = con.execute(
            "select 1 from staging.stg_news where published_at > ? and published_at <= ? limit 1",
            [before - left, after - left],
        ).fetchone()
        if row:
            return f"a story left the window of {days} days between it and the published marts"
    for told in ("batches where finished_at", "fetches where fetched_at"):
        row = con.execute(
            f"select 1 from raw.{told} > ? and {told.split()[-1]} <= ? limit 1", [before, after]
        ).fetchone()
        if row:
            return "something was stored between it and the published marts"
    return None


def _has_unseen(con: duckdb.DuckDBPyConnection, shown: datetime) -> bool:
    """Whether the file holds facts that its marts do not show, being asked for the past."""
    row = con.execute("select 1 from raw.batches where finished_at > ? limit 1", [shown]).fetchone()
    return row is not None


def time_changes(con: duckdb.DuckDBPyConnection, before: datetime, now: datetime) -> bool:
    """Return whether marts change between two moments although nothing was told.

    They do with the day, when a session's day begins (and a split takes effect), when it opens or
    closes (and its bar is final), and when results are announced. Windows that move by the minute
    are apart.
    """
    if before.date() != now.date():
        return True
    passed = con.execute(
        """
        with moments as (
            select
                unnest([
                    opens_at - interval '9' hour,
                    opens_at,
                    closes_at,
                    closes_at + interval '15' minute
                ]) as moment
            from raw.sessions
            where session_date between cast($now as date) - 3 and cast($now as date) + 3
            union all
            select unnest([announced_from, announced_to]) from raw.earnings_dates
        )
        select count(*) from moments where moment > $before and moment <= $now
        """,
        {"before": before, "now": now},
    ).fetchall()
    return bool(passed[0][0])


def _lacking(
    con: duckdb.DuckDBPyConnection, shown: datetime, moment: datetime, ticker: str
) -> str | None:
    """Say which fact keeps the histories of a ticker from showing a moment, or nothing."""
    if moment > shown:
        return f"the published marts end at {shown}"
    session = _session(con, moment, ticker)
    if session is None:
        return "a session was under way, or no calendar tells"
    has_bar = con.execute(
        "select 1 from staging.stg_prices where ticker = ? and session_date = ? and is_final "
        "and close is not null",
        [ticker, session.day],
    ).fetchone()
    if not has_bar:
        return f"{ticker} has no final bar of {session.day}"
    has_consensus = con.execute(
        "select 1 from marts.consensus_history where ticker = ? and session_date = ?",
        [ticker, session.day],
    ).fetchone()
    if not has_consensus:
        return f"{ticker} has no history of its consensus on {session.day}"
    moved = moved_bar(con, moment, session.day)
    if moved is not None:
        return moved
    for query, why in _TOLD_ANEW:
        row = con.execute(query, {"moment": moment}).fetchone()
        if row:
            return why.format(row[0])
    for table in ("stg_ratings_history", "stg_consensus_history", "stg_broker_calls"):
        row = con.execute(
            f"select 1 from staging.{table} where ticker = ? and known_from > ? and known_from < ? "
            "limit 1",
            [ticker, moment, session.next_opens_at],
        ).fetchone()
        if row:
            return f"calls of {ticker} became known between it and the next open"
    before, after = (_known_on_day(con, moment, ticker, is_later=late) for late in (False, True))
    if after and (before or "stg_earnings_history" in after or "stg_news_history" in after):
        return f"facts of {ticker} became known on the day of the moment, before it and after"
    return "results became known that day" if "stg_earnings_history" in before else None


def moved_bar(
    con: duckdb.DuckDBPyConnection,
    moment: datetime,
    day: date,
    tickers: Sequence[str] = (),
    *,
    days: int = _BAR_DAYS,
    with_volume: bool = False,
) -> str | None:
    """Say which bar of the days up to `day` was told anew after a moment, or nothing.

    It is one that came later, or of which price, dividend or split were others; the volume counts
    only `with_volume`. Bars are those of `tickers`, or of all.
    """
    columns = (*_PRICES, "volume") if with_volume else _PRICES
    found = con.execute(
        f"""
        with later as (
            select p.ticker, p.session_date, p.open, p.high, p.low, p.close, p.volume,
                r.dividend / p.split_factor as dividend, r.adj_close / p.split_factor as adj_close,
                r.split_ratio
            from staging.stg_prices as p
            inner join raw.prices as r on r.row_id = p.row_id
            where p.is_final and p.known_from > $moment and p.session_date <= $day
                and p.session_date > $day - to_days($days)
                and (len($tickers) = 0 or list_contains($tickers, p.ticker))
        ), versions as (
            select v.ticker, v.session_date, v.open, v.high, v.low, v.close, v.volume,
                r.dividend / v.split_factor as dividend, r.adj_close / v.split_factor as adj_close,
                r.split_ratio,
                row_number() over (
                    partition by v.ticker, v.session_date
                    order by v.source_priority, v.known_from desc
                ) as place
            from staging.stg_price_versions as v
            inner join raw.prices as r on r.row_id = v.row_id
            where v.is_final and v.known_from <= $moment
                and (v.superseded_at is null or v.superseded_at > $moment)
        )
        select l.ticker, l.session_date, v.ticker is null
        from later as l
        left join versions as v
            on v.ticker = l.ticker and v.session_date = l.session_date and v.place = 1
        where v.ticker is null
            or coalesce(v.split_ratio, 1) <> coalesce(l.split_ratio, 1)
            {"".join(_differing(column) for column in columns)}
        order by l.session_date desc, l.ticker limit 1
        """,
        {"moment": moment, "day": day, "tickers": list(tickers), "days": days},
    ).fetchone()
    if found is None:
        return None
    name, on, is_late = found
    return f"the bar of {name} of {on} " + ("came later" if is_late else "was restated since")


_PRICES = ("open", "high", "low", "close", "dividend", "adj_close")


def _differing(column: str) -> str:
    one, other = f"v.{column}", f"l.{column}"
    return (
        f" or ({one} is null) <> ({other} is null)"
        f" or abs({one} - {other}) > 0.000001 * greatest(abs({one}), abs({other}))"
    )


_TOLD_ANEW = (
    (
        "select ticker from staging.stg_universe_history where known_from > $moment limit 1",
        "the universe was told anew since, of {}",
    ),
    (
        """
        with told as (
            select ticker, exchange, currency, quote_type, known_from,
                row_number() over (
                    partition by ticker, known_from <= $moment order by known_from desc
                ) as place
            from staging.stg_securities_history
        )
        select n.ticker
        from told as n
        left join told as t on t.ticker = n.ticker and t.known_from <= $moment and t.place = 1
        where n.known_from > $moment and n.place = 1 and (
            t.ticker is null or (t.exchange, t.currency, t.quote_type)
            is distinct from (n.exchange, n.currency, n.quote_type)
        )
        limit 1
        """,
        "the listing of {} was told anew since",
    ),
)


def _known_on_day(
    con: duckdb.DuckDBPyConnection, moment: datetime, ticker: str, *, is_later: bool
) -> list[str]:
    """Tables that tell of a ticker, or of its peers' multiples, before or after a moment's time."""
    begin = datetime.combine(moment.date(), time())
    span = (moment, begin + timedelta(days=1)) if is_later else (begin, moment)
    found = []
    for table in _FACTS[2:-1]:
        whom = "(ticker = $ticker"
        if table == "stg_valuations_history":
            whom += " or ticker in (select peer from rules.peers where ticker = $ticker)"
        row = con.execute(
            f"select 1 from staging.{table} where {whom}) and known_from >= $begin "
            f"and known_from {'<' if is_later else '<='} $until "
            f"{'and known_from > $begin' if is_later else ''} limit 1",
            {"ticker": ticker, "begin": span[0], "until": span[1]},
        ).fetchone()
        if row:
            found.append(table)
    return found


def _last_day(con: duckdb.DuckDBPyConnection, moment: datetime, ticker: str, database: str) -> date:
    """The last day all of whose facts of a ticker known by its end were known at a moment."""
    row: Any = con.execute(
        " union all ".join(
            f"select 1 from {database}staging.{table} where ticker = $ticker "
            "and known_from > $moment and known_from < $until"
            for table in _FACTS[2:-1]
        ) + " limit 1",
        {"ticker": ticker, "moment": moment,
         "until": datetime.combine(moment.date() + timedelta(days=1), time())},
    ).fetchone()  # fmt: skip
    return moment.date() - timedelta(days=1) if row else moment.date()


_VIEWS = {
    ("marts", "votes"): """
        select v.ticker, v.firm, v.grade, v.score, v.bucket, v.target, v.prior_target,
            case
                when v.target_status = 'none' then null
                when v.target_status = 'currency_unknown' and v.is_currency_assumed then null
                else v.target_currency
            end as target_currency,
            v.graded_on, v.known_from, v.expires_on, v.pit_quality, v.note, v.table_name, v.row_id
        from published.staging.vote_history as v, asked
        where v.ticker = asked.ticker
            and v.from_number <= asked.number and v.to_number > asked.number
    """,
    ("marts", "consensus"): """
        select c.* from published.marts.consensus_history as c, asked
        where c.ticker = asked.ticker and c.session_date = asked.day
    """,
    ("marts", "momentum"): """
        select m.*, r.momentum_percentile, r.momentum_score, r.universe_count
        from published.marts.momentum_history as m
        inner join asked on m.ticker = asked.ticker and m.session_date = asked.day
        left join published.marts.momentum_ranks as r
            on r.ticker = m.ticker and r.session_date = m.session_date
    """,
    # The severity of an episode is that of its conditions' newest values.
    ("marts", "risk_flags"): """
        with observations as (
            select o.*
            from published.staging.flag_observations as o, asked
            where o.ticker = asked.ticker and o.observed_on <= case
                when coalesce(o.table_name, 'raw.prices')
                    in ('raw.prices', 'raw.earnings', 'raw.earnings_dates')
                then asked.day else asked.last_day end
        ), conditions as (
            select flag, kind, metric,
                arg_max(event, observation) filter (where event is not null) as event,
                arg_max(severity, observation) filter (where severity is not null) as severity
            from observations group by all
        ), states as (
            select flag, kind, max(severity) as severity
            from conditions where event = 1 group by all
        )
        select f.flag_episode_id, f.ticker, f.flag, f.kind, f.opened_on,
            coalesce(s.severity, f.severity) as severity,
            case when s.flag is null then f.closed_on end as closed_on,
            s.flag is not null as is_open
        from published.marts.risk_flags as f
        inner join asked on asked.ticker = f.ticker
        left join states as s
            on s.flag = f.flag and s.kind = f.kind
            and (f.closed_on is null or f.closed_on > asked.day)
        where f.opened_on <= greatest(asked.day, asked.last_day)
            and (s.flag is not null or f.closed_on <= greatest(asked.day, asked.last_day))
    """,
    ("staging", "stg_consensus"): """
        select h.* from published.staging.stg_consensus_history as h, asked
        where h.known_from <= asked.moment
        qualify row_number() over (
            partition by h.ticker, h.snapshot_date, h.period
            order by h.priority, h.known_from desc
        ) = 1
    """,
    # Nothing but which row told of a bar is asked of the bars of a past moment.
    ("staging", "stg_prices"): """
        with told as (
            select ticker, session_date, row_id, known_from, superseded_at, source_priority
            from published.staging.stg_price_versions where is_final
            union all
            select ticker, session_date, row_id, known_from, null, 1000
            from published.staging.stg_prices where is_final
        )
        select t.ticker, t.session_date, t.row_id
        from told as t, asked
        where t.ticker = asked.ticker and t.known_from <= asked.moment
            and (t.superseded_at is null or t.superseded_at > asked.moment)
        qualify row_number() over (
            partition by t.session_date order by t.source_priority, t.known_from desc
        ) = 1
    """,
}
