"""How a text leans for one company: probabilities from a table of weighted terms.

A scorer is anything with a function `score(masked texts) -> probabilities`; this one is the table
`sentiment_term_weights`, made by `warehouse.news.train`. Its rows add up, so that every score can
name the terms that caused it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from warehouse.news.features import forms, terms
from warehouse.news.vocabulary import rows, settings

BIAS = "(bias)"
ABSTAIN = "abstain"
LABELS = ("negative", "neutral", "positive")
_MOST_EVIDENCE = 3

Probabilities = tuple[float, float, float]


class Scorer(Protocol):
    """Something that says how masked texts lean: the target is `TARGET` in them, others `OTHER`."""

    scorer_id: str

    def score(self, texts: Sequence[str]) -> list[tuple[Probabilities, tuple[str, ...]]]:
        """Return for each text the probabilities of `LABELS`, and what caused them, if known."""
        ...


@dataclass(frozen=True)
class Sentiment:
    """What a scorer says of one text: score from -1 to 1, confidence that the label is right."""

    label: str
    score: float
    confidence: float
    evidence: tuple[str, ...]


def block(term: str) -> int:
    """Which of the three kinds a term is: of the words, around the target, an event."""
    first = term[0]
    return 2 if first == "@" else 1 if first in "<>^" else 0


# What an event counts beside the other two kinds, as trained.
BLOCK_SCALES = (1.0, 1.0, 0.5)


class TermWeights:
    """The default scorer: a table of terms, each with a weight for each label."""

    scorer_id = "terms"

    def __init__(self) -> None:
        """Read the table."""
        self.weights = {
            row["term"]: (
                float(row["negative"]),
                float(row["neutral"]),
                float(row["positive"]),
                block(row["term"]),
            )
            for row in rows("sentiment_term_weights")
        }
        *self.bias, _ = self.weights.pop(BIAS)
        self._known = frozenset(self.weights)

    def score(self, texts: Sequence[str]) -> list[tuple[Probabilities, tuple[str, ...]]]:
        """Return probabilities, and the terms that moved each text most towards its label."""
        return [self._score(text) for text in texts]

    def _score(self, text: str) -> tuple[Probabilities, tuple[str, ...]]:
        sums = [[0.0, 0.0, 0.0, 0] for _ in BLOCK_SCALES]
        found = [(term, self.weights[term]) for term in terms(forms(text)) & self._known]
        for _, (negative, neutral, positive, kind) in found:
            total = sums[kind]
            total[0] += negative
            total[1] += neutral
            total[2] += positive
            total[3] += 1
        scores = list(self.bias)
        for scale, total in zip(BLOCK_SCALES, sums, strict=True):
            if total[3]:
                factor = scale / math.sqrt(total[3])
                for i in range(3):
                    scores[i] += factor * total[i]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        whole = sum(powers)
        best = scores.index(top)
        causes = sorted([(-weight[best], term) for term, weight in found if weight[best] > 0])
        return (
            (powers[0] / whole, powers[1] / whole, powers[2] / whole),
            tuple([term for _, term in causes[:_MOST_EVIDENCE]]),
        )


@cache
def default_scorer() -> TermWeights:
    """Return the default scorer, read once."""
    return TermWeights()


def judge(probabilities: Probabilities, evidence: tuple[str, ...]) -> Sentiment:
    """Turn probabilities into a label, or into none when the best is too unsure."""
    confidence = max(probabilities)
    label = LABELS[probabilities.index(confidence)]
    if confidence < settings()["abstain_below"]:
        label = ABSTAIN
    return Sentiment(label, probabilities[2] - probabilities[0], confidence, evidence)
