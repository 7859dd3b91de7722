"""Fixtures that more than one test file uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from warehouse import store as store_module
from warehouse.settings import Home
from warehouse.store import Warehouse


class Clock:
    """A clock that tells what it was set to, a microsecond later at every look."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def store(home: Home) -> Iterator[Warehouse]:
    with Warehouse(home.build) as warehouse:
        yield warehouse


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(datetime(2025, 12, 1, 22))
    monkeypatch.setattr(store_module, "_utc_now", clock)
    return clock
