"""Judges of moves: every admissible span and price of one, and what an index did over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeAlias

from warehouse.claims.facts import (
    MONTHS_IN,
    Bar,
    Facts,
    Judge,
    first_day_of,
    last_day_of,
    months_before,
    price_of,
)
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    SUPPORTED,
    Basis,
    NotCheckable,
    Verdict,
    answer,
    split_basis,
    tolerance,
    weigh,
)
from warehouse.claims.vocabulary import WEEKDAYS

_SESSIONS = {"week": 5, "month": 21, "3m": 63, "6m": 126, "12m": 252}


def _total_return(bars: Sequence[Bar], first: int, last: int) -> float | None:
    """The return with dividends put into the share at the close before they were due."""
    growth = bars[last].close / bars[first].close
    paid = False
    for place in range(first + 1, last + 1):
        if bars[place].dividend:
            growth /= 1 - bars[place].dividend / bars[place - 1].close
            paid = True
    return growth - 1 if paid else None


def moves_to(facts: Facts, claim: Claim, down: bool, last: int) -> list[Basis]:
    """Every admissible reading of a move that ends with the bar at `last`, or before it."""
    bars = facts.bars
    spans = _spans(facts, claim, last)
    closes, others = [], []
    for name, first, until in spans:
        if first is None or until is None or first < 0 or first >= until:
            continue
        base, end = bars[first], bars[until]
        change = end.close / base.close - 1
        closes.append(Basis(f"{name}, close", change, (price_of(base), price_of(end))))
        extreme, column = (end.low, "low") if down else (end.high, "high")
        if extreme:
            label = f"{name}, intraday {column}"
            pair = (price_of(base), price_of(end, column))
            others.append(Basis(label, extreme / base.close - 1, pair))
        if end.open and name in ("day", "open"):
            pair = (price_of(base), price_of(end, "open"))
            others.append(Basis(f"{name}, open", end.open / base.close - 1, pair))
        total = _total_return(bars, first, until)
        if total is not None:
            paid = [price_of(b, "dividend") for b in bars[first + 1 : until + 1] if b.dividend]
            found = (price_of(base), price_of(end), *paid)
            others.append(Basis(f"{name}, total return", total, found))
    if not closes:
        raise NotCheckable("history_too_short")
    if claim.window == "open":
        return [b for b in others if b.name == "open, open"]
    if claim.window == "intraday":
        return [b for b in others if "intraday" in b.name] + closes
    return closes + others


_Spans: TypeAlias = list[tuple[str, int | None, int | None]]


def _spans(facts: Facts, claim: Claim, last: int) -> _Spans:
    """Name, and the places of the bars before the first day and of the last, of each reading."""
    window, day = claim.window or "day", facts.bars[last].session
    count, _, unit = window.partition(" ")
    if window in ("day", "intraday", "open", "on", "yesterday", *WEEKDAYS):
        return [("open" if window == "open" else "day", last - 1, last)]
    if window in _SESSIONS:
        back = (
            day - timedelta(days=7) if window == "week" else months_before(day, MONTHS_IN[window])
        )
        trailing: _Spans = [
            (f"calendar {window}", facts.at(back), last),
            (f"{_SESSIONS[window]} sessions", last - _SESSIONS[window], last),
        ]
        start = first_day_of(day, window)
        if claim.period == "this":
            return [(f"{window} to date", facts.at(start - timedelta(days=1)), last), *trailing]
        if claim.period == "last":
            until = start - timedelta(days=1)
            former = first_day_of(until, window)
            name = f"{former} to {until}"
            return [(name, facts.at(former - timedelta(days=1)), facts.at(until)), *trailing]
        return trailing
    if unit in ("sessions", "days", "weeks", "months") and int(count):
        number = int(count)
        if unit == "sessions":
            return [(window, last - number, last)]
        back = (
            months_before(day, number)
            if unit == "months"
            else day - timedelta(days=number * (7 if unit == "weeks" else 1))
        )
        sessions = number * {"days": 1, "weeks": 5, "months": 21}[unit]
        spans: _Spans = [
            (f"calendar {window}", facts.at(back), last),
            (f"{sessions} sessions", last - sessions, last),
        ]
        return spans[::-1] if unit == "days" else spans
    if window == "ytd":
        return [("year to date", facts.at(date(day.year - 1, 12, 31)), last)]
    if count == "year" or count == "in":
        begin = date(int(unit), 1, 1) if count == "year" else (
            claim.stated_on or date(day.year - (int(unit) > day.month), int(unit), 1)
        )  # fmt: skip
        if begin > day:
            raise NotCheckable("in_the_future")
        ended = facts.at(last_day_of(begin, "year" if count == "year" else "month"))
        name = window if count == "year" else f"month of {begin:%Y-%m}"
        until_last = last if ended is None else min(last, ended)
        return [(name, facts.at(begin - timedelta(days=1)), until_last)]
    if count == "quarter":
        number = int(unit)
        year = day.year - (3 * number - 2 > day.month)
        begin, until = (
            date(year, 3 * number - 2, 1),
            last_day_of(date(year, 3 * number, 1), "month"),
        )
        ended = facts.at(until)
        name = f"{begin} to {min(until, day)}"
        return [(name, facts.at(begin - timedelta(days=1)), last if until > day else ended)]
    if window == "since" and claim.stated_on and claim.period.startswith("from "):
        base = facts.at(claim.stated_on)
        if base is None or facts.bars[base].session != claim.stated_on:
            raise NotCheckable("no_session")
        return [(f"since the close of {claim.stated_on}", base, last)]
    if window == "since" and claim.stated_on and claim.period.startswith("end "):
        ended_on = last_day_of(claim.stated_on, claim.period.removeprefix("end "))
        return [(f"since the close of {ended_on}", facts.at(ended_on), last)]
    if window == "since" and claim.stated_on:
        since: _Spans = [
            (f"since {claim.stated_on}", facts.at(claim.stated_on - timedelta(days=1)), last)
        ]
        end_of = last_day_of(claim.stated_on, claim.period)
        if end_of < day:
            since.append((f"since the close of {end_of}", facts.at(end_of), last))
        return since
    raise NotCheckable("window_not_supported" if window != "extended" else "outside_session")


def _move(facts: Facts, claim: Claim) -> Verdict:
    down = claim.argument == "down" or (claim.kind == "factor" and (claim.value or 0) < 1)
    last = facts.last if claim.window in (None, "day") else facts.place_of(claim)
    if claim.period.startswith("from "):
        wrong = _wrong_start(facts, claim)
        if wrong is not None:
            return wrong
    bases = moves_to(facts, claim, down, last)
    earlier = []
    if claim.window == "day":
        for back in range(1, min(4, last)):
            for basis in moves_to(facts, claim, down, last - back)[:1]:
                on = facts.bars[last - back].session
                earlier.append(Basis(f"on {on}", basis.value, basis.evidence))
    note = facts.note_on(last)
    bases, excluded = split_basis(claim, bases)
    if claim.operator in ("over", "under") and not claim.basis and claim.window != "intraday":
        # Of several readings one is always further: a bound is of the closes.
        excluded += [b for b in bases if not b.name.endswith(("close", "open, open"))]
        bases = [b for b in bases if b not in excluded]
    found = weigh(claim, bases, earlier=earlier, note=note, excluded=excluded)
    # "The stock is up 94%" names no span.
    if found.verdict == CONTRADICTED and claim.window == "day" and (
        {"up", "down"} & set(claim.text.lower().split())
    ):  # fmt: skip
        low, high = tolerance(claim)
        for window in ("month", "3m", "6m", "12m", "ytd"):
            other = _fitting(facts, claim, window, down, last)
            if other is not None and low <= other <= high:
                raise NotCheckable("window_not_stated")
    if found.verdict == CONTRADICTED and claim.window in _SESSIONS:
        low, high = tolerance(claim)
        for window in _SESSIONS:
            if window != claim.window:
                other = _fitting(facts, claim, window, down, last)
                if other is not None and low <= other <= high:
                    note = "; ".join(filter(None, (note, f"it fits the window {window}")))
                    return weigh(claim, bases, earlier=earlier, note=note, excluded=excluded)
    return found


def _wrong_start(facts: Facts, claim: Claim) -> Verdict | None:
    """What is false of the close a move is told from: its level, or that it was the extreme."""
    assert claim.stated_on is not None
    place = facts.at(claim.stated_on)
    if place is None or facts.bars[place].session != claim.stated_on:
        raise NotCheckable("no_session")
    bar, note = facts.bars[place], None
    if claim.second is not None and (
        abs(bar.close * facts.price_factor - claim.second) > claim.second_step / 2 + 1e-9
    ):
        note = f"the close of {bar.session} was {bar.close * facts.price_factor:g}"
    kind = claim.period.removeprefix("from ")
    since = months_before(facts.session, 12)
    closes = [b.close for b in facts.bars if b.session > since]
    if kind in ("low", "high") and bar.close != (min if kind == "low" else max)(closes):
        note = f"the {kind} of 12 months was another close"
    if note is None:
        return None
    return answer(
        claim, CONTRADICTED, found=bar.close * facts.price_factor, basis="close",
        evidence=(price_of(bar),), note=note,
    )  # fmt: skip


def _fitting(facts: Facts, claim: Claim, window: str, down: bool, last: int) -> float | None:
    try:
        value: float = moves_to(facts, replace(claim, window=window), down, last)[0].value
    except NotCheckable:
        return None
    return value


# Funds whose closes stand for an index.
_INDEX_FUNDS = {"s&p": ("^GSPC", "SPY"), "nasdaq": ("^IXIC", "QQQ")}


def _versus_market(facts: Facts, claim: Claim) -> Verdict:
    """Whether the close moved more than that of an index, or of the company's own benchmark."""
    funds = _INDEX_FUNDS.get(claim.grade or "") or tuple(
        row[0]
        for row in facts.rows(
            "select benchmark from staging.stg_universe where ticker = ? and benchmark is not null",
            facts.ticker,
        )
    )
    index = next((
        other for other in (Facts(facts.con, fund, facts.moment, day=facts.day) for fund in funds)
        if other.bars
    ), None)  # fmt: skip
    if index is None:
        raise NotCheckable("no_index")
    if claim.window is not None:
        return _versus(facts, index, claim)
    # Words that name no span may mean the day or the year: both must say the same.
    told = [_versus(facts, index, replace(claim, window=window)) for window in ("day", "12m")]
    if claim.second is not None:
        of_day = [one for one in told if one.verdict == SUPPORTED]
        return of_day[0] if of_day else told[0]
    if told[0].verdict != told[1].verdict:
        raise NotCheckable("window_not_stated")
    return told[0]


def _versus(facts: Facts, index: Facts, claim: Claim) -> Verdict:
    """Whether the close moved more than an index over a span, and that as far as is stated."""
    at = facts.place_of(claim)
    there = index.place_of(claim)
    theirs = {basis.name: basis for basis in moves_to(index, claim, False, there)}
    bases, own_of = [], {}
    for basis in moves_to(facts, claim, False, at):
        other = theirs.get(basis.name)
        if other is not None and basis.name.endswith(", close"):
            evidence = (*basis.evidence, *other.evidence)
            name = f"{basis.name}, less that of {index.ticker}"
            bases.append(Basis(name, basis.value - other.value, evidence))
            own_of[basis.value - other.value] = other.value
    up, half = claim.argument == "up", claim.second_step / 2 + 1e-9

    def fits(value: float) -> bool:
        if claim.second is not None and abs(own_of[value] - claim.second) > half:
            return False
        return bool(value > 0 if up else value < 0)

    note = facts.day_note
    if claim.second is not None:
        said = f"{index.ticker} {100 * next(iter(own_of.values())):+.1f} %"
        note = "; ".join(filter(None, (note, said)))
    return weigh(claim, bases, fits=fits, note=note)


JUDGES: dict[str, Judge] = {
    "move": _move,
    "factor": _move,
    "versus_market": _versus_market,
}
