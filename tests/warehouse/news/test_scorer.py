"""The scorer as a source, on a real store: only what is new is scored, once for every version."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.ingest import ingest
from warehouse.news import SCORED_TABLES, SCORER, scorer
from warehouse.news.scorer import NewsScorer, scorer_version
from warehouse.settings import PROJECT, SEEDS, Home
from warehouse.sources.sample import Sample
from warehouse.store import Warehouse

AT = datetime(2025, 9, 1, 12)
Row = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def told(n: int, title: str, ticker: str = "BABA", **more: Any) -> Row:
    at = AT + timedelta(hours=n)
    return {"ticker": ticker, "news_id": f"n{n}", "published_at": at, "title": title, **more}


def tell(home: Home, *rows: Row, source: str = "inbox") -> None:
    with Warehouse(home.build) as store:
        store.append("news", pd.DataFrame(list(rows)).astype(object), source=source)


def score(home: Home, source: str = "inbox") -> dict[str, int]:
    """Score what waits; return how many rows each table gained."""
    tables = ("news_topics", "broker_calls", "news_signals")
    done = {table: ingest(home, table, source, load_id="x") for table in tables}
    assert [one.failures for one in done.values()] == [[], [], []]
    return {table: one.counts.stored for table, one in done.items()}


def rows(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(home.build) as store:
        return store.con.execute(sql).fetchall()


def test_only_what_is_new_is_scored(home: Home) -> None:
    tell(
        home, told(0, "Alibaba profit beats estimates"), told(1, "Alibaba names a chief executive")
    )
    assert score(home)["news_signals"] == 2
    assert score(home) == dict.fromkeys(("news_topics", "broker_calls", "news_signals"), 0)
    attempts = rows(home, "select count(*) from raw.fetches")
    tell(home, told(2, "Nomura raises Alibaba target to $170 and keeps Buy"))
    assert score(home) == {"news_topics": 1, "broker_calls": 1, "news_signals": 1}
    # One attempt for the one new batch and table, whatever it told.
    assert rows(home, "select count(*) from raw.fetches") == [(attempts[0][0] + 3,)]


def test_an_item_that_says_nothing_is_no_failure_and_is_not_tried_again(home: Home) -> None:
    tell(home, told(0, "A quiet afternoon by the lake"))
    assert score(home) == {"news_topics": 0, "broker_calls": 0, "news_signals": 1}
    ((label, relevance, points),) = rows(
        home, "select sentiment, relevance, sentiment_score from raw.news_signals"
    )
    # It came in the ticker's stream, but nothing in it is about the ticker.
    assert (label, relevance, points) == ("abstain", "mention", None)
    assert score(home)["news_signals"] == 0


def test_a_new_version_scores_everything_anew_and_fetches_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(home, told(0, "Alibaba profit beats estimates"))
    score(home)
    monkeypatch.setattr(scorer, "scorer_version", lambda _: "another")
    assert score(home)["news_signals"] == 1
    assert rows(home, "select count(*), count(distinct scorer_version) from raw.news_signals") == [
        (2, 2)
    ]
    assert rows(home, "select count(*) from raw.batches where asset = 'raw/news'") == [(1,)]


def test_an_item_in_two_streams_is_of_one_story(home: Home) -> None:
    title = "Alibaba and Nvidia partner on robots"
    tell(home, told(0, title))
    score(home)
    tell(home, told(0, title, ticker="NVDA"), told(1, title, ticker="NVDA"))
    score(home)
    found = rows(home, "select ticker, news_id, cluster_id from raw.news_signals order by all")
    assert found == [("BABA", "n0", "n0"), ("NVDA", "n0", "n0"), ("NVDA", "n1", "n0")]


def test_a_corrected_headline_keeps_its_story_and_takes_back_what_it_said(home: Home) -> None:
    tell(home, told(0, "Nomura upgrades Alibaba to Buy"))
    score(home)
    tell(home, told(0, "Alibaba profit beats estimates"))
    score(home)
    assert rows(home, "select distinct cluster_id from raw.news_signals") == [("n0",)]
    assert rows(
        home,
        "select topic, confidence > 0 from raw.news_topics where subtopic = '' "
        "order by known_at, 1",
    ) == [("ANALYST", True), ("ANALYST", False), ("EARN", True)]
    calls = rows(home, "select grade, is_soft from raw.broker_calls order by known_at")
    assert calls == [("Buy", False), (None, True)]
    versions = rows(
        home,
        "select count(*) from raw.news_signals s join raw.news n using (news_id, ticker, known_at)",
    )
    assert versions == [(2,)]


def test_the_sample_is_scored_and_stays_apart(home: Home) -> None:
    sample = Sample()
    with Warehouse(home.build) as store:
        for table in ("securities", "news"):
            store.append(table, getattr(sample, table)(), source=sample.name)
    stored = rows(home, "select count(distinct (news_id, ticker)) from raw.news")
    score(home, "sample")
    assert rows(home, "select count(distinct (news_id, ticker)) from raw.news_signals") == stored
    assert rows(home, "select distinct source from raw.news_signals") == [(SCORER,)]
    with Warehouse(home.build) as store:
        assert store.is_simulated()
    topics = dict(
        rows(
            home,
            "select news_id, string_agg(topic || subtopic, ' ') from raw.news_topics group by 1",
        )
    )
    assert "GUIDcut" in topics["s0039"]
    assert "REGantitrust" in topics["s0017"]
    assert "LISThfcaa" in topics["s0019"]
    assert "LEADceo_cfo" in topics["s0042"]
    clusters = dict(rows(home, "select distinct news_id, cluster_id from raw.news_signals"))
    for one, other in (("s0001", "s0002"), ("s0005", "s0006"), ("s0025", "s0026")):
        assert clusters[one] == clusters[other] == one


def test_files_of_scores_still_come_through_the_inbox(home: Home) -> None:
    tell(home, told(0, "Alibaba profit beats estimates"))
    folder = home.inbox / "news_signals"
    folder.mkdir(parents=True)
    line = {"news_id": "n0", "ticker": "BABA", "scorer_version": "theirs", "sentiment_score": 0.5}
    (folder / "scores.jsonl").write_text(json.dumps(line))
    score(home)
    assert rows(home, "select source, count(*) from raw.news_signals group by 1 order by 1") == [
        ("inbox", 1),
        (SCORER, 1),
    ]


TITLES = [
    "Alibaba raises guidance",
    "Alibaba lifts its guidance",
    "Alibaba cuts guidance",
    "Nomura raises Alibaba target to $170",
    "Alibaba opens data centers in Brazil and France",
    "Alibaba to open data centers in Brazil, France",
]


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(
    told_=st.lists(
        st.tuples(st.sampled_from(TITLES), st.integers(0, 120)), min_size=1, max_size=12
    ),
    seed=st.integers(0, 99),
)
def test_scoring_bit_by_bit_equals_scoring_at_once(
    tmp_path_factory: pytest.TempPathFactory, told_: list[tuple[str, int]], seed: int
) -> None:
    lines: Sequence[Row] = [
        {**told(0, title), "news_id": f"n{n}", "published_at": AT + timedelta(hours=hour)}
        for n, (title, hour) in enumerate(told_)
    ]
    cuts = sorted(random.Random(seed).sample(range(len(lines) + 1), min(2, len(lines))))
    parts = [lines[a:b] for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    results = []
    for score_each in (True, False):
        home = Home(tmp_path_factory.mktemp("bits"))
        for part in parts:
            if part:
                tell(home, *part)
            if score_each:
                score(home)
        score(home)
        results.append(
            rows(
                home,
                "select news_id, cluster_id, sentiment, sentiment_score, payload "
                "from raw.news_signals order by 1",
            )
        )
    assert results[0] == results[1]


def test_the_version_follows_all_code_and_seeds_it_rests_on() -> None:
    folder = PROJECT / "warehouse" / "news"
    read, modules = set(), set()
    for path in folder.glob("*.py"):
        if path.stem not in ("teacher", "train", "train_network", "tuning", "__init__"):
            modules.add(path.stem)
            read |= set(re.findall(r'\brows\("(\w+)"\)', path.read_text()))
    assert modules == set(scorer._CODE)
    assert read == set(scorer._SEEDS)


def test_a_changed_seed_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = scorer_version("terms_network")
    for seed in scorer._SEEDS:
        (tmp_path / f"{seed}.csv").write_bytes((SEEDS / f"{seed}.csv").read_bytes())
    with (tmp_path / "topic_patterns.csv").open("a") as file:
        file.write("MOVE,,never seen\n")
    monkeypatch.setattr(scorer, "SEEDS", tmp_path)
    scorer_version.cache_clear()
    assert scorer_version("terms_network") != before
    monkeypatch.undo()
    scorer_version.cache_clear()
    assert scorer_version("terms_network") == before
    assert scorer_version("finbert-x") != before


def test_every_scored_table_has_its_method() -> None:
    assert all(callable(getattr(NewsScorer, table)) for table in SCORED_TABLES)
