"""Where things are: the project's folders and the home in which all data of one warehouse live."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.errors import HomeError

PROJECT = Path(__file__).resolve().parent.parent
DBT_PROJECT = PROJECT / "dbt_project"
SEEDS = DBT_PROJECT / "seeds"
UNIVERSE_CSV = Path(__file__).with_name("universe.csv")

DATABASE = "bellwether.duckdb"
ENVIRONMENT_VARIABLE = "BELLWETHER_HOME"
MEMORY_VARIABLE = "BELLWETHER_MEMORY"


def memory_limit() -> str:
    """Return how much memory DuckDB may take, such as 6GB; `HomeError` where that is no size."""
    if not (memory := os.environ.get(MEMORY_VARIABLE)):
        return "6GB"
    message = f"{MEMORY_VARIABLE} is '{memory}', which is not a size like 6GB or 800MB."
    if not memory.lstrip()[0:1].isdigit():  # DuckDB takes -1 and none for no limit at all
        raise HomeError(message)
    try:
        duckdb.connect(config={"memory_limit": memory}).close()
    except duckdb.Error as error:
        raise HomeError(message) from error
    return memory


@dataclass(frozen=True)
class Home:
    """The folder that holds all data of one warehouse.

    `build` is the pipeline's own database; `published` is what everybody else opens.
    """

    path: Path

    @classmethod
    def find(cls, path: Path | None = None, *, demo: bool = False) -> Home:
        """Return the home given, else the demo's, else that of the environment, else `data/`."""
        if path is None and demo:
            path = PROJECT / "data" / "demo"
        if path is None:
            path = Path(os.environ.get(ENVIRONMENT_VARIABLE) or PROJECT / "data")
        return cls(path.expanduser().resolve())

    @property
    def build(self) -> Path:
        """The database the pipeline writes; nobody else opens it."""
        return self.path / "build" / DATABASE

    @property
    def published(self) -> Path:
        """The link to the newest published database."""
        return self.path / DATABASE

    @property
    def versions(self) -> Path:
        """The folder of published versions."""
        return self.path / "published"

    @property
    def attempts(self) -> Path:
        """The small database of how recent attempts ended, which every ingest replaces."""
        return self.path / "attempts.duckdb"

    @property
    def site(self) -> Path:
        """The folder of the static site."""
        return self.path / "site"

    @property
    def inbox(self) -> Path:
        """The folder in which files arrive, one folder per raw table."""
        return self.path / "inbox"

    @property
    def yahoo(self) -> Path:
        """The folder of what must be known of Yahoo between runs: requests, rests, cookies."""
        return self.path / "yahoo"

    @property
    def backups(self) -> Path:
        """The folder of backups of the raw store."""
        return self.path / "backups"

    @property
    def digests(self) -> Path:
        """The folder of the daily digests."""
        return self.path / "digests"

    @property
    def dagster(self) -> Path:
        """Dagster's own home: its runs, schedules and event log."""
        return self.path / "dagster"

    @property
    def dagster_settings(self) -> Path:
        """The file of Dagster's settings that this home wants otherwise, if any."""
        return self.path / "dagster.yaml"

    @property
    def dbt(self) -> Path:
        """The folder of dbt's compiled SQL and logs."""
        return self.path / "build" / "dbt"
