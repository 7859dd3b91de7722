"""Many at once: readers through publishes, pipelines, files and tickers in bulk."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg

from orchestration.automation import new_files
from tests.faults.crashes import drop, facts
from tests.faults.processes import bellwether, ended, start
from tests.faults.registry import Outcome, fault
from tests.orchestration.conftest import make_small_project
from tests.yahoo_emulator import Emulator
from tests.yahoo_load import LASTING, PASSING, QUICK, faulty
from tests.yahoo_load import ingest as load_from
from warehouse.publish import publish, reading
from warehouse.settings import ENVIRONMENT_VARIABLE, MEMORY_VARIABLE, Home
from warehouse.store import Warehouse

PART = "load"
_BARS = 1000


def _read(path: Path, stop: Path, told: Path, number: int) -> None:
    """Open the published file again and again; every version holds one whole generation."""
    home, reads, last = Home(path), 0, 0
    while not stop.exists():
        with reading(home) as con:
            row = con.sql(
                "select count(*), min(close), max(close), (select max(n) from marts.generation) "
                "from (select arg_max(close, stored_at) as close from raw.prices group by ticker)"
            ).fetchone()
        assert row is not None and row[:3] == (_BARS, row[3], row[3]), f"a torn read: {row}"
        assert row[3] >= last, f"back from {last} to {row[3]}"
        reads, last = reads + 1, row[3]
    (told / str(number)).write_text(str(reads))


def _tell(home: Home, generation: int) -> None:
    with Warehouse(home.build) as store:
        bars = store.con.sql(
            "select 'T' || range as ticker, date '2020-01-02' as session_date, "
            f"{generation}.0 as close from range({_BARS})"
        )
        store.append("prices", bars, source="inbox")
        store.con.execute("create schema if not exists marts")
        store.con.execute(f"create or replace table marts.generation as select {generation} as n")


@fault(PART, "publishes under readers of other processes", quick=3, full=20)
def readers_and_publishes(place: Path, seed: int, count: int) -> Outcome:
    home, stop, told = Home(place / "home"), place / "stop", place / "told"
    told.mkdir()
    readers = 5 if count < 10 else 50
    _tell(home, 1)
    publish(home, as_of=datetime(2025, 1, 2))
    processes = [start(_read, home.path, stop, told, number) for number in range(readers)]
    for generation in range(2, count + 2):
        _tell(home, generation)
        publish(home, as_of=datetime(2025, 1, 2))
        time.sleep(0.1)
    stop.touch()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * readers, "a reader failed"
    reads = sum(int(file.read_text()) for file in told.iterdir())
    return Outcome(count, f"{readers} readers, {reads:,} reads: no error, no torn read")


@fault(PART, "readers through ingest and refresh of the real commands", quick=0, full=20)
def readers_and_runs(place: Path, seed: int, count: int) -> Outcome:
    project, home = make_small_project(place / "dbt"), Home(place / "home")
    log, stop, told = place / "log", place / "stop", place / "told"
    told.mkdir()
    drop(home, 0, seed)
    for words in (("ingest", "prices"), ("refresh",)):
        ended(bellwether(home.path, project, log, *words), log)
    readers = 5 if count < 10 else 50
    processes = [start(_read_closes, home.path, stop, told, number) for number in range(readers)]
    for number in range(1, count + 1):
        drop(home, number, seed)
        for words in (("ingest", "prices"), ("refresh",)):
            ended(bellwether(home.path, project, log, *words), log)
    stop.touch()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * readers, "a reader failed"
    reads = sum(int(file.read_text()) for file in told.iterdir())
    return Outcome(count, f"{readers} readers, {reads:,} reads: marts and raw rows always agree")


def _read_closes(path: Path, stop: Path, told: Path, number: int) -> None:
    home, reads, chance = Home(path), 0, random.Random(number)
    while not stop.exists():
        with reading(home) as con:
            row = con.sql(
                "select (select sum(bar_count) from marts.closes), "
                "(select count(*) from (select distinct ticker, session_date from raw.prices))"
            ).fetchone()
        assert row is not None and row[0] == row[1], f"a torn read: {row}"
        reads += 1
        # So that the pipeline gets its share of the processors and there is something to read.
        time.sleep(8 * chance.random())
    (told / str(number)).write_text(str(reads))


@fault(PART, "two pipelines started at once", quick=0, full=15)
def two_pipelines(place: Path, seed: int, count: int) -> Outcome:
    project, home, logs = make_small_project(place / "dbt"), Home(place / "home"), place
    drop(home, 0, seed)
    ended(bellwether(home.path, project, place / "log", "ingest", "prices"), place / "log")
    for number in range(1, count + 1):
        drop(home, number, seed)
        pair = [
            (bellwether(home.path, project, logs / f"log{n}", *words), logs / f"log{n}")
            for n, words in enumerate((("ingest", "prices"), ("ingest", "prices"), ("refresh",)))
        ]
        for process, log in pair:
            ended(process, log)
    quiet = Home(place / "undisturbed")
    for number in range(count + 1):
        drop(quiet, number, seed)
    ended(bellwether(quiet.path, project, place / "log", "ingest", "prices"), place / "log")
    told = facts(home)["prices"]
    assert told == facts(quiet)["prices"], "not what one pipeline stores after the other"
    days = {(row[1], row[2]) for row in told}
    assert days
    ended(bellwether(home.path, project, place / "log", "refresh"), place / "log")
    with reading(home) as con:
        shown = con.sql("select sum(bar_count) from marts.closes").fetchone()
    assert shown == (len(days),), f"published {shown}, stored {len(days)}"
    return Outcome(
        3 * count, "the later ones wait for the first; all end well, no row lost or twice"
    )


@fault(PART, "files of one burst in the inbox", quick=50, full=1000)
def burst(place: Path, seed: int, count: int) -> Outcome:
    project, home, log = make_small_project(place / "dbt"), Home(place / "home"), place / "log"
    chance = random.Random(seed)
    ended(bellwether(home.path, project, log, "ingest", "prices"), log)
    numbers = list(range(count))
    chance.shuffle(numbers)
    for number in numbers:
        table = "prices" if number % 2 else "ratings"
        row = f"T{number},2025-01-0{1 + number % 9},"
        body = f"{row}{number + 1}\n" if table == "prices" else f"{row}Firm,Buy\n"
        head = "session_date,close" if table == "prices" else "graded_on,firm,to_grade"
        (home.inbox / table / f"{number:05}.csv").write_text(f"ticker,{head}\n{body}")
    environ = {**os.environ, ENVIRONMENT_VARIABLE: str(home.path)}
    with (
        _environment(environ),
        dg.DagsterInstance.from_config(str(home.dagster)) as instance,
    ):
        cursor, asked = None, []
        for _ in range(3):
            with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                told = new_files(context)
                cursor = context.cursor
            asked += [told] if isinstance(told, dg.RunRequest) else []
            if asked:
                break
    assert len(asked) == 1, f"{len(asked)} runs were asked for"
    tables = [key.path[-1] for key in asked[0].asset_selection or ()]
    ended(bellwether(home.path, project, log, "ingest", *tables), log)
    with Warehouse(home.build) as store:
        rows = store.con.sql(
            "select (select count(*) from raw.prices) + (select count(*) from raw.ratings), "
            "(select count(*) from raw.fetches where file is not null), "
            "(select count(distinct file) from raw.fetches where outcome = 'ok')"
        ).fetchone()
    assert rows == (count, count, count), f"rows, attempts, files: {rows}"
    assert len(list(home.inbox.glob(".done/*/*.csv"))) == count
    return Outcome(count, "one tick, one run; each file is processed once")


def _environment(values: dict[str, str]) -> Any:
    return mock.patch.dict(os.environ, values)


@fault(
    PART,
    "tickers of one load from the emulator, two in a hundred with each fault",
    quick=0,
    full=500,
)
def bad_day(place: Path, seed: int, count: int) -> Outcome:
    with Emulator(place / "authority", patience=1.5) as emulator:
        tickers = [f"T{number}" for number in range(count)]
        emulator.faults, emulator.unknown = faulty(tickers)
        load = load_from(emulator, place / "home", tickers)
    bad = {kind: n for (_, kind), n in load.outcomes.items() if kind != "ok"}
    each = len(emulator.unknown)
    expected = {
        ("prices", "not_found"): each,
        ("ratings", "failed"): each,
        ("ratings", "malformed"): 2 * each,
        ("news", "empty"): each,
    }
    ended_badly = {key: n for key, n in load.outcomes.items() if key[1] != "ok"}
    assert ended_badly == expected, f"{ended_badly}"
    with Warehouse(Home(place / "home").build) as store:
        arrived = store.con.sql("select count(distinct ticker) from raw.prices").fetchone()
    assert arrived == (count - len(emulator.unknown),), f"bars of {arrived} tickers"
    return Outcome(
        count,
        f"{len(PASSING)} passing kinds cost a retry, {len(LASTING)} lasting ones their own table: "
        f"{bad}; {load.megabytes:.0f} MB",
    )


@fault(PART, "tickers' bars from the emulator, memory bounded", quick=0, full=5000)
def many_tickers(place: Path, seed: int, count: int) -> Outcome:
    """Bars of many tickers take no more memory than bars of few, beside the database's own."""
    peaks = []
    with Emulator(place / "authority", patience=5) as emulator:
        for part in (count // 5, count):
            home = place / f"home{part}"
            tickers = [f"T{number}" for number in range(part)]
            command = [str(Path(sys.executable).with_name("bellwether")), "ingest", "prices"]
            child = subprocess.Popen(
                [
                    *command,
                    "--source",
                    "yahoo",
                    "--home",
                    home,
                    "--json",
                    "--tickers",
                    ",".join(tickers),
                ],
                env={**os.environ, **QUICK, **emulator.environment, MEMORY_VARIABLE: "256MB"},
                stdout=subprocess.PIPE,
            )
            assert child.stdout is not None
            told = json.loads(child.stdout.read())
            _, status, usage = os.wait4(child.pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0, told
            peaks.append(usage.ru_maxrss / 1024)
    assert peaks[1] < 1.5 * peaks[0] + 200, f"peak memory grew: {peaks}"
    return Outcome(
        count, f"peak memory {peaks[0]:.0f} MB of a fifth of them, {peaks[1]:.0f} MB of all"
    )
