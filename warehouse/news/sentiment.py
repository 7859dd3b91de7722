"""How a text leans for one company: probabilities from a table of weighted terms and a network.

A scorer is anything with a function `score(masked texts) -> probabilities`; this one adds the
logits of the table `sentiment_term_weights` and of `network`, both made by `warehouse.news.train`.
The rows of the table add up, so that a score can name the terms that speak for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from warehouse.news import network
from warehouse.news.features import forms, terms
from warehouse.news.text import shape
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


class TermsAndNetwork:
    """The default scorer."""

    scorer_id = "terms_network"

    def __init__(self) -> None:
        """Read the table and the network."""
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
        self._network = network.opened()

    def score(self, texts: Sequence[str]) -> list[tuple[Probabilities, tuple[str, ...]]]:
        """Return probabilities, and the terms that moved each text most towards its label."""
        spelled = [forms(text) for text in texts]
        read = self._network.logits([[shape(form) for form in told] for told in spelled])
        return [self._score(*told) for told in zip(spelled, read.tolist(), strict=True)]

    def _score(
        self, spelled: Sequence[str], read: Sequence[float]
    ) -> tuple[Probabilities, tuple[str, ...]]:
        sums = [[0.0, 0.0, 0.0, 0] for _ in BLOCK_SCALES]
        found = [(term, self.weights[term]) for term in terms(spelled) & self._known]
        for _, (negative, neutral, positive, kind) in found:
            total = sums[kind]
            total[0] += negative
            total[1] += neutral
            total[2] += positive
            total[3] += 1
        scores = [bias + told for bias, told in zip(self.bias, read, strict=True)]
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
def default_scorer() -> TermsAndNetwork:
    """Return the default scorer, read once."""
    return TermsAndNetwork()


def judge(probabilities: Probabilities, evidence: tuple[str, ...]) -> Sentiment:
    """Turn probabilities into a label, or into none when the best is too unsure."""
    confidence = max(probabilities)
    label = LABELS[probabilities.index(confidence)]
    if confidence < settings()["abstain_below"]:
        label = ABSTAIN
    return Sentiment(label, probabilities[2] - probabilities[0], confidence, evidence)
