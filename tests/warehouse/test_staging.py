"""Staging's two clocks: what was known when, built by dbt from a store with a clock of our own.

dbt builds the staging models once, as of the end. Other moments are shown by running the SQL that
dbt compiled, with the moment replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.histories import (
    BOOKKEEPING,
    END,
    TICKERS,
    Clock,
    Models,
    Row,
    Teller,
    build,
    check_that_moments_last,
    empty,
    rows,
    utc,
)
from warehouse import store as store_module
from warehouse.settings import DATABASE
from warehouse.sources import Unit, calendars
from warehouse.store import Warehouse

# The story. "first" is a load of two files on Monday 1 December, after the close.

FIRST, SECOND, THIRD = "2025-12-01 22:00", "2025-12-02 22:00", "2025-12-03 22:00"


def bar(ticker: str, day: str, close: float = 10.0, **more: Any) -> Row:
    return {"ticker": ticker, "session_date": day, "close": close, **more}


def grade(ticker: str, firm: str, day: str, at: str | None = None, **more: Any) -> Row:
    event = {"ticker": ticker, "firm": firm, "graded_on": day, "graded_at": at, "to_grade": "Buy"}
    return event | more


def tell_the_story(tell: Callable[..., None]) -> None:
    # Two splits: 4 for 1 on 3 June, 2 for 1 on 1 July, and versions fetched around them.
    old = bar("SPL", "2025-05-30", 400.0, volume=100, dividend=4.0, open=396.0, high=404, low=392)
    tell("2025-06-02 22:00", "prices", old, bar("SPL", "2025-06-02", 404.0, adj_close=402.0))
    # 21:30 of the day before the split in New York is the split's day already in UTC.
    tell("2025-06-03 01:30", "prices", bar("EVE", "2025-06-02", 404.0))
    tell("2025-06-03 22:00", "prices", bar("EVE", "2025-06-03", 101.0, split_ratio=4))
    tell("2025-06-03 22:00", "prices", bar("SPL", "2025-06-03", 101.0, split_ratio=4))
    tell(
        "2025-06-10 22:00",
        "prices",
        bar("SPL", "2025-06-02", 102.0, adj_close=100.0),
        bar("SPL", "2025-06-10", 103.0, split_ratio=1),
    )
    tell("2025-07-01 22:00", "prices", bar("SPL", "2025-07-01", 51.0, split_ratio=2))

    # A history fetched after a split is on its basis, and was not before.
    tell(
        FIRST,
        "prices",
        bar("FUT", "2025-11-26", 100.0, volume=40, dividend=1.0),
        bar("FUT", "2025-11-28", 101.0),
        bar("FUT", "2025-12-01", 102.0, split_ratio=4),
    )
    tell(SECOND, "prices", bar("FUT", "2025-11-28", 103.0))

    days = ["2025-11-28", "2025-11-26", "2025-07-03", "2025-07-02", "2025-11-27", "2025-12-01"]
    tell(FIRST, "securities", {"ticker": "AAA", "name": "Alpha"}, load_id="first")
    tell(FIRST, "securities", {"ticker": "DUAL", "exchange": "HKG"}, load_id="first")
    tell(
        FIRST,
        "prices",
        *(bar("AAA", day) for day in days),
        bar("0700.HK", "2025-11-28"),
        bar("0700.HK", "2024-12-24"),
        bar("DUAL", "2025-11-28"),
        bar("X.ZZ", "2025-11-28"),
        bar("REJ", "2025-11-28", -1.0),
        load_id="first",
    )
    tell("2025-12-01 22:30", "prices", bar("AAA", "2025-11-24"), load_id="first")
    tell("2025-12-01 22:31", "prices", bar("AAA", "2025-11-26", 11.0), load_id="first")
    tell(
        SECOND,
        "prices",
        bar("AAA", "2025-11-28", 12.0),
        bar("AAA", "2025-12-02"),
        bar("AAA", "2025-11-25"),
        bar("NEW", "2025-11-28"),
        bar("REJ", "2025-11-28"),
        bar("AAA", "2025-11-21", known_at="2025-11-21 23:00"),
        bar("AAA", "2025-11-26", 13.0, known_at="2025-12-02 20:00"),
    )
    tell("2025-12-02 22:01", "securities", {"ticker": "AAA", "name": "Alpha Group"})

    # Bars before they are final, said and unsaid.
    tell("2025-12-02 18:00", "prices", bar("LIV", "2025-12-01", 4.0, is_final=True))
    tell("2025-12-02 18:01", "prices", bar("LIV", "2025-12-02", 5.0, is_final=False))
    tell(SECOND, "prices", bar("LIV", "2025-12-02", 6.0, is_final=True))
    unsaid = [bar("NUL", "2025-12-01", 4.0), bar("NUL", "2025-12-02", 5.0)]
    tell("2025-12-02 18:00", "prices", *unsaid, load_id="unsaid")
    soon = bar("YET", "2025-12-02", 5.0, is_final=False)
    tell("2025-12-02 18:00", "prices", soon, bar("YET", "2025-12-01", is_final=True))
    tell(SECOND, "prices", soon | {"is_final": True})

    # Two sources of one ticker.
    tell(FIRST, "prices", bar("SRC", "2025-11-26"), bar("SRC", "2025-11-28", 11.0), source="yahoo")
    tell(SECOND, "prices", bar("SRC", "2025-11-26", 20.0, known_at="2025-12-02 20:00"))
    tell("2025-12-03 22:00", "prices", bar("SRC", "2025-11-26", 30.0), source="yahoo")

    tell(
        FIRST,
        "ratings",
        grade("AAA", "Timed", "2025-11-26", "2025-11-26 14:05"),
        grade("AAA", "Eve of a holiday", "2025-11-26"),
        grade("AAA", "Midnight", "2025-11-26", "2025-11-26 00:00"),
        grade("AAA", "Friday", "2025-11-28"),
        grade("AAA", "Saturday", "2025-11-22"),
        grade("AAA", "Holiday", "2025-11-27"),
        grade("AAA", "Today", "2025-12-01"),
        grade("0700.HK", "Hong Kong", "2025-11-28"),
        grade("X.ZZ", "Nowhere", "2025-11-28"),
        grade("X.ZZ", "Nowhere timed", "2025-11-28", "2025-11-28 03:00"),
        load_id="first",
    )
    tell(
        SECOND,
        "ratings",
        grade("AAA", "Late", "2025-11-20", "2025-11-20 14:00"),
        grade("AAA", "Timed", "2025-11-26", "2025-11-26 15:05", target=9.0),
        grade("AAA", "Stated", "2025-11-20", known_at="2025-11-20 15:00"),
    )
    valued = [("2025-10-31", 1.0), ("2025-11-01", 2.0), ("2025-11-26", 3.0), ("2025-12-01", 4.0)]
    told = [{"ticker": "AAA", "valued_on": day, "trailing_pe": pe} for day, pe in valued]
    tell(FIRST, "valuations", *told, load_id="first")
    tell(SECOND, "valuations", {"ticker": "AAA", "valued_on": "2025-09-30", "trailing_pe": 5.0})
    short = [("2025-10-31", 1.0), ("2025-11-14", 2.0), ("2025-11-28", 3.0)]
    told = [{"ticker": "AAA", "settled_on": day, "shares_short": n} for day, n in short]
    tell(FIRST, "short_interest", *told, load_id="first")
    tell(
        SECOND, "short_interest", {"ticker": "AAA", "settled_on": "2025-10-15", "shares_short": 4.0}
    )
    items = [("n1", "2025-11-27 05:00"), ("n2", "2025-12-01 21:59"), ("n3", "2025-12-02 05:00")]
    told = [{"ticker": "AAA", "news_id": n, "published_at": at, "title": n} for n, at in items]
    tell(FIRST, "news", *told, load_id="first")
    late = {"ticker": "AAA", "news_id": "n4", "published_at": "2025-11-27 05:00", "title": "late"}
    tell(SECOND, "news", late)
    scored = {"ticker": "AAA", "scorer_version": "1", "sentiment_score": 0.5}
    for news_id in ("n1", "n4"):
        tell(THIRD, "news_signals", {**scored, "news_id": news_id}, source="news_scorer")
    tell(
        THIRD,
        "news_signals",
        {**scored, "news_id": "n2"},
        {**scored, "news_id": "n3", "known_at": "2025-12-01 20:00"},
        {**scored, "news_id": "nobody's"},
    )
    snapshot = {"ticker": "AAA", "snapshot_date": "2025-11-28"}
    tell(FIRST, "consensus", {**snapshot, "buy": 1}, load_id="first")
    tell(FIRST, "estimates", {**snapshot, "period": "0q", "eps_mean": 1.0}, load_id="first")
    tell(FIRST, "universe", {"ticker": "AAA", "benchmark": "SPY"}, load_id="first")


AS_OF = {
    "spring": "2025-06-02 23:00:00",
    "after one split": "2025-06-05 00:00:00",
    "after a restatement": "2025-06-20 00:00:00",
    "before the first load": "2025-11-28 18:30:00",
    "after the first load": "2025-12-01 23:00:00",
    "while New York trades": "2025-12-02 19:00:00",
    "after the second load": "2025-12-02 23:00:00",
    "end": END,
}
Views = dict[str, dict[str, list[Row]]]


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "_utc_now", clock)
        patch.setattr(calendars, "FIRST_DAY", date(2024, 1, 1))
        yield clock


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> tuple[Path, Models]:
    """A folder with the story's store, built by dbt as of the end."""
    home = tmp_path_factory.mktemp("staging")
    with Warehouse(home / DATABASE) as store:
        for exchange in ("XNYS", "XHKG"):
            sessions = calendars.Calendars(store.con).sessions(Unit(ticker=exchange))
            store.append("sessions", sessions, source="exchange_calendars")
        teller = Teller(clock)
        tell_the_story(teller.tell)
        teller.append_to(store)
    return home, Models(build(home, "path:models/staging", "path:seeds"), "staging")


@pytest.fixture(scope="module")
def views(built: tuple[Path, Models]) -> Views:
    """What every staging model shows at every moment of interest."""
    home, staging = built
    shown: Views = {}
    with duckdb.connect(str(home / DATABASE)) as con:
        con.execute("set timezone = 'UTC'")
        by_dbt = {
            name: rows(con, f"select * from {name} order by all")
            for name, *_ in staging.models
            if name not in BOOKKEEPING
        }
        for moment, as_of in AS_OF.items():
            shown[moment] = staging.show(con, as_of)
    for name, told in by_dbt.items():
        assert shown["end"][name] == told, name
    assert shown["end"].keys() == by_dbt.keys()
    return shown


def known(
    views: Views, moment: str, model: str, *names: str, **where: Any
) -> list[tuple[Any, ...]]:
    """The named columns of a model's rows that match, in order, times cut to the second."""
    found = [
        tuple(
            row[name].replace(microsecond=0) if isinstance(row[name], datetime) else row[name]
            for name in names
        )
        for row in views[moment][f"staging.{model}"]
        if all(row[name] == value for name, value in where.items())
    ]
    return sorted(found, key=lambda row: [str(value) for value in row])


def clocks(
    views: Views, model: str, key: str, moment: str = "end", **where: Any
) -> dict[Any, tuple[datetime, str]]:
    """From when each row of a model counts as known, and how that is known."""
    found = known(views, moment, model, key, "known_from", "pit_quality", **where)
    assert len(found) == len({row[0] for row in found})
    return {
        str(name) if isinstance(name, date) else name: (from_, quality)
        for name, from_, quality in found
    }


def reconstructed(text: str) -> tuple[datetime, str]:
    return utc(text), "reconstructed"


def observed(text: str) -> tuple[datetime, str]:
    return utc(text), "observed"


def stated(text: str) -> tuple[datetime, str]:
    return utc(text), "vendor_stated"


# From when a fact is known


@pytest.mark.slow
def test_bars_of_a_first_load_are_known_a_quarter_of_an_hour_after_their_close(
    views: Views,
) -> None:
    assert clocks(views, "stg_prices", "session_date", ticker="AAA") == {
        "2025-07-02": reconstructed("2025-07-02 20:15"),  # summer time
        "2025-07-03": reconstructed("2025-07-03 17:15"),  # a half-day
        "2025-11-21": stated("2025-11-21 23:00"),
        "2025-11-24": reconstructed("2025-11-24 21:15"),  # another file of the first load
        "2025-11-25": observed(SECOND),  # late
        "2025-11-26": stated("2025-12-02 20:00"),
        "2025-11-27": reconstructed("2025-11-28 00:00"),  # a holiday: the day has passed
        "2025-11-28": observed(SECOND),  # restated
        "2025-12-01": reconstructed("2025-12-01 21:15"),
        "2025-12-02": observed(SECOND),
    }
    assert clocks(views, "stg_prices", "session_date", ticker="0700.HK") == {
        "2024-12-24": reconstructed("2024-12-24 04:15"),  # a half-day
        "2025-11-28": reconstructed("2025-11-28 08:15"),
    }


def test_a_close_is_that_of_the_exchange_the_security_is_listed_on(views: Views) -> None:
    expected = {"DUAL": "2025-11-28 08:15", "AAA": "2025-11-28 18:15", "X.ZZ": "2025-11-29 00:00"}
    for ticker, known_from in expected.items():
        found = clocks(
            views, "stg_prices", "ticker", "after the first load", session_date=date(2025, 11, 28)
        )
        assert found[ticker] == reconstructed(known_from)


def test_a_first_load_is_the_first_that_stored_something_of_a_ticker(views: Views) -> None:
    for ticker in ("NEW", "REJ"):
        assert clocks(views, "stg_prices", "ticker", ticker=ticker) == {
            ticker: reconstructed("2025-11-28 18:15")
        }


def test_an_event_that_turns_up_late_changes_nothing_earlier(views: Views) -> None:
    for moment in ("before the first load", "after the first load", "while New York trades"):
        days = {row[0] for row in known(views, moment, "stg_prices", "session_date", ticker="AAA")}
        assert date(2025, 11, 25) not in days
        firms = {row[0] for row in known(views, moment, "stg_ratings", "firm")}
        assert "Late" not in firms
        news = {row[0] for row in known(views, moment, "stg_news", "news_id")}
        assert "n4" not in news


def test_a_restated_bar_is_shown_from_its_restatement_on(views: Views) -> None:
    def close(moment: str, day: date) -> float:
        [(value,)] = known(views, moment, "stg_prices", "close", ticker="AAA", session_date=day)
        return float(value)

    assert close("before the first load", date(2025, 11, 28)) == 10.0
    assert close("after the first load", date(2025, 11, 28)) == 10.0
    assert close("end", date(2025, 11, 28)) == 12.0
    # Restated within the first load, then by a vendor who says when.
    assert close("before the first load", date(2025, 11, 26)) == 10.0
    assert close("after the first load", date(2025, 11, 26)) == 11.0
    assert close("end", date(2025, 11, 26)) == 13.0


def test_a_reconstructed_bar_is_not_shown_before_its_close(views: Views) -> None:
    def days(moment: str) -> list[str]:
        found = known(views, moment, "stg_prices", "session_date", ticker="AAA")
        return [str(row[0]) for row in found]

    fetched_later = ["2025-07-02", "2025-07-03", "2025-11-21", "2025-11-24"]
    assert days("before the first load") == [
        *fetched_later, "2025-11-26", "2025-11-27", "2025-11-28"
    ]  # fmt: skip
    assert days("after a restatement") == []
    assert days("after the first load")[-1] == "2025-12-01"


def test_a_bar_that_is_not_final_is_known_when_it_was_fetched(views: Views) -> None:
    trading = "while New York trades"
    expected = [
        (date(2025, 12, 1), 4.0, True, *reconstructed("2025-12-01 21:15")),
        (date(2025, 12, 2), 5.0, False, *observed("2025-12-02 18:01")),
    ]
    names = ("session_date", "close", "is_final", "known_from", "pit_quality")
    assert known(views, trading, "stg_prices", *names, ticker="LIV") == expected
    expected[1] = (date(2025, 12, 2), 6.0, True, *observed(SECOND))
    assert known(views, "end", "stg_prices", *names, ticker="LIV") == expected
    [first, second] = known(views, "end", "stg_prices", *names, ticker="YET")
    assert first[2:] == (True, *reconstructed("2025-12-01 21:15"))
    assert second[2:] == (True, *observed(SECOND))


def test_where_nobody_says_whether_a_bar_is_final_the_calendar_does(views: Views) -> None:
    names = ("session_date", "is_final", "known_from", "pit_quality")
    assert known(views, "end", "stg_prices", *names, ticker="NUL") == [
        (date(2025, 12, 1), True, *reconstructed("2025-12-01 21:15")),
        (date(2025, 12, 2), False, *observed("2025-12-02 18:00")),
    ]


def test_ratings_are_known_at_their_time_or_at_the_next_open_after_their_date(views: Views) -> None:
    assert clocks(views, "stg_ratings", "firm", "after the first load") == {
        "Timed": reconstructed("2025-11-26 14:05"),
        "Eve of a holiday": reconstructed("2025-11-28 14:30"),
        "Midnight": reconstructed("2025-11-28 14:30"),
        "Friday": reconstructed("2025-12-01 14:30"),
        "Saturday": reconstructed("2025-11-24 14:30"),
        "Holiday": reconstructed("2025-11-28 14:30"),
        "Today": observed(FIRST),
        "Hong Kong": reconstructed("2025-12-01 01:30"),
        "Nowhere": observed(FIRST),
        "Nowhere timed": reconstructed("2025-11-28 03:00"),
        "Stated": stated("2025-11-20 15:00"),
    }
    later = clocks(views, "stg_ratings", "firm")
    assert later["Late"] == observed(SECOND)
    assert later["Timed"] == observed(SECOND)
    shown = {row[0] for row in known(views, "before the first load", "stg_ratings", "firm")}
    assert shown == {
        "Timed", "Eve of a holiday", "Midnight", "Saturday", "Holiday", "Nowhere timed", "Stated"
    }  # fmt: skip


def test_valuations_are_known_at_the_next_open_after_their_date(views: Views) -> None:
    assert clocks(views, "stg_valuations", "valued_on") == {
        "2025-10-31": reconstructed("2025-11-03 14:30"),
        "2025-11-01": reconstructed("2025-11-03 14:30"),
        "2025-11-26": reconstructed("2025-11-28 14:30"),
        "2025-12-01": observed(FIRST),
        "2025-09-30": observed(SECOND),
    }


def test_short_interest_is_known_nine_sessions_after_its_settlement(views: Views) -> None:
    assert clocks(views, "stg_short_interest", "settled_on") == {
        "2025-10-31": reconstructed("2025-11-13 14:30"),
        "2025-11-14": reconstructed("2025-11-28 14:30"),  # over Thanksgiving
        "2025-11-28": observed(FIRST),
        "2025-10-15": observed(SECOND),
    }


def test_news_are_known_when_they_were_published(views: Views) -> None:
    assert clocks(views, "stg_news", "news_id") == {
        "n1": reconstructed("2025-11-27 05:00"),
        "n2": reconstructed("2025-12-01 21:59"),
        "n3": observed(FIRST),
        "n4": observed(SECOND),
    }


def test_our_own_scores_are_known_with_their_item_those_of_others_when_told(views: Views) -> None:
    scores = {
        "n1": reconstructed("2025-11-27 05:00"),
        "n3": observed(FIRST),
        "n4": observed(SECOND),
    }
    assert clocks(views, "stg_news_signals", "news_id", "after the second load") == scores
    assert clocks(views, "stg_news_signals", "news_id") == {**scores, "n2": observed(THIRD)}


def test_master_data_and_sessions_were_always_known(views: Views) -> None:
    ever = "1900-01-01"
    names = ("name", "known_from", "pit_quality")
    assert known(views, "spring", "stg_securities", *names, ticker="AAA") == [
        ("Alpha", *reconstructed(ever))
    ]
    assert known(views, "end", "stg_securities", *names, ticker="AAA") == [
        ("Alpha Group", *observed("2025-12-02 22:01"))
    ]
    assert clocks(views, "stg_universe", "ticker", "spring") == {"AAA": reconstructed(ever)}
    sessions = known(views, "spring", "stg_sessions", "known_from", "pit_quality")
    assert set(sessions) == {reconstructed(ever)}


def test_snapshots_are_never_reconstructed(views: Views) -> None:
    for model in ("stg_consensus", "stg_estimates"):
        assert clocks(views, model, "snapshot_date") == {"2025-11-28": observed(FIRST)}
        assert known(views, "before the first load", model, "ticker") == []


# Sources and splits


def test_of_two_sources_the_one_with_priority_is_shown_as_soon_as_it_is_known(views: Views) -> None:
    names = ("session_date", "source", "close")
    assert known(views, "after the first load", "stg_prices", *names, ticker="SRC") == [
        (date(2025, 11, 26), "yahoo", 10.0),
        (date(2025, 11, 28), "yahoo", 11.0),
    ]
    for moment in ("after the second load", "end"):
        assert known(views, moment, "stg_prices", *names, ticker="SRC") == [
            (date(2025, 11, 26), "inbox", 20.0),
            (date(2025, 11, 28), "yahoo", 11.0),
        ]


def split_adjusted(views: Views, moment: str) -> dict[str, tuple[Any, ...]]:
    names = ("session_date", "close", "open", "adj_close", "volume", "dividend", "split_factor")
    found = {}
    for day, *values in known(views, moment, "stg_prices", *names, ticker="SPL"):
        found[str(day)[5:]] = tuple(v if v is None else pytest.approx(v, rel=1e-12) for v in values)
    return found


def test_versions_fetched_before_a_split_are_put_on_its_basis(views: Views) -> None:
    none = None
    assert split_adjusted(views, "spring") == {
        "05-30": (400.0, 396.0, none, 100.0, 4.0, 1.0),
        "06-02": (404.0, none, 402.0, none, none, 1.0),
    }
    assert split_adjusted(views, "after one split") == {
        "05-30": (100.0, 99.0, none, 400.0, 1.0, 4.0),
        "06-02": (101.0, none, 100.5, none, none, 4.0),
        "06-03": (101.0, none, none, none, none, 1.0),
    }
    assert split_adjusted(views, "after a restatement") == {
        "05-30": (100.0, 99.0, none, 400.0, 1.0, 4.0),
        "06-02": (102.0, none, 100.0, none, none, 1.0),
        "06-03": (101.0, none, none, none, none, 1.0),
        "06-10": (103.0, none, none, none, none, 1.0),
    }
    assert split_adjusted(views, "end") == {
        "05-30": (50.0, 49.5, none, 800.0, 0.5, 8.0),
        "06-02": (51.0, none, 50.0, none, none, 2.0),
        "06-03": (50.5, none, none, none, none, 2.0),
        "06-10": (51.5, none, none, none, none, 2.0),
        "07-01": (51.0, none, none, none, none, 1.0),
    }


def test_what_was_fetched_after_a_split_nobody_knew_of_is_taken_off_its_basis(views: Views) -> None:
    names = ("session_date", "close", "volume", "dividend")
    assert known(views, "before the first load", "stg_prices", *names, ticker="FUT") == [
        (date(2025, 11, 26), 400.0, 10.0, 4.0),
        (date(2025, 11, 28), 404.0, None, None),
    ]
    assert known(views, "end", "stg_prices", *names, ticker="FUT") == [
        (date(2025, 11, 26), 100.0, 40.0, 1.0),
        (date(2025, 11, 28), 103.0, None, None),
        (date(2025, 12, 1), 102.0, None, None),
    ]


def test_the_day_of_a_split_begins_where_the_exchange_is(views: Views) -> None:
    assert known(views, "end", "stg_prices", "session_date", "close", ticker="EVE") == [
        (date(2025, 6, 2), 101.0),
        (date(2025, 6, 3), 101.0),
    ]


# The property: a moment looks the same whenever it is looked at.

CALENDARS = ("staging.stg_sessions", "staging.stg_calendar_days")


@pytest.fixture(scope="module")
def blank(built: tuple[Path, Models], views: Views, tmp_path_factory: Any) -> Path:
    """A copy of the store with its seeds, sessions and staging models, but without facts."""
    return empty(built[0] / DATABASE, tmp_path_factory.mktemp("blank") / DATABASE)


@pytest.mark.slow
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_a_moment_looks_the_same_when_more_is_stored_later(
    built: tuple[Path, Models], blank: Path, seed: int
) -> None:
    first, *_ = check_that_moments_last(built[1], blank, seed, CALENDARS)
    assert {row["ticker"] for row in first["staging.stg_prices"]} == set(TICKERS)
