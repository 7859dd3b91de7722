"""The dbt project cut down to what some models rest on, so that a measurement runs nothing else."""

import shutil
from pathlib import Path

import yaml

from orchestration import dbt
from warehouse import settings


def rests_on(*models: str) -> set[str]:
    """Return the names of `models` and of all models above them."""
    nodes = dbt.prepare_manifest().content["nodes"]
    waiting = [f"model.bellwether.{name}" for name in models]
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node in nodes and node.startswith("model.") and nodes[node]["name"] not in found:
            found.add(nodes[node]["name"])
            waiting += nodes[node]["depends_on"]["nodes"]
    return found


def cut_down(folder: Path, *models: str) -> None:
    """Work from now on with a copy in `folder` of the project: `models` and what they rest on."""
    kept = rests_on(*models)

    def others(path: str, names: list[str]) -> list[str]:
        is_models = "models" in Path(path).parts
        unwanted = {name for name in names if is_models and Path(name).suffix == ".sql"}
        return [*(unwanted - {f"{name}.sql" for name in kept}), "target", "logs"]

    shutil.copytree(settings.DBT_PROJECT, folder, ignore=others)
    for path in folder.glob("models/*/*.yml"):
        content = yaml.safe_load(path.read_text())
        for part, name in (("models", "name"), ("unit_tests", "model")):
            content[part] = [one for one in content.get(part, []) if one[name] in kept]
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    settings.DBT_PROJECT = folder
