"""The sensors on a real instance: bursts, the same twice, failures, and a simulated home."""

from __future__ import annotations

import os
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration import automation
from orchestration.assets import FRESH_CHECK
from orchestration.automation import freshness, new_data, new_files
from orchestration.inputs import FAULT, FILES, INPUTS, key
from orchestration.lock import DIED
from orchestration.run import _QUIET, ingest_job
from tests.conftest import Clock
from tests.orchestration.conftest import BARS, Drop
from warehouse.health import keep_attempts
from warehouse.publish import publish
from warehouse.settings import Home
from warehouse.sources.drift import declared
from warehouse.status import report
from warehouse.store import Warehouse, schema

pytestmark = pytest.mark.usefixtures("project")
Tick = dg.RunRequest | dg.SkipReason


class Ticks:
    """Evaluates a sensor again and again, keeping its cursor as the daemon does."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self.sensor, self.instance = sensor, instance
        self.cursor: str | None = None

    def __call__(self) -> Tick:
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            answer = self.sensor(context)
            self.cursor = context.cursor
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer


def materialise(instance: dg.DagsterInstance, table: str, version: str) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key(table), tags={"dagster/data_version": version})
    )


def launch(
    instance: dg.DagsterInstance,
    asked: Tick,
    status: dg.DagsterRunStatus,
    **tags: str,
) -> str:
    """Put a run on record as if the daemon had launched what a sensor asked for."""
    assert isinstance(asked, dg.RunRequest), asked
    created = instance.create_run_for_job(refresh, tags={**asked.tags, **tags}, status=status)
    return created.run_id


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def refresh() -> None:
    nothing()


def test_new_data_asks_once_for_every_state(instance: dg.DagsterInstance) -> None:
    tick = Ticks(new_data, instance)
    assert isinstance(tick(), dg.SkipReason)
    materialise(instance, "news", "empty")
    assert isinstance(tick(), dg.SkipReason)

    for table in ("prices", "ratings", "news"):
        materialise(instance, table, "one")
    first = tick()
    assert isinstance(first, dg.RunRequest)
    launch(instance, first, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(tick(), dg.SkipReason)

    materialise(instance, "prices", "one")
    assert isinstance(tick(), dg.SkipReason)

    materialise(instance, "prices", "two")
    second = tick()
    assert isinstance(second, dg.RunRequest) and second.run_key != first.run_key
    launch(instance, second, dg.DagsterRunStatus.FAILURE, **{FAULT: "true"})
    assert isinstance(tick(), dg.SkipReason)


def test_new_data_follows_the_code_of_the_models(
    own_project: Path, instance: dg.DagsterInstance
) -> None:
    tick = Ticks(new_data, instance)
    materialise(instance, "prices", "one")
    launch(instance, tick(), dg.DagsterRunStatus.SUCCESS)
    assert isinstance(tick(), dg.SkipReason)
    seed = own_project / "seeds" / "source_priority.csv"
    was = seed.read_text()
    seed.write_text(was + "inbox,news,7\n")
    changed = tick()
    launch(instance, changed, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(tick(), dg.SkipReason)
    seed.write_text(was)
    changed_back = tick()
    launch(instance, changed_back, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(tick(), dg.SkipReason)
    seed.write_text(was + "inbox,news,7\n")
    again = tick()
    assert isinstance(again, dg.RunRequest) and isinstance(changed, dg.RunRequest)
    assert again.run_key != changed.run_key


def test_new_data_waits_for_runs_on_their_way_but_not_for_dead_ones(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = Ticks(new_data, instance)
    materialise(instance, "prices", "one")
    going = launch(instance, dg.RunRequest(), dg.DagsterRunStatus.STARTED)
    assert isinstance(tick(), dg.SkipReason)
    materialise(instance, "ratings", "one")
    assert isinstance(tick(), dg.SkipReason)
    # Nobody holds that run's lock, so once it has had time to take it, it is known to be dead.
    monkeypatch.setattr("orchestration.lock._GRACE_SECONDS", 0.0)
    assert isinstance(tick(), dg.RunRequest)
    dead = instance.get_run_by_id(going)
    assert dead and dead.status is dg.DagsterRunStatus.FAILURE and DIED in dead.tags


def test_a_refresh_that_was_interrupted_is_tried_again_a_few_times_and_then_now_and_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = Ticks(new_data, instance)
    materialise(instance, "prices", "one")
    keys = []
    for _ in range(3):
        asked = tick()
        launch(instance, asked, dg.DagsterRunStatus.FAILURE)
        assert isinstance(asked, dg.RunRequest)
        keys.append(asked.run_key)
    assert len(set(keys)) == 3
    assert isinstance(tick(), dg.SkipReason)
    # Later, as when somebody has made room on the disk.
    monkeypatch.setattr("orchestration.inputs.ATTEMPTS_PAUSE", timedelta(0))
    later = tick()
    assert isinstance(later, dg.RunRequest) and later.run_key not in keys
    launch(instance, later, dg.DagsterRunStatus.FAILURE, **{FAULT: "true"})
    assert isinstance(tick(), dg.SkipReason)


def test_a_file_that_the_machine_could_not_take_is_tried_again(
    home: Home, instance: dg.DagsterInstance, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build file lies where nothing can be written, as on a disk that is gone."""
    tick = Ticks(new_files, instance)
    drop("prices", *BARS)
    tick()

    def execute() -> dg.ExecuteInProcessResult:
        asked = tick()
        assert isinstance(asked, dg.RunRequest), asked
        return ingest_job().execute_in_process(
            instance=instance,
            run_config={**asked.run_config, **_QUIET},
            tags=asked.tags,
            asset_selection=asked.asset_selection,
            raise_on_error=False,
        )

    home.build.mkdir(parents=True)
    for _ in range(3):
        done = execute()
        assert not done.success and FAULT not in done.dagster_run.tags
    assert "a.csv" in str(tick())
    home.build.rmdir()
    monkeypatch.setattr("orchestration.inputs.ATTEMPTS_PAUSE", timedelta(0))
    assert execute().success
    assert tick() == dg.SkipReason("The inbox is empty.")


def test_new_files_waits_until_a_file_has_landed_whole(
    instance: dg.DagsterInstance, drop: Drop
) -> None:
    tick = Ticks(new_files, instance)
    assert tick() == dg.SkipReason("The inbox is empty.")
    file = drop("prices", BARS[0])
    (file.with_name("b.csv.part")).write_text("x")
    assert tick() == dg.SkipReason("Files are landing.")
    with file.open("a") as more:
        more.write(BARS[1] + "\n")
    assert tick() == dg.SkipReason("Files are landing.")
    asked = tick()
    assert isinstance(asked, dg.RunRequest)
    assert asked.asset_selection == [key("prices"), key("sessions")]
    assert asked.run_config == {
        "resources": {"settings": {"config": {"source": "inbox", "tickers": []}}}
    }


def test_a_burst_of_files_is_one_run(
    instance: dg.DagsterInstance, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = Ticks(new_files, instance)
    for number in range(20):
        drop("prices" if number % 2 else "ratings", BARS[0], name=f"{number}.csv")
    assert isinstance(tick(), dg.SkipReason)
    drop("news", "ticker,title", name="late.csv")
    assert tick() == dg.SkipReason("Some files have landed, others are still landing.")
    asked = tick()
    assert isinstance(asked, dg.RunRequest)
    # News that landed are scored in the same run.
    tables = (
        "broker_calls",
        "news",
        "news_signals",
        "news_topics",
        "prices",
        "ratings",
        "sessions",
    )
    assert asked.asset_selection == [key(table) for table in tables]
    # While that run is on its way, nothing more is asked for.
    waiting = instance.create_run_for_job(
        ingest_job(), tags=asked.tags, status=dg.DagsterRunStatus.STARTING
    )
    drop("prices", BARS[0], name="later.csv")
    assert isinstance(tick(), dg.SkipReason)
    assert "on its way" in str(tick())
    instance.report_run_failed(waiting)
    # A stream of files that never ends does not hold up those that have landed.
    monkeypatch.setattr("orchestration.automation.MOST_PATIENCE_SECONDS", 0.0)
    drop("prices", BARS[0], name="and_later.csv")
    assert isinstance(tick(), dg.RunRequest)


def test_a_file_that_could_not_be_fetched_is_left_until_it_is_dropped_anew(
    instance: dg.DagsterInstance, drop: Drop
) -> None:
    tick = Ticks(new_files, instance)
    file = drop("prices", *BARS)
    tick()
    launch(instance, tick(), dg.DagsterRunStatus.FAILURE, **{FAULT: "true"})
    for _ in range(3):
        assert "a.csv" in str(tick())
    was = file.stat()
    file.unlink()
    time.sleep(0.01)
    drop("prices", *BARS)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    tick()
    assert isinstance(tick(), dg.RunRequest)


def test_an_ingest_asked_for_by_new_files_is_seen_by_new_data(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    files, data = Ticks(new_files, instance), Ticks(new_data, instance)
    drop("prices", *BARS)
    files()
    asked = files()
    assert isinstance(asked, dg.RunRequest) and asked.asset_selection

    def execute() -> None:
        done = ingest_job().execute_in_process(
            instance=instance,
            run_config={**asked.run_config, **_QUIET},
            tags=asked.tags,
            asset_selection=asked.asset_selection,
        )
        assert done.success and done.dagster_run.tags[FILES]

    execute()
    assert files() == dg.SkipReason("The inbox is empty.")
    refresh = data()
    assert isinstance(refresh, dg.RunRequest) and refresh.tags[INPUTS]
    launch(instance, refresh, dg.DagsterRunStatus.SUCCESS)
    drop("prices", *BARS, name="same.csv")
    execute()
    assert isinstance(data(), dg.SkipReason)
    assert [path.name for path in (home.inbox / ".done" / "prices").iterdir()] != []


def test_a_simulated_home_fetches_nothing(
    home: Home, instance: dg.DagsterInstance, drop: Drop
) -> None:
    with Warehouse(home.build) as warehouse:
        warehouse.append(
            "prices",
            warehouse.con.sql("select 'ABC' as ticker, date '2025-01-02' session_date, 1 as close"),
            source="sample",
        )
    publish(home, as_of=datetime(2025, 9, 25))
    tick = Ticks(new_files, instance)
    drop("prices", *BARS)
    tick()
    assert "simulated sample" in str(tick())
    shutil.rmtree(home.path / "published")


def test_the_check_fresh_follows_the_calendar_without_a_run_and_says_what_status_says(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def shown() -> dict[str, str | None]:
        """The tables whose check in Dagster's records fails, and what it says."""
        keys = [dg.AssetCheckKey(key(table), FRESH_CHECK) for table in schema() if declared(table)]
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        found = [r.event.dagster_event.asset_check_evaluation_data for r in records.values()]  # type: ignore[union-attr]
        assert len(found) == len(keys)
        return {f.asset_key.path[-1]: f.description for f in found if not f.passed}

    def tick(now: datetime) -> dg.SensorResult | dg.SkipReason:
        monkeypatch.setattr(automation, "datetime", _at(now))
        with dg.build_sensor_context(instance=instance, cursor=cursors[-1]) as context:
            answer = freshness(context)
            cursors.append(context.cursor)
        assert isinstance(answer, dg.SensorResult | dg.SkipReason)
        for event in (answer.asset_events or ()) if isinstance(answer, dg.SensorResult) else ():
            instance.report_runless_asset_event(event)
        return answer

    cursors: list[str | None] = [None]
    assert isinstance(tick(datetime(2025, 11, 26)), dg.SkipReason)
    clock.now = datetime(2025, 11, 26, 23, 40)  # the eve of Thanksgiving
    with Warehouse(home.build) as store:
        for table in schema():
            store.record_fetch(load_id="l", source="yahoo", table=table, ticker="AAPL")
        keep_attempts(home, store.con, clock.now)
    assert isinstance(tick(datetime(2025, 11, 27, 12)), dg.SensorResult) and shown() == {}
    assert isinstance(tick(datetime(2025, 11, 28, 12)), dg.SkipReason) and shown() == {}
    # The short Friday was asked for by nobody.
    late = datetime(2025, 11, 29, 12)
    assert isinstance(tick(late), dg.SensorResult)
    assert isinstance(tick(late), dg.SkipReason)
    told, [status] = shown(), report(home, late)["late"]
    tables = sorted(table for table in schema() if declared(table))
    since = "of the raw tables not asked for since the session of 2025-11-28 closed (last answer"
    each = [f"{table} (2025-11-26 23:40)" for table in tables]
    assert status == f"{len(tables)} {since}, UTC): {', '.join(each)}"
    assert [told[table] for table in tables] == [f"1 {since}, UTC): {one}" for one in each]
    assert not instance.get_runs()


def _at(now: datetime) -> type[datetime]:
    class Shown(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return now.replace(tzinfo=tz)  # type: ignore[arg-type]

    return Shown
