"""dbt on the project as parsed once for all tests, or on the part of it that a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from orchestration import dbt
from warehouse.settings import DBT_PROJECT


def read(manifest: dbt.Manifest) -> Any:
    """What dbt itself needs of a prepared manifest, to be used for one invocation."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    packed = (manifest.folder / "partial_parse.msgpack").read_bytes()
    parsed = Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)
    parsed.build_flat_graph()
    return parsed


def invoke(command: str, database: Path, folder: Path, *arguments: str) -> Any:
    """Have dbt do something with a database and write its files into a folder.

    Returns its results; raises AssertionError where one is an error or a failed test.
    """
    from dbt.cli.main import dbtRunner

    paths = [f"--target-path={folder}", f"--log-path={folder}"]
    project = [f"--project-dir={DBT_PROJECT}", f"--profiles-dir={DBT_PROJECT}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BELLWETHER_BUILD", str(database))
        runner = dbtRunner(manifest=read(dbt.prepare_manifest()))
        done = runner.invoke([command, "--quiet", *project, *paths, *arguments])
    if done.exception:
        raise done.exception
    bad = [(r.node.name, r.message) for r in done.result if r.status in ("error", "fail")]
    assert done.success, bad
    return done.result


def part(
    folder: Path, models: Iterable[str], replaced: dict[str, str] | None = None
) -> dbt.Manifest:
    """Prepare in a folder these models, all they are made of, and the data tests of these.

    `replaced` has the SQL of models that are to be made of nothing else.
    """
    from dbt.parser.manifest import extended_mashumaro_encoder

    whole = dbt.prepare_manifest()
    parsed, content = read(whole), whole.content
    for name, sql in (replaced or {}).items():
        node = parsed.nodes[f"model.bellwether.{name}"]
        node.raw_code, node.refs, node.depends_on.nodes, node.columns = sql, [], [], {}
        told = content["nodes"][node.unique_id]
        told["raw_code"], told["depends_on"]["nodes"] = sql, []
    kept: set[str] = set()
    waiting = [f"model.bellwether.{name}" for name in models]
    while waiting:
        unique_id = waiting.pop()
        if unique_id in content["nodes"] and unique_id not in kept:
            kept.add(unique_id)
            waiting += content["nodes"][unique_id]["depends_on"].get("nodes", [])
    for unique_id, node in content["nodes"].items():
        reads = {one for one in node["depends_on"].get("nodes", []) if one in content["nodes"]}
        if node["resource_type"] not in ("model", "seed") and reads <= kept:
            kept.add(unique_id)
    parsed.nodes = {name: node for name, node in parsed.nodes.items() if name in kept}
    parsed.unit_tests, parsed.files = {}, {}
    content["nodes"] = {name: node for name, node in content["nodes"].items() if name in kept}
    folder.mkdir(parents=True)
    (folder / "partial_parse.msgpack").write_bytes(parsed.to_msgpack(extended_mashumaro_encoder))
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "unit_tested").touch()
    return dbt.Manifest(folder)
