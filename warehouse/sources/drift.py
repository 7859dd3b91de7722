"""Whether answers have the fields declared in the seed `yahoo_fields`, of the types declared.

A field that is `always` there is missed in any answer; one that is `usual`, which some companies
lack for good reasons, is missed when none of at least `ENOUGH` answers has it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from warehouse.settings import SEEDS
from warehouse.sources import Drift

ENOUGH = 5
_MISSING = object()


@dataclass(frozen=True)
class Field:
    """A field we read: `path` leads to it through an answer, `[]` through every item of a list."""

    answer: str
    path: tuple[str, ...]
    type: str
    is_always: bool

    @property
    def name(self) -> str:
        """The field as the seed spells it, behind the name of its answer."""
        return f"{self.answer}: {'.'.join(self.path).replace('.[]', '[]')}"


class Watch:
    """Looks at the answers of one table of one load, and tells what was other than declared."""

    def __init__(self, table: str) -> None:
        """Watch the fields that `table` is made of."""
        self._fields = declared(table)
        self._drifts: dict[Drift, None] = {}
        self._seen: Counter[Field] = Counter()
        self._present: Counter[Field] = Counter()

    def look(
        self, ticker: str, answer: str, content: Any, *, is_unreadable: bool = False
    ) -> list[Drift]:
        """Compare one answer with what is declared; returns what is wrong with this one.

        In an answer that could not be read, any field that is missing may be why.
        """
        found: list[Drift] = []
        for field in self._fields:
            if field.answer != answer:
                continue
            values = list(_values(content, field.path))
            present = [value for value in values if value is not _MISSING]
            if (field.is_always or is_unreadable) and len(present) < len(values):
                found.append(Drift(ticker, field.name, field.type, "missing"))
            elif not field.is_always:
                self._seen[field] += bool(values)
                self._present[field] += bool(present)
            others = sorted({kind for v in present if (kind := _other_type(v, field.type))})
            found += [Drift(ticker, field.name, field.type, kind) for kind in others]
        self._drifts.update(dict.fromkeys(found))
        return found

    @property
    def drifts(self) -> list[Drift]:
        """Everything found so far."""
        lost = [
            Drift(None, field.name, field.type, "missing")
            for field, count in self._seen.items()
            if count >= ENOUGH and not self._present[field]
        ]
        return [*self._drifts, *lost]


@cache
def declared(table: str) -> tuple[Field, ...]:
    """Fields the seed declares for a raw table."""
    with (SEEDS / "yahoo_fields.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Field(
                row["answer"],
                tuple(row["field"].replace("[]", ".[]").split(".")),
                row["type"],
                row["presence"] == "always",
            )
            for row in csv.DictReader(file)
            if row["table_name"] == table
        )


def _values(content: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """What stands at the end of a path: once, or once for each item of the lists on its way.

    Where an optional part on the way is null there is nothing to miss.
    """
    if not path:
        yield content
        return
    step, *rest = path
    if step == "[]":
        items: Iterable[Any] = content if isinstance(content, list) else ()
        for item in items:
            # Advertisements stand in the stream without content of their own.
            if not (isinstance(item, dict) and item.get("ad")):
                yield from _values(item, tuple(rest))
    elif content is None:
        return
    elif isinstance(content, dict) and step in content:
        yield from _values(content[step], tuple(rest))
    else:
        yield _MISSING


def _other_type(value: Any, declared_type: str) -> str | None:
    """Name of the type of a value that is not the one declared; None where it is, or is blank."""
    if declared_type == "figure":  # {"raw": 1.5, "fmt": "1.50"}, or {} where there is none
        if isinstance(value, dict) and value and "raw" not in value:
            return "object without raw"
        if isinstance(value, dict):
            return _other_type(value.get("raw"), "number")
    is_right = {
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "figure": False,
        "text": isinstance(value, str),
        "object": isinstance(value, dict),
    }[declared_type]
    if value is None or is_right:
        return None
    names = {str: "text", bool: "boolean", int: "number", float: "number", list: "list"}
    return names.get(type(value), "object")
