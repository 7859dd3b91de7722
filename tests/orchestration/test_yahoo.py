"""Yahoo under Dagster: the schedule's run in a daemon, bad days, and what is left for later."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData

from orchestration import run
from orchestration.assets import DEFAULT_SOURCE, DRIFT_CHECK
from orchestration.automation import ingest, resume, settings_of, weekday_ingest
from orchestration.inputs import FAULT, INCOMPLETE, RESUME_AT, key
from orchestration.run import ingest_job
from tests.orchestration.services import process
from tests.yahoo_emulator import Emulator
from warehouse.publish import newest, reading
from warehouse.settings import Home
from warehouse.sources import universe


def recorded(
    instance: dg.DagsterInstance,
    moment: datetime,
    tags: dict[str, str] | None = None,
    *,
    ending: dg.DagsterEventType = dg.DagsterEventType.RUN_SUCCESS,
) -> str:
    """Put a whole ingest on record that began at a moment."""
    made = instance.create_run_for_job(
        ingest_job(), run_config=settings_of(DEFAULT_SOURCE), tags=tags
    )
    for kind in (dg.DagsterEventType.RUN_START, ending):
        event = dg.DagsterEvent(event_type_value=kind.value, job_name=ingest.name)
        instance.report_dagster_event(event, made.run_id, timestamp=moment.timestamp())
    return made.run_id


def looked(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    with dg.build_sensor_context(instance=instance) as context:
        answer = resume(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def test_what_was_cut_short_is_resumed_when_it_is_due_and_once(
    instance: dg.DagsterInstance,
) -> None:
    assert isinstance(looked(instance), dg.SkipReason)
    now = datetime.now(UTC)
    later = (now + timedelta(minutes=9)).replace(tzinfo=None).isoformat()
    recorded(instance, now - timedelta(minutes=3), {INCOMPLETE: "true", RESUME_AT: later})
    answer = looked(instance)
    assert isinstance(answer, dg.SkipReason) and "left alone until" in (answer.skip_message or "")

    earlier = (now - timedelta(minutes=1)).replace(tzinfo=None).isoformat()
    recorded(instance, now - timedelta(minutes=2, seconds=30))
    cut = recorded(instance, now - timedelta(minutes=2), {INCOMPLETE: "true", RESUME_AT: earlier})
    answer = looked(instance)
    assert isinstance(answer, dg.RunRequest)
    assert (answer.run_key, answer.run_config) == (cut, settings_of("yahoo"))

    recorded(instance, now - timedelta(minutes=1))
    assert isinstance(looked(instance), dg.SkipReason)


def test_what_goes_on_failing_is_resumed_ever_more_rarely(instance: dg.DagsterInstance) -> None:
    now = datetime.now(UTC)

    def cut(minutes_ago: int) -> None:
        due = (now - timedelta(minutes=minutes_ago - 1)).replace(tzinfo=None).isoformat()
        tags = {INCOMPLETE: "true", RESUME_AT: due}
        recorded(instance, now - timedelta(minutes=minutes_ago), tags)

    cut(400)
    assert isinstance(looked(instance), dg.RunRequest)
    cut(59)
    assert isinstance(looked(instance), dg.SkipReason)
    cut(58)
    answer = looked(instance)
    # An hour after the second, two after the third.
    assert f"{now + timedelta(minutes=62):%H:%M}" in str(answer)


def test_what_the_machine_cut_short_is_asked_for_again_after_a_while(
    instance: dg.DagsterInstance,
) -> None:
    now = datetime.now(UTC)
    failed = dg.DagsterEventType.RUN_FAILURE

    recorded(instance, now - timedelta(hours=9))
    recorded(instance, now - timedelta(minutes=59), ending=failed)
    assert f"{now + timedelta(minutes=1):%H:%M}" in str(looked(instance))
    # Also what was to resume another.
    due = (now - timedelta(hours=8)).replace(tzinfo=None).isoformat()
    tags = {INCOMPLETE: "true", RESUME_AT: due}
    recorded(instance, now - timedelta(hours=8), tags)
    killed = recorded(instance, now - timedelta(hours=7), ending=failed)
    answer = looked(instance)
    assert isinstance(answer, dg.RunRequest) and answer.run_key == killed
    # What failed through our own fault is not.
    recorded(instance, now - timedelta(hours=6), {FAULT: "true"}, ending=failed)
    assert isinstance(looked(instance), dg.SkipReason)


def test_an_ingest_that_got_nothing_has_not_ingested_its_session(
    instance: dg.DagsterInstance,
) -> None:
    tick = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    after_the_close = datetime(2026, 11, 24, 22, tzinfo=UTC)

    def evaluate() -> object:
        return weekday_ingest(
            dg.build_schedule_context(instance=instance, scheduled_execution_time=tick)
        )

    recorded(instance, after_the_close, {INCOMPLETE: "true"})
    assert isinstance(evaluate(), dg.RunRequest)
    recorded(instance, after_the_close)
    assert isinstance(evaluate(), dg.SkipReason)


@pytest.mark.parametrize(
    ("faults", "tags"),
    [
        ({"*": "429"}, {INCOMPLETE, RESUME_AT}),
        ({"*": "500"}, {INCOMPLETE, RESUME_AT}),
        ({"*": "junk"}, {INCOMPLETE}),
        ({"AAPL": "junk"}, set()),
        ({"*:upgradeDowngradeHistory": "drop:firm"}, {INCOMPLETE}),
    ],
)
def test_a_bad_day_is_green_and_says_what_is_left(
    home: Home,
    instance: dg.DagsterInstance,
    emulator: Emulator,
    faults: dict[str, list[str] | str],
    tags: set[str],
) -> None:
    emulator.faults = faults
    done = run.run_ingest(home, "yahoo", ["prices", "ratings"], ["AAPL", "BABA"])
    assert done.success
    record = instance.get_run_by_id(done.run_id)
    assert record and {INCOMPLETE, RESUME_AT} & set(record.tags) == tags
    assert any(t.failures or t.warnings for t in done.tables.values())
    if "*:upgradeDowngradeHistory" in faults:
        check = dg.AssetCheckKey(key("ratings"), DRIFT_CHECK)
        [told] = instance.event_log_storage.get_asset_check_execution_history(check, limit=9)
        assert told.event and told.event.dagster_event
        evaluation = told.event.dagster_event.asset_check_evaluation_data
        assert not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.WARN
        assert "history[].firm (AAPL): missing, not text" in (evaluation.description or "")


@pytest.mark.slow
@pytest.mark.daemon
def test_the_schedules_run_under_the_daemon_ends_in_published_marts(
    home: Home,
    instance: dg.DagsterInstance,
    emulator: Emulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Throttled in the middle, resumed by the sensor, refreshed and published, all by itself."""
    monkeypatch.setenv("BELLWETHER_YAHOO_COOL_DOWN_SECONDS", "5")
    emulator.faults = {"JD:upgradeDowngradeHistory": ["429", "429", "429"]}
    log = tmp_path / "daemon.log"

    def wait(what: str, happened: Callable[[], object], seconds: float) -> None:
        started = time.monotonic()
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        while not happened():
            if time.monotonic() - started > seconds or instance.get_run_records(failed):
                pytest.fail(f"{what}:\n{log.read_text()[-8000:]}")
            time.sleep(0.2)

    def ingests() -> list[dg.DagsterRun]:
        done = dg.RunsFilter(job_name="ingest", statuses=[dg.DagsterRunStatus.SUCCESS])
        return instance.get_runs(done)

    def schedule() -> InstigatorState | None:
        states = instance.all_instigator_state()
        return next((state for state in states if state.name == "weekday_ingest"), None)

    covered = universe.read()
    companies = [entry for entry in covered if entry["benchmark"]]
    complete = 2 * len(covered) + 8 * len(companies)

    def published(outcome: str) -> int:
        with reading(home) as con:
            query = "select count(*) from raw.fetches where source = 'yahoo' and outcome = ?"
            [(count,)] = con.execute(query, [outcome]).fetchall()
        return int(count)

    daemon = ("dagster._daemon", "run")
    with process(home, log, *daemon):
        wait("the schedule is not on", schedule, 120)
    # Dagster remembers when it last looked at the schedule: let it have slept for five days.
    state, then = schedule(), time.time() - 5 * 86400
    assert state is not None and isinstance(state.instigator_data, ScheduleInstigatorData)
    data = ScheduleInstigatorData(state.instigator_data.cron_schedule, then, then)
    instance.update_instigator_state(state.with_data(data))
    with process(home, log, *daemon):
        started = time.monotonic()
        wait("the schedule's run", ingests, 240)
        assert ingests()[0].tags["dagster/schedule_name"] == "weekday_ingest"
        assert RESUME_AT in ingests()[0].tags
        before = len(emulator.asked)
        wait("not resumed", lambda: len(ingests()) == 2, 240)
        resumed = len(emulator.asked) - before
        wait("not all published", lambda: newest(home) and published("ok") == complete, 240)
        seconds = time.monotonic() - started
    assert ingests()[0].tags["dagster/sensor_name"] == "resume"
    assert INCOMPLETE not in ingests()[0].tags
    assert published("throttled") > 0 and published("failed") == 0
    with reading(home) as con:
        [(tickers,)] = con.sql("select count(distinct ticker) from raw.prices").fetchall()
    assert tickers == len(covered)
    # Nothing was asked for twice: the throttled request's three tries and a new process's session.
    assert before + resumed == 2 * len(covered) + 11 * len(companies) + 2 + 3 + 1
    with capsys.disabled():
        print(f"\n{before} requests, then {resumed}; published after {seconds:.0f} s")
