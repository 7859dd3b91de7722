"""Spans of time and dates in a sentence, and which of them a claim is of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise

from warehouse.claims.model import Span
from warehouse.claims.reading.part import Part
from warehouse.claims.vocabulary import MONTHS, NUMERALS, ORDINALS, WEEKDAYS, KindHit, word_set
from warehouse.news.patterns import Hit


def longest(windows: Iterable[KindHit]) -> KindHit | None:
    """The first of some spans of time, and of those that begin at its place the longest."""
    return min(windows, key=lambda w: (w.start, -w.end), default=None)


def time_of(part: Part, hit: KindHit, but: tuple[str, ...] = ()) -> Span:
    """The span of time a move is of; unread where other words of time or place stand by it.

    Spans of the names `but` are no more than words beside it.
    """
    named = part.named_days if hit.label[0] != "direction" else frozenset()
    if but or any(w.start in named for w in part.windows):
        all_windows = part.windows
        part.windows = [w for w in all_windows if w.label[1] not in but and w.start not in named]
        try:
            return time_of(part, hit)
        finally:
            part.windows = all_windows
    moves = [h for h in part.hits if h.label[0] in ("move", "factor", "level_since")]
    until = min([h.start for h in moves if h.start >= hit.end] + [len(part.forms)])
    begun = {w.start for w in part.windows}
    stop = hit.end
    while stop < until and not (
        (part.forms[stop] in word_set("clause") and stop not in begun)
        or part.forms[stop] in (";", "|")
        or (part.forms[stop] == "," and not _goes_on(part, stop + 1))
    ):
        stop += 1
    within = [w for w in part.windows if hit.start <= w.start < hit.end]
    after = [
        w for w in part.windows if hit.end <= w.start < stop and not is_from_before(part, w.end)
    ]
    before, is_leading = _span_before(part, hit, moves)
    if before is not None and _is_apposed(part, hit):
        # "Closed at $440 on Wednesday, a gain of 3.3%".
        is_leading = True
    chosen = longest(within) or longest(after) or (before if is_leading else None)
    if chosen is not None and before is not None and chosen.label[1] == "day" and (
        before.label[1] in ("weekday", "date", "yesterday")
    ):  # fmt: skip
        # "Closed at $162 on Wednesday, down 2% on the day": both are one day.
        chosen, is_leading = before, True
    if chosen is None:
        is_read = before is None and not _has_unread(part, hit.end, stop, None)
        return Span("other" if "ago" in part.forms else None, is_read=is_read)
    span = span_of(part, chosen)
    if not is_leading or chosen is not before:
        is_same = before is not None and _begins_with(part, before, span)
        is_read = (before is None or is_same) and not _has_unread(
            part, hit.end, stop, (chosen.start, span.end)
        )
    else:
        is_read = not _has_unread(part, hit.end, stop, None)
    return span._replace(is_read=span.is_read and is_read)


def _is_apposed(part: Part, hit: KindHit) -> bool:
    """Whether a move stands in apposition to a clause of one day: ", a gain of 3.3%"."""
    days = [w for w in part.windows if w.end <= hit.start and w.label[1] != "day"]
    is_one = len(days) == 1 and days[0].label[1] in ("weekday", "date", "yesterday")
    if is_one and is_of_the_span(part, hit.start - 1):
        return True  # "fell Wednesday, ending the session down 2.4%"
    if is_one and hit.label[0] == "streak" and "," in part.forms[hit.start - 2 : hit.start]:
        return True
    if is_one and part.forms[hit.start] in ("up", "down") and (
        part.forms[hit.start - 1 : hit.start] == [","]
    ):  # fmt: skip
        return True
    return is_one and is_noun(part, hit) and part.forms[hit.start - 2 : hit.start] in (
        [",", "a"], [",", "an"]
    ) and not {"best", "strongest", "biggest", "largest", "worst", "steepest"} & set(
        part.forms[: hit.start]
    )  # fmt: skip


def _begins_with(part: Part, window: KindHit, since: Span) -> bool:
    """Whether a month or quarter begins where a span does: September, "since August's end"."""
    if since.stated_on is None or since.period != "end month":
        return False
    following = since.stated_on.month % 12 + 1
    name = span_of(part, window).name or ""
    return name == f"in {following}" or (
        name.startswith("quarter ") and 3 * int(name[8:]) - 2 == following
    )


def is_from_before(part: Part, place: int) -> bool:
    """Whether a word ends "from the day before", which any move of a day is."""
    said = part.forms[max(0, place - 3) : place + 1]
    return said in (["from", "the", unit, "before"] for unit in ("day", "session"))


def _goes_on(part: Part, place: int) -> bool:
    """Whether a span of time follows a comma."""
    return any(
        w.start - place <= 4 and all(f in word_set("leading") for f in part.forms[place : w.start])
        for w in part.windows
        if w.start >= place
    )


def _span_before(part: Part, hit: KindHit, moves: Sequence[KindHit]) -> tuple[KindHit | None, bool]:
    """A span of time before a move that is no other's, and whether it surely is this one's.

    It is where it leads the clause ("On Monday the stock fell") or the verb.
    """
    start = max([h.end for h in moves if h.end <= hit.start] + [0])
    found = [w for w in part.windows if start <= w.start and w.end <= hit.start]
    if start and found and all(
        f in word_set("leading") for f in part.forms[start : found[0].start]
    ):  # fmt: skip
        own = longest(found)
        found = [w for w in found if own is None or w.start >= own.end]
    window = longest([w for w in found if w.label[1] != "day"])
    if window is None:
        if not start and _has_unread(part, 0, hit.start, None, strong=True):
            return Hit(("window", "other"), 0, 0), False
        return None, False
    first = window.start
    while first > start and part.forms[first - 1] in word_set("leading"):
        first -= 1
    between = part.forms[span_of(part, window).end : hit.start]
    leads_clause = first == 0 or part.forms[first - 1] in (",", "and", "but", ":", "which")
    leads_verb = all(f in word_set("skipped") or f.endswith("ly") for f in between)
    is_far = len(between) > 8 or bool({"and", ";", "which"} & set(between))
    others = [w for w in found if w.start >= span_of(part, window).end and w.label[1] != "day"]
    return window, (leads_clause or leads_verb) and not is_far and not others


def _has_unread(
    part: Part, start: int, stop: int, read: tuple[int, int] | None, *, strong: bool = False
) -> bool:
    """Whether words of time or place stand in a range, besides those of the span read.

    `strong` leaves prepositions out, behind which a default span would be a guess.
    """
    low, high = read or (stop, stop)
    while low > start and part.forms[low - 1] in word_set("leading"):
        low -= 1
    for place in range(start, stop):
        if low <= place < high:
            continue
        form = part.forms[place]
        said = part.forms[max(0, place - 2) : place + 1]
        if said == ["at", "one", "point"] or is_from_before(part, place):
            continue
        if form in part.own_place or place in part.named_days or any(
            m.start <= part.tokens[place].word.start < m.end for m in part.mentions
        ):  # fmt: skip
            continue
        if form in word_set("unread") or form in WEEKDAYS:
            return True
        if form in MONTHS and part.tokens[place].word.is_capital:
            return True
        if any(w.start == place and w.label[1] != "day" for w in part.windows):
            return True
        if strong or form not in ("in", "over", "at", "for", "within", "by", "through"):
            continue
        following = place + 1
        while following < stop and part.forms[following] in ("the", "a", "an", "its"):
            following += 1
        if following >= stop or any(w.start == following for w in part.windows):
            continue
        if part.tokens[following].shape in ("#$", "#%"):
            continue
        if part.forms[following] not in word_set("no_time") | part.own_place:
            return True
    return False


def span_of(part: Part, window: KindHit) -> Span:
    """What span of time the words of a window name."""
    name, place, end = window.label[1], window.start, window.end
    token = part.tokens[place]
    number = int(token.value or 0)
    stated_on, period, is_read = None, "", True
    lead = part.forms[max(0, place - 3) : place]
    if name == "months":
        name = {1: "month", 3: "3m", 6: "6m", 12: "12m"}.get(number, f"{number} months")
    elif name in ("sessions", "days", "weeks"):
        name = f"{number} {name}" if token.shape == "#" else "other"
    elif name == "some-day":
        name = f"{NUMERALS.get(token.word.form.split('-')[0], 0)} sessions"
    elif name == "year":
        name = f"year {int(part.tokens[end - 1].value or 0)}"
    elif name == "named":
        at = next(p for p in range(place, end) if part.forms[p] in MONTHS)
        month, end = MONTHS[part.forms[at]], max(at + 1, end - (end - at == 2))
        name = f"in {month}"
        if part.tokens[end : end + 1] and part.tokens[end].shape == "#y":
            stated_on = date(int(part.tokens[end].value or 1), month, 1)
            end += 1
    elif name == "date":
        name, (stated_on, precision), end = "on", date_after(part, place - 1), end
        if stated_on is None or precision != "day":
            name = "other"
        while end < place + 4 and end < len(part.tokens) and (
            part.tokens[end].shape == "#y" or (
                part.forms[end] == "," and part.tokens[end + 1 : end + 2]
                and part.tokens[end + 1].shape == "#y")
        ):  # fmt: skip
            end += 1
        is_read = not lead or lead[-1] not in word_set("not_on")
    elif name == "same":
        return Span("same", None, "", end)
    elif name == "years":
        name = f"{12 * number} months"
    elif name == "quarter":
        name = f"quarter {ORDINALS.index(token.word.form)}"
    elif name == "ago":
        unit = {"day": "days", "week": "weeks", "month": "months", "year": "years"}[
            part.forms[end - 2].rstrip("s")
        ]
        name = f"ago {number or 1} {unit}"
        dated = next((
            w for w in part.windows if w.label[1] == "date" and end <= w.start <= end + 2
            and set(part.forms[end : w.start]) <= {",", "on"}
        ), None)  # fmt: skip
        if dated is not None:
            return span_of(part, dated)._replace(is_read=True)
        if part.forms[end - 1] == "earlier" and unit != "days":
            # Earlier than what was told before, which need not be the day.
            name = "other"
        is_read = not {"from", "than", "with", "versus", "vs", "against", "to"} & set(lead)
    elif name == "end":
        ended = MONTHS.get(part.forms[end - 1])
        name, year = ("end month" if ended else "end year"), None
        following = part.tokens[end - 1 : end + 1][1 if ended else 0 :]
        if following and following[0].shape == "#y":
            year = int(following[0].value or 0)
            end += 1 if ended else 0
        period = "last" if part.forms[end - 1] == "year" else ""
        stated_on = date(year or 1, ended or 1, 1) if ended or year else None
    elif name == "weekday":
        name = token.word.form
        behind = end + (part.forms[end : end + 1] == [","])
        if behind < len(part.forms) and part.forms[behind] in MONTHS:
            stated_on, precision = date_after(part, behind - 1)
            if precision == "day":
                name, end = "on", behind + 2
        is_read = not lead or lead[-1] not in word_set("not_on")
    elif name == "from":
        at = next(p for p in range(place, end) if part.forms[p] in MONTHS)
        stated_on, precision = date_after(part, at - 1)
        while end < len(part.forms) and part.forms[end] in ("low", "high", "close", "trough"):
            end += 1
        ends = {"low": "low", "trough": "low", "high": "high", "peak": "high",
                "bottom": "low", "bottoming": "low", "bottomed": "low",
                "peaking": "high"}  # fmt: skip
        said = next((ends[f] for f in part.forms[place:end] if f in ends), "close")
        name, period = ("since" if precision == "day" else "other"), f"from {said}"
        if token.word.form == "since":
            end = at + 2
        is_read = bool(word_set("closing") & set(part.forms[place:end]))
    elif name == "since" and (since_end := _since_end(part, place)):
        name, (stated_on, period, end) = "since", since_end
    elif name == "since":
        stated_on = since_day(part, place)
        name = "since" if stated_on else "other"
        if stated_on:
            period = date_after(part, place)[1]
            while end < len(part.tokens) and end < place + 6 and (
                part.forms[end] in MONTHS
                or part.forms[end] in (",", "the", "early", "start", "beginning", "of")
                or part.tokens[end].shape in ("#", "#y")
            ):  # fmt: skip
                end += 1
    if name in ("month", "week", "3m") and part.forms[end - 2 : end] == ["to", "date"]:
        period = "this"
    elif name in ("day", "week", "month", "3m", "12m") and window.end - window.start <= 2:
        words = part.forms[max(0, end - 4) : end - 1]
        if words[-1:] == ["this"] or words[-2:] in (["for", "the"], ["on", "the"]):
            period = "this"
        elif words[-1:] in (["last"], ["previous"], ["prior"]) and (
            words[-2:-1] not in (["the"], ["past"], ["just"])
        ):
            period = "last"
        previous = part.tokens[place - 1] if place else None
        if previous is not None and previous.shape == "#" and (previous.value or 0) > 1:
            name = "3m" if (name, previous.value) == ("month", 3) else "other"
    if name != "day" and word_set("part_of") & set(lead):
        is_read = False
    return Span(name, stated_on, period, end, is_read)


def _since_end(part: Part, place: int) -> tuple[date, str, int] | None:
    """The month or year after whose end a span begins, and where its words end."""
    at = place + 1 + (part.forms[place + 1 : place + 2] == ["the"])
    if part.forms[at : at + 1] not in (["end"], ["close"]):
        return None
    at += 1 + (part.forms[at + 1 : at + 2] == ["of"])
    if at >= len(part.tokens):
        return None
    year = next((int(t.value or 1) for t in part.tokens[at : at + 2] if t.shape == "#y"), 1)
    if part.forms[at] in MONTHS:
        return date(year, MONTHS[part.forms[at]], 1), "end month", at + 1 + (year > 1)
    return (date(year, 1, 1), "end year", at + 1) if year > 1 else None


def since_day(part: Part, place: int) -> date | None:
    """The first day of the month or year, or the day, named after `since`."""
    found, _ = date_after(part, place)
    for form in part.forms[place + 1 : place + 5]:
        if form not in MONTHS and form not in (
            "the", "early", "late", "mid", "of", "start", "beginning"
        ):  # fmt: skip
            break
        if found is None and form in MONTHS:
            return date(1, MONTHS[form], 1)
    return found


def hour_after(part: Part, place: int) -> str:
    """Whether what stands behind a place is before the open or after the close; else ""."""
    for lead, mark in pairwise(range(place, min(place + 8, len(part.forms)))):
        behind = set(part.forms[mark : mark + 3])
        if part.forms[lead] == "after" and behind & {"close", "bell", "hours", "closes"}:
            return "after close"
        if part.forms[lead] == "before" and behind & {"open", "bell", "opens", "opening"}:
            return "before open"
    return ""


def end_of_dates(part: Part, place: int) -> date | None:
    """The second of two days: "between October 14 and October 20"."""
    at = next((p for p in range(place, min(place + 4, len(part.forms)))
               if part.forms[p] in ("and", "to")), None)  # fmt: skip
    found, precision = date_after(part, at) if at is not None else (None, "")
    return found if precision == "day" else None


def date_after(part: Part, place: int) -> tuple[date | None, str]:
    """The day, month or year named within four words, and which of these it is."""
    year, month, day = None, None, None
    for token in part.tokens[place + 1 : place + 5]:
        if token.word.form in MONTHS and month is None:
            month = MONTHS[token.word.form]
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


def is_dated(span: Span) -> bool:
    """Whether a span names one day, or none."""
    name = span.name or "day"
    return span.is_read and (
        name in ("day", "on", "yesterday", "same", *WEEKDAYS) or name.startswith(("ago ", "end "))
    )


def is_noun(part: Part, hit: KindHit) -> bool:
    """Whether a move is told by a noun and its number: "a gain of 8%", "the loss is 8%"."""
    if part.forms[hit.start] not in word_set("gain") | word_set("loss") or not hit.start:
        return False
    return part.forms[hit.start - 1] in ("a", "an", "the", "this", "that", "its", "their") and (
        part.forms[hit.start + 1] in ("of", "is", "was", "stands", "stood", "comes", "amounts",
                                      "came", "has", "exceeds", "reached", "now")
    )  # fmt: skip


def is_of_the_span(part: Part, place: int) -> bool:
    """Whether a word is one of "the day" in "ended the day up 10%"."""
    if part.forms[place] == "the":
        place += 1
    said = part.forms[max(0, place - 2) : place + 1]
    return len(said) == 3 and said[0] in word_set("closing") and said[1] == "the" and (
        said[2] in ("day", "session", "week", "month", "quarter", "year")
    )  # fmt: skip
