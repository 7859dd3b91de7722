"""The Yahoo source: the real client against the emulator, from requests to rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.yahoo_emulator import Emulator, scaled
from warehouse.ingest import Ingested, ingest
from warehouse.settings import Home
from warehouse.sources import yahoo
from warehouse.sources.drift import declared
from warehouse.store import Warehouse, keys, schema

TABLES = yahoo.Yahoo.tables
COMPANY = [t for t in TABLES if t not in ("prices", "securities")]
Load = Callable[..., dict[str, Ingested]]
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def load(home: Home, emulator: Emulator) -> Load:
    """Ingest tables of tickers from the emulator in one load, each load anew."""
    numbers = iter(range(1000))

    def load(*tickers: str, tables: tuple[str, ...] = TABLES) -> dict[str, Ingested]:
        load_id = f"load {next(numbers)}"
        return {t: ingest(home, t, "yahoo", load_id=load_id, tickers=tickers) for t in tables}

    return load


@pytest.fixture
def ask(home: Home) -> Ask:
    def ask(query: str) -> list[tuple[Any, ...]]:
        with Warehouse(home.build) as store:
            return store.con.execute(query).fetchall()

    return ask


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, clock: Any) -> Callable[[str], None]:
    """Set the time for the source, the store and the emulator."""

    def at(moment: str) -> None:
        now = datetime.fromisoformat(moment)
        clock.now = now
        emulator.now = now.replace(tzinfo=UTC)
        monkeypatch.setattr(yahoo, "_utc_now", lambda: now)

    return at


def test_one_load_asks_for_each_thing_once_and_the_next_for_nothing(
    load: Load,
    ask: Ask,
    emulator: Emulator,
) -> None:
    done = load("BABA", "SPY", "CNY=X")
    assert not [f for table in done.values() for f in (*table.failures, *table.warnings)]
    assert not [d for table in done.values() for d in table.drifts]
    counts = emulator.counts()
    assert counts == {
        "fc.yahoo.com": 1,
        "crumb": 1,
        "chart": 6,  # the zone and the bars, of three
        "info": 1,
        "quote": 1,
        "timeseries": 2,  # the PEG ratio of `info`, the month-ends
        "news": 2,
        **dict.fromkeys(
            (
                "upgradeDowngradeHistory",
                "recommendationTrend",
                "earningsTrend",
                "earningsHistory",
                "calendarEvents",
            ),
            1,
        ),
    }
    assert emulator.most_at_once == 1
    assert sum(table.requests for table in done.values()) == emulator.forget()
    assert ask(
        "select ticker, sum(requests), count(*) from raw.fetches "
        "where outcome = 'ok' group by all order by all"
    ) == [("BABA", 15, 10), ("CNY=X", 2, 2), ("SPY", 2, 2)]

    again = load("BABA", "SPY", "CNY=X")
    assert emulator.counts() == {}
    assert not [t for t in again.values() if t.outcomes]


def test_what_is_told_arrives_in_the_columns_it_belongs_to(load: Load, ask: Ask) -> None:
    load("BABA")
    assert ask(
        "select name, exchange, currency, financial_currency, country, sector, quote_type, "
        "shares_outstanding from raw.securities"
    ) == [
        (
            *("BABA Invented Industries Inc.", "NYQ", "USD", "CNY", "Ruritania"),
            *("Technology", "EQUITY", 1.2e9),
        )
    ]
    assert ask(
        "select firm, to_grade, from_grade, action, target, prior_target, target_action, "
        "graded_on = cast(graded_at as date) from raw.ratings order by graded_on desc limit 1"
    ) == [("Example Securities", "Buy", "Buy", "main", 125.0, 115.0, "Raises", True)]
    assert ask(
        "select period, strong_buy, buy, hold, sell, strong_sell, recommendation_mean, "
        "target_mean, target_median, target_high, target_low, target_count, currency "
        "from raw.consensus order by period"
    ) == [
        ("-1m", 5, 10, 7, 1, 0, None, None, None, None, None, None, None),
        ("-2m", 5, 10, 7, 1, 0, None, None, None, None, None, None, None),
        ("-3m", 5, 9, 7, 1, 0, None, None, None, None, None, None, None),
        ("0m", 5, 11, 7, 1, 0, 2.1, 117.4, 118.0, 140.0, 82.0, 23, "USD"),
    ]
    assert ask(
        "select price, market_cap, trailing_pe, forward_eps, trailing_eps, price_to_sales, "
        "peg_ratio, currency, eps_currency from raw.valuations where price is not null"
    ) == [(100.25, 120.3e9, 24.3, 5.05, 4.12, 2.4, 1.7, "USD", "CNY")]
    assert ask(
        "select count(*), min(market_cap), max(forward_pe), max(peg_ratio) "
        "from raw.valuations where price is null and valued_on = last_day(valued_on)"
    ) == [(12, 1.1e11, 19.2, 1.7)]
    assert ask(
        "select eps_mean, eps_low, eps_high, eps_analyst_count, eps_30d_ago, eps_90d_ago, "
        "revisions_up_30d, revisions_down_30d, revenue_mean, currency from raw.estimates "
        "where period = '0q'"
    ) == [(1.11, 1.0, 1.28, 21, 1.09, 1.06, 6, 2, 12.5e9, "USD")]
    assert ask(
        "select eps_estimate, eps_actual, surprise, currency from raw.earnings "
        "order by period_end desc limit 1"
    ) == [(1.08, 1.07, -0.0093, "USD")]
    assert ask(
        "select announced_to - announced_from, timing, eps_estimate from raw.earnings_dates"
    ) == [(timedelta(days=4), None, 1.11)]
    assert ask(
        "select shares_short, short_share_of_float, days_to_cover from raw.short_interest"
    ) == [(13.2e6, 0.012, 2.6)]
    assert ask("select count(*), count(distinct publisher) from raw.news") == [(6, 1)]
    # What has no column of its own is not lost.
    [(security, valuation, item)] = ask(
        "select (select payload from raw.securities), "
        "(select payload from raw.valuations where price is not null), "
        "(select payload from raw.news where news_id = 'BABA-press-1')"
    )
    assert json.loads(security)["assetProfile"]["website"] == "https://example.com"
    assert json.loads(valuation)["defaultKeyStatistics"]["priceToBook"] == 4.7
    assert json.loads(item)["tab"] == "press releases"


def test_bars_are_as_told_and_only_those_of_closed_sessions_are_final(
    load: Load,
    ask: Ask,
    at: Callable[[str], None],
    emulator: Emulator,
) -> None:
    at("2025-11-21T15:00")  # a Friday, half an hour into the session
    load("BABA", tables=("prices",))
    newest = "select session_date, is_final from raw.prices order by known_at, session_date desc"
    assert ask(newest)[:2] == [(date(2025, 11, 21), False), (date(2025, 11, 20), True)]
    [(low, close, high, adjusted, currency)] = ask(
        "select low, close, high, adj_close, currency from raw.prices "
        "where session_date = '2025-11-20'"
    )
    assert low == pytest.approx(close * 0.99) and high == pytest.approx(close * 1.01)
    assert adjusted == pytest.approx(close * 0.98) and currency == "USD"
    assert ask("select distinct dividend, split_ratio from raw.prices order by all") == [
        (0.0, 1.0),
        (0.4, 1.0),
    ]
    emulator.forget()

    at("2025-11-21T21:10")  # the bell has rung, but the quarter of an hour is not over
    assert load("BABA", tables=("prices",))["prices"].outcomes == {}
    at("2025-11-21T21:16")
    assert load("BABA", tables=("prices",))["prices"].counts.changed == 1
    assert emulator.counts()["chart"] == 1
    assert ask(
        "select is_final from raw.prices where session_date = '2025-11-21' order by known_at"
    ) == [
        (False,),
        (True,),
    ]
    at("2025-11-23T12:00")  # nothing is new on a Sunday
    assert load("BABA", tables=("prices",))["prices"].outcomes == {}
    at("2025-11-24T23:30")
    monday = load("BABA", tables=("prices",))["prices"]
    assert (monday.counts.new, monday.counts.changed, monday.counts.unchanged) == (1, 0, 11)


def test_a_split_brings_the_whole_history_on_its_new_basis(
    load: Load,
    ask: Ask,
    at: Callable[[str], None],
    emulator: Emulator,
) -> None:
    emulator.splits = {"BABA": [(date(2025, 11, 24), 4.0)]}
    at("2025-11-21T23:30")
    load("BABA", tables=("prices",))
    [(before,)] = ask("select close from raw.prices where session_date = '2020-01-02'")
    emulator.forget()

    at("2025-11-24T23:30")
    done = load("BABA", tables=("prices",))["prices"]
    assert emulator.counts()["chart"] == 2
    [(bars,)] = ask("select count(distinct session_date) from raw.prices")
    assert (done.counts.new, done.counts.changed) == (1, bars - 1)
    assert ask(
        "select arg_max(close, known_at) from raw.prices where session_date = '2020-01-02'"
    ) == [(pytest.approx(before / 4),)]
    assert ask("select session_date, split_ratio from raw.prices where split_ratio <> 1") == [
        (date(2025, 11, 24), 4.0)
    ]
    at("2025-11-25T23:30")
    emulator.forget()
    assert load("BABA", tables=("prices",))["prices"].counts.new == 1
    assert emulator.counts()["chart"] == 1


def test_bars_of_another_series_are_not_taken_for_a_restatement(
    load: Load,
    ask: Ask,
    at: Callable[[str], None],
    emulator: Emulator,
) -> None:
    at("2025-11-21T23:30")
    load("BABA", tables=("prices",))
    at("2025-11-24T23:30")
    chart = emulator._chart("BABA", {"range": ["max"]}, is_empty=False)
    result = chart["chart"]["result"][0]
    quote = result["indicators"]["quote"][0]
    for number in range(len(quote["close"])):
        quote["close"][number] = 10.0 * (1 + number % 5)
    emulator.answers[("chart", "BABA")] = (200, chart)
    done = load("BABA", tables=("prices",))["prices"]
    assert done.outcomes == {"malformed": 1}
    assert "not those stored" in done.failures[0]
    assert ask("select max(session_date) from raw.prices") == [(date(2025, 11, 21),)]


@pytest.mark.parametrize("bars", ["the newest two", "all"])
@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_bars_in_another_unit_are_not_stored(
    bars: str,
    factor: float,
    load: Load,
    ask: Ask,
    at: Callable[[str], None],
    emulator: Emulator,
) -> None:
    at("2025-11-21T23:30")
    load("BABA", tables=("prices",))
    stored = ask("select count(*), sum(close) from raw.prices")
    at("2025-11-24T23:30")
    told = 2 if bars == "the newest two" else None
    emulator.answers[("chart", "BABA")] = (200, scaled(emulator, "BABA", factor, told))
    done = load("BABA", tables=("prices",))["prices"]
    assert done.outcomes == {"malformed": 1}
    assert "is its unit another? Not stored" in done.failures[0]
    assert ask("select count(*), sum(close) from raw.prices") == stored
    del emulator.answers[("chart", "BABA")]
    assert load("BABA", tables=("prices",))["prices"].counts.new == 1


def test_a_unit_that_a_split_or_a_currency_explains_is_stored(
    load: Load,
    ask: Ask,
    at: Callable[[str], None],
    emulator: Emulator,
) -> None:
    at("2025-11-21T23:30")
    load("BABA", "JD", tables=("prices",))
    at("2025-11-24T23:30")
    emulator.splits = {"BABA": [(date(2025, 11, 24), 0.01)]}
    dollars = scaled(emulator, "JD", 100.0)
    dollars["chart"]["result"][0]["meta"]["currency"] = "HKD"
    emulator.answers[("chart", "JD")] = (200, dollars)
    done = load("BABA", "JD", tables=("prices",))["prices"]
    assert done.outcomes == {"ok": 2}, done.failures
    assert ask(
        "select ticker, round(arg_max(close, stored_at) / arg_min(close, stored_at)) "
        "from raw.prices where session_date = '2025-11-20' group by all order by all"
    ) == [("BABA", 100.0), ("JD", 100.0)]


def test_a_volume_not_told_is_unknown_and_a_price_of_zero_is_no_price(
    load: Load,
    ask: Ask,
    emulator: Emulator,
) -> None:
    chart = emulator._chart("BABA", {"range": ["max"]}, is_empty=False)
    quote = chart["chart"]["result"][0]["indicators"]["quote"][0]
    quote["volume"][-1], quote["open"][-1], quote["close"][-2] = None, 0, None
    emulator.answers[("chart", "BABA")] = (200, chart)
    done = load("BABA", tables=("prices",))["prices"]
    assert done.counts.rejected == 1
    assert ask("select open, volume from raw.prices order by session_date desc limit 1") == [
        (None, None)
    ]
    assert ask("select reason from raw.rejects") == [("the bar has no close",)]


def test_what_was_asked_under_a_clock_that_was_ahead_is_asked_for_again(
    load: Load, at: Callable[[str], None]
) -> None:
    outcomes = []
    for moment in ("2026-12-01T23:30", "2025-11-24T23:30", "2025-11-24T23:40"):
        at(moment)
        outcomes.append(dict(load("BABA", tables=("securities",))["securities"].outcomes))
    assert outcomes == [{"ok": 1}, {"ok": 1}, {}]


TRANSIENT = ["429", "500", "timeout", "drip", "reset", "short", "cut", "junk", "401", "other"]


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("endpoint", ["chart", "info"])
def test_what_passes_by_itself_is_asked_for_again(
    load: Load,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    endpoint: str,
) -> None:
    monkeypatch.setenv("BELLWETHER_YAHOO_TIMEOUT_SECONDS", "1")
    emulator.first_day = date(2025, 1, 2)
    emulator.faults = {f"BABA:{endpoint}": [fault]}
    table = "prices" if endpoint == "chart" else "securities"
    done = load("BABA", tables=(table,))[table]
    assert (dict(done.outcomes), done.failures, done.warnings) == ({"ok": 1}, [], [])
    # A refused crumb costs its renewal; anything else the one request.
    usual = {"chart": 4, "info": 5}[endpoint]
    assert done.requests == usual + (2 if fault == "401" else 1)


@pytest.mark.parametrize(
    ("fault", "outcome", "words"),
    [
        ("500", "failed", "an error of its own (500)"),
        ("timeout", "failed", "did not answer in time"),
        ("reset", "failed", ""),
        ("short", "failed", ""),
        ("cut", "malformed", "not JSON, it begins: {"),
        ("junk", "malformed", "Something is wrong on our side"),
        ("other", "malformed", "Asked for BABA, Yahoo's chart is of ZZOTHER"),
        ("empty", "empty", "told nothing of BABA"),
        ("404", "malformed", "not JSON"),
        ("429", "throttled", "fewer requests"),
        ("401", "failed", "even after it was renewed"),
        ("403", "failed", "refuses this address"),
        ("drop:close", "malformed", "chart: indicators.quote[].close[] is missing"),
        ("rename:exchangeTimezoneName", "malformed", "meta.exchangeTimezoneName is missing"),
    ],
)
def test_what_does_not_pass_is_said_and_stops_nobody_else(
    load: Load,
    ask: Ask,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    outcome: str,
    words: str,
) -> None:
    monkeypatch.setenv("BELLWETHER_YAHOO_TIMEOUT_SECONDS", "1")
    emulator.faults = {"BABA:chart": fault}
    done = load("BABA", "AAPL", tables=("prices",))["prices"]
    rows = ask("select ticker, outcome, reason from raw.fetches where ticker = 'BABA'")
    assert rows[0][:2] == ("BABA", outcome)
    assert words in rows[0][2]
    stops = fault in ("429", "401", "403")
    assert done.outcomes == {outcome: 1} | ({} if stops else {"ok": 1})
    assert (done.resume_at is not None) == stops
    assert [a.symbol for a in emulator.asked if a.endpoint == "chart"].count("BABA") <= 3


def test_a_ticker_yahoo_does_not_know_costs_one_request_a_day(
    load: Load,
    ask: Ask,
    emulator: Emulator,
) -> None:
    emulator.unknown = {"GONE"}
    done = load("GONE")
    assert done["prices"].outcomes == {"not_found": 1}
    assert "does not know GONE" in done["prices"].failures[0]
    assert not any(done[table].outcomes for table in TABLES if table != "prices")
    assert emulator.counts()["chart"] == 1
    emulator.forget()
    load("GONE")
    assert emulator.forget() == 0


def test_empty_answers_are_findings_not_failures(
    load: Load,
    ask: Ask,
    emulator: Emulator,
) -> None:
    load("BABA", tables=("prices", "securities"))
    emulator.faults = {"BABA": "empty"}
    done = load("BABA", tables=("ratings", "estimates", "earnings", "news"))
    for table, ingested in done.items():
        assert dict(ingested.outcomes) == {"empty": 1}, table
        assert not ingested.failures and len(ingested.warnings) == 1, table
    assert ask("select count(*) from raw.ratings") == [(0,)]
    emulator.forget()
    load("BABA", tables=("ratings", "estimates", "earnings", "news"))
    assert emulator.forget() == 0


def test_a_throttled_load_stops_and_the_next_goes_on_where_it_stopped(
    home: Home,
    load: Load,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BELLWETHER_YAHOO_COOL_DOWN_SECONDS", "600")
    tickers = ("AAPL", "MSFT", "BABA", "JD", "NVDA")
    emulator.faults = {"BABA:chart": "429"}
    done = load(*tickers, tables=("prices", "ratings"))
    assert done["prices"].outcomes == {"ok": 2, "throttled": 1}
    assert "2 of 5 were not asked for; the next attempt" in done["prices"].warnings[-1]
    # The next table, and another process, know it without asking.
    assert done["ratings"].outcomes == {"throttled": 1} and done["ratings"].requests == 0
    assert done["ratings"].resume_at == done["prices"].resume_at
    assert emulator.counts()["chart"] == 2 * 2 + 3
    emulator.forget()
    load(*tickers)
    assert emulator.forget() == 0

    # When the cool-down is over, one request finds out; here Yahoo has come round.
    rest = home.yahoo / "rest.json"
    told = json.loads(rest.read_text())
    told["opened_at"] = "2020-01-01T00:00:00+00:00"
    rest.write_text(json.dumps(told))
    emulator.faults = {}
    done = load(*tickers, tables=("prices", "ratings"))
    assert done["prices"].outcomes == {"ok": 3} and done["ratings"].outcomes == {"ok": 5}
    charts = [a.symbol for a in emulator.asked if a.endpoint == "chart"]
    assert set(charts) == {"BABA", "JD", "NVDA"} and charts[-1] == "BABA"
    assert json.loads(rest.read_text())["state"] == "closed"


@pytest.mark.parametrize("fault", ["500", "reset"])
def test_a_yahoo_in_trouble_is_not_asked_for_everything(
    load: Load, emulator: Emulator, fault: str
) -> None:
    emulator.faults = {"*:chart": fault, "*:news": fault}
    tickers = [f"T{number}" for number in range(20)]
    done = load(*tickers, tables=("prices", "news"))
    assert done["prices"].outcomes == {"failed": 5}
    assert done["prices"].resume_at is not None and done["news"].resume_at is not None
    # A host that answers nothing at all is left alone; one that has errors may have them here only.
    assert emulator.counts()["chart"] == 5 * 3
    assert emulator.counts()["news"] == (5 * 3 if fault == "500" else 0)


def test_tickers_that_always_fail_stop_no_other(load: Load, emulator: Emulator) -> None:
    failing = tuple(f"BAD{number}" for number in range(8))
    emulator.faults = {f"{ticker}:chart": "500" for ticker in failing}
    done = load(*failing, "AAPL", "MSFT", tables=("prices", "ratings"))
    assert done["prices"].outcomes == {"failed": 5}
    assert done["ratings"].outcomes == {"ok": 10}
    done = load(*failing, "AAPL", "MSFT", tables=("prices",))
    assert done["prices"].outcomes == {"ok": 2, "failed": 8}


def test_a_field_that_disappears_or_changes_is_named(
    load: Load,
    ask: Ask,
    emulator: Emulator,
) -> None:
    tickers = tuple(f"T{number}" for number in range(6))
    emulator.faults = {
        "T1:upgradeDowngradeHistory": "retype:currentPriceTarget",
        "T2:upgradeDowngradeHistory": "drop:action",
        "*:news": "retype:title",
    }
    done = load(*tickers, tables=("ratings", "news"))
    drifts = {(d.ticker, d.field, d.found) for d in done["ratings"].drifts}
    history = "upgradeDowngradeHistory: history[]."
    assert drifts == {
        ("T1", f"{history}currentPriceTarget", "text"),
        ("T2", f"{history}action", "missing"),
    }
    assert len([d for d in done["news"].drifts if d.field.endswith("content.title")]) == 6
    assert ask(
        "select count(*) from raw.drifts where table_name = 'ratings' and found = 'text'"
    ) == [(1,)]
    # A figure that is none is refused with its row.
    assert ask("select distinct reason from raw.rejects where table_name = 'ratings'") == [
        ("target: 'n/a' is not a finite number",)
    ]


def test_a_field_renamed_for_everybody_is_named_and_its_content_kept(
    load: Load, ask: Ask, emulator: Emulator
) -> None:
    emulator.faults = {"*:upgradeDowngradeHistory": "rename:priceTargetAction"}
    done = load(*(f"T{number}" for number in range(6)), tables=("ratings",))["ratings"]
    [drift] = done.drifts
    assert (drift.ticker, drift.found) == (None, "missing")
    assert drift.field == "upgradeDowngradeHistory: history[].priceTargetAction"
    assert ask(
        "select count(*) from raw.ratings "
        "where payload ->> 'priceTargetActionNew' = 'Raises' and target_action is null"
    ) == [(6 * 2,)]


def test_the_fields_declared_are_those_of_tables_there_are() -> None:
    assert {t for t in schema() if declared(t)} == set(TABLES)
    assert all("ticker" in keys(table) for table in TABLES)


def test_what_is_covered_are_companies_benchmarks_and_the_rates_they_need(
    home: Home,
    emulator: Emulator,
    tmp_path: Any,
) -> None:
    listed = tmp_path / "universe.csv"
    listed.write_text(
        "ticker,benchmark,exchange,currency,listed_from,listed_to,successor\n"
        "VOD.L,ISF.L,LSE,GBp,,,\n"
        "0700.HK,2800.HK,HKG,HKD,,,\n"
        "TWTR,SPY,NYQ,USD,,2022-10-27,\n"
    )
    with Warehouse(home.build) as store:
        source = yahoo.Yahoo(yahoo.Conversation(home.yahoo), store.con, listed)
        units = [unit.ticker for unit in source.pending("prices")]
        assert units == ["VOD.L", "0700.HK", "ISF.L", "2800.HK", "^IRX", "GBP=X", "HKD=X"]
        assert "GBP=X" not in [unit.ticker for unit in source.pending("ratings")]
    assert emulator.asked == []


def test_a_name_that_is_no_symbol_is_never_sent(load: Load, emulator: Emulator) -> None:
    done = load("../x", "US0378331005", tables=("prices",))["prices"]
    assert done.outcomes == {"failed": 2}
    assert emulator.asked == []
