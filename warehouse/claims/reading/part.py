"""A sentence with all that is found in it before any claim is read."""

from __future__ import annotations

import re

from warehouse.claims.model import Claim, Read, Sentence
from warehouse.claims.reading.text import SENTENCE_WORDS, tokens
from warehouse.claims.vocabulary import WEEKDAYS, KindHit, rules_of_kinds, word_set
from warehouse.news.linking import Names
from warehouse.news.text import words

_PAUSE = re.compile(r"[:;.] | - ")


class Part:
    """One sentence: its tokens, the names in it, and the patterns that hold."""

    def __init__(self, sentence: Sentence, names: Names) -> None:
        """Find the words, names and patterns of a sentence."""
        self.sentence = sentence
        self.text = sentence.text
        self.cut = words(self.text, SENTENCE_WORDS)
        self.tokens = tokens(self.text)
        self.forms = [token.word.form for token in self.tokens]
        self.mentions = names.find(self.text, self.cut)
        self.hits = rules_of_kinds().find([token.shape for token in self.tokens])
        self.asked_from = self._asked_from()
        self.has_call = False
        self.dates_of_call: list[KindHit] = []
        self.moves: list[Claim] = []
        self.own_place: frozenset[str] = frozenset()
        # In "Friday's dip" the day is that of the dip alone; "a quarter below its average" no span.
        self.named_days = frozenset(
            hit.start for hit in self.hits
            if hit.label[0] == "direction" and self.forms[hit.start] in WEEKDAYS
        ) | frozenset(
            place for hit in self.hits if hit.label[0] == "volume"
            for place in range(hit.start - 3, hit.end)
        )  # fmt: skip
        # In "52-week high" the week is no span of a move.
        self.windows = [
            hit
            for hit in self.hits
            if hit.label[0] == "window"
            and not word_set("no_span") & set(self.forms[hit.end : hit.end + 1])
            and not (
                self.forms[hit.end : hit.end + 1] in (["closing"], ["intraday"])
                and word_set("no_span") & set(self.forms[hit.end + 1 : hit.end + 2])
            )
        ]
        # In "ended the month at $250" it is none either.
        self.windows = [
            hit
            for hit in self.windows
            if not (
                self.forms[hit.start - 1 : hit.start] == ["the"]
                and self.forms[max(0, hit.start - 2)] in word_set("end_of_span")
                and self.forms[hit.end : hit.end + 1] == ["at"]
            )
        ]
        # In "a month ago" the month is no span either.
        whole = [w for w in self.windows if w.label[1] in ("ago", "end")]
        self.windows = [
            w
            for w in self.windows
            if w in whole or not any(o.start <= w.start < o.end for o in whole)
        ]

    def _asked_from(self) -> int:
        """The place from which on a sentence asks: 0 for a question, its length for none.

        "Why is the stock up 8%?" takes it for granted, and "Up 8%: time to buy?" says it first.
        """
        if not self.text.rstrip("\"')] ").endswith("?") or self.forms[0] == "why":
            return len(self.tokens)
        if self.forms[0] in word_set("question"):
            return 0
        marks = [m.end() for m in _PAUSE.finditer(self.text)]
        return sum(t.word.start < marks[-1] for t in self.tokens) if marks else 0


def clause_of(part: Part, read: Read, kind: str) -> tuple[int, int]:
    """The clause some words stand in: up to a word that begins another, or a semicolon."""
    low, high = read.low, read.high
    # "Nvidia partnership: Integration of …" begins with a heading.
    is_headed = kind in ("news_event", "risk_flag")
    while low and not (begins_clause(part, low - 1) or (is_headed and part.forms[low - 1] == ":")):
        low -= 1
    while high < len(part.tokens) and not begins_clause(part, high):
        high += 1
    return low, high


def begins_clause(part: Part, place: int) -> bool:
    """Whether a word begins another clause."""
    form, following = part.forms[place], part.forms[place + 1 : place + 2]
    previous = part.forms[max(0, place - 1) : place]
    if form in (";", "|"):
        return True
    if any(w.start == place for w in part.windows):
        return False
    if form == "as":
        no_clause = {"of", "well", "a", "an", "much", "many", "high", "low", "part", "its"}
        return not no_clause & {*following, *previous} and previous != ["such"]
    if form == "before" and previous == [","]:
        return following not in (["the"], ["it"]) or not {
            "open",
            "bell",
            "market",
            "close",
        } & set(part.forms[place + 1 : place + 4])
    if form in ("and", "which", "with", "who"):
        return previous == [","] and form != "with"
    return form in word_set("clause") | word_set("cause")
