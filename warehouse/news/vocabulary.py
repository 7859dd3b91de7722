"""The seeds the scorers read, as plain files; there is no other copy of a rule or a word."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from warehouse.settings import SEEDS


def rows(seed: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a seed."""
    with (SEEDS / f"{seed}.csv").open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def by_class(told: Iterable[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return the words of a seed's rows by class."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in told:
        found[row["class"]].append(row["word"])
    return {name: tuple(members) for name, members in found.items()}


@cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """Words by class, as patterns name them."""
    return by_class(rows("word_classes"))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return the words of one class."""
    return frozenset(word_classes()[name])


@cache
def settings() -> dict[str, float]:
    """Numbers of `scorer_settings` by name."""
    return {row["name"]: float(row["value"]) for row in rows("scorer_settings")}
