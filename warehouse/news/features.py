"""What a text says of its target, as a set of terms that a table can weigh.

Terms are words and runs of two and three of them, beginnings of long words, what stands left and
right of the target and in its clause, and the events that `event_patterns` finds. Training and
scoring both come through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from warehouse.news.patterns import Patterns
from warehouse.news.text import OTHER, TARGET, number, shape, words
from warehouse.news.vocabulary import rows, word_classes, word_set

MOST_WORDS = 60
_WINDOW = 5
_STEM = 5
_NUMBER_SPAN, _METRIC_SPAN = 10, 14


@cache
def _events() -> Patterns[str]:
    return Patterns(
        ((row["event"], row["pattern"]) for row in rows("event_patterns")), word_classes()
    )


@cache
def _comparisons() -> Patterns[str]:
    classes = word_classes()
    return Patterns([(name, f"<{name}>") for name in ("from", "metric", "burden")], classes)


def forms(masked: str) -> list[str]:
    """Return at most `MOST_WORDS` words of a masked text, in the form they are looked up by."""
    return [word.form for word in words(masked)[:MOST_WORDS]]


def word_terms(shapes: Sequence[str]) -> set[str]:
    """Return the words of a text, its runs of two and three, and the beginnings of long words."""
    found = set(shapes)
    found.update(map(" ".join, pairwise(shapes)))
    found.update(map(" ".join, zip(shapes, shapes[1:], shapes[2:], strict=False)))
    found.update([f"{word[:_STEM]}*" for word in shapes if len(word) > _STEM])
    return found


def terms(spelled: Sequence[str]) -> set[str]:
    """Return the terms of a text given as the forms of its words, the target masked as `TARGET`."""
    shapes = [shape(form) for form in spelled]
    found = word_terms(shapes)
    has_target = TARGET in shapes
    first, last = _clause(shapes)
    for hit in _events().find(shapes):
        found.add(f"@{hit.label}")
        if has_target and first <= hit.start < last:
            found.add(f"@{hit.label} here")
    found.update(_compared(spelled, shapes))
    if has_target:
        found.update(_around(shapes, first, last))
    return found


def _clause(shapes: Sequence[str]) -> tuple[int, int]:
    """Bounds of the clause the target stands in."""
    if TARGET not in shapes:
        return 0, len(shapes)
    place = shapes.index(TARGET)
    breaks = word_set("clause_break")
    first = next((i + 1 for i in range(place, -1, -1) if shapes[i] in breaks), 0)
    last = next((i for i in range(place, len(shapes)) if shapes[i] in breaks), len(shapes))
    return first, last


def _around(shapes: Sequence[str], first: int, last: int) -> set[str]:
    place = shapes.index(TARGET)
    left, right = shapes[max(0, place - _WINDOW) : place], shapes[place + 1 : place + 1 + _WINDOW]
    found = {f"<{word}" for word in left} | {f">{word}" for word in right}
    found.update(f"<{a} {b}" for a, b in pairwise(left))
    found.update(f">{a} {b}" for a, b in pairwise(right))
    found.update(f"^{word}" for word in shapes[first:last])
    found.add(">" + " ".join(["", *right[:3]]))
    if OTHER in shapes[:place]:
        found.add("<other")
    if OTHER in shapes[place:]:
        found.add(">other")
    return found


def _compared(spelled: Sequence[str], shapes: Sequence[str]) -> set[str]:
    """Say of `profit … 13.1 from 8.7` which way the quantity went, and of what kind it is.

    Of "a loss of 0.9, compared to a profit of 11.5" it says that it turned.
    """
    found: set[str] = set()
    if sum(word.endswith(("0", "0%")) for word in shapes) < 2:
        return found
    hits = _comparisons().find(shapes)
    for hit in hits:
        if hit.label != "from":
            continue
        first = max(0, hit.start - _NUMBER_SPAN)
        last = min(len(shapes), hit.end + _NUMBER_SPAN)
        now = next(
            (n for i in range(hit.start - 1, first - 1, -1) if (n := _amount(spelled, i))), None
        )
        place, then = next(
            ((i, n) for i in range(hit.end, last) if (n := _amount(spelled, i))), (last, None)
        )
        if now is None or then is None:
            continue
        before = shapes[max(0, hit.start - _METRIC_SPAN) : hit.start]
        after = shapes[hit.end : place]
        lost, had_lost = _is_loss(before, now), _is_loss(after, then)
        if had_lost and not lost and not word_set("gainword").isdisjoint(before):
            found.add("@turned up")
        elif lost and now > 0 and not word_set("gainword").isdisjoint(after):
            found.add("@turned down")
        kinds = [
            k.label
            for k in hits
            if hit.start - _METRIC_SPAN <= k.start < hit.start and k.label != "from"
        ]
        if kinds and not (had_lost and not lost):
            way = "up" if now > then else "down" if now < then else "same"
            found.add(f"@number {way} {kinds[-1]}")
    return found


def _is_loss(shapes: Sequence[str], amount: float) -> bool:
    return amount < 0 or not word_set("lossword").isdisjoint(shapes)


def _amount(spelled: Sequence[str], place: int) -> float | None:
    """Return the number at a place with its sign, None for none, for zero and for a year."""
    amount = number(spelled[place])
    # In "23-25" the second number has no sign of its own.
    is_range = place > 0 and spelled[place - 1][-1:].isdecimal()
    return -amount if amount and spelled[place][0] == "-" and not is_range else amount
