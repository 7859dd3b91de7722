"""The tickers we cover, as `warehouse/universe.csv` lists them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from warehouse.errors import SourceError, UsageError
from warehouse.settings import SEEDS, UNIVERSE_CSV
from warehouse.sources import Drift, Unit

COLUMNS = (
    "ticker",
    "benchmark",
    "exchange",
    "currency",
    "listed_from",
    "listed_to",
    "successor",
)


_SYMBOL = re.compile(r"[\^A-Z0-9][A-Z0-9.\^=&_-]{0,23}")


class UniverseError(UsageError):
    """The universe cannot be changed as asked."""


class Universe:
    """The source of `raw.universe`. A ticker taken off the list stays stored, as not covered."""

    name = "universe"
    tables: tuple[str, ...] = ("universe",)
    requests = 0
    drifts: Sequence[Drift] = ()

    def __init__(self, con: duckdb.DuckDBPyConnection, path: Path = UNIVERSE_CSV) -> None:
        """Read the list at `path`; look up through `con` what was covered before."""
        self.con = con
        self.path = path

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return the one list."""
        return [Unit()]

    def universe(self, unit: Unit) -> pd.DataFrame:
        """Return every ticker of the list, and those stored that are no longer on it."""
        listed = pd.DataFrame(read(self.path), columns=list(COLUMNS)).assign(is_covered=True)
        stored = self.con.execute(
            "select distinct ticker from raw.universe where source = ?", [self.name]
        ).fetchall()
        gone = sorted({row[0] for row in stored} - set(listed["ticker"]))
        return pd.concat(
            [listed, pd.DataFrame({"ticker": gone, "is_covered": False})], ignore_index=True
        ).astype({"is_covered": bool})

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Do nothing: the list stays where it is."""


def read(path: Path = UNIVERSE_CSV) -> list[dict[str, str]]:
    """Return the entries of the list, a dictionary of `COLUMNS` each."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: row.get(name) or "" for name in COLUMNS} for row in csv.DictReader(file)]


def add(ticker: str, path: Path = UNIVERSE_CSV, **fields: str | None) -> None:
    """Put a ticker on the list.

    Raises `UniverseError` when it is on it already, or a field is not what it should be.
    """
    entries = read(path)
    _refuse(ticker, fields)
    if any(entry["ticker"] == ticker for entry in entries):
        raise UniverseError(f"{ticker} is in {path.name} already.")
    entries.append({"ticker": ticker, **{name: value or "" for name, value in fields.items()}})
    _write(path, entries)


def _refuse(ticker: str, fields: Mapping[str, str | None]) -> None:
    for symbol in filter(None, (ticker, fields.get("benchmark"), fields.get("successor"))):
        if not _SYMBOL.fullmatch(symbol):
            raise UniverseError(
                f"'{symbol}' is not a symbol as Yahoo spells them: capitals, digits and .^=&_-"
            )
    known = {"exchange": _seed("exchanges", "value"), "currency": _seed("currencies", "code")}
    for name, values in known.items():
        told = fields.get(name)
        if told and told not in values:
            raise UniverseError(f"'{told}' is no {name} that dbt_project/seeds knows.")
    for name in ("listed_from", "listed_to"):
        try:
            date.fromisoformat(fields.get(name) or "2000-01-01")
        except ValueError:
            raise UniverseError(f"{name} '{fields[name]}' is not a date (YYYY-MM-DD).") from None


def _seed(name: str, column: str) -> set[str]:
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return {row[column] for row in csv.DictReader(file)}


def remove(ticker: str, path: Path = UNIVERSE_CSV) -> None:
    """Take a ticker off the list; what is stored of it stays.

    Raises `UniverseError` when it is not on the list.
    """
    entries = read(path)
    left = [entry for entry in entries if entry["ticker"] != ticker]
    if len(left) == len(entries):
        raise UniverseError(f"{ticker} is not in {path.name}.")
    _write(path, left)


def _write(path: Path, entries: list[dict[str, str]]) -> None:
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(entries, key=lambda entry: entry["ticker"]))
    unfinished.replace(path)
