"""The scorecard on awkward input: every blank cell is explained in marts.data_quality."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pandas as pd
import pytest

from tests.histories import Clock, build
from warehouse import store as store_module
from warehouse.settings import DATABASE
from warehouse.sources import Unit, calendars
from warehouse.store import Warehouse

# None means that no open flag has a severity and no higher close was ever seen: nothing is missing.
NOT_BLANKS = ("worst_severity", "highest_close_since")
OWN = (
    "name",
    "sector",
    "currency",
    "forward_pe",
    "forward_pe_peer_median",
    "news_count_30d",
    "news_sentiment_30d",
)
BARS = [date(2025, 4, day) for day in (7, 8, 9, 10, 11)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("scorecard")
    facts = {
        "securities": pd.DataFrame(
            {
                "ticker": ["BABA", "ADR", "NAMED"],
                "name": ["Alibaba", None, "Named"],
                "currency": ["USD", "USD", None],
            }
        ),
        "prices": pd.DataFrame(
            [(t, d, 10.0) for t in ("BABA", "BARE.QQ", "ADR", "LOSS") for d in BARS],
            columns=["ticker", "session_date", "close"],
        ),
        "ratings": pd.DataFrame(
            {"ticker": ["RATED"], "firm": "Hart", "graded_on": BARS[0], "to_grade": "Buy"}
        ),
        "consensus": pd.DataFrame({"ticker": ["SNAP"], "snapshot_date": BARS[0], "buy": 3}),
        "news": pd.DataFrame({"ticker": ["TOLD"], "title": "x", "published_at": BARS[0]}).assign(
            news_id="n"
        ),
        "valuations": pd.DataFrame(
            {
                "ticker": ["ADR", "LOSS", "BABA"],
                "valued_on": BARS[0],
                "price": 10.0,
                "forward_eps": [3.0, -1.0, None],
                "currency": "USD",
                "eps_currency": ["CNY", "USD", None],
            }
        ),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calendars, "FIRST_DAY", date(2024, 1, 1))
        patch.setattr(store_module, "_utc_now", Clock())
        with Warehouse(folder / DATABASE) as store:
            for table, frame in facts.items():
                assert store.append(table, frame, source="inbox").rejected == 0
            sessions = calendars.Calendars(store.con).sessions(Unit(ticker="XNYS"))
            store.append("sessions", sessions, source="exchange_calendars")
    build(folder, "+scorecard", "+data_quality")
    with duckdb.connect(str(folder / DATABASE), read_only=True) as con:
        yield con


def blanks(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    cards = con.sql("select * from marts.scorecard")
    return {
        (str(row[0]), column)
        for row in cards.fetchall()
        for column, value in zip(cards.columns, row, strict=True)
        if value is None and column not in NOT_BLANKS
    }


def explained(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], str]:
    rows = con.sql("select ticker, check_name, reason from marts.data_quality").fetchall()
    assert all(reason for *_, reason in rows if reason is not None)
    return {(ticker, check): reason for ticker, check, reason in rows}


def test_every_blank_of_its_own_is_explained_and_nothing_else(
    con: duckdb.DuckDBPyConnection,
) -> None:
    found = {
        (ticker, check.removeprefix("scorecard_"))
        for ticker, check in explained(con)
        if check.startswith("scorecard_")
    }
    assert {blank for blank in found if blank[1] not in ("momentum", "consensus")} == {
        blank for blank in blanks(con) if blank[1] in OWN
    }


def test_a_company_without_prices_or_opinions_says_so_once(con: duckdb.DuckDBPyConnection) -> None:
    reasons = explained(con)
    for ticker in ("RATED", "SNAP", "TOLD"):
        assert "no final bar is known" in reasons[ticker, "scorecard_momentum"]
        assert (ticker, "close") in blanks(con)
    assert "no price, rating or snapshot" in reasons["TOLD", "scorecard_consensus"]
    assert ("BABA", "scorecard_momentum") not in reasons
    assert ("RATED", "scorecard_consensus") not in reasons


def test_a_multiple_that_is_not_shown_has_its_reason(con: duckdb.DuckDBPyConnection) -> None:
    reasons = {t: why for (t, check), why in explained(con).items() if check.endswith("forward_pe")}
    assert "USD" in reasons["ADR"] and "CNY" in reasons["ADR"]
    assert "not positive" in reasons["LOSS"]
    assert "neither forward earnings nor a multiple" in reasons["BABA"]
    assert reasons["RATED"] == "no valuation is known"
