"""Stores that are told facts at moments we choose, random histories of them, and the models as dbt
compiled them, to be shown as of any moment.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pandas as pd
import pytest

from tests.dbt_project import invoke
from warehouse import store
from warehouse.settings import DATABASE
from warehouse.store import Warehouse, keys, schema

# Neither is in the files dbt writes, apart from the compiled SQL.
END = "2026-02-01 00:00:00.000042"
Row = dict[str, Any]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass
class Clock:
    now: datetime = datetime(2025, 5, 1)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Teller:
    """Tells a store facts at the moments we say, in the order of these."""

    clock: Clock
    told: list[tuple[datetime, str, tuple[Row, ...], str, str]] = field(default_factory=list)

    def tell(
        self, at: str | datetime, table: str, *facts: Row, source: str = "inbox", load_id: str = ""
    ) -> None:
        moment = utc(at) if isinstance(at, str) else at
        self.told.append((moment, table, facts, source, load_id or f"{source} {moment}"))

    def append_to(self, warehouse: Warehouse) -> None:
        for moment, table, facts, source, load_id in sorted(self.told, key=lambda told: told[0]):
            self.clock.now = moment
            frame = pd.DataFrame(list(facts)).astype(object)
            warehouse.append(table, frame, source=source, load_id=load_id)
        self.told.clear()


# What these say is of the store and of builds too, such as splits nobody knew of at the moment.
BOOKKEEPING = (
    "staging.stg_changes",
    "staging.stg_price_changes",
    "staging.stg_price_loads",
    "staging.momentum_changes",
    "staging.flag_changes",
    "staging.stg_splits",
)


class Models:
    """Models as dbt compiled them, in the order they depend on each other."""

    def __init__(self, target: Path, *folders: str) -> None:
        manifest = json.loads((target / "manifest.json").read_text())
        nodes = {
            key: node
            for key, node in manifest["nodes"].items()
            if node["resource_type"] == "model" and node["path"].split("/")[0] in folders
        }
        ordered: dict[str, tuple[str, str, str]] = {}
        while len(ordered) < len(nodes):
            for key, node in nodes.items():
                if set(node["depends_on"]["nodes"]) & nodes.keys() <= ordered.keys():
                    sql = (target / "compiled" / "bellwether" / "models" / node["path"]).read_text()
                    kind = "view" if node["config"]["materialized"] == "view" else "table"
                    ordered[key] = (f"{node['schema']}.{node['name']}", kind, sql)
        self.models = tuple(ordered.values())

    def show(
        self, con: duckdb.DuckDBPyConnection, as_of: datetime | str, without: Sequence[str] = ()
    ) -> dict[str, list[Row]]:
        """Build the models as of a moment; return what they show."""
        shown = {}
        for name, kind, sql in self.models:
            if name not in without:
                at = sql.replace(END, str(as_of))
                con.execute(f"create or replace {kind} {name} as {at}")
                if name in BOOKKEEPING:
                    continue
                shown[name] = rows(con, f"select * from {name} order by all")
        return shown


def build(home: Path, *select: str) -> Path:
    """Have dbt build the models selected, as of the end, with their tests; return its target."""
    selected = ["--select", *select] if select else []
    without = "--exclude-resource-type=unit_test"
    as_of = f"--vars={{as_of: '{END}'}}"
    invoke("build", home / DATABASE, home / "target", without, *selected, as_of)
    return home / "target"


def empty(full: Path, path: Path) -> Path:
    """Copy a store with its seeds, sessions and models, but without facts."""
    shutil.copy(full, path)
    with duckdb.connect(str(path)) as con:
        for table in schema():
            if table != "sessions":
                con.execute(f"delete from raw.{table}")
        con.execute("delete from raw.batches where asset <> 'raw/sessions'")
        con.execute("delete from raw.rejects")
        con.execute("delete from raw.fetches")
    return path


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    found = con.execute(sql)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


TICKERS = ("AAA", "BBB", "0700.HK")
DAYS = [date(2025, 8, 29) + timedelta(days=n) for n in range(0, 40, 3)]


DATED_BY = {
    "prices": "session_date",
    "ratings": "graded_on",
    "news": "published_at",
    "short_interest": "settled_on",
    "valuations": "valued_on",
    "consensus": "snapshot_date",
    "securities": None,
    "estimates": "snapshot_date",
    "earnings": "period_end",
    "earnings_dates": "snapshot_date",
    "universe": None,
    "news_signals": None,
    "news_topics": None,
    "broker_calls": None,
}


def fact(table: str, ticker: str, day: date, random: Random) -> Row:
    """Something told of a ticker's day, from few values, so that keys and contents meet again."""
    at = datetime.combine(day, time(random.randrange(24), random.randrange(60)))
    scored = {"news_id": random.choice(["n1", "n2", "n3", "n4"]), "scorer_version": "1"}
    told: Row = {
        "prices": {
            "close": random.choice([100.0, 104.0, 50.0]),
            "split_ratio": random.choice([None, None, None, 1.0, 2.0, 4.0]),
            "is_final": random.choice([None, True, True, False]),
            "volume": random.choice([None, 10.0]),
        },
        "ratings": {
            "firm": random.choice(["Foxglove", "Hart"]),
            "graded_at": random.choice([None, at, at]),
            "to_grade": random.choice(["Buy", "Hold", "Underperform", "Suspended", "", "hmm"]),
            "from_grade": random.choice([None, "Buy", "Hold"]),
            "target": random.choice([None, 0.0, 90.0, 110.0]),
        },
        "news": {
            "news_id": random.choice(["n1", "n2", "n3", "n4"]),
            "title": random.choice(["up", "down"]),
        },
        "short_interest": {
            "shares_short": random.choice([1.0, 2.0]),
            "short_share_of_float": random.choice([0.05, 0.12, 0.2]),
        },
        "valuations": {
            "trailing_pe": random.choice([1.0, 2.0]),
            "forward_eps": random.choice([-1.0, 1.0]),
        },
        "consensus": {"buy": random.choice([1, 2])},
        "securities": {
            "exchange": random.choice([None, "NYQ", "HKG"]),
            "currency": random.choice([None, "USD", "HKD"]),
            "financial_currency": random.choice([None, "USD", "CNY"]),
            "country": random.choice([None, "China", "France"]),
        },
        "estimates": {
            "period": random.choice(["0q", "0y"]),
            "eps_mean": random.choice([1.0, 2.0]),
            "revisions_up_30d": 2,
            "revisions_down_30d": random.choice([0, 3, 9]),
        },
        "earnings": {"eps_actual": random.choice([1.0, 2.0]), "eps_estimate": 1.5},
        "earnings_dates": {"announced_from": at},
        "universe": {
            "benchmark": random.choice([None, "BBB"]),
            "listed_to": random.choice([None, None, day]),
        },
        "news_signals": {**scored, "sentiment_score": random.choice([-1.0, 1.0])},
        "news_topics": {
            **scored,
            "topic": random.choice(["LIT", "LEAD"]),
            "subtopic": random.choice(["", "ceo_cfo"]),
            "confidence": 0.9,
        },
        "broker_calls": {**scored, "firm": "Hart", "grade": "Buy", "is_soft": False},
    }[table]
    by = DATED_BY[table]
    dated = {} if by is None else {by: at if table == "news" else day}
    return {"ticker": ticker, **dated, **told}


@dataclass(frozen=True)
class Load:
    """What was stored at one time, and a moment after it from which we look."""

    stored_at: datetime
    facts: dict[str, list[Row]]
    seen_at: datetime


def history(random: Random) -> list[Load]:
    """Loads some days apart; the first tells something of each ticker in each table."""
    loads: list[Load] = []
    for number, after in enumerate(sorted(random.sample(range(3, 40, 2), 3))):
        stored_at = datetime(2025, 9, 1, random.choice([2, 15, 20, 22]))
        stored_at += timedelta(days=after)
        facts: dict[str, list[Row]] = {}
        for table in DATED_BY:
            days = [day for day in DAYS if day <= stored_at.date()]
            tickers = random.choices(TICKERS, k=random.randrange(12))
            if number == 0:
                tickers += TICKERS
            every = [fact(table, ticker, random.choice(days), random) for ticker in tickers]
            told = list({tuple(one.get(k) for k in keys(table)): one for one in every}.values())
            if loads:
                # A vendor may say when it was known, but not that we should have known it then.
                unseen = int((stored_at - loads[-1].seen_at).total_seconds())
                for one in random.sample(told, len(told) // 4):
                    one["known_at"] = stored_at - timedelta(seconds=random.randrange(1, unseen))
            facts[table] = told
        later = timedelta(minutes=random.choice([1, 60, 600, 1400]))
        loads.append(Load(stored_at, facts, stored_at + later))
    return loads


def near(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return bool(one == other)


def compare(moment: datetime, then: dict[str, list[Row]], later: dict[str, list[Row]]) -> None:
    for model, told in then.items():
        again = later[model]
        assert len(told) == len(again), (model, moment, told, again)
        for one, other in zip(told, again, strict=True):
            assert all(near(one[name], other[name]) for name in one), (model, moment, one, other)


def check_that_moments_last(
    models: Models, blank: Path, seed: int, without: Sequence[str]
) -> list[dict[str, list[Row]]]:
    """Tell a copy of the store `blank` a random history, look after each load, and look again.

    A moment must look the same when more is stored later. Returns what it looked like after each
    load. `without` are models that stay as they are in `blank`.
    """
    loads = history(Random(seed))
    path = blank.with_name("history.duckdb")
    shutil.copy(blank, path)
    clock = Clock()
    seen: dict[datetime, dict[str, list[Row]]] = {}
    with pytest.MonkeyPatch.context() as patch, Warehouse(path) as warehouse:
        patch.setattr(store, "_utc_now", clock)
        teller = Teller(clock)
        for load in loads:
            for table, facts in load.facts.items():
                if facts:
                    teller.tell(load.stored_at, table, *facts, load_id=str(load.stored_at))
            teller.append_to(warehouse)
            seen[load.seen_at] = models.show(warehouse.con, load.seen_at, without)
        for moment, then in seen.items():
            compare(moment, then, models.show(warehouse.con, moment, without))
    return list(seen.values())
