"""News text is data: whatever it holds, every step ends, in bounds, and nothing is evaluated."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.news.reading import calls, item
from warehouse.news import sentiment, topics
from warehouse.news.patterns import MOST_GAP, BadPattern, Patterns
from warehouse.news.text import (
    _WORD,
    MOST_WORDS,
    SUMMARY_CHARACTERS,
    TITLE_CHARACTERS,
    clean,
    words,
)
from warehouse.settings import SEEDS

LONG = 400_000
HOSTILE = [
    "a" * LONG,
    "a " * LONG,
    "$" * LONG,
    "(" * LONG,
    "(A" * LONG,
    "((NYSE: " * LONG,
    "A.B-C&D'E" * LONG,
    "1,1.1,1.1" * LONG,
    "to $1 from $1 " * LONG,
    "UBS upgrades Acme to Buy, " * LONG,
    "https://" * LONG,
    "&amp;" * LONG,
    "\u202e\u0000\ud83d\ude00\u0301" * LONG,
    "'; drop table raw.news; --",
    "{{ 7 * 7 }} __import__('os').system('true') %s {0}",
    "",
    " \n\t ",
    "-",
    "%",
    "'s",
]


def all_of_it(title: str, summary: str) -> None:
    read = item(title, "ACM", "A", summary=summary, names={"ACM": "Acme Robotics"})
    assert len(read.title) <= TITLE_CHARACTERS
    assert len(read.summary) <= SUMMARY_CHARACTERS
    assert len(read.cut) <= MOST_WORDS
    topics.tag(
        read.unnamed(read.cut, read.in_title), read.unnamed(read.summary_cut, read.in_summary)
    )
    calls(title, "ACM", summary=summary)
    read.fingerprint()
    for ticker in read.tickers:
        read.relevance(ticker)
        sentiment.default_scorer().score([read.about(ticker) or read.title])


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_a_hostile_text_is_read_to_its_end(text: str) -> None:
    all_of_it(text, text)


@settings(max_examples=150, deadline=None)
@given(title=st.text(max_size=120), summary=st.text(max_size=200))
def test_any_text_is_read(title: str, summary: str) -> None:
    all_of_it(title, summary)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=300))
def test_words_stand_where_they_say(text: str) -> None:
    shown = clean(text, TITLE_CHARACTERS)
    cut = words(shown)
    assert all(0 <= w.start < w.end <= len(shown) for w in cut)
    assert [w.start for w in cut] == sorted(w.start for w in cut)


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet="ab1$#+-.,_ é'&%(", max_size=40))
@example("$ $AAPL # #tag")
def test_words_are_where_the_expression_finds_them(text: str) -> None:
    found = [match.span() for match in _WORD.finditer(text)]
    assert [(word.start, word.end) for word in words(text)] == found


def test_a_pattern_looks_no_further_than_its_gap() -> None:
    find = Patterns([("hit", "cut* ..2 guidance|outlook")]).find
    assert [(h.start, h.end) for h in find(["acme", "cuts", "its", "guidance"])] == [(1, 4)]
    assert find(["acme", "cuts", "a", "b", "c", "guidance"]) == []
    assert find(["cuts"] * 50_000) == []


@pytest.mark.parametrize(
    "pattern", ["", "..2 a", "a ..2", f"a ..{MOST_GAP + 1} b", "a ..x b", "<nothing>", "<up"]
)
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Patterns([("x", pattern)])


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*_term_weights.csv")), ids=lambda p: p.stem)
def test_no_text_of_a_training_set_ships_with_the_weights(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        longest = max(len(row["term"].split()) for row in csv.DictReader(file))
    assert longest <= 4
