"""Whether a home is well: feeds that fell silent, tables nobody asked for, room on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import exchange_calendars
import pandas as pd

from warehouse.errors import HomeError
from warehouse.settings import Home
from warehouse.sources.calendars import REFERENCE, last_close, last_closed_session
from warehouse.sources.drift import declared
from warehouse.store import schema

# Feeds of events: somebody grades, writes or trades on most days, whatever one company does.
FEEDS = {"prices": "session_date", "ratings": "graded_on", "news": "published_at"}
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
    """A feed that tells of nothing new for any ticker, though it answers.

    `sessions` closed without an event since `newest`; before, `usual_share` of them had one.
    """

    table: str
    newest: date
    sessions: int
    usual_share: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        return (
            f"{self.table}: no ticker has anything newer than {self.newest}, for {self.sessions} "
            f"sessions, though the source answers; usually {self.usual_share:.0%} of the sessions "
            "have something. The feed seems frozen; what it tells later is kept with the day it "
            "was told."
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
    """Return how long a feed has been silent for all tickers, where chance hardly explains it.

    What nobody asked for is not silent, and of a feed known for less than `FEWEST_SESSIONS`
    nobody knows what is usual.
    """
    [(asked,)] = con.execute(
        "select max(fetched_at) from raw.fetches "
        "where source = ? and table_name = ? and outcome in ('ok', 'empty')",
        [ASKED_OF, table],
    ).fetchall()
    if asked is None:
        return None
    calendar = exchange_calendars.get_calendar(REFERENCE)
    last = pd.Timestamp(last_closed_session(asked))
    days = calendar.sessions_window(last, -2 * USUAL_SESSIONS)
    column = FEEDS[table]
    told = {
        day
        for (day,) in con.execute(
            f"select distinct cast({column} as date) from raw.{table} "
            f"where source = ? and {column} >= ?",
            [ASKED_OF, days[0].date()],
        ).fetchall()
    }
    had = [day.date() in told for day in days]
    if True not in had:
        return None
    silent = had[::-1].index(True)
    before = had[had.index(True) : len(had) - silent][-USUAL_SESSIONS:]
    if len(before) < FEWEST_SESSIONS:
        return None
    share = sum(before) / len(before)
    regular = min(share, MOST_REGULAR)
    # A silence of that length begins after a session with something.
    if SESSIONS_A_YEAR * regular * (1 - regular) ** silent >= FALSE_ALARMS_A_YEAR:
        return None
    return Silence(table, days[-1 - silent].date(), silent, share)


def silences(con: duckdb.DuckDBPyConnection) -> list[Silence]:
    """Return the feeds that have fallen silent."""
    return [found for table in FEEDS if (found := silence(con, table)) is not None]


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
