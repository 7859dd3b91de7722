"""What an article claims, by the closed schema of `Claim`; what is no claim is an opinion.

`claim_patterns` holds a pattern per kind and wording, `claim_words` the classes of words it names;
a call by a broker is found as it is in the news (`broker_calls`). Every step is linear in the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from warehouse.news import broker_calls
from warehouse.news.linking import FIRM, Mention, Names
from warehouse.news.patterns import Hit, Patterns
from warehouse.news.text import Word, words
from warehouse.news.vocabulary import rows

MOST_CHARACTERS = 200_000
MOST_SENTENCES = 2_000
SENTENCE_CHARACTERS = 600
_SENTENCE_WORDS = 120

CALL_KINDS = ("rating_call", "target_change", "rating_change")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
         "august aug", "september sep sept", "october oct", "november nov", "december dec"), 1
    )
    for name in names.split()
}  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
_NUMERALS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
} | {"no": 0, "dozen": 12, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_SCALES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "b": 1e9,
    "bn": 1e9, "bln": 1e9, "billion": 1e9, "t": 1e12, "tn": 1e12, "trn": 1e12, "trillion": 1e12,
}  # fmt: skip
_OPERATORS = {
    "over": "over", "above": "over", "exceeding": "over", "least": "over", "topping": "over",
    "tops": "over", "topped": "over", "exceeds": "over", "surpassed": "over",
    "under": "under", "below": "under", "nearly": "nearly", "almost": "nearly",
    "about": "about", "around": "about", "roughly": "about", "approximately": "about",
    "some": "about", "circa": "about", "approx": "about",
}  # fmt: skip
# Words before a verb behind which the sentence goes on about whom it spoke of.
_JOINING = frozenset(
    (
        ",",
        "and",
        "while",
        "-",
        ")",
        "reaching",
        "levels",
        "level",
        "not",
        "to",
        "its",
        "their",
        "the",
    )
)
_UNSURE_ANYWHERE = frozenset(("?", "could", "may", "might", "would", "will", "should", "if"))
# Kinds whose words may also speak of what is to come, or of somebody else's numbers.
_OF_THE_PRICE = ("move", "factor", "level_since", "record", "high_52w")
_OF_ANY_TENSE = ("earnings_date", "upside", "target_average", "target_extreme", "target_range")

_EVEN = str.maketrans("‘’ʼ‛“”„–—‑‐−×\u00a0\u2009\u202f\t", "''''\"\"\"-;---x    ")
_STOP = re.compile(r"[.!?][\"')\]]?\s+(?=[A-Z0-9\"'($])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|vs|inc|corp|ltd|co|mr|ms|dr|no|st|jan|feb|mar|apr|jun|jul|aug|sept?|"
    r"oct|nov|dec)$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?[$€£¥₹]?(\d[\d,]*(?:\.(\d+))?)%?")
_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?P<time>T\d{2}:\d{2}(?::\d{2})?Z?)?"),
    re.compile(r"\b(?P<m>[A-Z][a-z]{2,8})\.? (?P<d>\d{1,2}),? (?P<y>\d{4})\b"),
    re.compile(r"\b(?P<d>\d{1,2}) (?P<m>[A-Z][a-z]{2,8})\.?,? (?P<y>\d{4})\b"),
)
_LISTING = re.compile(r"\(([A-Z0-9]{1,6}\.[A-Z]{1,2})\)")
# What may stand before a date of publication: nothing, a weekday, a dateline or a byline.
_HEAD = re.compile(
    r"(?:(?:published|posted|updated|date|last updated)\b:?(?: on)?|by [\w.' -]{2,40},|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day,?|[A-Z][A-Z .,]{2,40}[,(-])?",
    re.IGNORECASE,
)
_ZONE = re.compile(r"\s*(?:at\b|UTC|GMT|E[SD]T|-|by\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """One statement that a query can judge.

    `ticker` is None where the text speaks of a company it cannot name. `argument` narrows the kind
    (up, median, forward_pe, a flag); `value` to `high` in `unit` (fraction, x, count, or a
    currency), written in steps of `step`; `operator` is equal, about, over, under or nearly.
    `stated_on` has the year 1 where the text leaves it out. `period` is "this" or "last" of a
    calendar week, month or quarter. `unread` is the reason why words around it forbid a verdict.
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


@dataclass(frozen=True)
class Opinion:
    """A sentence or clause that no query can judge, and why.

    The reason is causal, negated, forecast, opinion or heading.
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


class Token(NamedTuple):
    """A word or a quantity; `shape` is what patterns see, `unit` that of its `value`."""

    word: Word
    shape: str
    value: float | None
    step: float
    unit: str
    end: int


@cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """Words of `claim_words` by class."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows("claim_words"):
        found[row["class"]].append(row["word"])
    return {name: tuple(members) for name, members in found.items()}


@cache
def _set(name: str) -> frozenset[str]:
    return frozenset(word_classes()[name])


def _in(words: frozenset[str], form: str) -> bool:
    """Whether a form is among words, of which some end in `*` for any ending."""
    return form in words or any(w.endswith("*") and form.startswith(w[:-1]) for w in words)


@cache
def kinds() -> tuple[str, ...]:
    """Return every kind of claim, the most specific first: its numbers are taken first."""
    listed = dict.fromkeys(row["kind"] for row in rows("claim_patterns") if row["kind"] != "window")
    return (*CALL_KINDS, *listed)


@cache
def _rules() -> Patterns[tuple[str, str]]:
    told = (((row["kind"], row["argument"]), row["pattern"]) for row in rows("claim_patterns"))
    return Patterns(told, word_classes())


def read(text: str, names: Names, ticker: str | None = None) -> Article:
    """Return the claims and opinions of an article about `ticker`, or about whom it names first.

    Of a longer text the first 200,000 characters and 2,000 sentences are read (`is_cut`).
    """
    short = text[:MOST_CHARACTERS].translate(_EVEN)
    sentences = _sentences(short)
    is_cut = len(text) > MOST_CHARACTERS or len(sentences) > MOST_SENTENCES
    parts = [_Part(one, names) for one in sentences[:MOST_SENTENCES]]
    subject = ticker or _subject(parts)
    claims: list[Claim] = []
    opinions: list[Opinion] = []
    for part in parts:
        found = part.claims(subject)
        said = text[part.sentence.start : part.sentence.end]
        claims += [replace(c, text=text[c.start : c.end]) for c in found]
        opinions += _opinions(part, said, bool(found))
    kept = tuple(sentences[:MOST_SENTENCES])
    return Article(subject, publication(short), kept, tuple(claims), tuple(opinions), is_cut)


def publication(text: str) -> str | None:
    """Return the date, or ISO time, that stands at the head of an article, in ISO form."""
    lines = [line.strip() for line in text[:2_000].split("\n") if line.strip()]
    for line in lines[:6]:
        for pattern in _DATES:
            match = pattern.search(line[:100])
            if match is None or not _HEAD.fullmatch(line[:100][: match.start()].strip()) or (
                match.start() == 0 and line[match.end() :].strip(" .|,-")[:1].isalpha()
                and not _ZONE.match(line[match.end() :])
            ):  # fmt: skip
                continue
            month = match["m"]
            number = int(month) if month.isdigit() else _MONTHS.get(month.lower(), 0)
            try:
                day = date(int(match["y"]), number, int(match["d"]))
                stated = day.isoformat() + ((match.groupdict().get("time")) or "")
                datetime.fromisoformat(stated.replace("Z", "+00:00"))
            except ValueError:
                continue
            return stated.replace("Z", "+00:00")
    return None


def _sentences(text: str) -> list[Sentence]:
    found: list[Sentence] = []
    place = 0
    for line in text.split("\n"):
        start = place
        place += len(line) + 1
        cuts = [0]
        for match in _STOP.finditer(line):
            before = line[max(0, match.start() - 12) : match.start()]
            if not _ABBREVIATION.search(before):
                cuts.append(match.end())
        for low, high in pairwise([*cuts, len(line)]):
            for piece in range(low, high, SENTENCE_CHARACTERS):
                said = line[piece : min(high, piece + SENTENCE_CHARACTERS)]
                bare = said.lstrip(" -*•·\r>#").rstrip()
                if any(c.isalnum() for c in bare):
                    begin = start + piece + len(said) - len(said.lstrip(" -*•·\r>#"))
                    found.append(Sentence(len(found), begin, begin + len(bare), bare))
            if len(found) > MOST_SENTENCES:
                return found
    return found


def _subject(parts: Sequence[_Part]) -> str | None:
    """The company of the first symbol spelled out, else the one most named."""
    counts: dict[str, int] = defaultdict(int)
    for part in parts:
        for mention in _one_listing(part.mentions, None):
            if mention.is_symbol:
                return mention.name
            if not mention.name.startswith(FIRM) and not mention.is_ambiguous:
                counts[mention.name] += 1
    return max(counts, key=lambda name: counts[name]) if counts else None


def tokens(text: str) -> list[Token]:
    """Cut a sentence into words and quantities: `35 percent`, `$2.5 trillion` and `18x` are one."""
    cut = _cut(text)
    found: list[Token] = []
    place = 0
    while place < len(cut):
        word, taken = cut[place], 1
        match = _NUMBER.fullmatch(word.form)
        if match is None:
            numeral = _NUMERALS.get(word.form)
            shape = "#" if numeral is not None and word.form not in ("no", "one", "zero") else ""
            found.append(Token(word, shape or word.form, numeral, 1.0, "count", word.end))
            place += 1
            continue
        # More digits than a float holds are no number anybody means.
        digits = match[1].replace(",", "")[:15]
        value = float(digits)
        step = 10.0 ** -len(match[2] or "")
        following = cut[place + 1].form if place + 1 < len(cut) else ""
        is_close = place + 1 < len(cut) and cut[place + 1].start - word.end <= 1
        shape, unit, scale = "#", "count", 1.0
        # In `$167-$179` and `3-5%` the dash is no sign.
        is_range = word.start > 0 and not text[word.start - 1].isspace()
        sign = -1.0 if word.form.startswith("-") and not is_range else 1.0
        mark = word.form.lstrip("+-")[:1]
        if word.form.endswith("%") or (
            following in ("percent", "pct", "%") or text[word.end : word.end + 9] == " per cent"
        ):
            shape, unit, scale = "#%", "fraction", 0.01
            taken = 1 if word.form.endswith("%") else 3 if following == "per" else 2
        elif not mark.isdigit():
            unit = broker_calls.CURRENCIES.get(mark, "USD" if mark == "$" else "JPY")
            previous = cut[place - 1] if place else None
            if mark == "$" and previous is not None and previous.end == word.start:
                unit = broker_calls.DOLLARS.get(previous.form) or unit
            shape = "#$"
            if is_close and following in _SCALES:
                scale, taken = _SCALES[following], 2
        elif is_close and following in ("x", "times"):
            shape, unit, taken = "#x", "x", 2
        elif is_close and following in _SCALES:
            scale, taken = _SCALES[following], 2
        elif len(digits) == 4 and "," not in word.form and 1990 <= value <= 2100:
            shape, unit = "#y", "year"
        if shape == "#$" and following in ("yuan", "euros", "pounds"):
            unit = ""
        last = cut[min(place + taken, len(cut)) - 1]
        found.append(
            Token(word, shape, round(sign * value * scale, 12), step * scale, unit, last.end)
        )
        place += taken
    return found


def _one_listing(mentions: Sequence[Mention], subject: str | None) -> list[Mention]:
    """Of a name that several listings share, the article's own, else the one without a suffix."""
    found: dict[tuple[int, bool], Mention] = {}
    for mention in mentions:
        place = (mention.start, mention.name.startswith(FIRM))
        known = found.get(place)
        if known is None or _preference(mention, subject) < _preference(known, subject):
            found[place] = mention
    return [found[place] for place in sorted(found)]


def _preference(mention: Mention, subject: str | None) -> tuple[bool, bool, str]:
    return mention.name != subject, "." in mention.name, mention.name


def _cut(text: str) -> list[Word]:
    """Words whose numbers do not carry the comma behind them."""
    found: list[Word] = []
    for word in words(text, _SENTENCE_WORDS):
        bare = word.form.rstrip(",")
        if bare and bare != word.form:
            end = word.start + len(bare)
            found += [Word(word.start, end, bare, word.is_capital), Word(end, end + 1, ",", False)]
        else:
            found.append(word)
    return found


def _longest(windows: Iterable[Hit[tuple[str, str]]]) -> Hit[tuple[str, str]] | None:
    """The first of some spans of time, and of those that begin at its place the longest."""
    return min(windows, key=lambda w: (w.start, -w.end), default=None)


class _Part:
    """One sentence: its tokens, the names in it, and the patterns that hold."""

    def __init__(self, sentence: Sentence, names: Names) -> None:
        self.sentence = sentence
        self.text = sentence.text
        self.cut = words(self.text, _SENTENCE_WORDS)
        self.tokens = tokens(self.text)
        self.forms = [token.word.form for token in self.tokens]
        self.mentions = names.find(self.text, self.cut)
        self.hits = _rules().find([token.shape for token in self.tokens])
        self.has_call = False
        self.moves: list[Claim] = []
        # In "52-week high" the week is no span of a move.
        self.windows = [
            hit
            for hit in self.hits
            if hit.label[0] == "window"
            and not _set("no_span") & set(self.forms[hit.end : hit.end + 1])
        ]

    def claims(self, subject: str | None) -> list[Claim]:
        """Return the claims of the sentence; a number belongs to one claim."""
        self.mentions = _one_listing(self.mentions, subject)
        found = self._calls(subject)
        self.has_call = bool(found)
        taken = {
            place
            for place, token in enumerate(self.tokens)
            if found and token.unit not in ("fraction", "x") and token.value is not None
        }
        spoken = {hit.label[0] for hit in self.hits}
        rank = {kind: place for place, kind in enumerate(kinds())}
        ordered = sorted(
            (hit for hit in self.hits if hit.label[0] != "window"),
            key=lambda hit: (rank[hit.label[0]], hit.start, hit.end),
        )
        told: set[tuple[str, str]] = set()
        for hit in ordered:
            claim = self._claim(hit, subject, taken, spoken)
            if claim is None:
                continue
            key = (claim.kind, f"{claim.argument} {claim.value} {claim.window}")
            if key in told or (claim.value is None and (claim.kind, "") in told):
                continue
            told |= {key, (claim.kind, "")}
            if claim.kind == "move":
                self.moves.append(claim)
            found.append(claim)
        calls = [claim for claim in found if claim.kind in CALL_KINDS]
        if calls:
            window, day, unread = self._day_of_call(len(calls))
            if _set("of_all") & set(self.forms) and not any(
                c.kind == "target_extreme" for c in found
            ):  # fmt: skip
                unread = "rank_not_read"
            found = [
                replace(c, window=window, stated_on=day, unread=unread) if c in calls else c
                for c in found
            ]  # fmt: skip
        return sorted(found, key=lambda claim: (claim.start, claim.kind))

    def _claim(
        self, hit: Hit[tuple[str, str]], subject: str | None, taken: set[int], spoken: set[str]
    ) -> Claim | None:
        kind, argument = hit.label
        if kind not in _OF_ANY_TENSE and self._is_unsure(hit, kind):
            return None
        places = [
            place
            for place in range(hit.start, hit.end)
            if self.tokens[place].value is not None and place not in taken
        ]
        need = _NEEDS.get(kind, "")
        places = [place for place in places if self._fits(place, need)]
        if need and len(places) < (2 if kind == "target_range" else 1):
            return None
        ticker, end = self._whose(hit, subject), self.tokens[hit.end - 1].end
        if argument == "more":
            # "Up 94% in 2025 and 43% over 12 months": the second goes on from the first.
            if not self.moves:
                return None
            argument, ticker = self.moves[-1].argument, self.moves[-1].ticker
        elif kind in _OF_THE_PRICE:
            whose = self._price_subject(hit, kind, subject, spoken)
            if whose is None:
                return None
            ticker = whose or None
        if kind in ("news_event", "risk_flag") and ticker is None:
            return None
        value, high, step, unit, window, stated_on = None, None, 1.0, "", None, None
        period, unread = "", None
        operator = "equal"
        if kind == "target_range":
            first, last = self.tokens[places[-2]], self.tokens[places[-1]]
            value, high, step, unit = first.value, last.value, first.step, first.unit
            operator = "about"
            end = last.end
            if value is None or high is None or value > high:
                return None
        elif places:
            place = places[0] if kind in ("upside", "market_cap") else places[-1]
            if argument in ("forward_pe", "trailing_pe", "price_to_sales") or kind == "multiple":
                place = places[0]
            token = self.tokens[place]
            value, step, unit = token.value, token.step, token.unit
            operator = self._operator(place)
            end = max(end, token.end)
            taken.update(places[:1] if kind != "target_range" else places)
        details = _details(self, hit, kind, argument, value)
        if details is None:
            return None
        argument, value, unit, stated_on, grade = (
            details if details else (argument, value, unit, None, None)
        )
        if details and value is not None:
            near = self.tokens[hit.start : hit.end + 4]
            step = next((t.step for t in near if t.value == value), 1.0)
        if kind == "factor":
            value, unit, step, operator = float(argument), "x", 0.1, self._operator(hit.start)
            if self.forms[hit.start - 1 : hit.start] == ["than"]:
                operator = "over"
        if kind in ("move", "factor"):
            span = self._window(hit)
            window, stated_on, period = span.name, span.stated_on, span.period
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
            if window is None and kind == "factor":
                return None
            unread = None if span.is_read else "window_not_supported"
            window = window or "day"
        if kind == "price":
            span = self._window(hit)
            window, stated_on = span.name, span.stated_on
            is_open = span.name == "open" and "opened" in self.forms[hit.start : hit.end]
            is_told = self._is_dated(span) or (is_open and span.is_read)
            unread = None if is_told else "window_not_supported"
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
        if kind == "level_since":
            end = max(t.end for t in self.tokens[hit.start : hit.end + 4] if t.shape == "#y")
        if kind == "news_event":
            behind = min(hit.end + 8, len(self.tokens))
            # A list of names is read to its end.
            while (
                behind < len(self.tokens)
                and (self.tokens[behind].word.is_capital or self.forms[behind] in ("and", ","))
                and (
                    self.tokens[behind - 1].word.is_capital
                    or self.forms[behind - 1] in ("and", ",")
                )
            ):
                behind += 1
            end = self.tokens[behind - 1].end
        if kind == "moving_average" and self.tokens[hit.start - 1 : hit.start] and (
            self.tokens[hit.start - 1].shape == "#%"
        ):  # fmt: skip
            unread = "number_not_read"
        if kind in ("price", "move") and any(
            symbol != ticker for symbol in _LISTING.findall(self.text)
        ):  # fmt: skip
            unread = "another_listing"
        start = self.tokens[self._begin(hit) if kind == "news_event" else hit.start].word.start
        if kind in ("move", "factor", "versus_market"):
            start = min(
                [m.start for m in self.mentions if m.name == ticker and m.end <= start] or [start]
            )
        if kind == "versus_market":
            span = self._window(hit)
            window, stated_on, period = span.name or "12m", span.stated_on, span.period
            unread = None if span.is_read else "window_not_supported"
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
        base = self.sentence.start
        return Claim(
            kind, ticker, argument, operator, value, high, step, unit, window, stated_on,
            "", self.sentence.number, base + start, base + end, grade=grade,
            words=tuple(self.forms) if kind in ("news_event", "risk_flag") else (),
            period=period, unread=unread,
        )  # fmt: skip

    def _begin(self, hit: Hit[tuple[str, str]]) -> int:
        """Where the words of an event begin: at an act that ends it, or the name before it."""
        for place in range(max(0, hit.start - 4), hit.start):
            if self.forms[place] in _set("ending"):
                return place
        first = hit.start
        while first and self.tokens[first - 1].word.is_capital and not any(
            m.start <= self.tokens[first - 1].word.start < m.end for m in self.mentions
        ):  # fmt: skip
            first -= 1
        return first

    def _fits(self, place: int, need: str) -> bool:
        token = self.tokens[place]
        return {
            "": False,
            "pct": token.shape == "#%",
            "money": token.shape == "#$",
            "num": token.shape in ("#", "#x"),
            "count": token.shape == "#" or token.word.form in ("no", "zero"),
        }[need]

    def _is_unsure(self, hit: Hit[tuple[str, str]], kind: str) -> bool:
        before = self.forms[max(0, hit.start - 4) : hit.start]
        is_question = self.forms[0] in _set("question") and "?" in self.forms
        if is_question and not any(token.shape == "#%" for token in self.tokens):
            return True
        if self._is_denied(hit.start):
            return True
        if kind == "dividend" and {"preferred", "series", "etf", "fund", "funds", "trust"} & set(
            self.forms
        ):
            return True
        if kind == "risk_flag" and _set("solicited") & set(self.forms):
            return True
        # What one person sees coming is no fact.
        if kind in ("move", "factor") and _set("said") & set(self.forms) and (
            _set("seer") & set(self.forms)
        ):  # fmt: skip
            return True
        # "Launch with X" is a name, not an event.
        if (
            kind == "news_event"
            and "with" in self.forms[hit.end : hit.end + 1]
            and "launch" in (self.forms[hit.start : hit.end])
        ):
            return True
        is_soft = not _UNSURE_ANYWHERE.isdisjoint(self.forms)
        if (kind == "risk_flag" and is_soft) or (
            kind == "news_event" and (is_soft or self.has_call)
        ):
            return True
        for place, form in enumerate(before):
            if form in (",", ";", ":"):
                continue
            if form in _set("unsure"):
                # "not seen since" is a claim, and "to" only leads a verb.
                if form == "not" and kind in ("level_since", "rating_count"):
                    continue
                if form == "to" and place < len(before) - 1:
                    continue
                # "Set a new high" is done.
                if form == "set" and kind in ("record", "high_52w") and (
                    before[place + 1 : place + 2] in (["a"], ["another"], ["new"])
                ):  # fmt: skip
                    continue
                if any(mark in before[place:] for mark in (",", ";")):
                    continue
                return True
        return False

    @staticmethod
    def _is_dated(span: Span) -> bool:
        """Whether a span names one day, or none."""
        return span.is_read and span.name in (None, "day", "on", "yesterday", *WEEKDAYS)

    def _day_of_call(self, firms: int) -> tuple[str | None, date | None, str | None]:
        """Weekday or date of a sentence's only call, and why it is not to be judged."""
        firm = min((m.start for m in self.mentions if m.name.startswith(FIRM)), default=0)
        dated = []
        for window in self.windows:
            start = self.tokens[window.start].word.start
            # A date in brackets, behind a dash or before a colon is that of the headline.
            is_aside = self.text[:start].rstrip().endswith(("(", "-")) or (
                start < firm and ":" in self.text[start:firm]
            )
            if window.label[1] in ("date", "weekday", "yesterday") and not is_aside:
                dated.append(window)
        if not dated:
            return None, None, None
        span = self._span(dated[0])
        if firms > 1 or not self._is_dated(span):
            return None, None, "window_not_supported"
        return span.name, span.stated_on, None

    def _is_denied(self, place: int) -> bool:
        """Whether the words before a place say that what follows is not so."""
        before = self.forms[:place]
        said = " ".join(before)
        return bool(_set("denying") & set(before)) or any(
            phrase in f" {said} " for phrase in (" not true ", " not the case ", " no truth ")
        )

    def _operator(self, place: int) -> str:
        token = self.tokens[place]
        if token.word.start and self.text[token.word.start - 1] == "~":
            return "about"
        before = self.forms[max(0, place - 3) : place]
        if before[-2:] in (["more", "than"], ["greater", "than"], ["better", "than"]):
            return "over"
        if before[-2:] in (["less", "than"], ["fewer", "than"], ["lower", "than"]):
            return "under"
        if before[-2:] == ["close", "to"]:
            return "about"
        if before and before[-1] in _OPERATORS:
            return _OPERATORS[before[-1]]
        if len(before) > 1 and before[-1] in ("a", "an") and before[-2] in _OPERATORS:
            return _OPERATORS[before[-2]]
        after = self.text[token.end : token.end + 12]
        return "over" if after.startswith(("+", " or more")) else "equal"

    def _whose(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """The company named last before the hit, else the article's own."""
        start = self.tokens[hit.start].word.start
        named = [
            m for m in self.mentions if m.start <= start and not m.name.startswith(FIRM)
            and (not m.is_ambiguous or m.is_symbol or m.name == subject)
        ]  # fmt: skip
        # A partner or a shop named on the way is not the one spoken of.
        own = [m for m in named if m.name == subject]
        if hit.label[0] == "news_event" and not own and self._names_a_stranger(hit.start):
            return None
        if own or not named or hit.label[0] in ("news_event", "risk_flag"):
            return subject
        return named[-1].name

    def _is_of_figures(self, place: int) -> bool:
        """Whether the clause that ends at a place has named a figure of the business."""
        for form in self.forms[place::-1]:
            if form in (",", ";", ":", "-") or form in _set("clause"):
                return False
            if form in _set("not_price"):
                return True
        return False

    def _leads(self, place: int) -> bool:
        """Whether the capital words up to a place lead a sentence or clause, as its subject does.

        "Inventories in the U.S. fell" and "With Home Purchases Up 1%" speak of no company.
        """
        first = place
        while first and self.tokens[first - 1].word.is_capital:
            first -= 1
        if _set("not_company") & set(self.forms[first : place + 1]):
            return False
        before = self.forms[first - 1] if first else ":"
        return place - first < 6 and not (before[0].isalpha() and before not in ("and", "as"))

    def _names_a_stranger(self, place: int) -> bool:
        """Whether the words before a place are all a name, of a company we do not know."""
        return 0 < place <= 5 and all(
            token.word.is_capital and not token.word.form[0].isdigit()
            for token in self.tokens[:place]
        )

    def _price_subject(
        self, hit: Hit[tuple[str, str]], kind: str, subject: str | None, spoken: set[str]
    ) -> str | None:
        """Whose price it is: a ticker, "" for a name we do not know, None where it is no price."""
        places = range(hit.start, hit.end)
        if any(self.forms[place] in _set("not_price") for place in places):
            return None
        if kind == "move" and any(
            self.forms[p] in ("to", "in", "of", "at", "and", ",", ";") for p in places
        ):
            return None
        if self.forms[hit.start] in ("up", "down") and "a" in self.forms[hit.start : hit.end]:
            return None
        # "Drops from a 44% surge", "Rocket down 5%": the number is of the nearer word.
        ways = _set("rose") | _set("fell") | {"up", "down"}
        is_verb = kind == "move" and self.tokens[hit.start].shape != "#%"
        if is_verb and any(_in(ways, f) for f in self.forms[hit.start + 1 : hit.end + 1]):
            return None
        after = self.forms[hit.end : hit.end + 4]
        if "short" in after[:2] or "stake" in after or "points" in after[:1]:
            return None
        if kind == "move" and hit.end - hit.start == 2 and self.tokens[hit.start].shape == "#%":
            return self._of_a_noun(hit, subject)
        if kind in ("record", "high_52w"):
            if not _set("away").isdisjoint(self.forms[max(0, hit.start - 5) : hit.start]):
                return None
            if any(form in _set("not_price") for form in self.forms):
                return None
            return self._spoken_of(hit, subject)
        place = hit.start - 1
        while place >= 0 and (
            self.forms[place] in _set("skipped") or self.forms[place].endswith("ly")
            or self.forms[place] in (*WEEKDAYS, "yesterday")
            or (self.forms[place] == "on" and self.forms[place + 1] in WEEKDAYS)
        ):  # fmt: skip
            place -= 1
        if place < 0:
            return self._spoken_of(hit, subject) if kind != "move" else None
        form, word = self.forms[place], self.tokens[place].word
        if form == "which" and self.forms[place - 1 : place] == [","]:
            return self._spoken_of(hit, subject)
        if form in _JOINING:
            if form == ")" and any(m.is_symbol and m.end == word.end for m in self.mentions):
                return self._named(place, subject)
            if form == "," or kind != "move":
                return self._spoken_of(hit, subject)
            return self._spoken_of(hit, subject) if form == "and" else None
        if form in _set("not_price") | _set("not_company"):
            return None
        # "Profits at Bristol Myers down 47%" is of profits.
        if kind == "move" and form not in _set("share") and self._is_of_figures(place):
            return None
        if form == "price" and self.forms[place - 1 : place] in (["share"], ["stock"]):
            return self._named(place - 2, subject, generic=True)
        if form in _set("share"):
            return self._named(place - 1, subject, generic=True)
        return self._named(place, subject)

    def _named(self, place: int, subject: str | None, *, generic: bool = False) -> str | None:
        """Who is named at a place: a ticker, "" for an unknown name, None for a common noun."""
        if place < 0:
            return subject or ""
        word = self.tokens[place].word
        for mention in self.mentions:
            if mention.start < word.end and word.start < mention.end:
                return (
                    None
                    if mention.name.startswith(FIRM) and not generic
                    else (subject if mention.name.startswith(FIRM) else mention.name)
                )
        if word.form in _set("not_company") | _set("not_price"):
            return None
        if word.is_capital and not word.form[0].isdigit() and len(word.form) > 1:
            if generic and word.form in ("the", "its", "why", "as", "but", "and", "while", "class"):
                return subject or ""
            if not generic and not self._leads(place):
                return None
            return "" if generic or place > 0 or len(word.form) > 2 else None
        if generic:
            return subject or ""
        return None

    def _spoken_of(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """Whose price the sentence has been speaking of before the hit."""
        before = self.forms[: hit.start]
        if any(f in _set("not_price") | _set("not_company") for f in before[-12:]):
            return None
        for place in range(hit.start - 1, -1, -1):
            if self.forms[place] in _set("share"):
                return self._named(place - 1, subject, generic=True)
            word = self.tokens[place].word
            for mention in self.mentions:
                if mention.end == word.end and not mention.name.startswith(FIRM):
                    return mention.name
        return None

    def _of_a_noun(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """Of whom "a 10% jump" is: of the shares or the company named close by."""
        after = self.forms[hit.end : hit.end + 5]
        for place in range(hit.end, min(hit.end + 5, len(self.tokens))):
            if self.forms[place] in (",", ";", ":"):
                break
            if self.forms[place] in _set("not_price") | _set("not_company"):
                return None
            if self.forms[place] in ("stock", "shares"):
                return self._named(place - 1, subject, generic=True)
            if after and after[0] in ("in", "for", "by") and place > hit.end:
                word = self.tokens[place].word
                for mention in self.mentions:
                    if mention.start <= word.start < mention.end:
                        return None if mention.name.startswith(FIRM) else mention.name
        if any(f in _set("not_price") | _set("not_company") for f in self.forms[: hit.start]):
            return None
        for place in range(max(0, hit.start - 6), hit.start):
            if self.forms[place] in ("stock", "shares"):
                return self._named(place - 1, subject, generic=True)
        return None

    def _window(self, hit: Hit[tuple[str, str]]) -> Span:
        """The span of time a move is of; unread where other words of time or place stand by it."""
        moves = [h for h in self.hits if h.label[0] in ("move", "factor", "level_since")]
        until = min([h.start for h in moves if h.start >= hit.end] + [len(self.forms)])
        begun = {w.start for w in self.windows}
        stop = hit.end
        while stop < until and not (
            (self.forms[stop] in _set("clause") and stop not in begun)
            or self.forms[stop] in (";", "|")
            or (self.forms[stop] == "," and not self._goes_on(stop + 1))
        ):
            stop += 1
        within = [w for w in self.windows if hit.start <= w.start < hit.end]
        after = [w for w in self.windows if hit.end <= w.start < stop]
        before, is_leading = self._before(hit, moves)
        chosen = _longest(within) or _longest(after) or (before if is_leading else None)
        if chosen is None:
            is_read = before is None and not self._has_unread(hit.end, stop, None)
            return Span("other" if "ago" in self.forms else None, is_read=is_read)
        span = self._span(chosen)
        if not is_leading or chosen is not before:
            is_read = before is None and not self._has_unread(
                hit.end, stop, (chosen.start, span.end)
            )
        else:
            is_read = not self._has_unread(hit.end, stop, None)
        return span._replace(is_read=span.is_read and is_read)

    def _goes_on(self, place: int) -> bool:
        """Whether a span of time follows a comma."""
        return any(
            w.start - place <= 4
            and all(f in _set("leading") for f in self.forms[place : w.start])
            for w in self.windows if w.start >= place
        )  # fmt: skip

    def _before(
        self, hit: Hit[tuple[str, str]], moves: Sequence[Hit[tuple[str, str]]]
    ) -> tuple[Hit[tuple[str, str]] | None, bool]:
        """A span of time before a move that is no other's, and whether it surely is this one's.

        It is where it leads the clause ("On Monday the stock fell") or the verb.
        """
        start = max([h.end for h in moves if h.end <= hit.start] + [0])
        found = [w for w in self.windows if start <= w.start and w.end <= hit.start]
        if start and found and all(
            f in _set("leading") for f in self.forms[start : found[0].start]
        ):  # fmt: skip
            own = _longest(found)
            found = [w for w in found if own is None or w.start >= own.end]
        window = _longest([w for w in found if w.label[1] != "day"])
        if window is None:
            if not start and self._has_unread(0, hit.start, None, strong=True):
                return Hit(("window", "other"), 0, 0), False
            return None, False
        first = window.start
        while first > start and self.forms[first - 1] in _set("leading"):
            first -= 1
        between = self.forms[self._span(window).end : hit.start]
        leads_clause = first == 0 or self.forms[first - 1] in (",", "and", "but", ":", "which")
        leads_verb = all(f in _set("skipped") or f.endswith("ly") for f in between)
        is_far = len(between) > 8 or bool({"and", ";", "which"} & set(between))
        others = [w for w in found if w.start >= self._span(window).end and w.label[1] != "day"]
        return window, (leads_clause or leads_verb) and not is_far and not others

    def _has_unread(
        self, start: int, stop: int, read: tuple[int, int] | None, *, strong: bool = False
    ) -> bool:
        """Whether words of time or place stand in a range, besides those of the span read.

        `strong` leaves prepositions out, behind which a default span would be a guess.
        """
        low, high = read or (stop, stop)
        while low > start and self.forms[low - 1] in _set("leading"):
            low -= 1
        for place in range(start, stop):
            if low <= place < high:
                continue
            form = self.forms[place]
            if form in _set("unread") or form in WEEKDAYS:
                return True
            if form in _MONTHS and self.tokens[place].word.is_capital:
                return True
            if any(w.start == place and w.label[1] != "day" for w in self.windows):
                return True
            if strong or form not in ("in", "over", "at", "for", "within", "by", "through"):
                continue
            following = place + 1
            while following < stop and self.forms[following] in ("the", "a", "an", "its"):
                following += 1
            if following >= stop or any(w.start == following for w in self.windows):
                continue
            if self.tokens[following].shape in ("#$", "#%"):
                continue
            if self.forms[following] not in _set("no_time"):
                return True
        return False

    def _span(self, window: Hit[tuple[str, str]]) -> Span:
        """What span of time the words of a window name."""
        name, place, end = window.label[1], window.start, window.end
        token = self.tokens[place]
        number = int(token.value or 0)
        stated_on, period, is_read = None, "", True
        lead = self.forms[max(0, place - 3) : place]
        if name == "months":
            name = {1: "month", 3: "3m", 6: "6m", 12: "12m"}.get(number, f"{number} months")
        elif name in ("sessions", "days", "weeks"):
            name = f"{number} {name}" if token.shape == "#" else "other"
        elif name == "some-day":
            name = f"{_NUMERALS.get(token.word.form.split('-')[0], 0)} sessions"
        elif name == "year":
            name = f"year {int(self.tokens[end - 1].value or 0)}"
        elif name == "named":
            month = _MONTHS[self.forms[end - 1]]
            name = f"in {month}"
            if self.tokens[end : end + 1] and self.tokens[end].shape == "#y":
                stated_on = date(int(self.tokens[end].value or 1), month, 1)
                end += 1
        elif name == "date":
            name, (stated_on, precision), end = "on", self.date_after(place - 1), end
            if stated_on is None or precision != "day":
                name = "other"
            while end < place + 4 and end < len(self.tokens) and (
                self.tokens[end].shape == "#y" or (
                    self.forms[end] == "," and self.tokens[end + 1 : end + 2]
                    and self.tokens[end + 1].shape == "#y")
            ):  # fmt: skip
                end += 1
            is_read = not lead or lead[-1] not in _set("not_on")
        elif name == "weekday":
            name = token.word.form
            behind = end + (self.forms[end : end + 1] == [","])
            if behind < len(self.forms) and self.forms[behind] in _MONTHS:
                stated_on, precision = self.date_after(behind - 1)
                if precision == "day":
                    name, end = "on", behind + 2
            is_read = not lead or lead[-1] not in _set("not_on")
        elif name == "since":
            stated_on = self._since(place)
            name = "since" if stated_on else "other"
            if stated_on:
                period = self.date_after(place)[1]
                while end < len(self.tokens) and end < place + 5 and (
                    self.forms[end] in _MONTHS or self.forms[end] in (",", "the", "early")
                    or self.tokens[end].shape in ("#", "#y")
                ):  # fmt: skip
                    end += 1
        if name in ("day", "week", "month", "3m", "12m") and window.end - window.start <= 2:
            words = self.forms[max(0, end - 4) : end - 1]
            if words[-1:] == ["this"] or words[-2:] in (["for", "the"], ["on", "the"]):
                period = "this"
            elif words[-1:] in (["last"], ["previous"], ["prior"]) and (
                words[-2:-1] not in (["the"], ["past"], ["just"])
            ):  # fmt: skip
                period = "last"
            previous = self.tokens[place - 1] if place else None
            if previous is not None and previous.shape == "#" and (previous.value or 0) > 1:
                name = "3m" if (name, previous.value) == ("month", 3) else "other"
        if name != "day" and _set("part_of") & set(lead):
            is_read = False
        return Span(name, stated_on, period, end, is_read)

    def _since(self, place: int) -> date | None:
        """The first day of the month or year, or the day, named after `since`."""
        found, _ = self.date_after(place)
        for form in self.forms[place + 1 : place + 3]:
            if found is None and form in _MONTHS:
                return date(1, _MONTHS[form], 1)
        return found

    def date_after(self, place: int) -> tuple[date | None, str]:
        """The day, month or year named within four words, and which of these it is."""
        year, month, day = None, None, None
        for token in self.tokens[place + 1 : place + 5]:
            if token.word.form in _MONTHS and month is None:
                month = _MONTHS[token.word.form]
            elif token.shape == "#y":
                year = int(token.value or 0)
                break
            elif token.shape == "#" and 1 <= (token.value or 0) <= 31 and day is None:
                day = int(token.value or 0)
            elif token.word.form not in ("the", ",", "early", "late", "of"):
                break
        if year is None:
            try:
                return (date(1, month, day), "day") if month and day else (None, "")
            except ValueError:
                return None, ""
        try:
            found = date(year, month or 1, day or 1)
        except ValueError:
            return None, ""
        return found, "day" if day else "month" if month else "year"

    def _calls(self, subject: str | None) -> list[Claim]:
        """Calls of firms, as the news scorer reads them."""
        if subject is None or not any(m.name.startswith(FIRM) for m in self.mentions):
            return []
        said = broker_calls.Text(self.text, self.cut[:80], self._without_judged_firms())
        found: list[Claim] = []
        named = {m.name for m in self.mentions if not m.name.startswith(FIRM)}
        others = sorted(named - {subject})
        empty = broker_calls.Text("", (), ())
        tickers = [subject, *(others if subject not in named else [])]
        for call in broker_calls.extract(said, empty, tickers, [subject]):
            if call.is_soft or (call.grade is None and call.target is None and not call.action):
                continue
            if call.action == "drop":
                continue
            if call.grade is None and call.target is None and call.action not in ("up", "down"):
                continue
            # A number is one firm's: the first of "A to $265, B to $240" and "A cuts B to $60".
            if any(c.firm != call.firm and c.value == call.target for c in found):
                continue
            if call.target is not None and not self._is_own_target(call.firm, call.target):
                continue
            amount = next(
                (t for t in self.tokens if t.shape == "#$" and t.value == call.target), None
            )
            unit = call.target_currency or (amount.unit if amount else "USD")
            kind = (
                "rating_change" if call.action in ("up", "down")
                else "target_change" if call.prior_target is not None
                else "rating_call"
            )  # fmt: skip
            step = amount.step if amount else 1.0
            start, end = self._said_by(call.firm, amount)
            found.append(
                Claim(
                    kind, call.ticker, call.action or "", "equal", call.target, None, step, unit,
                    None, None, "", self.sentence.number, start, end,
                    firm=call.firm, grade=call.grade, prior=call.prior_target,
                    prior_grade=call.prior_grade,
                )
            )  # fmt: skip
        return found

    def _said_by(self, firm: str, amount: Token | None) -> tuple[int, int]:
        """The span of a call: the sentence, of several firms' from the firm to its number."""
        base, end = self.sentence.start, self.sentence.end
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        own = next((m for m in firms if m.name == FIRM + firm), None)
        if own is None or amount is None or len({m.name for m in firms}) < 3:
            return base, end
        return (base + own.start, base + amount.end) if own.end <= amount.end else (base, end)

    def _is_own_target(self, firm: str, target: float) -> bool:
        """Whether a target is not nearer behind another firm of a list than behind its own."""
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        if len({m.name for m in firms}) < 3:
            return True
        amounts = [t for t in self.tokens if t.shape == "#$" and t.value == target]
        before = [m for m in firms if amounts and m.end <= amounts[0].word.start]
        return not before or before[-1].name == FIRM + firm

    def _without_judged_firms(self) -> list[Mention]:
        """Mentions but those of a broker that another speaks about: "a target on Citizens"."""
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        judged = [
            m for m in firms[1:]
            if (before := [w.form for w in self.cut if w.end <= m.start])
            and before[-1] in _set("judging")
        ]  # fmt: skip
        return [m for m in self.mentions if m not in judged]


_NEEDS = {
    "target_range": "money", "target_extreme": "money", "target_average": "money",
    "upside": "pct", "market_cap": "money", "multiple": "num", "dividend_yield": "pct",
    "dividend": "money", "volatility": "pct", "beta": "num", "rsi": "num", "drawdown": "pct",
    "moving_average": "num", "analyst_count": "count", "price": "money", "move": "pct",
}  # fmt: skip

_Details = tuple[str, float | None, str, date | None, str | None]


def _details(
    part: _Part, hit: Hit[tuple[str, str]], kind: str, argument: str, value: float | None
) -> _Details | tuple[()] | None:
    """What a kind reads besides its number; None where the words are after all no such claim."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    if kind in ("level_since", "record", "high_52w") and kind != "level_since":
        if kind == "high_52w" and inside[0].value not in (None, 52):
            return None
        return ()
    if kind == "level_since":
        # "The best month since 2013" is no level.
        if _set("span") & set(forms):
            return None
        since, precision = part.date_after(hit.start + forms.index("since"))
        return (argument, None, precision, since, None) if since and since.year > 1 else None
    if kind == "consensus_label":
        labels = [f for f in part.forms[max(0, hit.start - 1) : hit.end + 1] if f in _set("label")]
        named = " ".join(dict.fromkeys(labels))
        known = {"buy", "hold", "sell", "strong buy", "strong sell", "moderate buy",
                 "moderate sell", "neutral", "outperform", "underperform", "overweight",
                 "underweight"}  # fmt: skip
        return (named, None, "label", None, named) if named in known else None
    if kind == "rating_count":
        count = next((t.value for t in inside if t.value is not None), 0.0)
        return argument, count, "count", None, None
    if kind == "analyst_count":
        return None if value is None or value > 200 else ()
    if kind == "short_interest":
        return _numbered(inside, "pct" if argument == "short_share_of_float" else "num", argument)
    if kind == "volume":
        said = next((t for t in inside if t.shape == "#x"), None)
        by_word = {"double": 2.0, "doubled": 2.0, "twice": 2.0, "triple": 3.0, "tripled": 3.0}
        told = said.value if said else next((by_word[f] for f in forms if f in by_word), None)
        return ("", told, "x", None, None) if told else None
    if kind == "moving_average":
        return (f"{argument} {int(value or 0)}", value, "sessions", None, None) if value else None
    if kind == "price":
        if _set("insider") & set(part.forms):
            return None
        before = set(part.forms[max(0, hit.start - 4) : hit.end])
        # "Shares rose to $163" is a price, "worth up to $2 bln" is none.
        if _in(_set("rose") | _set("fell"), forms[0]) and (
            forms[0] in ("up", "down") or (value or 0) > 1e6 or not hit.start
            or part.forms[hit.start - 1] not in ("shares", "stock", "adrs", "ads")
        ):  # fmt: skip
            return None
        if _set("issue") & set(part.forms):
            return None
        return None if before & (_set("not_price") | {"offering", "priced"}) else ()
    # Else it is what one person sees coming.
    if kind == "upside" and not _set("of_analysts") & set(part.forms):
        return None
    if kind == "market_cap":
        return None if {"deal", "acquisition", "stake", "buy", "acquire"} & set(part.forms) else ()
    if kind == "earnings_surprise":
        if {"industry", "sector", "companies"} & set(part.forms[: hit.start]):
            return None
        said = next((t for t in part.tokens[hit.end : hit.end + 4] if t.shape == "#%"), None)
        near = set(part.forms[max(0, hit.start - 5) : hit.end + 8])
        if {"revenue", "revenues", "sales"} & near and not {"eps", "earnings", "profit"} & near:
            return None
        return argument, said.value if said else None, "fraction" if said else "", None, None
    if kind == "earnings_date":
        if "call" in part.forms or "webcast" in part.forms:
            return None
        day, _ = part.date_after(hit.end - 2)
        return (argument, None, "", day, None) if day else None
    if kind == "listing":
        named = forms[-1]
        return named, None, "", None, named
    if kind == "currency":
        code = _CODES.get(forms[-1])
        return (argument, None, "", None, code) if code else None
    if kind == "dividend" and (value or 0) >= 1e5:
        return None
    if kind == "dividend" and {"special", "to", "raised", "yield"} & set(forms):
        return None
    return ()


def _numbered(inside: Iterable[Token], need: str, argument: str) -> _Details | None:
    shapes = ("#%",) if need == "pct" else ("#", "#x")
    said = next((t for t in inside if t.shape in shapes and t.value is not None), None)
    return (argument, said.value, said.unit, None, None) if said else None


_CODES = {
    "dollars": "USD", "usd": "USD", "euros": "EUR", "eur": "EUR", "pounds": "GBP", "gbp": "GBP",
    "yuan": "CNY", "cny": "CNY", "renminbi": "CNY", "hkd": "HKD", "yen": "JPY", "jpy": "JPY",
}  # fmt: skip


def _opinions(part: _Part, said: str, has_claims: bool) -> list[Opinion]:
    number = part.sentence.number
    forms = part.forms
    causes = [p for p, f in enumerate(forms) if f in _set("cause") and p > 0]
    if has_claims:
        if not causes:
            return []
        start = part.tokens[causes[0]].word.start
        return [Opinion(said[start:], "causal", number)]
    if causes:
        return [Opinion(said, "causal", number)]
    if _set("negating") & set(forms):
        return [Opinion(said, "negated", number)]
    if any(f in _set("unsure") - {"to", "not", "can", "set"} for f in forms):
        return [Opinion(said, "forecast", number)]
    ends = said.rstrip()[-1:]
    is_heading = len(forms) <= 12 and ends not in (".", "!", "?")
    return [Opinion(said, "heading" if is_heading else "opinion", number)]
