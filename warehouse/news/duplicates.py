"""Which articles tell the same story: clusters within 72 hours and a ticker's stream.

Headlines are compared by the weight of the words they share, rare words counting most; the
company's own name, which every item of its stream holds, does not count. Numbers, directions or
brokers that contradict each other forbid a match, however alike the rest is. An article joins the
cluster of the most similar earlier one or starts its own; clusters never merge and never change
their name.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache

from warehouse.news.patterns import Patterns
from warehouse.news.text import REMEMBERED, Word, plain, shape
from warehouse.news.vocabulary import rows, word_classes

SAME_WITHIN = timedelta(hours=72)
NOVEL_WITHIN = timedelta(days=30)
SAME_FROM, SAME_TEMPLATE_FROM = 0.55, 0.9
_SUMMARY_SHARE = 0.35
_TEXTS = 40_000
# Numbers this near are one number told in two ways.
_SAME_NUMBER = 0.05
# Earlier items are found by so many of the rarest words, by each the newest so many.
_RAREST, _MOST_BY_WORD = 5, 50
_LEAST_LIKENESS = 0.2
_MOST_TITLE, _MOST_SUMMARY = 40, 60
_ENDINGS = ("ing", "ed", "es", "s")


@dataclass(slots=True)
class Fingerprint:
    """What of an article is compared."""

    key: str
    told: tuple[str, ...]
    rarest: tuple[str, ...]
    title: dict[str, float]
    summary: tuple[str, ...]
    numbers: tuple[float, ...]
    marks: frozenset[str]
    directions: frozenset[str]
    firms: frozenset[str]
    is_template: bool
    _whole: dict[str, float] | None = None

    def whole(self) -> dict[str, float]:
        """Return the weights of headline and summary together, worked out when first asked for."""
        if self._whole is None:
            if not self.summary:
                self._whole = self.title
            else:
                weights = {w: _SUMMARY_SHARE * n for w, n in map(_rare_stem, self.summary)}
                for word, weight in map(_rare_stem, self.told):
                    weights[word] = weights.get(word, 0.0) + weight
                self._whole = _unit(weights)
        return self._whole


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
            for entry, likeness in self._similar(ticker, published_at, seen):
                if entry.news_id == news_id:
                    continue
                most = max(most, likeness)
                apart = abs(published_at - entry.published_at)
                least = (
                    SAME_TEMPLATE_FROM
                    if seen.is_template or entry.print_.is_template
                    else SAME_FROM
                )
                if (
                    apart <= SAME_WITHIN
                    and likeness >= least
                    and likeness > best[0]
                    and not conflict(seen, entry.print_)
                ):
                    best = likeness, entry.cluster_id
            novelty[ticker] = max(0.0, 1.0 - most)
        cluster_id = self._cluster_of.get(news_id) or best[1] or news_id
        self.remember(news_id, tickers, published_at, cluster_id, seen)
        return cluster_id, novelty

    def _similar(
        self, ticker: str, published_at: datetime, seen: Fingerprint
    ) -> Iterable[tuple[_Entry, float]]:
        stream = self._streams.get(ticker)
        if stream is None:
            return
        places: set[int] = set()
        for word in seen.rarest:
            places.update(stream.by_word.get(word, ())[-_MOST_BY_WORD:])
        for place in places:
            entry = stream.entries[place]
            if abs(published_at - entry.published_at) <= NOVEL_WITHIN:
                dot = _dot(seen.title, entry.print_.title)
                if dot >= _LEAST_LIKENESS:
                    yield entry, likeness(seen, entry.print_, dot)
        for place in stream.by_key.get(seen.key, ())[-_MOST_BY_WORD:]:
            entry = stream.entries[place]
            if abs(published_at - entry.published_at) <= NOVEL_WITHIN:
                yield entry, 1.0


def likeness(one: Fingerprint, other: Fingerprint, dot: float | None = None) -> float:
    """Return how alike two articles are, 0 to 1; `dot` is what their titles share, where known."""
    if dot is None:
        dot = _dot(one.title, other.title)
    return min(1.0, max(dot, (dot + _dot(one.whole(), other.whole())) / 2))


def conflict(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two articles contradict each other in a number, a period, a direction or a broker."""
    if one.numbers and other.numbers and not _share_number(one.numbers, other.numbers):
        return True
    if one.marks and other.marks and not one.marks & other.marks:
        return True
    if one.firms and other.firms and not one.firms & other.firms:
        return True
    return len(one.directions) == len(other.directions) == 1 and one.directions != other.directions


def _share_number(some: Sequence[float], others: Sequence[float]) -> bool:
    return any(abs(a - b) <= _SAME_NUMBER * max(a, b) for a in some for b in others)


def _dot(one: dict[str, float], other: dict[str, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    total = 0.0
    for word, weight in one.items():
        if word in other:
            total += weight * other[word]
    return total


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
    summary: Sequence[Word],
    own: Sequence[tuple[int, int]],
    firms: Iterable[str],
) -> Fingerprint:
    """Return what of an article is compared; `own` says where its title names its own companies."""
    cut = cut[:_MOST_TITLE]
    if own:
        taken = {w.start for w in cut for start, end in own if start <= w.start < end}
        told = tuple([w.form for w in cut if w.start not in taken])
    else:
        told = tuple([w.form for w in cut])
    title_words = dict(map(_rare_stem, told))
    numbers = [n for form in told if (n := _number(form)) is not None]
    marks = {form for form in told if len(form) == 2 and form[0] in "qh" and form[1].isdigit()}
    return Fingerprint(
        plain(title),
        told,
        tuple(sorted(title_words, key=lambda word: (-title_words[word], word))[:_RAREST]),
        _unit(title_words),
        tuple([word.form for word in summary[:_MOST_SUMMARY]]),
        tuple(numbers[:8]),
        frozenset(marks),
        frozenset([way for form in told if (way := _way(form))]),
        frozenset(firms),
        bool(_templates().find([shape(w.form) for w in cut])),
    )


@lru_cache(maxsize=REMEMBERED)
def _number(form: str) -> float | None:
    digits = form.lstrip("+-$€£¥₹").rstrip("%").replace(",", "")
    if not digits[:1].isdecimal():
        return None
    number = float(digits)
    return number if number > 0 else None


def _unit(weights: dict[str, float]) -> dict[str, float]:
    length = math.sqrt(sum([weight * weight for weight in weights.values()]))
    return (
        {word: weight / length for word, weight in weights.items() if weight > 0} if length else {}
    )
