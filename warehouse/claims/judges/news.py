"""Judges of events by the news stored of a company, word by word."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from warehouse.claims.facts import Facts, Judge
from warehouse.claims.model import Claim, Opinion
from warehouse.claims.verdicts import (
    NOT_CHECKABLE,
    SUPPORTED,
    Evidence,
    NotCheckable,
    Verdict,
    answer,
)
from warehouse.claims.vocabulary import word_classes, word_set
from warehouse.news.text import words

_LIST = re.compile(r",? and |, ")

_DAY_WORDS = re.compile(
    r"\b(?:on )?(?:mon|tues|wednes|thurs|fri)day\b|"
    r"\b(?:on )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}\b(?:, \d{4})?",
    re.IGNORECASE,
)


def _news_event(facts: Facts, claim: Claim) -> Verdict:
    """An event is reported where its names, numbers and acts all stand in one story of the company.

    What a story tells in part only is left open, with the story named.
    """
    nearest = _reported(facts, claim.text, 1) or _reported(facts, " ".join(claim.words), 2)
    if not nearest:
        raise NotCheckable("no_news")
    said, days = claim.text, None
    if claim.day:
        # The day is that of the story, by UTC or by New York.
        said = _DAY_WORDS.sub("", said)
        days = facts.days_of(replace(claim, window=claim.day[0], stated_on=claim.day[1]))
    stories = {
        row[0]: _Told.of(f"{row[1]} {row[2]}", facts.ticker)
        for row in facts.news
        if days is None
        or any(days[0] <= (row[3] - timedelta(hours=hours)).date() <= days[1] for hours in (0, 5))
    }
    told = [
        next((one for one in _reported(facts, part, 1) if one.row_id in stories and
              _Told.of(part, facts.ticker).is_in(stories[one.row_id])), None)
        for part in _events(said, facts.ticker)
    ]  # fmt: skip
    if told and all(told):
        evidence = list(dict.fromkeys(one for one in told if one))
        return answer(
            claim, SUPPORTED, found=evidence[0].value, basis="reported in the news",
            evidence=evidence, note="that it was reported, not that it moved the price",
        )  # fmt: skip
    return answer(
        claim, NOT_CHECKABLE, found=nearest[0].value, basis="the nearest story",
        evidence=nearest[:1], reason="only_partly_reported",
    )  # fmt: skip


def _reported(facts: Facts, text: str, least: int, since: datetime | None = None) -> list[Evidence]:
    """News that share at least so many telling words with a text, the nearest first."""
    said = _telling(text, facts.ticker)
    found = []
    for row_id, title, summary, published_at, known_from in facts.news:
        if since is not None and published_at < since:
            continue
        shared = len(said & _telling(f"{title} {summary}", facts.ticker))
        if shared >= least:
            found.append((shared, Evidence("raw.news", row_id, "title", title, known_from)))
    found.sort(key=lambda pair: -pair[0])
    return [evidence for _, evidence in found[:5]]


def _telling(text: str, ticker: str) -> set[str]:
    return {
        word.form[:7]
        for word in words(text, 120)
        if len(word.form) > 2
        and word.form not in {*word_set("untelling"), ticker.lower()}
        and (len(word.form) > 3 or word.is_capital)
    }


def _events(text: str, ticker: str) -> list[str]:
    """What a list tells of, each part with the names behind it."""
    parts: list[str] = []
    for part in _LIST.split(text):
        one = _Told.of(part, ticker)
        if parts and (one.is_a_name or not one.telling):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    return parts


@cache
def _acts() -> dict[str, str]:
    """Acts by what they do, so that a story of the opposite act is no report of this one."""
    return _named_by("act_")


@cache
def _same() -> dict[str, str]:
    return _named_by("same_")


@cache
def _untelling() -> frozenset[str]:
    return word_set("plain") | word_set("untelling")


def _named_by(prefix: str) -> dict[str, str]:
    """Words of the classes that begin so, with what the rest of the class's name calls them."""
    return {
        word: name.removeprefix(prefix)
        for name, members in word_classes().items()
        if name.startswith(prefix)
        for word in members
    }


class _Told(NamedTuple):
    """What a text tells of: names and numbers, acts that exclude others, and telling words."""

    names: frozenset[str]
    acts: frozenset[str]
    telling: frozenset[str]
    is_a_name: bool

    @classmethod
    def of(cls, text: str, ticker: str) -> _Told:
        """Read a text; a name is a capital word that does not only begin the sentence."""
        cut = words(text, 120)
        forms = [part for word in cut for part in _parts(word.form)]
        names = {
            word.form for place, word in enumerate(cut)
            if (word.is_capital and (place or word.form not in _acts()))
            and word.form not in _untelling() and word.form != ticker.lower()
            and len(word.form) > 1
        }  # fmt: skip
        names |= {form for form in forms if form in word_set("count") or form[:1].isdigit()}
        acts = {_acts()[form] for form in forms if form in _acts()}
        telling = {
            _same().get(form, form)[:6] for form in forms
            if (len(form) > 2 or form == "ai")
            and form not in _untelling() and form not in word_set("count")
        }  # fmt: skip
        is_a_name = telling <= {_same().get(name, name)[:6] for name in names}
        return cls(frozenset(names), frozenset(acts), frozenset(telling), is_a_name)

    def is_in(self, story: _Told) -> bool:
        """Whether a story has every name and number, no other act, and half of the words."""
        known = story.names | {name.rstrip("s") for name in story.names}
        if any(name not in known and name[:6] not in story.telling for name in self.names):
            return False
        if self.acts != self.acts & story.acts or (story.acts & {"end"}) - self.acts:
            return False
        shared = len(self.telling & story.telling)
        return shared >= min(2, len(self.telling)) and 2 * shared >= len(self.telling) > 0


def _parts(form: str) -> list[str]:
    """A word, and where it begins with a count that count apart: "trillion-parameter"."""
    head, _, rest = form.partition("-")
    return [head, rest] if head in word_set("count") and rest else [form]


def opinion_of(facts: Facts, opinion: Opinion) -> dict[str, Any]:
    """An opinion; a reason given is at most said to coincide with news of the days before."""
    said: dict[str, Any] = {
        "text": opinion.text, "reason": opinion.reason, "sentence": opinion.sentence
    }  # fmt: skip
    if opinion.reason == "causal":
        since = facts.moment - timedelta(days=5)
        found = _reported(facts, opinion.text, 2, since)
        if found:
            said["coincides_with"] = [one._asdict() for one in found]
    return said


JUDGES: dict[str, Judge] = {
    "news_event": _news_event,
}
