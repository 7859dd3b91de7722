"""Definitions load, and every asset is called what its table is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from orchestration import dbt, run
from orchestration.definitions import definitions
from orchestration.inputs import key
from warehouse.settings import PROJECT, Home
from warehouse.store import schema


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return definitions()


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> Mapping[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def test_every_asset_has_a_two_part_key_a_group_and_a_description(
    specs: Mapping[dg.AssetKey, dg.AssetSpec],
) -> None:
    for asset, spec in specs.items():
        assert len(asset.path) == 2, asset
        assert spec.group_name not in (None, "default"), asset
        assert spec.description, asset
        assert spec.kinds, asset


def test_asset_keys_are_sql_names(specs: Mapping[dg.AssetKey, dg.AssetSpec]) -> None:
    for asset, spec in specs.items():
        table = spec.metadata.get("dagster/table_name")
        if table is not None:
            assert str(table).split(".")[-2:] == list(asset.path)
    manifest = dbt.prepare_manifest().content
    nodes = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
        and node["config"]["materialized"] != "ephemeral"
    ]
    assert {dg.AssetKey([node["schema"], node["name"]]) for node in nodes} <= set(specs)
    sources = {key(source["name"]) for source in manifest["sources"].values()}
    assert sources <= set(specs)
    assert {key(table) for table in schema()} <= set(specs)


def test_sessions_come_after_the_tables_that_name_tickers(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    before = graph.get(key("sessions")).parent_keys
    assert {key("universe"), key("prices"), key("news")} <= before


def test_jobs_cover_everything_once(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    ingest = set(defs.resolve_job_def("ingest").asset_layer.executable_asset_keys)
    refresh = set(defs.resolve_job_def("refresh").asset_layer.executable_asset_keys)
    house = set(defs.resolve_job_def("housekeeping").asset_layer.executable_asset_keys)
    assert ingest == {key(table) for table in schema()}
    assert ingest | refresh | house == set(graph.materializable_asset_keys)
    assert not ingest & refresh and not (ingest | refresh) & house
    built, told, kept = (
        set(defs.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys)
        for job in ("refresh", "ingest", "housekeeping")
    )
    assert built | told | kept == set(graph.asset_check_keys) and built
    assert not built & told and not (built | told) & kept
    assert {check.name for check in told} == {"schema_drift", "feed_alive", "fresh"}


def test_the_clock_and_the_sensors_are_on(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("weekday_ingest")
    assert (schedule.cron_schedule, schedule.execution_timezone) == (
        "30 18 * * 1-5",
        "America/New_York",
    )
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    for name, seconds in (("new_data", 5), ("new_files", 5), ("resume", 30), ("freshness", 300)):
        sensor = defs.resolve_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert (sensor.minimum_interval_seconds or 999) <= seconds


def test_a_home_is_prepared_with_dagsters_settings_and_the_inbox(
    tmp_path: Path, project: Path
) -> None:
    home = Home(tmp_path / "home with a space")
    run.prepare(home)
    run.prepare(home)
    settings: dict[str, Any] = yaml.safe_load((home.dagster / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}
    assert (home.inbox / "prices").is_dir()
    assert not (home.inbox / "sessions").exists()


def test_the_workspace_names_the_definitions() -> None:
    [location] = yaml.safe_load((PROJECT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == "orchestration.definitions"
    assert not re.search(r"(^|\s)/", (PROJECT / "workspace.yaml").read_text())
