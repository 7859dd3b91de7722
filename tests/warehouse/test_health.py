"""Feeds that fall silent, tables nobody asked for, and how large a home is."""

from __future__ import annotations

import email
import email.policy
import http.server
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import duckdb
import exchange_calendars
import pandas as pd
import pytest
from aiosmtpd.controller import Controller

from tests.conftest import Clock
from warehouse import digest, doctor, health
from warehouse.errors import HomeError
from warehouse.health import late, silence, size
from warehouse.ingest import ingest
from warehouse.publish import publish, reading_attempts
from warehouse.settings import Home
from warehouse.sources import Drift, calendars
from warehouse.sources.calendars import next_scheduled_ingest
from warehouse.store import Warehouse

SESSIONS = [
    day.date()
    for day in exchange_calendars.get_calendar("XNYS").sessions_in_range("2025-08-01", "2025-12-12")
]


def told(store: Warehouse, days: list[date], source: str = "yahoo") -> None:
    """A rating by somebody on each of these days, of ever other tickers."""
    store.append(
        "ratings",
        pd.DataFrame(
            {
                "ticker": [f"T{number % 7}" for number in range(len(days))],
                "firm": "Example Securities",
                "graded_on": [str(day) for day in days],
                "to_grade": "Buy",
            }
        ),
        source=source,
    )


def asked(store: Warehouse, clock: Clock, day: date, outcome: str = "ok") -> None:
    clock.now = datetime(day.year, day.month, day.day, 23, 30)
    store.record_fetch(load_id=str(day), source="yahoo", table="ratings", outcome=outcome)


def test_a_feed_that_freezes_for_six_sessions_raises_an_alarm_until_it_back_fills(
    store: Warehouse, clock: Clock
) -> None:
    frozen, after = SESSIONS[-8:-2], SESSIONS[-2:]
    clock.now = datetime(2025, 12, 12, 23)
    told(store, SESSIONS[:-8])
    alarms = []
    for day in (SESSIONS[-9], *frozen):
        asked(store, clock, day)
        alarms.append(silence(store.con, "ratings", clock.now))
    # One silent session may be chance even where there never was one.
    assert [found is not None for found in alarms] == [False, False] + [True] * 5
    assert alarms[-1] == health.Silence("ratings", SESSIONS[-9], 6, 1.0)
    assert "for 6 sessions, though the source answers" in str(alarms[-1])
    told(store, [*frozen, *after])
    asked(store, clock, after[-1])
    assert silence(store.con, "ratings", clock.now) is None


@pytest.mark.parametrize(
    ("active", "of", "sessions"),
    # Silences as long by chance in a year: 252 * 0.6 * 0.4 ** 6 = 0.6, one shorter 1.5;
    # 252 * 0.5 * 0.5 ** 7 = 1.0, one shorter 2; 252 * 0.2 * 0.8 ** 18 = 0.9, one shorter 1.1.
    [(3, 5, 6), (1, 2, 7), (1, 5, 18)],
)
def test_a_feed_that_is_often_silent_needs_longer(
    store: Warehouse, clock: Clock, active: int, of: int, sessions: int
) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    days = SESSIONS[:-20]
    # Counted from the last, which has something; a share of them has.
    told(store, [day for number, day in enumerate(reversed(days)) if number % of < active])
    alarms = []
    for day in SESSIONS[-20:]:
        asked(store, clock, day)
        alarms.append(silence(store.con, "ratings", clock.now) is not None)
    assert alarms == [False] * (sessions - 1) + [True] * (21 - sessions)


def frame(columns: str, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def test_what_goes_on_elsewhere_does_not_hide_a_frozen_feed(store: Warehouse, clock: Clock) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    london = exchange_calendars.get_calendar("XLON")
    abroad = [d.date() for d in london.sessions_in_range("2025-08-01", "2025-12-12")]
    bars = [(f"T{n}", str(day), 10.0) for n in range(40) for day in SESSIONS[:-10]]
    # A share, a few of London and rates go on, and so does one call in ten sessions.
    bars += [("T0", str(day), 10.0) for day in SESSIONS[-10:]]
    bars += [(f"L{n}.L", str(day), 10.0) for n in range(4) for day in abroad]
    bars += [(f"{name}=X", str(day), 7.8) for name in ("HKD", "CNY", "EUR") for day in SESSIONS]
    calls = [(f"T{n}", "F", str(day), "Buy") for n in range(40) for day in SESSIONS[:-10]]
    calls += [("T0", "G", str(SESSIONS[-2]), "Buy")]
    # Each snapshot is dated anew; for ten sessions the values of all but one stand still.
    snapshots = [
        (f"T{n}", str(day), "0m", 100.0 + min(number, len(SESSIONS) - 11 + (n == 0) * number))
        for n in range(40)
        for number, day in enumerate(SESSIONS)
    ]
    for table, told_rows in (
        ("prices", frame("ticker session_date close", bars)),
        ("ratings", frame("ticker firm graded_on to_grade", calls)),
        ("consensus", frame("ticker snapshot_date period target_mean", snapshots)),
    ):
        store.append(table, told_rows, source="yahoo")
        store.record_fetch(load_id="l", source="yahoo", table=table, outcome="ok")
    found = health.silences(store.con, clock.now)
    assert [(one.table, one.exchange, one.newest, one.sessions) for one in found] == [
        ("prices", "XNYS", SESSIONS[-11], 10),
        ("ratings", "", SESSIONS[-11], 10),
        ("consensus", "", SESSIONS[-11], 10),
    ]
    assert "prices of XNYS: no ticker, or hardly any" in str(found[0])


@pytest.mark.parametrize("case", ["not asked", "only throttled", "young", "other source"])
def test_what_nobody_can_know_is_no_alarm(store: Warehouse, clock: Clock, case: str) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    days = SESSIONS[-25:-8] if case == "young" else SESSIONS[:-8]
    told(store, days, "inbox" if case == "other source" else "yahoo")
    if case != "not asked":
        asked(store, clock, SESSIONS[-1], "throttled" if case == "only throttled" else "ok")
    assert silence(store.con, "ratings", clock.now) is None


def test_what_is_late_follows_the_exchanges_calendar(store: Warehouse, clock: Clock) -> None:
    assert late(store.con, datetime(2025, 12, 1)) == []  # a home that asks nobody
    for table in ("prices", "ratings"):
        clock.now = datetime(2025, 11, 26, 23, 30)  # the eve of Thanksgiving
        store.record_fetch(load_id="l", source="yahoo", table=table)

    def names(*moment: int) -> set[str]:
        return {one.table for one in late(store.con, datetime(*moment))} & {"prices", "ratings"}  # type: ignore[arg-type]

    assert names(2025, 11, 28, 12) == set()  # a holiday has no session
    # Closed at one o'clock, but asked for at half past six, as ever, with time until ten.
    assert names(2025, 11, 29, 2, 59) == set()
    assert names(2025, 11, 29, 3, 1) == {"prices", "ratings"}
    assert names(2025, 12, 1, 12) == {"prices", "ratings"}
    clock.now = datetime(2025, 11, 30, 9)
    store.record_fetch(load_id="l", source="yahoo", table="prices", outcome="empty")
    store.record_fetch(load_id="l", source="yahoo", table="ratings", outcome="throttled")
    assert names(2025, 12, 1, 12) == {"ratings"}
    told = " ".join(health.in_sentences(late(store.con, datetime(2025, 12, 1, 12))))
    assert "1 of the raw tables asked for in vain since the session of 2025-11-28" in told
    assert told.endswith("ratings (2025-11-26 23:30)") and "securities (never)" in told
    assert "8 of the raw tables not asked for" in told


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        # Wednesday 1 October 2025: Hong Kong is closed for National Day, New York is not.
        (datetime(2025, 9, 30, 23), datetime(2025, 10, 2, 12), ["XLON", "XNYS"]),
        # The next evening it has missed a session, too, which closed at four in the morning.
        (datetime(2025, 9, 30, 23), datetime(2025, 10, 3, 12), ["XHKG", "XLON", "XNYS"]),
        # Thanksgiving: what London and Hong Kong told that day is asked for on Friday's evening.
        (datetime(2025, 11, 26, 23, 40), datetime(2025, 11, 28, 20), []),
        (datetime(2025, 11, 26, 23, 40), datetime(2025, 11, 29, 4), ["XHKG", "XLON", "XNYS"]),
        # Hong Kong's half-day before Christmas closed at noon, and was asked for that evening.
        (datetime(2025, 12, 24, 23, 40), datetime(2025, 12, 26, 12), []),
        # Boxing Day: New York trades, the others do not.
        (datetime(2025, 12, 24, 23, 40), datetime(2025, 12, 27, 12), ["XNYS"]),
        # A Monday morning: Friday's evening was the last to ask, whatever closed since.
        (datetime(2025, 12, 12, 23, 40), datetime(2025, 12, 15, 13), []),
        (datetime(2025, 12, 11, 23, 40), datetime(2025, 12, 15, 13), ["XHKG", "XLON", "XNYS"]),
        # By hand after the close of New York, before the evening.
        (datetime(2025, 12, 12, 21, 30), datetime(2025, 12, 15, 13), []),
    ],
)
def test_each_exchange_is_late_by_its_own_calendar(
    home: Home,
    store: Warehouse,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    last: datetime,
    now: datetime,
    expected: list[str],
) -> None:
    monkeypatch.setattr(health, "covered_exchanges", lambda: {"XNYS", "XHKG", "XLON"})
    for ticker in ("AAPL", "0700.HK", "SHEL.L"):
        clock.now = last
        store.record_fetch(load_id="l", source="yahoo", table="prices", ticker=ticker)
    # Nobody covers Tokyo any more.
    clock.now = datetime(2025, 6, 2)
    store.record_fetch(load_id="l", source="yahoo", table="prices", ticker="7203.T")
    found = [one for one in late(store.con, now) if one.table == "prices"]
    assert [one.exchange for one in found] == expected
    sentences = health.in_sentences(found)
    assert ["at XHKG (" in s for s in sentences] == [code == "XHKG" for code in expected]
    assert ["at XLON (" in s for s in sentences] == [code == "XLON" for code in expected]
    health.keep_attempts(home, store.con, now)
    with reading_attempts(home) as (con, is_live):
        assert is_live and [o for o in late(con, now) if o.table == "prices"] == found


def test_a_ticker_that_is_unknown_keeps_no_exchange_late(
    store: Warehouse, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "covered_exchanges", lambda: {"XNYS", "XHKG"})
    told = (("AAPL", "prices", "ok"), ("0700.HK", "prices", "not_found"), ("AAPL", "ratings", "ok"))
    clock.now = datetime(2025, 12, 1)
    store.record_fetch(load_id="l", source="yahoo", table="ratings", ticker="0700.HK")
    for ticker, table, outcome in told:
        clock.now = datetime(2025, 12, 12, 23, 40)
        store.record_fetch(load_id="l", source="yahoo", table=table, ticker=ticker, outcome=outcome)
    found = late(store.con, datetime(2025, 12, 15, 13))
    assert not {"prices", "ratings"} & {one.table for one in found}


@pytest.mark.parametrize("years", [2, 40])
@pytest.mark.parametrize("exchange", ["XNYS", "XHKG", "XSHG", "XSAU"])
def test_a_calendar_never_ends(exchange: str, years: int) -> None:
    """Not for a service that runs for years, a clock far ahead, nor holidays known for a while."""
    friday = next(
        day
        for n in range(7)
        if (day := date(datetime.now().year + years, 6, 1) + timedelta(days=n)).weekday() == 4
    )
    now = datetime(friday.year, friday.month, friday.day, 3)
    session = calendars.last_closed_session(now, exchange)
    assert 0 < (now.date() - session).days < 10
    assert timedelta(0) < now - calendars.last_close(exchange, now) < timedelta(days=10)
    if exchange == calendars.REFERENCE:
        assert timedelta(0) < now - calendars.last_asked(now) < timedelta(days=5)
        assert next_scheduled_ingest(now.replace(tzinfo=UTC)) > now.replace(tzinfo=UTC)


def test_what_a_clock_that_was_ahead_recorded_hides_neither_lateness_nor_failures(
    store: Warehouse, clock: Clock
) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    told(store, SESSIONS[:-8])
    asked(store, clock, date(2027, 12, 31))
    for day in SESSIONS[-10:]:
        asked(store, clock, day, "ok" if day < SESSIONS[-3] else "failed")
    now = datetime(2025, 12, 13, 12)
    [ratings] = [one for one in late(store.con, now) if one.table == "ratings"]
    assert ratings.was_tried and ratings.answered_at is not None
    assert ratings.answered_at.date() == SESSIONS[-4]
    assert [found.count for found in health.failures(store.con, now - health.RECENT, now)] == [1]
    found = silence(store.con, "ratings", now)
    assert found is not None and found.sessions == 5


# How attempts ended


def test_each_tickers_newest_attempt_alone_counts_and_reasons_are_grouped(
    store: Warehouse, clock: Clock
) -> None:
    def attempt(day: date, ticker: str | None, outcome: str, reason: str | None = None) -> None:
        clock.now = datetime(day.year, day.month, day.day, 22)
        given = {"ticker": ticker, "outcome": outcome, "reason": reason}
        store.record_fetch(load_id=str(day), source="yahoo", table="prices", **given)  # type: ignore[arg-type]

    long_ago, yesterday, today = date(2025, 2, 3), date(2025, 12, 11), date(2025, 12, 12)
    for number in range(25):
        attempt(long_ago, f"T{number}", "failed", "an error of its own (500)")
        attempt(today, f"T{number}", "ok")
        attempt(long_ago, f"GONE{number}", "failed", "never asked for again")
        attempt(yesterday, f"WELL{number}", "failed", "well since")
        attempt(today, f"WELL{number}", "ok")
    now = datetime(2025, 12, 12, 23)
    assert health.failures(store.con, now - health.RECENT, now) == []

    for number in range(25):
        attempt(today, f"A{number}", "malformed", f"A{number} moved by {number}.5, not by 1.")
    attempt(today, "A", "not_found", "Yahoo does not know A. AA may be a name of A.")
    attempt(today, "A.B", "not_found", "Yahoo does not know A.B. AA may be a name of A.B.")
    attempt(today, "E", "empty", "Yahoo told nothing of E.")
    for exchange in ("XNYS", "XLON"):  # of one load, and neither bears a ticker
        attempt(today, None, "failed", f"No sessions of {exchange}.")
    found = health.failures(store.con, now - health.RECENT, now)
    assert [(one.count, str(one)) for one in found] == [
        (25, "prices: malformed, A0 moved by 0.5, not by 1. (A0, A1, A10, …)"),
        (2, "prices: not_found, Yahoo does not know A. AA may be a name of A. (A, A.B)"),
        (1, "prices: failed, No sessions of XLON."),
        (1, "prices: failed, No sessions of XNYS."),
    ]
    [empty] = health.empties(store.con, now - health.RECENT, now)
    assert str(empty) == "prices: empty, Yahoo told nothing of E. (E)"


def kept(home: Home) -> None:
    with Warehouse(home.build) as store:
        health.keep_attempts(home, store.con, store.now())


def test_a_feed_that_freezes_is_seen_though_nothing_is_published_any_more(
    home: Home, clock: Clock
) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    with Warehouse(home.build) as store:
        told(store, SESSIONS[:-8])
        asked(store, clock, SESSIONS[-9])
    published(home, [])
    with Warehouse(home.build) as store:
        for day in SESSIONS[-8:]:
            asked(store, clock, day)
    kept(home)
    [silent] = digest.compose(home, clock.now)["silent"]
    assert f"has anything newer than {SESSIONS[-9]}, for 8 sessions" in silent


def test_who_reads_of_attempts_and_who_ingests_do_not_meet(home: Home, clock: Clock) -> None:
    """Nobody opens the build file to look, and a look keeps nobody from replacing what it sees."""
    published(home, [])
    with reading_attempts(home) as (con, is_live):
        assert not is_live and health.failures(con, datetime(2025, 1, 1), clock()) == []
    with Warehouse(home.build) as store:
        asked(store, clock, date(2025, 12, 2), "failed")
    kept(home)
    with reading_attempts(home) as (con, is_live), Warehouse(home.build) as store:
        assert is_live
        asked(store, clock, date(2025, 12, 3), "throttled")
        health.keep_attempts(home, store.con, clock())
        [before] = health.failures(con, datetime(2025, 1, 1), clock())
    with Warehouse(home.build), reading_attempts(home) as (con, _):
        [after] = health.failures(con, datetime(2025, 1, 1), clock())
    assert [before.what, after.what] == ["ratings: failed, ", "ratings: throttled, "]
    assert {path.name for path in home.path.iterdir()} == {
        *("attempts.duckdb", "bellwether.duckdb", "build", "published")
    }
    # A damaged one is no reason to fail.
    home.attempts.write_bytes(b"no database")
    with reading_attempts(home) as (con, is_live):
        assert not is_live and health.failures(con, datetime(2025, 1, 1), clock()) == []
    with Warehouse(home.build) as store, reading_attempts(home) as (_, is_live):
        assert not is_live
    kept(home)
    with reading_attempts(home) as (_, is_live):
        assert is_live


def test_what_is_kept_of_attempts_tells_what_the_build_file_would(
    home: Home, store: Warehouse, clock: Clock
) -> None:
    clock.now = datetime(2025, 12, 12, 23)
    told(store, SESSIONS[:-8])
    for number, day in enumerate(SESSIONS[-60:]):
        asked(store, clock, day, ("ok", "empty", "failed", "throttled")[number % 4])
    store.record_fetch(load_id="f", source="inbox", table="prices", file="a.csv", outcome="failed")
    store.record_drift(
        load_id="l",
        source="yahoo",
        table="ratings",
        drift=Drift("history[].firm", "text", "missing", "T1"),
    )
    bad = pd.DataFrame({"ticker": ["A"], "session_date": ["2025-11-28"], "close": [-1]})
    store.append("prices", bad, source="yahoo")
    now = clock.now + timedelta(days=1)
    health.keep_attempts(home, store.con, now)

    def looked(con: duckdb.DuckDBPyConnection) -> list[object]:
        since = now - health.RECENT
        return [
            health.failures(con, since, now),
            health.failures(con, now - timedelta(days=5), now),
            health.empties(con, since, now),
            health.rejected(con, since),
            health.drifted(con, since),
            health.late(con, now),
            health.silences(con, now),
            health.throttled(con, now),
            health.ahead(con, now - timedelta(days=9)),
        ]

    with duckdb.connect(str(home.attempts), read_only=True) as con:
        seen = looked(con)
    assert seen == looked(store.con)
    assert all(seen[:1] + seen[3:7] + seen[8:])


def test_a_home_knows_its_size_and_its_budget(
    home: Home, store: Warehouse, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = datetime(2025, 10, 1)
    told(store, [date(2025, 9, 1), date(2025, 9, 2)])
    clock.now = datetime(2025, 12, 1)
    told(store, [date(2025, 9, 3)])
    (home.inbox / "prices").mkdir(parents=True)
    (home.inbox / "prices" / "a.csv").write_bytes(b"x" * 1000)
    (home.path / "link").symlink_to("/usr")
    found = size(home, store.con, datetime(2025, 12, 1, 12))
    assert (found.rows, found.rows_30d, found.is_over) == (3, 1, False)
    assert found.parts["inbox"] == 1000 and set(found.parts) == {"inbox", "build"}
    monkeypatch.setenv(health.BUDGET_VARIABLE, "0.0000001")
    assert size(home, store.con, datetime(2025, 12, 1)).is_over
    for nonsense in ("much", "0", "nan", "-1"):
        monkeypatch.setenv(health.BUDGET_VARIABLE, nonsense)
        with pytest.raises(HomeError, match="not a number above zero"):
            size(home, store.con, datetime(2025, 12, 1))


# The digest


def published(home: Home, flags: list[tuple[str, str, str]]) -> None:
    with Warehouse(home.build) as store:
        store.con.execute("create schema if not exists marts")
        store.con.execute(
            "create or replace table marts.risk_flags (ticker varchar, flag varchar, kind varchar, "
            "severity integer, opened_on date, is_open boolean, message varchar)"
        )
        for ticker, flag, message in flags:
            store.con.execute(
                "insert into marts.risk_flags values (?, ?, 'x', 3, date '2025-12-01', true, ?)",
                [ticker, flag, message],
            )
    publish(home, as_of=datetime(2025, 12, 1))


HOSTILE = "<script>alert(1)</script> [x](http://evil.example) **bold**\n# head \x1b[31m"


def test_the_digest_tells_what_changed_and_what_needs_a_person(home: Home, clock: Clock) -> None:
    clock.now = datetime(2025, 12, 1, 12)
    published(home, [("ABC", "GAP", "one"), ("XYZ", "GAP", "two")])
    first = digest.compose(home, datetime(2025, 12, 1, 13))
    assert not digest.needs_attention(first)
    assert first["flags"]["opened"] == [] and len(first["flags"]["open"]) == 2
    digest.write(home, first)

    clock.now = datetime(2025, 12, 2, 12)
    with Warehouse(home.build) as store:
        store.record_fetch(
            load_id="l", source="yahoo", table="prices", outcome="failed", reason=HOSTILE
        )
        store.append(
            "prices",
            pd.DataFrame({"ticker": ["A"], "session_date": ["2025-11-28"], "close": [-1]}),
            source="inbox",
        )
    published(home, [("XYZ", "GAP", "two"), ("NEW", "GAP", HOSTILE)])
    second = digest.compose(home, datetime(2025, 12, 2, 13), ["refresh 1 failed"])
    assert second["since"] == "2025-12-01 13:00:00"
    assert [f["ticker"] for f in second["flags"]["opened"]] == ["NEW"]
    assert [f["ticker"] for f in second["flags"]["closed"]] == ["ABC"]
    assert [row["count"] for row in second["failures"]] == [1]
    assert second["rejected"] == [{"what": "prices: a price is not above zero", "count": 1}]
    assert digest.needs_attention(second)
    file = digest.write(home, second)
    text = file.read_text()
    assert json.loads(file.with_suffix(".json").read_text()) == second
    assert "<script>" not in text and "[x]" not in text and "\x1b" not in text
    assert "\n# head" not in text and "refresh 1 failed" in text
    # Made anew on the same day, it still goes from the day before.
    third = digest.compose(home, datetime(2025, 12, 2, 15))
    assert third["since"] == second["since"]
    assert third["flags"]["closed"] == second["flags"]["closed"]


@contextmanager
def webhook(*statuses: int) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """A server that answers with these statuses; yields its address and what it was sent."""
    received: list[tuple[str, str, Any]] = []
    answers = iter(statuses)

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            received.append((self.command, self.path, json.loads(body)))
            self.send_response(next(answers, 204))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            received.append((self.command, self.path, None))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def mail_server() -> Iterator[tuple[str, list[EmailMessage]]]:
    """A mail server on a free port; yields host:port and the messages it took."""
    received: list[EmailMessage] = []

    class Box:
        async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            received.append(message)
            if "refused" in envelope.rcpt_tos[0]:
                return "554 no such box"
            return "250 taken"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Box(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"127.0.0.1:{port}", received
    finally:
        controller.stop()


def test_a_digest_is_sent_nowhere_unless_the_environment_says_where(
    home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(home, [("ABC", "GAP", "né 😀 " + HOSTILE)])
    made = digest.compose(home, datetime(2025, 12, 1, 13), ["refresh 1 failed"])
    for name in (digest.WEBHOOK, digest.MAIL_TO, digest.SMTP):
        monkeypatch.delenv(name, raising=False)
    with webhook() as (address, posted), mail_server() as (smtp, mailed):
        monkeypatch.setenv(digest.SMTP, smtp)
        assert digest.send(made) == [] and posted == [] and mailed == []
        monkeypatch.setenv(digest.WEBHOOK, f"{address}/hook?token=x")
        assert digest.send(made) == [] and mailed == []
        assert posted == [("POST", "/hook?token=x", made)]
        monkeypatch.setenv(digest.MAIL_TO, "ops@example.com")
        assert digest.send(made) == [] and len(posted) == 2
        [message] = mailed
    assert message["Subject"] == "Bellwether, 2025-12-01: needs attention"
    assert message["To"] == "ops@example.com"
    text = message.get_content()
    assert text.replace("\r\n", "\n").rstrip() == digest.markdown(made).rstrip()
    # Both are gone; that is told, and each for itself.
    failures = digest.send(made)
    assert [failure.split(":")[0] for failure in failures] == [digest.WEBHOOK, digest.MAIL_TO]
    assert all("the digest was not sent" in failure for failure in failures)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/hook", 500, "500"), ("/hook", 302, "302"), ("/ho ok", 204, "control characters")],
)
def test_a_webhook_that_does_not_take_the_digest_is_told(
    home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch, path: str, status: int, words: str
) -> None:
    published(home, [])
    made = digest.compose(home, datetime(2025, 12, 1, 13))
    with webhook(status) as (address, posted):
        monkeypatch.setenv(digest.WEBHOOK, address + path)
        [failure] = digest.send(made)
        assert words in failure
        # A redirect is not followed: what stands there would be asked without the digest.
        assert [command for command, *_ in posted] == ["POST"][: len(posted)]
    monkeypatch.setenv(digest.WEBHOOK, "file:///etc/passwd")
    assert "neither with https" in digest.send(made)[0]


def test_a_mail_that_is_refused_is_told(
    home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(home, [])
    made = digest.compose(home, datetime(2025, 12, 1, 13))
    with mail_server() as (smtp, _):
        monkeypatch.setenv(digest.SMTP, smtp)
        monkeypatch.setenv(digest.MAIL_TO, "refused@example.com")
        assert "no such box" in digest.send(made)[0]
        monkeypatch.setenv(digest.MAIL_TO, "a@example.com\nBcc: b@example.com")
        assert "was not sent" in digest.send(made)[0]
        monkeypatch.setenv(digest.SMTP, f"{smtp}x")
        assert "was not sent" in digest.send(made)[0]


# The doctor, at home


def test_the_doctor_looks_at_the_home_and_at_what_was_missed(
    home: Home, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {check.name: check for check in doctor.inspect(home)}
    assert {n: c.status for n, c in found.items()} == {
        "home": "ok",
        "disk": "ok",
        "published": "warn",
    }
    clock.now = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=9)
    with Warehouse(home.build) as store:
        store.record_fetch(load_id="l", source="yahoo", table="prices")
    published(home, [])
    found = {check.name: check for check in doctor.inspect(home)}
    assert found["published"].status == "ok" and found["last run"].status == "warn"
    assert "not asked for since the session of" in found["last run"].finding
    assert "bellwether service" in found["last run"].advice
    monkeypatch.setattr(doctor, "FEWEST_FREE_BYTES", 10**18)
    assert {c.name: c.status for c in doctor.inspect(home)}["disk"] == "warn"
    monkeypatch.undo()
    found = {check.name: check for check in doctor.inspect(home, ["refresh failed once: why"])}
    assert (found["runs"].status, found["runs"].finding) == ("fail", "refresh failed once: why")
    # Asked for since in vain, which nothing published tells of.
    clock.now = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
    with Warehouse(home.build) as store:
        given = {"outcome": "failed", "reason": "no answer"}
        store.record_fetch(load_id="m", source="yahoo", table="prices", ticker="A", **given)  # type: ignore[arg-type]
    assert found["attempts"].finding.startswith("no ingest has written attempts.duckdb")
    kept(home)
    told = {(check.name, check.finding) for check in doctor.inspect(home)}
    assert ("attempts", "1 newest attempts failed: prices: failed, no answer (A)") in told
    [vain] = [finding for name, finding in told if name == "last run" and "in vain" in finding]
    assert "prices (" in vain
    target = home.published.resolve()
    target.chmod(0o644)
    target.write_bytes(b"no database")
    found = {check.name: check for check in doctor.inspect(home)}
    assert found["published"].status == "fail" and "--force" in found["published"].advice
    blocked = Home(Path("/dev/null/home"))
    assert doctor.inspect(blocked)[0].status == "fail"


def test_a_clock_that_was_ahead_is_said_by_the_ingest_and_by_the_doctor(
    home: Home, clock: Clock
) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)

    prices = itertools.count(1)

    def ingested() -> list[str]:
        (home.inbox / "prices").mkdir(parents=True, exist_ok=True)
        bars = f"ticker,session_date,close\nABC,2025-01-02,{next(prices)}\n"
        (home.inbox / "prices" / "a.csv").write_text(bars)
        done = ingest(home, "prices", "inbox", load_id="l")
        assert (done.counts.stored, done.failures) == (1, [])  # nothing is refused
        return done.warnings

    clock.now = now + timedelta(minutes=50)
    assert ingested() == []
    clock.now = now
    assert ingested() == []
    published(home, [])
    assert "clock" not in {check.name for check in doctor.inspect(home)}
    clock.now = now + timedelta(days=400)
    assert ingested() == []
    clock.now = now
    [warning] = ingested()
    assert f"was stored at {now + timedelta(days=400):%Y-%m-%d}" in warning
    [check] = [check for check in doctor.inspect(home) if check.name == "clock"]
    assert check.status == "warn" and "restore" in check.advice
    assert check.finding.startswith("The clock says")
