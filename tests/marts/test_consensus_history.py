"""The consensus through time, from a store told day by day: late, corrected, expired and renamed.

Stores are told what feeds tell, each at its own moment of a clock of ours. What a build shows of a
past day is held against a build of the store as it was on that day.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from orchestration import dbt
from tests.dbt_project import part
from warehouse import store as store_module
from warehouse.settings import Home
from warehouse.store import Warehouse

pytestmark = pytest.mark.slow

OPENS, CLOSES = time(14, 30), time(21)
WEEKDAYS = [day.date() for day in pd.bdate_range("2023-01-02", "2024-12-31")]
# Ratings of the first load reach back a year; then each weekday is told on its evening.
FIRST, LAST = date(2024, 2, 1), date(2024, 6, 7)
LOADED = [day for day in WEEKDAYS if FIRST <= day <= LAST]
TICKERS = ["AAA", "BBB", "CCC", "DDD", "NOPRICE"]
FIRMS = [
    "Alpha",
    "Beta",
    "Gamma",
    "Delta",
    "Epsilon",
    "Zeta",
    "Credit Suisse",
    "UBS",
    "Morningstar",
]
WORDS = ["Strong Buy", "Buy", "Overweight", "Hold", "Underperform", "Suspended", "Moonshot", ""]
MARTS = ("marts.consensus", "marts.votes", "marts.consensus_methods", "marts.consensus_history")
PARTS = (
    "staging.stg_ratings_history",
    "staging.stg_consensus_history",
    "staging.rating_calls",
    "staging.rating_events",
    "staging.snapshot_history",
    "staging.consensus_sessions",
    "staging.vote_history",
)
COMPARED = ("ratings", "consensus", "prices", "news", "broker_calls")


def before_open_after(day: date) -> datetime:
    """The moment before the next session after a day opens."""
    following = next(d for d in WEEKDAYS if d > day)
    return datetime.combine(following, OPENS) - timedelta(microseconds=1)


@dataclass
class Story:
    """What is told on each evening, by table."""

    told: dict[date, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def add(self, on: date, table: str, **row: Any) -> None:
        self.told.setdefault(on, {}).setdefault(table, []).append(row)


def event(rng: random.Random, ticker: str, graded_on: date) -> dict[str, Any]:
    target = rng.choice([None, 0, 20, 90, 100, 105, 110, 120, 130, 700])
    return {
        "ticker": ticker,
        "firm": rng.choice(FIRMS),
        "graded_on": graded_on,
        "to_grade": rng.choice(WORDS),
        "from_grade": rng.choice([None, "Hold", "Buy"]),
        "graded_at": datetime.combine(graded_on, time(rng.randint(10, 20))),
        "action": rng.choice([None, "up", "down", "main"]),
        "target": target,
        "prior_target": rng.choice([None, 95, 100]) if target else None,
        "target_currency": rng.choice([None, None, None, "USD", "EUR"]),
    }


def story(seed: int) -> Story:
    """A random history: a first load, then days with new, late and corrected facts."""
    rng = random.Random(seed)
    tale = Story()
    split_on, split_told = sorted(rng.sample(LOADED[10:-10], 2))
    for day in (d for d in WEEKDAYS if d <= LAST):
        on = max(day, FIRST)
        for ticker in TICKERS:
            if ticker != "NOPRICE" and rng.random() < 0.97:
                is_split = ticker in ("CCC", "DDD") and day >= split_on
                bar = {
                    "ticker": ticker,
                    "session_date": day,
                    "close": round(100 * rng.uniform(0.9, 1.3) / (2 if is_split else 1), 2),
                    "split_ratio": 2.0 if ticker == "CCC" and day == split_on else 1.0,
                    "is_final": True,
                }
                tale.add(on, "prices", **bar)
                if ticker == "DDD" and day == split_on:
                    tale.add(split_told, "prices", **(bar | {"split_ratio": 2.0}))
                elif on > FIRST and rng.random() < 0.02:
                    again = min(LAST, next(d for d in LOADED if d >= on) + timedelta(days=9))
                    again = max(d for d in LOADED if d <= again)
                    tale.add(again, "prices", **(bar | {"close": bar["close"] * 1.3}))
        if on == FIRST or rng.random() < 0.2:
            rate = round(rng.uniform(1.0, 1.2), 3)
            tale.add(on, "prices", ticker="EURUSD=X", session_date=day, close=rate, is_final=True)
    for number in range(260):
        graded_on = FIRST - timedelta(days=rng.randint(2, 500))
        if number % 2:
            graded_on = FIRST + timedelta(days=rng.randint(0, (LAST - FIRST).days))
        row = event(rng, rng.choice(TICKERS), graded_on)
        late = rng.choice([0, 0, 0, 0, 1, 3, 20, 60])
        on = next((d for d in LOADED if d >= graded_on + timedelta(days=late)), None)
        if on is None:
            continue
        tale.add(on, "ratings", **row)
        if rng.random() < 0.15 and on < LAST:
            again = next(d for d in LOADED if d > on)
            tale.add(again, "ratings", **(row | {"target": 115, "from_grade": "Hold"}))
    for day in LOADED:
        if rng.random() < 0.3:
            tale.add(
                day,
                "consensus",
                ticker=rng.choice(TICKERS),
                snapshot_date=day - timedelta(days=rng.choice([0, 0, 0, 9])),
                strong_buy=rng.randint(0, 9),
                buy=rng.randint(0, 9),
                hold=rng.randint(0, 9),
                sell=1,
                strong_sell=0,
                recommendation_mean=rng.choice([None, 2.2]),
                target_mean=rng.choice([None, 120.0]),
                target_count=rng.choice([None, 9]),
                currency=rng.choice([None, "USD"]),
            )
        if rng.random() < 0.3:
            item = {"ticker": rng.choice(TICKERS), "news_id": f"n{day}"}
            published = datetime.combine(day, time(15))
            tale.add(day, "news", **item, title="A call", published_at=published)
            tale.add(
                day,
                "broker_calls",
                **item,
                firm=rng.choice(FIRMS),
                scorer_version="1",
                grade=rng.choice(["Buy", "Hold", "Sell"]),
                target=rng.choice([None, 111.0]),
                is_soft=rng.random() < 0.3,
            )
    return tale


def with_stated(tale: Story, seed: int) -> Story:
    """A story with facts known, so their source says, before we were told, and calls taken back.

    Some were known before the open of the day they tell of, or on the Saturday before.
    """
    rng = random.Random(seed)
    told: dict[date, dict[str, list[dict[str, Any]]]] = {}
    for day, tables in tale.told.items():
        later = next((d for d in LOADED if d > day), None)
        for table, rows in tables.items():
            for row in rows:
                stated = {}
                on = row.get("graded_on") or row.get("snapshot_date")
                if on and on <= day and rng.random() < 0.2:
                    stated["known_at"] = datetime.combine(on, time(9)) - timedelta(
                        days=rng.choice([0, 0, 2])
                    )
                told.setdefault(day, {}).setdefault(table, []).append(row | stated)
                if table == "broker_calls" and later and rng.random() < 0.3:
                    again = told.setdefault(later, {}).setdefault(table, [])
                    again.append(row | {"is_soft": True})
    return Story(told)


@pytest.fixture(scope="module")
def patch() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


class Teller:
    """Tells a home a story, evening by evening, at 22:00."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Home, tale: Story) -> None:
        self.patch, self.home, self.tale = patch, home, tale

    def as_now(self, path: Path) -> Home:
        """Another home that was told the same so far, and never built."""
        other = Home(path)
        other.build.parent.mkdir(parents=True)
        shutil.copyfile(self.home.build, other.build)
        with duckdb.connect(str(other.build)) as con:
            con.execute("delete from raw.builds")
            for schema in ("rules", "staging", "marts"):
                con.execute(f"drop schema if exists {schema} cascade")
        return other

    def tell(self, days: list[date]) -> None:
        with Warehouse(self.home.build) as warehouse:
            for day in days:
                moment = datetime.combine(day, time(22))
                self.patch.setattr(store_module, "_utc_now", lambda moment=moment: moment)
                if day == FIRST:
                    self._tell_the_calendar(warehouse)
                for table, rows in self.tale.told.get(day, {}).items():
                    # One key twice in a batch would be a contradiction.
                    frame = pd.DataFrame(rows).drop_duplicates(
                        [k for k in store_module.keys(table) if k in rows[0]]
                    )
                    source = "news_scorer" if table == "broker_calls" else "inbox"
                    warehouse.append(table, frame.astype(object), source=source, load_id=str(day))

    def _tell_the_calendar(self, warehouse: Warehouse) -> None:
        sessions = pd.DataFrame({"exchange": "XNYS", "session_date": WEEKDAYS})
        sessions["opens_at"] = [datetime.combine(d, OPENS) for d in WEEKDAYS]
        sessions["closes_at"] = [datetime.combine(d, CLOSES) for d in WEEKDAYS]
        warehouse.append("sessions", sessions, source="exchange_calendars", load_id="calendar")
        listed = pd.DataFrame({"ticker": TICKERS, "exchange": "NYQ", "currency": "USD"})
        warehouse.append("securities", listed, source="inbox", load_id="listed")


@pytest.fixture(scope="module")
def tell(patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    def told(tale: Story, days: list[date]) -> Teller:
        teller = Teller(patch, Home(tmp_path_factory.mktemp("home")), tale)
        teller.tell(days)
        return teller

    return told


@pytest.fixture(scope="module")
def part_of_consensus(tmp_path_factory: pytest.TempPathFactory) -> dbt.Manifest:
    """The tables compared and what they are made of, in place of all models."""
    models = [table.split(".")[1] for table in PARTS + MARTS]
    return part(tmp_path_factory.mktemp("consensus") / "part", models)


def build(home: Home, as_of: datetime, manifest: dbt.Manifest | None = None) -> None:
    """Build the models, going on from the last build where that fits."""
    built = dbt.build(manifest or dbt.prepare_manifest(), home, as_of=as_of)
    bad = [(node.name, node.message) for node in built if not node.is_good]
    assert not bad, bad


def differences(one: Path, other: Path, tables: tuple[str, ...] = MARTS) -> Any:
    """Rows of tables in one database and not in the other; floats to eleven significant digits."""
    with duckdb.connect() as con:
        con.execute(f"attach '{one}' as one (read_only)")
        con.execute(f"attach '{other}' as other (read_only)")
        found = []
        for table in tables:
            columns = con.execute(
                "select column_name, data_type from duckdb_columns() where database_name = 'one' "
                "and schema_name || '.' || table_name = ? order by column_index",
                [table],
            ).fetchall()
            assert columns, table
            shown = ", ".join(
                f"printf('%.11e', {name})" if kind == "DOUBLE" else name for name, kind in columns
            )
            for a, b in (("one", "other"), ("other", "one")):
                rows = con.execute(
                    f"select {shown} from {a}.{table} except all select {shown} from {b}.{table}"
                ).fetchall()
                found += [(table, a, row) for row in rows]
        return found


SEEDS = [20240607, 7]
DAYS = [date(2024, 2, 9), date(2024, 5, 27)]


@dataclass(frozen=True)
class Told:
    """A story told to its end and built then, and homes that were told it up to some days."""

    home: Home
    until: dict[date, Home]


@pytest.fixture(scope="module", params=SEEDS, ids=str)
def whole(
    request: pytest.FixtureRequest,
    tell: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Told:
    teller: Teller = tell(story(request.param), [])
    until: dict[date, Home] = {}
    for day in DAYS:
        teller.tell([d for d in LOADED if max(until, default=date.min) < d <= day])
        until[day] = teller.as_now(tmp_path_factory.mktemp("until") / "home")
    teller.tell([d for d in LOADED if d > DAYS[-1]])
    build(teller.home, before_open_after(LAST))
    return Told(teller.home, until)


def test_a_story_has_what_it_should(whole: Told) -> None:
    with duckdb.connect(str(whole.home.build), read_only=True) as con:
        count = lambda sql: con.execute(f"select count(*) from {sql}").fetchall()[0][0]  # noqa: E731
        assert count("staging.stg_ratings_history where known_to is not null") > 5
        assert count("staging.rating_calls where turn > 0") > 50
        assert count("staging.stg_ratings where table_name = 'raw.broker_calls'") > 3
        assert count("staging.vote_history where target_status = 'currency_unknown'") > 3
        assert count("staging.vote_history where target <> floor(target)") > 3
        assert count("staging.rating_events where split_factor = 2") > 3
        assert count("staging.stg_splits where is_known") == 2
        assert count("marts.consensus_history") > 5 * 300


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_what_a_day_knew_is_what_it_knew(
    whole: Told, part_of_consensus: dbt.Manifest, tmp_path: Path, day: date
) -> None:
    """As of a day, the whole store shows what that day's store showed; so does the history."""
    then = whole.until[day]
    build(then, before_open_after(day), part_of_consensus)
    now = Home(tmp_path / "now")
    now.build.parent.mkdir(parents=True)
    shutil.copy(whole.home.build, now.build)
    build(now, before_open_after(day), part_of_consensus)
    assert differences(now.build, then.build) == []
    # The session's row of a later history is the consensus of its day. Where the day's bar had not
    # come yet, that was counted at a session after the newest bar's; where the shares were split
    # since, the history is on the later basis.
    with duckdb.connect() as con:
        con.execute(f"attach '{then.build}' as past (read_only)")
        con.execute(f"attach '{whole.home.build}' as later (read_only)")
        names = [row[0] for row in con.execute("describe past.marts.consensus").fetchall()]
        pairs = con.execute(
            f"""
            select {", ".join(f"c.{name}, h.{name}" for name in names)}
            from past.marts.consensus c
            join past.marts.consensus_history n using (ticker, session_date)
            join past.staging.quotes q on q.ticker = c.ticker and q.counted_on = c.session_date
            left join later.marts.consensus_history h using (ticker, session_date)
            where ticker not in (select ticker from later.staging.stg_splits)
            """
        ).fetchall()
    assert len(pairs) >= 2
    odd = [
        (row[0], row[2], name, one, other)
        for row in pairs
        for name, one, other in zip(names, row[::2], row[1::2], strict=True)
        if one != (pytest.approx(other, rel=1e-11) if isinstance(one, float) and other else other)
    ]
    assert odd == []


def test_the_newest_row_of_the_history_is_the_consensus(whole: Told) -> None:
    with duckdb.connect(str(whole.home.build), read_only=True) as con:
        newest = """
            select h.* from marts.consensus_history h join (
                select ticker, max(session_date) as session_date
                from marts.consensus_history group by 1
            ) using (ticker, session_date)
        """
        counted = con.execute(f"select count(*) from ({newest})").fetchall()
        assert counted == [(len(TICKERS),)]
        assert con.execute(f"{newest} except select * from marts.consensus").fetchall() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_going_on_from_a_build_gives_what_a_new_one_gives(
    tell: Callable[..., Any], part_of_consensus: dbt.Manifest, tmp_path: Path, seed: int
) -> None:
    """Built on some evenings and gone on from, the tables are those of one build at the end."""
    evenings = [*LOADED[20:90:10], LOADED[-3], LOADED[-2]]
    going: Teller = tell(with_stated(story(seed), seed), [])
    last: date | None = None
    for evening in [*evenings, LAST]:
        going.tell([d for d in LOADED if (last is None or d > last) and d <= evening])
        moment = datetime.combine(evening, time(22, 30))
        moment = before_open_after(LAST) if evening == LAST else moment
        build(going.home, moment, part_of_consensus)
        last = evening
    whole = going.as_now(tmp_path / "whole")
    build(whole, before_open_after(LAST), part_of_consensus)
    assert differences(going.home.build, whole.build, PARTS + MARTS) == []
    with duckdb.connect(str(going.home.build), read_only=True) as con:
        notes = con.execute("select model from raw.builds").fetchall()
        assert ("consensus_history",) in notes


def test_every_blank_of_the_consensus_has_one_reason(whole: Told) -> None:
    with duckdb.connect(str(whole.home.build), read_only=True) as con:
        assert_every_blank_is_explained(con)


def assert_every_blank_is_explained(con: duckdb.DuckDBPyConnection) -> None:
    names = [row[0] for row in con.execute("describe marts.consensus").fetchall()]
    blanks = " union all ".join(
        f"select ticker, 'consensus_{name}' as check_name from marts.consensus where {name} is null"
        for name in names
    )
    reasons = (
        "select ticker, check_name from marts.data_quality "
        f"where replace(check_name, 'consensus_', '') in ({', '.join(repr(n) for n in names)}) "
        "and check_name like 'consensus_%' and reason is not null"
    )
    assert con.execute(f"select count(*) from ({blanks})").fetchall() > [(0,)]
    assert con.execute(f"({blanks}) except all ({reasons})").fetchall() == []
    assert con.execute(f"({reasons}) except all ({blanks})").fetchall() == []


# Data no feed should tell


def test_awkward_facts_have_a_row_and_every_blank_its_reason(
    tell: Callable[..., Any], patch: pytest.MonkeyPatch
) -> None:
    """Only a price, only a snapshot, only an unknown grade, unknown exchange, other currencies."""
    teller: Teller = tell(Story(), [FIRST])
    patch.setattr(store_module, "_utc_now", lambda: datetime.combine(FIRST, time(22)))
    day = {"session_date": FIRST - timedelta(days=1), "is_final": True}
    on = {"graded_on": FIRST - timedelta(days=3), "firm": "Alpha"}
    taken = {"snapshot_date": FIRST}
    with Warehouse(teller.home.build) as warehouse:
        for table, rows in {
            "prices": [
                {"ticker": "PRICED", "close": 10.0, **day},
                {"ticker": "SMALL", "close": 10.0, **day},
                {"ticker": "HALF", "close": 10.0, **day},
                {"ticker": "FOREIGN", "close": 10.0, **day},
            ],
            "ratings": [
                {"ticker": "BLANK", "to_grade": "", **on},
                {"ticker": "WORD", "to_grade": "Moonshot", **on},
                {"ticker": "WORD", "to_grade": "N/A", **on},
                {"ticker": "SHUT", "to_grade": "Suspended", **on},
                {"ticker": "SMALL", "to_grade": "Buy", "target": 0.5, **on},
                {"ticker": "FOREIGN", "to_grade": "Buy", "target": 9.0, **on}
                | {"target_currency": "JPY"},
                {"ticker": "NOWHERE.QQ", "to_grade": "Buy", "target": 9.0, **on},
                {"ticker": "OLD", "to_grade": "Buy", **on, "graded_on": date(2023, 1, 9)},
            ],
            "consensus": [
                {"ticker": "SHOT", "strong_buy": 0, "buy": 0, "hold": 0, "sell": 0, **taken},
                {"ticker": "HALF", "target_mean": 99.0, "currency": None, **taken},
                {"ticker": "YEN", "target_mean": 99.0, "currency": "JPY", "buy": 3, **taken},
            ],
        }.items():
            frame = pd.DataFrame(rows).astype(object)
            counts = warehouse.append(table, frame, source="inbox", load_id="odd")
            assert counts.new == len(rows)
    build(teller.home, before_open_after(FIRST))
    with duckdb.connect(str(teller.home.build), read_only=True) as con:
        assert_every_blank_is_explained(con)
        reasons = dict(
            con.execute(
                "select ticker || ' ' || check_name, reason from marts.data_quality "
                "where check_name like 'consensus_%'"
            ).fetchall()
        )
        unknown = con.execute("select grade, event_count from staging.unknown_grades order by 1")
        assert unknown.fetchall() == [("", 1), ("Moonshot", 1), ("N/A", 1)]
    for cell, wanted in {
        "PRICED consensus_mean_score": "no rating is known",
        "WORD consensus_mean_score": "no rating has a grade that is a vote",
        "BLANK consensus_target_mean": "no rating has a grade that is a vote",
        "SHUT consensus_mean_score": "every vote has expired or was closed",
        "OLD consensus_median_score": "every vote has expired or was closed",
        "NOWHERE.QQ consensus_session_date": "no final price is known, and the exchange is unknown",
        "SHOT consensus_coverage_ratio": "the newest snapshot counts no analysts",
        "HALF consensus_snapshot_upside_mean": "no currency is stated, and target over close lies "
        "outside 0.2 to 5",
        "YEN consensus_snapshot_target_mean": "the newest snapshot tells targets in another "
        "currency than the quote's",
    }.items():
        assert reasons[cell] == wanted, cell
    for ticker in ("SMALL", "FOREIGN"):
        assert reasons[f"{ticker} consensus_upside_median"].startswith("every target is left out")


def test_a_call_in_the_news_gives_way_to_the_feed(
    tell: Callable[..., Any], part_of_consensus: dbt.Manifest, patch: pytest.MonkeyPatch
) -> None:
    """The news tells first and counts until the feed tells the same call; soft ones never do."""
    tale = Story()
    monday, tuesday = date(2024, 2, 5), date(2024, 2, 6)
    item = {"ticker": "AAA", "news_id": "n1"}
    published = datetime.combine(monday, time(16))
    tale.add(FIRST, "ratings", ticker="AAA", firm="Old", graded_on=FIRST, to_grade="Hold")
    tale.add(
        FIRST, "news", ticker="AAA", news_id="n0", title="x", published_at=published.replace(day=1)
    )
    tale.add(monday, "news", **item, title="Alpha says Buy", published_at=published)
    call = {**item, "scorer_version": "1", "grade": "Buy"}
    tale.add(monday, "broker_calls", **call, firm="Cowen & Co.", target=120.0, is_soft=False)
    tale.add(monday, "broker_calls", **call, firm="Softly", target=120.0, is_soft=True)
    tale.add(
        tuesday,
        "ratings",
        ticker="AAA",
        firm="TD Cowen",
        graded_on=monday,
        to_grade="Outperform",
        target=121.0,
    )
    teller: Teller = tell(tale, [FIRST, monday, tuesday])
    seen = {}
    for day in (monday, tuesday):
        build(teller.home, before_open_after(day), part_of_consensus)
        with duckdb.connect(str(teller.home.build), read_only=True) as con:
            votes = con.execute(
                "select firm, grade, target, table_name, row_id from marts.votes "
                "where ticker = 'AAA' order by firm"
            ).fetchall()
            for *_, table, row_id in votes:
                query = f"select count(*) from {table} where row_id = '{row_id}'"
                assert con.execute(query).fetchall() == [(1,)]
        seen[day] = [row[:4] for row in votes]
    old = ("Old", "Hold", None, "raw.ratings")
    assert seen[monday] == [old, ("TD Cowen", "Buy", 120.0, "raw.broker_calls")]
    assert seen[tuesday] == [old, ("TD Cowen", "Outperform", 121.0, "raw.ratings")]
