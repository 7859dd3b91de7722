"""Dagster's records in SQLite: a file is opened twice at most, and every event is there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Engine, event

from orchestration import engines, run
from tests.orchestration.conftest import BARS, Drop
from warehouse.settings import Home


def test_a_run_opens_no_more_than_the_files_there_are(
    home: Home, instance: dg.DagsterInstance, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    opened: list[str] = []
    create = engines.create_engine

    def counted(url: str, **options: Any) -> Engine:
        made.append(url)
        engine = create(url, **options)
        event.listen(engine, "connect", lambda *_: opened.append(url))
        return engine

    monkeypatch.setattr(engines, "create_engine", counted)
    drop("prices", *BARS)
    done = run.run_ingest(home, "inbox", tables=["prices"])
    assert done.success
    assert 0 < len(made) == len(set(made)) <= len(list(home.dagster.rglob("*.db")))
    # Dagster reads from a file while it stores in it.
    assert made[0] in opened and max(Counter(opened).values()) <= 2
    told = instance.get_latest_materialization_event(dg.AssetKey(["raw", "prices"]))
    assert told and told.run_id == done.run_id
