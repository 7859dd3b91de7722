"""Words and numbers by which sentences are read, and the kinds of claims."""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from warehouse.news.patterns import Hit, Patterns
from warehouse.news.vocabulary import by_class, rows

CALL_KINDS = ("rating_call", "target_change", "rating_change")

KindHit: TypeAlias = Hit[tuple[str, str]]

MONTHS = {
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

ORDINALS = [
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
    "tenth",
]  # fmt: skip

_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90,
}  # fmt: skip

NUMERALS = {
    **{word: number for number, word in enumerate(_UNITS)}, **_TENS, "no": 0, "dozen": 12,
    "hundred": 100, "one-hundred": 100, "two-hundred": 200,
    **{f"{tens}-{_UNITS[unit]}": number + unit
       for tens, number in _TENS.items() for unit in range(1, 10)},
}  # fmt: skip

FRACTIONS = {"quarter": 0.25, "third": 1 / 3, "half": 0.5, "fifth": 0.2}

OPERATORS = {
    "over": "over", "above": "over", "exceeding": "over", "least": "over", "topping": "over",
    "tops": "over", "topped": "over", "exceeds": "over", "surpassed": "over", "passed": "over",
    "crossed": "over", "cleared": "over", "eclipsed": "over", "past": "over",
    "under": "under", "below": "under", "nearly": "nearly", "almost": "nearly",
    "about": "about", "around": "about", "roughly": "about", "approximately": "about",
    "some": "about", "circa": "about", "approx": "about",
}  # fmt: skip

# Words for the highest and the lowest target.
ENDS = {
    "high": frozenset(("high", "highest", "street-high")),
    "low": frozenset(("low", "lowest", "street-low")),
}

# Kinds that tell how the price of the share moved or where it stands.
OF_THE_PRICE = ("move", "factor", "level_since", "record", "high_52w")

# Kinds that read a date of their own; what others tell is of the article's day.
DATED = frozenset(
    ("move", "factor", "price", "versus_market", "price_change", "price_range", "session_level",
     "streak", "shares_traded", "revision_count", "direction", *CALL_KINDS)
)  # fmt: skip

# Words of time that name one day.
DAYS = ("date", "weekday", "yesterday", "ago", "end", "same")


@cache
def word_classes() -> dict[str, tuple[str, ...]]:
    """Words of `claim_words` by class."""
    return by_class(rows("claim_words"))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return the words of one class of `claim_words`."""
    return frozenset(word_classes()[name])


def is_in(words: frozenset[str], form: str) -> bool:
    """Whether a form is among words, of which some end in `*` for any ending."""
    return form in words or any(w.endswith("*") and form.startswith(w[:-1]) for w in words)


@cache
def kinds() -> tuple[str, ...]:
    """Return every kind of claim, the most specific first: its numbers are taken first."""
    listed = dict.fromkeys(row["kind"] for row in rows("claim_patterns") if row["kind"] != "window")
    return (*CALL_KINDS, *listed)


@cache
def rules_of_kinds() -> Patterns[tuple[str, str]]:
    """Return the patterns of `claim_patterns`, each with its kind and argument."""
    told = (((row["kind"], row["argument"]), row["pattern"]) for row in rows("claim_patterns"))
    return Patterns(told, word_classes())
