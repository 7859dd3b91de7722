"""What headlines say when they are read, and what the scorer says of them.

`labelled/` holds labels given by reading, without regard to the code. Texts of others are not kept:
their labels go by the digest of a text that stands in the sets beside the project.
`broker_calls.jsonl` are headlines of our own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.news.reading import AT, calls, item
from warehouse.news import broker_calls, duplicates, sentiment, topics
from warehouse.news.linking import listed_aliases, names_of
from warehouse.news.scorer import Item
from warehouse.news.text import TITLE_CHARACTERS, clean
from warehouse.news.train import by_digest, digest, mask, read
from warehouse.settings import PROJECT

NEWS = PROJECT.parent / "shared" / "data" / "news"
needs_news = pytest.mark.skipif(
    not NEWS.is_dir(), reason="the real news are not beside the project"
)
ACTIONS = {
    "upgrade": "up", "downgrade": "down", "initiate": "init", "maintain": "main",
    "reiterate": "reit", "suspend": "drop", None: None,
}  # fmt: skip
CASHTAG = re.compile(r"\$[A-Za-z][A-Za-z.]*")


def labelled(name: str) -> Iterator[dict[str, Any]]:
    with (Path(__file__).parent / "labelled" / f"{name}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


@cache
def desk() -> dict[tuple[str, str], tuple[str, str, datetime]]:
    """Headline, summary and time of the items of a ticker's stream, by ticker and digest."""
    rows = duckdb.execute(
        """
        select ticker, title, coalesce(summary, ''), strptime(published, '%Y%m%dT%H%M%S')
        from read_parquet(?) where title <> ''
        """,
        [str(NEWS / "desk_news.parquet")],
    ).fetchall()
    return {(ticker, digest(title)): (title, summary, at) for ticker, title, summary, at in rows}


@cache
def texts() -> dict[str, str]:
    """All headlines beside the project, by digest."""
    return by_digest(NEWS)


@cache
def firms() -> dict[str, str]:
    """The name a broker goes by, by each of its names in small letters."""
    told = [alias for alias in listed_aliases() if alias.name.startswith("firm:")]
    named = {alias.name.removeprefix("firm:").lower(): alias.name for alias in told}
    return named | {alias.alias.lower(): alias.name for alias in told}


def firm(name: str) -> str:
    return firms().get(name.lower(), name.lower())


def is_right(told: dict[str, Any], call: broker_calls.Call) -> bool:
    """Whether every field is right; no currency is that of the quote."""
    pairs = [
        (ACTIONS[told.get("action")], call.action),
        ((told.get("prior_grade") or "").lower(), (call.prior_grade or "").lower()),
        (told.get("target"), call.target),
        (told.get("prior_target"), call.prior_target),
    ]
    if call.action != "drop":
        pairs.append(((told.get("grade") or "").lower(), (call.grade or "").lower()))
    currency = told.get("currency")
    return all(a == b for a, b in pairs) and (
        call.target_currency in (None if currency == "USD" else currency, None)
    )


def share_read(lines: Sequence[dict[str, Any]]) -> tuple[float, float, float]:
    """Precision and recall of finding official calls, and the share that is right in all fields."""
    told = found = wrong = right = 0
    for line in lines:
        read = {
            (firm(call.firm), call.ticker): call
            for call in calls(line["title"], *line["tickers"], names=line["names"])
            if not call.is_soft
        }
        official = {
            (firm(call["firm"]), call["ticker"]): call
            for call in line["calls"]
            if not call.get("soft")
        }
        told += len(official)
        found += len(official.keys() & read.keys())
        wrong += len(read.keys() - official.keys())
        right += sum(is_right(official[key], read[key]) for key in official.keys() & read.keys())
    return found / (found + wrong), found / told, right / told


def test_calls_in_headlines_of_many_house_styles_are_read() -> None:
    precision, recall, right = share_read(list(labelled("broker_calls")))
    assert precision >= 0.98
    assert recall >= 0.93
    assert right >= 0.88


@needs_news
def test_calls_in_real_headlines_are_read() -> None:
    lines = [{**line, "title": texts()[line["digest"]]} for line in labelled("broker_calls_real")]
    precision, recall, right = share_read(lines)
    assert precision >= 0.97
    assert recall >= 0.95
    assert right >= 0.92


@needs_news
def test_pairs_of_real_items_are_one_story_where_their_texts_say_so() -> None:
    hits = misses = wrong = 0
    for pair in labelled("story_pairs"):
        one, other = (desk()[pair["ticker"], pair[name]] for name in ("one", "other"))
        known = duplicates.Clusters()
        first, second = (
            known.place(
                name,
                [pair["ticker"]],
                at,
                item(title, pair["ticker"], summary=summary).fingerprint(),
            )[0]
            for name, (title, summary, at) in (("one", one), ("other", other))
        )
        is_same = first == second
        hits += is_same and pair["label"] == "same"
        misses += not is_same and pair["label"] == "same"
        wrong += is_same and pair["label"] != "same"
    assert 2 * hits / (2 * hits + misses + wrong) >= 0.8
    assert hits / (hits + wrong) >= 0.85


@needs_news
def test_topics_of_real_headlines_are_those_a_reading_gives() -> None:
    hits = misses = wrong = 0
    for line in labelled("topics"):
        read = item(texts()[line["digest"]])
        found = {one.topic for one in topics.tag(read.unnamed(read.cut, read.in_title))}
        told = set(line["topics"])
        hits += len(found & told)
        misses += len(told - found)
        wrong += len(found - told)
    assert 2 * hits / (2 * hits + misses + wrong) >= 0.78
    assert hits / (hits + wrong) >= 0.79


@needs_news
def test_real_headlines_lean_as_a_reading_says() -> None:
    asked, truth = [], []
    for line in labelled("sentiment"):
        text = clean(texts()[line["digest"]], TITLE_CHARACTERS)
        for company, label in line["labels"].items():
            asked.append(mask(text, list(line["labels"]), company))
            truth.append(label)
    told = sentiment.default_scorer().score(asked)
    best = [sentiment.LABELS[chances.index(max(chances))] for chances, _ in told]
    right = sum(a == b for a, b in zip(best, truth, strict=True))
    assert right / len(truth) >= 0.8
    opposite = sum({a, b} == {"negative", "positive"} for a, b in zip(best, truth, strict=True))
    assert opposite / len(truth) <= 0.02


@needs_news
def test_companies_are_found_by_name_without_their_symbols() -> None:
    tweets = [CASHTAG.sub("", row["text"]) for row in read(NEWS / "twitter_topic_train.csv")]
    untagged = {digest(text): clean(text, TITLE_CHARACTERS) for text in tweets}
    lines = list(labelled("linking"))
    names = names_of(sorted({pair for line in lines for pair in line["companies"].items()}))
    hits = misses = wrong = 0
    for line in lines:
        told = set(line["companies"])
        entry = Item("n", sorted(told | set(line["tags"])), AT, AT, untagged[line["digest"]], "")
        entry.link(names)
        found = {ticker for ticker in entry.tickers if entry.relevance(ticker)}
        hits += len(found & told)
        misses += len(told - found)
        wrong += len(found - told)
    assert hits / (hits + wrong) >= 0.97
    assert hits / (hits + misses) >= 0.95
