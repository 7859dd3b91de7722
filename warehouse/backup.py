"""A copy of the raw store that outlives it: one Parquet file for each table, with its hash.

The marts are not in it: they follow from the raw rows. Of the raw schema only what its script makes
anew is left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse.errors import HomeError, StorageError, UsageError, in_words
from warehouse.publish import sync
from warehouse.settings import DATABASE, Home
from warehouse.sources.inbox import glob_escaped
from warehouse.store import SCHEMA_VERSION, Warehouse, literal, migrate, quoted

MANIFEST = "backup.json"
# Rules and the version come with the schema; what the marts were built of is no longer so.
_LEFT_OUT = ("builds", "checks", "schema_version")
_UNFINISHED = re.compile(r"\.raw-\d{8}T\d{12}Z")
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class BackupTable:
    """A table of a backup: how many rows its file holds, and the file's SHA-256."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """A backup: where it lies, when (UTC) and of which schema version it was made."""

    path: Path
    made_at: str
    schema_version: int
    tables: dict[str, BackupTable]
    size_bytes: int
    seconds: float


def back_up(home: Home, folder: Path | None = None) -> Backup:
    """Copy the raw store of `home` into a new folder inside `folder` (default `<home>/backups`).

    It is there whole or not at all; what a backup that was killed left there is removed.
    Raises `HomeError` when there is no store or it is in use, `StorageError` when the copy cannot
    be written.
    """
    started = time.monotonic()
    if not home.build.is_file():
        raise HomeError(f"{home.path} holds no raw store: there is nothing to back up.")
    now = datetime.now(UTC)
    name = f"raw-{now:%Y%m%dT%H%M%S%fZ}"
    folder = folder or home.backups
    unfinished = folder / f".{name}"
    tables: dict[str, BackupTable] = {}
    try:
        unfinished.mkdir(parents=True)
        with _held(unfinished):
            clear(folder)
            with Warehouse(home.build) as store:
                # One transaction is one moment.
                store.con.execute("begin")
                for table in _tables(store.con):
                    file = unfinished / f"{table}.parquet"
                    row = store.con.execute(
                        f"copy raw.{quoted(table)} to {literal(str(file))} "
                        "(format parquet, compression zstd)"
                    ).fetchone()
                    tables[table] = BackupTable(int(row[0]) if row else 0, _sha256(file))
                store.con.execute("commit")
            told: dict[str, Any] = {
                "made_at": now.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds"),
                "schema_version": SCHEMA_VERSION,
                "tables": {name: asdict(table) for name, table in tables.items()},
            }
            (unfinished / MANIFEST).write_text(json.dumps(told, indent=1) + "\n")
            for part in (*unfinished.iterdir(), unfinished):
                sync(part)
            unfinished.rename(folder / name)
            sync(folder)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise StorageError(
            f"No backup was made in {folder}: {in_words(error)}. The raw store is as it was."
        ) from error
    size = sum(file.stat().st_size for file in (folder / name).iterdir())
    seconds = round(time.monotonic() - started, 3)
    return Backup(folder / name, told["made_at"], SCHEMA_VERSION, tables, size, seconds)


def clear(folder: Path) -> list[Path]:
    """Remove what backups that were killed left in a folder; returns what was removed.

    One that is being made is held by its process and stays.
    """
    removed = []
    for left in sorted(path for path in folder.iterdir() if _UNFINISHED.fullmatch(path.name)):
        with contextlib.suppress(OSError), _held(left):
            shutil.rmtree(left)
            removed.append(left)
    return removed


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the operating system's lock on a folder; raises `BlockingIOError` where another does."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def restore(home: Home, backup: Backup) -> Backup:
    """Make the raw store of `home` from a backup as `read` returned it; there must be none yet.

    An older schema is brought to this one. Raises `HomeError` where the home holds a store,
    `UsageError` where the backup has a table nobody knows, `StorageError` where the home cannot be
    written to. The seconds returned hold those of reading.
    """
    started = time.monotonic()
    if home.build.exists():
        raise HomeError(
            f"{home.build} exists and is not overwritten. Restore into another home (--home), or "
            f"move {home.build.parent} away first."
        )
    unfinished = home.build.with_name(".restored")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        with Warehouse(unfinished / DATABASE) as store:
            _fill(store.con, backup, unfinished / "told.duckdb")
        sync(unfinished / DATABASE)
        (unfinished / DATABASE).rename(home.build)
        sync(home.build.parent)
    except (OSError, duckdb.Error) as error:
        raise StorageError(
            f"{backup.path} could not be restored, and {home.path} has no store still: "
            f"{in_words(error)}"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return replace(backup, seconds=round(backup.seconds + time.monotonic() - started, 3))


def read(folder: Path) -> Backup:
    """Return what the backup in `folder` holds, after comparing each file with its hash.

    Raises `UsageError` where it is not whole or made by a newer Bellwether.
    """
    started = time.monotonic()
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        tables = {name: BackupTable(**table) for name, table in told["tables"].items()}
        made_at, version = str(told["made_at"]), int(told["schema_version"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{folder} is no backup: {MANIFEST} cannot be read ({error}).") from error
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{folder} has schema version {version}, and this Bellwether knows {SCHEMA_VERSION}: "
            "a newer one made it. Restore it with that one."
        )
    for name, table in tables.items():
        if not _TABLE.fullmatch(name):
            raise UsageError(f"{folder} is no backup: {name!r} is no name of a table.")
        try:
            found = _sha256(folder / f"{name}.parquet")
        except OSError as error:
            raise UsageError(f"{folder} is not whole: {error}") from error
        if found != table.sha256:
            raise UsageError(
                f"{folder} is damaged: {name}.parquet is not what was written. Use another backup."
            )
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Backup(folder, made_at, version, tables, size, round(time.monotonic() - started, 3))


def _fill(con: duckdb.DuckDBPyConnection, backup: Backup, scratch: Path) -> None:
    """Bring the tables as they were told to this schema in a database aside, and copy them over."""
    [(store,)] = con.execute("select current_database()").fetchall()
    con.execute(f"attach {literal(str(scratch))} as told")
    con.execute("use told")
    con.execute("create schema raw")
    for name in backup.tables:
        file = literal(glob_escaped(backup.path / f"{name}.parquet"))
        con.execute(f"create table raw.{quoted(name)} as from read_parquet({file})")
    migrate(con, backup.schema_version)
    unknown = sorted(set(backup.tables) - set(_tables(con, str(store))))
    if unknown:
        raise UsageError(f"{backup.path}: there is no raw table {', '.join(unknown)}.")
    con.execute(f"use {quoted(str(store))}")
    con.execute("begin")
    for name in backup.tables:
        con.execute(f"insert into raw.{quoted(name)} by name from told.raw.{quoted(name)}")
    con.execute("commit")
    con.execute("detach told")


def _tables(con: duckdb.DuckDBPyConnection, database: str | None = None) -> list[str]:
    rows = con.execute(
        "select table_name from duckdb_tables() where schema_name = 'raw' "
        "and database_name = coalesce(?, current_database()) order by table_name",
        [database],
    ).fetchall()
    return [name for (name,) in rows if name not in _LEFT_OUT]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
