"""Dagster's records in SQLite: one engine a file, whatever is stored, and every event is there."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration import engines, run
from tests.orchestration.conftest import BARS, Drop
from warehouse.settings import Home


def test_a_run_makes_no_more_engines_than_there_are_files(
    home: Home, instance: dg.DagsterInstance, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create = engines.create_engine

    def counted(url: str, **options: object) -> object:
        made.append(url)
        return create(url, **options)

    monkeypatch.setattr(engines, "create_engine", counted)
    drop("prices", *BARS)
    done = run.run_ingest(home, "inbox", tables=["prices"])
    assert done.success
    assert 0 < len(made) == len(set(made)) <= len(list(home.dagster.rglob("*.db")))
    event = instance.get_latest_materialization_event(dg.AssetKey(["raw", "prices"]))
    assert event and event.run_id == done.run_id
