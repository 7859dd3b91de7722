"""Runs from the command line: what they store, build, publish, say and leave for the UI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime

import dagster as dg
import duckdb
import pytest

from orchestration import run
from orchestration.automation import new_data
from orchestration.inputs import INPUTS, inputs_key
from orchestration.time_machine import database
from tests.orchestration.conftest import BARS, MORE_BARS, Drop
from warehouse.errors import HomeError, UsageError
from warehouse.publish import newest, reading
from warehouse.settings import Home
from warehouse.store import Warehouse, schema

NEWS = (
    "ticker,published_at,title,url",
    "ABC,2026-11-20T10:00:00,<img src=//evil.example/x> [click](https://evil.example) | *x*,"
    "https://evil.example/a",
)
pytestmark = pytest.mark.usefixtures("project")


def test_an_ingest_says_what_it_did_and_shows_in_the_records(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    drop("prices", *BARS, "ABC,2026-11-17,1,1,1,-1,1,USD")
    drop("ratings", "ticker,firm", "ABC,Some Firm")
    told: list[tuple[str, str]] = []

    done = run.run_ingest(home, "inbox", on_event=lambda *event: told.append(event))

    assert done.success and not done.failures
    assert list(done.tables) and set(done.tables) == set(schema())
    assert (done.tables["prices"].counts.new, done.tables["prices"].counts.rejected) == (3, 1)
    assert done.tables["prices"].row_count == 3
    assert done.tables["sessions"].row_count > 10_000
    [failure] = done.tables["ratings"].failures
    assert "graded_on" in failure
    assert ("raw/prices", "started") in told and ("raw/prices", "done") in told

    [record] = instance.get_run_records()
    assert record.dagster_run.run_id == done.run_id
    assert record.dagster_run.job_name == "ingest"
    event = instance.get_latest_materialization_event(dg.AssetKey(["raw", "prices"]))
    assert event and event.asset_materialization
    figures = event.asset_materialization.metadata
    assert figures["new"].value == 3
    assert figures["dagster/row_count"].value == 3
    assert "XYZ" in str(figures["newest_rows"].value)
    with duckdb.connect(str(home.build), read_only=True) as con:
        assert con.sql("select distinct load_id from raw.batches").fetchall() == [(done.run_id,)]


def test_text_from_outside_shows_as_text(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    drop("news", *NEWS)
    assert run.run_ingest(home, "inbox", tables=["news"]).tables["news"].counts.new == 1
    event = instance.get_latest_materialization_event(dg.AssetKey(["raw", "news"]))
    assert event and event.asset_materialization
    shown = str(event.asset_materialization.metadata["newest_rows"].value)
    assert "&lt;img" in shown and "<img" not in shown
    assert "\\[click\\]\\(" in shown
    assert "https://" not in shown and "https\\://" not in shown
    assert "\\| \\*x\\*" in shown


def test_the_same_facts_twice_have_the_same_data_version(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    drop("prices", *BARS)
    run.run_ingest(home, "inbox", tables=["prices"])
    before = inputs_key(instance)
    drop("prices", *BARS, name="again.csv")
    again = run.run_ingest(home, "inbox", tables=["prices"])
    assert again.tables["prices"].counts.new == 0
    assert inputs_key(instance) == before
    drop("prices", *MORE_BARS, name="more.csv")
    run.run_ingest(home, "inbox", tables=["prices"])
    assert inputs_key(instance) not in (before, None)


def test_a_refresh_builds_tests_describes_and_publishes(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    drop("prices", *BARS)
    run.run_ingest(home, "inbox")
    told: list[tuple[str, str]] = []

    done = run.run_refresh(home, on_event=lambda *event: told.append(event))

    assert done.success and not done.skipped, done.failures
    assert done.published is not None and done.published == newest(home)
    assert done.row_counts["staging/stg_prices"] == 3
    assert done.row_counts["marts/closes"] == 2
    assert ("marts/closes", "done") in told
    with reading(home) as con:
        assert con.sql("select ticker, bar_count from marts.closes order by 1").fetchall() == [
            ("ABC", 2),
            ("XYZ.L", 1),
        ]
        built = {
            f"{schema_name}/{name}"
            for schema_name, name in con.sql(
                "select table_schema, table_name from information_schema.tables"
            ).fetchall()
        }
    assert set(done.row_counts) <= built
    # Nobody holds the build database: another configuration may open it in this very process.
    duckdb.connect(str(home.build), config={"threads": "1"}).close()

    closes = dg.AssetKey(["marts", "closes"])
    event = instance.get_latest_materialization_event(closes)
    assert event and event.asset_materialization
    figures = event.asset_materialization.metadata
    assert figures["dagster/row_count"].value == 2
    assert "ABC" in str(figures["rows"].value)
    [ticker, *_] = figures["dagster/column_schema"].value.columns
    assert (ticker.name, ticker.type, ticker.description) == ("ticker", "varchar", "Symbol.")
    sources = figures["dagster/column_lineage"].value.deps_by_column["session_date"]
    assert [(d.asset_key.to_user_string(), d.column_name) for d in sources] == [
        ("staging/stg_prices", "session_date")
    ]
    record = instance.get_run_record_by_id(done.run_id)
    assert record and record.dagster_run.tags[INPUTS] == inputs_key(instance)

    assert run.run_refresh(home).skipped
    with dg.build_sensor_context(instance=instance) as context:
        assert isinstance(new_data(context), dg.SkipReason)

    moment = datetime(2026, 11, 19, 23, tzinfo=UTC)
    then = run.run_refresh(home, as_of=moment)
    assert then.row_counts["staging/stg_prices"] == 1
    assert then.published and then.published.as_of == "2026-11-19 23:00:00"
    assert run.run_refresh(home, as_of=moment).skipped
    with dg.build_sensor_context(instance=instance) as context:
        assert isinstance(new_data(context), dg.SkipReason)
    shutil.rmtree(home.versions)
    back = run.run_refresh(home)
    assert not back.skipped and back.row_counts["staging/stg_prices"] == 3
    assert back.published == newest(home) is not None
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(closes, "grain_closes_ticker"), limit=9
    )
    assert [check.status.value for check in checks] == ["SUCCEEDED"] * 3


def test_what_there_is_not_is_named(home: Home) -> None:
    with pytest.raises(UsageError, match=r"no source 'nowhere'.*inbox, yahoo, sample"):
        run.run_ingest(home, "nowhere")
    with pytest.raises(UsageError, match=r"no raw table 'price'.*prices"):
        run.run_ingest(home, "inbox", tables=["price"])
    with pytest.raises(HomeError, match=r"bellwether ingest.*bellwether demo"):
        run.run_refresh(home)


def test_a_database_in_use_elsewhere_fails_with_what_to_do(
    home: Home, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("prices", *BARS)
    home.build.parent.mkdir(parents=True)
    monkeypatch.setitem(Warehouse.__init__.__kwdefaults__, "wait_seconds", 0.2)
    hold = f"import duckdb; con = duckdb.connect({str(home.build)!r}); print('held'); input()"
    with subprocess.Popen(
        [sys.executable, "-uc", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        done = run.run_ingest(home, "inbox", tables=["prices"])
        holder.communicate(b"\n")
    assert not done.success
    [failure] = done.failures
    assert failure.startswith(f"{home.build} is in use by another process"), failure
    assert "query the published bellwether.duckdb instead" in failure
    assert failure[:200] in " ".join(run.failing_jobs_of(home))
    assert run.run_ingest(home, "inbox", tables=["prices"]).success


def test_an_environment_that_makes_no_sense_fails_a_run_with_our_sentence(
    home: Home, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = drop("prices", *BARS)
    monkeypatch.setenv("BELLWETHER_MEMORY", "much")
    done = run.run_ingest(home, "inbox", tables=["prices"])
    assert done.failures == ["BELLWETHER_MEMORY is 'much', which is not a size like 6GB or 800MB."]
    assert file.exists()


def test_what_a_killed_build_of_a_past_moment_left_is_removed_by_the_next(
    home: Home, drop: Drop
) -> None:
    drop("prices", *BARS)
    assert run.run_ingest(home, "inbox", tables=["prices"]).success
    assert run.run_refresh(home).success
    left, going = (home.path / "as_of" / f".20260101T000000000000Z.{pid}" for pid in (98, 99))
    for folder in (left, going):
        (folder / "build").mkdir(parents=True)
    long_ago = time.time() - 2 * 86_400
    os.utime(left, (long_ago, long_ago))
    assert database(home, datetime(2026, 11, 20, 22)).is_file()
    # The other may still be made by its process.
    assert not left.exists() and going.exists()
