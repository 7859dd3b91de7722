"""What a build goes on from, and what it notes for the next one.

The note of a table (`raw.builds`) says of which code, as of which moment and up to which batch it
was built. A build goes on from a table, replacing only what later batches touch, if the code is the
same, everything stored was visible to it, and no earlier moment is asked for. Any other table is
made anew. A note is taken away before its table is made anew and written after the model succeeded,
so a build that dies half-way costs work and never rows: the next one touches the same and more.

One more note is of the whole project, written when all models and tests were good. While it fits
and time alone has changed nothing since, only what reads a raw table with new batches is run.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import duckdb

from warehouse import settings
from warehouse.past import time_changes
from warehouse.settings import Home
from warehouse.store import Warehouse, quoted

# The note of the whole project.
_WHOLE = "*"
# Raw tables that models with the meta `only_calls` read for the broker calls in their items.
_OF_NEWS = ("source.bellwether.raw.news", "source.bellwether.raw.news_signals")


@dataclass(frozen=True)
class Plan:
    """What a build goes on from.

    `continued` are the models whose tables fit; `stored_until` is the newest batch that all of
    them know of, None where there is no such table. `affected` are the models that are to be run,
    None where all are. `as_of` and `stored_at_start`, the newest batch there is, are what `finish`
    notes of the models of `code_versions`.
    """

    as_of: datetime
    stored_at_start: datetime | None
    code_versions: Mapping[str, str]
    continued: list[str] = field(default_factory=list)
    stored_until: datetime | None = None
    affected: list[str] | None = None

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
    manifest: Mapping[str, Any],
    code_version: str,
    as_of: datetime,
    select: Collection[str] | None = None,
    whole: bool = False,
    anew: bool = False,
) -> Plan:
    """Plan a build as of a moment, of all models or of those selected, and note that it began.

    `code_version` is that of all of the project. `whole` runs every model, whatever changed; `anew`
    goes on from no table besides.
    Selected models are made anew, from whatever their inputs hold, and again by the next build
    of all.
    """
    versions = {**code_versions(manifest), _WHOLE: code_version}
    with Warehouse(home.build) as warehouse:
        con = warehouse.con
        newest = con.execute("select max(finished_at) from raw.batches").fetchall()[0][0]
        notes = con.execute(
            "select model, code_version, as_of, stored_until from raw.builds"
        ).fetchall()
        affected = None
        if select is not None:
            continued, stored_until = [], None
            forgotten = [model for model, *_ in notes if model in (*select, _WHOLE)]
        else:
            fitting = {
                model: known_until
                for model, code, shown, known_until in notes
                if not anew and versions.get(model) == code and known_until <= shown <= as_of
            }
            built_until = fitting.pop(_WHOLE, None)
            shown_at = {model: shown for model, _, shown, _ in notes}
            if (
                built_until is not None
                and not whole
                and not time_changes(con, shown_at[_WHOLE], as_of)
                and not _missing(con, manifest)
            ):
                affected = _affected(con, manifest, built_until)
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
    noted = versions if select is None else {}
    return Plan(as_of, newest, noted, continued, stored_until, affected)


def finish(home: Home, plan: Plan, built: Mapping[str, bool], is_good: bool) -> None:
    """Note what the next build may go on from.

    `built` says of each model that was to be run whether it succeeded, `is_good` whether all models
    and tests did. What did not need to be run is as new as what was.
    """
    built_at = datetime.now(UTC).replace(tzinfo=None)
    standing = plan.continued if plan.affected is not None else []
    succeeded = {model for model, has_succeeded in built.items() if has_succeeded}
    succeeded |= {model for model in standing if model not in built}
    if is_good:
        succeeded.add(_WHOLE)
    rows = [
        (model, version, plan.as_of, plan.stored_at_start, built_at)
        for model, version in plan.code_versions.items()
        if model in succeeded
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


def _missing(con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the relations of a manifest, as schema and name, that the database lacks."""
    found = con.execute(
        """
        select schema_name, table_name from duckdb_tables()
        union all select schema_name, view_name from duckdb_views()
        """
    ).fetchall()
    wanted = {
        (node["schema"], node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }
    return wanted - set(found)


def _affected(
    con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any], moment: datetime
) -> list[str]:
    """Return the models that batches which ended after a moment may change, or that always run."""
    told = con.execute(
        "select asset, batch_id from raw.batches where finished_at > ? and new + changed > 0",
        [moment],
    ).fetchall()
    batches: dict[str, list[str]] = {}
    for asset, batch_id in told:
        batches.setdefault(f"source.bellwether.{asset.replace('/', '.')}", []).append(batch_id)
    models = {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    affected: set[str] = set()
    for source, its_batches in batches.items():
        is_of_news = source in _OF_NEWS
        tells_of_call = is_of_news and _tells_of_call(con, source, its_batches)
        waiting = [source]
        reached: set[str] = set()
        while waiting:
            parent = waiting.pop()
            for unique_id in models.keys() - reached:
                node = models[unique_id]
                if parent not in node["depends_on"]["nodes"]:
                    continue
                meta = node["config"]["meta"]
                if is_of_news and meta.get("only_calls") and not tells_of_call:
                    continue
                if parent == source and meta.get("only_tickers"):
                    known = f"{quoted(node['schema'])}.{quoted(node['name'])}"
                    if not _has_new_ticker(con, source, its_batches, known):
                        continue
                reached.add(unique_id)
                waiting.append(unique_id)
        affected |= reached
    affected |= {unique_id for unique_id in models if "always" in models[unique_id]["tags"]}
    return sorted(models[unique_id]["name"] for unique_id in affected)


def _has_new_ticker(
    con: duckdb.DuckDBPyConnection, source: str, batches: Collection[str], known: str
) -> bool:
    """Whether batches of a raw table tell of a ticker that a relation has no row of."""
    rows = con.execute(
        f"""
        select count(*) from raw.{quoted(source.rpartition(".")[2])} as told
        where list_contains(?, told.batch_id) and told.ticker not in (select ticker from {known})
        """,
        [list(batches)],
    ).fetchall()
    return bool(rows[0][0])


def _tells_of_call(con: duckdb.DuckDBPyConnection, source: str, batches: Collection[str]) -> bool:
    """Whether batches of news, or of its scores, tell anew of items that hold broker calls."""
    rows = con.execute(
        f"""
        select count(*) from raw.{quoted(source.rpartition(".")[2])} as told
        inner join raw.broker_calls as calls
            on calls.news_id = told.news_id and calls.ticker = told.ticker
        where list_contains(?, told.batch_id)
        """,
        [list(batches)],
    ).fetchall()
    return bool(rows[0][0])


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
