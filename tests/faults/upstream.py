"""What Yahoo does to us: each fault through the emulator, beside tickers that are well.

For each: what is stored, what the user is told, and that the good tickers' bars arrive. The
smallest forms stand in `tests/warehouse/test_yahoo.py` and `tests/orchestration/test_yahoo.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest import mock

import exchange_calendars
import pybreaker

from orchestration import assets
from tests.conftest import forget_client, quick
from tests.faults.processes import bellwether, ended
from tests.faults.registry import Outcome, fault
from tests.orchestration.conftest import make_small_project
from tests.yahoo_emulator import Emulator, scaled
from warehouse import cli
from warehouse import store as store_module
from warehouse.ingest import Ingested, ingest
from warehouse.publish import newest, reading
from warehouse.settings import Home
from warehouse.sources import governor, yahoo
from warehouse.store import Warehouse

PART = "upstream"
# What of the marts `status` reads, in the small project.
STATUS_READS = {
    "marts/data_quality.sql": "'' as status",
    "staging/unknown_grades.sql": "'' as grade, 1 as event_count",
}
FRIDAY = datetime(2025, 11, 21, 23, 30)


@dataclass
class Desk:
    """A home, an emulator and a clock that both and the source go by."""

    place: Path
    emulator: Emulator
    now: datetime = FRIDAY
    loads: int = 0
    done: list[Ingested] = field(default_factory=list)

    @property
    def home(self) -> Home:
        return Home(self.place / "home")

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

    def newest_bars(self) -> dict[str, tuple[int, date]]:
        """How many sessions are stored of each ticker, and the newest."""
        rows = self.ask(
            "select ticker, count(distinct session_date), max(session_date) from raw.prices "
            "group by all"
        )
        return {ticker: (count, newest) for ticker, count, newest in rows}

    def publish(self) -> None:
        log = self.place / "log"
        ended(bellwether(self.home.path, self.project(), log, "refresh"), log)

    def shown(self) -> dict[str, tuple[int, date]]:
        """The same of the mart that a refresh publishes."""
        self.publish()
        with reading(self.home) as con:
            rows = con.sql("select ticker, bar_count, session_date from marts.closes").fetchall()
        return {ticker: (count, newest) for ticker, count, newest in rows}

    def project(self) -> Path:
        project = self.place / "dbt_project"
        if not project.exists():
            make_small_project(project)
            for path, columns in STATUS_READS.items():
                (project / "models" / path).write_text(
                    f"select {columns} from (select 1) where 1 = 0"
                )
        return project

    def status(self, *arguments: str) -> str:
        """What `bellwether status` prints of the published home, at the desk's time."""
        assert newest(self.home) is not None, "nothing is published"
        told = io.StringIO()
        command = ["bellwether", "status", "--home", str(self.home.path), *arguments]
        with (
            mock.patch.object(sys, "argv", command),
            mock.patch.object(cli, "datetime", clock_of(self)),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(told),
        ):
            try:
                cli.main()
            except SystemExit as ending:
                assert not ending.code, f"exit {ending.code}: {told.getvalue()[-1500:]}"
        return told.getvalue()

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.status("--json"))
        return report

    def failing(self, told: str, kind: str = "failures") -> int:
        """How many newest attempts `bellwether status` counts that ended with what is `told`."""
        assert told in " ".join(self.status().split()), f"`status` does not say: {told}"
        return sum(found["count"] for found in self.report()[kind] if told in found["what"])

    def said(self) -> str:
        return " ".join(w for done in self.done for w in (*done.failures, *done.warnings))


def clock_of(desk: Desk) -> type[datetime]:
    """The class `datetime`, but that now is the desk's time."""

    class Shown(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return desk.now.replace(tzinfo=tz)

    return Shown


@contextmanager
def desk(place: Path, **manners: str) -> Iterator[Desk]:
    forget_client()
    with Emulator(place / "authority", patience=1.5, first_day=date(2025, 6, 2)) as emulator:
        told = {**quick(), **emulator.environment, "BELLWETHER_YAHOO_TIMEOUT_SECONDS": "1"}
        told |= {f"BELLWETHER_YAHOO_{name}": value for name, value in manners.items()}
        made = Desk(place, emulator)
        made.at(FRIDAY)

        with (
            mock.patch.dict(os.environ, told),
            mock.patch.object(store_module, "_utc_now", made.tick),
            mock.patch.object(yahoo, "_utc_now", lambda: made.now),
            mock.patch.object(governor, "_utc_now", lambda: made.now),
            mock.patch.object(pybreaker, "datetime", clock_of(made)),
        ):
            yield made
    forget_client()


MONDAY, TUESDAY = datetime(2025, 11, 24, 23, 30), datetime(2025, 11, 25, 23, 30)


def lasting(name: str, word: str, outcome: str, told: str) -> None:
    """A fault of some tickers' bars that lasts for a day; the others' bars must arrive."""

    @fault(PART, name, quick=0, full=10)
    def run(place: Path, seed: int, count: int) -> Outcome:
        good, bad = [f"G{n}" for n in range(count)], [f"B{n}" for n in range(count)]
        # Five failures in a row end a load for now, so good ones stand between.
        order = [t for pair in zip(good, bad, strict=True) for t in pair]
        with desk(place) as made:
            made.load(*order)
            before = made.newest_bars()
            made.publish()
            made.at(MONDAY)
            made.emulator.faults = {f"{ticker}:chart": word for ticker in bad}
            done = made.load(*order)
            assert done.outcomes == {"ok": count, outcome: count}, f"{done.outcomes}"
            assert told in made.said(), f"it says: {made.said()[:300]}"
            kind = "empties" if outcome == "empty" else "failures"
            assert made.failing(told, kind) == count, f"{made.report()[kind]}"
            during = made.newest_bars()
            made.at(TUESDAY)
            made.emulator.faults = {}
            made.load(*order)
            after = made.newest_bars()
            assert made.report()[kind] == [], "`status` goes on complaining"
        assert all(during[ticker] == before[ticker] for ticker in bad), "a bad answer was stored"
        assert all(during[ticker][1] == MONDAY.date() for ticker in good), "good ones did not come"
        assert all(newest == TUESDAY.date() for _, newest in after.values()), "the rest did not"
        assert {bars for bars, _ in after.values()} == {before[good[0]][0] + 2}, "bars are missing"
        return Outcome(
            count,
            f"{outcome}: “{told}” in `status`; nothing stored, what was stays; good tickers "
            "arrive; what was missed comes with the next good answer",
        )


# Each by its name, how the emulator is told to, the outcome, and what is told of it.
KINDS = (
    ("5xx for a day", "500", "failed", "an error of its own (500)"),
    ("time-outs", "timeout", "failed", "did not answer in time"),
    ("slow drip", "drip", "failed", "did not answer in time"),
    ("truncated answers", "cut", "malformed", "not JSON"),
    ("answers that are not JSON", "junk", "malformed", "not JSON"),
    ("empty answers for live tickers", "empty", "empty", "told nothing of"),
    ("another ticker's data under ours", "other", "malformed", "is of ZZOTHER"),
    ("a field that is missing", "drop:close", "malformed", "close[] is missing"),
    ("a field that is renamed", "rename:close", "malformed", "close[] is missing"),
)
for _name, _word, _outcome, _told in KINDS:
    lasting(_name, _word, _outcome, _told)


def storm(name: str, word: str, outcome: str, told: str, most: int) -> None:
    """A host that refuses everything for a day, in which a load begins every half hour."""

    @fault(PART, name, quick=0, full=48)
    def run(place: Path, seed: int, count: int) -> Outcome:
        tickers = [f"T{n}" for n in range(6)]
        with desk(place) as made:
            made.load(*tickers)
            before = made.newest_bars()
            made.publish()
            made.at(MONDAY)
            made.emulator.faults = {"*:chart": word}
            made.emulator.forget()
            for _ in range(count):
                done = made.load(*tickers)
                assert done.outcomes == {outcome: 1}, f"{done.outcomes}"
                assert done.resume_at is not None, "the source is not left alone"
                assert made.newest_bars() == before, "what was stored changed"
                assert told in made.report()["yahoo"]["cause"], "`status` is silent"
                assert made.failing(told), "`status` names no attempt"
                made.at(made.now + timedelta(minutes=30))
            asked = made.emulator.counts()["chart"]
            assert 0 < asked <= most, f"it was asked {asked} times"
            assert told in made.said()
            made.emulator.faults = {}
            made.at(TUESDAY + timedelta(hours=8))
            done = made.load(*tickers)
            assert done.outcomes == {"ok": len(tickers)}, f"{done.outcomes} {done.warnings}"
            assert all(newest == TUESDAY.date() for _, newest in made.newest_bars().values())
        return Outcome(
            count,
            f"loads, of which the host saw {asked} requests; {outcome}: “{told}” and until when it "
            "is left alone, in `status`; what is stored stays; after it all comes",
        )


# Left alone for half an hour, twice as long each time: seven questions in a day, of three attempts.
storm("429 storm, a whole day", "429", "throttled", "fewer requests", most=3 * 8)
storm("401 crumb loops, a whole day", "401", "failed", "even after it was renewed", most=2 * 8)


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
    made.publish()
    made.at(MONDAY)
    for number, ticker in enumerate(tickers):
        told = scaled(made.emulator, ticker, 100.0, None if number % 2 else 2)
        made.emulator.answers[("chart", ticker)] = (200, told)
    done = made.load(*tickers, "GOOD")
    assert done.outcomes == {"ok": 1, "malformed": len(tickers)}, f"{done.outcomes}"
    assert all("is its unit another" in failure for failure in done.failures)
    assert made.failing("is its unit another") == len(tickers)
    [(now,)] = made.ask("select count(*) from raw.prices")
    assert now == bars + 1, "only the good ticker's new bar is stored"
    made.emulator.answers = {}
    assert made.load(*tickers).counts.new == len(tickers)
    return (
        "malformed: “… is its unit another?” in `status`; nothing stored, until the bars are right "
        "again; good tickers arrive"
    )


def whole(emulator: Emulator, ticker: str) -> Any:
    """Return the chart of all bars of a ticker."""
    return emulator._chart(ticker, {"period1": ["0"], "period2": ["4e9"]}, is_empty=False)


def tell_twice(emulator: Emulator, ticker: str) -> None:
    """Have the newest week of a ticker told twice."""
    chart = whole(emulator, ticker)
    result = chart["chart"]["result"][0]
    result["timestamp"] += result["timestamp"][-5:]
    for part in (result["indicators"]["quote"][0], result["indicators"]["adjclose"][0]):
        for name in part:
            part[name] += part[name][-5:]
    emulator.answers[("chart", ticker)] = (200, chart)


@day("the same week told twice")
def doubled(made: Desk, tickers: list[str]) -> str:
    for ticker in tickers:
        tell_twice(made.emulator, ticker)
    made.load(*tickers, "GOOD")
    rows = made.ask(
        "select count(*), count(distinct (ticker, session_date)), count(distinct ticker) "
        "from raw.prices"
    )
    assert rows[0][0] == rows[0][1] and rows[0][2] == len(tickers) + 1, f"{rows}"
    return "each bar is stored once"


@day("delisted symbols")
def delisted(made: Desk, tickers: list[str]) -> str:
    made.load(*tickers, "GOOD")
    before = made.newest_bars()
    made.publish()
    made.at(MONDAY)
    made.emulator.unknown = set(tickers)
    made.emulator.forget()
    done = made.load(*tickers, "GOOD")
    assert done.outcomes == {"not_found": len(tickers), "ok": 1}, f"{done.outcomes}"
    assert made.failing(f"({', '.join(tickers)})") == len(tickers)
    assert made.failing("does not know") == len(tickers)
    asked = made.emulator.forget()
    made.load(*tickers, "GOOD")
    made.load(*tickers, table="ratings")
    assert (asked, made.emulator.forget()) == (len(tickers) + 1, 0), "it is asked for again"
    now = made.shown()
    assert now == {**before, "GOOD": (before["GOOD"][0] + 1, MONDAY.date())}, f"shown: {now}"
    return (
        "not_found: “Yahoo does not know …” in `status`, asked for once a day; what is stored of "
        "them stays and is shown; good tickers arrive"
    )


@day("renamed symbols", full=4)
def renamed(made: Desk, tickers: list[str]) -> str:
    """The old name is unknown for half of them, and answered with the new one's for half."""
    made.load(*tickers, "GOOD")
    before = made.newest_bars()
    made.publish()
    made.at(MONDAY)
    names = {ticker: f"NEW{ticker}" for ticker in tickers}
    for ticker in tickers[1::2]:
        chart = whole(made.emulator, names[ticker])
        made.emulator.answers[("chart", ticker)] = (200, chart)
    made.emulator.unknown = set(tickers[::2])
    done = made.load(*tickers, *names.values(), "GOOD")
    half = len(tickers) // 2
    expected = {"not_found": len(tickers) - half, "malformed": half, "ok": len(tickers) + 1}
    assert done.outcomes == expected, f"{done.outcomes}"
    assert made.failing("does not know") == len(tickers) - half
    assert all(made.failing(f"chart is of {names[ticker]}") == 1 for ticker in tickers[1::2])
    now = made.shown()
    today = (before["GOOD"][0] + 1, MONDAY.date())
    assert now == {**before, **dict.fromkeys((*names.values(), "GOOD"), today)}, f"shown: {now}"
    return (
        "not_found, or malformed: “chart is of …” names the new symbol, in `status`; what is "
        "stored under the old name stays; the new one comes with its whole history; good tickers "
        "arrive"
    )


@day("half the universe failing", full=40)
def half(made: Desk, tickers: list[str]) -> str:
    made.load(*tickers)
    before = made.newest_bars()
    made.publish()
    made.at(MONDAY)
    bad = tickers[::2]
    made.emulator.faults = {f"{t}:chart": "500" for t in bad}
    done = made.load(*tickers)
    assert done.outcomes == {"ok": len(tickers) - len(bad), "failed": len(bad)}, f"{done.outcomes}"
    today = (before[tickers[0]][0] + 1, MONDAY.date())
    assert made.failing("an error of its own (500)") == len(bad)
    shown = made.shown()
    assert shown == {t: before[t] if t in bad else today for t in tickers}, f"shown: {shown}"
    made.emulator.faults = {}
    assert made.load(*tickers).outcomes == {"ok": len(bad)}
    assert made.shown() == dict.fromkeys(tickers, today)
    return (
        "failed, in `status`; the other half arrives and is shown beside the bars known of the "
        "failed half, which alone is asked for by the next load"
    )


@day("a field retyped")
def retyped(made: Desk, tickers: list[str]) -> str:
    made.emulator.faults = {
        f"{ticker}:upgradeDowngradeHistory": "retype:currentPriceTarget" for ticker in tickers
    }
    done = made.load(*tickers, "GOOD", table="ratings")
    assert len([d for d in done.drifts if d.found == "text"]) == len(tickers)
    [(rejected,)] = made.ask("select count(*) from raw.rejects")
    assert rejected and done.counts.stored
    check = assets._CHECKS[assets.DRIFT_CHECK](done)
    assert not check.passed and "currentPriceTarget" in str(check.description)
    return "rows rejected whole, the check schema_drift names the field"


@fault(PART, "a rating feed that freezes six sessions, then back-fills", quick=0, full=1)
def frozen(place: Path, seed: int, count: int) -> Outcome:
    with desk(place) as made:
        made.at(datetime(2025, 11, 20, 23))
        made.load("GOOD")
        made.publish()
        words = freeze(made, date(2025, 12, 5))
    return Outcome(1, words)


def freeze(made: Desk, last: date) -> str:
    """One call a session for months; none new for six sessions; then all at once."""
    calendar = exchange_calendars.get_calendar("XNYS")
    days = [stamp.date() for stamp in calendar.sessions_in_range("2025-08-01", str(last))]
    tickers = [f"F{n}" for n in range(4)]

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

    alarms, checks, statuses = [], [], []
    for number in range(-9, 0):
        told(days[number] if number in (-9, -2, -1) else days[-9])
        day = days[number]
        made.at(datetime(day.year, day.month, day.day, 23, 30))
        done = made.load(*tickers, table="ratings")
        alarms.append(done.silence is not None)
        checks.append(not assets._CHECKS[assets.ALIVE_CHECK](done).passed)
        statuses.append(any(w.startswith("ratings") for w in made.report()["silent"]))
    late = made.ask(
        f"select count(*) from raw.ratings where graded_on between '{days[-8]}' and "
        f"'{days[-3]}' and cast(known_at as date) = '{days[-2]}'"
    )
    assert alarms == [False] * 2 + [True] * 5 + [False] * 2, f"{alarms}"
    assert alarms == checks == statuses, f"{alarms} {checks} {statuses}"
    assert late == [(6,)], f"{late} calls arrived late"
    return (
        "the check feed_alive and `status` say so from the second silent session on; "
        "back-filled calls count from the day they were told"
    )


def all_at_once(place: Path) -> None:
    """Inject each fault of this part once or twice, in one home and few days: for `make test`."""
    kinds = {f"L{n}": kind for n, kind in enumerate(KINDS)}
    good = [f"G{n}" for n in range(8)]
    passing_ = {"P0": "reset", "P1": "short"}
    moved = ["SPLIT", "RESTATED", "DOUBLED"]
    hundred, renamed_ = ["H0", "H1"], ["OLD0", "OLD1"]
    known = [*good, *passing_, *moved]
    troubled = [*kinds, *hundred, *renamed_, "GONE"]
    new = {name: f"NEW{name}" for name in renamed_}
    # Failures in a row would end a load.
    order = [t for pair in zip_longest(known, troubled) for t in pair if t]
    with desk(place) as made:
        emulator = made.emulator
        emulator.splits = {"SPLIT": [(MONDAY.date(), 4.0)]}
        tell_twice(emulator, "DOUBLED")
        assert made.load(*order).outcomes == {"ok": len(order)}
        before = made.newest_bars()
        rows = "select count(*) from raw.prices"
        assert made.ask(rows) == [(sum(count for count, _ in before.values()),)], "a bar came twice"
        closes = "select ticker, arg_max(close, stored_at) from raw.prices where session_date = "
        friday = dict(made.ask(f"{closes} '2025-11-21' group by all"))

        made.at(MONDAY)
        emulator.answers = {
            **{
                ("chart", t): (200, scaled(emulator, t, 100.0, n))
                for t, n in (("H0", 2), ("H1", None))
            },
            ("chart", "OLD1"): (200, whole(emulator, new["OLD1"])),
        }
        emulator.unknown = {"GONE", "OLD0"}
        emulator.faults = {f"{t}:chart": word for t, (_, word, _, _) in kinds.items()}
        emulator.faults |= {f"{t}:chart": [word] for t, word in passing_.items()}
        original = emulator._factor
        with mock.patch.object(
            emulator, "_factor", lambda s, d: original(s, d) * (2.0 if s == "RESTATED" else 1.0)
        ):
            done = made.load(*order, *new.values())
        expected = Counter(outcome for _, _, outcome, _ in kinds.values())
        expected += Counter(ok=len(known) + len(new), malformed=3, not_found=2)
        assert done.outcomes == expected, f"{done.outcomes}, not {expected}"
        assert 2 * len(troubled) > len(order), "half of the universe is to fail"
        today = (before["G0"][0] + 1, MONDAY.date())
        shown = made.shown()
        assert shown == {
            **before,
            **dict.fromkeys((*known, *new.values()), today),
        }, f"shown: {shown}"
        report = made.report()
        found = [*report["failures"], *report["empties"]]
        for word in (
            *(told for _, _, _, told in KINDS),
            *("is its unit another", "chart is of NEWOLD1", "does not know"),
        ):
            assert any(word in one["what"] for one in found), f"`status` does not say: {word}"
        assert sum(one["count"] for one in found) == len(troubled)
        monday = dict(made.ask(f"{closes} '2025-11-21' group by all"))
        assert abs(monday["SPLIT"] * 4 - friday["SPLIT"]) < 1e-3
        assert abs(2 * monday["RESTATED"] - friday["RESTATED"]) < 1e-3
        same = set(friday) - {"SPLIT", "RESTATED"}
        assert {t: monday[t] for t in same} == {t: friday[t] for t in same}

        emulator.faults = {"R0:upgradeDowngradeHistory": "retype:currentPriceTarget"}
        told = made.load("R0", "GOOD", table="ratings")
        assert not assets._CHECKS[assets.DRIFT_CHECK](told).passed and told.counts.stored

        made.at(TUESDAY)
        emulator.faults = {}
        for name in hundred:
            del emulator.answers[("chart", name)]
        made.load(*order)
        after, gone = made.newest_bars(), {"GONE", *renamed_}
        assert all(after[t] == before[t] for t in gone)
        late = {t: after[t] for t in order if t not in gone}
        assert set(late.values()) == {(today[0] + 1, TUESDAY.date())}, f"{late}"
        failing = [f for f in made.report()["failures"] if f["what"].startswith("prices")]
        assert sum(one["count"] for one in failing) == len(gone), f"{failing}"

        few, hour = good[:3], timedelta(hours=1)
        for word, outcome, told_, day in (
            ("429", "throttled", "fewer requests", datetime(2025, 11, 26, 23, 30)),
            ("401", "failed", "even after it was renewed", datetime(2025, 11, 28, 23, 30)),
        ):
            made.at(day)
            stood = made.newest_bars()
            emulator.faults = {"*:chart": word}
            emulator.forget()
            for number in range(3):
                done = made.load(*few)
                assert done.outcomes == {outcome: 1} and done.resume_at, f"{done.outcomes}"
                assert told_ in made.report()["yahoo"]["cause"]
                made.at(made.now + (hour / 6 if number else hour))
            asked = emulator.counts()["chart"]
            assert 0 < asked <= 3 * 2, f"it was asked {asked} times"
            assert made.newest_bars() == stood
            emulator.faults = {}
            made.at(made.now + 7 * hour)
            assert made.load(*few).outcomes == {"ok": len(few)}
        freeze(made, date(2025, 12, 19))
