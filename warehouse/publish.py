"""Hand out what was built: an immutable copy of the build database, swung in by one rename.

Everybody but the pipeline opens `<home>/bellwether.duckdb`, a link to
`published/<version>/bellwether.duckdb`. A reader that is open keeps the version it opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from warehouse.errors import HomeError, PublishError
from warehouse.settings import DATABASE, Home, memory_limit

KEPT_VERSIONS = 3
# A build that makes all tables anew needs room for a second copy, which the next one fills again.
MOST_DEAD_SPACE = 0.5
_MANIFEST = "published.json"
# The ioctl by which Btrfs and XFS share a file's blocks with its copy (linux/fs.h).
_FICLONE = 0x40049409


@dataclass(frozen=True)
class Published:
    """One published version: the moment its marts show, when and how it was made.

    `way` is clone or copy; `seconds` the time publishing took; `size_bytes` of the file, of which
    the share `dead_space` holds nothing. `freed_bytes` were given back by compacting the build.
    """

    version: str
    as_of: str
    published_at: str
    way: str
    size_bytes: int
    seconds: float
    is_simulated: bool
    dead_space: float = 0.0
    freed_bytes: int = 0

    @property
    def shows_the_past(self) -> bool:
        """Whether somebody asked for a moment before it was made; the sample always does."""
        made, shown = map(datetime.fromisoformat, (self.published_at, self.as_of))
        return made - shown > timedelta(hours=1)


def publish(home: Home, *, as_of: datetime) -> Published:
    """Publish the build database of `home`; nobody may hold it open.

    Raises `PublishError` when the file cannot be written; the former version then stands.
    """
    started = time.monotonic()
    now = datetime.now(UTC)
    # A clock that was put back may show the moment of another version again.
    while (home.versions / f"{now:%Y%m%dT%H%M%S%fZ}").exists():
        now += timedelta(microseconds=1)
    version = f"{now:%Y%m%dT%H%M%S%fZ}"
    unfinished = home.versions / f".{version}"
    link = home.versions / f".{version}.link"
    try:
        unfinished.mkdir(parents=True)
        is_simulated, dead = _settle_build(home.build)
        freed = compact(home.build) if dead > MOST_DEAD_SPACE else 0
        way = _copy(home.build, unfinished / DATABASE)
        published = Published(
            version=version,
            as_of=as_of.isoformat(sep=" "),
            published_at=now.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds"),
            way=way,
            size_bytes=(unfinished / DATABASE).stat().st_size,
            seconds=round(time.monotonic() - started, 3),
            is_simulated=is_simulated,
            dead_space=0.0 if freed else round(dead, 3),
            freed_bytes=freed,
        )
        (unfinished / _MANIFEST).write_text(json.dumps(asdict(published), indent=1) + "\n")
        (unfinished / DATABASE).chmod(0o444)
        for part in (unfinished / DATABASE, unfinished / _MANIFEST, unfinished):
            sync(part)
        unfinished.rename(home.versions / version)
        link.symlink_to(Path("published") / version / DATABASE)
        link.replace(home.published)
        sync(home.versions)
        sync(home.path)
    except (OSError, duckdb.Error, PublishError) as error:
        if home.published.resolve().parent.name != version:
            _remove(unfinished, link, home.versions / version)
        raise PublishError(
            f"{home.published} was not replaced and stays as it was: {error}"
        ) from error
    # By name, but never the new one: the clock may have been set back.
    former = [name for name in versions(home) if name != version]
    _remove(*(home.versions / name for name in former[: 1 - KEPT_VERSIONS]))
    _remove(*home.versions.glob(".*"))  # what a killed publishing left behind
    return published


def compact(build: Path) -> int:
    """Write a build database without its dead space, in its place; returns the bytes given back.

    Nobody may hold it open. It is written beside and swung in by a rename once all its rows are
    there as they were, so a crash leaves the one or the other. Where that fails, as on a disk with
    too little room, the file stays as it is.
    """
    beside = build.with_name(f".{build.name}.compact")
    logs = [path.with_name(f"{path.name}.wal") for path in (build, beside)]
    _remove(beside, logs[1])
    before = build.stat().st_size
    try:
        with duckdb.connect(config={"memory_limit": memory_limit()}) as con:
            quoted = [str(path).replace("'", "''") for path in (build, beside)]
            con.execute(f"attach '{quoted[0]}' as build (read_only)")
            con.execute(f"attach '{quoted[1]}' as beside")
            con.execute("copy from database build to beside")
            con.execute("checkpoint beside")
            is_whole = _contents(con, "build") == _contents(con, "beside")
        after = beside.stat().st_size
        if not is_whole or after >= before or any(log.exists() for log in logs):
            return 0
        sync(beside)
        beside.replace(build)
        sync(build.parent)
    except (OSError, duckdb.Error):
        return 0
    finally:
        _remove(beside, logs[1])
    return before - after


def versions(home: Home) -> list[str]:
    """Return the published versions that are kept, oldest first."""
    if not home.versions.is_dir():
        return []
    return sorted(p.name for p in home.versions.iterdir() if not p.name.startswith("."))


def newest(home: Home) -> Published | None:
    """Return what the published link points to, or None before the first publishing.

    Raises `HomeError` where what lies beside it says something else than this version wrote.
    """
    manifest = home.published.resolve().with_name(_MANIFEST)
    if not home.published.exists() or not manifest.is_file():
        return None
    try:
        return Published(**json.loads(manifest.read_text()))
    except (ValueError, TypeError) as error:
        raise HomeError(
            f"{manifest} cannot be read ({error}): it is damaged, or another version of Bellwether "
            "wrote it. `bellwether refresh --force` publishes anew."
        ) from error


@contextlib.contextmanager
def reading(home: Home, file: Path | None = None, *, memory: str | None = None):  # type: ignore[no-untyped-def]
    """Open the published database of `home` for reading only, sealed off from files and network.

    `file` is one of the time machine's to open instead. A query has memory alone, at most `memory`
    such as 6GB (DuckDB's own share of the machine's without), no disk to spill to.

    Raises `HomeError` when nothing has been published yet.
    """
    if file is None and not home.published.exists():
        raise HomeError(
            f"Nothing is published in {home.path} yet. Run `bellwether ingest` and "
            "`bellwether refresh`, or `bellwether demo` for the simulated sample."
        )
    # Through the link, a process that still has the former version open would be given that one.
    con = duckdb.connect(
        str(file or home.published.resolve()),
        read_only=True,
        config={"temp_directory": "", **({"memory_limit": memory} if memory else {})},
    )
    try:
        seal(con)
        yield con
    finally:
        con.close()


def seal(con: duckdb.DuckDBPyConnection) -> None:
    """Take files, network and settings from a connection for as long as its database is open.

    To forbid external access is not enough: DuckDB then still lets a query write beside the file
    that is open, where it keeps its log and where the next reader would take it for one.
    """
    # Whoever else has it open in this process has sealed it, or is about to.
    with contextlib.suppress(duckdb.InvalidInputException):
        con.execute("set enable_external_access = false")
        con.execute("set disabled_filesystems = 'LocalFileSystem'")
        con.execute("set lock_configuration = true")
    if con.execute("select current_setting('lock_configuration')").fetchone() != (True,):
        raise PublishError("The published file could not be sealed off from other files.")


@contextlib.contextmanager
def reading_build(home: Home):  # type: ignore[no-untyped-def]
    """Open the build database of `home` for a short look, for want of a published one.

    Raises `HomeError` while a run is writing it.
    """
    try:
        con = duckdb.connect(str(home.build), read_only=True)
    except duckdb.IOException as error:
        raise HomeError(
            f"Nothing is published in {home.path} yet, and a run is writing at this moment. "
            "Look again when it is done."
        ) from error
    try:
        yield con
    finally:
        con.close()


@contextlib.contextmanager
def reading_attempts(home: Home):  # type: ignore[no-untyped-def]
    """Open what the last ingest of `home` told of recent attempts, for reading only.

    Yields the connection, and whether it is that: where no ingest has written it yet, or it cannot
    be read, it is what the published file held of them when it was made, else what the build does.
    """
    with contextlib.ExitStack() as opened:
        try:
            con, is_live = opened.enter_context(reading(home, home.attempts)), True
        except duckdb.Error:
            kept = reading(home) if newest(home) else reading_build(home)
            con, is_live = opened.enter_context(kept), False
        yield con, is_live


def _settle_build(build: Path) -> tuple[bool, float]:
    """Write the build's log into its file; say if it is simulated and how much of it is dead."""
    if not build.is_file():
        raise PublishError(f"{build} does not exist: there is nothing to publish.")
    with duckdb.connect(str(build)) as con:
        con.execute("checkpoint")
        simulated = con.execute(
            "select count(*) from raw.batches where source = 'sample'"
        ).fetchone()
        blocks = con.execute(
            "select free_blocks / greatest(total_blocks, 1) from pragma_database_size() "
            "where database_name = current_database()"
        ).fetchone()
    assert simulated is not None and blocks is not None
    return simulated[0] > 0, float(blocks[0])


def _contents(con: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, int, int | None]]:
    """Return every relation of an attached database; of tables how many rows, and their hash."""
    relations = con.execute(
        """
        select schema_name || '.' || view_name, null from duckdb_views()
        where database_name = $database and not internal
        union all
        select schema_name || '.' || table_name, schema_name from duckdb_tables()
        where database_name = $database
        order by all
        """,
        {"database": database},
    ).fetchall()
    contents: list[tuple[str, int, int | None]] = []
    for name, schema in relations:
        if schema is None:
            contents.append((name, -1, None))
            continue
        table = name.removeprefix(f"{schema}.")
        quoted = ".".join('"' + part.replace('"', '""') + '"' for part in (database, schema, table))
        # A sum, so that the order of the rows counts for nothing and one told twice does.
        [(rows, told)] = con.execute(
            f"select count(*), sum(cast(hash(row) as hugeint)) from {quoted} as row"
        ).fetchall()
        contents.append((name, rows, told))
    return contents


def _copy(source: Path, target: Path) -> str:
    with source.open("rb") as from_, target.open("wb") as to:
        try:
            fcntl.ioctl(to.fileno(), _FICLONE, from_.fileno())
            return "clone"
        except OSError:
            shutil.copyfileobj(from_, to, 16 * 1024 * 1024)
            return "copy"


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def sync(path: Path) -> None:
    """Have a file or the entries of a folder written to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
