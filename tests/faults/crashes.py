"""kill -9 at random moments of ingest, news scoring, dbt and publishing.

After every kill what is published is opened and read, and the next run must recover by itself; in
the end the store must hold what it holds where nothing was killed.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.processes import Killer, bellwether, ended, has_run, start
from tests.faults.registry import Outcome, fault
from tests.orchestration.conftest import make_small_project
from warehouse.ingest import ingest
from warehouse.news import SCORED_TABLES
from warehouse.publish import KEPT_VERSIONS, publish, reading, versions
from warehouse.settings import Home
from warehouse.store import Warehouse, schema

PART = "crash"
_OWN_TO_A_RUN = {"row_id", "known_at", "stored_at", "batch_id"}


def facts(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a store holds, table by table: rows without what differs from run to run."""
    told = {}
    with Warehouse(home.build) as store:
        for table in schema():
            described = store.con.sql(f"describe raw.{table}").fetchall()
            columns = ", ".join(name for name, *_ in described if name not in _OWN_TO_A_RUN)
            told[table] = store.con.sql(
                f"select {columns} from raw.{table} order by all"
            ).fetchall()
            doubled = store.con.sql(
                f"select count(*) - count(distinct row_id) from raw.{table}"
            ).fetchone()
            assert doubled == (0,), f"raw.{table} holds versions twice"
    return told


def same(left: Home, right: Home) -> None:
    """Assert that two stores hold the same facts."""
    ours, theirs = facts(left), facts(right)
    for table in schema():
        lost = [row for row in theirs[table] if row not in ours[table]]
        more = len(ours[table]) - len(theirs[table])
        assert ours[table] == theirs[table], f"raw.{table}: lost {lost[:3]}, {more} more"


def drop(home: Home, number: int, seed: int) -> None:
    """Drop a file of bars and one of news; every other round restates bars of the one before."""
    chance = random.Random(f"{seed} {number}")
    days = [date(2024, 1, 1) + timedelta(days=number * 5 - shift) for shift in range(-4, 4)]
    bars = [
        f"T{ticker},{day},{chance.randint(100, 9999) / 100}"
        for ticker in range(40)
        for day in days
        if day.weekday() < 5
    ]
    news = [
        f'T{n},"Upgrade at Firm {chance.randint(1, 99)}, number {number} of {n}",{days[0]}T10:00:00'
        for n in range(8)
    ]
    for table, head, rows in (
        ("prices", "ticker,session_date,close", bars),
        ("news", "ticker,title,published_at", news),
    ):
        folder = home.inbox / table
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{number:04}.csv"
        unfinished.write_text("\n".join([head, *rows]) + "\n")
        unfinished.rename(folder / f"{number:04}.csv")


@fault(PART, "kill -9 during `bellwether ingest`", quick=1, full=70)
def during_ingest(place: Path, seed: int, count: int) -> Outcome:
    project, log = make_small_project(place / "dbt_project"), place / "log"
    home, quiet = Home(place / "home"), Home(place / "undisturbed")
    command = ("ingest", "prices", "news")
    drop(home, 0, seed)
    killer = Killer(seed, has_run(home))
    killer.time(bellwether(home.path, project, log, *command), log)
    number = 0
    while killer.kills < count and number < 3 * count:
        number += 1
        drop(home, number, seed)
        if killer.kill(bellwether(home.path, project, log, *command)):
            ended(bellwether(home.path, project, log, *command), log)
    assert not list(home.inbox.glob("*/*.csv")), "files were left in the inbox"
    assert not list(home.inbox.glob(".failed/*/*")), "files were refused"
    for earlier in range(number + 1):
        drop(quiet, earlier, seed)
    ended(bellwether(quiet.path, project, log, *command), log)
    same(home, quiet)
    return Outcome(
        killer.kills,
        "the next run took up the files that lay there; the raw rows equal those of an undisturbed "
        "home, none lost, none twice",
    )


@fault(PART, "kill -9 during `bellwether refresh` (dbt, publish)", quick=1, full=50)
def during_refresh(place: Path, seed: int, count: int) -> Outcome:
    project, log, home = make_small_project(place / "dbt_project"), place / "log", Home(place / "h")
    ingest_ = ("ingest", "prices")

    def closes() -> dict[str, int]:
        with reading(home) as con:
            for table in schema():
                con.sql(f"select * from raw.{table}").fetchall()
            return dict(con.sql("select ticker, bar_count from marts.closes").fetchall())

    def stored() -> dict[str, int]:
        with Warehouse(home.build) as store:
            bars = "select ticker, count(distinct session_date) from raw.prices group by all"
            return dict(store.con.sql(bars).fetchall())

    drop(home, 0, seed)
    ended(bellwether(home.path, project, log, *ingest_), log)
    ended(bellwether(home.path, project, log, "refresh"), log)  # prepares the project
    killer = Killer(seed, has_run(home))
    killer.time(bellwether(home.path, project, log, "refresh", "--force"), log)
    number = 0
    while killer.kills < count and number < 3 * count:
        number += 1
        before = closes()
        drop(home, number, seed)
        ended(bellwether(home.path, project, log, *ingest_), log)
        killer.has_begun = has_run(home)
        after, force = stored(), ["--force"] if number % 2 else []
        was_killed = killer.kill(bellwether(home.path, project, log, "refresh", *force))
        shown = closes()
        assert shown in (before, after), "what is published is neither the old nor the new state"
        if was_killed:
            ended(bellwether(home.path, project, log, "refresh"), log)
        assert closes() == after, "the next refresh did not publish what is stored"
        left = [path.name for path in home.versions.iterdir() if path.name.startswith(".")]
        assert not left, f"unfinished versions were left: {left}"
    return Outcome(
        killer.kills,
        "what was published stayed whole and readable, the old state or the new; the next refresh "
        "published all that is stored",
    )


def _publish_for_ever(path: Path) -> None:
    (path / "begun").touch()
    while True:
        publish(Home(path), as_of=datetime.now(UTC).replace(tzinfo=None))


@fault(PART, "kill -9 while publishing", quick=3, full=60)
def during_publishing(place: Path, seed: int, count: int) -> Outcome:
    home, chance, kills = Home(place / "home"), random.Random(seed), 0
    rows = 50_000
    with Warehouse(home.build) as store:
        bars = store.con.sql(
            "select 'T' || range // 1000 as ticker, date '2020-01-01' + cast(range % 1000 as int) "
            f"as session_date, 10.0 + range % 7 as close from range({rows})"
        )
        store.append("prices", bars, source="inbox")
    publish(home, as_of=datetime(2025, 1, 2))
    newest = versions(home)[-1]
    for _ in range(count):
        (home.path / "begun").unlink(missing_ok=True)
        process = start(_publish_for_ever, home.path)
        while not (home.path / "begun").exists():
            process.join(0.002)
        process.join(chance.random() * 0.5)
        process.kill()
        process.join()
        kills += process.exitcode == -9
        with reading(home) as con:
            told = con.sql("select count(*), sum(close) from raw.prices").fetchone()
        assert told is not None and told[0] == rows, f"the published file holds {told}"
        assert versions(home)[-1] >= newest, "an older version is published"
        newest = versions(home)[-1]
    publish(home, as_of=datetime(2025, 1, 2))
    assert len(versions(home)) == KEPT_VERSIONS
    assert not [path for path in home.versions.iterdir() if path.name.startswith(".")]
    return Outcome(kills, "the published file is whole and readable after every kill")


def _score(path: Path) -> None:
    (path / "begun").touch()
    for table in SCORED_TABLES:
        ingest(Home(path), table, "inbox", load_id="scored")


@fault(PART, "kill -9 while news is scored", quick=2, full=40)
def during_scoring(place: Path, seed: int, count: int) -> Outcome:
    home, quiet = Home(place / "home"), Home(place / "undisturbed")
    kills = 0
    chance = random.Random(seed)

    def tell(number: int) -> None:
        for each in (home, quiet):
            each.inbox.mkdir(parents=True, exist_ok=True)
            with Warehouse(each.build) as store:
                items = store.con.sql(
                    f"select 'T' || range % 5 as ticker, 'n{number}-' || range as news_id, "
                    f"'Broker {number} upgrades T' || range % 5 || ' to Buy, target $' || range "
                    f"as title, timestamp '2025-01-02' + interval {number} hour as published_at "
                    "from range(60)"
                )
                store.append("news", items, source="inbox")

    for number in range(count):
        tell(number)
        (home.path / "begun").unlink(missing_ok=True)
        process = start(_score, home.path)
        while not (home.path / "begun").exists():
            process.join(0.002)
        process.join(chance.random() * 0.8)
        process.kill()
        process.join()
        kills += process.exitcode == -9
        if number % 2:
            _score(home.path)
    _score(home.path)
    _score(quiet.path)
    same(home, quiet)
    return Outcome(kills, "the next scoring goes on with what has none; every score is there once")
