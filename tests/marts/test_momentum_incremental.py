"""Momentum that goes on from its tables equals momentum made anew, whatever was told in between."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration import dbt
from tests.conftest import Clock
from tests.dbt_project import part
from warehouse.settings import Home
from warehouse.store import Warehouse

pytestmark = pytest.mark.slow

TABLES = {
    "staging.stg_prices": ["ticker", "session_date"],
    "staging.stg_price_loads": ["source", "ticker"],
    "staging.stg_price_versions": ["row_id"],
    "marts.momentum_history": ["ticker", "session_date"],
    "marts.momentum_ranks": ["ticker", "session_date"],
    "marts.momentum": ["ticker"],
}
IN_CURRENCY = {"macd", "macd_signal", "atr_14"}
DAYS = pd.bdate_range("2012-01-02", periods=760)
FIRST = 700
TICKERS = ["BENCH", "AAA", "BBB", "CCC", "DDD"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> dbt.Manifest:
    """Momentum and what it is made of, in place of all models."""
    models = [table.split(".")[1] for table in TABLES]
    return part(tmp_path_factory.mktemp("momentum") / "part", models)


@dataclass
class Story:
    """A store that is told more and more, and what the last build showed."""

    project: dbt.Manifest
    home: Home
    clock: Clock
    random: np.random.Generator
    now: int = FIRST
    closes: dict[str, np.ndarray] = field(default_factory=dict)
    late: list[dict[str, object]] = field(default_factory=list)
    pays: bool = True

    def bar(self, ticker: str, day: int, **more: object) -> dict[str, object]:
        close = self.closes[ticker][day]
        return {
            "ticker": ticker,
            "session_date": DAYS[day],
            "open": close,
            "high": close * 1.02,
            "low": close * 0.97,
            "close": close,
            "adj_close": close * 0.9,
            "volume": float(self.random.integers(1, 9999)),
            "dividend": 0.0 if self.pays else None,
            "split_ratio": None,
            "is_final": None if ticker == "CCC" else True,  # then its time tells
        } | more

    def start(self, ticker: str, count: int) -> list[dict[str, object]]:
        """The history of a ticker, which pays now and then."""
        steps = self.random.normal(0, 0.02, len(DAYS))
        self.closes[ticker] = 50 * np.exp(np.cumsum(steps))
        first = self.now - count
        return [
            self.bar(ticker, day, dividend=0.4 if day % 60 == 7 else 0.0)
            for day in range(first, self.now)
        ]

    def tell(self, table: str, rows: list[dict[str, object]]) -> None:
        with Warehouse(self.home.build) as warehouse:
            warehouse.append(table, pd.DataFrame(rows), source="inbox")

    def next_day(self, *events: str) -> None:
        """Tell of the next session, and of what happens besides."""
        self.clock.now = DAYS[self.now].to_pydatetime() + timedelta(hours=22)
        rows = {ticker: self.bar(ticker, self.now) for ticker in self.closes}
        told, self.late = self.late, []
        chosen = str(self.random.choice(TICKERS[1:]))
        for event in events:
            if event == "restated":
                day = int(self.random.integers(self.now - 600, self.now))
                told.append(self.bar(chosen, day, close=60.0, dividend=None))
            elif event == "restated lately":
                told.append(self.bar(chosen, self.now - 2, close=60.0))
            elif event == "benchmark restated":
                told.append(self.bar("BENCH", self.now - 3, close=60.0))
            elif event == "late":
                self.late = [rows.pop("DDD"), rows.pop("BENCH")]
            elif event == "paid":
                rows["CCC"]["dividend"] = 1.0
            elif event == "dividend restated":
                told.append(self.bar("CCC", self.now - 1, dividend=2.0))
            elif event == "told at last":
                told.append(self.bar("BBB", self.now - 1, dividend=0.3))
            elif event == "a hundredth":
                rows["BBB"] |= {
                    name: rows["BBB"][name] / 100 for name in ("open", "high", "low", "close")
                }
            elif event == "paid by all":
                rows["BBB"]["dividend"] = 1.0
            elif event == "mended":
                told.append(self.bar("BBB", self.now - 2))
            elif event == "gapped":
                rows["BBB"] |= dict.fromkeys(("open", "high"), rows["BBB"]["close"] * 1.5)
            elif event == "unknown":
                rows["BBB"]["dividend"] = None
            elif event == "live":
                rows["AAA"] |= {"is_final": False, "close": 1.0, "dividend": 0.7}
                self.late.append(self.bar("AAA", self.now, dividend=0.7))
            elif event == "split":
                self.closes["AAA"] = self.closes["AAA"] / 2
                rows["AAA"] = self.bar("AAA", self.now, split_ratio=2.0)
            elif event == "new":
                told += self.start("NEW", 300)
            elif event == "dropped":
                self.tell("universe", [{"ticker": "DDD", "is_covered": False}])
            elif event == "other benchmark":
                self.tell("universe", [{"ticker": "CCC", "benchmark": "AAA"}])
        self.tell("prices", [*told, *rows.values()])
        self.now += 1

    def build(self, home: Home | None = None) -> set[str]:
        """Build what is to be built, and say which models that was."""
        as_of = self.clock.now + timedelta(hours=1)
        built = dbt.build(self.project, home or self.home, as_of=as_of)
        assert [(node.name, node.message) for node in built if not node.is_good] == []
        return {node.name for node in built if node.kind == "model"}

    def anew(self, path: Path) -> Home:
        """The same store, all tables made anew."""
        home = Home(path)
        home.build.parent.mkdir(parents=True)
        shutil.copyfile(self.home.build, home.build)
        with duckdb.connect(str(home.build)) as con:
            con.execute("delete from raw.builds")
        self.build(home)
        return home


def differences(
    one: Home, other: Home, tables: dict[str, list[str]] = TABLES
) -> list[tuple[str, str, object]]:
    """Where tables differ: keys, what is no float, and floats by more than 1e-12."""
    found: list[tuple[str, str, object]] = []
    with duckdb.connect() as con:
        con.execute(f"attach '{one.build}' as one (read_only)")
        con.execute(f"attach '{other.build}' as other (read_only)")
        for table, keys in tables.items():
            frames = [
                con.execute(f"select * from {name}.{table} order by {', '.join(keys)}").df()
                for name in ("one", "other")
            ]
            if not frames[0][keys].equals(frames[1][keys]):
                found.append((table, "keys", [len(frame) for frame in frames]))
                continue
            scale = frames[0]["close"].to_numpy(dtype=float) if "close" in frames[0] else 1.0
            for column in frames[0]:
                a, b = (frame[column] for frame in frames)
                if a.dtype.kind != "f":
                    is_same = a.equals(b)
                else:
                    size = scale if column in IN_CURRENCY else 1.0
                    size = np.maximum(size, np.abs(a.to_numpy()))
                    far = np.abs(a - b) > 1e-12 * size
                    is_same = not (far | (a.isna() != b.isna())).any()
                if not is_same:
                    rows = frames[0][keys][(a != b) & ~(a.isna() & b.isna())]
                    found.append((table, str(column), rows.astype(str).head(3).to_numpy().tolist()))
    return found


def made(home: Home) -> dict[str, int]:
    """How many rows each ticker's part of the history was made anew from."""
    with duckdb.connect(str(home.build), read_only=True) as con:
        return dict(
            con.execute(
                "select c.ticker, count(h.ticker) from staging.momentum_changes c "
                "left join marts.momentum_history h on h.ticker = c.ticker "
                "and h.session_date >= c.replaced_from group by all having count(h.ticker) > 0"
            ).fetchall()
        )


@pytest.fixture
def story(project: dbt.Manifest, home: Home, clock: Clock, request: pytest.FixtureRequest) -> Story:
    story = Story(project, home, clock, np.random.default_rng(getattr(request, "param", 0)))
    clock.now = DAYS[FIRST - 1].to_pydatetime() + timedelta(hours=22)
    benchmarks = [{"ticker": t, "benchmark": "BENCH"} for t in (*TICKERS[1:], "NEW")]
    story.tell("universe", benchmarks)
    days = pd.DataFrame({"exchange": "XNYS", "session_date": DAYS})
    days["opens_at"] = days.session_date + pd.Timedelta(hours=14)
    days["closes_at"] = days.session_date + pd.Timedelta(hours=21)
    with Warehouse(home.build) as warehouse:
        warehouse.append("sessions", days, source="exchange_calendars")
    story.tell("prices", [row for ticker in TICKERS for row in story.start(ticker, FIRST)])
    story.build()
    return story


EVENTS = (
    "restated",
    "restated lately",
    "benchmark restated",
    "late",
    "paid",
    "dividend restated",
    "gapped",
    "unknown",
    "live",
    "split",
    "new",
    "dropped",
    "other benchmark",
)


@pytest.mark.parametrize("story", [1], indirect=True)
def test_what_goes_on_equals_what_is_made_anew(story: Story, tmp_path: Path) -> None:
    events = list(story.random.permutation(EVENTS))
    for step in range(3):
        count = len(events) if step == 2 else int(story.random.integers(2, 5))
        happening, events = events[:count], events[count:]
        story.next_day(*happening)
        story.build()
        other = story.anew(tmp_path / f"anew{step}")
        assert differences(story.home, other) == [], happening
    assert events == []


def test_dividends_that_are_always_unknown_cost_no_history(story: Story, tmp_path: Path) -> None:
    story.pays = False
    for _ in range(2):
        story.next_day()
        story.build()
        assert made(story.home) == dict.fromkeys(TICKERS, 1)
        with duckdb.connect(str(story.home.build), read_only=True) as con:
            known = con.execute(
                "select count(*) from marts.momentum_history where total_return_close is not null"
            ).fetchone()
        assert known == (len(TICKERS),)
    assert differences(story.home, story.anew(tmp_path / "anew")) == []


def test_only_what_changed_is_computed(story: Story, tmp_path: Path) -> None:
    story.next_day()
    story.build()
    assert made(story.home) == dict.fromkeys(TICKERS, 1)
    assert not story.build() & {"marts.momentum_history", "staging.momentum_changes"}
    story.next_day("paid")
    story.build()
    assert made(story.home) == dict.fromkeys(TICKERS, 1)
    assert differences(story.home, story.anew(tmp_path / "paid")) == []
    story.next_day("dividend restated")
    story.build()
    assert made(story.home) == dict.fromkeys(TICKERS, 1) | {"CCC": 2}
    assert differences(story.home, story.anew(tmp_path / "restated")) == []
    story.next_day("unknown")
    story.build()
    story.next_day("told at last")
    story.build()
    assert made(story.home) == dict.fromkeys(TICKERS, 1) | {"BBB": story.now}
    assert differences(story.home, story.anew(tmp_path / "told")) == []


def test_levels_move_once_where_a_build_died_after_the_history(
    story: Story, tmp_path: Path
) -> None:
    def notes(rows: list[tuple[object, ...]] | None = None) -> list[tuple[object, ...]]:
        with duckdb.connect(str(story.home.build)) as con:
            if rows is not None:
                con.execute("delete from raw.builds")
                con.executemany("insert into raw.builds values (?, ?, ?, ?, ?)", rows)
            return con.execute("from raw.builds").fetchall()

    before = notes()
    story.next_day("paid")
    story.build()
    notes(before)
    story.next_day("paid")
    story.build()
    assert made(story.home) == dict.fromkeys(TICKERS, 2)
    assert differences(story.home, story.anew(tmp_path / "anew")) == []


def test_levels_come_back_where_a_close_that_a_dividend_took_whole_is_mended(
    story: Story, tmp_path: Path
) -> None:
    story.next_day("a hundredth")
    story.build()
    story.next_day("paid by all")
    story.build()
    assert made(story.home)["BBB"] == 1
    story.next_day("mended")
    story.build()
    assert differences(story.home, story.anew(tmp_path / "anew")) == []


def test_a_split_told_the_evening_before_takes_effect_without_a_word(
    story: Story, tmp_path: Path
) -> None:
    story.next_day()
    story.build()
    split = story.bar("AAA", story.now, close=10.0, split_ratio=2.0, is_final=False)
    story.tell("prices", [split | dict.fromkeys(("open", "high", "low"), 10.0)])
    story.build()
    assert differences(story.home, story.anew(tmp_path / "told")) == []
    story.clock.now = DAYS[story.now].to_pydatetime() + timedelta(hours=6)
    story.build()
    assert differences(story.home, story.anew(tmp_path / "begun")) == []
