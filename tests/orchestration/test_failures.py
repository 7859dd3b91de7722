"""What fails, fails loudly, leaves the published file as it was, and is not tried for ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orchestration import dbt, run
from orchestration.automation import new_data
from orchestration.inputs import FAULT
from tests.orchestration.conftest import BARS, CLOSES, Drop
from warehouse.publish import newest, publish
from warehouse.settings import Home


@pytest.fixture
def published(home: Home, drop: Drop) -> Callable[[], tuple[str, bytes]]:
    """A home with facts, something published, and a way to look at it."""
    drop("prices", *BARS)
    assert run.run_ingest(home, "inbox", tables=["prices"]).success
    publish(home, as_of=datetime(2026, 11, 20))

    def look() -> tuple[str, bytes]:
        made = newest(home)
        assert made is not None
        return made.version, home.published.read_bytes()

    return look


def test_a_failing_test_leaves_the_published_file_as_it_was(
    own_project: Path,
    home: Home,
    instance: dg.DagsterInstance,
    published: Callable[[], tuple[str, bytes]],
) -> None:
    (own_project / "tests" / "no_ticker_is_abc.sql").write_text(
        "select * from {{ ref(\"closes\") }} where ticker = 'ABC'\n"
    )
    before = published()

    done = run.run_refresh(home)

    assert not done.success and done.published is None
    [failure] = done.failures
    assert "Nothing was published" in failure
    assert "no_ticker_is_abc" in failure and "Got 1 result" in failure
    assert done.row_counts["marts/closes"] == 2
    assert published() == before
    duckdb.connect(str(home.build)).close()
    check = dg.AssetCheckKey(dg.AssetKey(["marts", "closes"]), "no_ticker_is_abc")
    [record] = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
    assert record.status.value == "FAILED"

    # It is told of until one succeeds, whatever else runs.
    [told] = run.failing_jobs_of(home)
    assert told.startswith("refresh failed once, last at ") and "no_ticker_is_abc" in told
    assert not run.run_refresh(home, force=True).success
    assert run.run_ingest(home, "inbox", tables=["prices"]).success
    [told] = run.failing_jobs_of(home)
    assert told.startswith("refresh failed 2 times in a row") and done.run_id not in told

    # The same inputs would fail again; a changed test is a new input.
    failed = instance.get_run_record_by_id(done.run_id)
    assert failed and FAULT in failed.dagster_run.tags
    with dg.build_sensor_context(instance=instance) as context:
        assert isinstance(new_data(context), dg.SkipReason)
    (own_project / "tests" / "no_ticker_is_abc.sql").write_text("select 1 where 1 = 0\n")
    assert run.run_refresh(home).success
    assert run.failing_jobs_of(home) == []
    (own_project / "tests" / "no_ticker_is_abc.sql").write_text("select 2 where 1 = 0\n")
    with dg.build_sensor_context(instance=instance) as context:
        assert isinstance(new_data(context), dg.RunRequest)


def test_a_model_that_does_not_run_is_named_and_what_follows_is_not_blamed(
    own_project: Path, home: Home, published: Callable[[], tuple[str, bytes]]
) -> None:
    (own_project / "models" / "marts" / "closes.sql").write_text(
        CLOSES.replace("count(*)", "count(*) / no_such_column")
    )
    before = published()
    done = run.run_refresh(home)
    assert not done.success
    [failure] = done.failures
    assert "model marts.closes" in failure and "no_such_column" in failure
    assert "grain" not in failure
    assert published() == before
    duckdb.connect(str(home.build)).close()


def test_an_interruption_ends_cleanly_and_is_nobodys_fault(
    project: Path,
    home: Home,
    instance: dg.DagsterInstance,
    published: Callable[[], tuple[str, bytes]],
) -> None:
    before = published()

    def interrupt(asset: str, status: str) -> None:
        if (asset, status) == ("staging/stg_prices", "started"):
            os.kill(os.getpid(), signal.SIGINT)

    done = run.run_refresh(home, on_event=interrupt)

    assert not done.success and done.failures == ["Interrupted before it was finished."]
    assert published() == before
    duckdb.connect(str(home.build)).close()
    failed = instance.get_run_record_by_id(done.run_id)
    assert failed and FAULT not in failed.dagster_run.tags
    with dg.build_sensor_context(instance=instance) as context:
        assert isinstance(new_data(context), dg.RunRequest)


def test_a_project_that_cannot_be_read_is_an_error_of_its_own(
    own_project: Path, home: Home, published: Callable[[], tuple[str, bytes]]
) -> None:
    (own_project / "models" / "marts" / "closes.sql").write_text('select * from {{ ref("nix") }}')
    before = published()
    with pytest.raises(dbt.ProjectError, match=r"closes.*'nix' which was not found"):
        run.run_refresh(home)
    assert published() == before
    prepared = own_project / "target" / "prepared"
    assert not (prepared / dbt.code_version()[:16]).exists()
    assert not list(prepared.glob(".*/*"))
