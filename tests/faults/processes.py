"""Real processes that can be killed: forked from one that has imported all, to start at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from warehouse import settings
from warehouse.settings import Home

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["dbt.cli.main", "exchange_calendars", "orchestration.run", "warehouse.cli", __name__]
)


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start `target` in a process of its own."""
    process = _FORKS.Process(target=target, args=arguments)
    process.start()
    return process


def bellwether(home: Path, project: Path, log: Path, *arguments: str) -> BaseProcess:
    """Start `bellwether` on a home, with a smaller dbt project; its output goes to `log`."""
    return start(_command_line, home, project, log, arguments)


def _command_line(home: Path, project: Path, log: Path, arguments: tuple[str, ...]) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    settings.DBT_PROJECT = project
    sys.argv = ["bellwether", *arguments, "--home", str(home)]
    from warehouse.cli import main

    main()


def ended(process: BaseProcess, log: Path, seconds: float = 900) -> None:
    """Wait for a process to end well; raises AssertionError with its output where it does not."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"it did not end within {seconds:.0f} s: {log.read_text()[-500:]}")
    assert process.exitcode == 0, f"exit {process.exitcode}: {log.read_text()[-1500:]}"


class Killer:
    """Kills processes at moments that are shares of how long an undisturbed one works.

    The shares follow from the seed; the moments from how fast the machine is.
    """

    def __init__(self, seed: int, has_begun: Callable[[], bool]) -> None:
        self.random = random.Random(seed)
        self.has_begun = has_begun
        self.seconds = 0.0
        self.kills = 0

    def time(self, process: BaseProcess, log: Path) -> None:
        """Let an undisturbed process end and remember how long it worked."""
        self._wait(process)
        started = time.monotonic()
        ended(process, log)
        self.seconds = time.monotonic() - started

    def kill(self, process: BaseProcess) -> bool:
        """Kill a process with SIGKILL; False where it had ended before."""
        self._wait(process)
        process.join(self.random.random() * self.seconds)
        was_alive = process.is_alive()
        process.kill()
        process.join()
        was_killed = was_alive and process.exitcode == -9
        self.kills += was_killed
        return was_killed

    def _wait(self, process: BaseProcess) -> None:
        deadline = time.monotonic() + 900
        while process.is_alive() and not self.has_begun():
            assert time.monotonic() < deadline, "it did not begin"
            time.sleep(0.002)


def has_run(home: Home) -> Callable[[], bool]:
    """Return whether a run of Dagster's that was not there before has begun to write."""
    running = home.dagster / "running"

    def look() -> bool:
        now = set(running.glob("*"))
        begun = bool(now - known)
        known.update(now)
        return begun

    known = set(running.glob("*"))
    return look
