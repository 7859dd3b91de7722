"""What flags see of prices, going on from its tables, equals the same made anew."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from tests.dbt_project import part
from tests.marts.test_momentum_incremental import EVENTS, Story, differences, story
from warehouse.settings import DBT_PROJECT

__all__ = ["story"]

CONDITION = ["flag", "kind", "metric", "ticker"]
TABLES = {
    "staging.known_bars": ["ticker", "session_date"],
    "staging.known_prices": ["ticker", "session_date"],
    "staging.flag_metrics_price": ["ticker", "session_date"],
    "staging.flag_metrics_liquidity": ["ticker", "session_date"],
    "staging.flag_observations": [*CONDITION, "observation"],
    "staging.flag_episodes": ["flag_episode_id"],
}
# Models whose metrics are not of prices: they have no rows here.
ABSENT = {
    "flag_metrics_analyst": ["session_date"],
    "flag_metrics_fundamentals": ["observed_on"],
    "flag_metrics_news": ["observed_on"],
    "flag_metrics_exposure": ["observed_on"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> dbt.Manifest:
    """The flags of prices and what they are made of, in place of all models."""
    columns = {"string": ["ticker", "metric", "table_name", "row_id", "column_name", "pit_quality"]}
    columns["double"] = ["value", "sample_count", "qualifier", "evidence_value"]
    columns["double"] += ["momentum_percentile", "analyst_count", "firm_count", "target_count"]
    text = (DBT_PROJECT / "models" / "intermediate" / "flag_metrics.sql").read_text()
    listed = text[text.index("set of_consensus") :]
    of_consensus = [
        line.split('"')[1] for line in listed.split("] -%}")[0].splitlines()[1:] if '"' in line
    ]
    columns["double"] += [*of_consensus, "target_changes_30d"]
    absent = {}
    for name, days in ABSENT.items():
        empty = [f"cast(null as {kind}) as {c}" for kind, of in columns.items() for c in of]
        empty += [f"cast(null as date) as {day}" for day in days]
        absent[name] = f"select {', '.join(empty)} where 1 = 0"
    models = [table.split(".")[1] for table in TABLES]
    return part(tmp_path_factory.mktemp("flags") / "part", models, absent)


@pytest.mark.slow
@pytest.mark.parametrize("story", [3, 4], indirect=True)
def test_what_goes_on_equals_what_is_made_anew(story: Story, tmp_path: Path) -> None:
    currencies = {"AAA": "USD", "BBB": "EUR", "CCC": "GBp", "DDD": "USD", "NEW": "EUR"}
    story.tell(
        "securities",
        [{"ticker": t, "currency": c, "exchange": "NYQ"} for t, c in currencies.items()],
    )
    story.tell("prices", story.start("EURUSD=X", 300))
    events = list(story.random.permutation(EVENTS))
    seen = set()
    for step in range(4):
        count = len(events) if step == 3 else int(story.random.integers(2, 5))
        happening, events = events[:count], events[count:]
        story.next_day(*happening)
        story.build()
        other = story.anew(tmp_path / f"anew{step}")
        assert differences(story.home, other, TABLES) == [], happening
        with duckdb.connect(str(story.home.build), read_only=True) as con:
            seen |= set(con.sql("select distinct flag from staging.flag_episodes").fetchall())
    assert events == []
    assert {("DD_DEEP",), ("GAP",), ("TREND_BREAK",), ("LIQ_LOW",)} <= seen


def test_only_what_changed_is_computed(story: Story) -> None:
    with duckdb.connect(str(story.home.build)) as con:
        con.execute("update staging.flag_metrics_price set rsi_14 = -1")
    story.next_day()
    story.build()
    with duckdb.connect(str(story.home.build), read_only=True) as con:
        [(anew, kept)] = con.sql(
            "select count(case when rsi_14 >= 0 then 1 end), count(case when rsi_14 < 0 then 1 end)"
            " from staging.flag_metrics_price"
        ).fetchall()
    assert 0 < anew <= 5 * 12
    assert kept == 5 * story.now - anew
