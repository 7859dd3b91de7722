"""Broker calls that a headline reports: who, of which company, which grade and target, from what.

A call needs a firm of `firm_aliases`, a company, and an official act: a grade given or changed, a
coverage begun or ended, a target set. A firm that only says something has an opinion, which is soft
and never becomes a vote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from warehouse.news.linking import FIRM, Mention
from warehouse.news.patterns import Hit, Patterns
from warehouse.news.text import Word, shape
from warehouse.news.vocabulary import rows, word_classes, word_set

SPAN_CHARACTERS = 200
# In a summary a firm's grade stands at most so many words after its name.
_GRADE_WITHIN = 8
_YEARS = range(1990, 2101)
_UP, _DOWN, _INITIATED, _REITERATED, _MAINTAINED, _DROPPED = (
    "up",
    "down",
    "init",
    "reit",
    "main",
    "drop",
)
CURRENCIES = {"€": "EUR", "£": "GBP", "₹": "INR"}
_CURRENCY_WORDS = {
    "rs": "INR", "inr": "INR", "eur": "EUR", "euros": "EUR", "usd": None, "gbp": "GBP",
    "hkd": "HKD", "cad": "CAD", "aud": "AUD", "chf": "CHF", "sek": "SEK", "nok": "NOK",
    "dkk": "DKK", "jpy": "JPY",
}  # fmt: skip
DOLLARS = {"hk": "HKD", "c": "CAD", "ca": "CAD", "a": "AUD", "au": "AUD", "s": "SGD", "nt": "TWD"}
# Grades that are everyday words as well count only where a sentence puts a grade.
# Credit grades are not calls.


class Call(NamedTuple):
    """One call; `action` is up, down, init, reit, main or drop, and None for a soft opinion."""

    ticker: str
    firm: str
    action: str | None
    grade: str | None
    prior_grade: str | None
    target: float | None
    prior_target: float | None
    target_currency: str | None
    is_soft: bool
    span: str


@cache
def _acts() -> Patterns[str]:
    return Patterns(
        ((row["act"], row["pattern"]) for row in rows("broker_call_patterns")), word_classes()
    )


@cache
def _grades() -> dict[str, list[tuple[str, ...]]]:
    """Grades by their first word, the longest first."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for row in rows("rating_grades"):
        spelled = tuple(row["grade"].split())
        found.setdefault(spelled[0], []).append(spelled)
        if len(spelled) == 2:
            found.setdefault("-".join(spelled), []).append(("-".join(spelled),))
            found.setdefault("".join(spelled), []).append(("".join(spelled),))
    for members in found.values():
        members.sort(key=len, reverse=True)
    return found


def grade_at(forms: Sequence[str], place: int) -> int:
    """Return how many words a grade that begins at a place has, 0 where none does."""
    for spelled in _grades().get(forms[place], ()):
        if tuple(forms[place : place + len(spelled)]) == spelled:
            return len(spelled)
    return 0


def target_change(cut: Sequence[Word]) -> str:
    """Return which way a target went by the words: up, down, same; mixed, or "" if they are silent.

    A verb behind which a grade stands before the target is of the grade: "raised to Buy, PT $9".
    """
    shapes = [shape(word.form) for word in cut]
    forms = [word.form for word in cut]
    ways: set[str] = set()
    for hit in _acts().find(shapes):
        if hit.label not in ("target up", "target down", "reit"):
            continue
        end = hit.end
        if hit.label == "reit":
            targets = [p for p in range(hit.end, min(hit.end + 4, len(forms)))
                       if forms[p] in ("target", "targets", "pt")]  # fmt: skip
            if not targets or "and" in forms[hit.end : targets[0]]:
                continue
            end = targets[0] + 1
        if any(grade_at(forms, p) and forms[p] != "fair" for p in range(hit.start, end)):
            continue
        if hit.label != "reit" and "%" in "".join(forms[hit.start : hit.end]):
            continue
        ways.add({"target up": "up", "target down": "down", "reit": "same"}[hit.label])
    return next(iter(ways)) if len(ways) == 1 else "mixed" if ways else ""


class Text(NamedTuple):
    """A headline or summary, its words, and the names in it, brokers' included."""

    text: str
    cut: Sequence[Word]
    mentions: Sequence[Mention]


def extract(
    title: Text, summary: Text, tickers: Sequence[str], primary: Sequence[str]
) -> list[Call]:
    """Return the calls a headline reports on the companies `tickers`.

    Where it names no company at all, the item's only `primary` ticker is meant. A grade it leaves
    out is taken from the summary where that gives the firm's: "Barclays moved to Equal-Weight".
    """
    if not any(mention.name.startswith(FIRM) for mention in title.mentions):
        return []
    calls: dict[tuple[str, str], Call] = {}
    for part in _segments(title):
        for call in _Segment(part, tickers, primary).calls():
            known = calls.get((call.firm, call.ticker))
            if known is None or (known.is_soft and not call.is_soft):
                calls[call.firm, call.ticker] = call
    return [_completed(calls[key], summary) for key in sorted(calls)]


def _completed(call: Call, summary: Text) -> Call:
    if call.grade is not None or call.is_soft or call.action == _DROPPED or not summary.cut:
        return call
    told = _Segment(summary, (), ())
    for mention in summary.mentions:
        if mention.name == FIRM + call.firm:
            others = [
                m.start
                for m in summary.mentions
                if m.start > mention.end and m.name.startswith(FIRM)
            ]
            following = [w.end for w in summary.cut if w.start > mention.end][:_GRADE_WITHIN]
            end = min([*others, following[-1]]) if following else mention.end
            grade, prior_grade = told.grade(mention.end, end)
            if grade is not None:
                return call._replace(grade=grade, prior_grade=call.prior_grade or prior_grade)
    return call


def _segments(title: Text) -> list[Text]:
    """Cut a headline at semicolons and bars, where another broker speaks behind them."""
    bounds = [i for i, word in enumerate(title.cut) if word.form in (";", "|")]
    parts: list[Text] = []
    end = len(title.cut)
    for start in [*reversed(bounds), -1]:
        cut = title.cut[start + 1 : end]
        if not cut:
            continue
        within = [m for m in title.mentions if cut[0].start <= m.start and m.end <= cut[-1].end]
        if start < 0 or any(m.name.startswith(FIRM) for m in within):
            parts.insert(0, Text(title.text, cut, within))
            end = start
    return parts


def _overlap(one: Mention, other: Mention) -> bool:
    return one.start < other.end and other.start < one.end


class _Segment:
    """A part of a headline that stands for itself."""

    def __init__(self, part: Text, tickers: Sequence[str], primary: Sequence[str]) -> None:
        self.title, self.cut, self.mentions = part
        self.tickers = tickers
        self.primary = primary
        self.shapes = [shape(word.form) for word in self.cut]
        self.span = self.title[self.cut[0].start : self.cut[-1].end][:SPAN_CHARACTERS]

    def calls(self) -> list[Call]:
        acts = _acts().find(self.shapes)
        if not acts:
            return []
        firms = self._firms(acts)
        if not firms or not word_set("credit").isdisjoint(self.shapes):
            return []
        companies = [
            m
            for m in self.mentions
            if not m.name.startswith(FIRM) and not any(_overlap(m, firm) for firm in firms)
        ]
        named = {m.name for m in companies}
        spots = sorted({(m.start, m.end) for m in companies})
        found = []
        for ticker in self.tickers:
            own = [m for m in companies if m.name == ticker]
            if not own and (named or list(self.primary) != [ticker]):
                continue
            for number, firm in enumerate(firms):
                if any(m.name == ticker and _overlap(m, firm) for m in self.mentions):
                    continue  # nobody rates himself
                words = self._range(own, companies, spots, firms, number)
                call = self._call(ticker, firm.name[len(FIRM) :], words, acts)
                if call is not None:
                    found.append(call)
        return found

    def _firms(self, acts: Sequence[Hit[str]]) -> list[Mention]:
        """Mentions of brokers that make a call: those after `at` or `by`, if there are such."""
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        if len(firms) > 1:
            after = {self.cut[hit.start].end + 1 for hit in acts if hit.label == "passive"}
            passive = [m for m in firms if m.start in after]
            if passive:
                last = max(m.end for m in passive)
                return passive + [m for m in firms if m.start > last]
        return firms

    def _range(
        self,
        own: Sequence[Mention],
        companies: Sequence[Mention],
        spots: Sequence[tuple[int, int]],
        firms: Sequence[Mention],
        number: int,
    ) -> tuple[int, int]:
        """Bounds, as places in the title, of what is said of one company by one firm."""
        start, end = self.cut[0].start, self.cut[-1].end
        if own and len({m.name for m in companies}) > 1:
            places = {m.start for m in own}
            before = [b for a, b in spots if a < own[0].start and a not in places]
            after = [a for a, _ in spots if a > own[-1].end and a not in places]
            if before and not self._is_list(max(before), own[0].start):
                start = self._parting(max(before), own[0].start, max(before))
            if after and not self._is_list(own[-1].end, min(after)):
                end = self._parting(own[-1].end, min(after), min(after))
        if len(firms) > 1:
            firm = firms[number]
            following = firms[number + 1] if number + 1 < len(firms) else None
            if following and len(self.title[firm.end : following.start].split()) > 2:
                end = min(end, following.start)
            preceding = firms[number - 1] if number else None
            if preceding and len(self.title[preceding.end : firm.start].split()) > 2:
                start = max(start, firm.start)
        return start, max(end, start)

    def _is_list(self, start: int, end: int) -> bool:
        """Whether two names stand in one list, so that what is said is said of both."""
        return self.title[start:end].strip(" ,&").lower() in ("", "and")

    def _parting(self, start: int, end: int, otherwise: int) -> int:
        """Where what is said of one name ends and of the next begins."""
        marks = [self.title.rfind(mark, start, end) for mark in (",", " and ", " while ", " but ")]
        return max(marks) if max(marks) >= 0 else otherwise

    def _call(
        self, ticker: str, firm: str, bounds: tuple[int, int], acts: Sequence[Hit[str]]
    ) -> Call | None:
        start, end = bounds
        labels = {hit.label for hit in acts if start <= self.cut[hit.start].start < end}
        everywhere = {hit.label for hit in acts}
        grade, prior_grade = self.grade(start, end)
        if grade is None and not labels & {_UP, _DOWN, _INITIATED, _DROPPED, "target"}:
            # Of several companies the last may carry what is said of all.
            start, end, labels = self.cut[0].start, self.cut[-1].end, everywhere
            grade, prior_grade = self.grade(start, end)
        target, prior_target, currency = self._targets(start, end, labels)
        action = self._action(labels, grade, target)
        if action is None:
            if "says" not in labels:
                return None
            return Call(ticker, firm, None, None, None, None, None, None, True, self.span)
        if action == _DROPPED and grade is None:
            grade = "Coverage Suspended"
        return Call(
            ticker,
            firm,
            action,
            grade,
            prior_grade,
            target,
            prior_target,
            currency,
            False,
            self.span,
        )

    @staticmethod
    def _action(labels: set[str], grade: str | None, target: float | None) -> str | None:
        for label in (_UP, _DOWN):
            if label in labels:
                return label
        if _INITIATED in labels:
            return _INITIATED
        if _DROPPED in labels:
            return _DROPPED
        is_target = "target" in labels or "target up" in labels or "target down" in labels
        if is_target and ("target up" in labels or "target down" in labels):
            return _MAINTAINED
        if grade and "raised to" in labels and not is_target:
            return _UP
        if grade and "lowered to" in labels and not is_target:
            return _DOWN
        if target is not None and is_target and "adjusted" in labels:
            return _MAINTAINED
        if grade and (_REITERATED in labels or "rated" in labels):
            return _REITERATED
        if target is not None and is_target:
            return _MAINTAINED
        if _REITERATED in labels and is_target:
            return _REITERATED
        if grade and not labels & {"says"}:
            return _REITERATED
        return None

    def grade(self, start: int, end: int) -> tuple[str | None, str | None]:
        """The grade given, and the one before, as printed."""
        now, before = None, None
        place = 0
        while place < len(self.cut):
            word = self.cut[place]
            length = self._grade_length(place) if start <= word.start < end else 0
            if not length:
                place += 1
                continue
            printed = self.title[word.start : self.cut[place + length - 1].end]
            leading = {w.form for w in self.cut[max(0, place - 2) : place]}
            if leading & word_set("before_prior"):
                before = before or printed
            else:
                now = now or printed
            place += length
        return now, before

    def _grade_length(self, place: int) -> int:
        forms = [w.form for w in self.cut[place : place + 5]]
        for spelled in _grades().get(forms[0], ()):
            length = len(spelled)
            if tuple(forms[:length]) != spelled:
                continue
            previous = self.cut[place - 1].form if place else ":"
            following = self.cut[place + length].form if place + length < len(self.cut) else ")"
            is_sure = spelled[0].split("-")[0] in word_set("sure_grade")
            after = following in word_set("after_grade")
            before = previous in word_set("before_grade")
            if following in ("rating", "ratings", "recommendation"):
                return length
            if is_sure and self.cut[place].is_capital and (before or after):
                return length
            if is_sure and before and (after or place + length == len(self.cut)):
                return length
            if (
                is_sure
                and spelled[0] not in ("buy", "hold", "sell", "market", "strong")
                and before
                and previous != "to"
            ):
                return length
            if (
                not is_sure
                and self.cut[place].is_capital
                and before
                and after
                and previous not in (",", "-")
            ):
                return length
        return 0

    def _targets(
        self, start: int, end: int, labels: set[str]
    ) -> tuple[float | None, float | None, str | None]:
        """The target set, the one before, and their currency where it is not the quote's."""
        has_word = bool(labels & {"target", "target up", "target down"})
        now: list[tuple[bool, float, str | None]] = []
        before: list[float] = []
        for place, word in enumerate(self.cut):
            if not (start <= word.start < end) or word.form.endswith("%"):
                continue
            money = self._money(place)
            if money is None:
                continue
            amount, currency, is_marked = money
            previous = [w.form for w in self.cut[max(0, place - 2) : place]]
            leads = bool(previous) and previous[-1] in word_set("before_target")
            if any(form in word_set("before_prior") for form in previous):
                if is_marked or has_word:
                    before.append(amount)
            elif (is_marked and (has_word or self._is_after_grade(place))) or (has_word and leads):
                now.append((leads, amount, currency))
        best = next((one for one in now if one[0]), now[0] if now else None)
        if best is None:
            return None, None, None
        return best[1], before[0] if before else None, best[2]

    def _is_after_grade(self, place: int) -> bool:
        return any(self._grade_length(i) for i in range(max(0, place - 4), place))

    def _money(self, place: int) -> tuple[float, str | None, bool] | None:
        form = self.cut[place].form
        mark = form.lstrip("+-")[:1]
        digits = form.lstrip("+-$€£¥₹").replace(",", "")
        if not digits[:1].isdecimal():
            return None
        following = self.cut[place + 1].form if place + 1 < len(self.cut) else ""
        if re.fullmatch(
            r"m|mn|mln|million|b|bn|billion|k|shares|x|days?|years?|months?", following
        ):
            return None
        previous = self.cut[place - 1] if place else None
        currency, is_marked = CURRENCIES.get(mark), not mark.isdecimal()
        if previous is not None and mark == "$" and previous.end == self.cut[place].start:
            currency = DOLLARS.get(previous.form)
        elif previous is not None and mark.isdecimal() and previous.form in _CURRENCY_WORDS:
            currency, is_marked = _CURRENCY_WORDS[previous.form], True
        amount = float(digits)
        if not is_marked and amount in _YEARS:
            return None
        return (amount, currency, is_marked) if 0 < amount < 1e7 else None
