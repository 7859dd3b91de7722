"""Fixtures that more than one test file uses."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warehouse import store as store_module
from warehouse.settings import Home
from warehouse.store import Warehouse

if TYPE_CHECKING:
    from tests.yahoo_emulator import Emulator


# The files that take longest, by processor time. They are begun first, so that no worker is left
# with one of them when the others are done.
LONGEST = (
    "test_real_data.py",
    "test_readme.py",
    "test_consensus_history.py",
    "test_faults.py",
    "test_cli.py",
    "test_screener.py",
    "test_rebuild.py",
    "test_builds.py",
    "test_risk_flags.py",
    "test_yahoo_recorded.py",
    "test_flags_incremental.py",
    "test_as_of.py",
    "test_momentum.py",
    "test_consensus.py",
    "test_daemon.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


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


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the simulated sample, built and published once; each worker has a copy."""
    from orchestration import run

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    first, built = Home(folder / "sample"), folder / "sample.built"
    with (folder / "sample.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            shutil.rmtree(first.path, ignore_errors=True)
            run.prepare(first)
            assert run.run_ingest(first, "sample").success
            outcome = run.run_refresh(first)
            assert outcome.success, outcome.failures
            built.touch()
    # Tests have past moments built in it, and look at which there are.
    home = Home(tmp_path_factory.mktemp("sample") / "home")
    shutil.copytree(first.path, home.path, symlinks=True)
    return home


def quick() -> dict[str, str]:
    """Settings of a client that is fast and soon discouraged; tests set what they are about."""
    manners = {
        "REQUESTS_PER_MINUTE": "6000000",
        "REQUESTS_PER_DAY": "1000000",
        "BACK_OFF_SECONDS": "0.01",
        "TIMEOUT_SECONDS": "5",
    }
    return {f"BELLWETHER_YAHOO_{name}": value for name, value in manners.items()}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the throw-away certificates of one test session."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture
def emulator(authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator that this process and its children ask, and a client that remembers nothing."""
    from tests.yahoo_emulator import Emulator

    forget_client()
    with Emulator(authority, patience=1.5) as emulator:
        for name, value in {**quick(), **emulator.environment}.items():
            monkeypatch.setenv(name, value)
        yield emulator
    forget_client()


def forget_client() -> None:
    """Bring the client into the state of a new process: no session, no crumb, no open caches."""
    from yfinance import cache
    from yfinance.data import SingletonMeta

    from warehouse.sources.yahoo import conversation

    conversation.cache_clear()
    SingletonMeta._instances.clear()
    cache._TzDBManager.close_db()
    cache._CookieDBManager.close_db()
    cache._TzDBManager._db = cache._CookieDBManager._db = None
    cache._TzCacheManager._tz_cache = None
    cache._CookieCacheManager._Cookie_cache = None
