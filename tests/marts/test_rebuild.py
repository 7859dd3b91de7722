"""All tables made anew from the raw rows equal those that builds went on from, again and again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration import dbt, rebuild
from orchestration.time_machine import fingerprint
from tests.conftest import Clock
from warehouse import store as store_module
from warehouse.errors import HomeError
from warehouse.news.scorer import NewsScorer
from warehouse.publish import publish
from warehouse.settings import Home
from warehouse.sources.calendars import Calendars
from warehouse.sources.sample import Sample
from warehouse.store import Warehouse

TICKERS = ("BABA", "JD", "0700.HK", "AAPL", "NVDA", "INTC", "ZZDROP", "SPY", "HKD=X", "^IRX")
SAMPLE = Sample()
# Simulated data share a home with no other, so here they pass for Yahoo's.
SOURCE = "yahoo"

pytestmark = pytest.mark.slow


class Story:
    """A home that is told of the sample bit by bit, and of what vendors take back."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self.home, self.clock, self.last = home, clock, datetime.min
        tables = {table: getattr(SAMPLE, table)() for table in SAMPLE.tables}
        self.frames = {name: f[f["ticker"].isin(TICKERS)] for name, f in tables.items()}

    def known(self, table: str, ticker: str, ago: int = 1) -> dict[str, object]:
        """A row told of a ticker so far: the newest, or one of longer ago."""
        frame = self.frames[table]
        is_known = (frame["ticker"] == ticker) & (frame["known_at"] <= self.last)
        return dict(frame[is_known].iloc[-ago])

    def tell(self, at: datetime, told: Sequence[tuple[str, dict[str, object]]] = ()) -> None:
        """Store what the sample knew by then, and these rows besides, and score its news."""
        self.clock.now = at - timedelta(minutes=2)
        with Warehouse(self.home.build) as store:
            for table, frame in self.frames.items():
                is_new = (frame["known_at"] > self.last) & (frame["known_at"] <= at)
                if is_new.any():
                    store.append(table, frame[is_new], source=SOURCE)
            for table, row in told:
                row = {"source": SOURCE, **row, "known_at": self.clock.now}
                source = str(row.pop("source"))
                assert store.append(table, pd.DataFrame([row]), source=source).stored == 1
            for scored, names in (
                (Calendars(store.con), ("sessions",)),
                (NewsScorer(store.con), ("news_topics", "broker_calls", "news_signals")),
            ):
                for name in names:
                    for unit in scored.pending(name):
                        store.append(name, getattr(scored, name)(unit), source=scored.name)
        self.last = at

    def build(self, as_of: datetime) -> int:
        """Build as of a moment; how many models that took."""
        built = dbt.build(dbt.prepare_manifest(), self.home, as_of=as_of)
        assert [(node.name, node.message) for node in built if not node.is_good] == []
        return sum(node.kind == "model" for node in built)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after a history of builds: whole ones that went on, and of what was new alone."""
    home = Home(tmp_path_factory.mktemp("rebuild") / "home")
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(utc("2025-09-19 13:27"))
        patch.setattr(store_module, "_utc_now", clock)
        story = Story(home, clock)
        story.tell(utc("2025-09-19 13:29"))
        every = story.build(utc("2025-09-19 13:29"))

        bar = story.known("prices", "BABA")
        old = story.known("prices", "JD", ago=380)
        call = story.known("ratings", "INTC")
        other = story.known("prices", "AAPL", ago=3)
        higher = {name: other[name] * 1.05 for name in ("open", "high", "low", "close")}  # type: ignore[operator]
        story.tell(
            utc("2025-09-23 16:45"),
            [
                # A bar restated, one of last year too, and a call that was another all along.
                ("prices", {**bar, "close": bar["close"] * 1.01}),
                ("prices", {**old, "close": old["close"] * 0.97}),
                ("ratings", {**call, "to_grade": "Sell"}),
                # Another source tells another close of a session.
                ("prices", {**other, **higher, "source": "inbox"}),
            ],
        )
        assert story.build(utc("2025-09-23 16:45")) == every

        # Between two sessions' edges only what reads something new is run.
        item = story.known("news", "BABA")
        title = "Alibaba (BABA) upgraded to Buy at Jefferies, price target $210"
        for at, rows in (
            ("17:00", [("ratings", {**call, "firm": "Late Securities", "to_grade": "Buy"})]),
            ("17:30", [("news", {**item, "title": title})]),
            ("18:00", [("prices", {**bar, "close": bar["close"] * 1.02})]),
            ("18:30", [("ratings", {**call, "to_grade": "Buy"})]),
        ):
            moment = utc(f"2025-09-23 {at}")
            story.tell(moment, rows)
            assert 0 < story.build(moment) < every
    publish(home, as_of=utc("2025-09-23 18:30"))
    return home


def test_all_that_builds_went_on_from_equals_what_raw_rows_make_anew(told: Home) -> None:
    found = rebuild.check(told)
    assert (found.status, found.advice) == ("ok", ""), found.finding
    [anew] = (told.path / "as_of").glob("*/bellwether.duckdb")
    assert fingerprint(anew) == fingerprint(told.published.resolve())
    grains = rebuild.tables(dbt.prepare_manifest().content)
    with duckdb.connect(str(told.published), read_only=True) as con:
        marts = con.sql(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
        assert {f"marts.{mart}" for (mart,) in marts} <= set(grains)
        empty = [table for table in grains if not con.sql(f"from {table} limit 1").fetchall()]
        assert empty == []


SPOILT = {
    "update marts.votes set target = target * (1 + 1e-11) where target > 0": "marts.votes target",
    "update marts.votes set grade = 'Sell' where grade <> 'Sell'": "marts.votes grade",
    "update marts.momentum set rsi_14 = null": "marts.momentum rsi_14",
    "update marts.momentum set macd = macd + 1e-11 * close": "marts.momentum macd",
    "delete from marts.momentum_ranks where session_date = date '2024-01-02'": (
        "marts.momentum_ranks rows"
    ),
    "alter table marts.scorecard drop column name": "marts.scorecard rows",
}


def test_a_table_that_is_not_what_raw_rows_make_is_named(told: Home, tmp_path: Path) -> None:
    grains = rebuild.tables(dbt.prepare_manifest().content)
    for number, (statement, words) in enumerate(SPOILT.items()):
        spoilt = tmp_path / f"{number}.duckdb"
        shutil.copyfile(told.published, spoilt)
        with duckdb.connect(str(spoilt)) as con:
            con.execute(statement)
        found = rebuild.differences(told.published.resolve(), spoilt, grains)
        assert [f"{one.table} {one.column or 'rows'}" for one in found] == [words]
    published = told.published.resolve()
    published.chmod(0o644)
    shutil.copyfile(tmp_path / "0.duckdb", published)
    check = rebuild.check(told)
    assert check.status == "fail" and "marts.votes target" in check.finding
    assert "refresh --anew" in check.advice


def test_before_there_are_marts_and_after_the_models_changed_nothing_is_compared(
    told: Home, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HomeError, match="Nothing is published"):
        rebuild.check(home)
    manifest = dbt.prepare_manifest()
    other = dbt.Manifest(manifest.folder.with_name("other"))
    monkeypatch.setattr(dbt, "prepare_manifest", lambda: other)
    check = rebuild.check(told)
    assert check.status == "warn" and "other models" in check.finding
