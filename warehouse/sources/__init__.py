"""Where facts come from: a source has one method per raw table it can tell of, named like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from warehouse.errors import HomeError, SourceError
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


class Source(Protocol):
    """A place facts come from.

    For each raw table in `tables` there is a method of that name: given a `Unit` it returns a frame
    with columns of that raw table, or raises a `SourceError`.
    """

    name: str
    tables: tuple[str, ...]

    def pending(self, table: str, tickers: Sequence[str]) -> list[Unit]:
        """Units to fetch now, in order; an empty `tickers` means all."""
        ...

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Hear how a unit ended: stored, with what the store refused of it, or failed."""
        ...


SOURCES = ("inbox", "sample")


def open_source(name: str, home: Home, warehouse: Warehouse) -> Source:
    """Return the source of that name, reading through the connection of `warehouse`."""
    if name == "inbox":
        from warehouse.sources.inbox import Inbox

        return Inbox(home.inbox, warehouse.con)
    if name == "sample":
        return _sample()
    raise HomeError(f"There is no source '{name}'. Choose one of: {', '.join(SOURCES)}.")


@cache
def _sample() -> Source:
    """Return the one sample: its tables rest on the same simulated prices."""
    from warehouse.sources.sample import Sample

    return Sample()
