"""What an article claims, by the closed schema of `Claim`; what is no claim is an opinion.

`claim_patterns` holds a pattern per kind and wording, `claim_words` the classes of words it names;
a call by a broker is found as it is in the news (`broker_calls`). Every step is linear in the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

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
_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
]  # fmt: skip
_ORDINALS = [
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth",
]  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip
_NUMERALS = {
    **{word: number for number, word in enumerate(_UNITS)}, **_TENS, "no": 0, "dozen": 12,
    "hundred": 100, "one-hundred": 100, "two-hundred": 200,
    **{f"{tens}-{_UNITS[unit]}": number + unit
       for tens, number in _TENS.items() for unit in range(1, 10)},
}  # fmt: skip
_SCALES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "b": 1e9,
    "bn": 1e9, "bln": 1e9, "billion": 1e9, "t": 1e12, "tn": 1e12, "trn": 1e12,
    "trln": 1e12, "tln": 1e12, "trillion": 1e12,
}  # fmt: skip
_SMALL_COINS = {"cents": ("USD", 0.01), "cent": ("USD", 0.01), "¢": ("USD", 0.01),
                "pence": ("GBp", 1.0), "penny": ("GBp", 1.0)}  # fmt: skip
_OPERATORS = {
    "over": "over", "above": "over", "exceeding": "over", "least": "over", "topping": "over",
    "tops": "over", "topped": "over", "exceeds": "over", "surpassed": "over", "passed": "over",
    "crossed": "over", "cleared": "over", "eclipsed": "over", "past": "over",
    "under": "under", "below": "under", "nearly": "nearly", "almost": "nearly",
    "about": "about", "around": "about", "roughly": "about", "approximately": "about",
    "some": "about", "circa": "about", "approx": "about",
}  # fmt: skip
# Words before a verb behind which the sentence goes on about whom it spoke of.
_JOINING = frozenset(
    (
        ",",
        "and",
        "but",
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

# Kinds that read a date of their own; what others tell is of the article's day.
_DATED = frozenset(
    ("move", "factor", "price", "versus_market", "price_change", "price_range", "session_level",
     "streak", "shares_traded", "revision_count", "direction", *CALL_KINDS)
)  # fmt: skip

_PARTS = {"quarter": 0.25, "third": 1 / 3, "half": 0.5, "fifth": 0.2}

_AGO = {"1 years": "12m", "6 months": "6m", "3 months": "3m", "1 months": "month",
        "1 weeks": "week"}  # fmt: skip

# Where a listing trades, by the suffix of its ticker.
_PLACES = {
    "HK": frozenset(("hong", "kong", "hk")), "L": frozenset(("london",)),
    "T": frozenset(("tokyo",)), "F": frozenset(("frankfurt",)), "DE": frozenset(("frankfurt",)),
}  # fmt: skip

# Words of time that name one day.
_DAYS = ("date", "weekday", "yesterday", "ago", "end", "same")

# Kinds whose month beside them is read.
_OF_A_MONTH = frozenset(("earnings_surprise", "eps", "high_52w", "record", "dividend"))

_SURPRISES = frozenset(
    ("short", "below", "above", "ahead", "better", "shy", "worse", "under", "against", "versus",
     "vs", "compared", "past")
)  # fmt: skip

_OF_COMMON_WORDS = frozenset(
    ("eps", "revision_count", "session_level", "price_range", "price_change", "streak",
     "shares_traded", "target_position", "mean_score", "risk_flag_count", "momentum_rank")
)  # fmt: skip

# Words for the highest and the lowest target.
_ENDS = {
    "high": frozenset(("high", "highest", "street-high")),
    "low": frozenset(("low", "lowest", "street-low")),
}
_AVERAGE = ("average", "sma", "ema")
_OF_AN_AVERAGE = frozenset(
    ("of", "over", "the", "for", "past", "prior", "previous", "last", "day", "days", "session",
     "sessions", "average", "trading")
)  # fmt: skip

# Kinds of two numbers of money.
_RANGES = ("target_range", "price_range")

# Words that only bound the kind's own number.
_NONE: frozenset[str] = frozenset()
_NOT_COMPARING = {
    "beta": frozenset(("near",)),
    "analyst_count": frozenset(("fewer", "less", "than", "above", "below", "under", "nearly",
                                "almost", "exceeding", "exceeds", "all")),
}  # fmt: skip

_OR_STRONG = ("buy or strong buy", "or strong buy", "or strong buy ,", "or strong buy .")

# Kinds whose number no fragment behind a comma can change.
_OF_ONE_NUMBER = frozenset(
    ("price", "session_level", "target_average", "target_extreme", "moving_average", "rsi",
     "market_cap", "multiple", *CALL_KINDS)
)  # fmt: skip

# "Nearly doubled" is a factor.
_TIMES = frozenset(("doubled", "tripled", "quadrupled", "halved"))

# Kinds that tell how much something is, which says nothing of how it changed.
_LEVELS = frozenset(
    ("short_interest", "market_cap", "multiple", "target_average", "target_extreme",
     "target_range", "dividend", "dividend_yield", "rsi", "beta", "volatility", "analyst_count",
     "rating_count", "consensus_label", "moving_average", "peers", "volume")
)  # fmt: skip

# Words of time that belong to what a kind says.
_NO_TIME = frozenset((("earnings_date", "next"), ("short_interest", "days")))

_EVEN = str.maketrans("‘’ʼ‛“”„–—‑‐−×\u00a0\u2009\u202f\t", "''''\"\"\"-;---x    ")
_ADDRESS = re.compile(
    r"(?<=\])\([^()\s]{1,2000}\)|(?:https?://|www\.)[^\s<>()\"']{1,2000}", re.IGNORECASE
)
_STOP = re.compile(r"[.!?][\"')\]]?\s+(?=[A-Z0-9\"'($])")
_PAUSE = re.compile(r"[:;.] | - ")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|vs|inc|corp|ltd|co|mr|ms|dr|no|st|jan|feb|mar|apr|jun|jul|aug|sept?|"
    r"oct|nov|dec)$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?[$€£¥₹]?(\d[\d,]*(?:\.(\d+))?)%?")
_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?P<time>T\d{2}:\d{2}(?::\d{2})?Z?)?"),
    re.compile(r"\b(?P<m>[A-Z][a-z]{2,8})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})\b"),
    re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)? (?P<m>[A-Z][a-z]{2,8})\.?,? (?P<y>\d{4})\b"),
    # Of two small numbers nobody knows which is the month.
    re.compile(r"\b(?P<m>\d{2})/(?P<d>1[3-9]|2\d|3[01])/(?P<y>\d{4})\b"),
    re.compile(r"\b(?P<d>1[3-9]|2\d|3[01])[/.](?P<m>\d{2})[/.](?P<y>\d{4})\b"),
)
_LISTING = re.compile(r"\(([A-Z0-9]{1,6}\.[A-Z]{1,2})\)")
# What may stand before a date of publication: nothing, a weekday, a dateline or a byline.
_HEAD = re.compile(
    r"(?:(?:published|posted|updated|date|last updated)\b:?(?: on)?|by [\w.' -]{2,40},|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day,?|[A-Z][A-Z .,]{2,40}[,(-])?",
    re.IGNORECASE,
)
_DATELINE = re.compile(
    r"[A-Z][A-Z .,]{2,40}[,(] ?(?P<m>[A-Z][a-z]{2,8})\.? (?P<d>\d{1,2})\s*(?:[-(;:]|$)"
)
_ZONE = re.compile(r"\s*(?:at\b|UTC|GMT|E[SD]T|-|by\b)", re.IGNORECASE)
# "11:00 a.m. ET", "16:05 UTC": a time of day is one of publication only with its zone.
_TIME = re.compile(
    r"[\s,|-]*(?:at )?(?P<h>\d{1,2})[:.](?P<min>\d\d)(?::\d\d)?\s*(?P<half>[ap]\.?m\.?)?[\s,(]*"
    r"(?P<zone>UTC|GMT|E[SD]?T|(?:U\.?S\.? )?Eastern|P[SD]?T|HKT|BST|CES?T)\b",
    re.IGNORECASE,
)
_ZONES = {
    "utc": "UTC", "gmt": "UTC", "e": "America/New_York", "p": "America/Los_Angeles",
    "hkt": "Asia/Hong_Kong", "bst": "Europe/London", "cet": "Europe/Paris", "cest": "Europe/Paris",
}  # fmt: skip


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


class _Read(NamedTuple):
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


@cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """Words of `claim_words` by class."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows("claim_words"):
        found[row["class"]].append(row["word"])
    return {name: tuple(members) for name, members in found.items()}


@cache
def word_set(name: str) -> frozenset[str]:
    """Return the words of one class of `claim_words`."""
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
    short = _shown(_without_marks(text[:MOST_CHARACTERS].translate(_EVEN)))
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
    claims = [_in_pounds(claim) for claim in _of_the_same_time(claims)]
    return Article(subject, publication(short), kept, tuple(claims), tuple(opinions), is_cut)


def _in_pounds(claim: Claim) -> Claim:
    """A claim in pence told in pounds, the currency all prices are judged in."""
    if claim.unit == "GBp":
        told = {
            name: number / 100 for name in ("value", "high", "prior", "step")
            if (number := getattr(claim, name)) is not None
        }  # fmt: skip
        claim = replace(claim, unit="GBP", **told)
        if claim.kind in ("earnings_surprise", "eps") and claim.second is not None:
            claim = replace(claim, second=claim.second / 100, second_step=claim.second_step / 100)
    if claim.second_unit == "GBp" and claim.second is not None:
        claim = replace(
            claim, second=claim.second / 100, second_step=claim.second_step / 100,
            second_unit="GBP", prior=claim.prior and (
                claim.prior / 100 if claim.kind == "earnings_surprise" else claim.prior),
        )  # fmt: skip
    return claim


def _of_the_same_time(claims: Sequence[Claim]) -> list[Claim]:
    """Claims of "the same period" with the time of the last claim before that names one."""
    told: list[Claim] = []
    former: Claim | None = None
    for claim in claims:
        if claim.window == "same":
            claim = (
                replace(claim, unread="window_not_stated")
                if former is None
                else replace(
                    claim, window=former.window, stated_on=former.stated_on, period=former.period
                )
            )
        elif claim.kind in _DATED and not claim.unread:
            former = claim
        told.append(claim)
    return told


def publication(text: str) -> str | None:
    """Return the date, or ISO time, that stands at the head of an article, in ISO form.

    It has the year 1 where a dateline leaves the year out.
    """
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
            if "T" not in stated:
                return _timed(day, line[match.end() :])
            return stated.replace("Z", "+00:00")
        if (told := _day_of_line(line)) is not None:
            return told
    return None


def _day_of_line(line: str) -> str | None:
    """The day of a wire's dateline without a year, in the year 1: "NEW YORK, Aug. 28 -"."""
    found = _DATELINE.match(line)
    month = _MONTHS.get(found["m"].lower()) if found else None
    if found is None or month is None:
        return None
    try:
        return date(1, month, int(found["d"])).isoformat()
    except ValueError:
        return None


def _timed(day: date, behind: str) -> str:
    """A day with the time of day and zone that stand behind it, where they do."""
    found = _TIME.match(behind)
    if found is None:
        return day.isoformat()
    half = (found["half"] or "").lower()
    hour = int(found["h"]) % 12 + 12 * half.startswith("p") if half else int(found["h"])
    spelled = found["zone"].lower()
    zone = _ZONES.get(spelled) or _ZONES.get(spelled.removeprefix("u.s. ")[:1], "America/New_York")
    try:
        told = datetime.combine(day, time(hour, int(found["min"])), ZoneInfo(zone))
    except ValueError:
        return day.isoformat()
    return told.isoformat(timespec="minutes")


def _without_marks(text: str) -> str:
    """A text with blanks for raised and ringed digits, which mark footnotes and are no numbers."""
    if text.isascii():
        return text
    return "".join(" " if c.isdigit() and not c.isdecimal() else c for c in text)


def _shown(text: str) -> str:
    """A text with blanks for what no reader sees: comments of HTML and addresses of links."""
    kept, end = [], 0
    while (start := text.find("<!--", end)) >= 0:
        kept.append(text[end:start])
        end = text.find("-->", start) + 3
        end = len(text) if end < 3 else end
        kept.append(re.sub(r"[^\n]", " ", text[start:end]))
    kept.append(text[end:])
    return _ADDRESS.sub(lambda found: " " * len(found[0]), "".join(kept))


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
    """The company most named, a symbol spelled out counting twice, of several the first.

    Of its listings it is the one quoted in the currency that most amounts are in.
    """
    counts: dict[str, int] = defaultdict(int)
    units: dict[str, int] = defaultdict(int)
    for part in parts:
        for token in part.tokens:
            if token.shape == "#$" and token.unit:
                units[token.unit] += 1
    suffixes = _suffixes(max(units, key=lambda unit: units[unit])) if units else frozenset(("",))
    for part in parts:
        for mention in _one_listing(part.mentions, None, suffixes):
            if mention.is_symbol:
                counts[mention.name] += 2
            elif not mention.name.startswith(FIRM) and not mention.is_ambiguous:
                counts[mention.name] += 1
    return max(counts, key=lambda name: counts[name]) if counts else None


@cache
def _suffixes(currency: str) -> frozenset[str]:
    """Suffixes of the tickers that are quoted in a currency or its hundredths."""
    return frozenset(
        row["value"] for row in rows("exchanges")
        if row["kind"] == "suffix" and row["currency"].upper() == currency.upper()
    )  # fmt: skip


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
            if numeral and word.form != "one" and (
                place + 1 < len(cut) and cut[place + 1].form == "times"
            ):  # fmt: skip
                found.append(Token(word, "#x", float(numeral), 1.0, "x", cut[place + 1].end))
                place += 2
                continue
            before = [token.word.form for token in found[-2:]]
            if word.form in _PARTS and before[-1:] == ["a"] and (
                before[0] in ("than", "about", "nearly", "almost", "roughly", "by", "over")
                or _in(word_set("rose") | word_set("fell"), before[0])
            ) and not {"straight", "consecutive", "of", "quarter"} & {
                cut[place + 1].form if place + 1 < len(cut) else ""
            }:  # fmt: skip
                share = round(_PARTS[word.form], 2)
                found.append(Token(word, "#%", share, 0.05, "fraction", word.end))
                place += 1
                continue
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
        elif following == "p" and cut[place + 1].start == word.end:
            shape, unit, taken = "#$", "GBp", 2
        elif following in _SMALL_COINS:
            shape, (unit, scale), taken = "#$", _SMALL_COINS[following], 2
        elif (
            is_close and following in ("st", "nd", "rd", "th") and cut[place + 1].start == word.end
        ):
            taken = 2
        elif not mark.isdigit():
            unit = broker_calls.CURRENCIES.get(mark, "USD" if mark == "$" else "JPY")
            previous = cut[place - 1] if place else None
            if mark == "$" and previous is not None and previous.end == word.start:
                unit = broker_calls.DOLLARS.get(previous.form) or unit
                if previous.form in broker_calls.DOLLARS:
                    found.pop()  # "HK$655" is one amount
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


def _one_listing(
    mentions: Sequence[Mention], subject: str | None, suffixes: frozenset[str] = frozenset(("",))
) -> list[Mention]:
    """Of a name that several listings share, the article's own, else one with such a suffix."""
    found: dict[tuple[int, bool], Mention] = {}
    for mention in mentions:
        place = (mention.start, mention.name.startswith(FIRM))
        known = found.get(place)
        if known is None or (
            _preference(mention, subject, suffixes) < _preference(known, subject, suffixes)
        ):
            found[place] = mention
    return [found[place] for place in sorted(found)]


def _preference(
    mention: Mention, subject: str | None, suffixes: frozenset[str]
) -> tuple[bool, bool, bool, str]:
    suffix = mention.name.partition(".")[2]
    return mention.name != subject, suffix not in suffixes, bool(suffix), mention.name


def _cut(text: str) -> list[Word]:
    """Words whose numbers do not carry the comma behind them."""
    found: list[Word] = []
    for word in words(text, _SENTENCE_WORDS):
        month, dash, unit = word.form.partition("-")
        if dash and month in _MONTHS and unit == "quarter":
            cut = word.start + len(month)
            found += [Word(word.start, cut, month, word.is_capital),
                      Word(cut + 1, word.end, unit, False)]  # fmt: skip
            continue
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
        self.asked_from = self._asked_from()
        self.has_call = False
        self.dates_of_call: list[Hit[tuple[str, str]]] = []
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
            hit for hit in self.windows
            if not (
                self.forms[hit.start - 1 : hit.start] == ["the"]
                and self.forms[max(0, hit.start - 2)] in word_set("end_of_span")
                and self.forms[hit.end : hit.end + 1] == ["at"]
            )
        ]  # fmt: skip
        # In "a month ago" the month is no span either.
        whole = [w for w in self.windows if w.label[1] in ("ago", "end")]
        self.windows = [
            w for w in self.windows
            if w in whole or not any(o.start <= w.start < o.end for o in whole)
        ]  # fmt: skip

    def claims(self, subject: str | None) -> list[Claim]:
        """Return the claims of the sentence; a number belongs to one claim."""
        self.mentions = _one_listing(self.mentions, subject)
        self.own_place = _PLACES.get((subject or "").partition(".")[2], frozenset())
        found = self._calls(subject) if self.asked_from else []
        self.has_call = bool(found)
        reads = [self._read_of_call(call, found) for call in found]
        taken = {
            place
            for place, token in enumerate(self.tokens)
            if found
            and token.unit not in ("fraction", "x")
            and token.value is not None
            and not (token.shape == "#" and {"brokers", "firms"} & {*self.forms[place : place + 3]})
        }
        spoken = {hit.label[0] for hit in self.hits}
        rank = {kind: place for place, kind in enumerate(kinds())}
        ordered = sorted(
            (
                hit
                for hit in self.hits
                if hit.label[0] != "window"
                and (hit.start < self.asked_from or hit.label[0] == "listing")
            ),
            key=lambda hit: (rank[hit.label[0]], hit.start, hit.end),
        )
        told: set[tuple[str, str]] = set()
        for hit in ordered:
            used: set[int] = set()
            claim = self._claim(hit, subject, taken, spoken, used)
            if claim is None:
                continue
            key = (claim.kind, f"{claim.argument} {claim.value} {claim.window}")
            is_of_two = claim.kind in ("currency", "earnings_surprise", "high_52w")
            whole = (claim.kind, claim.argument if is_of_two else "")
            if claim.kind == "target_range" and whole in told:
                continue
            if key in told or (claim.value is None and whole in told):
                continue
            told |= {key, whole}
            if claim.kind in ("move", "factor"):
                self.moves.append(claim)
            found.append(claim)
            is_whole = claim.kind in (
                "versus_market",
                "moving_average",
                "record",
                "high_52w",
                "volume",
            )
            end = max([hit.end, *(p + 1 for p in used if is_whole)])
            begin = min([hit.start, *(p for p in used if claim.kind == "volume")])
            reads.append(_Read(begin, end, frozenset(used)))
        self.dates_of_call = self._dates_of_call() if self.has_call else []
        told_by = {"news_event": "earnings_date", "target_position": "upside"}
        if {claim.kind for claim in found} & set(told_by.values()):
            # "Announced its results on" is told by the date, "9% above the close" by the upside.
            kinds_told = {claim.kind for claim in found}
            pairs = [p for p in zip(found, reads, strict=True)
                     if told_by.get(p[0].kind) not in kinds_told]  # fmt: skip
            found, reads = [claim for claim, _ in pairs], [read for _, read in pairs]
        # Earnings told beside what was expected are judged with it.
        whole_results = [
            read.used for claim, read in zip(found, reads, strict=True)
            if claim.kind == "earnings_surprise" and claim.second is not None
        ]  # fmt: skip
        kept = [
            (claim, read) for claim, read in zip(found, reads, strict=True)
            if claim.kind != "eps" or not any(read.used <= used for used in whole_results)
        ]  # fmt: skip
        found, reads = [claim for claim, _ in kept], [read for _, read in kept]
        found = self._with_left(found, reads, subject)
        calls = [claim for claim in found if claim.kind in CALL_KINDS]
        if calls:
            span, unread = self._day_of_call(len(calls))
            kinds_found = {claim.kind for claim in found}
            ranked = self._rank_of_target() if len(calls) == 1 else ""
            if (
                word_set("of_all") & set(self.forms) and "target_extreme" not in kinds_found
                and not ranked
            ) or (
                "target_average" in spoken and "target_average" not in kinds_found
            ):  # fmt: skip
                unread = "rank_not_read"
            found = [replace(c, rank=ranked) if c in calls else c for c in found]
            calls = [claim for claim in found if claim.kind in CALL_KINDS]
            found = [
                replace(c, window=span.name, stated_on=span.stated_on, period=span.period,
                        unread=unread) if c in calls else c
                for c in found
            ]  # fmt: skip
        return sorted(found, key=lambda claim: (claim.start, claim.kind))

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

    def _claim(
        self,
        hit: Hit[tuple[str, str]],
        subject: str | None,
        taken: set[int],
        spoken: set[str],
        used: set[int],
    ) -> Claim | None:
        """The claim of a hit, if it is one; the places of the numbers it reads go to `used`."""
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
        if need and len(places) < (2 if kind in _RANGES else 1):
            return None
        if any(
            w.label[1] == "date" and w.start <= hit.start < w.end and kind != "earnings_date"
            for w in self.windows
        ):  # fmt: skip
            return None
        ticker, end, period = self._whose(hit, subject), self.tokens[hit.end - 1].end, ""
        if argument == "versus":
            # "Up 86%, versus 13% for the index": of the same time and way.
            ticker = next((
                m.name for m in self.mentions if m.start >= self.tokens[hit.start].word.start
                and not m.name.startswith(FIRM)), None)  # fmt: skip
            if not self.moves or ticker is None:
                return None
            argument = self.moves[-1].argument
        elif argument == "more":
            # "Up 94% in 2025 and 43% over 12 months": the second goes on from the first.
            if not self.moves:
                return None
            argument, ticker = self.moves[-1].argument, self.moves[-1].ticker
        elif kind in ("high_52w", "record") and self._is_level(hit, kind):
            period = "level"
        elif kind in (*_OF_THE_PRICE, "price_change", "streak", "biggest_move"):
            whose = self._price_subject(hit, kind, subject, spoken)
            if whose is None:
                return None
            ticker = whose or None
        if kind in ("news_event", "risk_flag") and ticker is None:
            return None
        value, high, step, unit, window, stated_on = None, None, 1.0, "", None, None
        own: list[int] = []
        unread = None
        operator = "equal"
        if kind in _RANGES:
            first, last = self.tokens[places[-2]], self.tokens[places[-1]]
            value, high, step, unit = first.value, last.value, first.step, first.unit
            operator = "about"
            used.update(places[-2:])
            end = last.end
            if value is None or high is None or value > high:
                return None
        elif places:
            place = places[0] if kind in ("upside", "market_cap") else places[-1]
            if kind == "moving_average" and self.forms[hit.start] == "both":
                place = places[0]
            if argument in ("forward_pe", "trailing_pe", "price_to_sales") or kind == "multiple":
                place = places[0]
            token = self.tokens[place]
            value, step, unit = token.value, token.step, token.unit
            operator = "equal" if kind == "moving_average" else self._operator(place)
            end = max(end, token.end)
            used.add(place)
            # Of an average both a distance and a level may be told.
            own = [place] if kind in ("target_extreme", "session_level") else places[:1]
        details = _details(self, hit, kind, argument, value)
        if details is None:
            return None
        taken.update(own if kind != "moving_average" else ())
        second, prior = self._second(hit, kind, used), None
        if kind == "moving_average" and second is not None and second.unit == "fraction":
            operator = self._operator(hit.start - 1)
        if kind == "earnings_surprise":
            second, prior = self._result(hit, used)
            quarters = [p for p, f in enumerate(self.forms) if f in ("quarter", "report")]
            if any({"last", "latest", "recent"} & set(self.forms[max(0, p - 2) : p])
                   for p in quarters):  # fmt: skip
                period = "last"
        if kind in ("earnings_surprise", "eps"):
            period = self._period_of_results() or period
        if kind == "upside":
            second = self._target_beside(hit, used)
        if second is None and kind == "moving_average" and argument == "level":
            return None
        if kind == "moving_average" and second is not None and second.shape == "#$":
            taken.add(self.tokens.index(second))
        argument, value, unit, stated_on, grade = (
            details if details else (argument, value, unit, None, None)
        )
        if details and value is not None:
            near = self.tokens[hit.start : hit.end + 4]
            step = next((t.step for t in near if t.value == value), 1.0)
            used.update(
                place for place in range(hit.start, min(hit.end + 4, len(self.tokens)))
                if self.tokens[place].value == value
            )  # fmt: skip
            numbered = next((p for p in sorted(used) if self.tokens[p].value == value), None)
            if numbered is not None and kind != "moving_average":
                operator = self._operator(numbered)
        if stated_on is not None:
            until = hit.end
            while until < min(hit.end + 4, len(self.tokens)) and (
                self.tokens[until].shape.startswith("#")
                or self.forms[until] in ("the", ",", "early", "late", "of", *_MONTHS)
            ):  # fmt: skip
                until += 1
            if kind == "earnings_date" and grade and grade[:1].isdigit():
                until = min(until + 4, len(self.tokens))
            used.update(range(hit.start, until))
        if kind == "factor":
            value, unit, step, operator = float(argument), "x", 0.1, self._operator(hit.start)
            if self.forms[hit.start - 1 : hit.start] == ["than"]:
                operator = "over"
        if kind in ("move", "factor"):
            span = self._window(hit)
            window, stated_on, period = span.name, span.stated_on, span.period
            if period.startswith("from "):
                beside = [*range(span.end, span.end + 3), *range(span.end - 6, span.end)]
                paid = [
                    p for p in beside if 0 <= p < len(self.tokens) and self.tokens[p].shape == "#$"
                ]  # fmt: skip
                second = self.tokens[paid[0]] if paid else None
                used.update(range(min(paid[0], span.end), paid[0] + 3) if paid else ())
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
            if window is None and kind == "factor":
                return None
            unread = None if span.is_read else "window_not_supported"
            if window and window.startswith("ago ") and "where" in self.forms[hit.start : hit.end]:
                # "23% below where it stood a year ago"
                window = _AGO.get(window[4:], "other")
            if window and window.startswith(("ago ", "end ")):
                window = "other"
            if window is None and unread is None and self._goes_on_telling(hit):
                # "Has doubled this year, gaining 94%": the second tells of the same time.
                former = self.moves[-1]
                window, stated_on, period = former.window, former.stated_on, former.period
            window = window or "day"
        basis = self._basis(hit, kind, window)
        change = ""
        if kind == "eps_estimate" and {
            "had", "were", "was", "expected", "looked", "penciled", "forecast"
        } & set(self.forms[: hit.end]):  # fmt: skip
            change = "past"
        if kind == "risk_flag" and (opened := self._opening_of_flag(hit)):
            change, window, stated_on = "opened", opened.name, opened.stated_on
            used.update(range(hit.start, opened.end))
        if kind == "risk_flag" and {"closed", "cleared"} & set(self.forms[hit.end : hit.end + 3]):
            change = "closed"
        if period == "level" and word_set("set_on") & set(self.forms[hit.end :]):
            change = "set"
        if kind == "earnings_date" and {
            "reported", "released", "published", "posted", "announced", "was"
        } & set(self.forms[: hit.end]):  # fmt: skip
            change = "past"
        if kind == "rsi":
            at = [p for p, f in enumerate(self.forms) if f in ("oversold", "overbought")]
            before = set(self.forms[max(0, at[0] - 4) : at[0]]) if at else set()
            is_said = len(at) == 1 and before.isdisjoint(
                ("short", "not", "far", "from", "below", "shy", "near", "nearly", "almost", "above")
            )
            change = self.forms[at[0]] if is_said else ""
        if kind == "upside":
            grade = self._target_meant(hit)
        if kind == "price" and _in(word_set("rose") | word_set("fell"), self.forms[hit.start]):
            change = "up" if _in(word_set("rose"), self.forms[hit.start]) else "down"
        if kind == "price" and self.forms[hit.start] == "opened":
            ways = {"higher": "up", "lower": "down"}
            change = next((ways[f] for f in self.forms[hit.start : hit.end] if f in ways), "")
        if kind in ("streak", "price_change"):
            change = "up" if _in(word_set("rose"), self.forms[hit.start]) else "down"
            argument = argument or change
        if kind in ("streak", "momentum_rank", "risk_flag_count"):
            used.update(range(hit.start, hit.end))
        if kind == "volume":
            operator = self._operator(hit.start)
            until, begin = hit.end, hit.start
            while until < len(self.forms) and (
                self.tokens[until].shape == "#" or self.forms[until] in _OF_AN_AVERAGE
            ):
                until += 1
            is_share = self.tokens[begin - 1].shape == "#%" or self.forms[begin - 1] in _PARTS
            if hit.label[1] and begin and is_share:
                begin -= 1
            elif self.forms[max(0, begin - 2) : begin] == ["and", "a"]:
                begin = max(0, begin - 3)
            used.update(range(begin, until))
            used.update(p for p in range(max(0, hit.start - 2), hit.start)
                        if self.forms[p] in ("less", "more", "than", *_OPERATORS))  # fmt: skip
        if kind in ("price_change", "price_range", "session_level", "streak", "shares_traded",
                    "target_position", "direction"):  # fmt: skip
            span = self._window(hit, but=("open",) if kind == "session_level" else ())
            window, stated_on = span.name, span.stated_on

            is_inside = kind == "streak" and hit.start < span.end <= hit.end
            unread = (
                None if self._is_dated(span) or (is_inside and span.is_read) or argument == "52w"
                or (span.is_read and span.name == "intraday")
                else "window_not_supported"
            )  # fmt: skip
            window = None if window in ("day", "intraday") or kind == "streak" else window
        if kind == "revision_count":
            span = self._window(hit)
            window, period = span.name, span.period
            unread = None if span.is_read and span.name else "window_not_stated"
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
        if kind == "price":
            is_closing = bool(word_set("closing") & set(self.forms[hit.start : hit.end]))
            # "Opened at $211 and closed at $215": the second is of the close.
            span = self._window(hit, but=("open",) if is_closing else ())
            window, stated_on = span.name, span.stated_on
            is_open = span.name == "open" and "opened" in self.forms[hit.start : hit.end]
            is_told = self._is_dated(span) or (is_open and span.is_read)
            unread = None if is_told else "window_not_supported"
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
        if kind == "level_since":
            end = max(
                t.end for t in self.tokens[hit.start : hit.end + 4]
                if t.shape == "#y" or t.word.form in _MONTHS or t.word.end <= end
            )  # fmt: skip
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
            window, stated_on, period = span.name, span.stated_on, span.period
            moves = [h for h in self.hits if h.label[0] == "move"]
            if window is None and moves:
                of_move = self._window(moves[0])
                window, stated_on = of_move.name or "day", of_move.stated_on
            elif window is None and {"has", "have"} & set(self.forms[: hit.start]):
                window = "12m"
            unread = None if span.is_read else "window_not_supported"
            if span.end:
                end = max(end, self.tokens[span.end - 1].end)
            end = max([end, *(self.tokens[p].end for p in used)])
        base, told = self.sentence.start, second or prior
        return Claim(
            kind, ticker, argument, operator, value, high, step, unit, window, stated_on,
            "", self.sentence.number, base + start, base + end, grade=grade,
            words=tuple(self.forms) if kind in ("news_event", "risk_flag") else (),
            period=period, unread=unread, change=change,
            prior=prior.value if prior else None,
            second=second.value if second else None, second_unit=second.unit if second else "",
            second_step=told.step if told else 1.0, basis=basis,
        )  # fmt: skip

    def _goes_on_telling(self, hit: Hit[tuple[str, str]]) -> bool:
        """Whether a move follows another after a comma, as a participle does."""
        if not self.moves or hit.label[0] != "move":
            return False
        if hit.label[1] == "versus":
            return True
        form, before = self.forms[hit.start], self.forms[hit.start - 1 : hit.start]
        is_participle = form.endswith("ing") and before == [","]
        is_beside = bool({"while", "which"} & set(self.forms[: hit.start]))
        return is_participle or (before in (["has"], ["have"]) and is_beside)

    def _opening_of_flag(self, hit: Hit[tuple[str, str]]) -> Span | None:
        """The day a flag is said to be open from: "has been open since", "was raised on"."""
        for window in self.windows:
            said = self.forms[hit.end : window.start]
            if window.start < hit.end or set(said) - {
                "flag", "has", "have", "been", "is", "was", "open", "still", "raised", "opened",
                "on", "price", "stock", ",",
            }:  # fmt: skip
                continue
            span = self._span(window)
            is_since = window.label[1] == "since" and "open" in said and span.period == "day"
            is_on = window.label[1] in ("weekday", "date") and {"raised", "opened"} & set(said)
            if is_since and span.stated_on is not None:
                return Span("on", span.stated_on, "", span.end)
            if is_on and self._is_dated(span):
                return span
        return None

    def _basis(self, hit: Hit[tuple[str, str]], kind: str, window: str | None) -> str:
        """The price a claim says it is of: the close, or the extreme of the session, or neither."""
        low = hit.start
        while low and hit.start - low < 8 and not self._parts(low - 1):
            low -= 1
        forms = self.forms[low : hit.end]
        if kind in ("record", "level_since") and {"close", "finish"} & set(
            self.forms[hit.start : hit.end + 1]
        ):  # fmt: skip
            return "close"
        if kind == "record" and self.tokens[hit.end - 1].shape == "#$" and (
            word_set("closing") & set(forms)
        ):  # fmt: skip
            return "close"
        if kind == "record" and "intraday" in self.forms[hit.start : hit.end]:
            return "extreme"
        if kind not in ("move", "price", "high_52w", "record") or window in ("intraday", "open"):
            return ""
        # "Gained $12.10 or 8%": both are of one price.
        if kind == "move" and any(t.shape == "#$" for t in self.tokens[hit.start : hit.end]):
            return "close"
        said = self.forms[max(low, hit.start - 2) : hit.end + 2]
        if kind in ("high_52w", "record"):
            is_close = "closing" in said or {"close", "finish"} & set(self.forms[low : hit.start])
            return "extreme" if "intraday" in said else "close" if is_close else ""
        if any(said[p : p + 3] == ["as", "much", "as"] for p in range(len(said))):
            return "extreme"
        is_end = {"end", "ends"} & set(self.forms[hit.start : hit.end + 4]) and (
            {"day", "session", "close"} & set(self.forms[hit.start : hit.end + 5])
        )
        return "close" if word_set("closing") & set(forms) or is_end else ""

    def _second(self, hit: Hit[tuple[str, str]], kind: str, used: set[int]) -> Token | None:
        """A number that belongs to a claim beside its own: a level, or a distance."""
        if kind == "moving_average" and hit.start and self.tokens[hit.start - 1].shape == "#%":
            used.add(hit.start - 1)
            return self.tokens[hit.start - 1]
        if kind in ("high_52w", "record", "moving_average", "drawdown"):
            if kind == "record" and self.tokens[hit.end - 1].shape == "#$":
                used.add(hit.end - 1)
                return self.tokens[hit.end - 1]
            at = hit.start - 1
            while kind == "record" and at > 0 and self.forms[at] in ("is", "was", "the", "its"):
                at -= 1
            if kind == "record" and 0 <= at < hit.start - 1 and self.tokens[at].shape == "#$":
                used.add(at)
                return self.tokens[at]
            shapes, stop = ("#$",), min(hit.end + 6, len(self.tokens))
            for place in range(hit.end, stop):
                if self.tokens[place].shape in shapes:
                    used.add(place)
                    return self.tokens[place]
                if self.forms[place] not in word_set("level_word") and not (
                    # "The record close, $261.88," or "average, which lies at about $306".
                    self.forms[place] == "," and self.tokens[place + 1 : place + 2]
                    and (self.tokens[place + 1].shape in shapes
                         or self.forms[place + 1] in ("at", "which", "now"))
                ) and self.forms[place - 1 : place + 1] != [",", "which"]:  # fmt: skip
                    break
        if kind == "rating_count" and self.forms[hit.start + 1 : hit.start + 2] == ["of"]:
            whole = next((p for p in range(hit.start + 2, hit.start + 4)
                          if self.tokens[p].shape == "#"), hit.start)  # fmt: skip
            if self.forms[whole + 1 : whole + 2] in (["firms"], ["brokerages"]):
                used.add(whole)
                return self.tokens[whole]
        if kind == "volume" and hit.label[1]:
            near = self.tokens[hit.end : hit.end + 3]
            return next((t for t in near if (t.value or 0) >= 1e4), None)
        if kind == "upside":
            return None
        if kind == "price":
            return next((t for t in self.tokens[hit.start : hit.end] if t.shape == "#%"), None)
        if kind == "versus_market":
            return self._move_of_the_index(hit, used)
        if kind == "high_52w" and hit.start:
            at = hit.start - 1
            while at > 0 and self.forms[at] in ("is", "was", "the", "its", "a"):
                at -= 1
            if self.tokens[at].shape == "#$":
                used.add(at)
                return self.tokens[at]
        return None

    def _target_meant(self, hit: Hit[tuple[str, str]]) -> str | None:
        """Whether an upside is to the highest or the lowest target, by the words of its clause."""
        low, high = self._clause(_Read(hit.start, hit.end, frozenset()), "upside")
        said = set(self.forms[low:high])
        if not word_set("target") & said:
            return None
        if "median" in said:
            return "median"
        ends = [end for end, names in _ENDS.items() if names & said]
        return ends[0] if len(ends) == 1 else None

    def _move_of_the_index(self, hit: Hit[tuple[str, str]], used: set[int]) -> Token | None:
        """What an index did, where a clause behind it says so: ", which fell 0.3%"."""
        place = hit.end + (self.forms[hit.end : hit.end + 1] == ["500"])
        if self.forms[place : place + 2] != [",", "which"]:
            return None
        verb = place + 2
        while verb < len(self.forms) and self.forms[verb] in word_set("skipped"):
            verb += 1
        number = next((p for p in range(verb + 1, min(verb + 4, len(self.tokens)))
                       if self.tokens[p].shape == "#%"), None)  # fmt: skip
        ways = word_set("rose") | word_set("fell")
        if number is None or not _in(ways, self.forms[verb]) or (
            set(self.forms[verb + 1 : number]) - word_set("skipped")
        ):  # fmt: skip
            return None
        used.update(range(place, number + 1))
        token = self.tokens[number]
        sign = 1.0 if _in(word_set("rose"), self.forms[verb]) else -1.0
        return token._replace(value=sign * (token.value or 0.0))

    def _result(
        self, hit: Hit[tuple[str, str]], used: set[int]
    ) -> tuple[Token | None, Token | None]:
        """Earnings per share reported, and those expected, where the words give them."""
        acts = word_set("surprising") | _SURPRISES
        inside = [p for p in range(hit.start, hit.end) if self.tokens[p].shape == "#$"]
        if hit.label[1] == "either" or (inside[:1] == [hit.start] and len(inside) == 2):
            if len(inside) < 2:
                return None, None
            used.update(inside[:2])
            return self.tokens[inside[0]], self.tokens[inside[-1]]
        if self.forms[hit.start] in ("beat", "miss") and self.forms[hit.start + 1] == "of":
            # "A miss of 2%" tells how far alone.
            return None, None
        verb = next((p for p in range(hit.start, hit.end) if self.forms[p] in acts), hit.start)
        told: list[Token | None] = []
        for places in (
            range(max(0, verb - 12), verb),
            range(verb + 1, min(hit.end + 4, len(self.tokens))),
        ):
            amounts = [p for p in places if self.tokens[p].shape == "#$"
                       and self.forms[p - 1] != "by"
                       and (p >= verb - 6 or self.forms[p + 1] in ("a", "per"))
                       # A price is none: "rose to $264.18 despite missing estimates".
                       and self.forms[p - 1] not in ("to", "at")]  # fmt: skip
            used.update(amounts if len(amounts) == 1 else ())
            told.append(self.tokens[amounts[0]] if len(amounts) == 1 else None)
        return told[0], told[1]

    def _period_of_results(self) -> str:
        """Which results are told: of a year before the newest, or of the quarter before."""
        said = " ".join(self.forms)
        if re.search(r"quarter (a|one) year (ago|earlier)|year-ago quarter|a year earlier", said):
            return "year ago"
        return "before" if re.search(r"(previous|prior|preceding) quarter", said) else ""

    def _target_beside(self, hit: Hit[tuple[str, str]], used: set[int]) -> Token | None:
        """The target an upside is said to be of, where the words before it state one."""
        lead = next((
            p for p in range(hit.start - 1, max(-1, hit.start - 7), -1)
            if self.forms[p] in ("implies", "imply", "implying", "suggests", "suggesting", "means",
                                 "offers", "offering", "points", "leaves", "leaving")
        ), None)  # fmt: skip
        amounts = [p for p in range(lead or 0) if self.tokens[p].shape == "#$"][-1:]
        of_targets = word_set("target") | {"mean", "median"}
        if lead is None or not amounts or not of_targets & set(self.forms[:lead]):
            return None
        if any(m.name.startswith(FIRM) for m in self.mentions):
            return None
        used.add(amounts[0])
        return self.tokens[amounts[0]]

    def _is_level(self, hit: Hit[tuple[str, str]], kind: str) -> bool:
        """Whether an extreme is only named with its number, not reached."""
        if self._second(hit, kind, set()) is None:
            return False
        return not any(_in(word_set("reached"), form) for form in self.forms[: hit.start][-6:])

    def _read_of_call(self, call: Claim, calls: Sequence[Claim]) -> _Read:
        """The words a call is told in, from its firm to that of the next, and its numbers."""
        base = self.sentence.start
        inside = [
            place for place, token in enumerate(self.tokens)
            if call.start - base <= token.word.start < call.end - base
        ]  # fmt: skip
        low, high = (inside[0], inside[-1] + 1) if inside else (0, len(self.tokens))
        if low == 0 and high == len(self.tokens):
            firm = [m for m in self.mentions if m.name == f"{FIRM}{call.firm}"]
            core = [
                place for place in range(low, high)
                if any(m.start <= self.tokens[place].word.start < m.end for m in firm)
                or ((value := self.tokens[place].value) is not None
                and value in (call.value, call.prior))
                or (call.grade and call.grade.lower().startswith(self.forms[place]))
            ]  # fmt: skip
            low, high = (core[0], core[-1] + 1) if core else (low, high)
        used = frozenset(
            place for place in range(len(self.tokens))
            if self.tokens[place].value is not None
            and self.tokens[place].shape in ("#$", "#")
            and self.tokens[place].value in (call.value, call.prior)
        ) | frozenset(
            place for place, token in enumerate(self.tokens)
            if call.second is not None and token.value == call.second
            and token.unit == call.second_unit
        )  # fmt: skip
        return _Read(low, high, used)

    def _clause(self, read: _Read, kind: str) -> tuple[int, int]:
        """The clause some words stand in: up to a word that begins another, or a semicolon."""
        low, high = read.low, read.high
        # "Nvidia partnership: Integration of …" begins with a heading.
        is_headed = kind in ("news_event", "risk_flag")
        while low and not (
            self._parts(low - 1) or (is_headed and self.forms[low - 1] == ":")
        ):  # fmt: skip
            low -= 1
        while high < len(self.tokens) and not self._parts(high):
            high += 1
        return low, high

    def _own_words(self, call: Claim, low: int, high: int) -> tuple[int, int]:
        """The words of a clause that are of one firm's call, where others speak before or after."""
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        amounts = [t.word.start for t in self.tokens if t.shape == "#$"]
        own = next((n for n, m in enumerate(firms) if m.name == f"{FIRM}{call.firm}"), None)
        if own is None or len({m.name for m in firms}) < 2 or (
            amounts and amounts[0] < firms[0].start
        ):  # fmt: skip
            return low, high
        mention = firms[own]
        if own and not self._is_joined(firms[own - 1].end, mention.start):
            start = mention.start
            low = max(low, next(p for p, t in enumerate(self.tokens) if t.end > start))
        end = next((
            after.start for before, after in pairwise(firms[own:])
            if not self._is_joined(before.end, after.start)
        ), len(self.text))  # fmt: skip
        return low, min(high, sum(t.word.start < end for t in self.tokens))

    def _parts(self, place: int) -> bool:
        """Whether a word begins another clause."""
        form, following = self.forms[place], self.forms[place + 1 : place + 2]
        previous = self.forms[max(0, place - 1) : place]
        if form in (";", "|"):
            return True
        if any(w.start == place for w in self.windows):
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
            } & set(self.forms[place + 1 : place + 4])
        if form in ("and", "which", "with", "who"):
            return previous == [","] and form != "with"
        return form in word_set("clause") | word_set("cause")

    def _with_left(
        self, found: Sequence[Claim], reads: Sequence[_Read], subject: str | None
    ) -> list[Claim]:
        """Claims with the words of their clauses that could qualify them and nothing read."""
        numbers = frozenset().union(*(read.used for read in reads))
        moved = {
            place for claim, read in zip(found, reads, strict=True)
            if claim.kind not in _LEVELS for place in range(read.low, read.high)
        }  # fmt: skip
        covered = {place for read in reads for place in range(read.low, read.high)}
        kept = []
        for claim, read in zip(found, reads, strict=True):
            low, high = self._clause(read, claim.kind)
            if claim.kind in CALL_KINDS:
                low, high = self._own_words(claim, low, high)
            left: set[int] = set()
            day = None
            of_day = []
            spans: set[int] = set()
            for window in self.windows:
                if low <= window.start < high:
                    first = window.start
                    while first > low and self.forms[first - 1] in ("last", "past", "this", "next"):
                        first -= 1
                    places = set(range(first, max(window.end, self._span(window).end)))
                    is_of_record = claim.kind == "drawdown" and bool(
                        word_set("set_on") & set(self.forms[max(0, first - 2) : first + 1])
                    )
                    if is_of_record and not any(c.kind in ("record", "high_52w") for c in found):
                        left |= places
                        continue
                    if is_of_record:
                        # The record beside is judged with the time it was set.
                        spans |= places
                        continue
                    spans |= places
                    is_day = window.label[1] in _DAYS
                    if (self._is_inert(window.start) and not is_day) or places & read.used:
                        continue
                    if claim.kind in ("move", "price") and window.label[1] not in (
                        "day", "open", "intraday", *_DAYS
                    ):  # fmt: skip
                        # "Rose 8%, its best day since March" says more than the move.
                        at = self.sentence.start + self.tokens[window.start].word.start
                        if at >= claim.end and not any(c.start <= at < c.end for c in found):
                            left |= places
                            continue
                    if claim.kind in CALL_KINDS and window in self.dates_of_call:
                        continue
                    at = self.sentence.start + self.tokens[window.start].word.start
                    if claim.kind not in _DATED and window.end < read.low and (
                        "and" in self.forms[window.end : read.low]
                        and any(c.kind in _DATED and c.start <= at < c.end for c in found)
                    ):  # fmt: skip
                        continue  # "rose 29% in the last month and trades above its average"
                    if window.label[1] in _DAYS:
                        of_day.append((window, places))
                    elif claim.kind not in _DATED - {*CALL_KINDS} and not (
                        self._is_no_time(window, claim.kind)
                    ):  # fmt: skip
                        others = [c for c in found if c.kind in _DATED]
                        if not (others and claim.kind == "level_since"):
                            left |= places
            if claim.kind in ("high_52w", "record") and claim.second is not None and any(
                w.end == read.low for w, _ in of_day
            ):  # fmt: skip
                # "From Monday's 52-week high of $271" names the day of the high.
                of_day = [(w, p) for w, p in of_day if w.end == read.low]
                claim = replace(claim, change="set")
            if claim.kind not in _DATED:
                days = [w for w, _ in of_day]
                told = _longest(days)
                span = self._span(told) if told is not None else None
                if (
                    told is not None
                    and span is not None
                    and told.end == read.low
                    and claim.change == "set"
                ):
                    span = span._replace(is_read=True)
                if told is not None and span is not None:
                    if self._is_dated(span) and span.name and all(
                        w.start < span.end for w in days
                    ):  # fmt: skip
                        day = (span.name, span.stated_on)
                    else:
                        left |= set().union(*(places for _, places in of_day))
                month = [
                    p for p in range(low, high)
                    if self.forms[p] in _MONTHS and self.tokens[p].word.is_capital and p > 0
                    and p not in read.used and (day is None or p not in spans)
                ]  # fmt: skip
                if month and claim.kind in _OF_A_MONTH and len(month) == 1 and not day and (
                    self.forms[month[0] - 1] not in word_set("not_on")
                    or claim.kind in ("high_52w", "record")
                ):  # fmt: skip
                    year = next((int(t.value or 1) for t in self.tokens[month[0] + 1 : month[0] + 3]
                                 if t.shape == "#y"), 1)  # fmt: skip
                    day = ("month", date(year, _MONTHS[self.forms[month[0]]], 1))
                    spans |= {month[0], month[0] + 1, month[0] + 2}
                    left -= spans
                elif claim.kind != "level_since" or not spans >= set(month):
                    left |= set(month) - (spans if claim.kind == "drawdown" else set())
            for place in range(low, high):
                token, form = self.tokens[place], self.forms[place]
                is_number = token.shape.startswith("#")
                if is_number and claim.kind not in ("listing", "currency") and not any(
                    m.start <= token.word.start < m.end for m in self.mentions
                ) and not (
                    place in numbers or place in spans or self._is_inert(place)
                ):  # fmt: skip
                    left.add(place)
                is_joining = form == "yet" and self.forms[place - 1 : place] == [","]
                is_qualified = form in word_set("qualifier") and not is_joining
                is_telling = is_qualified or self._is_a_span(place, claim) or (
                    claim.kind not in _DATED and form in word_set("unread") - self.own_place
                    and self.forms[place + 1 : place + 2] != ["12"]
                    and (claim.kind, form) not in _NO_TIME
                ) or (
                    claim.kind in _LEVELS and place not in moved
                    and not (claim.kind == "moving_average" and place in covered)
                    and _in(word_set("rose") | word_set("fell") | word_set("changed"), form)
                    and not (self.forms[place - 1 : place] == ["the"]
                             and form in word_set("gain") | word_set("loss"))
                )  # fmt: skip
                if form == "alone" and any(w.end == place for w in self.windows):
                    continue  # "over the past week alone"
                if form == "half" and any(
                    c.kind == "rating_count" and c.value == 0.5 for c in found
                ):
                    continue
                if form == "unchanged" and claim.kind in CALL_KINDS and claim.grade:
                    continue
                if form == "longer" and self.forms[place + 1 : place + 2] == ["term"]:
                    continue
                if form == "short" and claim.kind == "earnings_surprise" and (
                    self.forms[place - 1 : place] in (["fallen"], ["fell"], ["come"], ["came"])
                ):  # fmt: skip
                    continue
                if form in ("than", "feared") and claim.kind == "earnings_surprise" and (
                    {"feared", "expected"} & set(self.forms[place : place + 2])
                ):  # fmt: skip
                    continue
                if form == "between" and claim.kind == "moving_average" and (
                    sum(c.kind == "moving_average" for c in found) > 1
                ):  # fmt: skip
                    continue
                if form in ("oversold", "overbought") and claim.change == form:
                    continue
                if form in ("light", "heavy", "thin", "lighter", "heavier") and claim.kind in (
                    "volume", "shares_traded"
                ):  # fmt: skip
                    continue
                if form in ("bullish", "bearish") and claim.prior_grade and claim.grade:
                    continue  # the grades say it
                if (form, *self.forms[place + 1 : place + 2]) == ("again", ":") or (
                    form == "quarterly" and claim.kind == "earnings_date"
                ):  # fmt: skip
                    continue
                if form in ("twice", "both") and place in covered and (
                    claim.kind in ("volume", "moving_average")
                ):  # fmt: skip
                    continue
                is_telling |= (
                    (
                        form in word_set("comparing") - _NOT_COMPARING.get(claim.kind, _NONE)
                        and place not in covered
                        and not any(
                            t.shape.startswith("#") for t in self.tokens[place + 1 : place + 3]
                        )
                        and not set(self.forms[place + 1 : place + 2]) & _TIMES
                    )
                    or (form in word_set("lessening") and claim.kind == "news_event")
                    or (
                        claim.kind in CALL_KINDS
                        and form in word_set("unread_of_calls") | word_set("mood")
                    )
                )
                if claim.kind == "target_range" and read.low <= place < read.high:
                    continue
                if claim.kind in CALL_KINDS and form in ("highest", "lowest") and (
                    self._rank_of_target()
                ):  # fmt: skip
                    continue

                if claim.kind == "revision_count" and place in covered:
                    continue
                if claim.kind == "earnings_surprise" and (
                    form == "quarterly" or self.forms[place : place + 2] == ["most", "recent"]
                ):  # fmt: skip
                    continue
                if claim.kind == "upside" and form in _ENDS.get(claim.grade or "", _NONE):
                    continue
                if claim.kind == "risk_flag" and form in ("open", "closed"):
                    continue
                if claim.kind == "earnings_date" and claim.argument and form in (
                    "before", "after", "open", "close", "bell"
                ):  # fmt: skip
                    continue
                is_aside = (form == "though" and (
                    self.forms[place - 1 : place] == self.forms[place + 1 : place + 2] == [","]
                    or (claim.kind in CALL_KINDS and place + 1 < len(self.forms)
                        and self.forms[place + 1] in ("it", "the"))
                )) or (form == "after" and claim.kind in CALL_KINDS and self.forms[place - 1]
                       == "even" and claim.prior is not None)  # fmt: skip
                if is_aside or self._is_from_before(place):
                    continue
                if is_telling and place not in numbers | spans:
                    left.add(place)
            if claim.kind == "listing" and self.forms[read.low] == "(":
                # "(NYSE: BABA)" says one thing wherever it stands.
                kept.append(replace(claim, day=None))
                continue
            left |= self._of_another(claim, found, low, high)
            beside = self._conceded(high, covered, numbers)
            if claim.kind in _OF_ONE_NUMBER:
                comma = next((p for p in range(read.high, high) if self.forms[p] == ","), high)
                later = {p for p in left if p > comma and p not in spans}
                if not self._is_compared(comma):
                    left, beside = left - later, beside | later
            beside |= self._unread_clauses(claim, low, high, covered)
            left |= self._words_beside(claim, low, high, covered | numbers, spans)
            if claim.kind in CALL_KINDS:
                left |= self._grades_left(claim, low, high)
            elif not any(c.kind in CALL_KINDS for c in found):
                left |= {
                    p for p in range(low, high)
                    if self.forms[p] in word_set("label") and self.tokens[p].word.is_capital
                    and not any(r.low <= p <= r.high for r in reads)
                    # A count of those who say Buy has the strong ones in it.
                    and not (claim.kind in ("rating_count", "analyst_count", "consensus_label")
                             and " ".join(self.forms[max(0, p - 2) : p + 2]) in _OR_STRONG)
                }  # fmt: skip
            if claim.kind == "price":
                left |= {p for p in range(low, high) if self.forms[p] in _AVERAGE
                         and p not in covered}  # fmt: skip
            if claim.kind == "peers":
                left |= {p for p in range(low, high) if self.forms[p] in word_set("not_price")
                         and self.forms[p] not in ("earnings", "eps", "profit")}  # fmt: skip
            if claim.kind == "earnings_surprise":
                left |= self._of_other_figures(read)
                left |= {p for p in range(low, high) if self.forms[p] in ("revenue", "revenues",
                                                                         "sales")}  # fmt: skip
            firm = None
            if claim.ticker is not None:
                names, firm = self._names_left(claim, found, low, high, subject)
                left |= names
            base = self.sentence.start
            if claim.kind == "news_event":
                left = {p for p in left if self.forms[p] in word_set("lessening") or not (
                    claim.start <= base + self.tokens[p].word.start < claim.end
                )}  # fmt: skip
            kept.append(
                replace(
                    claim, left=self._told_at(left), beside=self._told_at(beside - left), day=day,
                    firm=claim.firm or firm,
                )
            )  # fmt: skip
        return kept

    def _of_another(self, claim: Claim, found: Sequence[Claim], low: int, high: int) -> set[int]:
        """Places of words by which a figure is that of something else than its kind's."""
        words: frozenset[str] | set[str] = set()
        if claim.kind == "upside" and claim.grade is None:
            words = {f"{end}{target}" for end in ("", "street-") for target in ("high", "low")}
            words |= {"highest", "lowest"}
        elif claim.kind in ("multiple", "factor"):
            words = word_set("peers") | {"peer", "median"}
        elif claim.kind == "price" and claim.stated_on is None and not any(
            c.kind == "record" for c in found
        ):  # fmt: skip
            words = {"record", "all-time"}
        elif claim.kind == "listing":
            names = {"new": {"nyse"}, "nyse": {"nyse"}, "nasdaq": {"nasdaq", "nasdaqgs"},
                     "hong": {"hong", "hkex", "sehk"}}  # fmt: skip
            words = word_set("exchange") - names.get(claim.argument, {claim.argument})
        elif claim.kind in CALL_KINDS and not any(c.kind == "upside" for c in found):
            words = {"upside", "downside"}
        left = {
            p
            for p in range(low, high)
            if self.forms[p] in words
            and (
                claim.kind not in ("multiple", "factor")
                or self.sentence.start + self.tokens[p].word.start < claim.start
            )
        }
        if claim.kind == "versus_market":
            left |= {
                p
                for p in range(low, high)
                if self.tokens[p].shape == "#%"
                and self.sentence.start + self.tokens[p].word.start >= claim.end
            }
        if claim.kind in CALL_KINDS:
            last = zip(self.forms[low:high], self.forms[low + 1 : high], strict=False)
            left |= {low + p for p, pair in enumerate(last) if pair == ("last", "year")}
        return left

    def _conceded(self, high: int, covered: set[int], numbers: frozenset[int]) -> set[int]:
        """Places of what is said behind a "despite" or "although" and is no claim of its own."""
        first = next(
            (p for p in range(high, len(self.forms)) if self.forms[p] in word_set("conceding")),
            len(self.forms),
        )
        return {
            p
            for p in range(first + 1, len(self.forms))
            if p not in covered | numbers
            and (
                self.forms[p] in word_set("comparing") | word_set("qualifier")
                or (self.tokens[p].shape.startswith("#") and not self._is_inert(p))
                or _in(word_set("rose") | word_set("fell") | word_set("changed"), self.forms[p])
            )
        }

    def _words_beside(
        self, claim: Claim, low: int, high: int, read: set[int] | frozenset[int], spans: set[int]
    ) -> set[int]:
        """Places in the clause of words that do more than lead to what was read.

        Only of kinds whose words are so common that any other beside them may change the sense.
        """
        is_flag = claim.kind == "risk_flag" and any(f.startswith("flag") for f in self.forms)
        is_past = claim.kind == "earnings_date" and claim.change == "past"
        if claim.kind not in _OF_COMMON_WORDS and not is_flag and not is_past:
            return set()
        own = [m for m in self.mentions if m.name == claim.ticker]
        known = set(read) | (set() if claim.argument == "52w" else spans)
        return {
            p for p in range(low, high)
            if p not in known and self.forms[p][0].isalpha()
            and self.forms[p] not in word_set("leading_on") | self.own_place
            and not (is_flag and self.forms[p] in ("open", "closed"))
            and not (
                self.forms[p] in word_set("gain") | word_set("loss")
                and (claim.kind == "streak" or self.forms[p - 1 : p] == ["the"])
            )
            and not any(m.start <= self.tokens[p].word.start < m.end for m in own)
        }  # fmt: skip

    def _unread_clauses(self, claim: Claim, low: int, high: int, covered: set[int]) -> set[int]:
        """Places of what stands behind a claim's clause, up to the next that a rule has read.

        What stands before a "but" that leads the clause counts as well.

        A clause that says why or what could be is no fact beside the claim, unless it tells of
        another number, time or change.
        """
        left: set[int] = set()
        is_reason = False
        if low and self.forms[low - 1] in ("but", "yet") and not covered & set(range(low)):
            left |= set(range(low - 1))
        while high < len(self.forms):
            end = high + 1
            while end < len(self.forms) and not self._parts(end):
                end += 1
            if covered & set(range(high, end)) or any(
                h.label[0] == claim.kind == "news_event" and high <= h.start < end
                for h in self.hits
            ):  # fmt: skip
                break
            lead, behind = self.forms[high], self.forms[high + 1 : high + 4]
            is_compared = lead == "as" and bool(word_set("auxiliary") & set(behind))
            is_list = is_reason and lead == "and"
            is_reason = is_list or lead in word_set("cause") or lead == "before" or (
                lead == "as" and not is_compared and claim.kind in (*_OF_THE_PRICE, "price")
            )  # fmt: skip
            is_soft = not _UNSURE_ANYWHERE.isdisjoint(self.forms[high:end])
            telling = {p for p in range(high, end) if self._tells_more(p, high, claim)}
            if telling or not (is_reason or is_soft):
                left |= telling or set(range(high, end))
            high = end
        return left

    def _tells_more(self, place: int, first: int, claim: Claim) -> bool:
        """Whether a word of a clause no rule has read, which begins at `first`, tells a fact."""
        form, token = self.forms[place], self.tokens[place]
        changes = word_set("rose") | word_set("fell") | word_set("changed")
        if token.shape.startswith("#") and not self._is_inert(place):
            return True
        if form in _MONTHS and token.word.is_capital:
            return True
        if any(w.start == place and not self._is_no_time(w, claim.kind) for w in self.windows):
            return True
        if claim.kind in CALL_KINDS and any(
            m.name.startswith(FIRM) and m.start <= token.word.start < m.end for m in self.mentions
        ):  # fmt: skip
            return True
        # "After the close" says when, "after falling" is of the same share, "as the index fell" a
        # fact about the market.
        if self.forms[first] in ("after", "before") and form in ("close", "bell", "open"):
            return claim.kind != "earnings_date"
        if self.forms[first] in ("after", "following", "before"):
            # "After they had opened at the same level" is of the price as well.
            is_price = form == "opened" or form in word_set("closing") | word_set("traded")
            return (place == first + 1 and _in(changes, form)) or (
                is_price and self.forms[place + 1 : place + 2] in (
                    ["at"], ["above"], ["below"], ["near"], ["around"], ["higher"], ["lower"]
                )
            )  # fmt: skip
        return self.forms[first] == "as" and not form.endswith("ing") and (
            _in(word_set("rose") | word_set("fell"), form)
        )  # fmt: skip

    def _of_other_figures(self, read: _Read) -> set[int]:
        """Places of words that make a result one of another figure: "missed delivery estimates"."""
        acts = word_set("surprising") | _SURPRISES
        verb = next((p for p in range(read.low, read.high) if self.forms[p] in acts), read.low)
        left = {
            p for p in range(verb + 1, read.high - 1)
            if self.forms[p][0].isalpha() and self.forms[p] not in word_set("of_results")
            and not self.tokens[p].shape.startswith("#")
        }  # fmt: skip
        before = range(max(0, verb - 2), verb)
        return left | {
            p for p in before
            if self.forms[p] in word_set("not_price")
            and self.forms[p] not in word_set("of_results")
        }  # fmt: skip

    def _told_at(self, places: Iterable[int]) -> str:
        """The words at some places, as written."""
        runs: list[list[int]] = []
        for place in sorted(places):
            if runs and runs[-1][-1] == place - 1:
                runs[-1].append(place)
            else:
                runs.append([place])
        said = (self.text[self.tokens[r[0]].word.start : self.tokens[r[-1]].end] for r in runs)
        return " … ".join(said)

    def _is_compared(self, comma: int) -> bool:
        """Whether what follows a comma compares: ", less than JD", ", against 25x for Amazon"."""
        lead = set(self.forms[comma + 1 : comma + 3])
        return not lead.isdisjoint(
            ("than", "against", "versus", "vs", "compared", "unlike", "like")
        )

    def _is_inert(self, place: int) -> bool:
        """Whether a number only names something: an index, "52-week high", "12-month target"."""
        if self.forms[place - 1 : place] and self.forms[place - 1] in word_set("index_name"):
            return True
        behind = self.forms[place + 1 : place + 6]
        if self.tokens[place].value == 14 and {"rsi", "relative"} & set(behind[:2]):
            return True
        if "volume" in self.forms:
            # The mart's is the median of 60 sessions.
            return self.tokens[place].value == 60 and behind[:1] in (["day"], ["days"])
        if behind[:1] and behind[0] in ("day", "days", "week", "weeks", "month", "months", "year"):
            if behind[1:2] == ["and"]:
                # "The 50-day and the 200-day average".
                behind = self.forms[place + 1 : place + 8]
            return bool(
                set(behind[1:])
                & (word_set("target") | word_set("high") | word_set("low") | word_set("no_span"))
            ) or self.forms[place - 1 : place] == ["next"]
        return self.forms[place] in ("12-month", "twelve-month", "one-year", "past", "last")

    def _is_a_span(self, place: int, claim: Claim) -> bool:
        """Whether a word such as "five-year" says of which time a figure is."""
        head, _, unit = self.forms[place].partition("-")
        if head not in _NUMERALS or unit not in ("year", "month", "week", "day"):
            return False
        if claim.kind == "beta" and (head, unit) == ("one", "year"):
            return False
        named = word_set("target") | word_set("high") | word_set("low") | word_set("no_span")
        return claim.kind not in _DATED and not named & set(self.forms[place + 1 : place + 4])

    def _is_no_time(self, window: Hit[tuple[str, str]], kind: str) -> bool:
        """Whether words of time say no more than what is meant anyhow."""
        name = window.label[1]
        if kind in ("risk_flag", "earnings_date") and name == "open":
            return True
        said = self.forms[window.start : window.end]
        if name == "day" or (name == "open" and said != ["open"]):
            return True
        if window.start and self._is_inert(window.start - 1):
            return True
        if kind in ("earnings_surprise", "eps", "eps_estimate") and name == "3m":
            return True
        behind = self.forms[window.end : window.end + 3]
        if name == "12m" and (word_set("target") | word_set("high") | word_set("low")) & {*behind}:
            return True
        return name == "intraday"

    def _grades_left(self, claim: Claim, low: int, high: int) -> set[int]:
        """Places of grades in a call's words that are neither its own nor the one before."""
        known = {(g or "").lower() for g in (claim.grade, claim.prior_grade)}
        left: set[int] = set()
        place = low
        while place < high:
            length = broker_calls.grade_at(self.forms, place)
            printed = self.text[
                self.tokens[place].word.start : self.tokens[place + max(length, 1) - 1].end
            ]
            is_word = self.forms[place] in word_set("label") or self.tokens[place].word.is_capital
            # Behind "fair value" stands an amount.
            if length and printed.lower() not in (*known, "fair value") and (is_word or length > 1):
                left |= set(range(place, place + length))
            place += max(length, 1)
        return left

    def _names_left(
        self, claim: Claim, found: Sequence[Claim], low: int, high: int, subject: str | None
    ) -> tuple[set[int], str | None]:
        """Places of names that are not those a claim is of; and whose target an upside is to."""
        start, end = self.tokens[low].word.start, self.tokens[high - 1].end
        calls = {c.firm for c in found if c.kind in CALL_KINDS}
        tickers = {c.ticker for c in found} | {claim.ticker}
        own = [m for m in self.mentions if m.name in tickers]
        firms: set[str] = set()
        left: set[int] = set()
        for mention in self.mentions:
            if not start <= mention.start < end or any(
                m.start < mention.end and mention.start < m.end for m in own
            ):  # fmt: skip
                continue
            is_firm = mention.name.startswith(FIRM)
            name = mention.name[len(FIRM) :] if is_firm else mention.name
            if not is_firm and any(
                m.name.startswith(FIRM) and m.start < mention.end and mention.start < m.end
                for m in self.mentions
            ):  # fmt: skip
                continue
            if is_firm and claim.kind in (*CALL_KINDS, "analyst_count") and name in calls:
                continue
            if mention.is_ambiguous and not mention.is_symbol and mention.start == 0:
                continue
            if is_firm and claim.kind == "upside":
                firms.add(name)
                continue
            left |= {
                p for p in range(low, high)
                if mention.start <= self.tokens[p].word.start < mention.end
            }  # fmt: skip
        if len(firms) > 1:
            left |= {
                p for p in range(low, high) for m in self.mentions
                if m.name.startswith(FIRM) and m.start <= self.tokens[p].word.start < m.end
            }  # fmt: skip
        if claim.kind != "risk_flag" and not self._is_title():
            graded = {
                p for place in range(low, high)
                for p in range(place, place + broker_calls.grade_at(self.forms, place))
            }  # fmt: skip
            left |= {p for p in range(max(low, 1), high) if self._is_strange(p)} - graded
        return left, next(iter(firms)) if len(firms) == 1 else None

    def _is_title(self) -> bool:
        """Whether a sentence writes its common words with a capital, as headlines do."""
        spelled = [
            t.word for t in self.tokens[1:]
            if t.word.form[0].isalpha() and len(t.word.form) > 3
            and t.word.form not in word_set("label")
            and not any(m.start <= t.word.start < m.end for m in self.mentions)
        ]  # fmt: skip
        capital = sum(word.is_capital for word in spelled)
        return capital >= 3 and 5 * capital > 3 * len(spelled)

    def _is_strange(self, place: int) -> bool:
        """Whether a word is a name of somebody or something we do not know."""
        word = self.tokens[place].word
        if not word.is_capital or not word.form[0].isalpha() or len(word.form) < 2:
            return False
        if self.forms[place - 1] in (":", "analyst", "analysts", "-") or (
            self.forms[place + 1 : place + 2]
            and self.forms[place + 1] in word_set("company_word") - {"group", "company"}
        ) or (
            place > 1 and self.forms[place - 2] in ("analyst", "analysts")
        ):  # fmt: skip
            return False
        if any(m.start <= word.start < m.end for m in self.mentions) or (
            word.form in self.own_place
        ):
            return False
        known = (
            word_set("known_name")
            | word_set("label")
            | word_set("index_name")
            | word_set("weekday")
        )
        return word.form not in known and word.form not in _MONTHS

    def is_behind_a_share(self, place: int) -> bool:
        """Whether the words before a place are those of a share or its company."""
        while place and self.forms[place - 1] in word_set("skipped"):
            place -= 1
        if not place:
            return False
        end = self.tokens[place - 1].end
        return self.forms[place - 1] in ("shares", "stock", "adrs", "ads") or any(
            m.end == end and not m.name.startswith(FIRM) for m in self.mentions
        )

    def _begin(self, hit: Hit[tuple[str, str]]) -> int:
        """Where the words of an event begin: at an act that ends it, or the name before it."""
        for place in range(max(0, hit.start - 4), hit.start):
            if self.forms[place] in word_set("ending"):
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
        is_question = self.forms[0] in word_set("question") and "?" in self.forms
        if is_question and not any(token.shape == "#%" for token in self.tokens):
            return True
        if self._is_denied(hit.start):
            return True
        if kind == "dividend" and {"preferred", "series", "etf", "fund", "funds", "trust"} & set(
            self.forms
        ):
            return True
        if kind == "risk_flag" and (
            word_set("solicited") & set(self.forms) or {"no", "without", "not"} & set(before)
        ):  # fmt: skip
            return True
        # What one person sees coming is no fact.
        if kind in ("move", "factor") and word_set("said") & set(self.forms) and (
            word_set("seer") & set(self.forms)
        ):  # fmt: skip
            return True
        # "Launch with X" is a name, not an event.
        if (
            kind == "news_event"
            and "with" in self.forms[hit.end : hit.end + 1]
            and "launch" in (self.forms[hit.start : hit.end])
        ):
            return True
        is_soft = any(
            form in _UNSURE_ANYWHERE and not (form == "may" and place and token.word.is_capital)
            for place, (form, token) in enumerate(zip(self.forms, self.tokens, strict=True))
        )
        if (kind == "risk_flag" and is_soft) or (
            kind == "news_event" and (is_soft or self.has_call)
        ):
            return True
        for place, form in enumerate(before):
            if form in (",", ";", ":"):
                continue
            if form in word_set("unsure"):
                # "In May" is no doubt.
                if form == "may" and self.tokens[hit.start - len(before) + place].word.is_capital:
                    continue
                # "not seen since" is a claim, and "to" only leads a verb.
                if form == "not" and kind in ("level_since", "rating_count"):
                    continue
                if form == "to" and (place < len(before) - 1 or before[-2] == "came" or (
                    # "Rose 1% to end the month at $250" tells a result.
                    kind in ("price", "record", "high_52w")
                    and any(h.label[0] == "move" and h.end <= hit.start for h in self.hits)
                )):  # fmt: skip
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
        name = span.name or "day"
        return span.is_read and (
            name in ("day", "on", "yesterday", "same", *WEEKDAYS)
            or name.startswith(("ago ", "end "))
        )

    def _dates_of_call(self) -> list[Hit[tuple[str, str]]]:
        """Words that say when a call was made."""
        firm = min((m.start for m in self.mentions if m.name.startswith(FIRM)), default=0)
        dated: list[Hit[tuple[str, str]]] = []
        for window in self.windows:
            start = self.tokens[window.start].word.start
            # A date in brackets, behind a dash or before a colon is that of the headline.
            is_aside = self.text[:start].rstrip().endswith(("(", "-")) or (
                start < firm and ":" in self.text[start:firm]
            )
            said = self.forms[window.start : window.end]
            is_period = window.label[1] == "named" or said == ["today"] or (
                window.label[1] in ("week", "month") and bool(self._span(window).period)
            )  # fmt: skip
            # "Is where the shares closed on Wednesday" dates the close.
            is_of_price = bool(
                word_set("closing") & set(self.forms[max(0, window.start - 2) : window.start])
            )
            # "Thursday, July 31" is one date.
            is_known = bool(dated) and window.start < self._span(dated[-1]).end
            if (window.label[1] in _DAYS or is_period) and not (
                is_aside or is_of_price or is_known
            ):
                dated.append(window)
        return dated

    def _rank_of_target(self) -> str:
        """Whether the only firm's target is said to be the highest or lowest of the active ones."""
        firms = {m.name for m in self.mentions if m.name.startswith(FIRM)}
        ends = [end for end in _ENDS if {"highest", "lowest"} & _ENDS[end] & set(self.forms)]
        if len(firms) != 1 or len(ends) != 1 or (
            {"apart", "except", "other", "than", "second", "behind", "but"} & set(self.forms)
        ):  # fmt: skip
            return ""
        at = next(p for p, f in enumerate(self.forms) if f in ("highest", "lowest"))
        behind = self.forms[at + 1 : at + 4]
        if not (
            word_set("target") & set(behind) or behind[:1] == ["among"]
        ) or not {"active", "brokers", "firms"} & set(self.forms):  # fmt: skip
            return ""
        return ends[0]

    def _day_of_call(self, firms: int) -> tuple[Span, str | None]:
        """When a sentence's only call was made, and why it is not to be judged."""
        if not self.dates_of_call:
            return Span(None), None
        span = self._span(self.dates_of_call[0])
        if self.forms[self.dates_of_call[0].start - 2 :][:2] == ["earlier", "this"]:
            span = span._replace(is_read=True)
        if self.forms[self.dates_of_call[0].start] == "today":
            span = span._replace(name="today")
        is_by_month = span.period or span.name == "today" or (span.name or "").startswith("in ")
        if firms > 1 or len(self.dates_of_call) > 1 or not (
            (self._is_dated(span) or (is_by_month and span.is_read))
            and not (span.name or "").startswith("ago ")
        ):  # fmt: skip
            return Span(None), "window_not_supported"
        return span, None

    def _is_denied(self, place: int) -> bool:
        """Whether the words before a place say that what follows is not so."""
        before = self.forms[:place]
        said = " ".join(before)
        return bool(word_set("denying") & set(before)) or any(
            phrase in f" {said} " for phrase in (" not true ", " not the case ", " no truth ")
        )

    def _operator(self, place: int) -> str:
        token = self.tokens[place]
        if token.word.start and self.text[token.word.start - 1] == "~":
            return "about"
        before = self.forms[max(0, place - 4) : place]
        if before[-1:] in (["the"], ["its"]):
            before = before[:-1]
        if before[-2:] in (["more", "than"], ["greater", "than"], ["better", "than"]):
            return "under" if before[-3:-2] == ["no"] else "over"
        if before[-2:] in (["less", "than"], ["fewer", "than"], ["lower", "than"]):
            return "over" if before[-3:-2] == ["no"] else "under"
        if before[-2:] in (["north", "of"], ["upwards", "of"]):
            return "over"
        if before[-2:] in (["south", "of"], ["short", "of"], ["shy", "of"], ["at", "most"]):
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
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        named = [
            m for m in self.mentions if m.start <= start and not m.name.startswith(FIRM)
            and (m.name == subject or not any(
                firm.start < m.end and m.start < firm.end for firm in firms))
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
            if form in (",", ";", ":", "-") or form in word_set("clause"):
                return False
            if form in word_set("not_price"):
                return True
        return False

    def _leads(self, place: int) -> bool:
        """Whether the capital words up to a place lead a sentence or clause, as its subject does.

        "Inventories in the U.S. fell" and "With Home Purchases Up 1%" speak of no company.
        """
        first = place
        while first and self.tokens[first - 1].word.is_capital:
            first -= 1
        if word_set("not_company") & set(self.forms[first : place + 1]):
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
        if any(self.forms[place] in word_set("not_price") for place in places):
            return None
        after = self.forms[hit.end : hit.end + 7]
        if kind == "move" and after[:1] and after[0] in ("above", "below", "over", "under") and (
            set(after) & (word_set("average") | word_set("high") | word_set("low") | {"target"})
        ):  # fmt: skip
            return None
        if kind == "move" and self._is_noun(hit):
            return self._of_gain(hit, subject)
        if kind == "move" and self.forms[hit.start] in ("plus", "minus"):
            return self._spoken_of(hit, subject) or subject or ""
        if kind == "move" and "where" in self.forms[hit.start : hit.end]:
            return self._spoken_of(hit, subject) or subject or ""
        if kind == "move" and any(
            self.forms[p] in ("to", "in", "of", "at", "and", ",", ";")
            and self.forms[p - 1 : p + 1] != ["close", "to"]
            for p in places
        ):
            return None
        if self.forms[hit.start] in ("up", "down") and "a" in self.forms[hit.start : hit.end]:
            return None
        # "Drops from a 44% surge", "Rocket down 5%": the number is of the nearer word.
        ways = word_set("rose") | word_set("fell") | {"up", "down"}
        is_verb = kind == "move" and self.tokens[hit.start].shape != "#%"
        if is_verb and any(_in(ways, f) for f in self.forms[hit.start + 1 : hit.end + 1]):
            return None
        after = self.forms[hit.end : hit.end + 4]
        if "short" in after[:2] or "stake" in after or "points" in after[:1]:
            return None
        if kind == "move" and hit.end - hit.start == 2 and self.tokens[hit.start].shape == "#%":
            return self._of_a_noun(hit, subject)
        if kind in ("streak", "biggest_move") and hit.label[1] != "" and not _in(
            word_set("rose") | word_set("fell"), self.forms[hit.start]
        ):  # fmt: skip
            return self._spoken_of(hit, subject)
        if kind in ("record", "high_52w"):
            if not word_set("away").isdisjoint(self.forms[max(0, hit.start - 5) : hit.start]):
                return None
            if any(form in word_set("not_price") for form in self.forms):
                return None
            return self._spoken_of(hit, subject)
        place = hit.start - 1
        while place >= 0 and (
            self.forms[place] in word_set("skipped") or self.forms[place].endswith("ly")
            or self.forms[place] in (*WEEKDAYS, "yesterday")
            or (self.forms[place] == "on" and self.forms[place + 1] in WEEKDAYS)
            or self._is_of_the_span(place)
        ):  # fmt: skip
            place -= 1
        if place < 0:
            return self._spoken_of(hit, subject) if kind != "move" else None
        form, word = self.forms[place], self.tokens[place].word
        named = [
            m for m in self.mentions if m.end == word.end and not m.name.startswith(FIRM)
            and (m.is_symbol or not m.is_ambiguous) and kind == "move"
        ]  # fmt: skip
        if named and form != ")" and not self._is_of_figures(place):
            return named[0].name
        if form == "," and kind == "move" and (aside := self._named_before_an_aside(place)):
            return aside
        if form == "which" and self.forms[place - 1 : place] == [","]:
            return self._spoken_of(hit, subject)
        if form in _JOINING:
            if form == ")" and any(m.is_symbol and m.end == word.end for m in self.mentions):
                return self._named(place, subject)
            if form == "," or kind != "move":
                return self._spoken_of(hit, subject)
            goes_on = form == "and" or self.forms[place - 1 : place + 1] == [",", "but"]
            return self._spoken_of(hit, subject) if goes_on else None
        if kind == "move" and form in ("holders", "shareholders", "investors") and (
            self.forms[place + 1] in ("have", "had") and self.forms[place - 1 : place] != ["of"]
        ):  # fmt: skip
            return self._named(place - 1, subject, generic=True)
        if form in word_set("not_price") | word_set("not_company") and not (
            self._is_the_company(place)
        ):  # fmt: skip
            return None
        # "Profits at Bristol Myers down 47%" is of profits.
        if kind == "move" and form not in word_set("share") and self._is_of_figures(place):
            return None
        if kind == "move" and place <= 4 and any(
            w.start <= min(place, 1) and place < w.end
            and w.label[1] in ("quarter", "named", "month")
            for w in self.windows
        ):  # fmt: skip
            # "The third quarter has added 10%".
            return self._of_gain(hit, subject)
        if form == "price" and kind == "move" and self.forms[place - 1 : place] in (
            ["the"], ["its"]
        ):  # fmt: skip
            return self._spoken_of(hit, subject) or subject or ""
        if form == "price" and self.forms[place - 1 : place] in (["share"], ["stock"]):
            return self._named(place - 2, subject, generic=True)
        if form in word_set("share"):
            return self._named(place - 1, subject, generic=True)
        if place == 0 and any(w.start <= place < w.end for w in self.windows):
            return subject or ""
        return self._named(place, subject)

    def _named_before_an_aside(self, place: int) -> str | None:
        """Who is named before an aside that ends with the comma at a place: "SPY, a tracker,"."""
        first = next(
            (p for p in range(place - 1, max(0, place - 9), -1) if self.forms[p] == ","), 0
        )
        if not first:
            return None
        end = self.tokens[first - 1].end
        return next((m.name for m in self.mentions if m.end == end and (
            not m.name.startswith(FIRM))), None)  # fmt: skip

    def _is_noun(self, hit: Hit[tuple[str, str]]) -> bool:
        """Whether a move is told by a noun and its number: "a gain of 8%", "the loss is 8%"."""
        if self.forms[hit.start] not in word_set("gain") | word_set("loss") or not hit.start:
            return False
        return self.forms[hit.start - 1] in ("a", "an", "the", "this", "that", "its", "their") and (
            self.forms[hit.start + 1] in ("of", "is", "was", "stands", "stood", "comes", "amounts",
                                          "came", "has", "exceeds", "reached", "now")
        )  # fmt: skip

    def _of_gain(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """Whose "a gain of 8%" is: the article's company, unless another figure is spoken of."""
        aside = range(hit.start, hit.end)
        if any(self.forms[p] in (",", ";", "and", "in") for p in aside):
            return None
        far = word_set("not_price") | word_set("not_company")
        if far & set(self.forms[: hit.end + 3]) - {"holders", "shareholders", "investors"}:
            return None
        if any(self._is_strange(p) for p in range(1, hit.start)) and not self._is_title():
            return None
        if {"would", "could", "should", "might", "if", "needed"} & set(self.forms):
            return None
        if {"takes", "take", "needs", "need", "requires", "require"} & set(self.forms[: hit.start]):
            return None
        named = {m.name for m in self.mentions if not m.name.startswith(FIRM)
                 and not (m.is_ambiguous and not m.is_symbol and m.name != subject)}  # fmt: skip
        if any(m.name.startswith(FIRM) for m in self.mentions) or len(named) > 1:
            return None
        return next(iter(named)) if named else subject or ""

    def _is_of_the_span(self, place: int) -> bool:
        """Whether a word is one of "the day" in "ended the day up 10%"."""
        if self.forms[place] == "the":
            place += 1
        said = self.forms[max(0, place - 2) : place + 1]
        return len(said) == 3 and said[0] in word_set("closing") and said[1] == "the" and (
            said[2] in ("day", "session", "week", "month", "quarter", "year")
        )  # fmt: skip

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
        if self._is_the_company(place):
            return subject or ""
        if word.form in word_set("not_company") | word_set("not_price"):
            return None
        if word.is_capital and not word.form[0].isdigit() and len(word.form) > 1:
            if generic and word.form in ("the", "its", "why", "as", "but", "and", "while", "class"):
                return subject or ""
            if not generic and not self._leads(place):
                return None
            return "" if generic or place > 0 or len(word.form) > 2 else None
        if generic or self._is_the_company(place):
            return subject or ""
        return None

    def _is_the_company(self, place: int) -> bool:
        """Whether the words that end at a place are such as "the software giant"."""
        return self.forms[place] in word_set("company_word") and (
            "the" in self.forms[max(0, place - 4) : place]
            and not word_set("not_price") & set(self.forms[:place])
        )

    def _spoken_of(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """Whose price the sentence has been speaking of before the hit."""
        before = self.forms[: hit.start]
        if any(
            f in word_set("not_price") | word_set("not_company") and not any(
                m.start <= self.tokens[p].word.start < m.end for m in self.mentions
            )
            for p, f in enumerate(before) if p >= hit.start - 12
        ):  # fmt: skip
            return None
        for place in range(hit.start - 1, -1, -1):
            if self.forms[place] in word_set("share"):
                return self._named(place - 1, subject, generic=True)
            word = self.tokens[place].word
            for mention in self.mentions:
                if mention.end == word.end and not mention.name.startswith(FIRM):
                    return mention.name
        is_close = {"close", "finish"} & set(before) or hit.label[0] in ("streak", "biggest_move")
        if is_close and not any(self._is_strange(p) for p in range(1, len(self.tokens))):
            return subject or ""
        return None

    def _of_a_noun(self, hit: Hit[tuple[str, str]], subject: str | None) -> str | None:
        """Of whom "a 10% jump" is: of the shares or the company named close by."""
        if self.moves and self.forms[hit.start - 2 : hit.start] in (
            ["including", "a"], ["including", "an"]
        ):  # fmt: skip
            return self.moves[-1].ticker or subject or ""
        after = self.forms[hit.end : hit.end + 5]
        for place in range(hit.end, min(hit.end + 5, len(self.tokens))):
            if self.forms[place] in (",", ";", ":"):
                break
            if self.forms[place] in word_set("not_price") | word_set("not_company"):
                return None
            if self.forms[place] in ("stock", "shares"):
                return self._named(place - 1, subject, generic=True)
            if after and after[0] in ("in", "for", "by") and place > hit.end:
                word = self.tokens[place].word
                for mention in self.mentions:
                    if mention.start <= word.start < mention.end:
                        return None if mention.name.startswith(FIRM) else mention.name
        if any(
            f in word_set("not_price") | word_set("not_company") for f in self.forms[: hit.start]
        ):
            return None
        for place in range(max(0, hit.start - 6), hit.start):
            if self.forms[place] in ("stock", "shares"):
                return self._named(place - 1, subject, generic=True)
        return None

    def _window(self, hit: Hit[tuple[str, str]], but: tuple[str, ...] = ()) -> Span:
        """The span of time a move is of; unread where other words of time or place stand by it.

        Spans of the names `but` are no more than words beside it.
        """
        named = self.named_days if hit.label[0] != "direction" else frozenset()
        if but or any(w.start in named for w in self.windows):
            all_windows = self.windows
            self.windows = [
                w for w in all_windows if w.label[1] not in but and w.start not in named
            ]  # fmt: skip
            try:
                return self._window(hit)
            finally:
                self.windows = all_windows
        moves = [h for h in self.hits if h.label[0] in ("move", "factor", "level_since")]
        until = min([h.start for h in moves if h.start >= hit.end] + [len(self.forms)])
        begun = {w.start for w in self.windows}
        stop = hit.end
        while stop < until and not (
            (self.forms[stop] in word_set("clause") and stop not in begun)
            or self.forms[stop] in (";", "|")
            or (self.forms[stop] == "," and not self._goes_on(stop + 1))
        ):
            stop += 1
        within = [w for w in self.windows if hit.start <= w.start < hit.end]
        after = [
            w for w in self.windows
            if hit.end <= w.start < stop and not self._is_from_before(w.end)
        ]  # fmt: skip
        before, is_leading = self._before(hit, moves)
        if before is not None and self._is_apposed(hit):
            # "Closed at $440 on Wednesday, a gain of 3.3%".
            is_leading = True
        chosen = _longest(within) or _longest(after) or (before if is_leading else None)
        if chosen is not None and before is not None and chosen.label[1] == "day" and (
            before.label[1] in ("weekday", "date", "yesterday")
        ):  # fmt: skip
            # "Closed at $162 on Wednesday, down 2% on the day": both are one day.
            chosen, is_leading = before, True
        if chosen is None:
            is_read = before is None and not self._has_unread(hit.end, stop, None)
            return Span("other" if "ago" in self.forms else None, is_read=is_read)
        span = self._span(chosen)
        if not is_leading or chosen is not before:
            is_same = before is not None and self._begins_with(before, span)
            is_read = (before is None or is_same) and not self._has_unread(
                hit.end, stop, (chosen.start, span.end)
            )
        else:
            is_read = not self._has_unread(hit.end, stop, None)
        return span._replace(is_read=span.is_read and is_read)

    def _is_apposed(self, hit: Hit[tuple[str, str]]) -> bool:
        """Whether a move stands in apposition to a clause of one day: ", a gain of 3.3%"."""
        days = [w for w in self.windows if w.end <= hit.start and w.label[1] != "day"]
        is_one = len(days) == 1 and days[0].label[1] in ("weekday", "date", "yesterday")
        if is_one and self._is_of_the_span(hit.start - 1):
            return True  # "fell Wednesday, ending the session down 2.4%"
        if is_one and hit.label[0] == "streak" and "," in self.forms[hit.start - 2 : hit.start]:
            return True
        if is_one and self.forms[hit.start] in ("up", "down") and (
            self.forms[hit.start - 1 : hit.start] == [","]
        ):  # fmt: skip
            return True
        return is_one and self._is_noun(hit) and self.forms[hit.start - 2 : hit.start] in (
            [",", "a"], [",", "an"]
        ) and not {"best", "strongest", "biggest", "largest", "worst", "steepest"} & set(
            self.forms[: hit.start]
        )  # fmt: skip

    def _begins_with(self, window: Hit[tuple[str, str]], since: Span) -> bool:
        """Whether a month or quarter begins where a span does: September, "since August's end"."""
        if since.stated_on is None or since.period != "end month":
            return False
        following = since.stated_on.month % 12 + 1
        name = self._span(window).name or ""
        return name == f"in {following}" or (
            name.startswith("quarter ") and 3 * int(name[8:]) - 2 == following
        )

    def _is_from_before(self, place: int) -> bool:
        """Whether a word ends "from the day before", which any move of a day is."""
        said = self.forms[max(0, place - 3) : place + 1]
        return said in (["from", "the", unit, "before"] for unit in ("day", "session"))

    def _goes_on(self, place: int) -> bool:
        """Whether a span of time follows a comma."""
        return any(
            w.start - place <= 4
            and all(f in word_set("leading") for f in self.forms[place : w.start])
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
            f in word_set("leading") for f in self.forms[start : found[0].start]
        ):  # fmt: skip
            own = _longest(found)
            found = [w for w in found if own is None or w.start >= own.end]
        window = _longest([w for w in found if w.label[1] != "day"])
        if window is None:
            if not start and self._has_unread(0, hit.start, None, strong=True):
                return Hit(("window", "other"), 0, 0), False
            return None, False
        first = window.start
        while first > start and self.forms[first - 1] in word_set("leading"):
            first -= 1
        between = self.forms[self._span(window).end : hit.start]
        leads_clause = first == 0 or self.forms[first - 1] in (",", "and", "but", ":", "which")
        leads_verb = all(f in word_set("skipped") or f.endswith("ly") for f in between)
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
        while low > start and self.forms[low - 1] in word_set("leading"):
            low -= 1
        for place in range(start, stop):
            if low <= place < high:
                continue
            form = self.forms[place]
            said = self.forms[max(0, place - 2) : place + 1]
            if said == ["at", "one", "point"] or self._is_from_before(place):
                continue
            if form in self.own_place or place in self.named_days or any(
                m.start <= self.tokens[place].word.start < m.end for m in self.mentions
            ):  # fmt: skip
                continue
            if form in word_set("unread") or form in WEEKDAYS:
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
            if self.forms[following] not in word_set("no_time") | self.own_place:
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
            at = next(p for p in range(place, end) if self.forms[p] in _MONTHS)
            month, end = _MONTHS[self.forms[at]], max(at + 1, end - (end - at == 2))
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
            is_read = not lead or lead[-1] not in word_set("not_on")
        elif name == "same":
            return Span("same", None, "", end)
        elif name == "years":
            name = f"{12 * number} months"
        elif name == "quarter":
            name = f"quarter {_ORDINALS.index(token.word.form)}"
        elif name == "ago":
            unit = {"day": "days", "week": "weeks", "month": "months", "year": "years"}[
                self.forms[end - 2].rstrip("s")
            ]
            name = f"ago {number or 1} {unit}"
            dated = next((
                w for w in self.windows if w.label[1] == "date" and end <= w.start <= end + 2
                and set(self.forms[end : w.start]) <= {",", "on"}
            ), None)  # fmt: skip
            if dated is not None:
                return self._span(dated)._replace(is_read=True)
            if self.forms[end - 1] == "earlier" and unit != "days":
                # Earlier than what was told before, which need not be the day.
                name = "other"
            is_read = not {"from", "than", "with", "versus", "vs", "against", "to"} & set(lead)
        elif name == "end":
            ended = _MONTHS.get(self.forms[end - 1])
            name, year = ("end month" if ended else "end year"), None
            following = self.tokens[end - 1 : end + 1][1 if ended else 0 :]
            if following and following[0].shape == "#y":
                year = int(following[0].value or 0)
                end += 1 if ended else 0
            period = "last" if self.forms[end - 1] == "year" else ""
            stated_on = date(year or 1, ended or 1, 1) if ended or year else None
        elif name == "weekday":
            name = token.word.form
            behind = end + (self.forms[end : end + 1] == [","])
            if behind < len(self.forms) and self.forms[behind] in _MONTHS:
                stated_on, precision = self.date_after(behind - 1)
                if precision == "day":
                    name, end = "on", behind + 2
            is_read = not lead or lead[-1] not in word_set("not_on")
        elif name == "from":
            at = next(p for p in range(place, end) if self.forms[p] in _MONTHS)
            stated_on, precision = self.date_after(at - 1)
            while end < len(self.forms) and self.forms[end] in ("low", "high", "close", "trough"):
                end += 1
            ends = {"low": "low", "trough": "low", "high": "high", "peak": "high",
                    "bottom": "low", "bottoming": "low", "bottomed": "low",
                    "peaking": "high"}  # fmt: skip
            said = next((ends[f] for f in self.forms[place:end] if f in ends), "close")
            name, period = ("since" if precision == "day" else "other"), f"from {said}"
            if token.word.form == "since":
                end = at + 2
            is_read = bool(word_set("closing") & set(self.forms[place:end]))
        elif name == "since" and (since_end := self._since_end(place)):
            name, (stated_on, period, end) = "since", since_end
        elif name == "since":
            stated_on = self._since(place)
            name = "since" if stated_on else "other"
            if stated_on:
                period = self.date_after(place)[1]
                while end < len(self.tokens) and end < place + 6 and (
                    self.forms[end] in _MONTHS
                    or self.forms[end] in (",", "the", "early", "start", "beginning", "of")
                    or self.tokens[end].shape in ("#", "#y")
                ):  # fmt: skip
                    end += 1
        if name in ("month", "week", "3m") and self.forms[end - 2 : end] == ["to", "date"]:
            period = "this"
        elif name in ("day", "week", "month", "3m", "12m") and window.end - window.start <= 2:
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
        if name != "day" and word_set("part_of") & set(lead):
            is_read = False
        return Span(name, stated_on, period, end, is_read)

    def _since_end(self, place: int) -> tuple[date, str, int] | None:
        """The month or year after whose end a span begins, and where its words end."""
        at = place + 1 + (self.forms[place + 1 : place + 2] == ["the"])
        if self.forms[at : at + 1] not in (["end"], ["close"]):
            return None
        at += 1 + (self.forms[at + 1 : at + 2] == ["of"])
        if at >= len(self.tokens):
            return None
        year = next((int(t.value or 1) for t in self.tokens[at : at + 2] if t.shape == "#y"), 1)
        if self.forms[at] in _MONTHS:
            return date(year, _MONTHS[self.forms[at]], 1), "end month", at + 1 + (year > 1)
        return (date(year, 1, 1), "end year", at + 1) if year > 1 else None

    def _since(self, place: int) -> date | None:
        """The first day of the month or year, or the day, named after `since`."""
        found, _ = self.date_after(place)
        for form in self.forms[place + 1 : place + 5]:
            if form not in _MONTHS and form not in (
                "the", "early", "late", "mid", "of", "start", "beginning"
            ):  # fmt: skip
                break
            if found is None and form in _MONTHS:
                return date(1, _MONTHS[form], 1)
        return found

    def hour_after(self, place: int) -> str:
        """Whether what stands behind a place is before the open or after the close; else ""."""
        for lead, mark in pairwise(range(place, min(place + 8, len(self.forms)))):
            behind = set(self.forms[mark : mark + 3])
            if self.forms[lead] == "after" and behind & {"close", "bell", "hours", "closes"}:
                return "after close"
            if self.forms[lead] == "before" and behind & {"open", "bell", "opens", "opening"}:
                return "before open"
        return ""

    def _end_of_dates(self, place: int) -> date | None:
        """The second of two days: "between October 14 and October 20"."""
        at = next((p for p in range(place, min(place + 4, len(self.forms)))
                   if self.forms[p] in ("and", "to")), None)  # fmt: skip
        found, precision = self.date_after(at) if at is not None else (None, "")
        return found if precision == "day" else None

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
            elif token.word.form not in ("the", ",", "early", "late", "of", "start", "beginning"):
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
        raters = [
            m for m in said.mentions if m.name.startswith(FIRM) and not any(
                o.name == subject and o.start < m.end and m.start < o.end for o in self.mentions
            )
        ]  # fmt: skip
        by_firm = self._amounts_by_firm(raters)
        for call in broker_calls.extract(said, empty, tickers, [subject]):
            if call.is_soft or (call.grade is None and call.target is None and not call.action):
                continue
            if call.action == "drop":
                continue
            if call.grade is None and call.target is None and call.action not in ("up", "down"):
                continue
            own = by_firm.get(call.firm)
            if own is not None and call.target not in [token.value for token in own]:
                # A list gives each firm its own number: "A to $265, B to $240".
                only = own[0] if len(own) == 1 else None
                call = call._replace(
                    target=only.value if only else None, prior_target=None,
                    target_currency=None,
                )  # fmt: skip
                if only is None and call.grade is None and call.action not in ("up", "down"):
                    continue
            told = own or [t for t in self.tokens if t.shape == "#$" and len(raters) == 1]
            if call.target is None and len(told) == 1 and told[0].unit == "GBp":
                call = call._replace(target=told[0].value)
            amount = next(
                (t for t in own or self.tokens if t.shape == "#$" and t.value == call.target), None
            )
            unit = call.target_currency or (amount.unit if amount else "USD")
            if call.grade is None and word_set("keeping") & set(self.forms) and (
                len({m.name for m in self.mentions if m.name.startswith(FIRM)}) == 1
            ):  # fmt: skip
                printed = self._grades_between(0, len(self.text))
                call = call._replace(grade=printed[0] if len(printed) == 1 else None)
            grade, before = call.grade, call.prior_grade
            if len({m.name for m in raters}) == 1:
                grade, before = self._grades_told(grade, before)
            is_to_an_amount = any(
                t.shape == "#$" and self.forms[p - 1] == "to"
                for p, t in enumerate(self.tokens)
                if p
            )
            if call.action in ("up", "down") and before is None and is_to_an_amount and not any(
                f.startswith(("upgrad", "downgrad")) for f in self.forms
            ):  # fmt: skip
                call = call._replace(action="main")
            is_change = before is not None and (grade is not None or call.action is None)
            kind = (
                "rating_change" if call.action in ("up", "down") or is_change
                else "target_change" if call.prior_target is not None
                else "rating_call"
            )  # fmt: skip
            step = amount.step if amount else 1.0
            start, end = self._said_by(call.firm, amount)
            by = self._changed_by(firms=len({m.name for m in raters}))
            found.append(
                Claim(
                    kind, call.ticker, call.action or "", "equal", call.target, None, step, unit,
                    None, None, "", self.sentence.number, start, end,
                    firm=call.firm, grade=grade, prior=call.prior_target,
                    prior_grade=before, change=self._change_of_target(call),
                    second=by.value if by else None, second_unit=by.unit if by else "",
                    second_step=by.step if by else 1.0,
                )
            )  # fmt: skip
        found += self._of_a_list(found, raters, by_firm, subject)
        return found

    def _grades_told(self, grade: str | None, before: str | None) -> tuple[str | None, str | None]:
        """The grade and the one before it of a sentence's only firm: "to Neutral from Buy"."""
        told: dict[str, str] = {}
        for place, token in enumerate(self.tokens):
            length = broker_calls.grade_at(self.forms, place)
            if not length or not (self.forms[place] in word_set("label") or token.word.is_capital):
                continue
            first = place - (self.forms[place - 1 : place] in (["a"], ["an"], ["its"]))
            printed = self.text[token.word.start : self.tokens[place + length - 1].end]
            if self.forms[first - 1 : first] in (["from"], ["to"]):
                told.setdefault(self.forms[first - 1], printed)
            elif self.forms[first - 2 : first] in (["gave", "up"], ["given", "up"]) or (
                self.forms[first - 1 : first] in (["abandoned"], ["dropped"], ["shed"])
            ):  # fmt: skip
                return (None if printed == grade else grade), printed
            elif grade is None and not told and any(
                m.name.startswith(FIRM) and m.end == self.tokens[place - 1].end
                for m in self.mentions
            ):  # fmt: skip
                grade = printed
        if "from" in told:
            return told.get("to", grade if grade != told["from"] else None), told["from"]
        return grade, before

    def _changed_by(self, firms: int) -> Token | None:
        """By how much a sentence of one firm says its target changed: "by $28", "by 6%"."""
        told = [
            token for place, token in enumerate(self.tokens)
            if token.shape in ("#$", "#%") and self.forms[place - 1 : place] == ["by"]
        ]  # fmt: skip
        return told[0] if firms == 1 and len(told) == 1 else None

    def _change_of_target(self, call: broker_calls.Call) -> str:
        """The way a target went by the words: up, down or same; "" where they do not say."""
        if call.target is None or call.action in ("up", "down"):
            return ""
        return broker_calls.target_change(self.cut[:80])

    def _amounts_by_firm(self, firms: Sequence[Mention]) -> dict[str, list[Token]]:
        """The amounts of money that a sentence about several firms tells of each.

        They stand behind a firm or, if the first stands before all firms, before it; firms joined
        to a group share the amount behind it, or have one each, in order.
        """
        if len({m.name for m in firms}) < 2:
            return {}
        amounts = [t for t in self.tokens if t.shape == "#$"]
        is_before = bool(amounts) and amounts[0].end <= firms[0].start
        found: dict[str, list[Token]] = {m.name[len(FIRM) :]: [] for m in firms}
        groups: list[list[Mention]] = []
        for mention in firms:
            if groups and not is_before and self._is_joined(groups[-1][-1].end, mention.start):
                groups[-1].append(mention)
            else:
                groups.append([mention])
        for number, group in enumerate(groups):
            if is_before:
                low = groups[number - 1][-1].end if number else 0
                high = group[0].start
            else:
                low = group[-1].end
                high = groups[number + 1][0].start if number + 1 < len(groups) else len(self.text)
            own = [t for t in amounts if low <= t.word.start < high]
            for place, mention in enumerate(group):
                name = mention.name[len(FIRM) :]
                if len(group) > 1 and len(own) == len(group):
                    found[name].append(own[place])
                elif len(group) == 1 or len(own) == 1:
                    found[name] += own
        return found

    def _is_joined(self, start: int, end: int) -> bool:
        """Whether the words between two firms only join them."""
        return self.text[start:end].replace(",", " ").replace("&", " ").split() in ([], ["and"])

    def _of_a_list(
        self,
        found: Sequence[Claim],
        firms: Sequence[Mention],
        by_firm: dict[str, list[Token]],
        subject: str,
    ) -> list[Claim]:
        """Targets that a list gives its further firms: "UBS has a $50 target, Citi $55"."""
        if not (found or word_set("target") & set(self.forms) or self._is_bare_list(firms)):
            return []
        more: list[Claim] = []
        known = {c.firm for c in found}
        base = self.sentence.start
        for mention in firms:
            firm = mention.name[len(FIRM) :]
            own = by_firm.get(firm, [])
            if firm in known or len(own) != 1:
                continue
            known.add(firm)
            amount = own[0]
            start = min(mention.start, amount.word.start)
            end = max(mention.end, amount.end)
            grades = self._grades_between(start, end)
            more.append(
                Claim(
                    "rating_call", subject, "main", "equal", amount.value, None, amount.step,
                    amount.unit, None, None, "", self.sentence.number, base + start, base + end,
                    firm=firm, grade=grades[0] if len(grades) == 1 else None,
                    change=found[0].change if found else "",
                )
            )  # fmt: skip
        return more

    def _grades_between(self, start: int, end: int) -> list[str]:
        """Grades as printed between two places of the text."""
        found: list[str] = []
        for place, token in enumerate(self.tokens):
            length = broker_calls.grade_at(self.forms, place)
            if length and start <= token.word.start < end and (
                self.forms[place] in word_set("label") or token.word.is_capital
            ):  # fmt: skip
                found.append(self.text[token.word.start : self.tokens[place + length - 1].end])
        return found

    def _is_bare_list(self, firms: Sequence[Mention]) -> bool:
        """Whether a sentence is no more than firms and their targets."""
        return all(
            token.shape == "#$" or token.word.form in (",", "and", ":", ";", "(", ")", "at")
            or any(m.start <= token.word.start < m.end for m in firms)
            for token in self.tokens
        )  # fmt: skip

    def _said_by(self, firm: str, amount: Token | None) -> tuple[int, int]:
        """The span of a call: the sentence, of several firms' from the firm to its number."""
        base, end = self.sentence.start, self.sentence.end
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        own = next((m for m in firms if m.name == FIRM + firm), None)
        if own is None or amount is None or len({m.name for m in firms}) < 2:
            return base, end
        return base + min(own.start, amount.word.start), base + max(own.end, amount.end)

    def _without_judged_firms(self) -> list[Mention]:
        """Mentions but those of a broker that another speaks about: "a target on Citizens"."""
        firms = [m for m in self.mentions if m.name.startswith(FIRM)]
        judged = [
            m for m in firms[1:]
            if (before := [w.form for w in self.cut if w.end <= m.start])
            and before[-1] in word_set("judging")
        ]  # fmt: skip
        return [m for m in self.mentions if m not in judged]


_NEEDS = {
    "target_range": "money", "target_extreme": "money", "target_average": "money",
    "upside": "pct", "market_cap": "money", "multiple": "num", "dividend_yield": "pct",
    "dividend": "money", "volatility": "pct", "beta": "num", "rsi": "num", "drawdown": "pct",
    "moving_average": "num", "analyst_count": "count", "price": "money", "move": "pct",
    "price_range": "money", "session_level": "money", "price_change": "money",
    "shares_traded": "count", "mean_score": "num", "eps": "money", "eps_estimate": "money",
}  # fmt: skip

_Details = tuple[str, float | None, str, date | None, str | None]


def _details(
    part: _Part, hit: Hit[tuple[str, str]], kind: str, argument: str, value: float | None
) -> _Details | tuple[()] | None:
    """What a kind reads besides its number; None where the words are after all no such claim."""
    forms = part.forms[hit.start : hit.end]
    inside = part.tokens[hit.start : hit.end]
    if kind in ("record", "high_52w"):
        if kind == "high_52w" and any(t.value not in (None, 1, 52) for t in inside if (
            t.shape != "#$")):  # fmt: skip
            return None
        # "A record $150M" is no price.
        if any(t.shape == "#$" and (t.value or 0) > 1e6 for t in inside):
            return None
        # "The intraday peak" is one of the session unless a day is named.
        if forms == ["intraday", "peak"] and not any(
            w.label[1] == "date" and w.start >= hit.end for w in part.windows
        ):  # fmt: skip
            return None
        return ()
    if kind == "level_since":
        # "The best month since 2013" is no level.
        if word_set("span") & set(forms):
            return None
        at = hit.start + forms.index("since")
        since, precision = part.date_after(at)
        if since is None:
            month = next((f for f in part.forms[at + 1 : at + 4] if f not in (
                "early", "late", "mid", "the", "of")), "")  # fmt: skip
            if month in _MONTHS:
                since, precision = date(1, _MONTHS[month], 1), "month"
        return (argument, None, precision, since, None) if since else None
    if kind == "consensus_label":
        labels = [
            f for f in part.forms[max(0, hit.start - 1) : hit.end + 1] if f in word_set("label")
        ]
        named = " ".join(dict.fromkeys(labels))
        known = {"buy", "hold", "sell", "strong buy", "strong sell", "moderate buy",
                 "moderate sell", "neutral", "outperform", "underperform", "overweight",
                 "underweight"}  # fmt: skip
        return (named, None, "label", None, named) if named in known else None
    if kind == "rating_count" and len(forms) == 2 and not {
        "analyst", "analysts", "recommendations", "ratings", "count", "split", "breakdown",
        "brokers", "tally", "brokerages", "street", "rating", "consensus"
    } & set(part.forms[: hit.start]):  # fmt: skip
        return None
    if kind == "target_extreme" and len(forms) == 2 and (
        not word_set("target") & set(part.forms[: hit.start])
        or {"52-week", "week", "year", "session", "intraday"} & set(part.forms)
    ):  # fmt: skip
        return None
    if kind == "rating_count":
        if part.forms[max(0, hit.start - 2) : hit.start] == ["all", "but"]:
            return None
        numbers = sum(t.shape == "#" for t in inside)
        if numbers > (2 if "of" in forms[:3] else 1):
            return None
        # "48 rate it a buy and six a hold" has two numbers.
        if "and" in forms[1:] and forms[1] != "of":
            return None
        # The second number of "48 of 54 analysts".
        if part.forms[hit.start - 1 : hit.start] == ["of"] and inside[0].shape == "#":
            return None
        if argument == "buy" and "strong" in part.forms[hit.start : hit.end]:
            argument = "strong_buy"
        if forms[0] == "half":
            return argument, 0.5, "fraction", None, None
        share = next((t for t in inside if t.shape == "#%"), None)
        if share is not None:
            return argument, share.value, "fraction", None, None
        count = next((t.value for t in inside if t.value is not None), 0.0)
        return argument, count, "count", None, None
    if kind == "analyst_count":
        # "48 analysts rate it a Buy" is no count of all.
        is_of_some = part.forms[hit.end - 1] in ("rate", "rating") and (
            word_set("label") & set(part.forms[hit.end : hit.end + 6])
        )
        return None if value is None or value > 200 or is_of_some else ()
    if kind == "short_interest":
        return _numbered(inside, "pct" if argument == "short_share_of_float" else "num", argument)
    if kind == "streak" and argument.startswith("ended"):
        length = next((t.value for t in inside if t.shape == "#"), None) or next(
            (_NUMERALS.get(f.partition("-")[0]) for f in forms if "-" in f), None
        )
        return (argument, float(length), "count", None, None) if length else None
    if kind == "streak":
        ordinal = next((f for f in forms if f in _ORDINALS), None)
        if ordinal:
            return argument, float(_ORDINALS.index(ordinal)), "ordinal", None, None
        days = next((t.value for t in inside if t.shape == "#"), None)
        return (argument, days, "count", None, None) if days else None
    if kind == "direction":
        # "Friday's rally in oil" is none of the share.
        is_elsewhere = part.forms[hit.end : hit.end + 1] in (["in"], ["of"]) or bool(
            word_set("not_price") & set(part.forms[hit.start : hit.end + 2])
        )
        return None if is_elsewhere else (argument, None, "", None, None)
    if kind == "biggest_move":
        since, precision = part.date_after(hit.end - 1)
        if since is None and part.forms[hit.end : hit.end + 1] and part.forms[hit.end] in _MONTHS:
            since, precision = date(1, _MONTHS[part.forms[hit.end]], 1), "month"
        return (argument, None, precision, since, None) if since else None
    if kind == "eps":
        amount = next((p for p in range(hit.end - 1, hit.start, -1)
                       if part.tokens[p].shape == "#$"), hit.start)  # fmt: skip
        is_ahead = word_set("outlook") & set(part.forms)
        is_range = part.forms[amount + 1 : amount + 2] in (["to"], ["-"])
        return None if part.forms[amount - 1] == "by" or is_ahead or is_range else ()
    if kind == "target_average" and forms[1] == "of" and (
        not word_set("target") & set(part.forms[: hit.start])
        or part.forms[hit.start - 1] in ("day", "days", "session", "moving")
    ):  # fmt: skip
        return None
    if kind == "target_count":
        is_act = {"increases", "raises", "hikes", "cuts", "reductions"} & set(
            part.forms[hit.end : hit.end + 1]
        )
        number = next((t.value for t in inside if t.shape == "#"), None)
        return None if is_act or number is None else (argument, number, "count", None, None)
    if kind == "eps_estimate":
        is_figure = {"revenue", "revenues", "sales", "target", "targets"} & set(part.forms)
        return None if is_figure or (value or 0) > 1_000 else ()
    if kind == "price_change":
        return None if (value or 0) > 1e5 else ()
    if kind == "revision_count":
        acts = next((t.value for t in inside if t.value is not None), 0.0)
        return argument, acts, "count", None, None
    if kind == "shares_traded":
        is_other = any(f.startswith(("premarket", "pre-market", "after-hours")) for f in part.forms)
        return () if (value or 0) >= 1e4 and not is_other else None
    if kind == "mean_score":
        lead = set(part.forms[max(0, hit.start - 3) : hit.start])
        is_named = not lead.isdisjoint(("mean", "average", "consensus"))
        return () if is_named and value is not None and 1 <= value <= 5 else None
    if kind in ("session_level", "price_range") and (
        word_set("not_price") & set(part.forms) or ("week" in forms and argument != "52w")
        or {"week", "52-week", "record"} & set(part.forms[max(0, hit.start - 1) : hit.start])
    ):  # fmt: skip
        return None
    if kind == "volume":
        if not {"volume", "turnover", "shares"} & set(part.forms[: hit.end]):
            return None
        said = next((t for t in inside if t.shape == "#x"), None)
        by_word = {"double": 2.0, "doubled": 2.0, "twice": 2.0, "triple": 3.0, "tripled": 3.0,
                   "half": 0.5}  # fmt: skip
        told = said.value if said else next((by_word[f] for f in forms if f in by_word), None)
        if argument:
            share = part.tokens[hit.start - 1] if hit.start else None
            told = 0.0
            if share is not None and share.shape == "#%":
                told = 1.0 + (share.value or 0.0) * (1 if argument == "above" else -1)
            elif set(part.forms[hit.start - 1 : hit.start]) & set(_PARTS):
                away = _PARTS[part.forms[hit.start - 1]]
                told = 1.0 + away * (1 if argument == "above" else -1)
        if forms[0] == "half":
            ahead = part.forms[max(0, hit.start - 3) : hit.start]
            if ahead[-2:] == ["and", "a"] and ahead[0] in _NUMERALS:
                told = _NUMERALS[ahead[0]] + 0.5
            elif "times" in forms or ahead[-1:] == ["a"]:
                return None
        days = next((
            int(t.value or 0) for t, unit in pairwise(part.tokens[hit.start : hit.end + 6])
            if t.shape == "#" and unit.word.form in ("day", "days", "session", "sessions")
        ), None)  # fmt: skip
        if "median" in part.forms:
            # That of 60 sessions is the mart's.
            if days not in (None, 60):
                return None
            days = None
        if argument and days is None:
            return None
        if argument and not told:
            return f"{days} {argument}", None, "x", None, None
        return (str(days or ""), told, "x", None, None) if told else None
    if kind == "moving_average" and not argument.startswith("level") and (
        {"volume", "turnover"} & set(part.forms[max(0, hit.start - 8) : hit.start])
    ):  # fmt: skip
        return None
    if kind == "moving_average" and any(t.shape == "#$" for t in inside):
        return None
    if kind == "moving_average" and argument.startswith("first"):
        since = part._since(hit.end - 1)
        return (f"{argument} {int(value or 0)}", value, "sessions", since, None) if since else None
    if kind == "moving_average":
        return (f"{argument} {int(value or 0)}", value, "sessions", None, None) if value else None
    if kind == "price":
        if word_set("insider") & set(part.forms):
            return None
        before = set(part.forms[max(0, hit.start - 4) : hit.end])
        # "Shares rose to $163" is a price, "worth up to $2 bln" is none.
        if _in(word_set("rose") | word_set("fell"), forms[0]) and (
            (forms[0] in ("up", "down") and len(forms) < 4) or (value or 0) > 1e6
            or not part.is_behind_a_share(hit.start)
        ):  # fmt: skip
            return None
        if word_set("issue") & set(part.forms) or (value or 0) > 1e6:
            return None
        return None if before & (word_set("not_price") | {"offering", "priced"}) else ()
    # Else it is what one person sees coming.
    if kind == "upside" and not word_set("of_analysts") & set(part.forms):
        return None
    if kind == "drawdown" and word_set("not_price") & set(part.forms[: hit.start]):
        return None
    if kind == "versus_market":
        return argument, None, "", None, forms[-1]
    if kind == "market_cap":
        return None if {"deal", "acquisition", "stake", "buy", "acquire"} & set(part.forms) else ()
    if kind == "earnings_surprise":
        if {"industry", "sector", "companies"} & set(part.forms[: hit.start]):
            return None
        if argument == "either" and (
            word_set("outlook") & set(part.forms) or "prior" in forms or "to" in forms
            or {"ago", "prior", "earlier", "year-ago"} & set(part.forms[hit.end : hit.end + 4])
        ):  # fmt: skip
            return None
        said = next((t for t in part.tokens[hit.end : hit.end + 4] if t.shape == "#%"), None)
        if said is not None and part.forms[part.tokens.index(said) - 1] in ("from", "above", "up"):
            return None
        said = said or next((t for t in inside if t.shape == "#%"), None)
        if forms[-1] in _MONTHS and not word_set("estimate") & set(part.forms[: hit.start]):
            return None
        near = set(part.forms[max(0, hit.start - 5) : hit.end + 8])
        if {"revenue", "revenues", "sales"} & near and not {"eps", "earnings", "profit"} & near:
            return None
        return argument, said.value if said else None, "fraction" if said else "", None, None
    if kind == "earnings_date":
        if "call" in part.forms or "webcast" in part.forms:
            return None
        day, _ = part.date_after(hit.end - 2)
        hour = part.hour_after(hit.end)
        until = part._end_of_dates(hit.end)
        if day is not None and until is not None:
            return hour, None, "", day, until.isoformat()
        if day is None and forms[-1] in _MONTHS and part.tokens[hit.end - 1].word.is_capital:
            part_of = next((f for f in forms[-3:-1] if f in ("early", "mid", "late")), None)
            return hour, None, "month", date(1, _MONTHS[forms[-1]], 1), part_of
        return (hour, None, "", day, None) if day else None
    if kind == "listing":
        named = forms[-1]
        return named, None, "", None, named
    if kind == "currency":
        code = _CODES.get(forms[-1])
        return (argument, None, "", None, code) if code else None
    if kind == "multiple" and argument != "price_to_sales" and (
        {"sales", "revenue", "revenues", "ebitda", "ebit"} & set(forms)
    ):  # fmt: skip
        return None
    if kind == "risk_flag_count":
        flags = next((t.value for t in inside if t.value is not None), None)
        return None if flags is None else (argument, flags, "count", None, None)
    if kind == "momentum_rank":
        place = next((_ORDINALS.index(f) for f in forms if f in _ORDINALS), None)
        whole = next((t for t in inside if t.shape == "#"), None)
        if place is None or {"sector", "industry"} & set(part.forms):
            return None
        return str(int(whole.value or 0)) if whole else "", float(place), "ordinal", None, None
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
    if not part.asked_from and not has_claims:
        return [Opinion(said, "question", number)]
    causes = [
        p for p, f in enumerate(forms)
        if f in word_set("cause") and p > 0 and (f != "due" or forms[p + 1 : p + 2] == ["to"])
    ]  # fmt: skip
    if has_claims:
        if not causes:
            return []
        start = part.tokens[causes[0]].word.start
        return [Opinion(said[start:], "causal", number)]
    if causes:
        return [Opinion(said, "causal", number)]
    if word_set("negating") & set(forms):
        return [Opinion(said, "negated", number)]
    if any(f in word_set("unsure") - {"to", "not", "can", "set"} for f in forms):
        return [Opinion(said, "forecast", number)]
    ends = said.rstrip()[-1:]
    is_heading = len(forms) <= 12 and ends not in (".", "!", "?")
    return [Opinion(said, "heading" if is_heading else "opinion", number)]
