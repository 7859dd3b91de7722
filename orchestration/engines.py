"""Dagster's records in SQLite, each file with one engine for as long as the process lives.

Dagster makes one for every event it stores, and so loses what SQLAlchemy has compiled: a quarter
of what a small ingest costs. Connections are opened and closed for each use, as before.
"""

from functools import lru_cache
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, NullPool, create_engine


def keep() -> None:
    """Have Dagster's storages in SQLite keep their engines; a second time it does nothing."""
    for storage in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        storage.create_engine = _engine  # type: ignore[attr-defined]


# Each run has a file of its own, so a daemon sees many.
@lru_cache(maxsize=32)
def _kept(url: str, options: tuple[tuple[str, Any], ...]) -> Engine:
    return create_engine(url, poolclass=NullPool, connect_args=dict(options))


def _engine(
    url: str, poolclass: type[NullPool], connect_args: dict[str, Any] | None = None
) -> Engine:
    assert poolclass is NullPool
    return _kept(url, tuple((connect_args or {}).items()))
