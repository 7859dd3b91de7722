"""The real daemon: a file dropped into the inbox is in the published marts soon after, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from tests.orchestration.services import process
from warehouse.publish import newest, reading
from warehouse.settings import Home

BARS = """ticker,session_date,open,high,low,close,volume,currency
ABC,2026-11-19,10,11,9,10.5,1000,USD
ABC,2026-11-20,10.5,12,10,11.5,2000,USD
"""


@pytest.mark.daemon
def test_a_dropped_file_is_published_and_the_same_again_changes_nothing(
    home: Home, instance: dg.DagsterInstance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "daemon.log"

    def wait(what: str, happened: Callable[[], object], seconds: float) -> float:
        started = time.monotonic()
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        while not happened():
            is_late = time.monotonic() - started > seconds
            if is_late or instance.get_run_records(failed):
                pytest.fail(f"{what}:\n{log.read_text()[-8000:]}")
            time.sleep(0.1)
        return time.monotonic() - started

    def drop(name: str) -> Path:
        unfinished = home.inbox / "prices" / f"{name}.part"
        unfinished.write_text(BARS)
        return unfinished.rename(home.inbox / "prices" / name)

    def runs(job: str) -> int:
        return len(instance.get_run_records(dg.RunsFilter(job_name=job)))

    def ticks() -> int:
        [state] = [s for s in instance.all_instigator_state() if s.instigator_name == "new_data"]
        return len(instance.get_ticks(state.instigator_origin_id, state.selector_id))

    with process(home, log, "dagster._daemon", "run"):
        up = wait("no tick", instance.all_instigator_state, 60)
        drop("first.csv")
        seconds = wait("nothing published", lambda: newest(home), 120)
        with reading(home) as con:
            [(close,)] = con.sql("select close from marts.momentum where ticker = 'ABC'").fetchall()
        assert close == 11.5

        again = drop("second.csv")
        wait("second file not taken", lambda: not again.exists(), 60)
        before = ticks()
        wait("no more ticks", lambda: ticks() >= before + 2, 60)
        assert (runs("ingest"), runs("refresh")) == (2, 1)
    with capsys.disabled():
        print(f"\ndaemon up in {up:.1f} s; from file drop to published marts {seconds:.1f} s")
