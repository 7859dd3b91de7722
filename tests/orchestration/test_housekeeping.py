"""The daily job: what Dagster shows of it, and which runs it forgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration import housekeeping, run
from orchestration.automation import ingest, settings_of
from orchestration.housekeeping import (
    daily_digest,
    forget_old_checks,
    forget_old_runs,
    records,
)
from orchestration.lock import Writer
from orchestration.run import ingest_job
from tests.warehouse.test_health import published
from warehouse.settings import Home
from warehouse.store import Warehouse


def test_the_digest_is_an_asset_with_checks(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def materialized() -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [daily_digest, records],
            instance=instance,
            resources={"writer": Writer()},
            raise_on_error=False,
        )

    assert not materialized().success  # there is nothing to tell of
    with Warehouse(home.build) as store:
        store.record_fetch(load_id="l", source="yahoo", table="prices")
    published(home, [("ABC", "GAP", "message")])
    monkeypatch.setenv("BELLWETHER_SIZE_BUDGET_GB", "0.0001")
    done = materialized()
    assert done.success
    checks = {check.check_name: check for check in done.get_asset_check_evaluations()}
    assert not checks["size_budget"].passed
    [file] = home.digests.glob("*.md")
    # Only prices were asked for.
    assert "not asked for since" in file.read_text() and "ratings (never)" in file.read_text()
    assert "over budget" in file.read_text() and "failed at" in file.read_text()


def test_old_runs_are_forgotten_but_not_what_is_decided_by(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "KEPT_RUNS", 2)
    job, ids = ingest_job(), []
    for number in range(6):
        run = instance.create_run_for_job(job, run_config=settings_of("inbox"))
        kinds = (dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_SUCCESS)
        for kind in kinds if number else kinds[:1]:
            instance.report_dagster_event(
                dg.DagsterEvent(event_type_value=kind.value, job_name=ingest.name), run.run_id
            )
        ids.append(run.run_id)
        printed = Path(instance.root_directory) / "storage" / run.run_id / "compute_logs"
        printed.mkdir(parents=True)
        (printed / "a.out").write_text("printed")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert forget_old_runs(instance, datetime.now(UTC) - timedelta(days=180)) == 0
    assert forget_old_runs(instance, tomorrow) == 3
    left = {run.run_id for run in instance.get_runs()}
    # The one that never ended, and the newest two.
    assert left == {ids[0], *ids[4:]}
    folder = Path(instance.root_directory)
    files = {file.stem for file in (folder / "history" / "runs").glob("*.db")} - {"index"}
    assert files == left
    assert {path.name for path in (folder / "storage").iterdir()} == left


def test_the_run_that_made_an_asset_is_kept_though_a_later_one_failed_to(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "KEPT_RUNS", 0)
    is_broken = iter((False, False, True))

    @dg.asset
    def fact() -> None:
        if next(is_broken):
            raise ValueError("broken")

    ids = [dg.materialize([fact], instance=instance, raise_on_error=False).run_id for _ in range(3)]
    assert forget_old_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 1
    assert {run.run_id for run in instance.get_runs()} == set(ids[1:])
    event = instance.get_latest_materialization_event(fact.key)
    assert event is not None and event.run_id == ids[1]


def test_of_what_checks_said_long_ago_the_newest_stays(instance: dg.DagsterInstance) -> None:
    keys = [dg.AssetCheckKey(dg.AssetKey(["raw", "prices"]), name) for name in ("one", "other")]

    def told(key: dg.AssetCheckKey) -> list[bool]:
        found = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        events = [one.event.dagster_event for one in found if one.event]
        return [event.asset_check_evaluation_data.passed for event in events if event]

    for key, results in zip(keys, ((False, False, True), (False,)), strict=True):
        for passed in results:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=key.asset_key, check_name=key.name, passed=passed, metadata={}
                )
            )
    assert forget_old_checks(instance, datetime.now(UTC) - timedelta(days=180)) == 0
    assert forget_old_checks(instance, datetime.now(UTC) + timedelta(days=1)) == 2
    assert [told(key) for key in keys] == [[True], [False]]


def test_a_digest_that_fails_is_told_by_those_who_look(
    home: Home, instance: dg.DagsterInstance
) -> None:
    job = dg.Definitions(
        assets=[daily_digest, records],
        jobs=[housekeeping.housekeeping],
        resources={"writer": Writer()},
    ).resolve_job_def("housekeeping")
    for _ in range(2):
        assert not job.execute_in_process(instance=instance, raise_on_error=False).success
    [told] = run.failing_jobs_of(home)
    assert told.startswith("housekeeping failed 2 times in a row")
    assert "Nothing is published yet" in told
