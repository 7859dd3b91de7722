"""Where facts come from: a source has one method per raw table it can tell of, named like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from warehouse.errors import SourceError, UsageError
from warehouse.settings import Home

if TYPE_CHECKING:
    from warehouse.store import Warehouse


@dataclass(frozen=True)
class Unit:
    """What one attempt fetches: a ticker's rows, a file's, a part of a stored batch, or all."""

    ticker: str | None = None
    file: Path | None = None
    file_hash: str | None = None
    part: tuple[str, int] | None = None


@dataclass(frozen=True)
class Drift:
    """A field of an answer that was not as declared; `ticker` is None where it is so for all."""

    ticker: str | None
    field: str
    expected: str
    found: str


class Source(Protocol):
    """A place facts come from.

    For each raw table in `tables` there is a method of that name: given a `Unit` it returns a frame
    with columns of that raw table, or raises a `SourceError`.
    """

    name: str
    tables: tuple[str, ...]

    @property
    def requests(self) -> int:
        """HTTP requests sent since this source was opened."""
        ...

    @property
    def drifts(self) -> Sequence[Drift]:
        """Fields found other than declared since this source was opened."""
        ...

    def pending(self, table: str, tickers: Sequence[str]) -> list[Unit]:
        """Units to fetch now, in order; an empty `tickers` means all."""
        ...

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Hear how a unit ended: stored, with what the store refused of it, or failed."""
        ...


SOURCES = ("inbox", "yahoo", "sample")


def open_source(name: str, home: Home, warehouse: Warehouse, load_id: str) -> Source:
    """Return the source of that name, reading through the connection of `warehouse`.

    Tables of one load share what the source was asked.
    """
    if name == "inbox":
        from warehouse.sources.inbox import Inbox

        return Inbox(home.inbox, warehouse.con)
    if name == "yahoo":
        from warehouse.sources.yahoo import Yahoo, conversation

        return Yahoo(conversation(home.yahoo, load_id), warehouse.con)
    if name == "sample":
        return _sample()
    raise UsageError(f"There is no source '{name}'. Choose one of: {', '.join(SOURCES)}.")


@cache
def _sample() -> Source:
    """Return the one sample: its tables rest on the same simulated prices."""
    from warehouse.sources.sample import Sample

    return Sample()
