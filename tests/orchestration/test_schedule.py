"""The schedule over real calendars: sessions, holidays, weekends, and sleep."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import (
    InProcessTestWorkspaceLoadTarget,
    create_test_daemon_workspace_context,
    freeze_time,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._scheduler.scheduler import launch_scheduled_runs

from orchestration.assets import IngestSettings, raw_assets
from orchestration.automation import (
    ingest,
    settings_of,
    weekday_ingest,
)
from orchestration.inputs import key
from orchestration.lock import Writer
from orchestration.run import ingest_job
from warehouse.settings import Home
from warehouse.sources.calendars import next_scheduled_ingest

NEW_YORK = ZoneInfo("America/New_York")


def at(day: str, time: str = "18:30") -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=NEW_YORK)


def ingested(
    instance: dg.DagsterInstance,
    moment: datetime,
    *,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS,
    source: str = "yahoo",
    tickers: tuple[str, ...] = (),
    tables: tuple[str, ...] = (),
) -> None:
    """Put an ingest on record that began at a moment."""
    record = instance.create_run_for_job(
        ingest_job(),
        run_config=settings_of(source, list(tickers)),
        asset_selection=frozenset(key(table) for table in tables) or None,
    )
    ending = (
        dg.DagsterEventType.RUN_SUCCESS
        if status is dg.DagsterRunStatus.SUCCESS
        else dg.DagsterEventType.RUN_FAILURE
    )
    for kind in (dg.DagsterEventType.RUN_START, ending):
        event = dg.DagsterEvent(event_type_value=kind.value, job_name=ingest.name)
        instance.report_dagster_event(event, record.run_id, timestamp=moment.timestamp())


def evaluate(instance: dg.DagsterInstance, tick: datetime) -> dg.RunRequest | dg.SkipReason:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=tick)
    answer = weekday_ingest(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


@pytest.mark.parametrize(
    ("last", "tick", "skips"),
    [
        # A session closed today.
        (at("2026-11-23"), at("2026-11-24"), None),
        # Thanksgiving after a Wednesday that was ingested.
        (at("2026-11-25"), at("2026-11-26"), "Thu 2026-11-26 is Thanksgiving"),
        # The short Friday after it, which closes at 13:00.
        (at("2026-11-26"), at("2026-11-27"), None),
        # Good Friday is a weekday for cron; a manual ingest after Thursday's close was enough.
        (at("2026-04-02", "17:00"), at("2026-04-03"), "Fri 2026-04-03 is Good Friday"),
        # A day of mourning no rule foretells: 9 January 2025.
        (at("2025-01-08"), at("2025-01-09"), "Thu 2025-01-09 is no session"),
        # An ingest before the close has not seen the session.
        (at("2026-11-24", "15:00"), at("2026-11-24"), None),
        (at("2026-11-24", "16:30"), at("2026-11-24"), "Tue 2026-11-24 is a session"),
        # Slept from Tuesday; woke on Thanksgiving: Wednesday's session is missing.
        (at("2026-11-24"), at("2026-11-26"), None),
        # Slept over a weekend, with Friday missing, and woke on Martin Luther King Day.
        (at("2026-01-15"), at("2026-01-19"), None),
        (at("2026-01-16"), at("2026-01-19"), "Martin Luther King"),
    ],
)
def test_it_runs_when_a_session_closed_that_no_ingest_saw(
    instance: dg.DagsterInstance, last: datetime, tick: datetime, skips: str | None
) -> None:
    ingested(instance, last)
    answer = evaluate(instance, tick)
    if skips is None:
        assert isinstance(answer, dg.RunRequest)
    else:
        assert isinstance(answer, dg.SkipReason)
        assert answer.skip_message and skips in answer.skip_message
        assert "was ingested at" in answer.skip_message


def test_only_a_whole_and_successful_ingest_counts(instance: dg.DagsterInstance) -> None:
    tick = at("2026-11-24")
    assert isinstance(evaluate(instance, tick), dg.RunRequest)
    after = at("2026-11-24", "17:00")
    ingested(instance, after, status=dg.DagsterRunStatus.FAILURE)
    ingested(instance, after, source="sample")
    ingested(instance, after, tickers=("AAPL",))
    ingested(instance, after, tables=("prices", "sessions"))
    answer = evaluate(instance, tick)
    assert isinstance(answer, dg.RunRequest)
    assert answer.run_config == settings_of("yahoo")
    ingested(instance, after)
    assert isinstance(evaluate(instance, tick), dg.SkipReason)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (at("2026-11-24", "18:29"), at("2026-11-24")),
        (at("2026-11-25", "18:30"), at("2026-11-27")),
        (at("2026-11-27", "20:00"), at("2026-11-30")),
    ],
)
def test_the_next_ingest_is_after_the_next_session(now: datetime, then: datetime) -> None:
    assert next_scheduled_ingest(now.astimezone(UTC)) == then


# What a daemon loads in the test below.
defs = dg.Definitions(
    assets=raw_assets(),
    jobs=[ingest],
    schedules=[weekday_ingest],
    resources={"writer": Writer(), "settings": IngestSettings()},
)


def test_a_daemon_that_was_away_for_weeks_asks_for_one_ingest_when_it_is_back(home: Home) -> None:
    """What the scheduler itself does with the ticks it missed, on which the schedule relies."""
    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable, python_file=__file__, attribute="defs"
        ),
        location_name="bellwether",
    )
    logger = logging.getLogger("scheduler")
    with ExitStack() as stack:
        instance = stack.enter_context(
            dg.DagsterInstance.from_ref(
                InstanceRef.from_dir(str(home.dagster), overrides={"run_launcher": launcher})
            )
        )
        context = stack.enter_context(
            create_test_daemon_workspace_context(InProcessTestWorkspaceLoadTarget(origin), instance)
        )

        def look(now: datetime) -> int:
            """The daemon starts and looks at its schedules; how many ingests it has asked for."""
            with freeze_time(now.astimezone(UTC)):
                list(launch_scheduled_runs(context, logger, now.astimezone(UTC), {}))
            return len(instance.get_run_records(dg.RunsFilter(job_name=ingest.name)))

        ingested(instance, at("2026-11-02"))
        assert look(at("2026-11-02", "20:00")) == 1
        # Asleep for three weeks, awake at noon on Thanksgiving: at once, and once.
        assert look(at("2026-11-26", "12:00")) == 2
        [caught_up] = instance.get_run_records(dg.RunsFilter(job_name=ingest.name), limit=1)
        assert caught_up.dagster_run.tags["dagster/schedule_name"] == "weekday_ingest"
        assert look(at("2026-11-26", "12:01")) == 2
        instance.report_run_failed(caught_up.dagster_run)
        ingested(instance, at("2026-11-26", "12:00"))
        # That evening's own tick finds the holiday.
        assert look(at("2026-11-26", "18:31")) == 3
        state = instance.all_instigator_state()[0]
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        assert [tick.status for tick in ticks] == [TickStatus.SKIPPED, TickStatus.SUCCESS]
        assert "Thanksgiving" in (ticks[0].skip_reason or "")
