"""Which incremental tables a build goes on from, and what it notes for the next one.

The note of a table (`raw.builds`) says of which code, as of which moment and up to which batch it
was built. A build goes on from a table, replacing only what later batches touch, if the code is the
same, everything stored was visible to it, and no earlier moment is asked for. Any other table is
made anew. A note is taken away before its table is made anew and written after the model succeeded,
so a build that dies half-way costs work and never rows: the next one touches the same and more.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from warehouse import settings
from warehouse.settings import Home
from warehouse.store import Warehouse


@dataclass(frozen=True)
class Plan:
    """What a build goes on from.

    `continued` are the models whose tables fit; `stored_until` is the newest batch that all of
    them know of, None where there is no such table. `as_of` and `stored_at_start`, the newest
    batch there is, are what `finish` notes of the models of `code_versions`.
    """

    as_of: datetime
    stored_at_start: datetime | None
    code_versions: Mapping[str, str]
    continued: list[str] = field(default_factory=list)
    stored_until: datetime | None = None

    @property
    def variables(self) -> dict[str, object]:
        """The plan as dbt's variables."""
        return {
            "as_of": _text(self.as_of),
            "continued": self.continued,
            "stored_until": self.stored_until and _text(self.stored_until),
        }


def begin(
    home: Home,
    code_versions: Mapping[str, str],
    as_of: datetime,
    select: Collection[str] | None = None,
) -> Plan:
    """Plan a build as of a moment, of all models or of those selected, and note that it began.

    Selected models are made anew, from whatever their inputs hold, and again by the next build
    of all.
    """
    with Warehouse(home.build) as warehouse:
        con = warehouse.con
        newest = con.execute("select max(finished_at) from raw.batches").fetchall()[0][0]
        notes = con.execute(
            "select model, code_version, as_of, stored_until from raw.builds"
        ).fetchall()
        if select is not None:
            continued, stored_until = [], None
            forgotten = [model for model, *_ in notes if model in select]
        else:
            fitting = {
                model: known_until
                for model, code, shown, known_until in notes
                if code_versions.get(model) == code and known_until <= shown <= as_of
            }
            continued = sorted(fitting)
            stored_until = min(fitting.values(), default=None)
            forgotten = [model for model, *_ in notes if model not in fitting]
        con.execute("begin")
        con.execute("delete from raw.builds where list_contains(?, model)", [forgotten])
        # Were the build to die, rows known as late as its moment might stay behind in them.
        con.execute(
            "update raw.builds set as_of = ? where list_contains(?, model)", [as_of, continued]
        )
        con.execute("commit")
    noted = code_versions if select is None else {}
    return Plan(as_of, newest, noted, continued, stored_until)


def finish(home: Home, plan: Plan, succeeded: Iterable[str]) -> None:
    """Note the incremental models that succeeded, for the next build to go on from."""
    built_at = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (model, plan.code_versions[model], plan.as_of, plan.stored_at_start, built_at)
        for model in succeeded
        if model in plan.code_versions
    ]
    if not rows or plan.stored_at_start is None:
        return
    with Warehouse(home.build) as warehouse:
        con = warehouse.con
        con.execute("begin")
        con.execute(
            "delete from raw.builds where list_contains(?, model)", [[row[0] for row in rows]]
        )
        con.executemany("insert into raw.builds values (?, ?, ?, ?, ?)", rows)
        con.execute("commit")


def code_versions(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return for each incremental model of a manifest the hash of all that defines its rows.

    That is its SQL before it is compiled, its configuration, the macros it calls, and the same of
    all its ancestors; of a seed, its content. The moment shown is no part of it.
    """
    nodes, macros = manifest["nodes"], manifest["macros"]
    by_name: dict[str, list[str]] = {}
    for unique_id, macro in macros.items():
        by_name.setdefault(macro["name"].rpartition("__")[2], []).append(unique_id)

    def called(starts: Iterable[str]) -> set[str]:
        """Macros that are called, directly or not, whichever engine's."""
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            unique_id = waiting.pop()
            if unique_id in found or unique_id not in macros:
                continue
            found.add(unique_id)
            waiting += macros[unique_id]["depends_on"]["macros"]
            waiting += by_name.get(macros[unique_id]["name"], [])
        return found

    @cache
    def defined(unique_id: str) -> str:
        node = nodes.get(unique_id)
        if node is None:  # a source: `warehouse/schema.sql` only ever adds to it
            return unique_id
        if node["resource_type"] == "seed":
            code = (settings.DBT_PROJECT / node["original_file_path"]).read_text(encoding="utf-8")
        else:
            code = node["raw_code"]
        depends_on = node["depends_on"]
        parts = [
            code,
            json.dumps(node["config"], sort_keys=True),
            *(macros[name]["macro_sql"] for name in sorted(called(depends_on["macros"]))),
            *(defined(name) for name in sorted(depends_on.get("nodes", []))),
        ]
        return _hash(parts)

    engines = [version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")]
    return {
        node["name"]: _hash([*engines, defined(unique_id)])
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    }


def _hash(parts: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
