"""What the machine does to us: a disk that is full, a folder that cannot be written, a clock."""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg

from orchestration.inputs import FAULT
from tests.faults.crashes import drop, same
from tests.faults.processes import bellwether, ended
from tests.faults.registry import Outcome, fault
from tests.orchestration.conftest import make_small_project
from warehouse import publish as publish_module
from warehouse import store as store_module
from warehouse.publish import newest, publish, reading, versions
from warehouse.settings import Home
from warehouse.sources.governor import Governor, standing
from warehouse.store import Warehouse

PART = "machine"
# Dagster keeps some 4 MB a run: room for those of thirty rounds.
_DISK_MB = 400


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own at `folder`; raises PermissionError where this user may not mount."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def told_well(log: Path, exit_code: int | None, words: tuple[str, ...]) -> None:
    """Assert that a command failed, and said why in a sentence."""
    said = log.read_text()
    assert "Traceback" not in said, f"a traceback: {said[-1500:]}"
    assert exit_code in (1, 3), f"exit {exit_code}: {said[-600:]}"
    joined = " ".join(said.split()).lower()
    assert any(word in joined for word in words), f"it does not say why: {said[-600:]}"


FULL = ("no space left", "disk is full", "disk full", "could not write", "i/o error", "disk i/o")


@fault(PART, "disk full during ingest and refresh", quick=1, full=30)
def disk_full(place: Path, seed: int, count: int) -> Outcome:
    project, log, chance = make_small_project(place / "dbt"), place / "log", random.Random(seed)
    home, quiet = Home(place / "disk" / "home"), Home(place / "undisturbed")
    command, failed = ("ingest", "prices", "news"), 0
    try:
        with small_disk(place / "disk"):
            drop(home, 0, seed)
            ended(bellwether(home.path, project, log, *command), log)
            ended(bellwether(home.path, project, log, "refresh"), log)
            balloon = place / "disk" / "balloon"
            for number in range(1, count + 1):
                drop(home, number, seed)
                for words in (command, ("refresh",)):
                    free = chance.randint(0, 3_000_000)
                    with contextlib.suppress(OSError), balloon.open("wb", buffering=0) as file:
                        while True:
                            file.write(b"\0" * 65536)
                    with balloon.open("r+b") as file:
                        file.truncate(max(0, balloon.stat().st_size - free))
                    process = bellwether(home.path, project, log, *words)
                    process.join()
                    if process.exitcode:
                        failed += 1
                        told_well(log, process.exitcode, FULL)
                    balloon.unlink()
                    with reading(home) as con:
                        con.sql("select * from raw.prices").fetchall()
                    ended(bellwether(home.path, project, log, *words), log)
            with dg.DagsterInstance.from_config(str(home.dagster)) as records:
                runs = records.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
            gone = [run.job_name for run in runs if FAULT in run.tags]
            assert not gone, f"the sensors would not try again: {gone}"
            for number in range(count + 1):
                drop(quiet, number, seed)
            ended(bellwether(quiet.path, project, log, *command), log)
            same(home, quiet)
    except PermissionError as error:
        return Outcome(0, f"not injected: {error}")
    assert failed, "the disk was never full"
    return Outcome(
        failed,
        "a sentence names the full disk, exit 1; with room again the next run goes on, no row "
        "lost or twice; what was published stays readable",
    )


@fault(PART, "a home that cannot be written to", quick=1, full=5)
def read_only(place: Path, seed: int, count: int) -> Outcome:
    project, log = make_small_project(place / "dbt"), place / "log"
    home, quiet = Home(place / "disk" / "home"), Home(place / "undisturbed")
    try:
        with small_disk(place / "disk"):
            drop(home, 0, seed)
            ended(bellwether(home.path, project, log, "ingest", "prices"), log)
            ended(bellwether(home.path, project, log, "refresh"), log)
            with contextlib.closing(Governor(home.yahoo)) as asked:
                asked.send(lambda: None)
            for number in range(1, count + 1):
                drop(home, number, seed)
                remount(place / "disk", "ro")
                for words in (("ingest", "prices"), ("refresh", "--force"), ("backup",)):
                    process = bellwether(home.path, project, log, *words)
                    process.join()
                    told_well(log, process.exitcode, ("read-only", "readonly"))
                process = bellwether(home.path, project, log, "sql", "from raw.prices", "--csv")
                ended(process, log)  # who only reads is not disturbed
                assert standing(home.yahoo).requests_today == 1, "`status` cannot look"
                remount(place / "disk", "rw")
                ended(bellwether(home.path, project, log, "ingest", "prices"), log)
            for number in range(count + 1):
                drop(quiet, number, seed)
            ended(bellwether(quiet.path, project, log, "ingest", "prices"), log)
            same(home, quiet)
    except PermissionError as error:
        return Outcome(0, f"not injected: {error}")
    return Outcome(
        3 * count,
        "a sentence says that it is read-only, exit 1; readers go on; nothing is lost",
    )


@fault(PART, "the clock jumps back or forth between runs", quick=20, full=500)
def clock(place: Path, seed: int, count: int) -> Outcome:
    home, chance = Home(place / "home"), random.Random(seed)
    now = datetime(2025, 6, 1, 12)

    class Shown(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return now.replace(tzinfo=tz)  # type: ignore[arg-type]

    with (
        mock.patch.object(store_module, "_utc_now", lambda: now),
        mock.patch.object(publish_module, "datetime", Shown),
    ):
        for number in range(count):
            now += timedelta(seconds=chance.choice([-86400, -3600, -1, 0, 1, 3600, 90000]))
            with Warehouse(home.build) as store:
                bars = store.con.sql(
                    f"select 'ABC' as ticker, date '2020-01-02' as session_date, "
                    f"{number + 1}.0 as close"
                )
                done = store.append("prices", bars, source="inbox")
            assert done.stored == 1, f"append {number} was taken for {done}"
            if number % 5 == 0:
                before = newest(home)
                made = publish(home, as_of=now)
                assert newest(home) == made, "another version than the newest is published"
                assert before is None or made.version in versions(home)
    with Warehouse(home.build) as store:
        rows = store.con.sql(
            "select count(*), count(distinct stored_at), "
            "arg_max(close, stored_at), bool_and(known_at <= stored_at) from raw.prices"
        ).fetchone()
    assert rows == (count, count, float(count), True), f"{rows}"
    return Outcome(
        count, "every version is stored later than the one before, the newest is the one published"
    )
