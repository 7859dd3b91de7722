"""dbt without its command line: the prepared manifest, and one build inside this process.

Parsing the project takes seconds, so it is done once per content of the project's files and kept in
`dbt_project/target/prepared/<hash>/`, whole or not at all; every process reads it from there.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import builds
from warehouse import settings
from warehouse.errors import BellwetherError
from warehouse.garbage import without_collecting
from warehouse.settings import Home, memory_limit

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

_CODE = (".sql", ".csv", ".yml", ".yaml", ".md", ".py")
_NOT_CODE = ("target", "logs", "dbt_packages")
_KEPT = 3
_OF_DBT = ("manifest.json", "partial_parse.msgpack")
_QUIET = (
    "--quiet",
    "--log-level=none",
    "--log-level-file=none",
    "--no-use-colors",
    "--no-send-anonymous-usage-stats",
)


class ProjectError(BellwetherError):
    """The dbt project cannot be read, or dbt could not start building it."""


@dataclass(frozen=True)
class Manifest:
    """What dbt knows of the project, as prepared for one content of its files."""

    folder: Path

    @property
    def path(self) -> Path:
        """The manifest as dbt publishes it."""
        return self.folder / "manifest.json"

    @property
    def lineage(self) -> Path:
        """Where the column lineage of its models is kept once it is known."""
        return self.folder / "lineage.json"

    @property
    def is_unit_tested(self) -> bool:
        """Whether all unit tests passed; they judge the code alone, so once is enough."""
        return self._unit_tested.exists()

    @property
    def _unit_tested(self) -> Path:
        return self.folder / "unit_tested"

    def note_unit_tests(self, built: "list[Built]") -> None:
        """Remember that the unit tests passed, if they did."""
        if all(node.is_good for node in built if node.kind == "unit_test"):
            self._unit_tested.touch()

    @cached_property
    def content(self) -> dict[str, Any]:
        """The manifest, read."""
        content: dict[str, Any] = json.loads(self.path.read_bytes())
        return content


@dataclass(frozen=True)
class Built:
    """How one node of a build ended; `status` is dbt's own word."""

    unique_id: str
    kind: str
    name: str
    status: str
    message: str
    seconds: float
    failing_rows: int
    compiled: str

    @property
    def is_asset(self) -> bool:
        """Whether it is a table, a view or a seed."""
        return self.kind in ("model", "seed", "snapshot")

    @property
    def is_good(self) -> bool:
        """Whether it was built, passed, or only warned."""
        return self.status in ("success", "pass", "warn")

    @property
    def is_skipped(self) -> bool:
        """Whether it was not tried because something before it failed."""
        return self.status == "skipped"


def code_version() -> str:
    """Hash of all that says what the marts are: every file of the project, and the engines."""
    engines = [f"{name} {version(name)}\n" for name in ("dbt-core", "dbt-duckdb", "duckdb")]
    digest = hashlib.sha256("".join(engines).encode())
    for path in _project_files():
        name = path.relative_to(settings.DBT_PROJECT).as_posix()
        content = path.read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def prepare_manifest() -> Manifest:
    """Return the manifest of the project as its files are now; parse them if nobody did yet.

    Raises `ProjectError` when dbt cannot parse the project.
    """
    target = settings.DBT_PROJECT / "target"
    manifest = Manifest(target / "prepared" / code_version()[:16])
    if manifest.path.exists():
        return manifest
    manifest.folder.parent.mkdir(parents=True, exist_ok=True)
    with (manifest.folder.parent / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not manifest.path.exists():
            _parse(manifest.folder)
            _show(manifest.path, target / "manifest.json")
            _forget_old(manifest.folder)
    return manifest


def build(
    manifest: Manifest,
    home: Home,
    *,
    as_of: datetime,
    select: list[str] | None = None,
    whole: bool = False,
    anew: bool = False,
    on_node: Callable[[str, str], None] | None = None,
) -> list[Built]:
    """Build and test models as of a moment, in dependency order, and say how each node ended.

    Unit tests are left out once they passed for this manifest. Where the last build fits (see
    `builds`), only what reads raw tables with something new is run, unless `whole` is set, and an
    incremental model goes on from its table, unless `anew` is.

    `select` limits it to the nodes of these names, made anew. `on_node` hears a relation's asset
    key and how it gets on. When it returns, this process has let go of the build database.

    Raises `ProjectError` when dbt could not start, `HomeError` when the memory it may take is no
    size; a model or test that failed is no error here.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.contracts.graph.manifest import Manifest as DbtManifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    memory = memory_limit()
    parsed = DbtManifest.from_msgpack(
        (manifest.folder / "partial_parse.msgpack").read_bytes(),
        decoder=extended_mashumuro_decoder,
    )
    parsed.build_flat_graph()  # macros see the project through it; parsing would have made it
    arguments = ["build", "--no-write-json", "--target-path", str(home.dbt)]
    arguments += ["--log-path", str(home.dbt)]
    plan = builds.begin(home, manifest.content, manifest.folder.name, as_of, select, whole, anew)
    arguments += ["--vars", json.dumps(plan.variables)]
    if select:
        arguments += ["--select", *select]
    elif plan.affected is not None:
        arguments += ["--select", *plan.affected]
    if manifest.is_unit_tested:
        arguments += ["--exclude-resource-type", "unit_test"]
    home.dbt.mkdir(parents=True, exist_ok=True)
    try:
        with (
            environment(
                BELLWETHER_BUILD=str(home.build),
                BELLWETHER_KEEP_OPEN="True",
                BELLWETHER_MEMORY=memory,
            ),
            without_collecting(),
        ):
            ended = _invoke(arguments, manifest=parsed, on_event=_node_listener(on_node))
    finally:
        DuckDBConnectionManager.close_all_connections()
    results = getattr(ended.result, "results", None)
    if results is None:
        raise ProjectError(f"dbt could not build the project: {ended.exception}")
    built = [_built(result) for result in results]
    models = {node.name.split(".")[-1]: node.is_good for node in built if node.is_asset}
    builds.finish(home, plan, models, all(node.is_good for node in built))
    if not select and plan.affected is None:
        manifest.note_unit_tests(built)
    return built


def _project_files() -> list[Path]:
    root = settings.DBT_PROJECT
    files: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (Path(folder) != root or name not in _NOT_CODE)
        ]
        files += [
            Path(folder, name)
            for name in names
            if name.endswith(_CODE) and not name.startswith(".")
        ]
    return sorted(files)


def _parse(folder: Path) -> None:
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        ended = _invoke(["parse", "--no-partial-parse", "--target-path", str(unfinished)])
        if not ended.success:
            raise ProjectError(f"dbt cannot read the project: {ended.exception}")
        for path in unfinished.iterdir():
            if path.name not in _OF_DBT:
                path.unlink()
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _show(manifest: Path, shown: Path) -> None:
    """Put the newest manifest where editors and dbt's own tools look for it."""
    copy = shown.with_name(f".{shown.name}.{os.getpid()}")
    shutil.copyfile(manifest, copy)
    os.replace(copy, shown)


def _forget_old(newest: Path) -> None:
    folders = [path for path in newest.parent.iterdir() if path.is_dir() and path != newest]
    folders.sort(key=lambda path: path.stat().st_mtime)
    for path in folders[: -(_KEPT - 1)]:
        shutil.rmtree(path, ignore_errors=True)


def _invoke(
    arguments: list[str],
    *,
    manifest: object = None,
    on_event: Callable[[Any], None] | None = None,
) -> "dbtRunnerResult":
    from dbt.cli.main import dbtRunner

    project = str(settings.DBT_PROJECT)
    command, *options = arguments
    with environment(DO_NOT_TRACK="1"), _interruptible():
        ended = dbtRunner(manifest=manifest, callbacks=[on_event] if on_event else []).invoke(
            [command, *_QUIET, "--project-dir", project, "--profiles-dir", project, *options]
        )
    # dbt hands back whatever was raised, an interruption included.
    if ended.exception is not None and not isinstance(ended.exception, Exception):
        raise ended.exception
    return ended


def _node_listener(on_node: Callable[[str, str], None] | None) -> Callable[[Any], None] | None:
    if on_node is None:
        return None

    def listen(event: Any) -> None:
        if event.info.name not in ("NodeStart", "NodeFinished"):
            return
        node = event.data.node_info
        if node.resource_type in ("model", "seed", "snapshot"):
            ending = {"success": "done", "skipped": "skipped"}.get(node.node_status, "failed")
            status = "started" if event.info.name == "NodeStart" else ending
            on_node(f"{node.node_relation.schema}/{node.node_name}", status)

    return listen


def _built(result: Any) -> Built:
    node = result.node
    return Built(
        unique_id=node.unique_id,
        kind=str(node.resource_type),
        name=f"{node.schema}.{node.name}" if hasattr(node, "schema") else node.name,
        status=str(result.status),
        message=" ".join(str(result.message or "").split()),
        seconds=float(result.execution_time),
        failing_rows=int(result.failures or 0),
        compiled=getattr(node, "compiled_code", None) or "",
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let interruptions reach dbt as the one kind on which it stops its queries and threads."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, signal.default_int_handler) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler or signal.SIG_DFL)


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the time of a `with` block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
