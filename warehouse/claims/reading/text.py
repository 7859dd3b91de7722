"""A text cut into sentences, and these into words and quantities."""

from __future__ import annotations

import re
from itertools import pairwise

from warehouse.claims.model import Sentence, Token
from warehouse.claims.vocabulary import FRACTIONS, MONTHS, NUMERALS, is_in, word_set
from warehouse.news import broker_calls
from warehouse.news.text import Word, words

MOST_SENTENCES = 2_000

SENTENCE_CHARACTERS = 600

SENTENCE_WORDS = 120

_SCALES = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "b": 1e9,
    "bn": 1e9, "bln": 1e9, "billion": 1e9, "t": 1e12, "tn": 1e12, "trn": 1e12,
    "trln": 1e12, "tln": 1e12, "trillion": 1e12,
}  # fmt: skip

_SMALL_COINS = {"cents": ("USD", 0.01), "cent": ("USD", 0.01), "¢": ("USD", 0.01),
                "pence": ("GBp", 1.0), "penny": ("GBp", 1.0)}  # fmt: skip

_EVEN = str.maketrans("‘’ʼ‛“”„–—‑‐−×\u00a0\u2009\u202f\t", "''''\"\"\"-;---x    ")

_ADDRESS = re.compile(
    r"(?<=\])\([^()\s]{1,2000}\)|(?:https?://|www\.)[^\s<>()\"']{1,2000}", re.IGNORECASE
)

_STOP = re.compile(r"[.!?][\"')\]]?\s+(?=[A-Z0-9\"'($])")

_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|vs|inc|corp|ltd|co|mr|ms|dr|no|st|jan|feb|mar|apr|jun|jul|aug|sept?|"
    r"oct|nov|dec)$",
    re.IGNORECASE,
)

_NUMBER = re.compile(r"[+-]?[$€£¥₹]?(\d[\d,]*(?:\.(\d+))?)%?")


def plain(text: str) -> str:
    """Return a text, place by place, with even marks and without what no reader sees."""
    return _shown(_without_marks(text.translate(_EVEN)))


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


def sentences_of(text: str) -> list[Sentence]:
    """Cut a text into sentences, at the end of lines too, of 600 characters at most."""
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


def tokens(text: str) -> list[Token]:
    """Cut a sentence into words and quantities: `35 percent`, `$2.5 trillion` and `18x` are one."""
    cut = _cut(text)
    found: list[Token] = []
    place = 0
    while place < len(cut):
        word, taken = cut[place], 1
        match = _NUMBER.fullmatch(word.form)
        if match is None:
            numeral = NUMERALS.get(word.form)
            if numeral and word.form != "one" and (
                place + 1 < len(cut) and cut[place + 1].form == "times"
            ):  # fmt: skip
                found.append(Token(word, "#x", float(numeral), 1.0, "x", cut[place + 1].end))
                place += 2
                continue
            before = [token.word.form for token in found[-2:]]
            if word.form in FRACTIONS and before[-1:] == ["a"] and (
                before[0] in ("than", "about", "nearly", "almost", "roughly", "by", "over")
                or is_in(word_set("rose") | word_set("fell"), before[0])
            ) and not {"straight", "consecutive", "of", "quarter"} & {
                cut[place + 1].form if place + 1 < len(cut) else ""
            }:  # fmt: skip
                share = round(FRACTIONS[word.form], 2)
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


def _cut(text: str) -> list[Word]:
    """Words whose numbers do not carry the comma behind them."""
    found: list[Word] = []
    for word in words(text, SENTENCE_WORDS):
        month, dash, unit = word.form.partition("-")
        if dash and month in MONTHS and unit == "quarter":
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
