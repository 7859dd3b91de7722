"""What a day knew: marts as of it, from a store that ended there and from one that went on.

First on the sample, built by dbt; then on random histories with late, corrected and contradictory
facts, by the SQL that dbt compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestration import dbt
from tests.histories import Clock, Models, build, check_that_moments_last, empty
from warehouse import store as store_module
from warehouse.news.scorer import NewsScorer
from warehouse.settings import DATABASE, Home
from warehouse.sources import Unit, calendars
from warehouse.sources.calendars import Calendars, moment_before_next_open
from warehouse.sources.sample import Sample
from warehouse.store import Warehouse

DAY = date(2025, 8, 8)

pytestmark = pytest.mark.slow
SESSIONS = ("staging.stg_sessions", "staging.stg_calendar_days")


def built(path: Path, as_of: datetime, last_known_at: datetime | None) -> Home:
    """Store the sample as far as known at `last_known_at`, score its news, and build all marts."""
    home = Home(path)
    sample = Sample()
    with Warehouse(home.build) as warehouse:
        for table in sample.tables:
            frame = getattr(sample, table)()
            if last_known_at is not None:
                frame = frame[frame["known_at"] <= last_known_at]
            warehouse.append(table, frame, source=sample.name, load_id="one")
        calendars = Calendars(warehouse.con)
        for unit in calendars.pending("sessions"):
            frame = calendars.sessions(Unit(unit.ticker))
            warehouse.append("sessions", frame, source=calendars.name, load_id="one")
        scorer = NewsScorer(warehouse.con)
        for table in ("news_topics", "broker_calls", "news_signals"):
            for unit in scorer.pending(table):
                frame = getattr(scorer, table)(unit)
                warehouse.append(table, frame, source=scorer.name, load_id="one")
    bad = [
        node for node in dbt.build(dbt.prepare_manifest(), home, as_of=as_of) if not node.is_good
    ]
    assert not bad, [(node.name, node.message) for node in bad]
    return home


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    as_of = moment_before_next_open(DAY)
    then = built(tmp_path_factory.mktemp("then"), as_of, as_of)
    today = built(tmp_path_factory.mktemp("today"), as_of, None)
    con = duckdb.connect()
    con.execute(f"attach '{then.build}' as then_ (read_only)")
    con.execute(f"attach '{today.build}' as today (read_only)")
    return con


def marts(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'today' and schema_name = 'marts' order by 1"
    ).fetchall()
    return [row[0] for row in rows]


def test_more_was_stored_later(con: duckdb.DuckDBPyConnection) -> None:
    for table in ("prices", "ratings", "news"):
        then, today = (
            con.execute(f"select count(*) from {base}.raw.{table}").fetchall()[0][0]
            for base in ("then_", "today")
        )
        assert then < today


def test_every_mart_is_what_it_was_on_the_day(con: duckdb.DuckDBPyConnection) -> None:
    names = marts(con)
    assert len(names) >= 10
    for mart in names:
        then, today = (
            con.execute(f"select * from {base}.marts.{mart}").df() for base in ("then_", "today")
        )
        floats = list(then.select_dtypes("float"))
        order = [name for name in then if name not in floats] + floats
        # Parallel sums are not bit-stable.
        pd.testing.assert_frame_equal(
            then.sort_values(order, ignore_index=True),
            today.sort_values(order, ignore_index=True),
            rtol=1e-12,
            atol=1e-12,
            obj=mart,
        )


def test_nothing_in_the_marts_is_of_later(con: duckdb.DuckDBPyConnection) -> None:
    newest = dict(con.execute("select ticker, session_date from today.marts.momentum").fetchall())
    assert newest["BABA"] == DAY
    # Hong Kong closed its Monday before New York opened on it.
    assert newest["0700.HK"] == date(2025, 8, 11)
    graded = con.execute("select max(known_from) from today.marts.votes").fetchall()[0][0]
    assert graded <= moment_before_next_open(DAY)


def test_news_were_scored_and_explain_ratings(con: duckdb.DuckDBPyConnection) -> None:
    scored = con.execute(
        "select count(*) from today.marts.news_events "
        "where starts_with(scorer_version, 'terms_network-')"
    ).fetchall()[0][0]
    assert scored > 0
    assert con.execute("select count(*) from today.marts.news_event_ratings").fetchall()[0][0] > 0


def test_influence_is_measured_by_the_market_model(con: duckdb.DuckDBPyConnection) -> None:
    closes = con.execute(
        "select ticker, session_date, close from today.staging.stg_prices where is_final"
    ).df()
    by_ticker = {
        ticker: rows.set_index("session_date")["close"] for ticker, rows in closes.groupby("ticker")
    }
    benchmarks = dict(
        con.execute("select ticker, benchmark from today.staging.stg_universe").fetchall()
    )
    reports = con.execute(
        "select distinct ticker, announced_from::date as day from today.staging.stg_earnings_dates"
    ).df()
    told = con.execute("select * from today.staging.rating_reactions").df()
    measured = told.dropna(subset=["residual_volatility_63d", "abnormal_return_0_1"])
    assert len(measured) > 20
    for row in measured.itertuples():
        own, theirs = by_ticker[row.ticker], by_ticker[benchmarks[row.ticker]]
        pair = pd.DataFrame({"own": own, "theirs": theirs}).dropna().sort_index()
        growth = pair.to_numpy()[1:] / pair.to_numpy()[:-1]
        place = pair.index.get_loc(row.day_0) - 1
        window = growth[place - 64 : place - 1]
        _, residual, *_ = np.polyfit(window[:, 1], window[:, 0], 1, full=True)
        volatility = np.sqrt(residual[0] / 61)
        both_days = growth[place] * growth[place + 1]
        abnormal = both_days[0] - both_days[1]
        assert row.residual_volatility_63d == pytest.approx(volatility, rel=1e-6)
        assert row.abnormal_return_0_1 == pytest.approx(abnormal, rel=1e-9, abs=1e-12)
        days = reports[reports["ticker"] == row.ticker]["day"]
        is_near = (abs(days - row.day_0) <= pd.Timedelta(days=1)).any()
        is_more = abs(abnormal) > 1.96 * np.sqrt(2) * volatility
        if is_more and days.empty:
            assert pd.isna(row.is_influential)
        else:
            assert row.is_influential == (is_more and not is_near)


def test_every_blank_of_momentum_has_one_reason(con: duckdb.DuckDBPyConnection) -> None:
    momentum = con.execute("select * from today.marts.momentum").df().set_index("ticker")
    blanks = momentum.isna().stack()
    told = con.execute(
        "select ticker, check_name from today.marts.data_quality "
        "where starts_with(check_name, 'momentum_') and reason is not null"
    ).fetchall()
    wanted = [(ticker, f"momentum_{column}") for ticker, column in blanks[blanks].index]
    assert sorted(told) == sorted(wanted)
    assert len(wanted) > 50


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Models, Path]]:
    """Every model, and a store with nothing but sessions and seeds."""
    folder = tmp_path_factory.mktemp("random")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calendars, "FIRST_DAY", date(2024, 1, 1))
        patch.setattr(store_module, "_utc_now", Clock())
        with Warehouse(folder / DATABASE) as warehouse:
            for exchange in ("XNYS", "XHKG"):
                sessions = Calendars(warehouse.con).sessions(Unit(ticker=exchange))
                warehouse.append("sessions", sessions, source="exchange_calendars")
    target = build(folder, "resource_type:seed", "resource_type:model")
    yield (
        Models(target, "staging", "intermediate", "marts"),
        empty(folder / DATABASE, folder / "empty.duckdb"),
    )


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_every_mart_of_a_moment_is_the_same_when_more_is_stored_later(
    models: tuple[Models, Path], seed: int
) -> None:
    *_, last = check_that_moments_last(*models, seed, SESSIONS)
    assert all(last[f"marts.{mart}"] for mart in ("scorecard", "votes", "momentum_history"))
