"""Flag episodes against plain loops over the same facts, on random series and on real prices."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import exchange_calendars
import numpy as np
import pandas as pd
import pytest
from dbt.cli.main import dbtRunner

from warehouse.settings import DBT_PROJECT
from warehouse.sources import Unit
from warehouse.sources.calendars import Calendars
from warehouse.store import Warehouse

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
AS_OF = datetime(2026, 4, 11)
LAST_SESSION = date(2026, 4, 10)
SESSIONS = [
    stamp.date()
    for stamp in exchange_calendars.get_calendar("XNYS").sessions_in_range(
        "2024-06-03", LAST_SESSION.isoformat()
    )
]
Episode = tuple[str, date, date | None]


def random_bars() -> pd.DataFrame:
    """Return forty tickers of wild prices that skip sessions now and then."""
    rng = np.random.default_rng(7)
    frames = []
    for number in range(40):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.035, len(SESSIONS))))
        kept = np.ones(len(SESSIONS), bool)
        for start in rng.integers(5, len(SESSIONS), rng.integers(0, 5)):
            kept[start : start + rng.integers(1, 9)] = False
        frames.append(
            pd.DataFrame({"ticker": f"R{number}", "session_date": SESSIONS, "close": close})[kept]
        )
    return pd.concat(frames)


def build(path: Path, bars: pd.DataFrame | str) -> duckdb.DuckDBPyConnection:
    with Warehouse(path) as warehouse:
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
    os.environ["BELLWETHER_BUILD"] = str(path)
    folder = str(path.parent / "dbt")
    project = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    paths = ["--target-path", folder, "--log-path", folder]
    models = ["--select", "+risk_flags", "+flag_evidence", "+flag_coverage"]
    as_of = ["--vars", json.dumps({"as_of": str(AS_OF)})]
    done = dbtRunner().invoke(
        ["build", "-q", *project, *paths, *as_of, *models, "--exclude", "test_type:unit"]
    )
    assert done.success, done.exception or [
        (r.node.name, r.message) for r in done.result if r.status in ("error", "fail")
    ]
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
def test_deep_drawdowns_on_real_prices(tmp_path: Path) -> None:
    file = DATA / "prices" / "us_98_5y.parquet"
    bars = f"select * rename (date as session_date) from '{file}'"
    with build(tmp_path / "bellwether.duckdb", bars) as con:
        found = episodes(con, "DD_DEEP")
        assert len(found) > 300
        assert found == looped(drawdowns(con), -0.25, -0.15)


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
    assert [(flag, status) for flag, status, _ in rows] == [
        ("ADR_HFCAA", "not_evaluable"),
        ("DD_DEEP", "evaluated"),
        ("FX_EXPOSURE", "not_evaluable"),
        ("STALE_PRICE", "evaluated"),
    ]
    assert all(reason for _, status, reason in rows if status == "not_evaluable")
