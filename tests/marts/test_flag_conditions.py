"""Every flag that does not watch prices alone opens and closes on rows a person can check."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import exchange_calendars
import pandas as pd
import pytest

from tests.histories import END, build
from warehouse.settings import DATABASE
from warehouse.sources import Unit
from warehouse.sources.calendars import Calendars
from warehouse.store import Warehouse

pytestmark = pytest.mark.slow

Row = dict[str, Any]
Told = dict[str, list[Row]]
SESSIONS = [
    stamp.date()
    for stamp in exchange_calendars.get_calendar("XNYS").sessions_in_range(
        "2024-01-02", "2026-01-30"
    )
]
PEERS = ["MSFT", "NVDA", "AMZN", "GOOGL", "META"]


def at(day: str, hour: int = 12) -> str:
    """Noon in UTC, which is before New York opens."""
    return f"{day} {hour:02}:00"


def bars(ticker: str, close: list[float], first: int = 0, **columns: Any) -> list[Row]:
    """Bars on consecutive sessions, each known 16 hours after its day began in London."""
    return [
        {
            "ticker": ticker,
            "session_date": SESSIONS[first + n],
            "close": price,
            "open": price,
            "high": price * 1.01,
            "low": price * 0.99,
            "volume": 1e6,
            "dividend": 0,
            "known_at": datetime.combine(SESSIONS[first + n], datetime.min.time())
            + timedelta(hours=22),
            **columns,
        }
        for n, price in enumerate(close)
    ]


def rating(firm: str, day: str, grade: str, target: float, **columns: Any) -> Row:
    return {
        "firm": firm,
        "graded_on": day,
        "to_grade": grade,
        "target": target,
        "target_currency": "USD",
        "known_at": at(day),
        **columns,
    }


def news(ticker: str, items: list[tuple[str, str, str, str, str, float]]) -> Told:
    """Items as (id, day, publisher, title, topic.subtopic, confidence)."""
    told: Told = {"news": [], "news_topics": [], "news_signals": []}
    for name, day, publisher, title, code, confidence in items:
        topic, _, subtopic = code.partition(".")
        key = {"ticker": ticker, "news_id": f"{ticker}-{name}", "known_at": at(day)}
        told["news"].append(
            {**key, "published_at": at(day), "publisher": publisher, "title": title}
        )
        scored = {**key, "scorer_version": "1"}
        told["news_signals"].append({**scored, "cluster_id": f"{ticker}-{name[0]}"})
        told["news_topics"].append(
            {**scored, "topic": topic, "subtopic": subtopic, "confidence": confidence}
        )
    return told


def wave(day_of_shock: int) -> list[float]:
    """A rate that moves by a tenth of a percent to and fro, and once by three percent."""
    return [
        7.0 * (1.001 if n % 2 else 1.0) * (1.03 if n >= day_of_shock else 1.0) for n in range(420)
    ]


def facts() -> Told:
    told: Told = {}

    def tell(table: str, ticker: str | None, *rows: Row) -> None:
        told.setdefault(table, []).extend(
            {**({"ticker": ticker} if ticker else {}), **row} for row in rows
        )

    for ticker in ("SHORT", "EPS", "DRIFT", "NEG", "OWN", "AAPL", "MISS", "SOON", "CALLS", "OLD"):
        tell(
            "securities",
            ticker,
            {"exchange": "NYQ", "currency": "USD", "known_at": at("2024-01-02")},
        )

    def estimate(day: str, up: int, down: int, now: float) -> Row:
        return {
            "snapshot_date": day,
            "period": "0y",
            "revisions_up_30d": up,
            "revisions_down_30d": down,
            "eps_mean": now,
            "eps_90d_ago": 1.0,
            "known_at": at(day),
        }

    tell("estimates", "EPS", estimate("2025-03-03", 1, 4, 1), estimate("2025-03-10", 2, 3, 1))
    tell("estimates", "EPS", estimate("2025-03-17", 3, 3, 1), estimate("2025-03-24", 0, 3, 1))
    tell("estimates", "DRIFT", estimate("2025-03-03", 0, 0, 0.89), estimate("2025-03-10", 0, 0, 1))
    # The snapshot of an older day that arrives late is no news.
    late = estimate("2025-03-05", 0, 0, 0.5)
    tell("estimates", "DRIFT", {**late, "known_at": at("2025-03-12")})

    def short(day: str, known: str, share: float, days: float, shares: float) -> Row:
        return {
            "settled_on": day,
            "known_at": at(known),
            "short_share_of_float": share,
            "days_to_cover": days,
            "shares_short": shares,
        }

    tell(
        "short_interest",
        "SHORT",
        short("2025-01-15", "2025-01-28", 0.16, 2, 100),
        short("2025-01-31", "2025-02-12", 0.12, 9, 110),
        short("2025-02-14", "2025-02-28", 0.09, 6, 120),
        short("2025-02-28", "2025-03-12", 0.09, 4, 120),
        # A split of two for one on 10 March: nine in ten of the growth is none.
        short("2025-03-31", "2025-04-10", 0.09, 4, 264),
        short("2025-04-30", "2025-05-12", 0.09, 4, 400),
        short("2025-05-30", "2025-06-11", 0.09, 4, 410),
    )
    split = {"split_ratio": 2.0, "session_date": "2025-03-10", "close": 5, "is_final": True}
    tell("prices", "SHORT", {**split, "known_at": at("2025-03-10", 22)})

    def valuation(day: str, price: float, eps: float) -> Row:
        return {
            "valued_on": day,
            "price": price,
            "forward_eps": eps,
            "currency": "USD",
            "eps_currency": "USD",
            "known_at": at(day),
        }

    tell("valuations", "NEG", valuation("2025-03-03", 10, -0.5), valuation("2025-03-10", 10, 0.5))
    months = pd.period_range("2022-01", "2024-12", freq="M")
    for number, month in enumerate(months):
        tell("valuations", "OWN", valuation(str(month.end_time.date()), 100 + number, 10))
    tell("valuations", "OWN", valuation("2025-01-31", 136, 10), valuation("2025-02-28", 132, 10))
    tell("valuations", "OWN", valuation("2025-03-31", 120, 10))
    # Medians of the five peers are 12; 19 over 12 is more than 1.5, 16 over 12 is not below 1.3.
    for peer, price in zip(PEERS, (100, 110, 120, 130, 140), strict=True):
        tell("valuations", peer, valuation("2025-03-03", price, 10))
    tell("valuations", "AAPL", valuation("2025-03-04", 190, 10), valuation("2025-03-05", 160, 10))
    tell("valuations", "AAPL", valuation("2025-03-06", 150, 10))

    # The share falls 10 % on the day of the report, its benchmark does nothing.
    tell(
        "universe",
        "MISS",
        {"benchmark": "BENCH", "exchange": "NYQ", "known_at": at("2024-01-02")},
    )
    quiet = [100.0 * (1.005 if n % 2 else 1.0) for n in range(100)]
    tell("prices", None, *bars("BENCH", [100.0] * 140))
    tell("prices", None, *bars("MISS", quiet + [90.0 * (1.005 if n % 2 else 1) for n in range(40)]))
    for number, surprise in ((100, -0.10), (120, 0.02)):
        day = SESSIONS[number].isoformat()
        quarter = (SESSIONS[number] - timedelta(days=30)).isoformat()
        tell(
            "earnings_dates",
            "MISS",
            {
                "snapshot_date": SESSIONS[number - 5].isoformat(),
                "announced_from": at(day),
                "known_at": at(SESSIONS[number - 5].isoformat()),
            },
        )
        tell(
            "earnings",
            "MISS",
            {"period_end": quarter, "surprise": surprise, "known_at": at(day, 13)},
        )
    tell(
        "earnings_dates",
        "SOON",
        {
            "snapshot_date": "2025-03-03",
            "announced_from": at("2025-03-20"),
            "announced_to": at("2025-03-21"),
            "known_at": at("2025-03-03"),
        },
    )

    for ticker, items in {
        "N1": [("a", "2025-03-03", "Wire", "It cuts its outlook", "GUID.cut", 0.9)],
        "N2": [
            ("a1", "2025-03-03", "Wire", "An antitrust case", "REG.antitrust", 0.9),
            ("a2", "2025-03-04", "Copy", "An antitrust case", "REG.antitrust", 0.9),
            ("a3", "2025-03-05", "Post", "A case against it", "REG.antitrust", 0.6),
            ("b1", "2025-04-18", "Post", "Another case", "REG.antitrust", 0.9),
            ("b2", "2025-04-18", "Wire", "One case more", "REG.antitrust", 0.9),
        ],
        "N3": [("a", "2025-03-03", "Wire", "Auditors of China", "LIST.hfcaa", 0.7)],
        "N6": [
            ("a1", "2025-03-03", "Wire", "It is probed", "REG.enforcement", 0.9),
            ("a2", "2025-03-04", "Post", "A probe of it", "REG.enforcement", 0.9),
        ],
        "N4": [
            ("a", "2025-03-03", "Wire", "Notice of the exchange", "LIST.delist", 0.8),
            ("b", "2025-03-03", "Wire", "Accounts restated", "EARN.restatement", 0.8),
            ("c", "2025-03-03", "Wire", "Its chief leaves", "LEAD.ceo_cfo", 0.8),
            ("d", "2025-03-03", "Wire", "Its chief may leave", "LEAD.ceo_cfo", 0.6),
        ],
        "N5": [
            ("a1", "2025-03-03", "Wire", "A suit", "LIT", 0.9),
            ("a2", "2025-03-10", "Post", "It is sued", "LIT", 0.9),
            ("c1", "2025-06-02", "Law", "Join our suit", "LIT.solicitation", 0.9),
            ("c2", "2025-06-02", "Firm", "Join us", "LIT.solicitation", 0.9),
        ],
    }.items():
        for table, rows in news(ticker, items).items():
            told.setdefault(table, []).extend(rows)

    tell("prices", None, *bars("CNY=X", wave(300), is_final=True))
    for day, reported in (("2024-01-02", None), ("2024-06-03", "CNY"), ("2025-06-02", "USD")):
        known = {"exchange": "NYQ", "currency": "USD", "known_at": at(day)}
        tell("securities", "FX", {**known, "financial_currency": reported})
    tell("prices", None, *bars("FX", [10.0] * 420))
    tell("prices", None, *bars("PENNY", [2.0] * 5 + [0.9] * 30 + [1.0] * 20))

    # Three firms of six downgrade within ten sessions and cut their targets; votes are from 2024.
    firms = ["Ash", "Birch", "Cedar", "Elm", "Fir", "Gum"]
    tell("prices", None, *bars("CALLS", [100.0] * 500))
    for firm in firms:
        tell("ratings", "CALLS", rating(firm, "2025-01-02", "Buy", 120))
    for firm, day in zip(firms, ("2025-03-03", "2025-03-06", "2025-03-14"), strict=False):
        tell("ratings", "CALLS", rating(firm, day, "Hold", 50, action="down"))
        tell("ratings", "CALLS", rating(firm, "2025-05-01", "Hold", 130))
    for firm in firms[3:5]:
        tell("ratings", "CALLS", rating(firm, "2025-03-14", "Buy", 110, action="up"))
    # With FX, OLD and CALLS, which stand still, 21 are ranked: the third best is above 90 % of the
    # universe and no more.
    for number in range(1, 19):
        rise = [100.0 * 1.0005 ** (number * n) for n in range(300)]
        tell("prices", None, *bars(f"RISE{number}", rise))
    for number in (16, 17, 18):
        for day, buys in (("2025-02-03", 18), ("2025-02-10", 17), ("2025-02-18", 15)):
            counts = {"strong_buy": 10, "buy": buys - 10, "hold": 20 - buys}
            counts |= {"sell": 0, "strong_sell": 0}
            snapshot = {"snapshot_date": day, "period": "0m", "known_at": at(day), **counts}
            tell("consensus", f"RISE{number}", snapshot)
    tell("prices", None, *bars("TWICE", [100.0] * 140))
    tell("prices", None, *bars("OLD", [100.0] * 420))
    tell("ratings", "OLD", rating("Ash", "2024-07-01", "Buy", 120))
    tell("ratings", "OLD", rating("Birch", "2025-01-15", "Buy", 120))
    return told


def told_by_another() -> list[Row]:
    """Bars of TWICE by a second source, whose first tells 100 every day.

    One agrees. One is 6 % higher and told anew three sessions later. One is 20 % lower and comes
    ten sessions late.
    """
    right, high = bars("TWICE", [100.0], 40), bars("TWICE", [106.0], 45)
    known = {"known_at": datetime.combine(SESSIONS[48], datetime.min.time()) + timedelta(hours=22)}
    late = {"known_at": datetime.combine(SESSIONS[70], datetime.min.time()) + timedelta(hours=22)}
    return [
        *right,
        *high,
        *bars("TWICE", [100.0], 45, **known),
        *bars("TWICE", [80.0], 60, **late),
    ]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    home = tmp_path_factory.mktemp("conditions")
    with Warehouse(home / DATABASE) as warehouse:
        for table, rows in facts().items():
            frame = pd.DataFrame(rows).astype(object)
            counts = warehouse.append(table, frame, source="inbox")
            assert counts.rejected == 0, table
        twice = pd.DataFrame(told_by_another()).astype(object)
        assert warehouse.append("prices", twice, source="yahoo").rejected == 0
        warehouse.append("sessions", Calendars(warehouse.con).sessions(Unit("XNYS")), source="x")
    build(home, "+risk_flags", "+flag_evidence", "+flag_coverage", "+flag_quality")
    with duckdb.connect(str(home / DATABASE), read_only=True) as con:
        yield con


def spans(con: duckdb.DuckDBPyConnection, ticker: str, flag: str) -> list[tuple[str, str | None]]:
    rows = con.execute(
        "select opened_on, closed_on from marts.risk_flags "
        "where ticker = ? and flag = ? order by opened_on",
        [ticker, flag],
    ).fetchall()
    return [(str(opened), None if closed is None else str(closed)) for opened, closed in rows]


def after(session: str, count: int) -> str:
    return SESSIONS[SESSIONS.index(date.fromisoformat(session)) + count].isoformat()


@pytest.mark.parametrize(
    ("ticker", "flag", "expected"),
    [
        # Three of four revisions down on the 24th are too few to open.
        ("EPS", "EPS_REV_NEG", [("2025-03-03", "2025-03-17")]),
        ("DRIFT", "EPS_REV_NEG", [("2025-03-03", "2025-03-10")]),
        # Share until February 28; days until March 12, one episode; then growth of 264 / 2 / 120.
        (
            "SHORT",
            "SHORT_CROWD",
            [("2025-01-28", "2025-03-12"), ("2025-05-12", "2025-06-11")],
        ),
        ("NEG", "VAL_NEG", [("2025-03-03", "2025-03-10")]),
        # 136 is above all 36 months; 132 above 32 of 37 (86 %); 120 above 20 of 38.
        ("OWN", "VAL_OWN", [("2025-01-31", "2025-03-31")]),
        ("AAPL", "VAL_PEER", [("2025-03-04", "2025-03-06")]),
        (
            "MISS",
            "EARN_MISS",
            [(SESSIONS[101].isoformat(), SESSIONS[121].isoformat())],
        ),
        ("SOON", "EARN_SOON", [("2025-03-13", "2025-03-24")]),
        ("N1", "GUIDE_CUT", [("2025-03-03", "2025-05-02")]),
        # A copy is no second source; the second comes on the 5th, another on day 44.
        ("N2", "REG_ANTITRUST", [("2025-03-05", "2025-06-02")]),
        ("N3", "ADR_HFCAA", [("2025-03-03", "2025-05-02")]),
        ("N6", "REG_ANTITRUST", [("2025-03-04", "2025-04-18")]),
        ("N4", "DELIST_RISK", [("2025-03-03", "2025-05-02")]),
        ("N4", "RESTATEMENT", [("2025-03-03", "2025-08-30")]),
        ("N4", "LEADERSHIP", [("2025-03-03", "2025-06-01")]),
        ("N5", "LITIGATION", [("2025-03-10", "2025-04-24")]),
        ("FX", "FX_EXPOSURE", [("2024-06-03", "2025-06-02")]),
        # The shock of session 300 is within 20 sessions until 319.
        (
            "FX",
            "FX_SHOCK",
            [(SESSIONS[300].isoformat(), SESSIONS[320].isoformat())],
        ),
        # Thirty closes below a dollar end on session 34; from 35 on there is one that is not.
        (
            "PENNY",
            "DELIST_RISK",
            [(SESSIONS[34].isoformat(), SESSIONS[44].isoformat())],
        ),
        # From the first downgrade on, the share of six firms is a sixth; it is less than 15 % when
        # two of the three are older than 30 days, and 20 sessions later the flag closes.
        (
            "CALLS",
            "DG_CLUSTER",
            [("2025-03-03", after("2025-04-14", 19))],
        ),
        # 18 of 20 say buy, then 17, then 15; the day before counts what is known before the open.
        ("RISE18", "CROWDED_BUY", [("2025-01-31", "2025-02-14")]),
        ("RISE17", "CROWDED_BUY", [("2025-01-31", "2025-02-14")]),
        ("RISE16", "CROWDED_BUY", []),
        ("CALLS", "TGT_CUT_WAVE", [("2025-03-14", "2025-04-14")]),
        # What is known at noon of the 6th is known in the session before: two targets of 50 beside
        # four of 120. The median is 80 with the third, 125 from May on.
        ("CALLS", "TGT_DISPERSION", [("2025-03-05", "2025-04-30")]),
        ("CALLS", "TGT_BELOW_PX", [("2025-03-13", "2025-04-30")]),
        # Two calls of Mar 14 say "up" and grade as before.
        ("CALLS", "DATA_QUALITY", [("2025-03-14", after("2025-06-11", 1))]),
        # Until the source that differs tells another close, and until its bar is 60 sessions old.
        (
            "TWICE",
            "DATA_QUALITY",
            [
                (SESSIONS[45].isoformat(), SESSIONS[48].isoformat()),
                (SESSIONS[70].isoformat(), SESSIONS[120].isoformat()),
            ],
        ),
        # One vote of 2024-07-01 is 151 days old on 2024-11-29; with Birch's of January the median
        # lies 99 days later.
        ("OLD", "CONS_STALE", [("2024-11-29", "2025-01-14"), ("2025-03-10", None)]),
    ],
)
def test_flags_open_and_close(
    con: duckdb.DuckDBPyConnection,
    ticker: str,
    flag: str,
    expected: list[tuple[str, str | None]],
) -> None:
    assert spans(con, ticker, flag) == expected


def test_every_opening_and_closing_has_evidence(con: duckdb.DuckDBPyConnection) -> None:
    without = con.execute(
        """
        select f.flag, f.ticker, r.role
        from marts.risk_flags f
        cross join (select unnest(['open', 'close']) as role) r
        where (r.role = 'open' or f.closed_on is not null) and not exists (
            select 1 from marts.flag_evidence e
            where e.flag_episode_id = f.flag_episode_id and e.role = r.role
        )
        """
    ).fetchall()
    assert without == []
    # A rank is of everybody's bars: its row is the mart's.
    tables = con.execute(
        "select distinct table_name from marts.flag_evidence where table_name like 'raw.%'"
    ).fetchall()
    assert len(tables) >= 10
    others = con.execute(
        "select distinct table_name, column_name, row_id in "
        "(select ticker || '|' || session_date from marts.momentum_ranks) "
        "from marts.flag_evidence where table_name not like 'raw.%'"
    ).fetchall()
    assert others == [("marts.momentum_ranks", "momentum_percentile", True)]
    for (table,) in tables:
        lost = con.execute(
            f"select * from marts.flag_evidence where table_name = '{table}' "
            f"and row_id not in (select row_id from {table})"
        ).fetchall()
        assert lost == []


def named(con: duckdb.DuckDBPyConnection, flag: str, ticker: str, sql: str) -> set[Any]:
    """What the rows are, in their own table, that an episode names as its opening's evidence."""
    return set(
        con.execute(
            f"""
            with e as (
                select e.* from marts.flag_evidence as e inner join marts.risk_flags as f
                    on f.flag_episode_id = e.flag_episode_id
                where f.flag = ? and f.ticker = ? and e.role = 'open'
            )
            {sql}
            """,
            [flag, ticker],
        ).fetchall()
    )


def test_a_missed_report_names_its_announcement_and_the_bars_of_its_reaction(
    con: duckdb.DuckDBPyConnection,
) -> None:
    announced = named(
        con, "EARN_MISS", "MISS",
        "select cast(announced_from as date) from raw.earnings_dates semi join e using (row_id)",
    )  # fmt: skip
    assert announced == {(SESSIONS[100],)}
    bars = named(
        con, "EARN_MISS", "MISS",
        "select ticker, session_date, close = value from raw.prices inner join e using (row_id)",
    )  # fmt: skip
    days = [SESSIONS[n] for n in (35, 98, 99, 100, 101)]
    assert bars == {(ticker, day, True) for ticker in ("MISS", "BENCH") for day in days}


def test_a_crowded_buy_names_its_rank_and_the_bars_of_its_momentum(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rank = named(
        con, "CROWDED_BUY", "RISE17",
        "select row_id, value from e where table_name = 'marts.momentum_ranks'",
    )  # fmt: skip
    assert rank == {("RISE17|2025-01-31", 0.95)}
    bars = named(
        con, "CROWDED_BUY", "RISE17",
        "select session_date, close = value from raw.prices inner join e using (row_id)",
    )  # fmt: skip
    assert bars == {(date(2024, 1, 31), True), (date(2024, 12, 31), True)}


class Evidence:
    """The evidence of one role of an episode: numbers by table and column, days of sessions."""

    def __init__(
        self, rows: list[tuple[str, str, str, float | None]], own: str | None, days: list[date]
    ) -> None:
        self.rows, self.own, self.days = rows, own, days

    def of(self, column: str, *, own: bool | None = None) -> list[float]:
        """Values of a column: of all rows, of the observation's own, or of the others."""
        return [
            value
            for _, row_id, name, value in self.rows
            if name == column and value is not None and own in (None, row_id == self.own)
        ]

    def one(self, column: str, *, own: bool | None = None) -> float:
        [value] = self.of(column, own=own)
        return value

    def count(self, column: str) -> int:
        return len({row_id for _, row_id, name, _ in self.rows if name == column})


def ratio(e: Evidence) -> float:
    up, down = e.one("revisions_up_30d"), e.one("revisions_down_30d")
    return (up - down) / (up + down)


def drift(e: Evidence) -> float:
    return (e.one("eps_mean") - e.one("eps_90d_ago")) / abs(e.one("eps_90d_ago"))


def multiples(e: Evidence, *, own: bool) -> list[float]:
    prices, earnings = e.of("price", own=own), e.of("forward_eps", own=own)
    if prices:
        return [price / eps for price, eps in zip(prices, earnings, strict=True)]
    return e.of("forward_pe", own=own)


def above_own(e: Evidence) -> float:
    [mine] = multiples(e, own=True)
    before = multiples(e, own=False)
    return sum(other < mine for other in before) / len(before)


def dispersion(e: Evidence) -> float:
    return statistics.stdev(e.of("target")) / statistics.mean(e.of("target"))


def missed(e: Evidence) -> float:
    """Count the sessions from the first that is missing to the one observed."""
    first, last = min(e.days), max(e.days)
    return sum(first <= day <= last for day in SESSIONS)


# How the number in the message follows from the evidence beside it.
DERIVED: dict[str, Callable[[Evidence], float]] = {
    "eps_revision_ratio_30d": ratio,
    "eps_drift_90d": drift,
    "earnings_surprise": lambda e: e.one("surprise"),
    "forward_pe_percentile": above_own,
    "forward_pe_to_peers": lambda e: (
        multiples(e, own=True)[0] / statistics.median(multiples(e, own=False))
    ),
    "forward_eps": lambda e: e.one("forward_eps"),
    "short_share_of_float": lambda e: e.one("short_share_of_float"),
    "days_to_cover": lambda e: e.one("days_to_cover"),
    "short_growth_1m": lambda e: (
        e.one("shares_short", own=True) / e.one("shares_short", own=False) - 1
    ),
    "target_cv": dispersion,
    "target_high_to_low": lambda e: max(e.of("target")) / min(e.of("target")),
    "upside_median": lambda e: statistics.median(e.of("target")) / e.one("close") - 1,
    "firms_down_10d": lambda e: e.count("to_grade"),
    "missed_sessions": missed,
    # The first source tells 100 every day.
    "source_gap_60d": lambda e: max(abs(close / 100 - 1) for close in e.of("close")),
    "buy_share": lambda e: (
        (e.one("strong_buy") + e.one("buy"))
        / sum(e.one(name) for name in ("strong_buy", "buy", "hold", "sell", "strong_sell"))
    ),
}


def test_the_numbers_of_messages_follow_from_their_evidence(
    con: duckdb.DuckDBPyConnection,
) -> None:
    seen = set()
    for episode, metric, role, value, own in con.execute(
        """
        select e.flag_episode_id, e.metric, r.role,
            case r.role when 'open' then e.opening_value else e.newest_value end, o.row_id
        from staging.flag_episodes as e
        cross join (select unnest(['open', 'newest']) as role) as r
        inner join staging.flag_observations as o
            on o.flag = e.flag and o.kind = e.kind and o.ticker = e.ticker and o.metric = e.metric
            and o.observed_on = if(r.role = 'open', e.opened_on, e.newest_observed_on)
        where r.role = 'open' or e.newest_observed_on > e.opened_on
        """
    ).fetchall():
        if metric in DERIVED:
            told = con.execute(
                "select table_name, row_id, column_name, value from marts.flag_evidence "
                "where flag_episode_id = ? and role = ?",
                [episode, role],
            ).fetchall()
            days = con.execute(
                "select session_date from raw.sessions where row_id in "
                "(select row_id from marts.flag_evidence where flag_episode_id = ? and role = ?)",
                [episode, role],
            ).fetchall()
            evidence = Evidence(told, own, [day for (day,) in days])
            assert DERIVED[metric](evidence) == pytest.approx(value), (
                metric,
                role,
                told,
            )
            seen.add(metric)
    unopened = {"days_to_cover", "firms_down_10d", "target_high_to_low", "target_cv"}
    assert seen >= DERIVED.keys() - unopened


def test_a_date_that_has_passed_makes_no_flag_evaluable(con: duckdb.DuckDBPyConnection) -> None:
    [(status, until, reason)] = con.execute(
        "select status, evaluated_to, reason from marts.flag_coverage "
        "where ticker = 'SOON' and flag = 'EARN_SOON'"
    ).fetchall()
    # The date, its range of two days, and as long as holidays may hide that it has passed.
    assert (status, until) == ("not_evaluable", date(2025, 4, 4))
    assert reason == (
        "needs a date of the next report "
        "(last there on 2025-04-04; told are raw.earnings_dates up to 2025-03-03)"
    )


def test_coverage_is_that_of_its_conditions(con: duckdb.DuckDBPyConnection) -> None:
    differing = con.execute(
        """
        select ticker, flag, kind, bool_or(i.status = 'evaluated') as is_evaluated
        from marts.flag_inputs as i full join marts.flag_coverage as c using (ticker, flag, kind)
        group by ticker, flag, kind, c.status
        having (is_evaluated <> (c.status = 'evaluated')) is not false
        """
    ).fetchall()
    assert differing == []
    unsaid = con.execute(
        "select * from marts.flag_inputs where (status = 'missing') <> (reason is not null)"
    )
    assert unsaid.fetchall() == []


def test_a_price_that_is_missing_counts_in_its_base_rate(con: duckdb.DuckDBPyConnection) -> None:
    [(rate,)] = con.execute(
        "select base_rate from marts.flag_quality where flag = 'STALE_PRICE'"
    ).fetchall()
    opened = con.execute(
        """
        with days as (select session_date from raw.sessions where exchange = 'XNYS')
        select
            count(*) filter (f.opened_on <= d.session_date
                and (f.closed_on is null or f.closed_on > d.session_date)),
            count(*)
        from marts.flag_coverage as c
        inner join days as d on d.session_date between c.evaluated_from and ?
        left join marts.risk_flags as f on f.ticker = c.ticker and f.flag = c.flag
        where c.flag = 'STALE_PRICE'
        """,
        [date.fromisoformat(END[:10]) - timedelta(days=1)],
    ).fetchall()
    assert rate == pytest.approx(opened[0][0] / opened[0][1])
    assert 0 < rate < 1


@pytest.mark.parametrize(
    ("ticker", "flag", "message"),
    [
        (
            "DRIFT",
            "EPS_REV_NEG",
            "The estimate of this year's earnings fell 11 % in 90 days (flag from 10 %).",
        ),
        (
            "N2",
            "REG_ANTITRUST",
            "News of an antitrust case from 2 publishers (flag from 2; confidence 0.90).",
        ),
        (
            "AAPL",
            "VAL_PEER",
            "The forward multiple is 1.58 times the median of 5 peers (flag above 1.50); "
            "on 2025-03-05 1.33 times.",
        ),
    ],
)
def test_messages_say_their_numbers(
    con: duckdb.DuckDBPyConnection, ticker: str, flag: str, message: str
) -> None:
    told = con.execute(
        "select message from marts.risk_flags where ticker = ? and flag = ?", [ticker, flag]
    ).fetchall()
    assert told == [(message,)]


def test_no_message_leaves_a_gap(con: duckdb.DuckDBPyConnection) -> None:
    gaps = con.execute(
        "select message from marts.risk_flags where message is null "
        "or contains(message, '{') or contains(message, '(unknown)')"
    ).fetchall()
    assert gaps == []


def test_nothing_opens_after_the_end(con: duckdb.DuckDBPyConnection) -> None:
    newest = con.execute("select max(greatest(opened_on, closed_on)) from marts.risk_flags")
    assert newest.fetchall()[0][0] <= datetime.fromisoformat(END).date()
