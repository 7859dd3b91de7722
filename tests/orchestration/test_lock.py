"""One run at a time, between threads, between processes, and after a process was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import dagster as dg
import pytest

from orchestration import lock, run
from tests.orchestration.conftest import BARS, Drop
from warehouse.settings import Home

pytestmark = pytest.mark.usefixtures("project")

# An ingest in a process of its own that never ends: it stops as soon as it may write.
STUCK = """
import sys, time
from pathlib import Path
from orchestration import run
from warehouse.settings import Home
def stop(asset, status):
    print(asset, status, flush=True)
    time.sleep(60)
run.run_ingest(Home(Path(sys.argv[1])), "inbox", tables=["prices"], on_event=stop)
"""


def test_a_run_waits_for_the_run_of_another_process_and_outlives_its_death(
    home: Home, instance: dg.DagsterInstance, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("prices", *BARS)
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    stuck = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(home.path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    assert stuck.stdout is not None
    try:
        assert stuck.stdout.readline() == "raw/prices started\n"
        [theirs] = lock.unfinished(instance, home)
        monkeypatch.setattr(lock, "_GRACE_SECONDS", 0.0)
        assert lock.bury_the_dead(instance, home) == []
        assert lock.unfinished(instance, home) == [theirs]

        told: list[tuple[str, str]] = []
        waiting = threading.Event()

        def listen(asset: str, status: str) -> None:
            told.append((asset, status))
            waiting.set()

        def kill() -> None:
            waiting.wait(30)
            time.sleep(0.3)
            stuck.send_signal(signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        ours = run.run_ingest(home, "inbox", tables=["prices"], on_event=listen)
        killer.join()
    finally:
        stuck.kill()
        stuck.communicate()
    assert told[0] == ("", "waiting for another run to finish")
    assert ours.success and ours.tables["prices"].counts.new == 3
    dead = instance.get_run_by_id(theirs)
    assert dead and dead.status is dg.DagsterRunStatus.FAILURE and lock.DIED in dead.tags
    assert lock.unfinished(instance, home) == []
    assert not any((home.dagster / "running").glob(ours.run_id))
