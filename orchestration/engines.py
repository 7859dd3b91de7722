"""Dagster's records in SQLite, each file with one engine for as long as the process lives.

Dagster makes one for every event it stores, opens the file, and closes it again. So it loses what
SQLAlchemy has compiled, and SQLite moves the whole log into the file at each event: together a
third of what a small refresh takes. Here an engine keeps its connections open: two, as Dagster
reads from a file while it stores in it.
"""

import sqlite3
import weakref
from functools import lru_cache
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, NullPool, create_engine, event


def keep() -> None:
    """Have Dagster's storages in SQLite keep their engines; a second time it does nothing."""
    for storage in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        storage.create_engine = _engine  # type: ignore[attr-defined]


# Each run has a file of its own, so a daemon sees many.
@lru_cache(maxsize=32)
def _kept(url: str, options: tuple[tuple[str, Any], ...]) -> Engine:
    engine = create_engine(url, pool_size=2, max_overflow=-1, connect_args=dict(options))
    event.listen(engine, "connect", _settle)
    # Closed when it is dropped or the process ends: a log that no one moved into its file stays
    # beside it, larger than the file.
    weakref.finalize(engine, engine.pool.dispose)
    # Dagster disposes of an engine after each use, for it would not see it again.
    engine.dispose = lambda close=True: None  # type: ignore[method-assign]
    return engine


def _settle(connection: sqlite3.Connection, _: object) -> None:
    """Write the log to the disk when it is moved into the file, not at each commit.

    A killed process loses nothing by that; a power cut at most what Dagster recorded last.
    """
    connection.execute("pragma synchronous = normal")


def _engine(
    url: str, poolclass: type[NullPool], connect_args: dict[str, Any] | None = None
) -> Engine:
    assert poolclass is NullPool
    return _kept(url, tuple((connect_args or {}).items()))
