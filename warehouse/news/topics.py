"""What a text is about: codes from rules, which are exact, and from a table, which finds more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from warehouse.news import duplicates
from warehouse.news.features import MOST_WORDS, word_terms
from warehouse.news.patterns import Patterns
from warehouse.news.sentiment import BIAS
from warehouse.news.text import shape
from warehouse.news.vocabulary import rows, settings, word_classes

TOPICS = (
    "ANALYST", "EARN", "GUID", "MA", "PART", "PROD", "CAPEX", "LEAD", "RETURN", "FIN", "DISTRESS",
    "LIT", "REG", "LIST", "OPS", "GEO", "MACRO", "MOVE",
)  # fmt: skip
_NOT_OF_A_HOLDING = frozenset({"MA", "MOVE", "CAPEX", "PART", "FIN"})
RULE_CONFIDENCE, SUMMARY_CONFIDENCE = 0.9, 0.7


class Topic(NamedTuple):
    """A code, a subtopic or none, how sure it is, and whether a rule or the table found it."""

    topic: str
    subtopic: str
    confidence: float
    found_by: str


@cache
def _rules() -> Patterns[tuple[str, str]]:
    return Patterns(
        (((row["topic"], row["subtopic"]), row["pattern"]) for row in rows("topic_patterns")),
        word_classes(),
    )


@cache
def _subtopic_rules() -> Patterns[tuple[str, str]]:
    told = (row for row in rows("topic_patterns") if row["subtopic"])
    return Patterns((((r["topic"], r["subtopic"]), r["pattern"]) for r in told), word_classes())


def told_shapes(forms: Sequence[str]) -> list[str]:
    """Return the shapes of a text's words without its hashtags, which name fields, not events."""
    if "#" not in forms:
        return [shape(form) for form in forms]
    return [
        shape(form)
        for form, before in zip(forms, ["", *forms], strict=False)
        if form != "#" and before != "#"
    ]


def by_rule(shapes: Sequence[str]) -> set[tuple[str, str]]:
    """Return the topics and subtopics whose rules hold; a subtopic brings its topic."""
    found = {hit.label for hit in _rules().find(shapes)}
    return found | {(topic, "") for topic, _ in found}


class _Table:
    """Weights of terms by topic; a text's sum over its terms goes through a logistic curve."""

    def __init__(self) -> None:
        self.weights: dict[str, list[tuple[int, float]]] = {}
        self.topics: list[str] = []
        self.bias: list[float] = []
        for row in rows("topic_term_weights"):
            if row["term"] == BIAS:
                self.topics.append(row["topic"])
                self.bias.append(float(row["weight"]))
        place = {topic: i for i, topic in enumerate(self.topics)}
        for row in rows("topic_term_weights"):
            if row["term"] != BIAS:
                pair = (place[row["topic"]], float(row["weight"]))
                self.weights.setdefault(row["term"], []).append(pair)
        self._known = frozenset(self.weights)

    def probable(self, found: set[str], least: float) -> list[tuple[str, float]]:
        """Return the topics of at least that probability for the terms of a text."""
        sums = [0.0] * len(self.topics)
        scale = 1 / math.sqrt(len(found) or 1)
        for term in found & self._known:
            for place, weight in self.weights[term]:
                sums[place] += weight
        odds = (bias + scale * total for bias, total in zip(self.bias, sums, strict=True))
        floor = math.log(least / (1 - least))
        return [
            (topic, 1 / (1 + math.exp(-min(30.0, log_odds))))
            for topic, log_odds in zip(self.topics, odds, strict=True)
            if log_odds >= floor
        ]


@cache
def _table() -> _Table:
    return _Table()


def tag(title: Sequence[str], summary: Sequence[str] = ()) -> list[Topic]:
    """Return the topics of an item given as the forms of its words; none is allowed.

    Rules read the headline, and with less trust the summary; the table reads the headline. A rule
    of a topic at large does not hold where the table is all but sure that it errs.
    """
    found: dict[tuple[str, str], Topic] = {}
    shapes = told_shapes(title[:MOST_WORDS])
    in_title = by_rule(shapes)
    # That a fund bought some shares is no deal, and says nothing of the company.
    passed_over = _NOT_OF_A_HOLDING if duplicates.is_holding(shapes) else frozenset()
    likely = dict(_table().probable(word_terms(shapes), settings()["rule_from"]))
    named = {topic for topic, subtopic in in_title if subtopic}
    for topic, subtopic in in_title:
        if topic in passed_over or topic not in likely.keys() | named:
            continue
        found[topic, subtopic] = Topic(topic, subtopic, RULE_CONFIDENCE, "rule")
    # A summary says much in passing: only what has a name of its own counts.
    told = _subtopic_rules().find(told_shapes(summary[:MOST_WORDS]))
    for topic, subtopic in {hit.label for hit in told}:
        if (topic, subtopic) not in found:
            found[topic, subtopic] = Topic(topic, subtopic, SUMMARY_CONFIDENCE, "rule")
            found.setdefault((topic, ""), Topic(topic, "", SUMMARY_CONFIDENCE, "rule"))
    least = settings()["topic_from"]
    for topic, probability in likely.items():
        if probability >= least and (topic, "") not in found and topic not in passed_over:
            found[topic, ""] = Topic(topic, "", round(probability, 4), "table")
    return [found[name] for name in sorted(found)]
