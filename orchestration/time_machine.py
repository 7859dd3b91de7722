"""The marts as of any past moment, built beside the present ones and kept as a file.

`<home>/as_of/<moment>/bellwether.duckdb` is made from a copy of the published file, so neither the
pipeline's database nor what readers have open is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb

from orchestration import dbt
from warehouse.errors import BellwetherError, HomeError
from warehouse.settings import DATABASE, Home
from warehouse.store import Warehouse, schema

# Files kept for one home; the one used longest ago goes first.
KEPT = 12
# No build takes so long.
ABANDONED_SECONDS = 86_400.0
_MADE_OF = "made_of.json"


class TimeMachineError(BellwetherError):
    """The marts of a past moment could not be built."""


def database(
    home: Home, moment: datetime, on_node: Callable[[str, str], None] | None = None
) -> Path:
    """Return the file whose marts show `moment` (UTC), built if there is none that still holds.

    A file holds while the raw rows and the project are those it was made of. The tests of a build
    run as in a refresh.

    Raises `HomeError` when nothing is published, `TimeMachineError` when a model or test failed.
    """
    if not home.published.exists():
        raise HomeError(f"Nothing is published in {home.path} yet. Run `bellwether refresh`.")
    manifest = dbt.prepare_manifest()
    folder = home.path / "as_of" / moment.strftime("%Y%m%dT%H%M%S%fZ")
    made_of = {"project": manifest.folder.name, "raw": fingerprint(home.published.resolve())}
    kept = folder / DATABASE
    if kept.is_file() and _told(folder) == made_of:
        os.utime(folder)
        return kept
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    beside = Home(unfinished)
    try:
        beside.build.parent.mkdir(parents=True)
        _copy_raw(home.published.resolve(), beside.build)
        built = dbt.build(manifest, beside, as_of=moment, whole=True, on_node=on_node)
        failed = [node for node in built if not node.is_good and not node.is_skipped]
        if failed:
            raise TimeMachineError(
                f"The marts as of {moment} UTC were not kept, because "
                + "; ".join(f"{node.kind} {node.name}: {node.message}" for node in failed)
            )
        with duckdb.connect(str(beside.build)) as con:
            con.execute("checkpoint")
        os.replace(beside.build, unfinished / DATABASE)
        shutil.rmtree(unfinished / "build")
        (unfinished / _MADE_OF).write_text(json.dumps(made_of, indent=1) + "\n")
        (unfinished / DATABASE).chmod(0o444)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            unfinished.rename(folder)
        except OSError:
            # Another process asked for the same moment and was quicker.
            if _told(folder) != made_of:
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    _forget_old(folder)
    return kept


def fingerprint(file: Path) -> str:
    """Return a hash of all facts in the raw tables of a database, whatever their order."""
    parts = []
    quoted = str(file).replace("'", "''")
    # Attached, since this process may have it open by another configuration.
    with duckdb.connect() as con:
        con.execute(f"attach '{quoted}' as looked_at (read_only)")
        for table in sorted(schema()):
            found = con.execute(
                "select count(*), cast(sum(hash(told)) as varchar) "
                f"from looked_at.raw.{table} as told"
            ).fetchone()
            parts.append((table, *(found or ())))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _copy_raw(published: Path, target: Path) -> None:
    """Copy what we were told, and nothing that was made of it."""
    quoted = str(published).replace("'", "''")
    with Warehouse(target) as warehouse:
        con = warehouse.con
        con.execute(f"attach '{quoted}' as published (read_only)")
        tables = con.execute(
            """
            select table_name from duckdb_tables()
            where database_name = 'published' and schema_name = 'raw' and table_name <> 'builds'
            """
        ).fetchall()
        for (table,) in tables:
            con.execute(f"delete from raw.{table}")
            con.execute(f"insert into raw.{table} by name select * from published.raw.{table}")
        con.execute("detach published")
        con.execute("checkpoint")


def _told(folder: Path) -> object:
    try:
        return json.loads((folder / _MADE_OF).read_text())
    except (OSError, ValueError):
        return None


def _forget_old(newest: Path) -> None:
    # What a build that was killed left, as large as the home's build file.
    for path in newest.parent.glob(".*"):
        with contextlib.suppress(FileNotFoundError):  # its own process has removed it
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path)
    folders = [path for path in newest.parent.iterdir() if path != newest and path.name[0] != "."]
    folders.sort(key=lambda path: path.stat().st_mtime)
    for path in folders[: max(0, len(folders) - KEPT + 1)]:
        shutil.rmtree(path, ignore_errors=True)
