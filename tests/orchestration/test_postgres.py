"""Dagster's records in PostgreSQL: a real server of the test's own, on a free port of 127.0.0.1."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import (
    InProcessTestWorkspaceLoadTarget,
    create_test_daemon_workspace_context,
    freeze_time,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._scheduler.scheduler import launch_scheduled_runs

from orchestration import run
from orchestration.housekeeping import (
    daily_digest,
    daily_housekeeping,
    forget_old_checks,
    forget_old_runs,
    housekeeping,
    records,
)
from orchestration.lock import Writer
from tests.orchestration.conftest import BARS, Drop
from warehouse.errors import HomeError, StorageError
from warehouse.settings import PROJECT, Home

pytestmark = pytest.mark.slow

PASSWORD = "it's a: secret/100%"
VARIABLE = "BELLWETHER_POSTGRES_PASSWORD"
EXAMPLE = (PROJECT / "docs" / "operation.md").read_text()


def programs() -> Path | None:
    """Where initdb is: Debian keeps it off the path."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else installed[-1].parent if installed else None


@dataclass
class Server:
    """A server with a database and a user `bellwether`."""

    folder: Path
    bin: Path
    user: str | None
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self.folder / "log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(str(self.bin / "postgres"), "-D", str(self.folder / "data")),
                    *("-k", str(self.folder), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                ],
                user=self.user,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while self.query("select 1", database="postgres") != [(1,)]:
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no server:\n{log.read_text()}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def query(self, sql: str, database: str = "bellwether") -> list[tuple[Any, ...]] | None:
        """What the server answers; None where nobody does."""
        import psycopg2

        try:
            con = psycopg2.connect(
                host="127.0.0.1",
                port=self.port,
                user="bellwether",
                password=PASSWORD,
                dbname=database,
            )
        except psycopg2.OperationalError:
            return None
        try:
            con.autocommit = True
            with con.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            con.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("dagster_postgres", reason="requirements/postgres.txt is not installed")
    bin_ = programs()
    if bin_ is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    user = None
    if os.geteuid() == 0:
        # The server refuses to run as root.
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("root may not run PostgreSQL, and there is no user postgres")
    # pytest's own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="bellwether-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(folder, bin_, user, port)
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD + "\n")
        if user is not None:
            shutil.chown(secret, user)
        subprocess.run(
            [
                *(str(bin_ / "initdb"), "-D", str(folder / "data"), "-U", "bellwether"),
                *("-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "--locale=C"),
            ],
            user=user,
            cwd=folder,
            capture_output=True,
            check=True,
        )
        server.start()
        server.query("create database bellwether", database="postgres")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def home(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home with Dagster's records in the server, set up as docs/operation.md says."""
    server.query("drop schema public cascade; create schema public")
    home = Home(tmp_path / "home")
    home.path.mkdir()
    [example] = [block for block in EXAMPLE.split("```")[1::2] if block.startswith("yaml\n")]
    settings = example.removeprefix("yaml\n")
    assert "port: 5432" in settings
    home.dagster_settings.write_text(settings.replace("port: 5432", f"port: {server.port}"))
    monkeypatch.setenv("BELLWETHER_HOME", str(home.path))
    monkeypatch.setenv(VARIABLE, PASSWORD)
    (home.inbox / "prices").mkdir(parents=True)
    return home


# What a daemon loads in the test below.
defs = dg.Definitions(
    assets=[daily_digest, records],
    jobs=[housekeeping],
    schedules=[daily_housekeeping],
    resources={"writer": Writer()},
)


def test_runs_events_and_ticks_are_kept_in_postgres(
    server: Server, home: Home, project: Path, drop: Drop
) -> None:
    drop("prices", *BARS)
    assert run.run_ingest(home, "inbox").success
    assert run.run_refresh(home).published
    assert run.run_refresh(home).skipped  # it knows from the records what was built
    assert server.query("select pipeline_name, status from runs order by id") == [
        ("ingest", "SUCCESS"),
        ("refresh", "SUCCESS"),
    ]
    kinds = server.query("select distinct dagster_event_type from event_logs")
    assert kinds and {("ASSET_MATERIALIZATION",), ("ASSET_CHECK_EVALUATION",)} <= set(kinds)
    assert list(home.dagster.rglob("*.db")) == []

    tick = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    launcher = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}
    origin = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(
            executable_path=sys.executable, python_file=__file__, attribute="defs"
        ),
        location_name="bellwether",
    )
    with ExitStack() as stack:
        instance = stack.enter_context(
            dg.DagsterInstance.from_ref(
                InstanceRef.from_dir(str(home.dagster), overrides={"run_launcher": launcher})
            )
        )
        context = stack.enter_context(
            create_test_daemon_workspace_context(InProcessTestWorkspaceLoadTarget(origin), instance)
        )
        for now in (tick, tick + timedelta(hours=2)):  # 05:00 and 07:00 in New York
            with freeze_time(now):
                list(launch_scheduled_runs(context, logging.getLogger("scheduler"), now, {}))
        assert server.query("select status from job_ticks") == [("SUCCESS",)]
        assert server.query("select count(*) from runs where pipeline_name = 'housekeeping'") == [
            (1,)
        ]
        # All of these are the newest of their kind; that one of them never started changes nothing.
        long_after = datetime.now(UTC) + timedelta(days=999)
        assert forget_old_runs(instance, long_after) == 0
        assert forget_old_checks(instance, long_after) == 0


def test_a_server_that_is_away_is_said_in_a_sentence_and_costs_nothing(
    server: Server, home: Home, drop: Drop
) -> None:
    file = drop("prices", *BARS)
    server.stop()
    try:
        with pytest.raises(
            StorageError, match=r"records cannot be reached.*refused.*dagster\.yaml"
        ):
            run.run_ingest(home, "inbox")
        assert file.exists()
    finally:
        server.start()
    assert run.run_ingest(home, "inbox").success
    assert not file.exists()


def test_two_homes_never_share_their_records(
    server: Server, home: Home, drop: Drop, tmp_path: Path
) -> None:
    drop("prices", *BARS)
    assert run.run_ingest(home, "inbox").success
    other = Home(tmp_path / "other")
    (other.inbox / "prices").mkdir(parents=True)
    shutil.copy(home.dagster_settings, other.dagster_settings)
    for command in (
        lambda: run.run_ingest(other, "inbox"),
        lambda: run.run_refresh(other),
        lambda: run.serve(other, 0),
    ):
        with pytest.raises(HomeError, match=rf"those of the home {home.path}\. .*of its own"):
            command()
    assert "those of the home" in run.failing_jobs_of(other)[0]  # as `status` and `doctor` say it
    assert server.query("select count(*) from runs") == [(1,)]
    # A home that is moved takes its records along.
    moved = Home(home.path.rename(tmp_path / "moved"))
    assert run.run_ingest(moved, "inbox").success and run.run_ingest(moved, "inbox").success


def test_a_password_that_is_not_set_is_named(
    home: Home, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HomeError, match=rf"dagster\.yaml: .*{VARIABLE}"):
        run.run_ingest(home, "inbox")


def test_settings_of_a_home_replace_the_projects_but_not_on_telemetry(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.dagster_settings.write_text(
        "telemetry: {enabled: true}\nsensors: {use_threads: true, num_workers: 9}\n"
    )
    run.prepare_dagster_home(home)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert not instance.telemetry_enabled
        assert instance.get_settings("sensors")["num_workers"] == 9
        assert instance.run_monitoring_enabled
    home.dagster_settings.write_text("sensors: {num_workers: many}")
    with pytest.raises(HomeError, match=r"does not take .*dagster\.yaml: .*many"):
        run.failed_runs_of(home, datetime(2026, 1, 1))
    for nonsense, words in (("[storage]", "holds no settings"), ("a: [", "cannot be read")):
        home.dagster_settings.write_text(nonsense)
        with pytest.raises(HomeError, match=words):
            run.prepare_dagster_home(home)
    home.dagster_settings.unlink()
    run.prepare_dagster_home(home)
    assert (home.dagster / "dagster.yaml").read_bytes() == (
        PROJECT / "orchestration" / "dagster.yaml"
    ).read_bytes()
