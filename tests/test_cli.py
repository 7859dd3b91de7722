"""The command line from outside: what it prints, and the exit codes a script can use."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import plistlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import quick
from tests.warehouse.test_migrations import FIRST, made_with
from tests.yahoo_emulator import Emulator
from warehouse.errors import Throttled
from warehouse.publish import newest, publish
from warehouse.settings import Home
from warehouse.sources import universe
from warehouse.sources.governor import Governor, Manners, TryAgain

BELLWETHER = Path(sys.executable).with_name("bellwether")
# Loaded by every Python process of this file's commands, and by all that these start: it notes
# whom they look up or connect to.
LISTENER = """
import os, sys
told = open(os.environ["LISTENED"], "a", buffering=1)
told.write(f"process {sys.orig_argv[1:4]}\\n")
def listen(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        told.write(f"asked {address[0] if isinstance(address, tuple) else 'unix'}\\n")
    elif event == "socket.getaddrinfo":
        told.write(f"asked {arguments[0]}\\n")
sys.addaudithook(listen)
"""


def bellwether(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BELLWETHER), *arguments], input=stdin, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", autouse=True)
def listened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file that tells which processes the commands of this file were, and whom they asked."""
    folder = tmp_path_factory.mktemp("listener")
    (folder / "sitecustomize.py").write_text(LISTENER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("LISTENED", str(folder / "told"))
        # What some tools take as a sign that they are not to phone home.
        for name in ("CI", "DO_NOT_TRACK", "GITHUB_ACTION"):
            patch.delenv(name, raising=False)
        yield folder / "told"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three real-looking bars of one ticker, ingested and published."""
    path = tmp_path_factory.mktemp("home with space")
    inbox = path / "inbox" / "prices"
    inbox.mkdir(parents=True)
    (inbox / "a.csv").write_text(
        "ticker,session_date,close\nABC,2025-01-02,10\nABC,2025-01-03,11\nABC,2025-01-06,-1\n"
    )
    done = bellwether("ingest", "--home", str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tables"]["prices"]["counts"] == {
        "new": 2,
        "changed": 0,
        "unchanged": 0,
        "rejected": 1,
        "duplicates": 0,
    }
    done = bellwether("refresh", "--home", str(path), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["published"]["is_simulated"] is False
    return path


@pytest.mark.slow
def test_a_second_refresh_has_nothing_to_do(home: Path) -> None:
    done = bellwether("refresh", "--home", str(home), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["skipped"] is True


def test_what_a_command_records_lies_in_the_files_when_it_ends(home: Path) -> None:
    assert len(list((home / "dagster").rglob("*.db"))) > 3
    assert list((home / "dagster").rglob("*.db-*")) == []


def test_sql_prints_json_csv_and_a_table(home: Path) -> None:
    query = "select ticker, close, return_1d from marts.momentum"
    rows = json.loads(bellwether("sql", query, "--home", str(home), "--json").stdout)
    assert rows == [{"ticker": "ABC", "close": 11.0, "return_1d": pytest.approx(0.1)}]
    assert bellwether("sql", "--csv", "--home", str(home), stdin=query).stdout.startswith(
        "ticker,close,return_1d\nABC,11.0,"
    )
    assert "ABC" in bellwether("sql", query, "--home", str(home)).stdout


def test_outside_text_steers_no_screen(home: Path) -> None:
    query = "select chr(27) || '[31mred' || chr(8238) || chr(7) as \"a\x1b[2J\""
    table = bellwether("sql", query, "--home", str(home)).stdout
    assert "[31mred" in table and not {"\x1b", "\u202e", "\x07"} & set(table)
    wrong = bellwether("sql", "select cast(chr(27) || '[31m' as int)", "--home", str(home)).stderr
    assert "[31m" in wrong and "\x1b" not in wrong
    # A file gets what is stored, to the letter.
    assert "\x1b[31mred\u202e\x07" in bellwether("sql", query, "--csv", "--home", str(home)).stdout


@pytest.mark.slow
def test_names_from_outside_steer_no_screen(tmp_path: Path) -> None:
    nasty = "\x1b[31mred\x9b\u202e"
    for folder, name in (("prices", f"{nasty}.zip"), (nasty, "a.csv")):
        (tmp_path / "inbox" / folder).mkdir(parents=True)
        (tmp_path / "inbox" / folder / name).write_text("x")
    (tmp_path / "inbox" / "prices" / "b.csv").write_text(
        f"ticker,session_date,close\n{nasty},2025-01-02,{nasty}\n"
    )
    for command in (("ingest",), ("refresh",), ("status",), ("doctor", "--offline"), ("digest",)):
        done = bellwether(*command, "--home", str(tmp_path))
        said = done.stdout + done.stderr
        assert not {"\x1b", "\x9b", "\u202e"} & set(said), f"{command}: {said!r}"
        if command[0] != "refresh":
            assert "[31mred" in said
    done = bellwether("brief", nasty, "--home", str(tmp_path))
    assert "[31mred" in done.stderr and "\x1b" not in done.stderr


def test_a_broken_file_is_told_in_a_sentence(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "home"
    shutil.copytree(home, broken, symlinks=True)
    file = (broken / "bellwether.duckdb").resolve()
    file.chmod(0o600)
    file.write_bytes(b"no database" * 1000)
    done = bellwether("sql", "select 1", "--home", str(broken))
    assert done.returncode == 1 and "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_a_power_cut_left_broken_is_told_with_what_to_do(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "home"
    shutil.copytree(home, broken, symlinks=True)
    (broken / "dagster" / "history" / "runs.db").write_bytes(b"no database" * 1000)
    looked = bellwether("status", "--home", str(broken))
    assert looked.returncode == 0 and "records in" in looked.stdout, looked.stderr
    done = bellwether("ingest", "prices", "--home", str(broken))
    assert done.returncode == 1 and "move that folder away" in " ".join(done.stderr.split())
    (broken / "dagster").rename(tmp_path / "away")
    assert bellwether("ingest", "prices", "--home", str(broken)).returncode == 0
    manifest = (broken / "bellwether.duckdb").resolve().with_name("published.json")
    manifest.write_text("")
    done = bellwether("status", "--home", str(broken))
    assert done.returncode == 3 and "refresh --force" in " ".join(done.stderr.split())
    assert bellwether("refresh", "--force", "--home", str(broken)).returncode == 0
    assert bellwether("status", "--home", str(broken)).returncode == 0


def test_rows_too_wide_for_a_table_are_printed_whole(home: Path) -> None:
    printed = bellwether("sql", "select * from marts.momentum", "--home", str(home)).stdout
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["row", "1"]
    assert ["ticker", "ABC"] in lines
    assert ["session_date", "2025-01-03"] in lines


@pytest.mark.parametrize(
    "query",
    [
        "create table raw.x as select 1",
        "delete from raw.prices",
        "select * from read_csv('/etc/hostname')",
        "copy raw.prices to 'stolen.csv'",
        "attach 'other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "select * from nowhere",
        "call pragma_version()",
        "begin",
        "select 1; select 2",
    ],
)
def test_sql_only_reads_the_published_file(home: Path, query: str) -> None:
    done = bellwether("sql", query, "--home", str(home))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


ENDLESS = "select count(*) from range(10000000000) a, range(1000000) b"


def test_a_query_that_would_not_end_is_stopped(home: Path) -> None:
    done = bellwether("sql", ENDLESS, "--timeout", "1", "--home", str(home))
    assert done.returncode == 1
    assert "stopped after 1 seconds" in done.stderr and "Traceback" not in done.stderr


def test_a_query_that_needs_too_much_memory_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BELLWETHER_MEMORY", "100MB")
    query = "select a from range(100000000) t(a) order by hash(a)"
    done = bellwether("sql", query, "--home", str(home))
    assert done.returncode == 1 and "needs more than the 100MB" in " ".join(done.stderr.split())
    assert bellwether("sql", "select 1", "--home", str(home)).returncode == 0


def test_a_query_can_be_interrupted(home: Path) -> None:
    command = [str(BELLWETHER), "sql", ENDLESS, "--home", str(home)]
    # Where the tests themselves run in the background, what they start ignores the signal.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        time.sleep(5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130 and b"Traceback" not in said, said


def test_status_tells_what_was_refused(home: Path) -> None:
    report = json.loads(bellwether("status", "--home", str(home), "--json").stdout)
    assert report["rejects"] == [{"what": "prices: a price is not above zero", "count": 1}]
    prices = next(row for row in report["tables"] if row["table"] == "prices")
    assert (prices["rows"], prices["tickers"], prices["newest"]) == (2, 1, "2025-01-03")
    printed = bellwether("status", "--home", str(home)).stdout
    assert "a price is not above zero" in printed
    assert 0 <= report["published"]["dead_space"] <= 1
    assert "% of it free for the next build" in printed.replace("\n", " ")


def test_status_before_the_first_refresh(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    for folder in ("prices", "price", "ratings"):
        (inbox / folder).mkdir(parents=True)
    (inbox / "prices" / "a.csv").write_text("ticker,session_date,close\nABC,2025-01-02,10\nABC\n")
    (inbox / "prices" / "b.parquet").write_text("no such thing")
    (inbox / "price" / "c.csv").write_text("ticker,session_date,close\n")
    assert bellwether("ingest", "prices", "--home", str(tmp_path)).returncode == 1
    for name in ("a.csv", "b.parquet"):
        said = (inbox / ".failed" / "prices" / f"{name}.txt").read_text()
        assert said and "select" not in said and "Error:" not in said, said
    assert "Line: 3" in (inbox / ".failed" / "prices" / "a.csv.txt").read_text()
    report = json.loads(bellwether("status", "--home", str(tmp_path), "--json").stdout)
    assert report["published"] is None
    assert report["inbox"] == {"waiting": 0, "failed": 2, "never_read": ["price"]}
    assert len(report["failures"]) == 2
    printed = bellwether("status", "--home", str(tmp_path)).stdout
    assert "Nothing is published yet" in printed
    assert "Never read: price" in printed


def test_status_says_when_yahoo_is_asked_again(home: Path) -> None:
    def refuse() -> None:
        raise TryAgain(Throttled("Too many."))

    asked = Governor(home / "yahoo", replace(Manners(), attempts=1))
    with pytest.raises(Throttled) as raised:
        asked.send(refuse)
    asked.close()
    report = json.loads(bellwether("status", "--home", str(home), "--json").stdout)["yahoo"]
    assert report["requests_today"] == 1 and report["budget"] == 8000
    assert report["resume_at"] == str(raised.value.resume_at) and report["cause"] == "Too many."
    printed = bellwether("status", "--home", str(home)).stdout
    assert f"the next attempt is due at {report['resume_at'][:16]} UTC" in printed
    # Doctor sends nothing either, and says why in words and exit code.
    done = bellwether("doctor", "--home", str(home))
    assert done.returncode == 1
    assert "left alone until" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_an_ingest_in_which_every_request_fails_is_seen_by_all_who_look(
    home: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was stored, so what is published stays; the attempts are told of all the same."""
    published = newest(Home(home))
    # An earlier test may have left a cool-down, in which nobody is asked.
    shutil.rmtree(home / "yahoo", ignore_errors=True)
    with Emulator(authority, patience=1.5) as emulator:
        emulator.faults = {"*": "500"}
        for name, value in {**quick(), **emulator.environment}.items():
            monkeypatch.setenv(name, value)
        asked = ("ingest", "prices", "--source", "yahoo", "--tickers", "AAA,BBB")
        assert bellwether(*asked, "--home", str(home)).returncode == 1
    refreshed = bellwether("refresh", "--home", str(home), "--json")
    assert json.loads(refreshed.stdout)["skipped"] and newest(Home(home)) == published

    def said(*command: str) -> str:
        done = bellwether(*command, "--home", str(home))
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    reason = "Yahoo answered with an error of its own (500). (AAA, BBB)"
    assert f"2 prices: failed, {reason}" in said("status")
    doctor = json.loads(said("doctor", "--offline", "--json"))
    attempts = {check["name"]: check["finding"] for check in doctor if check["status"] == "warn"}
    assert attempts["attempts"] == f"2 newest attempts failed: prices: failed, {reason}"
    assert "in vain" in attempts["last run"] and "prices (never)" in attempts["last run"]
    digest = json.loads(said("digest", "--json"))
    assert digest["failures"] == [{"what": f"prices: failed, {reason}", "count": 2}]


def test_an_empty_home_is_named(tmp_path: Path) -> None:
    for command in (["status"], ["refresh"], ["sql", "select 1"]):
        done = bellwether(*command, "--home", str(tmp_path / "none"))
        assert done.returncode == 3
        assert "none" in done.stderr.replace("\n", "")
        assert "Traceback" not in done.stderr


def test_simulated_and_real_data_do_not_mix(home: Path) -> None:
    done = bellwether("ingest", "--source", "sample", "--home", str(home), "--json")
    assert done.returncode != 0
    assert "never share a home" in (done.stdout + done.stderr).replace("\n", " ")


def test_wrong_use_is_told_apart(home: Path) -> None:
    assert bellwether("refresh", "--as-of", "soon", "--home", str(home)).returncode == 2
    assert bellwether("ingest", "no_such_table", "--home", str(home)).returncode == 2
    assert bellwether("nonsense").returncode == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ui_started_by_a_script_in_the_background_can_be_interrupted(tmp_path: Path) -> None:
    # A shell without job control starts `command &` with interruptions ignored.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (
        f"'{BELLWETHER}' ui --home '{tmp_path}' --port {port} >'{tmp_path}/log' 2>&1 & echo $!"
    )
    started = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    pid = int(started.stdout)
    process = Path(f"/proc/{pid}")
    deadline = time.monotonic() + 90
    log = tmp_path / "log"

    def looks() -> int:
        with contextlib.closing(
            sqlite3.connect(tmp_path / "dagster/schedules/schedules.db")
        ) as con:
            return int(con.execute("select count(*) from job_ticks").fetchone()[0])

    def is_up() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5).close()
            return looks() > 3
        except (OSError, sqlite3.OperationalError):
            return False

    while not is_up():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.5)
    # What a service logs for a year does not tell of every look of a sensor.
    assert len(log.read_text().splitlines()) < 5, log.read_text()
    assert b"dagster" in (process / "cmdline").read_bytes()
    os.kill(pid, signal.SIGINT)
    while process.exists() and "zombie" not in (process / "status").read_text():
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_home_of_the_first_schema_is_said_to_be_old_backed_up_restored_and_built(
    tmp_path: Path,
) -> None:
    old, new = Home(tmp_path / "old"), Home(tmp_path / "new")
    made_with(old, FIRST)
    publish(old, as_of=datetime(2025, 1, 3))
    done = bellwether("status", "--home", str(old.path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "an older version up to date" in " ".join(done.stderr.split())

    done = bellwether("backup", "--home", str(old.path), "--to", str(tmp_path / "safe"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tables"]["universe"]["rows"] == 3
    done = bellwether("restore", told["path"], "--home", str(new.path))
    assert done.returncode == 0 and "refresh --force" in done.stdout, done.stderr
    assert bellwether("restore", told["path"], "--home", str(new.path)).returncode == 3
    done = bellwether("refresh", "--force", "--home", str(new.path), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    query = "select ticker, close from staging.stg_prices"
    rows = bellwether("sql", query, "--home", str(new.path), "--csv").stdout.split()
    assert rows == ["ticker,close", "T1,0.3"]
    assert bellwether("status", "--home", str(new.path)).returncode == 0
    digest = json.loads(bellwether("digest", "--home", str(new.path), "--json").stdout)
    assert digest["failed_runs"] == [] and digest["published"]["version"] == newest(new).version  # type: ignore[union-attr]


def test_a_backup_waits_for_the_run_that_writes(home: Path, tmp_path: Path) -> None:
    with (home / "build" / "writer.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            [str(BELLWETHER), "backup", "--home", str(home), "--to", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None and "Waiting" in process.stderr.readline()
            assert list(tmp_path.iterdir()) == []
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert process.wait(60) == 0
    assert [path.name.startswith("raw-") for path in tmp_path.iterdir()] == [True]


def test_service_prints_units_that_parse(home: Path) -> None:
    printed = bellwether("service", "--home", str(home)).stdout
    systemd, launchd = printed.split("<!--", 1)
    start = next(line for line in systemd.splitlines() if line.startswith("ExecStart="))
    assert f'"{home}"' in start
    plist = plistlib.loads(launchd[launchd.index("<?xml") :].encode())
    assert plist["ProgramArguments"][1:4] == ["ui", "--home", str(home)]


def test_universe_can_be_edited(tmp_path: Path) -> None:
    path = tmp_path / "universe.csv"
    path.write_text(universe.UNIVERSE_CSV.read_text())
    before = universe.read(path)
    universe.add("ZZZ", path, benchmark="SPY", currency="USD")
    with pytest.raises(universe.UniverseError, match="already"):
        universe.add("ZZZ", path)
    added = next(entry for entry in universe.read(path) if entry["ticker"] == "ZZZ")
    assert (added["benchmark"], added["currency"]) == ("SPY", "USD")
    universe.remove("ZZZ", path)
    assert sorted(e["ticker"] for e in universe.read(path)) == sorted(e["ticker"] for e in before)
    with pytest.raises(universe.UniverseError, match="not in"):
        universe.remove("ZZZ", path)


def test_no_process_reaches_beyond_this_machine(home: Path, listened: Path) -> None:
    """None of this file's commands: ingests, refreshes (dbt), the UI and its daemon (Dagster)."""
    control = "import socket; socket.socket(socket.AF_INET, 2).connect(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", control], check=True)
    lines = listened.read_text().splitlines()
    processes = "\n".join(line for line in lines if line.startswith("process"))
    for part in ("'refresh'", "'ingest'", "dagster_webserver", "dagster._daemon"):
        assert part in processes, processes
    asked = {line.removeprefix("asked ") for line in lines if line.startswith("asked")}
    assert asked - {"unix", "127.0.0.1", "::1", "localhost", "None"} == {"192.0.2.1"}
