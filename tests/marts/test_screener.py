"""The recipes of docs/screener.md run on the sample, and answer what their titles ask."""

from __future__ import annotations

import re

import duckdb
import pandas as pd
import pytest

from warehouse import publish
from warehouse.settings import PROJECT, Home

GUIDE = (PROJECT / "docs" / "screener.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^## (\d+)\. .*?^```sql\n(.*?)^```", GUIDE, flags=re.DOTALL | re.MULTILINE)


def answer(home: Home, recipe: str) -> pd.DataFrame:
    with publish.reading(home) as con:
        told: pd.DataFrame = con.execute(recipe).df()
        return told


@pytest.mark.parametrize(("number", "recipe"), RECIPES, ids=[number for number, _ in RECIPES])
def test_a_recipe_finds_tickers_of_the_sample(sample: Home, number: str, recipe: str) -> None:
    told = answer(sample, recipe)
    assert len(told) > 0
    assert told["ticker"].notna().all()


def test_there_are_ten() -> None:
    assert [number for number, _ in RECIPES] == [str(n) for n in range(1, 11)]


def test_a_ticker_that_stopped_trading_is_the_best_of_no_sector(sample: Home) -> None:
    best = answer(sample, dict(RECIPES)["7"])
    with publish.reading(sample) as con:
        cards = con.execute("from marts.scorecard").df()
    newest = cards["session_date"].max()
    is_trading = cards["session_date"] > newest - pd.Timedelta(days=7)
    trading = cards[is_trading & cards["return_12m"].notna()]
    assert not is_trading.all()
    wanted = trading.groupby("sector")["return_12m"].max()
    pd.testing.assert_series_equal(
        best.set_index("sector")["return_12m"].sort_index(), wanted.sort_index()
    )


def test_the_past_screen_shows_what_was_known_then(sample: Home) -> None:
    told = answer(sample, dict(RECIPES)["10"])
    with duckdb.connect(str(sample.published.resolve()), read_only=True) as con:
        closes = con.execute(
            "select ticker, close from marts.momentum_history where session_date = '2025-08-01'"
        ).df()
    joined = told.merge(closes, on="ticker", suffixes=("", "_own"))
    assert (joined["close"] == joined["close_own"]).all()
    assert (told["upside_median"] > 0.05).all()
