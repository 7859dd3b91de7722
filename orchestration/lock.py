"""One run at a time: a run holds the home's lock from its first step to its last.

The locks are the operating system's, so a process that dies, however it dies, gives them back; and
they hold between any two processes, be it the daemon's runs or those of the command line. Each run
also holds a lock of its own, by which others see whether a run that says it is running still is.
"""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import dagster as dg

from warehouse.errors import StorageError
from warehouse.settings import Home

Progress = Callable[[str, str], None]

# Whom a run of this process tells how it gets on: the asset key (blank: the run) and a status.
PROGRESS: ContextVar[Progress | None] = ContextVar("progress", default=None)

DIED = "bellwether/died"
_POLL_SECONDS = 0.1
# A run says that it started a moment before it holds its lock.
_GRACE_SECONDS = 30.0
# … and gives it back a moment before it says that it ended.
_ENDING_SECONDS = 3.0

_COMING = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
)
_HERE = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


class Writer(dg.ConfigurableResource[object]):
    """The right to write the home's build database; every asset asks for it."""

    @property
    def home(self) -> Home:
        """The home this process works on."""
        return Home.find()

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Writer"]:
        """Hold the lock for the whole run; wait for the run that has it."""
        run, instance = context.run, context.instance
        assert run is not None and instance is not None

        def waiting() -> None:
            message = "waiting for another run to finish"
            tell("", message)
            if context.log:
                context.log.info(message)

        with _held(_own(self.home, run.run_id)), _held(_everybodys(self.home), waiting):
            bury_the_dead(instance, self.home)
            yield self
        _own(self.home, run.run_id).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(home: Home, when_waiting: Callable[[], None]) -> Iterator[None]:
    """Keep runs from writing the home, after the one that does has finished.

    Raises `StorageError` where the lock cannot be written.
    """
    lock = _everybodys(home)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise StorageError(
            f"{home.path} cannot be written to ({error.strerror}), and the lock that keeps runs "
            "from writing meanwhile lies there. Make it writable and run this again; nothing was "
            "changed."
        ) from error
    with _held(_everybodys(home), when_waiting):
        yield


def tell(asset_key: str, status: str) -> None:
    """Tell who is listening, if anybody, how an asset gets on."""
    listener = PROGRESS.get()
    if listener is not None:
        listener(asset_key, status)


def unfinished(instance: dg.DagsterInstance, home: Home, *, job: str | None = None) -> list[str]:
    """Runs, of `job` or of all, that wait, start or run; a run whose process died is not one."""
    records = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=[*_COMING, *_HERE]), limit=100
    )
    return [
        record.dagster_run.run_id
        for record in records
        if record.dagster_run.status in _COMING or not _is_dead(record, home)
    ]


def bury_the_dead(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """Mark runs as failed whose process died without saying so."""
    here = dg.RunsFilter(statuses=list(_HERE))
    records = instance.get_run_records(here, limit=100)
    if not any(_is_dead(record, home) for record in records):
        return []
    time.sleep(_ENDING_SECONDS)
    records = instance.get_run_records(here, limit=100)
    dead = [record.dagster_run for record in records if _is_dead(record, home)]
    for run in dead:
        instance.add_run_tags(run.run_id, {DIED: "true"})
        instance.report_run_failed(run, "The process of this run ended without finishing it.")
        _own(home, run.run_id).unlink(missing_ok=True)
    return [run.run_id for run in dead]


def _is_dead(record: dg.RunRecord, home: Home) -> bool:
    started = record.start_time or record.create_timestamp.timestamp()
    if time.time() - started < _GRACE_SECONDS:
        return False
    return not _is_held(_own(home, record.dagster_run.run_id))


def _everybodys(home: Home) -> Path:
    return home.build.with_name("writer.lock")


def _own(home: Home, run_id: str) -> Path:
    return home.dagster / "running" / run_id


@contextlib.contextmanager
def _held(path: Path, when_waiting: Callable[[], None] | None = None) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if when_waiting is not None:
                    when_waiting()
                    when_waiting = None
                time.sleep(_POLL_SECONDS)
        yield


def _is_held(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
