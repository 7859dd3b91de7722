"""Facts and sentences: nothing can be said without the rows it rests on."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Evidence:
    """One cell: of a raw table by its `row_id`, of any other by the columns of its `key`.

    `known_at`: the moment (UTC) we were told a raw row.
    """

    table: str
    column: str
    value: Value
    row_id: str | None = None
    key: tuple[tuple[str, str], ...] = ()
    known_at: str | None = None

    @property
    def is_raw(self) -> bool:
        """Whether it is a cell of what we were told, not of what we made of it."""
        return self.table.startswith("raw.")

    def as_json(self) -> dict[str, Any]:
        """Return it as the JSON of a brief has it."""
        return {
            "table": self.table,
            "key": dict(self.key),
            "row_id": self.row_id,
            "column": self.column,
            "value": self.value,
            "known_at": self.known_at,
        }


# At least one: a fact or a sentence without evidence does not pass the type checker.
Rests: TypeAlias = tuple[Evidence, *tuple[Evidence, ...]]


@dataclass(frozen=True)
class Fact:
    """A number or word as a sentence prints it, and the cells it rests on."""

    text: str
    evidence: Rests

    def __post_init__(self) -> None:
        """Refuse a fact that rests on nothing, also where no type checker looks."""
        if not self.evidence:
            raise ValueError(f"{self.text!r} has no evidence.")


@dataclass(frozen=True, init=False)
class Sentence:
    """A template filled with facts; its evidence is theirs."""

    text: str
    evidence: Rests

    def __init__(self, template: str, first: Fact, /, **facts: Fact) -> None:
        """Fill `{0}` with the first fact and the named places with the others.

        Raises `ValueError` when a place has no fact, or a fact no place.
        """
        places = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
        if places != {"0", *facts}:
            raise ValueError(f"{template!r} has places {sorted(places)}, facts {sorted(facts)}.")
        texts = {name: fact.text for name, fact in facts.items()}
        cells = [cell for fact in (first, *facts.values()) for cell in fact.evidence]
        head, *rest = dict.fromkeys(cells)
        object.__setattr__(self, "text", template.format(first.text, **texts))
        object.__setattr__(self, "evidence", (head, *rest))

    def as_json(self) -> dict[str, Any]:
        """Return it as the JSON of a brief has it."""
        return {"text": self.text, "evidence": [cell.as_json() for cell in self.evidence]}


@dataclass(frozen=True)
class Section:
    """A title and the sentences under it."""

    title: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Brief:
    """What is said of one ticker as of a moment (UTC).

    `rules` identifies the project that built the marts. `bars` are digests of the bars its figures
    may rest on, of which sentences name only some.
    """

    ticker: str
    name: str
    as_of: str
    is_simulated: bool
    sections: tuple[Section, ...]
    rules: str | None = None
    bars: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the brief as `bellwether brief --json` prints it."""
        return {
            "ticker": self.ticker,
            "as_of": self.as_of,
            "rules": self.rules,
            "sections": [
                {"title": part.title, "sentences": [one.as_json() for one in part.sentences]}
                for part in self.sections
            ],
            "bars": dict(self.bars),
        }


def plain(value: Any) -> Value:
    """Return a database's value as JSON has it: days and moments as text."""
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def clean(text: str) -> str:
    """Return outside text on one line, without control and direction characters."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return outside text on its lines, without other control and direction characters."""
    return "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")
    )


def keyed(columns: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the columns of a key as `Evidence` holds them."""
    return tuple((name, str(value)) for name, value in columns.items())
