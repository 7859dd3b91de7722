"""Clusters of articles: pairs judged by hand, and what must hold of any sequence."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warehouse.news.reading import AT, item
from warehouse.news.duplicates import Clusters, Fingerprint

NAMES = {"ACM": "Acme Robotics Inc."}


def seen(title: str, summary: str = "") -> Fingerprint:
    return item(title, "ACM", summary=summary, names=NAMES).fingerprint()


def clusters(*told: tuple[str, datetime]) -> list[str]:
    known = Clusters()
    return [known.place(str(n), ["ACM"], at, seen(title))[0] for n, (title, at) in enumerate(told)]


SAME = [
    ("Acme Robotics lifts its spending plan beyond 380 billion yuan",
     "Acme Robotics raises spending plan beyond 380 billion yuan"),
    ("Acme Robotics to open data centers in Brazil, France and the Netherlands",
     "Acme Robotics plans data centers in Brazil, France and the Netherlands"),
    ("ACME ROBOTICS APPOINTS JANE DOE TO BOARD OF DIRECTORS",
     "Acme Robotics Appoints Jane Doe to Board of Directors - Company Announcement"),
]  # fmt: skip
DIFFERENT = [
    ("Acme Robotics profit rises in Q2", "Acme Robotics profit rises in Q3"),
    ("UBS raises Acme Robotics target to $45", "Citi raises Acme Robotics target to $45"),
    ("Acme Robotics recalls 2,000 trucks over brakes",
     "Acme Robotics recalls 90,000 trucks over brakes"),
    ("Acme Robotics raises full-year guidance", "Acme Robotics cuts full-year guidance"),
    ("Alpha Capital LLC sells 1,604 shares of Acme Robotics",
     "Beta Wealth LLC sells 1,604 shares of Acme Robotics"),
    ("Acme Robotics unveils a truck", "Acme Robotics names a new finance chief"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_story_in_other_words_is_one_cluster(one: str, other: str) -> None:
    assert clusters((one, AT), (other, AT + timedelta(hours=2))) == ["0", "0"]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_contradicts_or_only_resembles_is_two(one: str, other: str) -> None:
    assert clusters((one, AT), (other, AT + timedelta(hours=2))) == ["0", "1"]


def test_the_same_words_four_days_later_are_another_story() -> None:
    title = "Acme Robotics declares dividend"
    assert clusters((title, AT), (title, AT + timedelta(hours=71))) == ["0", "0"]
    assert clusters((title, AT), (title, AT + timedelta(hours=73))) == ["0", "1"]


def test_novelty_is_what_is_left_of_the_greatest_likeness_in_thirty_days() -> None:
    known = Clusters()
    told = seen("Acme Robotics unveils a truck")
    first, second, third = (
        known.place(news_id, ["ACM"], at, told)[1]["ACM"]
        for news_id, at in (
            ("a", AT),
            ("b", AT + timedelta(days=5)),
            ("c", AT + timedelta(days=40)),
        )
    )
    assert (first, second, third) == (1.0, 0.0, 1.0)


WORDS = [
    "Acme", "Robotics", "raises", "cuts", "guidance", "profit", "truck", "Brazil", "Q2", "Q3",
    "$45", "$90", "UBS",
]  # fmt: skip
TOLD = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7), st.integers(0, 200)),
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(told=TOLD, later=TOLD)
def test_clusters_never_merge_or_change_their_name(
    told: list[tuple[list[str], int]], later: list[tuple[list[str], int]]
) -> None:
    titles = [(" ".join(words), AT + timedelta(hours=hours)) for words, hours in [*told, *later]]
    before, after = clusters(*titles[: len(told)]), clusters(*titles)
    assert after[: len(before)] == before
    for n, cluster_id in enumerate(after):
        # Named after its first item, and never after one to come.
        assert int(cluster_id) <= n
        assert after[int(cluster_id)] == cluster_id
