"""A past moment is shown beside the present, which stays as it is; and what changed since."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.time_machine import database
from tests.warehouse.brief.conftest import PAST
from warehouse import publish
from warehouse.brief.changes import changes
from warehouse.brief.compose import compose
from warehouse.errors import HomeError
from warehouse.settings import Home


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_past_brief_knows_nothing_later(sample: Home, past: Path) -> None:
    with publish.reading(sample, past) as con:
        brief = compose(con, "BABA", PAST.isoformat(sep=" "))
        evidence = [c for p in brief.sections for s in p.sentences for c in s.evidence]
        leaves = [cell for cell in evidence if cell.is_raw]
        assert len(leaves) > 50
        for cell in leaves:
            told = con.execute(
                f"select known_at from {cell.table} where row_id = ?", [cell.row_id]
            ).fetchall()
            assert told[0][0] <= PAST or cell.table == "raw.securities", cell
    said = "\n".join(s.text for p in brief.sections for s in p.sentences)
    assert "on 2025-08-01" in said and "2025-09" not in said and "Qwen" not in said


def test_it_is_built_once_and_the_present_stays_as_it_is(sample: Home, past: Path) -> None:
    before = (digest(sample.published.resolve()), digest(sample.build), past.stat().st_mtime_ns)
    assert database(sample, PAST) == past
    after = (digest(sample.published.resolve()), digest(sample.build), past.stat().st_mtime_ns)
    assert before == after
    assert {path.name for path in past.parent.parent.iterdir()} == {past.parent.name}
    with publish.reading(sample) as con:
        (newest,) = con.execute("select max(session_date) from marts.momentum").fetchone()
    assert newest == date(2025, 9, 24)


def test_a_home_without_anything_published_is_refused(home: Home) -> None:
    with pytest.raises(HomeError, match="Nothing is published"):
        database(home, PAST)


def test_what_changed_is_what_was_told_since(
    sample: Home, past: Path, marts: duckdb.DuckDBPyConnection
) -> None:
    with publish.reading(sample, past) as before:
        found = changes(before, marts, "BABA", PAST)
        assert changes(before, before, "BABA", PAST) == []
    assert {change.kind for change in found} == {"Votes", "Consensus", "Price", "Risk flags"}
    votes = {change.text.split(":")[0]: change for change in found if change.kind == "Votes"}
    # Every firm of which a call became known since, by the raw tables alone.
    told = {
        firm
        for (firm,) in marts.execute(
            """
            select firm from raw.ratings where ticker = 'BABA' and known_at > $since
            union
            select firm from raw.broker_calls
            where ticker = 'BABA' and known_at > $since and not is_soft
            """,
            {"since": PAST},
        ).fetchall()
    }
    assert {"CLSA", "Nomura", "Goldman Sachs"} <= told
    assert {"CLSA", "Nomura", "Goldman Sachs"} <= set(votes)
    assert (
        votes["CLSA"].text == "CLSA: Outperform, 165.00 USD → Outperform, 200.00 USD on 2025-09-24"
    )
    rows = [cell.row_id for cell in votes["CLSA"].evidence if cell.is_raw]
    targets = marts.execute(
        "select target from raw.ratings where list_contains(?, row_id) order by target", [rows]
    ).fetchall()
    assert targets == [(165.0,), (200.0,)]
    close = next(change for change in found if change.text.startswith("Close:"))
    assert (close.before, close.after) == (104.07, 163.0)
    assert [c.value for c in close.evidence if c.is_raw] == [104.07, 163.0]
    (rank,) = [c for c in found if c.text.startswith("Percentile of 12-1 momentum")]
    counts = [c.value for c in rank.evidence if c.column == "universe_count"]
    momenta = [c.value for c in rank.evidence if c.column == "momentum_12_1"]
    assert f"companies ranked: {counts[0]} → {counts[1]}" in rank.text
    assert f"its own momentum: {momenta[0]:.1%} → {momenta[1]:.1%}".replace("%", " %") in rank.text
    # The bars of its window that were known before did not open it.
    (opened,) = [c for c in found if c.text.startswith("OVEREXTENDED of")]
    bars = [cell.row_id for cell in opened.evidence if cell.table == "raw.prices"]
    days = marts.execute(
        "select min(session_date) from raw.prices where list_contains(?, row_id)", [bars]
    ).fetchall()
    assert bars and days[0][0] >= PAST.date()
    (closed,) = [c for c in found if c.text.startswith("DD_DEEP of 2025-04-01")]
    assert "closed on 2025-08-29" in closed.text
