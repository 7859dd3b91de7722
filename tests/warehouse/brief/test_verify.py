"""A brief is recomputed from raw rows: one altered value fails its dependants and no others."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.time_machine import database
from tests.warehouse.brief.conftest import published_copy
from warehouse import publish
from warehouse.brief.compose import compose
from warehouse.brief.verify import read, verify
from warehouse.errors import UsageError
from warehouse.settings import Home


@pytest.fixture
def told(marts: duckdb.DuckDBPyConnection, as_of: str) -> dict[str, Any]:
    brief: dict[str, Any] = json.loads(json.dumps(compose(marts, "BABA", as_of).as_json()))
    return brief


def broken(told: dict[str, Any], con: duckdb.DuckDBPyConnection, as_of: str) -> list[str]:
    return [v.text for v in verify(told, con, as_of) if not v.reproduces]


@pytest.mark.slow
def test_altered_raw_values_fail_their_dependants_and_no_others(
    told: dict[str, Any], sample: Home, as_of: str, tmp_path: Path
) -> None:
    altered = published_copy(sample, tmp_path / "altered")
    with duckdb.connect(str(altered.published.resolve())) as con:
        for statement in (
            "update raw.broker_calls set target = 171 where ticker = 'BABA' and firm = 'Nomura' "
            "and target = 170",
            "update raw.prices set high = high + 1 where ticker = 'BABA' "
            "and session_date = '2025-09-24' and is_final",
            # In no sentence's evidence, but in the averages behind the RSI.
            "update raw.prices set close = close * 1.01 where ticker = 'BABA' "
            "and session_date = '2025-08-18' and is_final",
        ):
            (changed,) = con.execute(statement).fetchone() or (0,)
            assert changed == 1, statement
    file = database(altered, datetime.fromisoformat(as_of))
    with publish.reading(altered, file) as con:
        verdicts = verify(told, con, as_of)
        ((bar,),) = con.execute(
            "select row_id from staging.stg_prices where ticker = 'BABA' "
            "and session_date = '2025-08-18'"
        ).fetchall()
    failing = [v.text for v in verdicts if not v.reproduces]
    starts = (
        "During the session",  # the high
        "Targets of 17",  # one of the targets
        "The median lies",
        "Nomura: Buy, target 170",
        "In 30 days:",
        "Overextended price",
        "By the rules of rules.stance_rules",  # it counts the median target
    )
    assert len(failing) == len(starts)
    assert all(any(text.startswith(start) for text in failing) for start in starts), failing
    (windowed,) = [v for v in verdicts if v.text.startswith("Overextended price")]
    assert f"raw.prices {bar} of 2025-08-18, on which it may rest, has changed" in windowed.reasons
    (named,) = [v for v in verdicts if v.text.startswith("Nomura: Buy")]
    assert not any("may rest" in reason for reason in named.reasons)


def test_what_other_rules_composed_is_not_blamed_on_raw_rows(
    told: dict[str, Any], marts: duckdb.DuckDBPyConnection, as_of: str
) -> None:
    sentence = told["sections"][0]["sentences"][1]
    sentence["text"] = sentence["text"].replace("closed up", "ended up")
    (told_now,) = [v for v in verify(told, marts, as_of) if not v.reproduces]
    assert not any("other rules" in reason for reason in told_now.reasons)
    (told_then,) = [
        v for v in verify({**told, "rules": "0" * 16}, marts, as_of) if not v.reproduces
    ]
    assert any("built by other rules (0000000000000000)" in r for r in told_then.reasons)


def test_an_untouched_brief_reproduces_and_an_edited_one_does_not(
    told: dict[str, Any], marts: duckdb.DuckDBPyConnection, as_of: str
) -> None:
    assert broken(told, marts, as_of) == []
    edited = copy.deepcopy(told)
    first, second, third = edited["sections"][0]["sentences"][:3]
    first["text"] += " Buy now."
    second["evidence"] = []
    third["evidence"][0]["value"] = 0.5
    assert broken(edited, marts, as_of) == [first["text"], second["text"], third["text"]]
    # What an unkind hand takes out is missed, in a section that stays and in one that goes.
    fewer = copy.deepcopy(told)
    risks = fewer["sections"].pop(4)
    taken = fewer["sections"][2]["sentences"].pop(1)
    texts = [taken["text"], *(sentence["text"] for sentence in risks["sentences"])]
    assert sorted(broken(fewer, marts, as_of)) == sorted(texts)


def test_names_in_a_file_get_into_no_sql(
    told: dict[str, Any], marts: duckdb.DuckDBPyConnection, as_of: str
) -> None:
    cell = {
        "table": "raw.prices",
        "column": "close) from raw.prices; select (1",
        "row_id": None,
        "key": {"1=1 or ticker": "BABA"},
        "value": 1,
    }
    edited = {
        **told,
        "sections": [{"title": "x", "sentences": [{"text": "x", "evidence": [cell]}]}],
    }
    verdict, *_ = verify(edited, marts, as_of)
    assert "there is no such cell" in verdict.reasons[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"ticker": "A", "as_of": "", "sections": [], "bars": 1}',
        "{}",
        '{"ticker": "A", "as_of": "", "sections": [1]}',
    ],
)
def test_what_is_no_brief_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "brief.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not a brief"):
        read(file)
