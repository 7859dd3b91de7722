"""What a brief of the sample says is what the raw rows say, and nothing is said without rows."""

from __future__ import annotations

import io
import json
import statistics
from typing import Any

import duckdb
import pytest
from rich.console import Console

from warehouse.brief.compose import compose
from warehouse.brief.facts import Brief, Evidence, Fact, Section, Sentence, clean
from warehouse.brief.render import markdown, print_brief
from warehouse.errors import UsageError

SECTIONS = [
    "The price",
    "Why it moves",
    "Wall Street's stance",
    "Key drivers",
    "Risks",
    "Bottom line",
]
CELL = Evidence("raw.prices", "close", 1.0, row_id="a")


@pytest.fixture
def brief(marts: duckdb.DuckDBPyConnection, as_of: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(compose(marts, "BABA", as_of).as_json()))
    return told


def texts(brief: dict[str, Any]) -> list[str]:
    return [one["text"] for part in brief["sections"] for one in part["sentences"]]


def test_a_brief_has_six_sections_and_every_sentence_evidence(brief: dict[str, Any]) -> None:
    assert set(brief) == {"ticker", "as_of", "rules", "sections", "bars"}
    assert [part["title"] for part in brief["sections"]] == SECTIONS
    for part in brief["sections"]:
        assert part["sentences"]
        for sentence in part["sentences"]:
            assert set(sentence) == {"text", "evidence"} and sentence["evidence"]
            for cell in sentence["evidence"]:
                assert set(cell) == {"table", "key", "row_id", "column", "value", "known_at"}
                assert bool(cell["row_id"]) != bool(cell["key"])
                assert bool(cell["row_id"]) == bool(cell["known_at"]) or cell["table"][:4] != "raw."


def test_every_cell_is_where_the_evidence_says(
    brief: dict[str, Any], marts: duckdb.DuckDBPyConnection
) -> None:
    cells = [c for p in brief["sections"] for s in p["sentences"] for c in s["evidence"]]
    assert any(cell["table"] == "raw.prices" for cell in cells)
    for cell in cells:
        key = {"row_id": cell["row_id"]} if cell["row_id"] else cell["key"]
        where = " and ".join(f"cast({name} as varchar) = ?" for name in key)
        (found,) = marts.execute(
            f"select {cell['column']} from {cell['table']} where {where}", list(key.values())
        ).fetchall()
        value = found[0]
        if isinstance(value, float):
            assert value == pytest.approx(cell["value"], rel=1e-12)
        else:
            assert cell["value"] in (value, str(value))


def test_it_says_what_the_yardstick_says(brief: dict[str, Any]) -> None:
    said = "\n".join(texts(brief))
    for words in (
        "closed up 8.0 % at 163.00 USD on 2025-09-24",
        "it stood +10.0 % against the close before",
        "+38.7 % over one month, +94.0 % since the start of the year",
        "the highest close since 2021-11-15",
        "The consensus is Buy from 54 analysts",
        "none sell",
        "Named calls cover 18 of 54 analysts",
        "cluster around 167.00 to 179.00 USD",
        "Nomura: Buy, target 170.00 USD",
        "Morningstar: Hold, fair value 179.00 USD",
        "U.S. Tiger Securities: Buy, target 145.00 USD",
        "18.0 times forward earnings, below its peers' median",
        "not advice",
    ):
        assert words in said, words


def test_the_numbers_follow_from_the_raw_cells_beside_them(brief: dict[str, Any]) -> None:
    def raw(start: str, column: str) -> list[float]:
        (found,) = [s for p in brief["sections"] for s in p["sentences"] if start in s["text"]]
        return [
            c["value"]
            for c in found["evidence"]
            if c["row_id"] and c["column"] == column and c["value"] is not None
        ]

    now, before = raw("closed up", "close")
    assert f"{100 * (now / before - 1):.1f} %" == "8.0 %"
    targets = raw("Targets of", "target")
    assert len(targets) == 17 and statistics.median(targets) == 172
    # The shortest interval with half of them and one more in it.
    ranked, held = sorted(targets), len(targets) // 2 + 1
    width = min(ranked[i + held - 1] - ranked[i] for i in range(len(ranked) - held + 1))
    assert width == 179 - 167
    assert f"{100 * (statistics.median(targets) / now - 1):.1f} %" == "5.5 %"
    shares = raw("The consensus is", "strong_buy") + raw("The consensus is", "buy")
    assert sum(shares) == 48


def test_simulated_data_are_said_to_be_so(brief: dict[str, Any]) -> None:
    assert "simulated sample" in texts(brief)[0]


def test_what_is_missing_is_said_with_its_reason(
    marts: duckdb.DuckDBPyConnection, as_of: str
) -> None:
    brief = compose(marts, "TCEHY", as_of).as_json()
    (said,) = [text for text in texts(brief) if text.startswith("A forward P/E is not known")]
    assert "the price is in USD and forward earnings in CNY" in said


def test_every_ticker_has_a_whole_brief(marts: duckdb.DuckDBPyConnection, as_of: str) -> None:
    for (ticker,) in marts.execute("select ticker from marts.scorecard").fetchall():
        brief = compose(marts, ticker, as_of)
        assert [part.title for part in brief.sections] == SECTIONS
        assert all(part.sentences for part in brief.sections), ticker
        assert not any("None" in text for text in texts(brief.as_json())), ticker


def test_an_unknown_ticker_is_refused(marts: duckdb.DuckDBPyConnection, as_of: str) -> None:
    with pytest.raises(UsageError, match="know nothing of NIX"):
        compose(marts, "NIX", as_of)


def test_nothing_can_be_said_without_evidence() -> None:
    with pytest.raises(TypeError):
        Sentence("It rose.")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="no evidence"):
        Fact("10 %", ())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="places"):
        Sentence("It rose {0} and {more}.", Fact("10 %", (CELL,)))
    with pytest.raises(ValueError, match="places"):
        Sentence("It rose.", Fact("10 %", (CELL,)))


def test_text_from_outside_is_no_template() -> None:
    hostile = Fact("{0.__class__} {more}", (CELL,))
    assert Sentence("He said {0}.", hostile).text == "He said {0.__class__} {more}."
    assert clean("a\x1b[31mred\u202e\n b") == "a[31mred b"


def test_no_control_character_reaches_a_terminal() -> None:
    hostile = "\x1b]0;owned\x07[bold]\u202ex"
    cell = Evidence("raw.news", "title", hostile, row_id="a")
    sentence = Sentence("“{0}”.", Fact(clean(hostile), (cell,)))
    brief = Brief("A", "A", "2025-09-25", False, (Section("Risks", (sentence,)),))
    console = Console(file=io.StringIO(), width=100)
    print_brief(console, brief, with_evidence=True)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("]0;owned[bold]x") == 2
    assert not set(shown) & {"\x1b", "\x07", "\u202e"}


def test_markdown_is_escaped(marts: duckdb.DuckDBPyConnection, as_of: str) -> None:
    text = markdown(compose(marts, "BABA", as_of))
    assert text.startswith("# Alibaba Group Holding Limited (BABA)\n")
    assert text.count("## ") == 6
    assert "- “Alibaba" in text and "marts.news\\_events" in text
