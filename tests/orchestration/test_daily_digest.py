"""The daemon's own tick at six in the morning: the digest is written and sent where it is to go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import (
    InstigatorState,
    ScheduleInstigatorData,
    TickStatus,
)

from orchestration.housekeeping import daily_housekeeping
from tests.orchestration.services import process
from tests.warehouse.test_health import mail_server, published, webhook
from warehouse import digest
from warehouse.settings import Home


@pytest.mark.daemon
def test_the_daemon_writes_and_sends_the_digest_of_a_morning_it_slept_through(
    home: Home, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "daemon.log"
    published(home, [("ABC", "GAP", "The session opened 28 % away.")])

    def wait(what: str, happened: Callable[[], object], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                pytest.fail(f"{what}:\n{log.read_text()[-8000:]}")
            time.sleep(0.2)

    def schedule() -> list[InstigatorState]:
        states = instance.all_instigator_state()
        return [state for state in states if state.name == daily_housekeeping.name]

    def runs(*statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        wanted = dg.RunsFilter(job_name="housekeeping", statuses=list(statuses))
        return [record.dagster_run for record in instance.get_run_records(wanted)]

    with webhook() as (address, posted), mail_server() as (smtp, mailed):
        monkeypatch.setenv(digest.WEBHOOK, f"{address}/hook")
        monkeypatch.setenv(digest.MAIL_TO, "ops@example.com")
        monkeypatch.setenv(digest.SMTP, smtp)
        with process(home, log, "dagster._daemon", "run"):
            wait("the schedule was not looked at", schedule)
        assert runs() == [] and posted == []

        # As if it had last been looked at the day before yesterday: the machine slept.
        [state] = schedule()
        data = state.instigator_data
        assert isinstance(data, ScheduleInstigatorData)
        then = (datetime.now(UTC) - timedelta(days=2)).timestamp()
        instance.update_instigator_state(
            state.with_data(ScheduleInstigatorData(data.cron_schedule, then, then))
        )
        ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
        with process(home, log, "dagster._daemon", "run"):
            wait("no digest", lambda: runs(*ended))
        [run] = runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS, log.read_text()[-8000:]
        assert run.tags["dagster/schedule_name"] == daily_housekeeping.name

    [tick] = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    assert (tick.status, tick.run_ids) == (TickStatus.SUCCESS, [run.run_id])
    # Once for the two mornings, and to both.
    [file] = home.digests.glob("*.json")
    told = json.loads(file.read_text())
    assert [(path, body) for _, path, body in posted] == [("/hook", told)]
    [message] = mailed
    assert message.get_content().replace("\r\n", "\n").rstrip() == (
        file.with_suffix(".md").read_text().rstrip()
    )
    assert [flag["ticker"] for flag in told["flags"]["open"]] == ["ABC"]
