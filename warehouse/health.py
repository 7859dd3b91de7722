"""Whether a home is well: feeds that fell silent, tables nobody asked for, room on the disk."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import exchange_calendars
import pandas as pd

from warehouse.errors import HomeError
from warehouse.settings import Home
from warehouse.sources.calendars import REFERENCE, calendar_of, last_close, last_closed_session
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
# The schedule asks two and a half hours after the close, and may have to wait and resume.
GRACE = timedelta(hours=6)
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
    """A table that was not asked for since a session closed; `asked_at` (UTC) is the last time."""

    table: str
    asked_at: datetime | None
    closed_at: datetime

    def __str__(self) -> str:
        """Say it in a sentence."""
        last = f"{self.asked_at:%Y-%m-%d %H:%M}" if self.asked_at else "never"
        return (
            f"{self.table}: not asked for since the session of {self.closed_at:%Y-%m-%d} closed "
            f"(last: {last} UTC)"
        )


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


def silence(con: duckdb.DuckDBPyConnection, table: str) -> Silence | None:
    """Return the longest silence of a feed that chance hardly explains.

    What nobody asked for is not silent, and of a feed known for less than `FEWEST_SESSIONS`
    nobody knows what is usual.
    """
    return max(_silences(con, table), key=lambda found: found.sessions, default=None)


def silences(con: duckdb.DuckDBPyConnection) -> list[Silence]:
    """Return the feeds, by exchange where they are watched so, that have fallen silent."""
    return [found for table in FEEDS for found in _silences(con, table)]


def _silences(con: duckdb.DuckDBPyConnection, table: str) -> list[Silence]:
    [(asked,)] = con.execute(
        "select max(fetched_at) from raw.fetches "
        "where source = ? and table_name = ? and outcome in ('ok', 'empty')",
        [ASKED_OF, table],
    ).fetchall()
    if asked is None:
        return []
    since = (asked - 3 * timedelta(days=USUAL_SESSIONS)).date()
    counts: dict[str, Counter[date]] = defaultdict(Counter)
    tickers: dict[str, set[str]] = defaultdict(set)
    for ticker, day, count in con.execute(
        f"select ticker, day, count(*) from ({FEEDS[table]}) group by all",
        {"source": ASKED_OF, "since": since},
    ).fetchall():
        exchange = calendar_of(ticker) if table in BY_EXCHANGE else None
        tickers[exchange or REFERENCE].add(ticker)
        counts[exchange or REFERENCE][day] += count
    for exchange in [name for name, members in tickers.items() if len(members) < FEWEST_TICKERS]:
        if exchange != REFERENCE:
            counts[REFERENCE] += counts.pop(exchange)
    found = [_silence(table, exchange, told, asked) for exchange, told in sorted(counts.items())]
    several = len(counts) > 1
    return [replace(one, exchange=one.exchange if several else "") for one in found if one]


def _silence(table: str, exchange: str, counts: Counter[date], asked: datetime) -> Silence | None:
    calendar = exchange_calendars.get_calendar(exchange)
    last = pd.Timestamp(last_closed_session(asked, exchange))
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
    """Return the tables that the schedule should have asked for by `now` (UTC) and did not.

    By the exchange's calendar: nothing is late on a weekend or a holiday. A home that never asked
    any source has nothing that could be late.
    """
    closed = last_close(REFERENCE, now - GRACE)
    asked = dict(
        con.execute(
            "select table_name, max(fetched_at) from raw.fetches "
            "where source = ? and outcome in ('ok', 'empty') group by all",
            [ASKED_OF],
        ).fetchall()
    )
    if not asked:
        return []
    return [
        Late(table, asked.get(table), closed)
        for table in schema()
        if declared(table) and (table not in asked or asked[table] < closed)
    ]


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
