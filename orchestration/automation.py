"""When things run: the two jobs, the weekday schedule and the sensors.

The clock pulls, the sensors push. No sensor opens the database: what they need to know stands in
Dagster's own records, in the folder of the inbox and in what the last ingest told of attempts.
"""

import hashlib
import itertools
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from orchestration.assets import DEFAULT_SOURCE, fresh_now, raw_checks
from orchestration.housekeeping import DIGEST, HOUSE_CHECKS, RECORDS
from orchestration.inputs import (
    FAULT,
    FILES,
    IF_NEW,
    INCOMPLETE,
    INPUTS,
    RESUME_AT,
    inputs_key,
    key,
    next_fetch,
    next_refresh,
)
from orchestration.lock import bury_the_dead, unfinished
from warehouse.health import late
from warehouse.news import SCORED_TABLES
from warehouse.publish import newest, reading_attempts
from warehouse.settings import Home
from warehouse.sources.calendars import (
    ASKED_AT,
    NEW_YORK,
    REFERENCE,
    calendar_reaching,
    last_closed_session,
)
from warehouse.sources.inbox import waiting
from warehouse.store import schema

# Files that have landed wait this long for others that are still landing, to share their run.
MOST_PATIENCE_SECONDS = 30.0

# The daemon looks at sensors every five seconds; were this five too, every other look would come a
# moment too early and be passed over.
_SENSOR_SECONDS = 4
_SIMULATED = "This home holds the simulated sample; real facts never join it. Use another home."
_RAW = dg.AssetSelection.key_prefixes("raw").materializable()
_HOUSE = dg.AssetSelection.assets(DIGEST, RECORDS)
_HOUSE_CHECKS = dg.AssetSelection.checks(*HOUSE_CHECKS)
_RAW_CHECKS = dg.AssetSelection.checks(*raw_checks())
# How often the sensor looks whether time has made a table late.
_FRESH_SECONDS = 300
# How often the sensor looks whether a source that asked to be left alone may be asked again.
_RESUME_SECONDS = 30
_RESUME_PAUSE, _LONGEST_PAUSE = timedelta(hours=1), timedelta(hours=6)

ingest = dg.define_asset_job(
    "ingest",
    selection=_RAW.without_checks() | _RAW_CHECKS,
    executor_def=dg.in_process_executor,
    description="Ask a source for news of every raw table and store what it tells.",
)
refresh = dg.define_asset_job(
    "refresh",
    selection=(dg.AssetSelection.all() - _RAW - _HOUSE).materializable()
    | (dg.AssetSelection.all_asset_checks() - _RAW_CHECKS - _HOUSE_CHECKS),
    executor_def=dg.in_process_executor,
    description="Build and test every model from what is stored, then publish.",
)


def settings_of(source: str, tickers: list[str] | None = None) -> dict[str, object]:
    """Run configuration of an ingest that asks `source`."""
    return {"resources": {"settings": {"config": {"source": source, "tickers": tickers or []}}}}


def with_followers(tables: Iterable[str]) -> list[str]:
    """Return the raw tables and those that an ingest of them brings along: sessions, and scores."""
    named = {*tables, "sessions"}
    return sorted(named | set(SCORED_TABLES) if "news" in named else named)


@dg.schedule(
    job=ingest,
    cron_schedule=f"{ASKED_AT.minute} {ASKED_AT.hour} * * 1-5",
    execution_timezone=NEW_YORK.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekday_ingest(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ingest after the New York close when a session has closed that no ingest has seen.

    Dagster remembers when it last looked at this schedule, and on the first look after it was away
    evaluates the newest of the ticks it missed, once. As the question asked here is not "is today a
    session?" but "is there a session not yet ingested?", that one evaluation catches up with
    however many sessions the machine slept through, whatever day it wakes on.
    """
    if _is_simulated(Home.find()):
        return dg.SkipReason(_SIMULATED)
    tick = (context.scheduled_execution_time or datetime.now(UTC)).astimezone(NEW_YORK)
    closed = last_closed_session(tick.astimezone(UTC))
    whole = _whole_ingests(context.instance)
    complete = next((r for r in whole if r.has_ended_well and INCOMPLETE not in r.tags), None)
    ingested = complete.started_at if complete else None
    if ingested is not None and last_closed_session(ingested) >= closed:
        return dg.SkipReason(
            f"{_kind_of_day(tick.date())}, and the last session, {closed:%a %Y-%m-%d}, "
            f"was ingested at {ingested:%Y-%m-%d %H:%M} UTC."
        )
    return dg.RunRequest(run_config=settings_of(DEFAULT_SOURCE))


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=_SENSOR_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_data(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Refresh when the raw tables or the code of the models changed, by whichever route.

    The key of both is the run's tag: the state that was built last, by a run of whatever origin, is
    not built again, and neither is one that failed. Runs on their way are waited for, so that a
    burst of new tables is one refresh.
    """
    instance, home = context.instance, Home.find()
    bury_the_dead(instance, home)
    inputs = inputs_key(instance)
    if inputs is None:
        return dg.SkipReason("Nothing has been ingested yet.")
    context.update_cursor(inputs)
    if unfinished(instance, home):
        return dg.SkipReason("Another run is on its way; its end is waited for.")
    run_key = next_refresh(instance, inputs)
    if run_key is None:
        return dg.SkipReason("A run has dealt with what is stored and with these models already.")
    return dg.RunRequest(run_key=run_key, tags={INPUTS: inputs, IF_NEW: "true"})


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=_SENSOR_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ingest the inbox when a file has landed there whole: it looks as it did a tick ago.

    What was tried once and still lies there is not tried again; the same file dropped anew is,
    because its time of change in the folder is another.
    """
    instance, home = context.instance, Home.find()
    files = _files(home.inbox)
    before = set(json.loads(context.cursor or "[]"))
    context.update_cursor(json.dumps([file.mark for file in files]))
    landed = [file for file in files if file.mark in before]
    if not landed:
        return dg.SkipReason("Files are landing." if files else "The inbox is empty.")
    if _is_simulated(home):
        return dg.SkipReason(_SIMULATED)
    waited = time.time() - min(file.changed_at for file in landed)
    if len(landed) < len(files) and waited < MOST_PATIENCE_SECONDS:
        return dg.SkipReason("Some files have landed, others are still landing.")
    bury_the_dead(instance, home)
    if unfinished(instance, home, job=ingest.name):
        return dg.SkipReason("Another ingest is on its way; its end is waited for.")
    listing = hashlib.sha256("\n".join(file.mark for file in landed).encode()).hexdigest()
    run_key = next_fetch(instance, listing)
    if run_key is None:
        return dg.SkipReason(
            f"A run has tried {', '.join(file.name for file in landed[:5])} and could not; "
            "its log says why. Take it away, or drop it anew to have it tried again."
        )
    tables = with_followers(file.table for file in landed)
    return dg.RunRequest(
        run_key=run_key,
        run_config=settings_of("inbox"),
        tags={FILES: listing},
        asset_selection=[key(table) for table in tables],
    )


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=_RESUME_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def resume(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for what is left when the newest ingest was cut short and its source may be asked again.

    It was by the source, or by the machine: killed, or on a full disk. What it got is not asked for
    again: the source knows what is known.
    """
    cut_short = list(
        itertools.takewhile(lambda r: r.was_cut_short, _whole_ingests(context.instance))
    )
    if not cut_short:
        return dg.SkipReason("The newest ingest was not cut short.")
    newest_ingest = cut_short[0]
    # What goes on failing is asked for ever more rarely.
    patience = min(_RESUME_PAUSE * 2 ** (len(cut_short) - 2), _LONGEST_PAUSE)
    is_patient = len(cut_short) > 1 or not newest_ingest.has_ended_well
    due = newest_ingest.started_at + (max(patience, _RESUME_PAUSE) if is_patient else timedelta(0))
    if RESUME_AT in newest_ingest.tags:
        asked = datetime.fromisoformat(newest_ingest.tags[RESUME_AT])
        due = max(due, asked.replace(tzinfo=UTC))
    if due > datetime.now(UTC):
        return dg.SkipReason(f"The source is left alone until {due:%Y-%m-%d %H:%M} UTC.")
    home = Home.find()
    if _is_simulated(home):
        return dg.SkipReason(_SIMULATED)
    bury_the_dead(context.instance, home)
    if unfinished(context.instance, home, job=ingest.name):
        return dg.SkipReason("Another ingest is on its way; its end is waited for.")
    return dg.RunRequest(run_key=newest_ingest.run_id, run_config=settings_of(DEFAULT_SOURCE))


@dg.sensor(minimum_interval_seconds=_FRESH_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING)
def freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Say of raw tables, when it changes, whether they are as new as their exchanges let expect.

    Dagster's own policies know windows and hours, but no holidays; and a table that was asked for
    in vain is materialised, too. The answer is the one that `bellwether status` gives.
    """
    home = Home.find()
    if not home.attempts.is_file():
        return dg.SkipReason("Nothing has been ingested yet.")
    with reading_attempts(home) as (con, _):
        found = late(con, datetime.now(UTC).replace(tzinfo=None))
    known: dict[str, str] = json.loads(context.cursor or "{}")
    told = list(fresh_now(found))
    now = {str(one.asset_key.path[-1]): one.description or "" for one in told}
    changed = [one for one in told if known.get(one.asset_key.path[-1]) != one.description]
    context.update_cursor(json.dumps(now))
    if not changed:
        return dg.SkipReason("All tables stand as they stood.")
    names = ", ".join(str(one.asset_key.path[-1]) for one in changed)
    return dg.SensorResult(asset_events=changed, skip_reason=f"The check was told anew of {names}.")


def _is_simulated(home: Home) -> bool:
    published = newest(home)
    return published is not None and published.is_simulated


@dataclass(frozen=True)
class _File:
    """A file in the inbox; its mark tells it from what it was, and from another of its name."""

    table: str
    name: str
    changed_at: float
    mark: str


def _files(inbox: Path) -> list[_File]:
    found = []
    for path in waiting(inbox):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        table = path.parent.name
        looks = f"{table}/{path.name} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        mark = hashlib.sha256(looks.encode(errors="surrogateescape")).hexdigest()[:16]
        found.append(_File(table, path.name, status.st_ctime, mark))
    return found


@dataclass(frozen=True)
class _Ingest:
    """A run that asked the default source for everything, and has ended."""

    run_id: str
    started_at: datetime
    tags: Mapping[str, str]
    has_ended_well: bool

    @property
    def was_cut_short(self) -> bool:
        """Whether something is left to ask for, and asking again may bring it."""
        return RESUME_AT in self.tags if self.has_ended_well else FAULT not in self.tags


def _whole_ingests(instance: dg.DagsterInstance) -> Iterator[_Ingest]:
    """Yield such ingests, the newest first."""
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=ingest.name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
        ),
        limit=100,
    )
    for record in records:
        run = record.dagster_run
        config: Any = run.run_config
        settings = config.get("resources", {}).get("settings", {}).get("config", {})
        whole = run.asset_selection is None or run.asset_selection >= {key(t) for t in schema()}
        asked = settings.get("source", DEFAULT_SOURCE), bool(settings.get("tickers"))
        if whole and asked == (DEFAULT_SOURCE, False) and record.start_time is not None:
            yield _Ingest(
                run.run_id,
                datetime.fromtimestamp(record.start_time, UTC),
                run.tags,
                run.status is dg.DagsterRunStatus.SUCCESS,
            )


def _kind_of_day(day: date) -> str:
    calendar = calendar_reaching(REFERENCE, day)
    stamp = pd.Timestamp(day)
    if calendar.is_session(stamp):
        return f"{day:%a %Y-%m-%d} is a session"
    holidays = calendar.regular_holidays
    names = list(holidays.holidays(stamp, stamp, return_name=True)) if holidays is not None else []
    return f"{day:%a %Y-%m-%d} is {names[0] if names else 'no session'}"
