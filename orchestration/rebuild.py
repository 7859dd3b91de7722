"""Whether tables that builds went on from, again and again, are what the raw rows alone make."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orchestration import dbt
from orchestration.time_machine import database
from warehouse import publish
from warehouse.doctor import Check
from warehouse.errors import HomeError
from warehouse.settings import Home, memory_limit
from warehouse.store import literal, quoted

TOLERANCE = 1e-12
_FLOATS = ("DOUBLE", "FLOAT")
# What two large sums leave of each other is as exact as they are.
_TERMS = {"macd": "close", "macd_signal": "close"}
_CHECK = "rebuild"
_MOST_TOLD = 10


@dataclass(frozen=True)
class Difference:
    """Where two builds of a table differ, in how many rows, and the key of one of them.

    `column` is blank where a row is in one of them alone.
    """

    table: str
    column: str
    rows: int
    example: str

    def __str__(self) -> str:
        """Say it in a few words."""
        return f"{self.table} {self.column or 'rows'}: {self.rows:,} differ, as {self.example}"


def check(home: Home, on_node: Callable[[str, str], None] | None = None) -> Check:
    """Build all marts of the published file anew from its raw rows, beside it, and compare.

    Raises `HomeError` when nothing is published, `TimeMachineError` when a model or test failed.
    """
    made = publish.newest(home)
    if made is None:
        raise HomeError(f"Nothing is published in {home.path} yet. Run `bellwether refresh`.")
    published, manifest = home.published.resolve(), dbt.prepare_manifest()
    with publish.reading(home) as con:
        built_of = con.execute("select code_version from raw.builds where model = '*'").fetchone()
    if built_of != (manifest.folder.name,):
        return Check(
            _CHECK,
            "warn",
            "the published marts were built by other models than the project has now",
            "Run `bellwether refresh` first.",
        )
    anew = database(home, datetime.fromisoformat(made.as_of), on_node)
    grains = tables(manifest.content)
    found = [str(difference) for difference in differences(published, anew, grains)]
    if not found:
        equal = f"{len(grains)} tables equal what their raw rows make anew"
        return Check(_CHECK, "ok", equal)
    return Check(
        _CHECK,
        "fail",
        f"not what the raw rows make anew: {'; '.join(found[:_MOST_TOLD])}",
        "Run `bellwether refresh --anew`, and keep the finding: it is a fault of Bellwether.",
    )


def tables(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return each mart and each table that builds go on from, with the columns of its grain."""
    nodes = manifest["nodes"]
    grains = {
        node["attached_node"]: node["test_metadata"]["kwargs"]["columns"]
        for node in nodes.values()
        if (node.get("test_metadata") or {}).get("name") == "grain"
    }
    return {
        f"{node['schema']}.{node['name']}": grains[unique_id]
        for unique_id, node in sorted(nodes.items())
        if node["resource_type"] == "model"
        and (node["schema"] == "marts" or node["config"]["materialized"] == "incremental")
    }


def differences(one: Path, other: Path, grains: Mapping[str, list[str]]) -> list[Difference]:
    """Compare tables of two databases, row by row, by the columns of their grain.

    Floats are equal within `TOLERANCE` of the larger, of 1 (a share, or a difference of shares), or
    of the terms they are a difference of, because sums come in other orders; all else exactly.
    """
    with duckdb.connect(config={"memory_limit": memory_limit()}) as con:
        con.execute("set preserve_insertion_order = false")
        con.execute(f"attach {literal(str(one))} as one (read_only)")
        con.execute(f"attach {literal(str(other))} as other (read_only)")
        return [
            difference for table in grains for difference in _differences(con, table, grains[table])
        ]


def _differences(con: duckdb.DuckDBPyConnection, table: str, grain: list[str]) -> list[Difference]:
    kinds: dict[str, list[tuple[str, str]]] = {"one": [], "other": []}
    for side in kinds:
        kinds[side] = con.execute(
            "select column_name, data_type from duckdb_columns() where database_name = ? "
            "and schema_name || '.' || table_name = ? order by column_index",
            [side, table],
        ).fetchall()
    if kinds["one"] != kinds["other"] or not kinds["one"]:
        return [Difference(table, "", 0, "their columns are not the same")]
    is_single = f"one.{quoted(grain[0])} is null or other.{quoted(grain[0])} is null"
    tests = {"": is_single}
    for column, kind in kinds["one"]:
        a, b = f"one.{quoted(column)}", f"other.{quoted(column)}"
        tests[column] = f"not ({is_single}) and {a} is distinct from {b}"
        if kind in _FLOATS:
            terms = f"one.{quoted(_TERMS[column])}" if column in _TERMS else "1"
            size = f"greatest(abs({a}), abs({b}), {terms})"
            tests[column] += f" and coalesce(abs({a} - {b}) > {TOLERANCE} * {size}, true)"
    key = ", ".join(f"{quoted(k)}: coalesce(one.{quoted(k)}, other.{quoted(k)})" for k in grain)
    figures = ", ".join(
        f"count(*) filter (where {test}), any_value({{{key}}}) filter (where {test})"
        for test in tests.values()
    )
    same_key = " and ".join(f"one.{quoted(k)} = other.{quoted(k)}" for k in grain)
    row = con.execute(
        f"select {figures} from one.{table} as one full join other.{table} as other on {same_key}"
    ).fetchone()
    assert row is not None
    return [
        Difference(table, column, row[2 * n], json.dumps(row[2 * n + 1], default=str))
        for n, column in enumerate(tests)
        if row[2 * n]
    ]
