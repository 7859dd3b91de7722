"""What Yahoo does to us: each fault through the emulator, beside tickers that are well.

For each: what is stored, what the user is told, and that the good tickers' bars arrive. The
smallest forms stand in `tests/warehouse/test_yahoo.py` and `tests/orchestration/test_yahoo.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import exchange_calendars

from tests.conftest import forget_client, quick
from tests.faults.registry import Outcome, fault
from tests.yahoo_emulator import Emulator, scaled
from warehouse import status
from warehouse import store as store_module
from warehouse.ingest import Ingested, ingest
from warehouse.settings import Home
from warehouse.sources import yahoo
from warehouse.store import Warehouse

PART = "upstream"
FRIDAY = datetime(2025, 11, 21, 23, 30)


@dataclass
class Desk:
    """A home, an emulator and a clock that both and the source go by."""

    home: Home
    emulator: Emulator
    now: datetime = FRIDAY
    loads: int = 0
    done: list[Ingested] = field(default_factory=list)

    def at(self, now: datetime) -> None:
        self.now = now
        self.emulator.now = now.replace(tzinfo=UTC)

    def tick(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def load(self, *tickers: str, table: str = "prices") -> Ingested:
        self.loads += 1
        load_id = f"load {self.loads}"
        self.done.append(ingest(self.home, table, "yahoo", load_id=load_id, tickers=tickers))
        return self.done[-1]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with Warehouse(self.home.build) as store:
            return store.con.execute(query).fetchall()

    def status_failures(self) -> str:
        return " ".join(failure["what"] for failure in status.report(self.home)["failures"])

    def said(self) -> str:
        return " ".join(w for done in self.done for w in (*done.failures, *done.warnings))


@contextmanager
def desk(place: Path, **manners: str) -> Iterator[Desk]:
    forget_client()
    with Emulator(place / "authority", patience=1.5, first_day=date(2025, 6, 2)) as emulator:
        told = {**quick(), **emulator.environment, "BELLWETHER_YAHOO_TIMEOUT_SECONDS": "1"}
        told |= {f"BELLWETHER_YAHOO_{name}": value for name, value in manners.items()}
        made = Desk(Home(place / "home"), emulator)
        made.at(FRIDAY)
        with (
            mock.patch.dict(os.environ, told),
            mock.patch.object(store_module, "_utc_now", made.tick),
            mock.patch.object(yahoo, "_utc_now", lambda: made.now),
        ):
            yield made
    forget_client()


def lasting(name: str, word: str, outcome: str, told: str, *, stops: bool = False) -> None:
    """A fault of some tickers' bars that lasts; the others' bars must arrive."""

    @fault(PART, name, quick=0, full=10)
    def run(place: Path, seed: int, count: int) -> Outcome:
        good, bad = [f"G{n}" for n in range(count)], [f"B{n}" for n in range(count)]
        with desk(place) as made:
            # Five failures in a row end a load for now, so good ones stand between.
            made.emulator.faults = {f"{ticker}:chart": word for ticker in bad}
            order = [t for pair in zip(good, bad, strict=True) for t in pair]
            done = made.load(*order)
            if stops:
                assert done.resume_at is not None, "the source is not left alone"
                assert len(made.emulator.asked) < 15, "it was asked on"
                made.emulator.faults = {}
                rest = made.home.yahoo / "rest.json"
                rest.unlink(missing_ok=True)
                made.load(*order)
            else:
                assert done.outcomes == {"ok": count, outcome: count}, f"{done.outcomes}"
            assert told in made.said(), f"it says: {made.said()[:300]}"
            arrived = {t for (t,) in made.ask("select distinct ticker from raw.prices")}
        assert arrived >= set(good), "good tickers did not arrive"
        assert stops or not arrived & set(bad), "bars of a bad answer were stored"
        return Outcome(
            count,
            f"{outcome}: “{told}”; "
            + ("the source is left alone, the rest comes later" if stops else "nothing stored")
            + "; good tickers arrive",
        )


for _name, _word, _outcome, _told in (
    ("5xx for ever", "500", "failed", "an error of its own (500)"),
    ("time-outs", "timeout", "failed", "did not answer in time"),
    ("slow drip", "drip", "failed", "did not answer in time"),
    ("truncated answers", "cut", "malformed", "not JSON"),
    ("answers that are not JSON", "junk", "malformed", "not JSON"),
    ("empty answers for live tickers", "empty", "empty", "told nothing of"),
    ("another ticker's data under ours", "other", "malformed", "is of ZZOTHER"),
    ("a field that is missing", "drop:close", "malformed", "close[] is missing"),
    ("a field that is renamed", "rename:close", "malformed", "close[] is missing"),
):
    lasting(_name, _word, _outcome, _told)
lasting("429 storm, a whole day", "429", "throttled", "fewer requests", stops=True)
lasting("401 crumb loops", "401", "failed", "even after it was renewed", stops=True)


def passing(name: str, word: str) -> None:
    """A fault of one request each that passes: asked for again, nobody notices."""

    @fault(PART, name, quick=0, full=10)
    def run(place: Path, seed: int, count: int) -> Outcome:
        tickers = [f"T{n}" for n in range(count)]
        with desk(place) as made:
            made.emulator.faults = {f"{ticker}:chart": [word] for ticker in tickers}
            done = made.load(*tickers)
        assert done.outcomes == {"ok": count}, f"{done.outcomes} {done.failures}"
        return Outcome(count, "asked for again; all bars arrive")


passing("connection resets", "reset")
passing("answers cut short on the wire", "short")


def day(name: str, *, full: int = 3) -> Callable[[Any], Any]:
    """Register a story of several days, told for `count` tickers."""

    def register(story: Callable[[Desk, list[str]], str]) -> Any:
        @fault(PART, name, quick=0, full=full)
        def run(place: Path, seed: int, count: int) -> Outcome:
            tickers = [f"T{n}" for n in range(count)]
            with desk(place) as made:
                words = story(made, tickers)
            return Outcome(count, words)

        return story

    return register


MONDAY = datetime(2025, 11, 24, 23, 30)


@day("a split today")
def split(made: Desk, tickers: list[str]) -> str:
    made.emulator.splits = {ticker: [(MONDAY.date(), 4.0)] for ticker in tickers}
    made.load(*tickers, "GOOD")
    before = dict(made.ask("select ticker, close from raw.prices where session_date='2025-11-21'"))
    made.at(MONDAY)
    made.load(*tickers, "GOOD")
    now = dict(
        made.ask(
            "select ticker, arg_max(close, stored_at) from raw.prices "
            "where session_date = '2025-11-21' group by all"
        )
    )
    assert all(abs(now[t] * 4 - before[t]) < 1e-3 for t in tickers), f"{before} {now}"
    assert now["GOOD"] == before["GOOD"]
    return "the whole history comes anew on its new basis, a version beside the old one"


@day("a history restated by one factor")
def restated(made: Desk, tickers: list[str]) -> str:
    made.load(*tickers, "GOOD")
    [(bars,)] = made.ask("select count(*) from raw.prices")
    made.at(MONDAY)
    original = made.emulator._factor
    with mock.patch.object(
        made.emulator, "_factor", lambda s, d: original(s, d) * (2.0 if s in tickers else 1.0)
    ):
        done = made.load(*tickers, "GOOD")
    assert done.outcomes == {"ok": len(tickers) + 1}, f"{done.failures}"
    [(kept,)] = made.ask("select count(*) from raw.prices where stored_at < timestamp '2025-11-24'")
    assert kept == bars and done.counts.changed > 100 * len(tickers)
    return "kept as new versions beside the old ones; an earlier moment shows what it showed"


@day("prices a hundred times too high (a unit error)", full=4)
def hundredfold(made: Desk, tickers: list[str]) -> str:
    """Half of them in the newest two bars alone, half in all."""
    made.load(*tickers, "GOOD")
    [(bars,)] = made.ask("select count(*) from raw.prices")
    made.at(MONDAY)
    for number, ticker in enumerate(tickers):
        told = scaled(made.emulator, ticker, 100.0, None if number % 2 else 2)
        made.emulator.answers[("chart", ticker)] = (200, told)
    done = made.load(*tickers, "GOOD")
    assert done.outcomes == {"ok": 1, "malformed": len(tickers)}, f"{done.outcomes}"
    assert all("is its unit another" in failure for failure in done.failures)
    assert "is its unit another" in made.status_failures()
    [(now,)] = made.ask("select count(*) from raw.prices")
    assert now == bars + 1, "only the good ticker's new bar is stored"
    made.emulator.answers = {}
    assert made.load(*tickers).counts.new == len(tickers)
    return (
        "malformed: “… is its unit another?” in `status`; nothing stored, until the bars are right "
        "again; good tickers arrive"
    )


@day("the same week told twice")
def doubled(made: Desk, tickers: list[str]) -> str:
    for ticker in tickers:
        chart = made.emulator._chart(ticker, {"range": ["max"]}, is_empty=False)
        result = chart["chart"]["result"][0]
        result["timestamp"] += result["timestamp"][-5:]
        for part in (result["indicators"]["quote"][0], result["indicators"]["adjclose"][0]):
            for name in part:
                part[name] += part[name][-5:]
        made.emulator.answers[("chart", ticker)] = (200, chart)
    made.load(*tickers, "GOOD")
    rows = made.ask(
        "select count(*), count(distinct (ticker, session_date)), count(distinct ticker) "
        "from raw.prices"
    )
    assert rows[0][0] == rows[0][1] and rows[0][2] == len(tickers) + 1, f"{rows}"
    return "each bar is stored once"


@day("delisted and unknown symbols")
def unknown(made: Desk, tickers: list[str]) -> str:
    made.load(*tickers, "GOOD")
    made.at(MONDAY)
    made.emulator.unknown = set(tickers)
    done = made.load(*tickers, "GOOD")
    assert done.outcomes == {"not_found": len(tickers), "ok": 1}, f"{done.outcomes}"
    assert "does not know T0" in made.said()
    [(kept,)] = made.ask("select count(distinct ticker) from raw.prices")
    assert kept == len(tickers) + 1
    return "not_found, asked for once a day; what is stored of them stays"


@day("half the universe failing", full=40)
def half(made: Desk, tickers: list[str]) -> str:
    bad = tickers[::2]
    made.emulator.faults = {f"{t}:chart": "500" for t in bad}
    outcomes: Counter[str] = Counter()
    outcomes.update(made.load(*tickers).outcomes)
    arrived = {t for (t,) in made.ask("select distinct ticker from raw.prices")}
    assert arrived == set(tickers) - set(bad), f"{outcomes}"
    made.emulator.faults = {}
    made.load(*tickers)
    [(all_,)] = made.ask("select count(distinct ticker) from raw.prices")
    assert all_ == len(tickers)
    return "the other half arrives; the failed half is asked for by the next load"


@day("a field retyped")
def retyped(made: Desk, tickers: list[str]) -> str:
    made.emulator.faults = {
        f"{ticker}:upgradeDowngradeHistory": "retype:currentPriceTarget" for ticker in tickers
    }
    done = made.load(*tickers, "GOOD", table="ratings")
    assert len([d for d in done.drifts if d.found == "text"]) == len(tickers)
    [(rejected,)] = made.ask("select count(*) from raw.rejects")
    assert rejected and done.counts.stored
    return "rows rejected whole, the check schema_drift and `status` name the field"


@fault(PART, "a rating feed that freezes six sessions, then back-fills", quick=0, full=1)
def frozen(place: Path, seed: int, count: int) -> Outcome:
    """One call a session for a quarter; frozen for six sessions; then all at once."""
    calendar = exchange_calendars.get_calendar("XNYS")
    days = [stamp.date() for stamp in calendar.sessions_in_range("2025-08-01", "2025-12-05")]
    tickers = [f"T{n}" for n in range(4)]
    with desk(place) as made:

        def told(until: date) -> None:
            for number, ticker in enumerate(tickers):
                history = [
                    {
                        "epochGradeDate": int(
                            datetime(d.year, d.month, d.day, 14, tzinfo=UTC).timestamp()
                        ),
                        "firm": f"Firm {i % 9}",
                        "toGrade": "Buy",
                        "fromGrade": "Hold",
                        "action": "up",
                        "priceTargetAction": "Raises",
                        "currentPriceTarget": 100.0 + i,
                        "priorPriceTarget": 99.0,
                    }
                    for i, d in enumerate(days)
                    if d <= until and i % len(tickers) == number
                ]
                modules = {
                    "quoteType": {"symbol": ticker, "quoteType": "EQUITY"},
                    "upgradeDowngradeHistory": {"history": history, "maxAge": 86400},
                }
                made.emulator.answers[("quoteSummary", ticker)] = (
                    200,
                    {"quoteSummary": {"result": [modules], "error": None}},
                )

        def evening(day: date) -> Ingested:
            made.at(datetime(day.year, day.month, day.day, 23, 30))
            return made.load(*tickers, table="ratings")

        alarms = []
        for number in range(-9, 0):
            told(days[number] if number in (-9, -2, -1) else days[-9])
            alarms.append(evening(days[number]).silence)
        late = made.ask(
            f"select count(*) from raw.ratings where graded_on between '{days[-8]}' and "
            f"'{days[-3]}' and cast(known_at as date) = '{days[-2]}'"
        )
    assert [found is not None for found in alarms] == [False] * 2 + [True] * 5 + [False] * 2, (
        f"{alarms}"
    )
    assert late == [(6,)], f"{late} calls arrived late"
    return Outcome(
        1,
        "the check feed_alive, `status` and the digest say so from the second silent session on; "
        "back-filled calls count from the day they were told",
    )
