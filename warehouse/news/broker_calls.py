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
# Between a colon and the broker of "...: Amit Harchekar, IIFL" stand at most so many words.
_NAME_BEFORE = 5
_YEARS = range(1990, 2101)
_UP, _DOWN, _INITIATED, _REITERATED, _MAINTAINED, _DROPPED = (
    "up",
    "down",
    "init",
    "reit",
    "main",
    "drop",
)
# What is done to a rating or a target by verbs of many uses: where a grade follows, to the rating.
_BY_WAY: dict[str, str | None] = {
    "target up": _UP,
    "target down": _DOWN,
    "raised to": _UP,
    "lowered to": _DOWN,
    "moved to": None,
}
_BY_FIRM = {"raised by": _UP, "lowered by": _DOWN}
_ORDER = ("sell", "hold", "buy")
_MOVED = {"buy": _UP, "sell": _DOWN}
_OF_A_RATING = frozenset((*_BY_WAY, _UP, _DOWN, _INITIATED, _REITERATED, "start", "rated"))
_TELLING = _OF_A_RATING | {_DROPPED, "target", "adjusted"}
_TARGET_WORDS = frozenset(
    (
        "target",
        "targets",
        "pt",
        "pts",
        "tp",
        "tps",
        "price-target",
        "objective",
        "value",
        "estimate",
        "estimates",
    )
)
CURRENCIES = {"€": "EUR", "£": "GBP", "₹": "INR"}
_CURRENCY_WORDS = {
    "rs": "INR", "inr": "INR", "eur": "EUR", "euros": "EUR", "usd": None, "gbp": "GBP",
    "hkd": "HKD", "cad": "CAD", "aud": "AUD", "chf": "CHF", "sek": "SEK", "nok": "NOK",
    "dkk": "DKK", "jpy": "JPY", "cny": "CNY", "rmb": "CNY", "twd": "TWD", "krw": "KRW",
    "sgd": "SGD", "nzd": "NZD", "myr": "MYR", "rm": "MYR", "thb": "THB", "brl": "BRL",
    "zar": "ZAR", "pln": "PLN", "gbx": "GBp",
}  # fmt: skip
# What stands behind an amount; crowns are of three countries, so those of the quote.
_UNITS = {
    "p": "GBp", "pence": "GBp", "gbx": "GBp", "euro": "EUR", "euros": "EUR", "eur": "EUR",
    "yen": "JPY", "won": "KRW", "rupees": "INR", "yuan": "CNY", "francs": "CHF", "chf": "CHF",
    "kronor": None, "kroner": None, "crowns": None, "dollars": None, "cents": None,
    "sek": "SEK", "nok": "NOK", "dkk": "DKK",
}  # fmt: skip
# Before an everyday word they make another sense: "puts it on hold".
_BEFORE_OTHERS = frozenset(("on", "an", "is", "it", "its", "now", "a"))
_ARTICLES = frozenset(("a", "an", "the", "its", "their", "his", "her"))
_GLUED = re.compile(r"([a-z]{2,3})\.?(\d[\d,]*(?:\.\d+)?)")
_NO_PRICE = re.compile(
    r"m|mn|mln|million|b|bn|billion|k|shares|x|days?|years?|months?|stocks|firms|analysts|brokers"
)
DOLLARS = {"hk": "HKD", "c": "CAD", "ca": "CAD", "a": "AUD", "au": "AUD", "s": "SGD", "nt": "TWD"}


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


@cache
def _buckets() -> dict[str, str]:
    """The bucket of each grade: buy, hold or sell."""
    return {row["grade"]: row["bucket"] for row in rows("rating_grades")}


def _bucket(grade: str) -> str:
    return _buckets().get(grade.lower().replace("-", " "), "")


def _by_grade(grade: str) -> str | None:
    """Return which way a grade was moved that is now this one, None where it may be either."""
    return _MOVED.get(_bucket(grade))


def _between(before: str, now: str) -> str | None:
    """Return which way a grade went, by its bucket; None where that is the same or unknown."""
    buckets = [_bucket(before), _bucket(now)]
    if buckets[0] == buckets[1] or not all(bucket in _ORDER for bucket in buckets):
        return None
    return _UP if _ORDER.index(buckets[1]) > _ORDER.index(buckets[0]) else _DOWN


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
    title: Text,
    summary: Text,
    tickers: Sequence[str],
    primary: Sequence[str],
    *,
    is_claim: bool = False,
) -> list[Call]:
    """Return the calls a headline reports on the companies `tickers`.

    Where it names no company at all, the item's only `primary` ticker is meant. A grade it leaves
    out is taken from the summary where that gives the firm's: "Barclays moved to Equal-Weight".
    What may or might be done is soft, but for a claim, whose reader weighs such words itself.
    """
    if not any(mention.name.startswith(FIRM) for mention in title.mentions):
        return []
    calls: dict[tuple[str, str], Call] = {}
    for part in _segments(title):
        for call in _Segment(part, tickers, primary, is_claim).calls():
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
    """Cut a headline at semicolons and bars behind which a broker speaks.

    What stands before and does nothing belongs to what follows: "Buy Acme; target $9: UBS".
    """
    bounds = [i for i, word in enumerate(title.cut) if word.form in (";", "|")]
    firms = [m.start for m in title.mentions if m.name.startswith(FIRM)]
    parts: list[Text] = []
    begin = 0
    for bound in [*bounds, len(title.cut)]:
        cut = title.cut[begin:bound]
        rest = title.cut[bound].start if bound < len(title.cut) else None
        if not cut:
            continue
        if rest is not None and not (
            any(firm > rest for firm in firms) and _acts().find([shape(word.form) for word in cut])
        ):
            continue
        within = [m for m in title.mentions if cut[0].start <= m.start and m.end <= cut[-1].end]
        parts.append(Text(title.text, cut, within))
        begin = bound + 1
    return parts


def _overlap(one: Mention, other: Mention) -> bool:
    return one.start < other.end and other.start < one.end


def _opinion(ticker: str, firm: str, span: str) -> Call:
    return Call(ticker, firm, None, None, None, None, None, None, True, span)


class _Segment:
    """A part of a headline that stands for itself."""

    def __init__(
        self, part: Text, tickers: Sequence[str], primary: Sequence[str], is_claim: bool = False
    ) -> None:
        self.title, self.cut, self.mentions = part
        self.tickers = tickers
        self.primary = primary
        self.forms = [word.form for word in self.cut]
        self.shapes = [shape(form) for form in self.forms]
        self.span = self.title[self.cut[0].start : self.cut[-1].end][:SPAN_CHARACTERS]
        self.brokers = [m for m in self.mentions if m.name.startswith(FIRM)]
        self.named = [m for m in self.mentions if not m.name.startswith(FIRM)]
        self.firm_starts = {m.start for m in self.brokers}
        self.firm_ends = {m.end for m in self.brokers}
        self.named_at = {m.start for m in self.named}
        self.acts = [hit for hit in _acts().find(self.shapes) if not self._is_of_a_product(hit)]
        self.is_claim = is_claim
        self.is_unsure = not is_claim and any(
            not word_set("unsure").isdisjoint(self.forms[max(0, hit.start - 2) : hit.start])
            for hit in self.acts
            if hit.label in _OF_A_RATING
        )
        self.is_rating = any(hit.label in _OF_A_RATING for hit in self.acts)

    def calls(self) -> list[Call]:
        labels = {hit.label for hit in self.acts}
        firms = self._firms() if labels.isdisjoint(("round up", "credit")) else []
        if not (self.acts or self._is_bare() or any(self._is_speaker(firm) for firm in firms)):
            return []
        companies = self._companies(firms)
        groups = self._groups(companies)
        bounds = self._bounds([(group[0].start, max(m.end for m in group)) for group in groups])
        firm_bounds = self._bounds([(firm.start, firm.end) for firm in firms])
        named = {m.name for m in companies}
        found = []
        for ticker in self.tickers:
            places = [n for n, g in enumerate(groups) if any(m.name == ticker for m in g)]
            if not places and (named or list(self.primary) != [ticker]):
                continue
            for firm, within in zip(firms, firm_bounds, strict=True):
                if any(m.name == ticker and _overlap(m, firm) for m in self.mentions):
                    continue  # nobody rates himself
                call = self._best(ticker, firm, [bounds[n] for n in places], within)
                if call is None and self._is_speaker(firm):
                    call = _opinion(ticker, firm.name[len(FIRM) :], self.span)
                if call is not None:
                    found.append(call)
        return found

    def _companies(self, firms: Sequence[Mention]) -> list[Mention]:
        """Mentions of companies, without the list of symbols before a headline that names some."""
        companies = [m for m in self.named if not any(_overlap(m, firm) for firm in firms)]
        tags: list[Mention] = []
        for mention in companies:
            at = tags[-1].end if tags else self.cut[0].start
            if self.title[mention.start] == "$" and mention.start <= at + 1:
                tags.append(mention)
        rest = [m for m in companies if tags and m.start >= tags[-1].end]
        return rest if len(tags) > 1 and rest else companies

    def _best(
        self,
        ticker: str,
        firm: Mention,
        told: Sequence[tuple[int, int]],
        within: tuple[int, int],
    ) -> Call | None:
        """Return the call in the first part of the headline that tells of the company.

        `told` are the bounds of these parts, none where the headline names no company; `within`
        those of what is said of the firm.
        """
        calls = [
            self._call(ticker, firm.name[len(FIRM) :], words)
            for start, end in told or [within]
            if (words := (max(start, within[0]), min(end, within[1])))[0] < words[1]
        ]
        made = [call for call in calls if call is not None]
        return next((call for call in made if not call.is_soft), made[0] if made else None)

    def _is_bare(self) -> bool:
        """Whether a grade stands right behind a broker without a verb: "UBS 'Buy' on Acme"."""
        return any(
            word.end in self.firm_ends and self._grade_length(place + 1)
            for place, word in enumerate(self.cut[:-1])
        )

    def _is_speaker(self, firm: Mention) -> bool:
        """Whether a headline is put in a broker's mouth: "Citi: ...", "...: A. Analyst, Citi"."""
        after = [word.form for word in self.cut if word.start >= firm.end]
        if after and (after[0] == ":" or len(after) > 1):
            return after[0] == ":"
        before = [word for word in self.cut if word.end <= firm.start][-_NAME_BEFORE:]
        return any(word.form == ":" for word in before) or (
            self.title[: firm.start].rstrip().endswith((" -", "--"))
        )

    def _is_of_a_product(self, hit: Hit[str]) -> bool:
        """Whether what is upgraded or raised is no rating: "upgraded platform", "upgrade cycle"."""
        following = self.forms[hit.end : hit.end + 3]
        told = following if following[:1] and following[0] in _ARTICLES else following[:1]
        return hit.label in (_UP, _DOWN) and not word_set("not_rated").isdisjoint(told)

    def _firms(self) -> list[Mention]:
        """Mentions of brokers that make a call: those after `at` or `by`, if there are such."""
        firms = [m for m in self.brokers if not self._is_one_of_many(m)]
        if len(firms) > 1:
            after = {self.cut[hit.start].end + 1 for hit in self.acts if hit.label == "passive"}
            passive = [m for m in firms if m.start in after]
            if passive:
                last = max(m.end for m in passive)
                return passive + [m for m in firms if m.start > last]
        return firms

    def _is_one_of_many(self, firm: Mention) -> bool:
        """Whether a broker stands in a list of companies: "Tesla, Apple, JPMorgan, Nvidia"."""
        before = [m for m in self.named if m.end <= firm.start]
        after = [m for m in self.named if m.start >= firm.end]
        return bool(
            before
            and after
            and self._is_list(before[-1].end, firm.start)
            and self._is_list(firm.end, after[0].start)
        )

    def _groups(self, companies: Sequence[Mention]) -> list[list[Mention]]:
        """Companies that stand in one list, so that what is said is said of each."""
        groups: list[list[Mention]] = []
        for mention in companies:
            if groups and (
                mention.name in {m.name for m in groups[-1]}
                or self._is_list(max(m.end for m in groups[-1]), mention.start)
            ):
                groups[-1].append(mention)
            else:
                groups.append([mention])
        return groups

    def _bounds(self, spots: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Bounds of what is said of each of several names, those of a list together."""
        start, end = self.cut[0].start, self.cut[-1].end
        found = [(start, end)] * len(spots)
        first = 0
        for n in range(1, len(spots) + 1):
            if n < len(spots) and self._is_list(spots[n - 1][1], spots[n][0]):
                continue
            last = end
            if n < len(spots):
                last = self._parting(spots[n - 1][1], spots[n][0])
            found[first:n] = [(start, last)] * (n - first)
            start, first = last, n
        return found

    def _is_list(self, start: int, end: int) -> bool:
        """Whether two names stand in one list, so that what is said is said of both."""
        return self.title[start:end].strip(" ,&/()").lower() in ("", "and")

    def _parting(self, start: int, end: int) -> int:
        """Where what is said of one name ends and of the next begins."""
        marks = [
            self.title.rfind(mark, start, end)
            for mark in (",", ";", ". ", " and ", " while ", " but ", " as ")
        ]
        if max(marks) >= 0:
            return max(marks)
        before = [word for word in self.cut if start <= word.start and word.end <= end]
        return start if before and before[-1].form in ("at", "by") else end

    def _call(self, ticker: str, firm: str, bounds: tuple[int, int]) -> Call | None:
        start, end = bounds
        grade, prior_grade = self.grade(start, end)
        labels = self._labels(start, end)
        target, prior_target, currency = self._targets(start, end, labels)
        if not labels & _TELLING and self._has_terms(start, end):
            # "UBS cuts Acme to Sell, Zedfield to Hold": the verb stands before.
            labels = self._labels(self.cut[0].start, end)
            target, prior_target, currency = self._targets(start, end, labels)
        if target is not None and prior_target not in (None, target):
            labels.add("adjusted")
        if self.is_unsure:
            return _opinion(ticker, firm, self.span)
        action = self._action(labels, grade, target)
        if action == _REITERATED and grade and prior_grade:
            action = _between(prior_grade, grade) or action
        if action is None:
            if "says" not in labels:
                return None
            return _opinion(ticker, firm, self.span)
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

    def _labels(self, start: int, end: int) -> set[str]:
        """What is done within bounds; of a verb of many uses, whether to a rating or a target."""
        labels = set()
        for hit in self.acts:
            if not start <= self.cut[hit.start].start < end:
                continue
            label = hit.label
            if label in _BY_FIRM:
                # "Acme cut at UBS" is of its rating, "Acme stake cut by UBS" is not.
                at = self.cut[hit.end].start if hit.end < len(self.cut) else -1
                if at not in self.firm_starts or not self._follows_company(hit.start):
                    continue
                label = _BY_FIRM[label]
            if label in _BY_WAY:
                grade = self._grade_given(hit, end)
                if grade is None and label in ("raised to", "lowered to", "moved to"):
                    continue
                if grade is not None:
                    way = _BY_WAY[label] or _by_grade(grade)
                    label = way or "rated"
            elif label == "start" and "coverage" not in self.forms and not any(self.grade(0, end)):
                continue  # what else starts is no coverage
            labels.add(_INITIATED if label == "start" else label)
        return labels

    def _follows_company(self, place: int) -> bool:
        """Whether a company's name or symbol stands right before a word."""
        start = self.cut[place].start
        return any(m.end <= start and not self.title[m.end : start].strip(" )") for m in self.named)

    def _has_terms(self, start: int, end: int) -> bool:
        """Whether a grade or a price is given within bounds."""
        return any(
            self._grade_length(n) or ((money := self._money(n)) and money.is_marked)
            for n, word in enumerate(self.cut)
            if start <= word.start < end
        )

    def _grade_given(self, hit: Hit[str], end: int) -> str | None:
        """Return the grade that follows a verb by `to`, before any target."""
        for place in range(hit.start + 1, min(len(self.forms) - 1, hit.start + _GRADE_WITHIN)):
            form = self.forms[place]
            if form in _TARGET_WORDS or self.cut[place].start >= end:
                return None
            if form == "to":
                after = place + 1 + (self.forms[place + 1] in ("a", "an", "its"))
                length = self._grade_length(after) if after < len(self.forms) else 0
                return " ".join(self.forms[after : after + length]) if length else None
        return None

    def _is_of_price(self) -> bool:
        """Whether the target spoken of is one of price, and no company's own goal."""
        return not {"price", "pt", "pts", "tp", "tps"}.isdisjoint(self.forms)

    def _action(self, labels: set[str], grade: str | None, target: float | None) -> str | None:
        for label in (_UP, _DOWN, _INITIATED, _DROPPED):
            if label in labels:
                return label
        is_target = target is not None or "target" in labels
        if not labels.isdisjoint(("target up", "target down", "target moved")):
            return _MAINTAINED
        if is_target and "adjusted" in labels and not (grade and target is None):
            return _MAINTAINED
        if grade and not labels.isdisjoint((_REITERATED, "rated")):
            return _REITERATED
        if (
            target is not None
            and not grade
            and (self.is_claim or "says" not in labels or self._is_of_price())
        ):
            return _MAINTAINED
        if _REITERATED in labels and "target" in labels and self._is_of_price():
            return _REITERATED
        if grade and ("says" not in labels or target is not None):
            return _REITERATED
        return None

    def grade(self, start: int, end: int) -> tuple[str | None, str | None]:
        """The grade given, and the one before, as printed."""
        now, before = None, None
        place, after_grade = 0, -1
        while place < len(self.cut):
            word = self.cut[place]
            length = self._grade_length(place) if start <= word.start < end else 0
            if not length:
                place += 1
                continue
            printed = self.title[word.start : self.cut[place + length - 1].end]
            leading = set(self.forms[max(0, place - 2) : place])
            in_brackets = after_grade == place - 1 and self.forms[place - 1] == "("
            if in_brackets or leading & word_set("before_prior"):
                before = before or printed
            else:
                now = now or printed
            place += length
            after_grade = place
        return now, before

    def _grade_length(self, place: int) -> int:
        """Return how many words a grade that is meant as one has at a place, 0 where none is."""
        for spelled in _grades().get(self.forms[place], ()):
            length = len(spelled)
            if tuple(self.forms[place : place + length]) == spelled and self._is_grade(
                place, length
            ):
                return length
        return 0

    def _is_grade(self, place: int, length: int) -> bool:
        first = self.forms[place].split("-")[0]
        previous = self.forms[place - 1] if place else ":"
        following = self.forms[place + length] if place + length < len(self.forms) else ""
        if following in ("rating", "ratings", "recommendation"):
            return True
        # "Moves to Buy Zedfield" is a deal.
        if previous == "to" and following and self.cut[place + length].start in self.named_at:
            return False
        if first in ("top", "best") and previous != "to":
            return False
        before = previous in word_set("before_grade")
        after = following in word_set("after_grade") or not following
        is_capital = self.cut[place].is_capital
        if self._is_quoted(place, length):
            return True
        if first not in word_set("sure_grade"):
            return (
                before and after and (is_capital or self.is_rating) and previous not in (",", "-")
            )
        is_everyday = first in ("buy", "hold", "sell", "market", "strong")
        if is_capital and (before or after):
            return True
        if is_everyday and not (self.is_rating and previous not in _BEFORE_OTHERS):
            return False
        if is_capital and place == 0 and any(end > self.cut[0].end for end in self.firm_ends):
            return self._is_advice()
        if before and (after or not (is_everyday or previous == "to")):
            return True
        if place and self.cut[place - 1].end in self.firm_ends and following in ("on", "for"):
            return True
        return is_everyday and previous in word_set("keep_grade")

    def _is_advice(self) -> bool:
        """Whether a headline begins with the grade and ends with who gives it: "Buy X: Y"."""
        last = max(self.firm_ends)
        marks = [word.form for word in self.cut if word.end < last]
        return ":" in marks and self.cut[-1].end - last < 3

    def _is_quoted(self, place: int, length: int) -> bool:
        start, end = self.cut[place].start, self.cut[place + length - 1].end
        around = self.title[max(0, start - 1) : start], self.title[end : end + 1]
        return all(mark and mark in "'\"" for mark in around)

    def _targets(
        self, start: int, end: int, labels: set[str]
    ) -> tuple[float | None, float | None, str | None]:
        """The target set, the one before, and their currency where it is not the quote's."""
        has_word = not labels.isdisjoint(("target", "target up", "target down"))
        now: list[tuple[bool, _Money]] = []
        before: list[_Money] = []
        last = -1
        for place, word in enumerate(self.cut):
            if not start <= word.start < end:
                continue
            money = self._money(place)
            if money is None:
                continue
            previous = self.forms[max(0, place - 2) : place]
            opens = place - 1 - (self.forms[place - 1] in _CURRENCY_WORDS)
            in_brackets = last >= place - 5 and self.forms[opens] == "("
            leads = bool(previous) and previous[-1] in word_set("before_target")
            if any(form in word_set("before_prior") for form in previous) or (now and in_brackets):
                if money.is_marked or has_word:
                    before.append(money)
            elif (money.is_marked and (has_word or self._is_after_grade(place))) or (
                has_word and leads
            ):
                now.append((leads, money))
                last = place
        best = next((money for leads, money in now if leads), now[0][1] if now else None)
        if best is None:
            return None, None, None
        currency = best.currency or (before[0].currency if before else None)
        return best.amount, before[0].amount if before else None, currency

    def _is_after_grade(self, place: int) -> bool:
        return any(self._grade_length(i) for i in range(max(0, place - 4), place))

    def _money(self, place: int) -> _Money | None:
        form = self.forms[place]
        if glued := _GLUED.fullmatch(form):
            if glued[1] not in _CURRENCY_WORDS:
                return None
            return _Money(float(glued[2].replace(",", "")), _CURRENCY_WORDS[glued[1]], True)
        mark = form.lstrip("+-")[:1]
        digits = form.lstrip("+-$€£¥₹").replace(",", "")
        if not digits[:1].isdecimal() or form.endswith("%"):
            return None
        rest = self.forms[place + 1 : place + 7]
        following = rest[0] if rest else ""
        end = self.cut[place].end
        if re.match(r",\d", self.title[end : end + 2]):
            return None  # "1.250,50": a comma before the decimals
        is_compound = self.title[end : end + 1] == "-" and following not in _UNITS
        if is_compound or _NO_PRICE.fullmatch(following):
            return None
        amount = float(digits)
        previous = self.cut[place - 1] if place else None
        currency, is_marked = CURRENCIES.get(mark), not mark.isdecimal()
        # Of "85 (90) pence" and "80 to 95 pence" the unit stands behind both.
        unit = next(
            (w for w in rest if w not in ("(", ")", "from", "to") and not w[0].isdecimal()), ""
        )
        if previous is not None and mark == "$" and previous.end == self.cut[place].start:
            currency = DOLLARS.get(previous.form)
        elif previous is not None and mark.isdecimal() and previous.form in _CURRENCY_WORDS:
            currency, is_marked = _CURRENCY_WORDS[previous.form], True
        elif mark.isdecimal() and unit in _UNITS:
            currency, is_marked = _UNITS[unit], True
            if unit == "cents":
                amount /= 100
        if not is_marked and "," not in form and amount in _YEARS:
            return None
        return _Money(amount, currency, is_marked) if 0 < amount < 1e7 else None


class _Money(NamedTuple):
    """An amount; whether a sign or word says that it is money."""

    amount: float
    currency: str | None
    is_marked: bool
