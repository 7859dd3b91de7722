"""Which articles tell the same story: clusters within 72 hours and a ticker's stream.

Two articles are alike by how much of each headline the other one tells, rare words counting most;
the company's own name, which every item of its stream holds, does not count. How alike they are,
how many rare words they share and how far apart they came decides whether their story is one.
Numbers, directions or brokers that contradict each other forbid it, however alike the rest is. An
article joins the cluster of the most similar earlier one or starts its own; clusters never merge
and never change their name.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

from warehouse.news.patterns import Patterns
from warehouse.news.text import REMEMBERED, Word, number, plain, shape
from warehouse.news.vocabulary import rows, word_classes

SAME_WITHIN = timedelta(hours=72)
NOVEL_WITHIN = timedelta(days=30)
# A logistic regression on 220 pairs of real items, read and called one story or not: a point of
# likeness, the root of the rare words shared, and each of 72 hours apart.
_LIKENESS_COUNTS, _RARE_COUNTS, _HOUR_COUNTS, SAME_FROM = 3.7, 1.4, -1.9 / 72, 4.4
# Titles this alike are of one story where a summary is missing, and where they follow a template.
SAME_TITLE_FROM, SAME_TEMPLATE_FROM = 0.55, 0.9
# A word is rare that at most one of a thousand headlines holds.
_RARE_FROM = 7.0
_TEXTS = 40_000
# Numbers this near are one number told in two ways.
_SAME_NUMBER = 0.05
# Earlier items are found by so many of the rarest words, by each the newest so many.
_RAREST, _MOST_BY_WORD = 6, 50
_LEAST_LIKENESS = 0.1
MOST_TITLE, _MOST_SUMMARY = 40, 60
_ENDINGS = ("ing", "ed", "es", "s")


@dataclass(slots=True)
class Fingerprint:
    """What of an article is compared."""

    key: str
    title: dict[str, float]
    weight: float
    length: float
    rarest: tuple[str, ...]
    summary: tuple[str, ...]
    numbers: tuple[float, ...]
    marks: frozenset[str]
    directions: frozenset[str]
    firms: frozenset[str]
    is_template: bool
    _whole: dict[str, float] | None = None
    _all_numbers: tuple[float, ...] | None = None

    def whole(self) -> dict[str, float]:
        """Return the weights of headline and summary together, worked out when first asked for."""
        if self._whole is None:
            self._whole = {**_weights(self.summary), **self.title} if self.summary else self.title
        return self._whole

    def all_numbers(self) -> tuple[float, ...]:
        """Return the numbers of headline and summary together."""
        if self._all_numbers is None:
            self._all_numbers = self.numbers + _numbers(self.summary)
        return self._all_numbers


@dataclass(slots=True)
class _Entry:
    news_id: str
    published_at: datetime
    cluster_id: str
    print_: Fingerprint


@dataclass
class _Stream:
    entries: list[_Entry] = field(default_factory=list)
    by_word: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_key: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: _Entry) -> None:
        place = len(self.entries)
        self.entries.append(entry)
        self.by_key[entry.print_.key].append(place)
        for word in entry.print_.rarest:
            self.by_word[word].append(place)


class Clusters:
    """Articles seen so far, by ticker, and the clusters they are in."""

    def __init__(self) -> None:
        """Begin with none."""
        self._streams: dict[str, _Stream] = defaultdict(_Stream)
        self._cluster_of: dict[str, str] = {}

    def remember(
        self,
        news_id: str,
        tickers: Iterable[str],
        published_at: datetime,
        cluster_id: str,
        seen: Fingerprint,
    ) -> None:
        """Take in an article whose cluster was decided before."""
        self._cluster_of[news_id] = cluster_id
        for ticker in tickers:
            self._streams[ticker].add(_Entry(news_id, published_at, cluster_id, seen))

    def keep(self, news_id: str, cluster_id: str) -> None:
        """Take in that an item has its cluster, whatever it is like."""
        self._cluster_of[news_id] = cluster_id

    def place(
        self, news_id: str, tickers: Sequence[str], published_at: datetime, seen: Fingerprint
    ) -> tuple[str, dict[str, float]]:
        """Return the cluster of a new article, and its novelty (0 to 1) for each of its tickers."""
        best, novelty = (0.0, ""), {}
        for ticker in tickers:
            most = 0.0
            for entry, alike in self._similar(ticker, published_at, seen):
                if entry.news_id == news_id:
                    continue
                most = max(most, alike.likeness)
                if alike.likeness > best[0] and _is_one_story(
                    seen, entry.print_, alike, abs(published_at - entry.published_at)
                ):
                    best = alike.likeness, entry.cluster_id
            novelty[ticker] = max(0.0, 1.0 - most)
        cluster_id = self._cluster_of.get(news_id) or best[1] or news_id
        self.remember(news_id, tickers, published_at, cluster_id, seen)
        return cluster_id, novelty

    def _similar(
        self, ticker: str, published_at: datetime, seen: Fingerprint
    ) -> Iterable[tuple[_Entry, Alike]]:
        stream = self._streams.get(ticker)
        if stream is None:
            return
        places: set[int] = set()
        for word in seen.rarest:
            places.update(stream.by_word.get(word, ())[-_MOST_BY_WORD:])
        for place in places:
            entry = stream.entries[place]
            if abs(published_at - entry.published_at) <= NOVEL_WITHIN:
                in_titles = _in_titles(seen, entry.print_)
                if in_titles >= _LEAST_LIKENESS:
                    yield entry, compare(seen, entry.print_, in_titles)
        for place in stream.by_key.get(seen.key, ())[-_MOST_BY_WORD:]:
            entry = stream.entries[place]
            if abs(published_at - entry.published_at) <= NOVEL_WITHIN:
                yield entry, _COPY


class Alike(NamedTuple):
    """How alike two articles are: 0 to 1, how many rare words they share, and by titles alone."""

    likeness: float
    rare_words: int
    in_titles: float


_COPY = Alike(1.0, 100, 1.0)


def compare(one: Fingerprint, other: Fingerprint, in_titles: float) -> Alike:
    """Return how alike two articles are; `in_titles` is the cosine of their titles."""
    weights = one.whole()
    shared = weights.keys() & other.whole().keys()
    # Exact sums, as the order of a set is another in every process.
    of_one = math.fsum([weights[word] for word in shared if word in one.title])
    of_other = math.fsum([weights[word] for word in shared if word in other.title])
    rare = sum([weights[word] > _RARE_FROM for word in shared])
    likeness = (of_one / (one.weight or 1) + of_other / (other.weight or 1)) / 2
    return Alike(likeness, rare, in_titles)


def _is_one_story(one: Fingerprint, other: Fingerprint, alike: Alike, apart: timedelta) -> bool:
    if apart > SAME_WITHIN:
        return False
    if one.is_template or other.is_template:
        is_alike = alike.in_titles >= SAME_TEMPLATE_FROM
    elif not (one.summary and other.summary) and alike.in_titles >= SAME_TITLE_FROM:
        is_alike = True
    else:
        told = _LIKENESS_COUNTS * alike.likeness + _RARE_COUNTS * math.sqrt(alike.rare_words)
        hours = apart.total_seconds() / 3600
        is_alike = alike is _COPY or told + _HOUR_COUNTS * hours >= SAME_FROM
    return is_alike and not conflict(one, other)


def conflict(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two articles contradict each other in a number, a period, a direction or a broker.

    A headline's number may stand in the other article's summary.
    """
    if (
        one.numbers
        and other.numbers
        and not _share_number(one.numbers, other.all_numbers())
        and not _share_number(one.all_numbers(), other.numbers)
    ):
        return True
    if one.marks and other.marks and not one.marks & other.marks:
        return True
    if one.firms and other.firms and not one.firms & other.firms:
        return True
    return len(one.directions) == len(other.directions) == 1 and one.directions != other.directions


def _share_number(some: Sequence[float], others: Sequence[float]) -> bool:
    return any(abs(a - b) <= _SAME_NUMBER * max(a, b) for a in some for b in others)


def _in_titles(one: Fingerprint, other: Fingerprint) -> float:
    """Return the cosine of two titles."""
    weights = one.title
    shared = weights.keys() & other.title.keys()
    length = one.length * other.length
    if not (shared and length):
        return 0.0
    return math.fsum([weights[word] ** 2 for word in shared]) / length


@cache
def _rarity() -> dict[str, float]:
    return {
        row["word"]: math.log(_TEXTS / (1 + int(row["text_count"])))
        for row in rows("word_frequencies")
    }


@cache
def _directions() -> Patterns[str]:
    return Patterns([("<up>", "<up>|<raiseverb>"), ("<down>", "<down>|<cutverb>")], word_classes())


@lru_cache(maxsize=REMEMBERED)
def _way(form: str) -> str | None:
    """Return the direction a word tells, and None where it tells none or both."""
    hits = _directions().find([form])
    return hits[0].label if len(hits) == 1 else None


@lru_cache(maxsize=REMEMBERED)
def _rare_stem(form: str) -> tuple[str, float]:
    """Return what a word is compared by, and how much it counts: the more, the rarer it is."""
    stem = _way(form) or next(
        (form[: -len(e)] for e in _ENDINGS if form.endswith(e) and len(form) - len(e) >= 4), form
    )
    if not (stem[0].isalnum() or stem[0] in "<$"):
        return stem, 0.0
    if stem[0] == "<":
        return stem, 1.0
    return stem, max(0.0, _rarity().get(stem, math.log(_TEXTS)))


@cache
def _templates() -> Patterns[str]:
    return Patterns(
        ((row["template"], row["pattern"]) for row in rows("news_templates")), word_classes()
    )


def is_holding(shapes: Sequence[str]) -> bool:
    """Whether a headline only says that a fund or an insider holds, bought or sold shares."""
    return any(hit.label == "holding" for hit in _templates().find(shapes))


def fingerprint(
    title: str,
    cut: Sequence[Word],
    told: Sequence[Word],
    summary: Sequence[Word],
    firms: Iterable[str],
) -> Fingerprint:
    """Return what of an article is compared.

    `cut` are the words of its title; `told` and `summary` those of title and summary that name
    none of its own companies.
    """
    forms = [word.form for word in told]
    weights = _weights(forms)
    marks = {form for form in forms if len(form) == 2 and form[0] in "qh" and form[1].isdigit()}
    return Fingerprint(
        plain(title),
        weights,
        sum(weights.values()),
        math.sqrt(sum([weight * weight for weight in weights.values()])),
        tuple(sorted(weights, key=lambda word: (-weights[word], word))[:_RAREST]),
        tuple([word.form for word in summary[:_MOST_SUMMARY]]),
        _numbers(forms)[:8],
        frozenset(marks),
        frozenset([way for form in forms if (way := _way(form))]),
        frozenset(firms),
        bool(_templates().find([shape(w.form) for w in cut])),
    )


def _weights(forms: Iterable[str]) -> dict[str, float]:
    return {stem: weight for stem, weight in map(_rare_stem, forms) if weight > 0}


def _numbers(forms: Iterable[str]) -> tuple[float, ...]:
    # A year says nothing that another article could contradict, and is no number here.
    return tuple([amount for amount in map(number, forms) if amount is not None])
