"""Which tables a build goes on from: exactly those whose rows cannot have changed unseen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration import builds, dbt
from warehouse import settings
from warehouse.settings import Home
from warehouse.store import Warehouse

pytestmark = pytest.mark.slow

# Each row keeps the moment of the build that made it.
COUNTS = """{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_tickers(ref('stg_changes')) }}"
    )
}}
with changes as (select ticker from {{ ref("stg_changes") }})
select ticker, count(*) as bar_count, {{ doubled("sum(close)") }} as doubled, {{ as_of() }} as made
from {{ ref("stg_prices") }}
{% if is_incremental() %} where ticker in (select ticker from changes) {% endif %}
group by ticker
"""
TOTALS = """{{
    config(
        materialized="incremental",
        incremental_strategy="append",
        pre_hook="{{ delete_tickers(ref('stg_changes')) }}"
    )
}}
with changes as (select ticker from {{ ref("stg_changes") }})
select ticker, {{ as_of() }} as made from {{ ref("stg_ratings") }}
{% if is_incremental() %} where ticker in (select ticker from changes) {% endif %}
group by ticker
"""
RATINGS = "select distinct ticker from {{ source('raw', 'ratings') }}\n"
SCORES = "{{ config(meta={'only_calls': true}) }}\n"
SCORES += "select distinct ticker from {{ source('raw', 'news_signals') }}\n"
DELETE_TICKERS = """{% macro delete_tickers(changes) -%}
{%- if is_incremental() %} delete from {{ this }} where ticker in (select ticker from {{ changes }})
{%- endif -%} {%- endmacro %}
"""
DOUBLED = "{% macro doubled(x) -%} {{ adapter.dispatch('doubled')(x) }} {%- endmacro %}\n"
DOUBLED += "{% macro default__doubled(x) -%} 2 * {{ x }} {%- endmacro %}\n"
NOON = datetime(2027, 1, 4, 12)


@dataclass
class Project:
    """A project with two incremental models, its home, and the hour it is."""

    folder: Path
    home: Home
    hour: int = 0
    ran: frozenset[str] = frozenset()

    def tell(self, ticker: str, close: float) -> None:
        bar = {"ticker": ticker, "session_date": "2026-11-20", "close": close, "is_final": True}
        with Warehouse(self.home.build) as warehouse:
            warehouse.append("prices", pd.DataFrame([bar]), source="inbox")

    def rate(self, ticker: str, firm: str) -> None:
        event = {"ticker": ticker, "firm": firm, "graded_on": "2026-11-20", "to_grade": "Buy"}
        with Warehouse(self.home.build) as warehouse:
            warehouse.append("ratings", pd.DataFrame([event]), source="inbox")

    def build(
        self,
        as_of: datetime | None = None,
        select: list[str] | None = None,
        whole: bool = False,
        anew: bool = False,
    ) -> list[str]:
        """Build as of now, an hour later each time; return what was not good."""
        self.hour += 1
        as_of = as_of or NOON + timedelta(hours=self.hour)
        manifest = dbt.prepare_manifest()
        built = dbt.build(manifest, self.home, as_of=as_of, select=select, whole=whole, anew=anew)
        self.ran = frozenset(node.name.split(".")[1] for node in built if node.is_asset)
        return [node.name for node in built if not node.is_good]

    def made(self, table: str = "counts") -> dict[str, int]:
        """The hour at which each ticker's row was made."""
        with duckdb.connect(str(self.home.build), read_only=True) as con:
            rows = con.execute(f"select ticker, made from marts.{table}").fetchall()
        assert len(rows) == len(dict(rows))
        return {ticker: round((made - NOON) / timedelta(hours=1)) for ticker, made in rows}

    def doubled(self) -> dict[str, float]:
        with duckdb.connect(str(self.home.build), read_only=True) as con:
            return dict(con.execute("select ticker, doubled from marts.counts").fetchall())

    def change(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def parsed_project(small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with two incremental models, parsed."""
    folder = tmp_path_factory.mktemp("incremental") / "dbt_project"
    shutil.copytree(small_project, folder, ignore=shutil.ignore_patterns("target"))
    (folder / "models" / "marts" / "counts.sql").write_text(COUNTS)
    (folder / "models" / "marts" / "totals.sql").write_text(TOTALS)
    (folder / "macros" / "doubled.sql").write_text(DOUBLED)
    (folder / "macros" / "delete_tickers.sql").write_text(DELETE_TICKERS)
    (folder / "models" / "staging" / "stg_ratings.sql").write_text(RATINGS)
    (folder / "models" / "staging" / "scores.sql").write_text(SCORES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DBT_PROJECT", folder)
        dbt.prepare_manifest()
    return folder


@pytest.fixture
def project(
    parsed_project: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    own_project = tmp_path / "dbt_project"
    shutil.copytree(parsed_project, own_project)
    monkeypatch.setattr(settings, "DBT_PROJECT", own_project)
    clock = iter(NOON - timedelta(days=1) + timedelta(minutes=n) for n in range(600))
    monkeypatch.setattr("warehouse.store._utc_now", lambda: next(clock))
    project = Project(own_project, home)
    project.rate("AAA", "F")
    project.tell("AAA", 1)
    project.tell("BBB", 2)
    assert project.build() == []
    assert project.made() == {"AAA": 1, "BBB": 1}
    return project


def test_only_what_is_new_is_made_anew(project: Project) -> None:
    assert project.build() == []
    assert project.made() == {"AAA": 1, "BBB": 1}
    project.tell("BBB", 3)
    project.tell("CCC", 5)
    assert project.build() == []
    assert project.made() == {"AAA": 1, "BBB": 3, "CCC": 3}
    assert project.made("totals") == {"AAA": 1}
    assert project.doubled() == {"AAA": 2, "BBB": 6, "CCC": 10}


def test_a_build_anew_goes_on_from_no_table(project: Project) -> None:
    with duckdb.connect(str(project.home.build)) as con:
        con.execute("update marts.counts set doubled = -1")
    assert project.build(whole=True) == []
    assert project.doubled() == {"AAA": -1, "BBB": -1}
    assert project.build(anew=True) == []
    assert project.ran > EVERYTHING
    assert project.doubled() == {"AAA": 2, "BBB": 4}
    assert project.made() == {"AAA": 3, "BBB": 3}
    # And the next one goes on from these.
    assert project.build() == []
    assert project.made() == {"AAA": 3, "BBB": 3}


def test_a_changed_macro_seed_or_model_rebuilds_what_depends_on_it_and_nothing_else(
    project: Project,
) -> None:
    def rebuilt() -> set[str]:
        assert project.build() == []
        return {
            table
            for table in ("counts", "totals")
            if set(project.made(table).values()) == {project.hour}
        }

    project.change("macros/doubled.sql", "2 *", "2.0 *")
    assert rebuilt() == {"counts"}
    project.change("models/marts/totals.sql", "group by", "group  by")
    assert rebuilt() == {"totals"}
    project.change("models/staging/stg_ratings.sql", "select", "select ")
    assert rebuilt() == {"totals"}
    project.change("seeds/exchanges.csv", "\n", "\ncode,ZZZ,XNYS,USD\n")
    assert rebuilt() == {"counts", "totals"}
    project.change("models/marts/closes.sql", "select", "select ")
    assert rebuilt() == set()


def test_another_moment_is_shown_whole(project: Project) -> None:
    then = NOON - timedelta(days=2)
    assert project.build(then) == []
    assert project.made() == {"AAA": -48, "BBB": -48}
    # That table knows less than was stored when it was built, so nothing goes on from it.
    assert project.build() == []
    assert project.made() == {"AAA": project.hour, "BBB": project.hour}
    assert project.build(NOON + timedelta(hours=1)) == []
    assert project.made() == {"AAA": 1, "BBB": 1}


def test_after_a_partial_build_that_model_is_made_anew(project: Project) -> None:
    assert project.build(select=["counts"]) == []
    assert project.made() == {"AAA": 2, "BBB": 2}
    assert project.build() == []
    assert project.made() == {"AAA": 3, "BBB": 3}
    assert project.made("totals") == {"AAA": 1}
    assert project.build() == []
    assert project.made() == {"AAA": 3, "BBB": 3}


def test_a_crash_after_the_models_loses_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tell("BBB", 3)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(builds, "finish", crash)
        with pytest.raises(KeyboardInterrupt):
            project.build()
    assert project.made() == {"AAA": 1, "BBB": 2}
    # What died may have shown more than an earlier moment knows.
    assert project.build(NOON + timedelta(hours=1.5)) == []
    assert project.made() == {"AAA": 2, "BBB": 2}
    project.tell("BBB", 4)
    assert project.build() == []
    assert project.made() == {"AAA": 2, "BBB": 4}
    assert project.doubled()["BBB"] == 8


def test_a_failed_model_leaves_its_note_and_catches_up(project: Project) -> None:
    project.tell("BBB", 3)
    project.change("macros/doubled.sql", "2 *", "no_such_column *")
    assert project.build() == ["marts.counts"]
    project.tell("AAA", 7)
    project.change("macros/doubled.sql", "no_such_column *", "2 *")
    assert project.build() == []
    assert project.made() == {"AAA": 3, "BBB": 3}
    assert project.doubled() == {"AAA": 14, "BBB": 6}


def test_a_table_somebody_dropped_is_made_anew(project: Project) -> None:
    with duckdb.connect(str(project.home.build)) as con:
        con.execute("drop table marts.counts")
    assert project.build() == []
    assert project.made() == {"AAA": 2, "BBB": 2}
    assert project.made("totals") == {"AAA": 1}


def test_built_by_hand_every_model_is_made_anew(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.cli.main import dbtRunner

    monkeypatch.setenv("BELLWETHER_BUILD", str(project.home.build))
    folder = str(project.folder)
    result = dbtRunner().invoke(
        [
            "build",
            "--quiet",
            f"--project-dir={folder}",
            f"--profiles-dir={folder}",
            f"--target-path={tmp_path / 'target'}",
            f"--log-path={tmp_path / 'log'}",
            f"--vars={{as_of: '{NOON + timedelta(hours=9)}'}}",
        ]
    )
    assert result.success
    assert project.made() == {"AAA": 9, "BBB": 9}


EVERYTHING = frozenset({"stg_sessions", "stg_prices", "closes", "counts", "totals", "exchanges"})


def test_only_what_reads_a_table_with_something_new_is_run(project: Project) -> None:
    assert project.ran > EVERYTHING
    assert project.build() == []
    assert project.ran == {"stg_changes", "stg_price_changes", "stg_splits"}

    project.rate("AAA", "G")
    assert project.build() == []
    assert project.ran & EVERYTHING == {"counts", "totals"}  # both read all changes
    assert "stg_ratings" in project.ran
    assert project.made("totals") == {"AAA": 3}
    assert project.made() == {"AAA": 3, "BBB": 1}

    # A ticker that is new has a listing, and listings are read by all.
    project.rate("NEW", "G")
    assert project.build() == []
    assert project.ran & EVERYTHING == {"stg_prices", "closes", "counts", "totals"}

    project.tell("BBB", 3)
    assert project.build() == []
    assert project.ran & EVERYTHING == {"stg_prices", "closes", "counts", "totals"}
    assert not {"stg_ratings", "stg_listings"} & project.ran
    assert project.made() == {"AAA": 3, "BBB": 5}

    assert project.build(whole=True) == []
    assert project.ran > EVERYTHING


def test_everything_is_run_when_time_alone_changes_something(project: Project) -> None:
    session = {
        "exchange": "XNYS",
        "session_date": "2027-01-04",
        "opens_at": "2027-01-04 14:30:00",
        "closes_at": "2027-01-04 21:00:00",
    }
    announcement = {
        "ticker": "AAA",
        "snapshot_date": "2027-01-03",
        "announced_from": "2027-01-04 17:30:00",
    }
    with Warehouse(project.home.build) as warehouse:
        warehouse.append("sessions", pd.DataFrame([session]), source="exchange_calendars")
        warehouse.append("earnings_dates", pd.DataFrame([announcement]), source="inbox")
    whole = []
    for project.hour in range(1, 13):
        hour = project.hour + 1
        assert project.build() == []
        if project.ran > EVERYTHING:
            whole.append(12 + hour)
    # It opened, results came, it closed, its bar was final, and a day began.
    assert whole == [15, 18, 21, 22, 24]


def test_after_a_failed_test_everything_is_run_until_all_is_good(project: Project) -> None:
    folder = project.folder / "tests"
    folder.mkdir(exist_ok=True)
    (folder / "no_thirteen.sql").write_text(
        "select * from {{ ref('counts') }} where doubled = 26\n"
    )
    assert project.build() == []
    project.tell("BBB", 13)
    assert project.build() == ["dbt_test__audit.no_thirteen"]
    assert "stg_ratings" not in project.ran
    assert project.build() == ["dbt_test__audit.no_thirteen"]
    assert project.ran > EVERYTHING
    project.tell("BBB", 4)
    assert project.build() == []
    assert project.ran > EVERYTHING
    assert project.build() == []
    assert not project.ran & EVERYTHING


def test_everything_is_run_when_a_relation_was_dropped(project: Project) -> None:
    with duckdb.connect(str(project.home.build)) as con:
        con.execute("drop view staging.stg_ratings")
    assert project.build() == []
    assert project.ran > EVERYTHING


def test_news_is_told_to_the_consensus_only_where_it_holds_a_call(project: Project) -> None:
    item = {"ticker": "AAA", "news_id": "n", "published_at": "2026-11-20", "title": "News"}
    call = {"ticker": "AAA", "news_id": "n", "firm": "F", "scorer_version": "1", "grade": "Buy"}
    score = {"ticker": "AAA", "news_id": "n", "scorer_version": "1", "sentiment_score": 0.5}
    told: list[tuple[str, dict[str, object], set[str]]] = [
        ("news", item, set()),
        ("news_signals", score, set()),
        ("broker_calls", call, {"totals"}),
        ("news", item | {"news_id": "other"}, set()),
        ("news", item | {"title": "News, corrected"}, {"totals"}),
        ("news_signals", score | {"scorer_version": "2"}, {"scores", "totals"}),
    ]
    for table, row, expected in told:
        with Warehouse(project.home.build) as warehouse:
            counts = warehouse.append(table, pd.DataFrame([row]), source="inbox")
            assert counts.stored == 1
        assert project.build() == []
        assert project.ran & {"totals", "scores"} == expected, (table, row)
