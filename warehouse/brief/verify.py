"""Verify a brief: look its raw cells up, and compose it again from marts built anew."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse.brief.compose import Marts, bar_digests, compose, rules_of
from warehouse.brief.facts import plain
from warehouse.errors import UsageError
from warehouse.store import quoted


@dataclass(frozen=True)
class Verdict:
    """Whether one sentence of a brief reproduces, and if not, why."""

    section: str
    text: str
    reproduces: bool
    reasons: tuple[str, ...]


def read(file: Path) -> dict[str, Any]:
    """Return the brief in a file.

    Raises `UsageError` when it is not one that `bellwether brief --json` wrote.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        for section in told["sections"]:
            str(section["title"])
            for sentence in section["sentences"]:
                str(sentence["text"])
                for cell in sentence["evidence"]:
                    (cell["table"], cell["column"], cell["value"], cell["row_id"], cell["key"])
        (str(told["ticker"]), str(told["as_of"]), dict(told.get("bars") or {}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} is not a brief as `bellwether brief --json` writes it: {error!r}"
        ) from None
    return dict(told)


def verify(told: Mapping[str, Any], con: duckdb.DuckDBPyConnection, moment: str) -> list[Verdict]:
    """Return a verdict on each sentence of a brief, and on each that was taken out of it.

    `con` holds raw rows and the marts built from them as of `moment`, the brief's. A sentence
    reproduces when every cell it rests on has the value told, and the rules compose it again.
    """
    columns = {
        (f"{schema}.{table}", column)
        for schema, table, column in con.execute(
            "select schema_name, table_name, column_name from duckdb_columns()"
        ).fetchall()
    }
    try:
        composed = compose(con, str(told["ticker"]), moment)
    except UsageError:
        again: dict[str, list[str]] = {}
    else:
        again = {part.title: [one.text for one in part.sentences] for part in composed.sections}
    everywhere = {text for texts in again.values() for text in texts}
    bars = _changed_bars(con, told)
    rules = rules_of(Marts(con, str(told["ticker"])))
    is_of_others = None not in (told.get("rules"), rules) and told["rules"] != rules
    verdicts = []
    for section in told["sections"]:
        for sentence in section["sentences"]:
            reasons = [
                reason
                for cell in sentence["evidence"]
                if (reason := _differs(con, columns, cell)) is not None
            ]
            if not sentence["evidence"]:
                reasons.append("it carries no evidence")
            if sentence["text"] not in everywhere:
                reasons.append(
                    "from the raw rows of now, the rules of now do not compose this sentence"
                )
            # A figure of a window names few of its bars: say which of the others changed.
            if reasons and not any(reason.startswith("raw.") for reason in reasons):
                reasons += bars
                if is_of_others:
                    reasons.append(
                        f"its marts were built by other rules ({told['rules']}) than those of "
                        f"now ({rules}): so it may differ without any change of raw rows"
                    )
            verdicts.append(
                Verdict(section["title"], sentence["text"], not reasons, tuple(reasons))
            )
    return verdicts + _taken_out(told, again)


def _taken_out(told: Mapping[str, Any], again: Mapping[str, list[str]]) -> list[Verdict]:
    """Return a verdict on each sentence that is composed beyond those a section tells.

    One that is told in other words stands for the one that is composed in its place.
    """
    verdicts = []
    for title, composed in again.items():
        texts = [
            sentence["text"]
            for section in told["sections"]
            if section["title"] == title
            for sentence in section["sentences"]
        ]
        absent = [text for text in composed if text not in texts]
        changed = sum(text not in composed for text in texts)
        verdicts += [
            Verdict(
                title, text, False, ("the rules compose this sentence, and the brief lacks it",)
            )
            for text in absent[changed:]
        ]
    return verdicts


def _changed_bars(con: duckdb.DuckDBPyConnection, told: Mapping[str, Any]) -> list[str]:
    """Say which of the bars that a brief's figures may rest on are not what they were."""
    then = dict(told.get("bars") or {})
    if not then:
        return []
    now = bar_digests(Marts(con, str(told["ticker"])))
    days = dict(
        con.execute(
            "select row_id, session_date from raw.prices where list_contains(?, row_id)",
            [[*then, *now]],
        ).fetchall()
    )
    said = []
    for row_id in dict.fromkeys((*then, *now)):
        place = f"raw.prices {row_id} of {days.get(row_id, 'a day unknown')}"
        if row_id not in now:
            said.append(f"{place}, on which it may rest, is not there")
        elif row_id not in then:
            said.append(f"{place}, on which it may rest, was not known")
        elif now[row_id] != then[row_id]:
            said.append(f"{place}, on which it may rest, has changed")
    more = [f"and {len(said) - 5} more bars"] if len(said) > 5 else []
    return said[:5] + more


def _differs(
    con: duckdb.DuckDBPyConnection, columns: set[tuple[str, str]], cell: Mapping[str, Any]
) -> str | None:
    """Say how a cell differs from what the database holds, or nothing if it does not."""
    table, column = str(cell["table"]), str(cell["column"])
    key = {"row_id": cell["row_id"]} if cell["row_id"] else dict(cell["key"])
    place = f"{table} {' '.join(map(str, key.values()))} {column}"
    # The file is not ours: only names of the catalogue get into SQL.
    if not key or any((table, name) not in columns for name in (column, *key)):
        return f"{place}: there is no such cell"
    name = ".".join(quoted(part) for part in table.split("."))
    found = con.execute(
        f"select {quoted(column)} from {name} where "
        + " and ".join(f"cast({quoted(part)} as varchar) = ?" for part in key),
        [str(value) for value in key.values()],
    ).fetchall()
    if not found:
        return f"{place}: the row is not there"
    values = [plain(row[0]) for row in found]
    if any(_equal(value, cell["value"]) for value in values):
        return None
    return f"{place}: {values[0]}, told {cell['value']}"


def _equal(one: Any, other: Any) -> bool:
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)
