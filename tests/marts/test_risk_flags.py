"""Flag episodes against plain loops over the same facts, on random series and on real prices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from tests.dbt_project import invoke
from warehouse import store
from warehouse.sources import Unit
from warehouse.sources.calendars import Calendars
from warehouse.store import Warehouse

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
AS_OF = datetime(2026, 4, 11)

pytestmark = pytest.mark.slow
LAST_SESSION = date(2026, 4, 10)
SESSIONS = [
    stamp.date()
    for stamp in exchange_calendars.get_calendar("XNYS").sessions_in_range(
        "2024-06-03", LAST_SESSION.isoformat()
    )
]
Episode = tuple[str, date, date | None]


Bar = tuple[float, ...]
PRICES = ["open", "high", "low", "close", "volume"]


def around(close: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Return bars with these closes: openings that jump at times, volumes that are low or none."""
    jumps = np.where(rng.random(len(close)) < 0.02, 0.15, 0.01)
    opened = np.roll(close, 1) * np.exp(rng.normal(0, jumps))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    volume = np.exp(rng.normal(rng.uniform(8, 13), 1, len(close))).round()
    volume[rng.random(len(close)) < rng.choice([0.0, 0.1])] = 0
    return pd.DataFrame(
        {
            "open": opened,
            "high": top * np.exp(np.abs(rng.normal(0, 0.01, len(close)))),
            "low": bottom * np.exp(-np.abs(rng.normal(0, 0.01, len(close)))),
            "close": close,
            "volume": volume,
        }
    )


def random_bars() -> pd.DataFrame:
    """Return forty tickers of wild prices that skip sessions now and then."""
    rng = np.random.default_rng(7)
    frames = []
    for number in range(40):
        # Some rise for long, some are quiet but for two months.
        is_wild = np.arange(len(SESSIONS)) // 40 == 8
        scale = np.where(is_wild | (number % 4 > 0), 0.035, 0.01)
        close = 50 * np.exp(np.cumsum(rng.normal(rng.choice([-0.002, 0.0, 0.004]), scale)))
        if number % 10 == 9:
            close = close / 60
        kept = np.ones(len(SESSIONS), bool)
        for start in rng.integers(5, len(SESSIONS), rng.integers(0, 5)):
            kept[start : start + rng.integers(1, 9)] = False
        frames.append(around(close, rng).assign(ticker=f"R{number}", session_date=SESSIONS)[kept])
    return pd.concat(frames)


@dataclass(frozen=True)
class Version:
    """A telling of a bar: the number of its session, its prices, and from when it was known."""

    ticker: str
    session: int
    bar: Bar
    known_from: datetime


class Restless:
    """A feed that brings a history at once, then comes by day, late, restated, or not at all."""

    first_load = 300

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        schedule = exchange_calendars.get_calendar("XNYS").schedule
        schedule = schedule.loc[SESSIONS[0].isoformat() : LAST_SESSION.isoformat()]
        self.closes_at = list(schedule["close"].dt.tz_convert(None).dt.to_pydatetime())
        opens_at = list(schedule["open"].dt.tz_convert(None).dt.to_pydatetime())
        self.cut_offs = [*opens_at[1:], datetime(2026, 4, 13, 13, 30)]
        self.tellings: list[tuple[datetime, pd.DataFrame]] = []
        self.versions: list[Version] = []
        waiting: list[tuple[str, int, Bar]] = []
        stored: dict[tuple[str, int], Bar] = {}
        paths = {}
        for number in range(12):
            close = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, len(SESSIONS))))
            bars = around(close, rng)
            paths[f"T{number}"] = list(bars[PRICES].itertuples(index=False, name=None))
        for session in range(self.first_load, len(SESSIONS)):
            moment = datetime.combine(SESSIONS[session], time(22))
            told = []
            for ticker, path in paths.items():
                days = range(session + 1) if session == self.first_load else [session]
                told += [(ticker, day, path[day]) for day in days]
            # A quarter waits for another day; a feed that stops for a while waits whole.
            is_frozen = session % 60 in range(20, 26)
            is_late = rng.random(len(told)) < (0.25 if session > self.first_load else 0.02)
            late = [row for row, waits in zip(told, is_late, strict=True) if waits or is_frozen]
            told = [row for row in told if row not in late]
            told += [row for row in waiting if rng.random() < 0.3 and not is_frozen]
            waiting = [row for row in waiting if row not in told] + late
            for ticker, day in rng.permutation(list(stored))[:3] if stored else []:
                factors = rng.uniform(0.5, 2) * np.array([1, 1, 1, 1, rng.choice([0, 1])])
                bar = tuple(float(x) for x in np.array(stored[ticker, int(day)]) * factors)
                told.append((str(ticker), int(day), bar))
            for ticker, day, bar in told:
                is_first = session == self.first_load
                known_from = self.closes_at[day] + timedelta(minutes=15) if is_first else moment
                self.versions.append(Version(ticker, day, bar, known_from))
                stored[ticker, day] = bar
            rows = [(ticker, SESSIONS[day], *bar) for ticker, day, bar in told]
            frame = pd.DataFrame(rows, columns=["ticker", "session_date", *PRICES])
            self.tellings.append((moment, frame))

    def tell(self, warehouse: Warehouse) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for moment, frame in self.tellings:
                patch.setattr(store, "_utc_now", lambda moment=moment: moment)
                warehouse.append("prices", frame, source="inbox")

    def known(self, ticker: str, session: int) -> dict[int, Bar]:
        """Bars by session as known at the cut-off of one, whose own counts in any case."""
        bars: dict[int, Bar] = {}
        own = [v for v in self.versions if v.ticker == ticker and v.session == session]
        if own:
            bars[session] = own[0].bar
        for version in self.versions:
            if (
                version.ticker == ticker
                and version.session <= session
                and version.known_from <= self.cut_offs[session]
            ):
                bars[version.session] = version.bar
        return bars


def build(path: Path, bars: pd.DataFrame | str | Restless) -> duckdb.DuckDBPyConnection:
    with Warehouse(path) as warehouse:
        if isinstance(bars, Restless):
            bars.tell(warehouse)
        else:
            frame = warehouse.con.sql(bars) if isinstance(bars, str) else bars
            warehouse.append("prices", frame, source="inbox")
        warehouse.append(
            "securities",
            pd.DataFrame(
                [
                    ("R0", "NYQ", "USD", "CNY", "China"),
                    ("R1", "NYQ", "USD", "USD", "United States"),
                    ("R2", "HKG", "HKD", "CNY", "China"),
                ],
                columns=["ticker", "exchange", "currency", "financial_currency", "country"],
            ).assign(known_at="2024-06-01"),
            source="inbox",
        )
        # Told anew for another reason: the exposure began when it began.
        warehouse.append(
            "securities",
            pd.DataFrame([{"ticker": "R0", "shares_outstanding": 5, "known_at": "2026-03-02"}]),
            source="inbox",
        )
        warehouse.append("sessions", Calendars(warehouse.con).sessions(Unit("XNYS")), source="x")
        warehouse.append("sessions", Calendars(warehouse.con).sessions(Unit("XHKG")), source="x")
    models = ["--select", "+risk_flags", "+flag_evidence", "+flag_quality"]
    as_of = ["--vars", json.dumps({"as_of": str(AS_OF)})]
    invoke("build", path, path.parent / "dbt", *as_of, *models, "--exclude", "test_type:unit")
    return duckdb.connect(str(path), read_only=True)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with build(tmp_path_factory.mktemp("flags") / "bellwether.duckdb", random_bars()) as con:
        yield con


def episodes(con: duckdb.DuckDBPyConnection, flag: str) -> set[Episode]:
    return set(
        con.execute(
            "select ticker, opened_on, closed_on from marts.risk_flags where flag = ?", [flag]
        ).fetchall()
    )


def looped(rows: list[tuple[str, date, float]], enter: float, leave: float) -> set[Episode]:
    """Walk a series that falls into trouble: open at or below `enter`, close above `leave`."""
    found: set[Episode] = set()
    state: dict[str, date] = {}
    for ticker, day, value in sorted(rows):
        if ticker not in state and value <= enter:
            state[ticker] = day
        elif ticker in state and value > leave:
            found.add((ticker, state.pop(ticker), day))
    return found | {(ticker, day, None) for ticker, day in state.items()}


def drawdowns(con: duckdb.DuckDBPyConnection) -> list[tuple[str, date, float]]:
    """Return each close over the highest of the last 252, or of all there are."""
    bars = con.sql("select ticker, session_date, close from staging.stg_prices").df()
    bars = bars.sort_values(["ticker", "session_date"])
    high = bars.groupby("ticker")["close"].transform(lambda c: c.rolling(252, min_periods=1).max())
    published = {
        (ticker, day)
        for ticker, day in con.execute(
            """
            select ticker, session_date from marts.momentum_history
            where drawdown_252d is not null
            """
        ).fetchall()
    }
    rows = zip(bars["ticker"], bars["session_date"].dt.date, bars["close"] / high - 1, strict=True)
    return [row for row in rows if row[:2] in published]


def test_deep_drawdowns_on_random_series(simulated: duckdb.DuckDBPyConnection) -> None:
    found = episodes(simulated, "DD_DEEP")
    assert len(found) > 40
    assert found == looped(drawdowns(simulated), -0.25, -0.15)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data (../shared/data) are not here")
def test_price_flags_on_real_prices(tmp_path: Path) -> None:
    file = DATA / "prices" / "us_98_5y.parquet"
    bars = f"select * rename (date as session_date) from '{file}'"
    with build(tmp_path / "bellwether.duckdb", bars) as con:
        found = episodes(con, "DD_DEEP")
        assert len(found) > 300
        assert found == looped(drawdowns(con), -0.25, -0.15)
        some = con.sql("select distinct ticker from staging.stg_prices order by 1").fetchall()[::4]
        bars = con.sql("select * from staging.stg_prices").df()
        bars["session_date"] = bars["session_date"].dt.date
        plain = expected(seen_plainly(bars[bars["ticker"].isin([ticker for (ticker,) in some])]))
        for flag, wanted in plain.items():
            of_some = {episode for episode in episodes(con, flag) if (episode[0],) in some}
            assert of_some == wanted, flag
        assert all(plain[flag] for flag in ("VOL_REGIME", "GAP", "OVEREXTENDED", "TREND_BREAK"))


def test_stale_prices(simulated: duckdb.DuckDBPyConnection) -> None:
    expected: set[Episode] = set()
    place = {day: number for number, day in enumerate(SESSIONS)}
    for ticker, bars in random_bars().groupby("ticker"):
        days = list(bars["session_date"])
        for day, following in zip(days, [*days[1:], None], strict=True):
            reached = len(SESSIONS) if following is None else place[following]
            if reached - place[day] - 1 >= 3:
                expected.add((str(ticker), SESSIONS[place[day] + 3], following))
    # R2 trades in Hong Kong, whose sessions these are not.
    assert {e for e in episodes(simulated, "STALE_PRICE") if e[0] != "R2"} == {
        e for e in expected if e[0] != "R2"
    }
    assert len(expected) > 30


@pytest.fixture(scope="module")
def restless() -> Restless:
    return Restless()


@pytest.fixture(scope="module")
def retold(
    tmp_path_factory: pytest.TempPathFactory, restless: Restless
) -> Iterator[duckdb.DuckDBPyConnection]:
    with build(tmp_path_factory.mktemp("restless") / "bellwether.duckdb", restless) as con:
        yield con


def test_drawdowns_are_those_of_the_bars_known_on_their_session(
    restless: Restless, retold: duckdb.DuckDBPyConnection
) -> None:
    rows = []
    for ticker, session in {(v.ticker, v.session) for v in restless.versions}:
        bars = restless.known(ticker, session)
        last = [bars[day][3] for day in sorted(bars)][-252:]
        rows.append((ticker, SESSIONS[session], last[-1] / max(last) - 1))
    found = retold.sql(
        "select ticker, observed_on, value from staging.flag_metrics where metric = 'drawdown_252d'"
    ).fetchall()
    assert {row[:2]: row[2] for row in found} == pytest.approx(
        {row[:2]: row[2] for row in rows}, rel=1e-9, abs=1e-12
    )
    assert episodes(retold, "DD_DEEP") == looped(rows, -0.25, -0.15)
    now = retold.sql(
        "select count(*) from staging.flag_metrics as f join marts.momentum_history as m "
        "on m.ticker = f.ticker and m.session_date = f.observed_on "
        "where metric = 'drawdown_252d' and abs(value - drawdown_252d) > 1e-9"
    ).fetchall()
    assert now[0][0] > 100, "the history of now would have done"


def test_prices_are_stale_where_none_was_known_on_the_session(
    restless: Restless, retold: duckdb.DuckDBPyConnection
) -> None:
    rows = []
    for ticker in {version.ticker for version in restless.versions}:
        firsts: dict[int, datetime] = {}
        for version in restless.versions:
            if version.ticker == ticker:
                firsts.setdefault(version.session, version.known_from)
        for day in range(min(firsts), len(SESSIONS)):
            known = [s for s, at in firsts.items() if s <= day and at <= restless.cut_offs[day]]
            if known:
                rows.append((ticker, SESSIONS[day], -(day - max(known))))
    found = episodes(retold, "STALE_PRICE")
    assert found == looped(rows, -3, -1)
    assert len(found) > 15


def test_evidence_of_a_drawdown_was_known_when_it_opened(
    restless: Restless, retold: duckdb.DuckDBPyConnection
) -> None:
    cut_offs = dict(zip(SESSIONS, restless.cut_offs, strict=True))
    rows = retold.sql(
        """
        select f.opened_on, f.observed_value, max(e.value), min(e.value),
            max(p.known_at) filter (where p.session_date < f.opened_on)
        from marts.risk_flags f join marts.flag_evidence e using (flag_episode_id)
        join raw.prices p on p.row_id = e.row_id and p.close = e.value
        where f.flag = 'DD_DEEP' and e.role = 'open' group by all
        """
    ).fetchall()
    assert len(rows) > 10
    first_load = restless.tellings[0][0]
    for opened_on, observed, high, low, known_at in rows:
        assert low / high - 1 == pytest.approx(observed)
        # The session's own bar is evidence also where it came late.
        assert known_at <= max(cut_offs[opened_on], first_load)


def test_exposures_are_not_events(simulated: duckdb.DuckDBPyConnection) -> None:
    rows = simulated.sql(
        "select flag, ticker, kind from marts.risk_flags where flag in ('FX_EXPOSURE', 'ADR_HFCAA')"
    ).fetchall()
    began = simulated.sql(
        "select min(opened_on), max(opened_on) from marts.risk_flags where flag = 'FX_EXPOSURE'"
    )
    assert began.fetchall() == [(SESSIONS[0], SESSIONS[0])]
    assert set(rows) == {
        ("FX_EXPOSURE", "R0", "exposure"),
        ("FX_EXPOSURE", "R2", "exposure"),
        ("ADR_HFCAA", "R0", "exposure"),
    }


def test_every_episode_has_evidence_that_exists(simulated: duckdb.DuckDBPyConnection) -> None:
    missing = simulated.sql(
        """
        select flag_episode_id from marts.risk_flags
        where flag_episode_id not in (
            select flag_episode_id from marts.flag_evidence where role = 'open'
        )
        """
    ).fetchall()
    assert missing == []
    for (table,) in simulated.sql("select distinct table_name from marts.flag_evidence").fetchall():
        assert (
            simulated.sql(
                f"""
            select row_id from marts.flag_evidence
            where table_name = '{table}' and row_id not in (select row_id from {table})
            """
            ).fetchall()
            == []
        )


def test_coverage_says_what_could_not_be_judged(simulated: duckdb.DuckDBPyConnection) -> None:
    rows = simulated.sql(
        "select flag, status, reason from marts.flag_coverage where ticker = 'R5' order by flag"
    ).fetchall()
    judged = {flag for flag, status, _ in rows if status == "evaluated"}
    of_prices = {"DD_DEEP", "DELIST_RISK", "GAP", "LIQ_LOW", "OVEREXTENDED", "STALE_PRICE"}
    assert judged == of_prices | {"TREND_BREAK", "VOL_REGIME", "DATA_QUALITY"}
    assert (len(rows), len({flag for flag, *_ in rows})) == (31, 30)
    assert all(reason for _, status, reason in rows if status == "not_evaluable")


def wilder(values: list[float]) -> float:
    """Return the average of all but the first value, seeded with the mean of fourteen."""
    average = sum(values[1:15]) / 14
    for value in values[15:]:
        average = (13 * average + value) / 14
    return average


def measured(sessions: list[int], bars: list[Bar]) -> dict[str, float | None]:
    """Return what is watched of the newest of these bars, of itself alone."""
    opened, high, low, close, volume = np.array(bars).T
    count = len(close)
    is_step = np.append(False, np.diff(sessions) <= 11)
    steps = np.append(np.nan, np.diff(np.log(close)))
    steps[~is_step] = np.nan
    recent = steps[-21:][~np.isnan(steps[-21:])]
    moves = np.append(0, np.diff(close))
    before = np.append(close[0], close[:-1])
    ranges = np.maximum(high, before) - np.minimum(low, before)
    found: dict[str, float | None] = {
        "close": close[-1],
        "drawdown": close[-1] / close[-252:].max() - 1,
        "sma": close[-200:].mean() if count >= 200 else None,
        "volatility": recent.std(ddof=1) * np.sqrt(252) if len(recent) >= 17 else None,
        "rsi": None,
        "atr": wilder(list(ranges)) / close[-1] if count >= 15 else None,
        "gap": abs(opened[-1] / close[-2] - 1) if is_step[-1] else None,
        "turnover": float(np.median((close * volume)[-60:])) / 1e6 if count >= 60 else None,
        "untraded": float((volume[-60:] == 0).mean()) if count >= 60 else None,
    }
    if count >= 150:
        gain, loss = wilder(list(np.maximum(moves, 0))), wilder(list(np.maximum(-moves, 0)))
        found["rsi"] = 100 * gain / (gain + loss)
    return found


@dataclass(frozen=True)
class Watched:
    """What a flag sees on a session: whether it is entered and left; None where it sees nothing."""

    entered: bool
    left: bool


def watched(days: list[dict[str, float | None]]) -> dict[str, Watched | None]:
    """Return what the flags of prices see on the newest of these days, each as it was known."""
    today = days[-1]
    seen: dict[str, Watched | None] = {}

    def see(flag: str, value: Any, entered: Any, left: Any) -> None:
        seen[flag] = None if value is None else Watched(bool(entered(value)), bool(left(value)))

    see("DD_DEEP", today["drawdown"], lambda x: x <= -0.25, lambda x: x > -0.15)
    volatilities = [d["volatility"] for d in days[-756:] if d["volatility"] is not None]
    ratio = None
    if today["volatility"] is not None and len(volatilities) >= 252:
        ratio = today["volatility"] / np.median(volatilities)
    see(
        "VOL_REGIME",
        ratio,
        lambda x: x > 2 and today["volatility"] > np.quantile(volatilities, 0.9),
        lambda x: x < 1.4,
    )
    size = None
    if today["gap"] is not None and len(days) > 1 and days[-2]["atr"]:
        size = today["gap"] / days[-2]["atr"]
    is_gap = size is not None and size > 3 and today["gap"] is not None and today["gap"] > 0.04
    see("GAP", size, lambda _: is_gap, lambda _: not is_gap)
    sma, close = today["sma"], today["close"]
    assert close is not None
    see(
        "OVEREXTENDED",
        today["rsi"] if sma is not None else None,
        lambda x: x > 80 and close > 1.3 * sma,
        lambda x: x < 65,
    )
    sides = [None if d["sma"] is None else bool(d["close"] < d["sma"]) for d in days]  # type: ignore[operator]
    below = above = 0
    while below < len(sides) and sides[-1 - below] is True:
        below += 1
    while below + above < len(sides) and sides[-1 - below - above] is False:
        above += 1
    see(
        "TREND_BREAK",
        None if sma is None else below,
        lambda x: x >= 5 and above >= 60,
        lambda x: x == 0,
    )
    see("turnover", today["turnover"], lambda x: x < 1, lambda x: x > 1.5)
    see("untraded", today["untraded"], lambda x: x > 0.1, lambda x: x <= 0.1)
    cheap = max(d["close"] for d in days[-30:]) if len(days) >= 30 else None  # type: ignore[type-var]
    see("DELIST_RISK", cheap, lambda x: x < 1, lambda x: x >= 1)
    return seen


PATIENCE = {"GAP": 5, "TREND_BREAK": 5, "DELIST_RISK": 10}


def walked(rows: dict[date, Watched | None], patience: int) -> list[tuple[date, date | None]]:
    """Walk one ticker's sessions: open where entered, close when left so many times in a row."""
    found: list[tuple[date, date | None]] = []
    opened, quiet = None, 0
    for day, seen in sorted(rows.items()):
        if seen is None:
            continue
        quiet = quiet + 1 if seen.left else 0
        if opened is None and seen.entered:
            opened = day
        elif opened is not None and quiet >= patience:
            found.append((opened, day))
            opened = None
    return found if opened is None else [*found, (opened, None)]


def united(spans: list[tuple[date, date | None]]) -> list[tuple[date, date | None]]:
    """Join spans that meet: a flag is open while one of its conditions is."""
    whole: list[tuple[date, date | None]] = []
    for opened, closed in sorted(spans, key=lambda span: (span[0], span[1] or date.max)):
        if whole and opened <= (whole[-1][1] or date.max):
            end = max(whole[-1][1] or date.max, closed or date.max)
            whole[-1] = (whole[-1][0], None if end == date.max else end)
        else:
            whole.append((opened, closed))
    return whole


def expected(seen: dict[str, dict[date, dict[str, Watched | None]]]) -> dict[str, set[Episode]]:
    """Return the episodes of each flag, from what is seen by ticker and session."""
    found: dict[str, set[Episode]] = {}
    for ticker, days in seen.items():
        for flag in next(iter(days.values())):
            if flag == "untraded":
                continue
            names = ["turnover", "untraded"] if flag == "turnover" else [flag]
            spans = [
                span
                for name in names
                for span in walked(
                    {day: one[name] for day, one in days.items()}, PATIENCE.get(name, 1)
                )
            ]
            code = "LIQ_LOW" if flag == "turnover" else flag
            found.setdefault(code, set()).update((ticker, *span) for span in united(spans))
    return found


def seen_plainly(bars: pd.DataFrame) -> dict[str, dict[date, dict[str, Watched | None]]]:
    """What is seen of bars that came once, each on its day."""
    place = {day: number for number, day in enumerate(sorted(set(bars["session_date"])))}
    seen: dict[str, dict[date, dict[str, Watched | None]]] = {}
    for ticker, own in bars.sort_values("session_date").groupby("ticker"):
        sessions = [place[day] for day in own["session_date"]]
        rows = list(own[PRICES].itertuples(index=False, name=None))
        days: list[dict[str, float | None]] = []
        seen[str(ticker)] = {}
        for number, day in enumerate(own["session_date"]):
            first = max(0, number - 520)
            days.append(measured(sessions[first : number + 1], rows[first : number + 1]))
            seen[str(ticker)][day] = watched(days)
    return seen


def test_price_flags_on_random_series(simulated: duckdb.DuckDBPyConnection) -> None:
    bars = random_bars()
    plain = expected(seen_plainly(bars[bars["ticker"] != "R2"]))
    for flag, wanted in plain.items():
        found = {episode for episode in episodes(simulated, flag) if episode[0] != "R2"}
        assert found == wanted, flag
        assert len(wanted) >= 3, flag
        assert any(closed for _, _, closed in wanted), flag


def test_price_flags_are_those_of_the_bars_known_on_their_session(
    restless: Restless, retold: duckdb.DuckDBPyConnection
) -> None:
    tickers = [f"T{number}" for number in range(6)]
    firsts: dict[tuple[str, int], datetime] = {}
    for version in restless.versions:
        firsts.setdefault((version.ticker, version.session), version.known_from)
    seen: dict[str, dict[date, dict[str, Watched | None]]] = {}
    for ticker in tickers:
        own = sorted(session for name, session in firsts if name == ticker)
        days = {}
        for session in own:
            known = restless.known(ticker, session)
            days[session] = measured(sorted(known), [known[day] for day in sorted(known)])
        seen[ticker] = {
            SESSIONS[session]: watched(
                [
                    days[day]
                    for day in own
                    if day <= session
                    and (day == session or firsts[ticker, day] <= restless.cut_offs[session])
                ]
            )
            for session in own
        }
    for flag, wanted in expected(seen).items():
        found = {episode for episode in episodes(retold, flag) if episode[0] in tickers}
        assert found == wanted, flag
    assert all(episodes(retold, flag) for flag in ("DD_DEEP", "GAP", "LIQ_LOW", "OVEREXTENDED"))
