"""What is found in an article: sentences, tokens, spans of time, claims and opinions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from warehouse.news.text import Word


@dataclass(frozen=True)
class Claim:
    """One statement that a query can judge.

    `ticker` is None where the text speaks of a company it cannot name. `argument` narrows the kind
    (up, median, forward_pe, a flag); `value` to `high` in `unit` (fraction, x, count, or a
    currency), written in steps of `step`; `operator` is equal, about, over, under or nearly.
    `stated_on` has the year 1 where the text leaves it out. `period` is "this" or "last" of a
    calendar week, month or quarter. `unread` is the reason why words around it forbid a verdict.
    `change` is the way a target went (up, down, same). `second` is a number stated beside the
    first: a distance to an average or its level, the result that beat or missed `prior`. `day` is
    one named beside what is told as of the article. `left` are words of its clause that could
    qualify it and that nothing read, `beside` those of other clauses. `basis` is close or extreme
    where the words say so much.
    `rank` is high or low where a firm's target is said to be the highest or lowest of all.
    `text[start:end]` of the article is the span.
    """

    kind: str
    ticker: str | None
    argument: str
    operator: str
    value: float | None
    high: float | None
    step: float
    unit: str
    window: str | None
    stated_on: date | None
    text: str
    sentence: int
    start: int
    end: int
    firm: str | None = None
    grade: str | None = None
    prior: float | None = None
    prior_grade: str | None = None
    words: tuple[str, ...] = ()
    period: str = ""
    unread: str | None = None
    change: str = ""
    second: float | None = None
    second_unit: str = ""
    second_step: float = 1.0
    day: tuple[str, date | None] | None = None
    left: str = ""
    beside: str = ""
    basis: str = ""
    rank: str = ""


@dataclass(frozen=True)
class Opinion:
    """A sentence or clause that no query can judge, and why.

    The reason is causal, negated, forecast, question, opinion or heading.
    """

    text: str
    reason: str
    sentence: int


@dataclass(frozen=True)
class Sentence:
    """`article[start:end]`, cut at 600 characters."""

    number: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Article:
    """What was found in a text; `ticker` and `published` are as the text itself says."""

    ticker: str | None
    published: str | None
    sentences: tuple[Sentence, ...]
    claims: tuple[Claim, ...]
    opinions: tuple[Opinion, ...]
    is_cut: bool


class Span(NamedTuple):
    """A span of time, its date and period as in `Claim`, and the place where its words end."""

    name: str | None
    stated_on: date | None = None
    period: str = ""
    end: int = 0
    is_read: bool = True


class Read(NamedTuple):
    """The words a claim stands in, and the places of the numbers and dates it has read."""

    low: int
    high: int
    used: frozenset[int]


class Token(NamedTuple):
    """A word or a quantity; `shape` is what patterns see, `unit` that of its `value`."""

    word: Word
    shape: str
    value: float | None
    step: float
    unit: str
    end: int
