"""What the command line calls: run a job in this process, or serve the UI and the daemon.

The runs are the daemon's own kind and stand in the same records: the UI shows them, and the sensors
know what was done.
"""

import contextlib
import itertools
import json
import os
import re
import signal
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import dagster as dg
import yaml  # type: ignore[import-untyped]
from dagster._core.instance.ref import InstanceRef
from dagster._core.utils import make_new_run_id
from sqlalchemy.exc import DBAPIError

from orchestration import engines
from orchestration.assets import IngestSettings, raw_assets
from orchestration.automation import ingest, refresh, settings_of, with_followers
from orchestration.dbt import environment, prepare_manifest
from orchestration.housekeeping import failed_runs, housekeeping
from orchestration.inputs import IF_NEW, INPUTS, inputs_key, is_built, key
from orchestration.lock import PROGRESS, Progress, Writer, tell
from warehouse.errors import BellwetherError, HomeError, StorageError, UsageError
from warehouse.publish import Published, newest
from warehouse.settings import ENVIRONMENT_VARIABLE, PROJECT, Home
from warehouse.sources import SOURCES
from warehouse.sources.inbox import TABLES
from warehouse.store import Counts, schema

# With less than this a disk counts as full: Dagster's own records need more.
_FULL_BYTES = 10_000_000
HOST = "127.0.0.1"
# By which records know whose they are.
_OWNER = "bellwether/home"
# How an error we raise on purpose, or DuckDB does, begins as Dagster keeps it.
_OURS = re.compile(r"(?:warehouse|orchestration|_duckdb)(?:\.\w+)+: ")
# Of runs that failed one after the other no more are counted, of their reasons no more is told.
_MOST_FAILED, _REASON_LENGTH = 25, 300
engines.keep()
_DAGSTER_YAML = Path(__file__).with_name("dagster.yaml")
# A command line writes its own output; Dagster would print every event, and redirect what we print.
_QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_NO_CAPTURE = {
    "compute_logs": {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}


@dataclass(frozen=True)
class TableOutcome:
    """What one ingest did to one raw table.

    `failures` says which attempts failed, and why; `warnings` which found nothing or were put off,
    and which fields were not as declared; `requests` counts what was sent over the network.
    """

    counts: Counts
    row_count: int
    failures: list[str]
    warnings: list[str]
    requests: int
    seconds: float


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    `tables` is what an ingest did, by raw table; `row_counts` what a refresh built, by asset key.
    `failures` say why the run failed, if it did. A refresh with nothing new to build is `skipped`.
    """

    success: bool
    run_id: str
    seconds: float
    skipped: bool = False
    tables: dict[str, TableOutcome] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    published: Published | None = None


def prepare(home: Home) -> None:
    """Make the folders of `home` and the manifest of the dbt project, where they are missing."""
    for table in TABLES:
        (home.inbox / table).mkdir(parents=True, exist_ok=True)
    prepare_dagster_home(home)
    prepare_manifest()


def prepare_dagster_home(home: Home) -> None:
    """Put Dagster's settings into the home: the project's, and in their place what the home's say.

    Raises `HomeError` where the home's cannot be read.
    """
    target = home.dagster / _DAGSTER_YAML.name
    wanted = _DAGSTER_YAML.read_bytes()
    if home.dagster_settings.exists():
        wanted = _merged(wanted, home.dagster_settings)
    if target.exists() and target.read_bytes() == wanted:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.write_bytes(wanted)
    os.replace(unfinished, target)


def _merged(settings: bytes, own: Path) -> bytes:
    try:
        told = yaml.safe_load(own.read_bytes()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise HomeError(f"{own} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise HomeError(f"{own} holds no settings: it is to name some of Dagster's, as `storage:`.")
    every = yaml.safe_load(settings)
    # Nothing phones home, whatever a home says.
    merged = yaml.safe_dump({**every, **told, "telemetry": every["telemetry"]}, sort_keys=False)
    return f"# Made of the project's and {own}, which is the one to edit.\n{merged}".encode()


def run_ingest(
    home: Home,
    source: str,
    tables: Sequence[str] = (),
    tickers: Sequence[str] = (),
    on_event: Progress | None = None,
) -> RunOutcome:
    """Ask `source` for `tables` (none: all) and `tickers` (none: all), and store what it tells.

    Raises `UsageError` for a source or table there is not.
    """
    if source not in SOURCES:
        raise UsageError(f"There is no source '{source}'. Choose one of: {', '.join(SOURCES)}.")
    unknown = sorted(set(tables) - set(schema()))
    if unknown:
        raise UsageError(
            f"There is no raw table '{unknown[0]}'. Choose from: {', '.join(sorted(schema()))}."
        )
    with _instance(home) as instance:
        return _execute(
            home,
            ingest_job(),
            instance,
            on_event,
            config=settings_of(source, list(tickers)),
            selection=[key(table) for table in with_followers(tables)] if tables else None,
        )


def ingest_job() -> dg.JobDefinition:
    """Return the job `ingest` of the definitions, without the time it takes to load dbt."""
    return dg.Definitions(
        assets=raw_assets(),
        jobs=[ingest],
        resources={"writer": Writer(), "settings": IngestSettings()},
    ).resolve_job_def(ingest.name)


def run_refresh(
    home: Home,
    as_of: datetime | None = None,
    force: bool = False,
    anew: bool = False,
    on_event: Progress | None = None,
) -> RunOutcome:
    """Build and test all models, and publish; nothing to do when that was done with these inputs.

    `as_of` is UTC where it names no zone. `force` builds even what was built already; `anew` makes
    every table from the raw rows, too, instead of going on from the last build's.
    Raises `HomeError` when nothing was ingested yet, `ProjectError` when dbt cannot read its files.
    """
    started = time.monotonic()
    if as_of is not None and as_of.tzinfo is not None:
        as_of = as_of.astimezone(UTC).replace(tzinfo=None)
    asked = as_of.isoformat(sep=" ") if as_of else None
    with _instance(home) as instance:
        inputs = inputs_key(instance)
        if inputs is None and not home.build.is_file():
            raise HomeError(
                f"Nothing has been ingested in {home.path} yet. Run `bellwether ingest`, "
                "or `bellwether demo` for the simulated sample."
            )
        force = force or anew
        if inputs and not force and is_built(instance, home, inputs, asked):
            seconds = time.monotonic() - started
            return RunOutcome(True, "", seconds, skipped=True, published=newest(home))

        from orchestration.definitions import definitions

        tags = {INPUTS: inputs} if inputs else {}
        return _execute(
            home,
            definitions().resolve_job_def(refresh.name),
            instance,
            on_event,
            config={"ops": {"dbt": {"config": {"as_of": asked, "anew": anew}}}},
            tags=tags if force else {**tags, IF_NEW: "true"},
        )


def failed_runs_of(home: Home, since: datetime) -> list[str]:
    """Return a sentence for each run of `home` that failed after `since` (UTC)."""
    with _instance(home) as instance:
        return failed_runs(instance, since)


def failing_jobs_of(home: Home) -> list[str]:
    """Return a sentence for each job whose newest finished run failed, be it the daily one.

    A refresh that failed before something was published since does not count. Where the records
    cannot be read, the only sentence says so.
    """
    if not (home.dagster / _DAGSTER_YAML.name).exists():
        return []
    try:
        with _instance(home) as instance:
            jobs = (ingest.name, refresh.name, housekeeping.name)
            found = [_failing(instance, job, home) for job in jobs]
    except BellwetherError as error:
        return [f"How runs ended is not known: {error}"]
    return [sentence for sentence in found if sentence]


def _failing(instance: dg.DagsterInstance, job: str, home: Home) -> str | None:
    finished = dg.RunsFilter(
        job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    )
    records = instance.get_run_records(finished, limit=_MOST_FAILED)
    failed = list(
        itertools.takewhile(
            lambda record: record.dagster_run.status is dg.DagsterRunStatus.FAILURE, records
        )
    )
    if not failed:
        return None
    run_id = failed[0].dagster_run.run_id
    ended = datetime.fromtimestamp(failed[0].end_time or 0, UTC).replace(tzinfo=None)
    made = newest(home) if job == refresh.name else None
    if made is not None and datetime.fromisoformat(made.published_at) > ended:
        return None
    logged = instance.all_logs(
        run_id, of_type={dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    )
    reasons = _failures([entry.dagster_event for entry in logged if entry.dagster_event])
    count = f"{len(failed)} times in a row" if len(failed) > 1 else "once"
    if len(failed) == _MOST_FAILED:
        count = f"at least {_MOST_FAILED} times in a row"
    why = " ".join(" ".join(reasons).split())
    return (
        f"{job} failed {count}, last at {ended:%Y-%m-%d %H:%M} UTC (run {run_id}): "
        f"{why[:_REASON_LENGTH]}{'…' if len(why) > _REASON_LENGTH else ''}"
    )


def serve(home: Home, port: int) -> NoReturn:
    """Become Dagster's web server and daemon for `home`, on this machine only."""
    prepare(home)
    if home.dagster_settings.exists():
        with _instance(home):
            pass  # records of another home, or none that can be reached, are said before it starts
    environ = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        ENVIRONMENT_VARIABLE: str(home.path),
    }
    # Without compiled modules every process that Dagster starts takes twice as long to import.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # The command is superseded by one that needs another layout of the project.
    quiet = "ignore:Function `dev_command` is superseded"
    environ["PYTHONWARNINGS"] = ",".join(filter(None, [environ.get("PYTHONWARNINGS"), quiet]))
    # A script's background job starts with interruptions ignored, and so would all we become.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(PROJECT)
    # Every look of a sensor is two lines of information: for who watches, but no log of a year.
    level = "info" if sys.stdout.isatty() else "warning"
    command = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "--log-level", level]
    sys.stdout.flush()
    os.execve(sys.executable, [*command, "-h", HOST, "-p", str(port)], environ)


@contextlib.contextmanager
def _instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with _told_of_storage(home):
        prepare_dagster_home(home)
        reference = InstanceRef.from_dir(str(home.dagster), overrides=_NO_CAPTURE)
    with (
        _told_of_storage(home),
        environment(**{ENVIRONMENT_VARIABLE: str(home.path)}),
        dg.DagsterInstance.from_ref(reference) as instance,
    ):
        if home.dagster_settings.exists():
            _claim(home, instance)
        yield instance


def _claim(home: Home, instance: dg.DagsterInstance) -> None:
    """Note in the records whose they are; raises `HomeError` where they are another home's.

    Only where a home says itself where its records lie can two share them.
    """
    mark = home.dagster / "records.id"
    if not mark.exists():
        mark.write_text(uuid.uuid4().hex, encoding="utf-8")
    own = {"id": mark.read_text(encoding="utf-8"), "path": str(home.path)}
    cursors = instance.daemon_cursor_storage
    told = json.loads(cursors.get_cursor_values({_OWNER}).get(_OWNER) or "null")
    if told is not None and told["id"] != own["id"]:
        raise HomeError(
            f"The records that {home.dagster_settings} names are those of the home "
            f"{told['path']}. Sensors and the schedule decide by them what was done, so each home "
            "needs a database of its own: make one and name it there. If that home is no more, "
            "drop its database and make it anew; no fact is kept in it."
        )
    if told != own:
        cursors.set_cursor_values({_OWNER: json.dumps(own)})


@contextlib.contextmanager
def _told_of_storage(home: Home) -> Iterator[None]:
    """Say in a sentence what a full disk or an absent server raises deep inside Dagster."""
    try:
        yield
    except (BellwetherError, KeyboardInterrupt):
        raise
    except Exception as error:
        if isinstance(error, dg.DagsterInvalidConfigError):
            messages = (one.message.partition("Stack Trace:")[0] for one in error.errors)
            reasons = "; ".join(" ".join(message.split()) for message in messages)
            raise HomeError(f"Dagster does not take {home.dagster_settings}: {reasons}") from error
        if (absent := _absent_server(error)) is not None:
            raise StorageError(
                f"Dagster's records cannot be reached, so nothing was started: {absent} See what "
                f"{home.dagster_settings} says, and whether that server runs."
            ) from error
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError | sqlite3.DatabaseError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        if not isinstance(cause, OSError | sqlite3.OperationalError):
            raise StorageError(
                f"Dagster's records in {home.dagster} are damaged ({cause}). No fact is kept "
                "there: move that folder away and run this again; a refresh builds once more."
            ) from error
        there = next(path for path in (home.path, *home.path.parents) if path.exists())
        disk = os.statvfs(there)
        free = disk.f_bavail * disk.f_frsize
        why = "it is read-only" if disk.f_flag & os.ST_RDONLY else f"{free / 1e6:,.0f} MB are free"
        if free < _FULL_BYTES:
            why = f"its disk is full, {why}"
        raise StorageError(
            f"{home.path} cannot be written to ({cause}): {why}. Make room or make it writable, "
            "and run this again; what was stored and published stands."
        ) from error


def _absent_server(error: BaseException | None) -> str | None:
    """What a database server, or the lack of its client, says; None where it is none of these."""
    while error is not None:
        if isinstance(error, DBAPIError) and not isinstance(error.orig, sqlite3.Error):
            return " ".join(str(error.orig).split()) + "."
        if isinstance(error, ModuleNotFoundError) and error.name == "dagster_postgres":
            return (
                "its client is not installed, which `make setup` does (requirements/postgres.txt)."
            )
        error = error.__cause__ or error.__context__
    return None


def _execute(
    home: Home,
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    on_event: Progress | None,
    *,
    config: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    selection: Sequence[dg.AssetKey] | None = None,
) -> RunOutcome:
    started = time.monotonic()
    run_id = make_new_run_id()
    listening = PROGRESS.set(on_event)
    instance.add_event_listener(run_id, _tell_step)
    try:
        result = job.execute_in_process(
            run_config={**_QUIET, **config},
            instance=instance,
            raise_on_error=False,
            asset_selection=selection,
            run_id=run_id,
            tags=tags,
        )
    finally:
        PROGRESS.reset(listening)
    tables: dict[str, TableOutcome] = {}
    row_counts: dict[str, int] = {}
    for event in result.get_asset_materialization_events():
        done = event.step_materialization_data.materialization
        figures: dict[str, Any] = {name: value.value for name, value in done.metadata.items()}
        layer, name = done.asset_key.path
        if layer == "raw" and name in schema():
            tables[name] = _table_outcome(figures)
        elif layer not in ("raw", "site"):
            row_counts[done.asset_key.to_user_string()] = figures.get("dagster/row_count", 0)
    is_refresh = job.name == refresh.name
    return RunOutcome(
        success=result.success,
        run_id=run_id,
        seconds=time.monotonic() - started,
        skipped=is_refresh and result.success and not row_counts,
        tables=tables,
        row_counts=row_counts,
        failures=_failures(result.all_events),
        published=newest(home) if is_refresh and result.success else None,
    )


def _tell_step(entry: dg.EventLogEntry) -> None:
    event = entry.dagster_event
    if event is None or event.step_key is None or not event.step_key.startswith("raw__"):
        return
    asset = event.step_key.replace("__", "/", 1)
    if event.is_step_start:
        tell(asset, "started")
    elif event.is_step_success:
        tell(asset, "done")
    elif event.is_step_failure:
        tell(asset, "failed")


def _table_outcome(figures: Mapping[str, Any]) -> TableOutcome:
    return TableOutcome(
        counts=Counts(
            *(figures[n] for n in ("new", "changed", "unchanged", "rejected", "duplicates"))
        ),
        row_count=figures["dagster/row_count"],
        failures=list(figures["failures"]),
        warnings=[
            *figures["warnings"],
            *(
                f"{drift['ticker'] or 'all'}: {drift['field']} is {drift['found']}, "
                f"not {drift['expected']}"
                for drift in figures["drifts"]
            ),
        ],
        requests=figures["requests"],
        seconds=figures["seconds"],
    )


def _failures(events: Sequence[dg.DagsterEvent]) -> list[str]:
    messages = [_step_failure(event) for event in events if event.is_step_failure]
    if not messages:
        messages = [event.message or "" for event in events if event.is_failure]
    return list(dict.fromkeys(messages))


def _step_failure(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    # What we raise on purpose says all in its message; what it was raised from says less.
    while error is not None and error.cause is not None and not _OURS.match(error.message):
        error = error.cause
    if error is None:
        return event.message or ""
    if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
        return "Interrupted before it was finished."
    return _OURS.sub("", error.message.strip(), count=1)
