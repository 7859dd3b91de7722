"""Judges of the figures of momentum: averages, volatility, volume, distances to a peak, ranks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from operator import attrgetter
from typing import Any

from warehouse.claims.facts import Facts, Judge, months_before, price_of
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    SUPPORTED,
    Basis,
    Evidence,
    NotCheckable,
    Verdict,
    answer,
    other_currency,
    weigh,
)

# Sessions whose median volume the marts compare with.
_VOLUME_DAYS = 60


def _of_momentum(*columns: str) -> Judge:
    def judged(facts: Facts, claim: Claim) -> Verdict:
        return weigh(claim, [facts.momentum(c) for c in columns], note=facts.day_note)

    return judged


def _rsi(facts: Facts, claim: Claim) -> Verdict:
    found = _of_momentum("rsi_14")(facts, claim)
    value = found.found if isinstance(found.found, float) else 50.0
    is_wrong = (claim.change == "oversold" and value > 30) or (
        claim.change == "overbought" and value < 70
    )
    return replace(found, verdict=CONTRADICTED) if is_wrong else found


def _volume(facts: Facts, claim: Claim) -> Verdict:
    """The day's volume over its mean of as many sessions before as the claim names.

    Where it names none, over the median that the marts have.
    """
    if not claim.argument:
        return _of_momentum("volume_surge")(facts, claim)
    count, _, way = claim.argument.partition(" ")
    days, at = int(count), facts.last
    own = facts.bars[at]
    # "Its 60-day average" may be the mart's median of as many.
    bases = [facts.momentum("volume_surge")] if days == _VOLUME_DAYS else []
    for name, first in (("before the day", at - days), ("with the day", at - days + 1)):
        span = facts.bars[max(first, 0) : first + days]
        told = [bar.volume for bar in span if bar.volume]
        if own.volume is None or first < 0 or len(told) < days:
            continue
        evidence = (price_of(own, "volume"), *(price_of(bar, "volume") for bar in span))
        value = own.volume / (sum(told) / days)
        bases.append(Basis(f"mean of {days} sessions {name}", value, evidence))
    if not bases:
        raise NotCheckable("history_too_short")
    if way:
        half = claim.second_step / 2 + 1e-9
        volume = own.volume or 0.0

        def fits(value: Any) -> bool:
            level = claim.second
            is_level = level is None or abs(volume / value / facts.split_factor - level) <= half
            return bool((value > 1) == (way == "above") and is_level)

        return weigh(claim, bases, fits=fits, note=facts.day_note)
    return weigh(claim, bases, note=facts.day_note)


def _moving_average(facts: Facts, claim: Claim) -> Verdict:
    days = int(claim.value or 0)
    if days not in (50, 200):
        raise NotCheckable("window_not_supported")
    if claim.argument.startswith("first "):
        told = _moving_average(facts, replace(claim, argument=claim.argument[6:]))
        if told.verdict == SUPPORTED:
            raise NotCheckable("history_not_read")
        return told
    average = facts.momentum(f"sma_{days}")
    bar = facts.bars[facts.last]
    evidence = (price_of(bar), *average.evidence)
    up = claim.argument.startswith("up")
    ratio = bar.close / average.value
    if claim.second is not None:
        half = claim.second_step / 2 + 1e-9
        if claim.second_unit == "fraction":
            stated, sign = claim.second, 1 if up else -1

            def fits(value: float) -> bool:
                if claim.operator == "over":
                    return bool(sign * value > stated - half)
                if claim.operator == "under":
                    return bool(0 < sign * value < stated + half)
                return bool(abs(sign * value - stated) <= half)

            return weigh(
                claim, [Basis(f"close over sma_{days}", ratio - 1, evidence)],
                fits=fits, note=facts.day_note,
            )  # fmt: skip
        level = average.value * facts.price_factor
        if claim.second_unit != facts.currency:
            return other_currency(
                claim, level, facts.currency or "?", average.evidence, claim.second_unit
            )
        at = weigh(
            claim, [Basis(f"sma_{days}", level, average.evidence)],
            fits=lambda v: bool(abs(v - claim.second) <= half), note=facts.day_note,
        )  # fmt: skip
        if claim.argument.startswith("level") or at.verdict == CONTRADICTED:
            return at
    return weigh(
        claim, [Basis(f"close over sma_{days}", ratio, evidence)],
        fits=lambda v: bool(v > 1 if up else v < 1), note=facts.day_note, within=(0.0, 1.0)
        if not up else (1.0, float("inf")),
    )  # fmt: skip


def _drawdown(facts: Facts, claim: Claim) -> Verdict:
    """How far the close is from a peak, or from the low of 52 weeks, of the level stated if one is.

    The extreme is of closes or of sessions' highs and lows.
    """
    bars, last = facts.bars, facts.last
    is_low = claim.argument == "low"
    spans = [("52 weeks", months_before(bars[last].session, 12))]
    if not is_low:
        spans.append(("all history", date.min))
    bases: list[Basis] = []
    excluded: list[Basis] = []
    half = claim.second_step / 2 + 1e-9
    for name, since in spans:
        span = [bar for bar in bars[: last + 1] if bar.session >= since]
        for column in ("close", "low" if is_low else "high"):
            known = [bar for bar in span if getattr(bar, column)]
            if not known:
                continue
            extreme = (min if is_low else max)(known, key=attrgetter(column))
            level = getattr(extreme, column)
            away = abs(bars[last].close / level - 1)
            label = column if is_low or column == "close" else "intraday high"
            pair = (price_of(bars[last]), price_of(extreme, column))
            is_stated = claim.second is None or (
                abs(level * facts.price_factor - claim.second) <= half
            )
            (bases if is_stated else excluded).append(Basis(f"{name}, {label}", away, pair))
    if not bases:
        raise NotCheckable("level_differs")
    return weigh(claim, bases, note=facts.day_note, excluded=excluded)


def _momentum_rank(facts: Facts, claim: Claim) -> Verdict:
    """The place among the universe by momentum on the session, 1 being the best."""
    if facts.bars[facts.last].known_from > facts.next_opens_at:
        raise NotCheckable("restated_since")
    found = facts.rows(
        "select session_date, momentum_percentile, universe_count from marts.momentum_ranks "
        "where ticker = ? and session_date <= ? order by session_date desc limit 1",
        facts.ticker,
        facts.bars[facts.last].session,
    )
    if not found or found[0][1] is None or (facts.session - found[0][0]).days > 31:
        raise NotCheckable("no_data")
    on, share, count = found[0]
    rank = float(round((1 - share) * (count - 1)) + 1)
    evidence = (
        Evidence(
            "marts.momentum_ranks", f"{facts.ticker} {on}", "momentum_percentile", share, None
        ),
    )
    if claim.argument and int(claim.argument) != count:
        return answer(
            claim, CONTRADICTED, found=rank, basis="rank by momentum", evidence=evidence,
            note=f"of {count}",
        )  # fmt: skip
    return weigh(claim, [Basis("rank by momentum", rank, evidence)], note=f"of {count} on {on}")


JUDGES: dict[str, Judge] = {
    "moving_average": _moving_average,
    "rsi": _rsi,
    "beta": _of_momentum("beta_252d"),
    "volatility": _of_momentum("volatility_63d", "volatility_21d", "volatility_252d"),
    "volume": _volume,
    "drawdown": _drawdown,
    "momentum_rank": _momentum_rank,
}
