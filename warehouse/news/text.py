"""Text as the scorers see it: bounded, cleaned, cut into words. News text is data and nothing else.

Every expression here is linear in the text: no repetition stands inside another.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

TITLE_CHARACTERS, SUMMARY_CHARACTERS = 400, 400
MOST_WORDS, SUMMARY_WORDS = 80, 50
# Words whose forms are kept at hand.
REMEMBERED = 100_000
_YEARS = range(1980, 2051)

# What stands for the company a text is scored for, and for any other company in it.
TARGET, OTHER = "tgtx", "othx"

_URL = re.compile(r"(?:https?://|www\.|t\.co/|pic\.twitter\.com/)\S*", re.IGNORECASE)
_QUOTES = str.maketrans("‘’ʼ‛`“”„–—‑‐−", "'''''\"\"\"-----", "\u200b\u200e\u200f\ufeff\u00ad")
_WORD = re.compile(
    r"[^\W\d_][^\W_]*(?:[&'.-][^\W_]+)*|[;:,|!?()%/]"
    r"|[+-]?[$€£¥₹]?\d(?:,?\d)*(?:\.\d+)?%?|[$#](?=[A-Za-z])"
)
# What wires set before a headline.
_SLUG = re.compile(
    r"^(BUZZ|BRIEF|UPDATE \d|WRAPUP \d|RPT|CORRECTED|EXCLUSIVE|RESEARCH ALERT)-(?=\w)"
)
_SIGN = re.compile(r"[$#](?=[A-Za-z])")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")


class Word(NamedTuple):
    """A word where it stands: `text[start:end]`, and in the form it is looked up by."""

    start: int
    end: int
    form: str
    is_capital: bool


# A tuple's own way is twice as fast as a named one's, and most of the time goes here.
_make = tuple.__new__


def clean(text: str | None, most: int) -> str:
    """Return at most `most` characters of `text`, without links and oddities of spelling."""
    if not text:
        return ""
    short = text[: 2 * most]
    if not short.isascii():
        short = unicodedata.normalize("NFKC", short).translate(_QUOTES)
    if "&" in short:
        short = html.unescape(short)
    if "/" in short or "www." in short:
        short = _URL.sub(" ", short)
    if "-" in short[:16]:
        short = _SLUG.sub(r"\1 - ", short)
    return " ".join(short.split())[:most]


def words(text: str, most: int = MOST_WORDS) -> list[Word]:
    """Cut `text` into at most `most` words, numbers and marks of punctuation that end a clause."""
    found: list[Word] = []
    end = 0
    for word in _WORD.findall(text)[:most]:
        # Looking for each again is quicker than a match object for each. What was passed over
        # cannot hold the word, but for a sign that counts only in front of a name.
        is_sign = word in "$#"
        start = next(_SIGN.finditer(text, end)).start() if is_sign else text.find(word, end)
        end = start + len(word)
        found.append(_make(Word, (start, end, *_looked_up(word))))
    return found


@lru_cache(maxsize=REMEMBERED)
def _looked_up(word: str) -> tuple[str, bool]:
    form = word.lower()
    if len(form) > 2 and form.endswith("'s"):
        form = form[:-2]
    return form, word != word.lower() or word[0].isdigit()


@lru_cache(maxsize=REMEMBERED)
def shape(form: str) -> str:
    """Return a word as scorers weigh it: a number by its sign, unit and nothing else."""
    if not form[0].isalpha() and (form[-1].isdigit() or (form[-1] == "%" and len(form) > 1)):
        sign = form[0] if form[0] in "+-" else ""
        unit = "$" if any(mark in form for mark in "$€£¥₹") else ""
        return f"{sign}{unit}0{'%' if form[-1] == '%' else ''}"
    return form


@lru_cache(maxsize=REMEMBERED)
def number(form: str) -> float | None:
    """Return the amount of a word without sign and unit; None for none, for zero and for a year."""
    digits = form.lstrip("+-$€£¥₹").rstrip("%").replace(",", "")
    if not digits[:1].isdecimal():
        return None
    amount = float(digits)
    return None if digits == form and amount in _YEARS else amount or None


def sentences(text: str) -> list[str]:
    """Cut a summary into sentences."""
    return _SENTENCE.split(text) if text else []


def plain(text: str) -> str:
    """Return what is left of a headline when case, punctuation and spacing do not count."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
