"""Judges of prices: levels, extremes, streaks, and what one session told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from operator import attrgetter
from typing import Any

from warehouse.claims.facts import Facts, Judge, last_day_of, months_before, price_of
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    OTHER_BASIS,
    SUPPORTED,
    Basis,
    NotCheckable,
    Verdict,
    answer,
    other_currency,
    split_basis,
    weigh,
)


def _level_since(facts: Facts, claim: Claim) -> Verdict:
    assert claim.stated_on is not None
    bars, last = facts.bars, facts.last
    high = claim.argument == "high"
    bases = []
    columns = (("close", "close"), ("intraday", "high" if high else "low"))
    for name, column in columns[: 1 if claim.basis == "close" else 2]:
        now = getattr(bars[last], column)
        found = None
        for bar in reversed(bars[:last]):
            level = getattr(bar, column)
            if level is not None and now is not None and (
                level >= now * (1 - 1e-9) if high else level <= now * (1 + 1e-9)
            ):  # fmt: skip
                found = bar
                break
        if found is None:
            if bars[0].session > claim.stated_on:
                raise NotCheckable("history_too_short")
            bases.append(Basis(f"{name}: never before", date.min, (price_of(bars[last], column),)))
        else:
            pair = (price_of(bars[last], column), price_of(found, column))
            bases.append(Basis(name, found.session, pair))
    until = last_day_of(claim.stated_on, claim.unit)
    note = facts.day_note
    if bases[0].value < claim.stated_on:
        note = "; ".join(filter(None, (note, "understated")))
    return weigh(claim, bases, fits=lambda value: bool(value <= until), note=note)


def _extreme(facts: Facts, claim: Claim) -> Verdict:
    """A record, or the extreme of 52 weeks, reached on the day; of a level, also set on that day.

    "Hit a 52-week low of $78.62 on December 11" may be of the year to that day or to the article.
    """
    if claim.day is None:
        return _extreme_at(facts, claim, facts.last)
    window, day = claim.day
    found = None
    if claim.change == "set":
        # "The low of $78.62 was set on Monday" is of no other day's extreme.
        day = facts.days_of(replace(claim, window=window, stated_on=day))[0] if (
            window != "month"
        ) else day  # fmt: skip
    elif window != "month":
        last = facts.place_of(replace(claim, window=window, stated_on=day))
        found = _extreme_at(facts, claim, last)
        day = facts.bars[last].session
        if found.verdict != CONTRADICTED or claim.second is None:
            return found
    assert day is not None
    held = (day, last_day_of(day, window))
    level = _extreme_at(facts, replace(claim, period="level"), facts.last, held)
    return level if found is None or level.verdict != CONTRADICTED else found


def _extreme_at(
    facts: Facts, claim: Claim, last: int, held: tuple[date, date] | None = None
) -> Verdict:
    """A record or an extreme by the bars up to one; a level counts if it was set in days `held`."""
    bars, high = facts.bars, claim.argument.endswith("high")
    since = months_before(bars[last].session, 12) if claim.kind == "high_52w" else date.min
    if claim.argument.startswith("ytd"):
        since = date(bars[last].session.year, 1, 1)
    span = [bar for bar in bars[: last + 1] if bar.session >= since]
    if len(span) < 2:
        raise NotCheckable("history_too_short")
    bases: list[Basis] = []
    levels_told: list[Basis] = []
    set_else: list[Basis] = []
    for name, column in (("close", "close"), ("intraday", "high" if high else "low")):
        levels = [getattr(bar, column) for bar in span if getattr(bar, column) is not None]
        if not levels:
            continue
        best = max(levels) if high else min(levels)
        holder = next(bar for bar in span if getattr(bar, column) == best)
        now = getattr(bars[last], column)
        if now and claim.period != "level":
            pair = (price_of(bars[last], column), price_of(holder, column))
            bases.append(Basis(name, now / best, pair))
        of_days = held is None or held[0] <= holder.session <= held[1]
        (levels_told if of_days else set_else).append(
            Basis(name, best * facts.price_factor, (price_of(holder, column),))
        )
        set_on = f"set on {holder.session}"
    if held is not None and not levels_told:
        return answer(
            claim, CONTRADICTED, found=set_else[0].value, basis=set_else[0].name,
            evidence=set_else[0].evidence, note=set_on,
        )  # fmt: skip
    bases, excluded = split_basis(claim, bases)
    levels_told, other_levels = split_basis(claim, levels_told)
    note = facts.day_note
    if claim.kind == "record":
        note = "; ".join(filter(None, (note, f"history from {bars[0].session} on")))
    if claim.second is not None:
        if claim.period == "level":
            # Such a level is told of the session's highs and lows, unless it says otherwise.
            levels_told.reverse()
        if claim.second_unit != facts.currency:
            told = levels_told[0]
            return other_currency(
                claim, told.value, facts.currency or "?", told.evidence,
                claim.second_unit,
            )  # fmt: skip
        half = claim.second_step / 2 + 1e-9
        at = weigh(
            claim, levels_told, fits=lambda v: bool(abs(v - claim.second) <= half), note=note,
            excluded=other_levels,
        )  # fmt: skip
        if claim.period == "level" or at.verdict == CONTRADICTED:
            return at
    return weigh(
        claim, bases, fits=lambda value: abs(value - 1) < 1e-9, note=note, excluded=excluded
    )


def _price_level(facts: Facts, claim: Claim) -> Verdict:
    at = facts.place_of(claim)
    bar, factor = facts.bars[at], facts.price_factor
    if facts.currency and claim.unit and claim.unit != facts.currency:
        return other_currency(claim, bar.close * factor, facts.currency, (price_of(bar),))
    bases = [Basis("close", bar.close * factor, (price_of(bar),))]
    for column in ("high", "low", "open"):
        value = getattr(bar, column)
        name = "open" if column == "open" else f"intraday {column}"
        bases.append(Basis(name, value * factor if value else None, (price_of(bar, column),)))
    if claim.window == "open":
        bases = [basis for basis in bases if basis.name == "open"]
    earlier = []
    for place in range(max(0, at - 5), at) if claim.window is None else ():
        former = facts.bars[place]
        earlier.append(Basis(f"on {former.session}", former.close * factor, (price_of(former),)))
    note = facts.note_on(at)
    if claim.change and at:
        before = facts.bars[at - 1]
        column = "open" if claim.window == "open" else "close"
        moved = (getattr(bar, column) or before.close) - before.close
        if not moved or (moved > 0) != (claim.change == "up"):
            return answer(
                claim, CONTRADICTED, found=bar.close * factor, basis="close",
                evidence=(price_of(bar), price_of(before)),
                note=f"the close before was {before.close * factor:g}",
            )  # fmt: skip
    bases, excluded = split_basis(claim, bases)
    if claim.second is not None and at:
        # "Gained 2.6% to $35": both numbers are of one price.
        base, half = facts.bars[at - 1].close * factor, claim.second_step / 2 + 1e-9
        moved = [
            b
            for b in bases
            if b.value is not None and abs(abs(b.value / base - 1) - claim.second) <= half
        ]
        excluded += [b for b in bases if b not in moved]
        bases = moved or bases[:1]
    return weigh(claim, bases, earlier=earlier[::-1], note=note, excluded=excluded)


def _price_change(facts: Facts, claim: Claim) -> Verdict:
    """How much money the close, or else the session's extreme, moved from the close before."""
    at, factor = facts.place_of(claim), facts.price_factor
    if not at:
        raise NotCheckable("history_too_short")
    bar, before = facts.bars[at], facts.bars[at - 1]
    sign = 1 if claim.argument == "up" else -1
    if claim.unit != facts.currency:
        change = sign * (bar.close - before.close) * factor
        return other_currency(claim, change, facts.currency or "?", (price_of(bar),))
    bases = []
    for name, column in (("close", "close"), ("intraday", "high" if sign > 0 else "low")):
        level = getattr(bar, column)
        if level is not None:
            pair = (price_of(before), price_of(bar, column))
            bases.append(Basis(f"day, {name}", sign * (level - before.close) * factor, pair))
    bases, excluded = split_basis(claim, bases)
    if claim.operator in ("over", "under"):
        bases = bases[:1]
    note = facts.note_on(at)
    return weigh(claim, bases, note=note, excluded=excluded)


def _session_level(facts: Facts, claim: Claim) -> Verdict:
    """The high or low of a session."""
    at = facts.place_of(claim)
    bar = facts.bars[at]
    bases = []
    for column in ("high", "low") if claim.argument == "either" else (claim.argument,):
        level = getattr(bar, column)
        if level is None:
            raise NotCheckable("no_data")
        told = (price_of(bar, column),)
        bases.append(Basis(f"intraday {column}", level * facts.price_factor, told))
    if claim.unit != facts.currency:
        first = bases[0]
        return other_currency(claim, first.value, facts.currency or "?", first.evidence)
    note = facts.note_on(at)
    found = weigh(claim, bases, note=note)
    is_either = claim.argument == "either" and found.verdict == OTHER_BASIS
    return replace(found, verdict=SUPPORTED) if is_either else found


def _price_range(facts: Facts, claim: Claim) -> Verdict:
    """Low and high of a session, or of 52 weeks by sessions' extremes or closes."""
    at = facts.place_of(claim)
    bars, factor = facts.bars, facts.price_factor
    since = months_before(bars[at].session, 12)
    span = (
        [b for b in bars[: at + 1] if b.session >= since] if claim.argument == "52w" else [bars[at]]
    )
    bases = []
    for name, low, high in (("extremes", "low", "high"), ("closes", "close", "close")):
        known = [b for b in span if getattr(b, low) is not None and getattr(b, high) is not None]
        if known and (name == "extremes" or claim.argument == "52w"):
            least = min(known, key=attrgetter(low))
            most = max(known, key=attrgetter(high))
            value = [getattr(least, low) * factor, getattr(most, high) * factor]
            bases.append(
                Basis(f"sessions' {name}", value, (price_of(least, low), price_of(most, high)))
            )
    if bases and claim.unit != facts.currency:
        first = bases[0]
        return other_currency(claim, first.value[0], facts.currency or "?", first.evidence)
    stated, half = (claim.value or 0.0, claim.high or 0.0), claim.step / 2 + 1e-9

    def fits(value: Any) -> bool:
        return all(abs(a - b) <= half for a, b in zip(value, stated, strict=True))

    note = facts.note_on(at)
    return weigh(claim, bases, fits=fits, note=note)


def _streak(facts: Facts, claim: Claim) -> Verdict:
    """Sessions in a row whose close rose, or fell, up to the one the claim is of."""
    at = facts.place_of(claim)
    if claim.argument.startswith("ended"):
        return _ended_streak(facts, claim, at)
    sign = 1 if claim.argument == "up" else -1
    first = at
    while first and sign * (facts.bars[first].close - facts.bars[first - 1].close) > 0:
        first -= 1
    found = float(at - first)
    evidence = tuple(price_of(bar) for bar in facts.bars[first : at + 1][-20:])
    stated = claim.value or 0.0

    def fits(value: float) -> bool:
        return value == stated if claim.unit == "ordinal" else value >= stated

    note = facts.note_on(at)
    if fits(found) and found > stated:
        note = "; ".join(filter(None, (note, "understated")))
    return weigh(claim, [Basis("closes in a row", found, evidence)], fits=fits, note=note)


def _ended_streak(facts: Facts, claim: Claim, at: int) -> Verdict:
    """Sessions in a row that rose, or fell, up to one that did the opposite."""
    sign, bars = 1 if claim.argument.endswith("up") else -1, facts.bars
    steps = [sign * (bars[i].close - bars[i - 1].close) for i in range(at, 0, -1)]
    before = next((i for i, step in enumerate(steps[1:]) if step <= 0), len(steps) - 1)
    found = float(before) if steps and steps[0] < 0 else 0.0
    evidence = tuple(price_of(bar) for bar in bars[max(0, at - before - 1) : at + 1][-20:])
    note = facts.note_on(at)
    return weigh(
        claim, [Basis("closes in a row before the session", found, evidence)],
        fits=lambda v: bool(v == claim.value), note=note,
    )  # fmt: skip


def _direction(facts: Facts, claim: Claim) -> Verdict:
    """Whether the close of a day rose or fell."""
    at = facts.place_of(claim)
    if not at:
        raise NotCheckable("history_too_short")
    bar, before = facts.bars[at], facts.bars[at - 1]
    basis = Basis("day, close", bar.close / before.close - 1, (price_of(before), price_of(bar)))
    sign = 1 if claim.argument == "up" else -1
    note = facts.note_on(at)
    return weigh(claim, [basis], fits=lambda v: bool(sign * v > 0), note=note)


def _biggest_move(facts: Facts, claim: Claim) -> Verdict:
    """Whether no session since a day rose, or fell, as much by its close, and that day's did."""
    assert claim.stated_on is not None
    bars, last, sign = facts.bars, facts.last, 1 if claim.argument == "up" else -1
    until = last_day_of(claim.stated_on, claim.unit)
    moves = [
        (bars[i].session, sign * (bars[i].close / bars[i - 1].close - 1), i)
        for i in range(1, last + 1)
    ]
    own = moves[-1][1] if moves else 0.0
    as_much = [move for move in moves[:-1] if move[1] >= own]
    if own <= 0:
        basis = Basis("day, close", sign * own, (price_of(bars[last - 1]), price_of(bars[last])))
        return weigh(claim, [basis], fits=lambda _: False, note=facts.day_note)
    if not as_much:
        raise NotCheckable("history_too_short")
    day, _, place = as_much[-1]
    evidence = tuple(price_of(bars[i]) for i in (place - 1, place, last - 1, last))
    return weigh(
        claim, [Basis("the last move as large", day, evidence)],
        fits=lambda v: bool(claim.stated_on <= v <= until), note=facts.day_note,
    )  # fmt: skip


def _shares_traded(facts: Facts, claim: Claim) -> Verdict:
    at = facts.place_of(claim)
    bar = facts.bars[at]
    value = bar.volume / facts.split_factor if bar.volume is not None else None
    note = facts.note_on(at)
    return weigh(claim, [Basis("volume", value, (price_of(bar, "volume"),))], note=note)


JUDGES: dict[str, Judge] = {
    "price": _price_level,
    "price_change": _price_change,
    "price_range": _price_range,
    "session_level": _session_level,
    "high_52w": _extreme,
    "record": _extreme,
    "level_since": _level_since,
    "streak": _streak,
    "direction": _direction,
    "biggest_move": _biggest_move,
    "shares_traded": _shares_traded,
}
