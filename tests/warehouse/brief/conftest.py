"""The simulated sample, built, published and written as a site once for all these tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from orchestration.time_machine import database
from warehouse import publish
from warehouse.settings import DATABASE, Home
from warehouse.sources.calendars import moment


@pytest.fixture(scope="session")
def as_of(sample: Home) -> str:
    """The moment the sample's published marts show."""
    made = publish.newest(sample)
    assert made is not None
    return made.as_of


@pytest.fixture
def marts(sample: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with publish.reading(sample) as con:
        yield con


PAST = moment("2025-08-01")


@pytest.fixture(scope="session")
def past(sample: Home) -> Path:
    """The time machine's file for the past moment these tests ask for."""
    assert isinstance(PAST, datetime)
    return database(sample, PAST)


def published_copy(home: Home, folder: Path) -> Home:
    """Copy what a home has published into another home, and let it be written."""
    copy = Home(folder)
    version = home.published.resolve().parent
    shutil.copytree(version, copy.versions / version.name)
    (copy.versions / version.name / DATABASE).chmod(0o644)
    copy.published.symlink_to(Path("published") / version.name / DATABASE)
    return copy
