"""A small dbt project made of the real one's parts, and homes with a real Dagster instance."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from orchestration import run
from warehouse import settings
from warehouse.settings import Home

STAGING = (
    "sessions",
    "universe",
    "securities",
    "listings",
    "calendar_days",
    "changes",
    "price_changes",
    "price_loads",
    "splits",
    "prices",
)
CLOSES = """select ticker, max(session_date) as session_date, count(*) as bar_count
from {{ ref("stg_prices") }}
group by ticker
"""
CLOSES_YML = """version: 2
models:
  - name: closes
    description: "One row per ticker."
    data_tests:
      - grain: {arguments: {columns: [ticker]}}
    columns:
      - {name: ticker, description: "Symbol."}
      - {name: bar_count, description: "How many bars we hold."}
"""

Drop = Callable[..., Path]


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_project(tmp_path_factory.mktemp("small") / "dbt_project")


def make_small_project(project: Path) -> Path:
    """Make the dbt project, with only the staging that prices need and one small mart."""
    real = settings.DBT_PROJECT
    for part in ("dbt_project.yml", "profiles.yml"):
        (project / part).parent.mkdir(exist_ok=True)
        shutil.copyfile(real / part, project / part)
    shutil.copytree(real / "macros", project / "macros")
    shutil.copytree(real / "tests" / "generic", project / "tests" / "generic")
    (project / "seeds").mkdir()
    for seed in ("currencies", "exchanges", "source_priority"):
        shutil.copyfile(real / "seeds" / f"{seed}.csv", project / "seeds" / f"{seed}.csv")
    staging = project / "models" / "staging"
    staging.mkdir(parents=True)
    shutil.copyfile(real / "models" / "staging" / "_sources.yml", staging / "_sources.yml")
    for table in STAGING:
        name = f"stg_{table}.sql"
        shutil.copyfile(real / "models" / "staging" / name, staging / name)
    marts = project / "models" / "marts"
    marts.mkdir()
    (marts / "closes.sql").write_text(CLOSES)
    (marts / "_closes.yml").write_text(CLOSES_YML)
    return project


@pytest.fixture
def project(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small project in the place of the real one."""
    monkeypatch.setattr(settings, "DBT_PROJECT", small_project)
    return small_project


@pytest.fixture
def own_project(small_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small project that a test may change."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(small_project, copy)
    monkeypatch.setattr(settings, "DBT_PROJECT", copy)
    return copy


@pytest.fixture(scope="session")
def empty_dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster home whose databases exist already, to be copied: making them takes a while."""
    home = Home(tmp_path_factory.mktemp("dagster"))
    run.prepare_dagster_home(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.get_run_records(limit=1)
        instance.get_asset_records([])
        instance.all_instigator_state()
    return home.dagster


@pytest.fixture
def home(tmp_path: Path, empty_dagster_home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, which the environment names as a daemon's would."""
    home = Home(tmp_path / "home")
    shutil.copytree(empty_dagster_home, home.dagster)
    for table in ("prices", "ratings", "news"):
        (home.inbox / table).mkdir(parents=True)
    monkeypatch.setenv(settings.ENVIRONMENT_VARIABLE, str(home.path))
    return home


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        yield instance


@pytest.fixture
def drop(home: Home) -> Drop:
    """Drop a CSV file into the inbox."""

    def drop(table: str, *rows: str, name: str = "a.csv") -> Path:
        file = home.inbox / table / name
        file.write_text("\n".join(rows) + "\n")
        return file

    return drop


BARS = (
    "ticker,session_date,open,high,low,close,volume,currency",
    "ABC,2026-11-19,10,11,9,10.5,1000,USD",
    "ABC,2026-11-20,10.5,12,10,11.5,2000,USD",
    "XYZ.L,2026-11-20,1,2,1,1.5,300,GBp",
)
MORE_BARS = (BARS[0], "ABC,2026-11-18,9,10,8,9.5,1000,USD")
