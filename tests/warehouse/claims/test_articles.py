"""Whole articles on companies of the sample, as newsrooms write them, errors planted by hand.

`articles.json` has each sentence with its tag: T is true by the warehouse, F false by one detail
whose kind is named, O an opinion, a cause or what the warehouse cannot hold. They were tagged from
the marts by SQL before the check had read them; the figures below are what it finds since.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from warehouse import publish
from warehouse.claims.verify import check
from warehouse.settings import Home

ARTICLES = json.loads(Path(__file__).with_name("articles.json").read_text(encoding="utf-8"))
HOLDS = {"supported", "supported_on_other_basis"}
IS_FOUND = {"contradicted", "stale"}


@pytest.fixture(scope="module")
def told(sample: Home) -> Iterator[list[tuple[str, str, set[str]]]]:
    """Tag, sentence and the verdicts on its claims, of every article."""
    found = []
    with publish.reading(sample) as con:
        made = publish.newest(sample)
        assert made is not None
        for article in ARTICLES:
            lines = [text for _, text, *_ in article["told"]]
            text = "\n".join([*article["head"], *lines])
            answer = check(con, text, newest=datetime.fromisoformat(made.as_of))
            assert answer["ticker"] == article["ticker"]
            verdicts = by_line(answer, lines)
            found += [
                (tag, text, verdicts[number])
                for number, (tag, text, *_) in enumerate(article["told"])
            ]
    yield found


def test_estimates_in_pence_are_told_in_pence_or_pounds(sample: Home) -> None:
    """Shell's next results are estimated at 59.57 pence."""
    said = {"59.6p": "supported", "59.57 pence": "supported", "69.6p": "contradicted",
            "£0.5957": "supported"}  # fmt: skip
    with publish.reading(sample) as con:
        made = publish.newest(sample)
        assert made is not None
        for amount, verdict in said.items():
            text = f"Analysts expect earnings of {amount} per share for the quarter."
            answer = check(
                con, text, newest=datetime.fromisoformat(made.as_of), ticker="SHEL.L",
                published_at="2025-09-24",
            )  # fmt: skip
            assert [claim["verdict"] for claim in answer["claims"]] == [verdict], amount


def by_line(answer: dict[str, Any], lines: list[str]) -> list[set[str]]:
    """The verdicts on the claims of each line, in which more than one sentence may stand."""
    verdicts: list[set[str]] = [set() for _ in lines]
    place, of_sentence = 0, {}
    for number, sentence in enumerate(answer["sentences"]):
        at = next((i for i in range(place, len(lines)) if sentence in lines[i]), None)
        if at is not None:
            place = of_sentence[number] = at
    for claim in answer["claims"]:
        if claim["sentence"] in of_sentence:
            verdicts[of_sentence[claim["sentence"]]].add(claim["verdict"])
    return verdicts


def test_no_true_sentence_is_called_false(told: list[tuple[str, str, set[str]]]) -> None:
    assert [text for tag, text, verdicts in told if tag == "T" and "contradicted" in verdicts] == []


def test_no_false_sentence_is_called_true(told: list[tuple[str, str, set[str]]]) -> None:
    assert [t for tag, t, verdicts in told if tag == "F" and verdicts and verdicts <= HOLDS] == []


def test_opinions_make_no_claim(told: list[tuple[str, str, set[str]]]) -> None:
    assert [text for tag, text, verdicts in told if tag == "O" and verdicts] == []


def test_every_planted_error_of_a_plain_article_is_found(
    told: list[tuple[str, str, set[str]]],
) -> None:
    """Of the last twenty, in the style of a stock story: one error of six kinds in each."""
    plain = {
        text: kind
        for article in ARTICLES[-20:]
        for tag, text, *kinds in article["told"] if tag == "F" for kind in kinds
    }  # fmt: skip
    assert Counter(plain.values()) == dict.fromkeys(
        ("wrong_target", "wrong_firm", "wrong_window", "intraday_for_close", "wrong_currency",
         "stale_call"), 20
    )  # fmt: skip
    assert [t for _, t, verdicts in told if t in plain and not verdicts & IS_FOUND] == []


def test_most_true_sentences_are_supported_and_most_errors_found(
    told: list[tuple[str, str, set[str]]],
) -> None:
    count = Counter(tag for tag, *_ in told)
    supported = sum(
        tag == "T" and bool(verdicts) and verdicts <= HOLDS for tag, _, verdicts in told
    )
    found = sum(tag == "F" and bool(verdicts & IS_FOUND) for tag, _, verdicts in told)
    print(f"{supported} of {count['T']} supported, {found} of {count['F']} errors found")
    assert supported >= 295 and count["T"] == 388
    assert found >= 265 and count["F"] == 327
