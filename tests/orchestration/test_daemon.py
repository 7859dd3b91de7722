"""The real daemon: a file dropped into the inbox is in the published marts soon after, once, and
only what reads it is run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from orchestration.inputs import MODELS
from tests.orchestration.services import process
from warehouse.publish import newest, reading
from warehouse.settings import Home

BARS = """ticker,session_date,open,high,low,close,volume,currency
ABC,2026-11-19,10,11,9,10.5,1000,USD
ABC,2026-11-20,10.5,12,10,11.5,2000,USD
"""
NEWS = """ticker,published_at,title,publisher
ABC,2026-11-20 15:00:00,Acme (NYSE: ABC) cuts its full-year guidance,Wire
"""
STORIES = """
select e.headline, t.subtopic
from marts.news_events e join marts.news_event_topics t using (cluster_id, ticker)
where t.topic = 'GUID' and t.subtopic <> ''
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

    def made(model: str) -> tuple[str, float]:
        """The run that last made a model, and how many seconds it took."""
        event = instance.get_latest_materialization_event(dg.AssetKey(["marts", model]))
        assert event and event.asset_materialization
        return event.run_id, float(event.asset_materialization.metadata["seconds"].value)  # type: ignore[arg-type]

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

        first = newest(home)
        (home.inbox / "news" / "one.csv").write_text(NEWS)
        until_news = wait("no news published", lambda: newest(home) != first, 120)
        with reading(home) as con:
            assert con.sql(STORIES).fetchall() == [
                ("Acme (NYSE: ABC) cuts its full-year guidance", "cut")
            ]
        story, took = made("news_events")
        [refresh, before_it] = instance.get_runs(dg.RunsFilter(job_name="refresh"))
        assert story == refresh.run_id and took >= 0
        assert made("scorecard")[0] == refresh.run_id
        untouched = ("momentum", "momentum_history", "momentum_ranks")
        assert {made(model)[0] for model in untouched} == {before_it.run_id}
        ran = refresh.tags[MODELS]
    with capsys.disabled():
        print(
            f"\ndaemon up in {up:.1f} s; from file drop to published marts {seconds:.1f} s, "
            f"for news {until_news:.1f} s (models: {ran})"
        )
