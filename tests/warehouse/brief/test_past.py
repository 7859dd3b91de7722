"""What the history tables answer is what the time machine does, and they say where they cannot."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.brief.conftest import PAST, published_copy
from warehouse import publish
from warehouse.brief.changes import changes
from warehouse.claims.verify import check
from warehouse.past import HISTORY, PUBLISHED, TIME_MACHINE, answer, history
from warehouse.settings import Home
from warehouse.sources.calendars import moment

ARTICLE = """Alibaba shares rose 3%. Shares climbed over 13% in the last month.
The stock is up 24% in 2025. The stock closed at $104.07. The RSI stands at 45.
A consensus "Buy" rating. Covered by over 30 analysts. There are no Sell calls.
Targets cluster around $150-$165. The average price target is $160. It implies 40% upside.
Volume was 1.2 times its average. Its beta is 0.8. It is above its 200-day moving average.
CLSA: Outperform, $165 target. Nomura: Buy, $170 target. The 60-day volatility is 30%.
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(as_of: str) -> datetime:
    return datetime.fromisoformat(as_of)


def test_changes_by_the_histories_are_those_by_the_time_machine(
    sample: Home, past: Path, marts: duckdb.DuckDBPyConnection, shown: datetime
) -> None:
    tickers = [t for (t,) in marts.execute("select ticker from marts.scorecard").fetchall()]
    ways = {ticker: answer(marts, shown, PAST, ticker) for ticker in tickers}
    by_history = [ticker for ticker, told in ways.items() if told.way == HISTORY]
    assert len(by_history) > 25 and "BABA" in by_history
    # Its exchange was in session, or it had ceased to trade.
    assert {ways[t].way for t in ("SHEL.L", "ZZGONE")} == {TIME_MACHINE}
    with publish.reading(sample, past) as then:
        for ticker in by_history:
            with history(sample.published.resolve(), PAST, ticker) as before:
                found = changes(before, marts, ticker, PAST, is_same_basis=True)
            told = changes(then, marts, ticker, PAST)
            assert [one.text for one in found] == [one.text for one in told], ticker
            for one, other in zip(found, told, strict=True):
                assert near(one.before, other.before), (ticker, one.text)
                assert rows(one.evidence) == rows(other.evidence), ticker


def near(one: Any, other: Any) -> bool:
    is_number = isinstance(one, float) and isinstance(other, float)
    return bool(one == (pytest.approx(other, rel=1e-9) if is_number else other))


def rows(evidence: Any) -> list[tuple[Any, ...]]:
    return [(cell.table, cell.row_id, cell.key, cell.column) for cell in evidence]


def test_an_article_is_judged_as_by_the_marts_of_its_day(
    sample: Home, past: Path, marts: duckdb.DuckDBPyConnection, shown: datetime
) -> None:
    told = check(marts, ARTICLE, newest=shown, ticker="BABA", published_at="2025-08-01")
    with publish.reading(sample, past) as then:
        again = check(then, ARTICLE, newest=PAST, ticker="BABA", published_at="2025-08-01")
    assert told["answered_by"]["way"] == HISTORY
    assert len(told["claims"]) >= 15
    for one, other in zip(told["claims"], again["claims"], strict=True):
        assert (one["text"], one["verdict"], one["basis"]) == (
            other["text"], other["verdict"], other["basis"],
        )  # fmt: skip
        assert near(one["found"], other["found"]), one


def test_a_bar_restated_since_is_for_the_time_machine(
    sample: Home, marts: duckdb.DuckDBPyConnection, shown: datetime, past: Path
) -> None:
    """BABA's close of 18 March 2025 was corrected two days later."""
    told = answer(marts, shown, moment("2025-03-18"), "BABA")
    assert told == (TIME_MACHINE, "the bar of BABA of 2025-03-18 was restated since")
    assert answer(marts, shown, moment("2025-03-20"), "BABA").way == HISTORY
    asked: list[tuple[datetime, str]] = []

    def opened(known_by: datetime, why: str) -> duckdb.DuckDBPyConnection:
        asked.append((known_by, why))
        return marts

    text = "The RSI stands at 45. The stock closed at $166.69."
    told_then = check(
        marts, text, newest=shown, ticker="BABA", published_at="2025-03-18", past=opened
    )
    assert asked == [(moment("2025-03-18"), told.reason)]
    assert told_then["answered_by"] == {"way": TIME_MACHINE, "reason": told.reason}
    alone = check(marts, text, newest=shown, ticker="BABA", published_at="2025-03-18")
    assert [c["reason"] for c in alone["claims"]] == ["restated_since", None]


def test_only_prices_told_anew_count(sample: Home, shown: datetime, tmp_path: Path) -> None:
    """A volume mended a day later leaves a moment to the histories; a close does not."""
    home = published_copy(sample, tmp_path / "mended")
    with duckdb.connect(str(home.published.resolve())) as con:

        def tell_again(column: str) -> str:
            con.execute("begin")
            con.execute(
                """
                insert into staging.stg_price_versions by name
                select row_id, source, ticker, session_date, open, high, low, close, volume,
                    split_factor, is_final, 1 as source_priority, known_at, known_from,
                    $later as superseded_at
                from staging.stg_prices where ticker = 'JD' and session_date = '2025-07-15'
                """,
                {"later": PAST + timedelta(days=1)},
            )
            con.execute(
                f"""
                update staging.stg_prices set {column} = {column} * 1.5, known_from = $later
                where ticker = 'JD' and session_date = '2025-07-15'
                """,
                {"later": PAST + timedelta(days=1)},
            )
            told = answer(con, shown, PAST, "BABA")
            con.execute("rollback")
            return told.reason if told.way == TIME_MACHINE else told.way

        assert tell_again("volume") == HISTORY
        assert tell_again("close") == "the bar of JD of 2025-07-15 was restated since"


def test_the_present_needs_no_other_marts(
    marts: duckdb.DuckDBPyConnection, shown: datetime
) -> None:
    assert answer(marts, shown, shown).way == PUBLISHED
    assert answer(marts, shown, shown - timedelta(minutes=1)).way == PUBLISHED
    day_before = answer(marts, shown, shown - timedelta(days=1))
    assert (day_before.way, bool(day_before.reason)) == (TIME_MACHINE, True)
    # The sample was stored long after the moment it shows.
    assert answer(marts, shown, shown + timedelta(seconds=1)).way == TIME_MACHINE
