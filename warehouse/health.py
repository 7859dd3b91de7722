"""Whether a home is well: attempts that failed, silent feeds, late tables, the clock, the disk.

How attempts ended is asked of a connection with the tables `raw.fetches`, `raw.rejects` and
`raw.drifts`, be it the build file, the published one or what `keep_attempts` made of them.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from warehouse.errors import HomeError
from warehouse.publish import sync
from warehouse.settings import UNIVERSE_CSV, Home
from warehouse.sources import universe
from warehouse.sources.calendars import (
    REFERENCE,
    calendar_of,
    calendar_reaching,
    last_asked,
    last_close,
    last_closed_session,
)
from warehouse.sources.drift import declared
from warehouse.store import schema

# A snapshot is dated anew even where it stands still: its events are values that changed.
_CHANGES = """
    select ticker, snapshot_date as day
    from (
        select *, lag(said) over (
            partition by ticker, period order by snapshot_date, known_at
        ) as said_before
        from (
            select *, hash({values}) as said from raw.{table}
            where source = $source and snapshot_date >= $since
        )
    ) where said <> said_before
"""
_EVENTS = """
    select ticker, cast({day} as date) as day from raw.{table}
    where source = $source and {day} >= $since
"""
# Feeds by the SQL of their events, each a ticker and a day: somebody grades, writes, trades or
# thinks again on most days, whatever one company does.
FEEDS = {
    "prices": _EVENTS.format(table="prices", day="session_date"),
    "ratings": _EVENTS.format(table="ratings", day="graded_on"),
    "news": _EVENTS.format(table="news", day="published_at"),
    "consensus": _CHANGES.format(
        table="consensus", values="strong_buy, buy, hold, sell, strong_sell, target_mean"
    ),
    "estimates": _CHANGES.format(table="estimates", values="eps_mean, revenue_mean"),
}
_KEPT = (
    "select 1 from duckdb_tables() "
    "where database_name = current_database() and table_name = 'events'"
)
# Exchanges close on days of their own, so each is watched by its own calendar; what goes on
# elsewhere says nothing of it. One of fewer tickers is watched with the reference's.
BY_EXCHANGE, FEWEST_TICKERS = ("prices",), 3
# A few tickers that go on do not make a feed alive: so much of what a busy session has, at least.
LEAST_SHARE = 0.1
ASKED_OF = "yahoo"
# A silence is told once chance would bring fewer than this many as long in a year: a feed that is
# active on 60 % of the sessions is told of at the sixth without anything.
FALSE_ALARMS_A_YEAR, SESSIONS_A_YEAR = 1.0, 252
# No feed is that regular: one session without anything says little of any.
MOST_REGULAR = 0.95
USUAL_SESSIONS, FEWEST_SESSIONS = 60, 20
# The schedule may have to wait for another run, asks slowly, and may have to resume.
GRACE = timedelta(hours=3, minutes=30)
# What ended longer ago says nothing of how the home stands, whatever was not asked for again.
RECENT = timedelta(days=30)
# Clocks of one machine differ by less.
AHEAD = timedelta(hours=1)
EXAMPLES = 3
_REASON_LENGTH = 200
BUDGET_VARIABLE = "BELLWETHER_SIZE_BUDGET_GB"
BUDGET_GB = 50.0


@dataclass(frozen=True)
class Silence:
    """A feed that tells of next to nothing new, though it answers.

    `sessions` closed with less than `LEAST_SHARE` of the usual events since `newest`; before,
    `usual_share` of them had more. `exchange` is the calendar of its tickers where a feed is
    watched exchange by exchange.
    """

    table: str
    newest: date
    sessions: int
    usual_share: float
    exchange: str = ""

    def __str__(self) -> str:
        """Say it in a sentence."""
        where = f" of {self.exchange}" if self.exchange else ""
        return (
            f"{self.table}{where}: no ticker, or hardly any, has anything newer than "
            f"{self.newest}, for {self.sessions} sessions, though the source answers; usually "
            f"{self.usual_share:.0%} of the sessions have something. The feed seems frozen; what "
            "it tells later is kept with the day it was told."
        )


@dataclass(frozen=True)
class Late:
    """A table of which nothing was told of an exchange's tickers since a session of it closed.

    `answered_at` (UTC) is when it was last told of, `tried_at` when it was last asked for.
    """

    table: str
    exchange: str
    answered_at: datetime | None
    tried_at: datetime | None
    closed_at: datetime

    @property
    def was_tried(self) -> bool:
        """Whether it was asked for since the session closed, in vain."""
        return self.tried_at is not None and self.tried_at >= self.closed_at

    def __str__(self) -> str:
        """Name it, and its last answer."""
        last = f"{self.answered_at:%Y-%m-%d %H:%M}" if self.answered_at else "never"
        return f"{self.table} ({last})"


@dataclass(frozen=True)
class Finding:
    """Things of one kind: what it is, how many there are, and some of those it happened to."""

    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line, without the count."""
        if not self.examples:
            return self.what
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.what} ({', '.join(self.examples)}{more})"


@dataclass(frozen=True)
class Size:
    """Bytes of a home by part, the budget for all, and how many raw rows came in 30 days."""

    parts: dict[str, int]
    budget_bytes: int
    rows: int
    rows_30d: int

    @property
    def total_bytes(self) -> int:
        """Bytes of the whole home."""
        return sum(self.parts.values())

    @property
    def is_over(self) -> bool:
        """Whether the home is larger than its budget."""
        return self.total_bytes > self.budget_bytes


def silence(con: duckdb.DuckDBPyConnection, table: str, now: datetime) -> Silence | None:
    """Return the longest silence of a feed that chance hardly explains.

    What nobody asked for by `now` (UTC) is not silent, and of a feed known for less than
    `FEWEST_SESSIONS` nobody knows what is usual.
    """
    return max(_silences(con, table, now), key=lambda found: found.sessions, default=None)


def silences(con: duckdb.DuckDBPyConnection, now: datetime) -> list[Silence]:
    """Return the feeds, by exchange where watched so, that have fallen silent by `now` (UTC)."""
    return [found for table in FEEDS for found in _silences(con, table, now)]


def _silences(con: duckdb.DuckDBPyConnection, table: str, now: datetime) -> list[Silence]:
    [(asked,)] = con.execute(
        "select max(fetched_at) from raw.fetches "
        "where source = ? and table_name = ? and outcome in ('ok', 'empty') and fetched_at <= ?",
        [ASKED_OF, table, now],
    ).fetchall()
    if asked is None:
        return []
    counts = _events(con, table, (asked - 3 * timedelta(days=USUAL_SESSIONS)).date())
    found = [_silence(table, exchange, told, asked) for exchange, told in sorted(counts.items())]
    several = len(counts) > 1
    return [replace(one, exchange=one.exchange if several else "") for one in found if one]


def _events(con: duckdb.DuckDBPyConnection, table: str, since: date) -> dict[str, Counter[date]]:
    """Return how many events of a feed each day had, by exchange; also from what `keep` kept."""
    counts: dict[str, Counter[date]] = defaultdict(Counter)
    if con.execute(_KEPT).fetchone():
        for exchange, day, count in con.execute(
            "select exchange, day, event_count from raw.events where table_name = ? and day >= ?",
            [table, since],
        ).fetchall():
            counts[exchange][day] = count
        return counts
    tickers: dict[str, set[str]] = defaultdict(set)
    for ticker, day, count in con.execute(
        f"select ticker, day, count(*) from ({FEEDS[table]}) group by all",
        {"source": ASKED_OF, "since": since},
    ).fetchall():
        exchange = (calendar_of(ticker) if table in BY_EXCHANGE else None) or REFERENCE
        tickers[exchange].add(ticker)
        counts[exchange][day] += count
    for exchange in [name for name, members in tickers.items() if len(members) < FEWEST_TICKERS]:
        if exchange != REFERENCE:
            counts[REFERENCE] += counts.pop(exchange)
    return counts


def _silence(table: str, exchange: str, counts: Counter[date], asked: datetime) -> Silence | None:
    last = pd.Timestamp(last_closed_session(asked, exchange))
    calendar = calendar_reaching(exchange, last.date())
    if last > calendar.last_session:
        return None
    days = [stamp.date() for stamp in calendar.sessions_window(last, -2 * USUAL_SESSIONS)]
    some = [counts[day] for day in days if counts[day]]
    if not some:
        return None
    # Of its busier sessions, so that a long silence does not become the usual.
    least = LEAST_SHARE * float(pd.Series(some).quantile(0.75))
    had = [counts[day] > 0 and counts[day] >= least for day in days]
    silent = had[::-1].index(True)
    before = had[had.index(True) : len(had) - silent][-USUAL_SESSIONS:]
    if len(before) < FEWEST_SESSIONS:
        return None
    share = sum(before) / len(before)
    regular = min(share, MOST_REGULAR)
    # A silence of that length begins after a session with something.
    if SESSIONS_A_YEAR * regular * (1 - regular) ** silent >= FALSE_ALARMS_A_YEAR:
        return None
    return Silence(table, days[-1 - silent], silent, share, exchange)


def late(con: duckdb.DuckDBPyConnection, now: datetime) -> list[Late]:
    """Return what the schedule should have been told of by `now` (UTC) and was not.

    By the calendar of each exchange whose tickers are covered: the newest session that closed
    before the schedule was last to ask. So nothing is late on a weekend, nor on a holiday of its
    own exchange while others trade. A home that never asked any source has nothing that could be
    late. What a clock that was ahead once recorded as later than `now` does not count.
    """
    told = _answers(con, now)
    if not told:
        return []
    asked_at, covered = last_asked(now - GRACE), covered_exchanges()
    found = []
    for table in filter(declared, schema()):
        exchanges = sorted(e for t, e in told if t == table and e in covered)
        for exchange in exchanges or [REFERENCE]:
            closed = last_close(exchange, asked_at)
            answered_at, tried_at = told.get((table, exchange), (None, None))
            if answered_at is None or answered_at < closed:
                found.append(Late(table, exchange, answered_at, tried_at, closed))
    return found


def covered_exchanges() -> set[str]:
    """Return the calendars of what the schedule asks for."""
    entries = universe.read(UNIVERSE_CSV)
    tickers = {entry[name] for entry in entries for name in ("ticker", "benchmark")}
    return {REFERENCE, *filter(None, map(calendar_of, filter(None, tickers)))}


def _answers(
    con: duckdb.DuckDBPyConnection, now: datetime
) -> dict[tuple[str, str], tuple[datetime | None, datetime]]:
    """Return when each table was last answered and asked for of each exchange's tickers.

    That Yahoo does not know a ticker is an answer for all tables, as it is to the source.
    """
    attempts = "raw.fetches where source = $source and fetched_at <= $now"
    given = {"source": ASKED_OF, "now": now}
    tickers = [
        ticker
        for (ticker,) in con.execute(f"select distinct ticker from {attempts}", given).fetchall()
    ]
    if not tickers:
        return {}
    units = [ticker or "" for ticker in tickers]
    exchanges = [calendar_of(unit) or REFERENCE for unit in units]
    rows = con.execute(
        f"""
        with
            attempts as (select *, coalesce(ticker, '') as unit from {attempts}),
            exchanges as (select unnest($units) as unit, unnest($exchanges) as exchange),
            unknown as (
                select unit, max(fetched_at) as told_at from attempts
                where outcome = 'not_found' group by all
            ),
            by_ticker as (
                select
                    table_name,
                    unit,
                    max(fetched_at) filter (outcome in ('ok', 'empty')) as answered_at,
                    max(fetched_at) as tried_at
                from attempts group by all
            )
        select
            table_name,
            exchange,
            max(greatest(answered_at, told_at)) as answered_at,
            max(tried_at) as tried_at
        from by_ticker
        left join unknown using (unit)
        join exchanges using (unit)
        group by all
        """,
        {**given, "units": units, "exchanges": exchanges},
    ).fetchall()
    return {(table, exchange): (answered, tried) for table, exchange, answered, tried in rows}


def in_sentences(found: Sequence[Late]) -> list[str]:
    """Say of late tables in a sentence which nobody asked for, and in one which in vain."""
    told = []
    for exchange in dict.fromkeys(one.exchange for one in found):
        for was_tried, what in ((False, "not asked for"), (True, "asked for in vain")):
            late = [o for o in found if (o.exchange, o.was_tried) == (exchange, was_tried)]
            if late:
                # A close of the evening may lie in the next day of UTC.
                day = last_closed_session(late[0].closed_at + timedelta(minutes=1), exchange)
                told.append(
                    f"{len(late)} of the raw tables {what} since the session of {day} closed "
                    f"{'' if exchange == REFERENCE else f'at {exchange} '}"
                    f"(last answer, UTC): {', '.join(map(str, late))}"
                )
    return told


def failures(con: duckdb.DuckDBPyConnection, since: datetime, now: datetime) -> list[Finding]:
    """Return which tickers and files ended their newest attempt of a table with an error, and why.

    Of the attempts from `since` to `now` (UTC), so what was well since is not told. Those with the
    same reason but for their own name and for numbers are one finding, the most frequent first.
    """
    return _grouped(con, since, now, "outcome not in ('ok', 'empty')")


def empties(con: duckdb.DuckDBPyConnection, since: datetime, now: datetime) -> list[Finding]:
    """Return of which tickers and files the newest attempt of a table was answered with nothing."""
    return _grouped(con, since, now, "outcome = 'empty'")


def _grouped(
    con: duckdb.DuckDBPyConnection, since: datetime, now: datetime, condition: str
) -> list[Finding]:
    newest = con.execute(
        f"""
        with
            newest as (
                select table_name, coalesce(ticker, file) as unit, outcome, reason
                from raw.fetches where fetched_at > ? and fetched_at <= ?
                -- What bears neither name, as an exchange's sessions, has but its load in common.
                window by_unit as (
                    partition by source, table_name, ticker, file order by fetched_at desc
                )
                qualify row_number() over by_unit = 1
                    or (unit is null and load_id = first_value(load_id) over by_unit)
            )
        select table_name, unit, outcome, coalesce(reason, '') from newest
        where {condition} order by all
        """,
        [since, now],
    ).fetchall()
    kinds: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for table, unit, outcome, reason in newest:
        masked = re.sub(rf"(?<!\w){re.escape(unit)}(?!\w)", "…", reason) if unit else reason
        kind = (table, outcome, re.sub(r"\b\d[\d.,:]*\b", "#", masked))
        shown = reason if len(reason) <= _REASON_LENGTH else f"{reason[:_REASON_LENGTH]}…"
        kinds.setdefault(kind, (f"{table}: {outcome}, {shown}", []))[1].append(unit or "")
    found = [
        Finding(what, len(units), tuple(filter(None, units[:EXAMPLES])))
        for what, units in kinds.values()
    ]
    return sorted(found, key=lambda one: (-one.count, one.what))


def rejected(con: duckdb.DuckDBPyConnection, since: datetime) -> list[Finding]:
    """Return why rows were refused since a moment (UTC), the most frequent reason first."""
    rows = con.execute(
        "select table_name || ': ' || reason as what, count(*) as rows from raw.rejects "
        "where rejected_at > ? group by what order by rows desc, what",
        [since],
    ).fetchall()
    return [Finding(*row) for row in rows]


def drifted(con: duckdb.DuckDBPyConnection, since: datetime) -> list[Finding]:
    """Return which fields of answers were not as declared since a moment (UTC)."""
    rows = con.execute(
        "select table_name || ' ' || field || ': ' || found || ', not ' || expected as what, "
        "count(*) as times, list(distinct ticker order by ticker)[:?] from raw.drifts "
        "where seen_at > ? group by what order by times desc, what",
        [EXAMPLES, since],
    ).fetchall()
    return [Finding(what, times, tuple(tickers or ())) for what, times, tickers in rows]


def throttled(con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Return how many attempts of the day before `now` (UTC) a source put off."""
    [(count,)] = con.execute(
        "select count(*) from raw.fetches "
        "where outcome = 'throttled' and fetched_at > ? and fetched_at <= ?",
        [now - timedelta(days=1), now],
    ).fetchall()
    return int(count)


def ahead(con: duckdb.DuckDBPyConnection, now: datetime) -> str | None:
    """Say that the newest batch was stored much later than `now` (UTC), and what comes of it."""
    [(newest,)] = con.execute("select max(finished_at) from raw.batches").fetchall()
    if newest is None or newest - now <= AHEAD:
        return None
    return (
        f"The clock says {now:%Y-%m-%d %H:%M} UTC, but the newest row was stored at "
        f"{newest:%Y-%m-%d %H:%M}: it is behind now, or was ahead then. What is stored from now on "
        "counts as known from that moment on only, and the marts do not show it earlier."
    )


def keep_attempts(home: Home, con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Replace `home.attempts` by what is asked of the recent attempts recorded in `con`.

    The build file is the pipeline's alone, and what is published stays as it is where an ingest
    stored nothing: of neither would a reader learn that every request failed. The tables bear the
    names of the raw store. `raw.fetches` holds the recent attempts that did not end well, and each
    unit's newest of the others and of those before; the feeds hold but the days they told of.
    """
    since = now - RECENT
    unfinished = home.attempts.with_name(f".{home.attempts.name}")
    for left_behind in (unfinished, unfinished.with_name(f"{unfinished.name}.wal")):
        left_behind.unlink(missing_ok=True)
    quoted = str(unfinished).replace("'", "''")
    con.execute(f"attach '{quoted}' as kept")
    try:
        con.execute("create schema kept.raw")
        con.execute(
            """
            create table kept.raw.fetches as
            select
                source, table_name, ticker, file, load_id, outcome, reason, fetched_at
            from raw.fetches
            where outcome <> 'ok' and fetched_at > $since and fetched_at <= $now
            union all
            select
                source, table_name, ticker, file,
                arg_max(load_id, fetched_at), outcome, null, max(fetched_at)
            from raw.fetches
            where fetched_at <= $now
                and if(fetched_at > $since, outcome = 'ok', file is null)
            group by source, table_name, ticker, file, outcome
            """,
            {"since": since, "now": now},
        )
        for table, columns, moment in (
            ("rejects", "table_name, reason, rejected_at", "rejected_at"),
            ("drifts", "table_name, ticker, field, expected, found, seen_at", "seen_at"),
        ):
            con.execute(
                f"create table kept.raw.{table} as "
                f"select {columns} from raw.{table} where {moment} > ?",
                [since],
            )
        con.execute(
            "create table kept.raw.batches as select max(finished_at) as finished_at "
            "from raw.batches"
        )
        con.execute(
            "create table kept.raw.events (table_name varchar, exchange varchar, day date, "
            "event_count bigint)"
        )
        first_day = (now - timedelta(days=SESSIONS_A_YEAR)).date()
        events = pd.DataFrame(
            [
                (table, exchange, day, count)
                for table in FEEDS
                for exchange, counts in _events(con, table, first_day).items()
                for day, count in counts.items()
            ],
            columns=["table_name", "exchange", "day", "event_count"],
        )
        if len(events):
            con.execute("insert into kept.raw.events from events")
        con.execute("checkpoint kept")
    finally:
        con.execute("detach kept")
    sync(unfinished)
    unfinished.replace(home.attempts)


def size(home: Home, con: duckdb.DuckDBPyConnection, now: datetime) -> Size:
    """Return how large a home is, and how fast its raw store grows.

    Raises `HomeError` where the budget in the environment is no number above zero.
    """
    text = os.environ.get(BUDGET_VARIABLE) or str(BUDGET_GB)
    try:
        budget = float(text)
    except ValueError:
        budget = 0.0
    if not 0 < budget < float("inf"):
        raise HomeError(f"{BUDGET_VARIABLE} is '{text}', which is not a number above zero.")
    parts = {
        entry.name: _bytes(entry)
        for entry in (home.path.iterdir() if home.path.is_dir() else ())
        if not entry.is_symlink()
    }
    [(rows, rows_30d)] = con.execute(
        "select coalesce(sum(new + changed), 0), "
        "coalesce(sum(new + changed) filter (started_at >= ?), 0) from raw.batches",
        [now - timedelta(days=30)],
    ).fetchall()
    return Size(parts, int(budget * 1e9), int(rows), int(rows_30d))


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(
        Path(folder, name).lstat().st_size
        for folder, _, names in os.walk(path)
        for name in names
        if Path(folder, name).exists()
    )
