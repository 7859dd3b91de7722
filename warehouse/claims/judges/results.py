"""Judges of results: earnings per share, surprises, estimates, and the days they are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from warehouse.claims.facts import Facts, Judge, last_day_of
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    OTHER_BASIS,
    SUPPORTED,
    Basis,
    Evidence,
    NotCheckable,
    Verdict,
    answer,
    tolerance,
    weigh,
)


def _eps_estimate(facts: Facts, claim: Claim) -> Verdict:
    """What analysts expected of the newest results, or expect of the next."""
    told = facts.rows(
        "select row_id, period, eps_mean, currency, known_from from staging.stg_estimates "
        "where ticker = ? and known_from <= ? and eps_mean is not null "
        "and period in ('0q', '+1q', '0y', '+1y') "
        "qualify snapshot_date = max(snapshot_date) over () order by period",
        facts.ticker,
        facts.moment,
    )
    code, units = facts.major_of(told[0][3] if told else None)
    ahead = [
        Basis(f"estimate {period}", value / units,
              (Evidence("raw.estimates", row_id, "eps_mean", value, known_from),))
        for row_id, period, value, _, known_from in told
    ]  # fmt: skip
    results = [
        Basis(f"estimate of the period to {row[1]}", row[2] / facts.major_of(row[5])[1],
              (Evidence("raw.earnings", row[0], "eps_estimate", row[2], row[6]),))
        for row in _results(facts)[:1] if row[2] is not None
    ]  # fmt: skip
    for row_id, estimate, known_from in facts.rows(
        "select row_id, eps_estimate, known_from from staging.stg_earnings_dates "
        "where ticker = ? and known_from <= ? and eps_estimate is not null "
        "order by snapshot_date desc, announced_from limit 1",
        facts.ticker,
        facts.moment,
    ):
        evidence = Evidence("raw.earnings_dates", row_id, "eps_estimate", estimate, known_from)
        ahead.insert(0, Basis("estimate of the next results", estimate / units, (evidence,)))
    bases = results + ahead if claim.change == "past" else ahead + results
    if not bases:
        raise NotCheckable("no_estimates")
    if claim.unit != code:
        raise NotCheckable("another_currency")
    found = weigh(claim, bases, note=None)
    return replace(found, verdict=SUPPORTED) if found.verdict == OTHER_BASIS else found


def _results(facts: Facts) -> list[tuple[Any, ...]]:
    """Return the results known, newest first."""
    return facts.rows(
        "select row_id, period_end, eps_estimate, eps_actual, surprise, currency, known_from "
        "from staging.stg_earnings where ticker = ? and known_from <= ? and eps_actual is not null "
        "order by period_end desc limit 5",
        facts.ticker,
        facts.moment,
    )


def _earnings_surprise(facts: Facts, claim: Claim) -> Verdict:
    bases, ends = [], []
    for row_id, period_end, estimate, actual, surprise, currency, known_from in _results(facts):
        evidence = [
            Evidence("raw.earnings", row_id, "eps_estimate", estimate, known_from),
            Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),
        ]
        if surprise is None and estimate:
            surprise = (actual - estimate) / abs(estimate)
        units = facts.major_of(currency)[1]
        actual, estimate = actual / units, estimate and estimate / units
        if _is_named(claim, period_end, known_from):
            told = (surprise, actual, estimate)
            bases.append(Basis(f"period to {period_end}", told, tuple(evidence)))
            ends.append(period_end)
    if not bases:
        raise NotCheckable("no_results")
    up = claim.argument == "up"
    is_either = claim.argument == "either"

    def near(stated: float | None, value: float | None) -> bool:
        if stated is None:
            return True
        return value is not None and abs(value - stated) <= claim.second_step / 2 + 1e-9

    def fits(value: Any) -> bool:
        surprise, actual, estimate = value
        if not is_either and (surprise is None or (surprise > 0) != up or surprise == 0):
            return False
        if not near(claim.second, actual) or not near(claim.prior, estimate):
            return False
        if claim.value is None:
            return True
        low, high = tolerance(claim)
        return bool(low <= abs(surprise) <= high)

    # A month is that of the period's end or of its results.
    earlier = () if claim.period in ("last", "year ago") else bases[1:]
    found_by = weigh(claim, _of_period(claim, bases, ends), fits=fits, earlier=earlier)
    if isinstance(found_by.found, tuple):
        whole = claim.second is not None or claim.prior is not None
        said = dict(zip(("surprise", "eps", "estimate"), found_by.found, strict=True))
        found_by = replace(
            found_by,
            found=said if whole else found_by.found[0],
            verdict=SUPPORTED if found_by.verdict == OTHER_BASIS else found_by.verdict,
            bases={name: value[0] for name, value in found_by.bases.items()},
        )
    return found_by


def _eps(facts: Facts, claim: Claim) -> Verdict:
    """Earnings per share of the newest results known, or of those the claim names."""
    found = _results(facts)
    bases = [
        Basis(f"period to {period_end}", actual / facts.major_of(currency)[1],
              (Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),))
        for row_id, period_end, _, actual, _, currency, known_from in found
        if _is_named(claim, period_end, known_from)
    ]  # fmt: skip
    if not bases:
        raise NotCheckable("no_results")
    currency = found[0][5]
    code = facts.major(currency)[0] if currency else facts.currency
    if code != claim.unit:
        raise NotCheckable("another_currency")
    ends = [row[1] for row in found if _is_named(claim, row[1], row[6])]
    own = _of_period(claim, bases, ends)
    earlier = () if claim.period == "year ago" else bases[1:]
    return weigh(claim, own, earlier=earlier)


def _of_period(claim: Claim, bases: list[Basis], ends: list[date]) -> list[Basis]:
    """Results of the quarter a claim names: a year before the newest, or either of the newest."""
    if claim.period == "year ago":
        own = [b for b, end in zip(bases, ends, strict=True) if 350 <= (ends[0] - end).days <= 380]
        if not own:
            raise NotCheckable("no_results")
        return own
    return bases if claim.day else bases[: 2 if claim.period == "before" else 1]


def _is_named(claim: Claim, period_end: date, known_from: datetime) -> bool:
    """Whether results are those of the month or day a claim names, if it names one."""
    if claim.day is None:
        return True
    window, day = claim.day
    if day is None:
        return False
    if window == "month":
        return (day.year, day.month) in (
            (period_end.year, period_end.month),
            (known_from.year, known_from.month),
        )
    return abs((known_from.date() - day).days) <= 1


def _earnings_date(facts: Facts, claim: Claim) -> Verdict:
    assert claim.stated_on is not None
    day = claim.stated_on
    if claim.change == "past":
        return _results_date(facts, claim, day)
    found = facts.rows(
        "select row_id, announced_from, announced_to, known_from, snapshot_date, timing "
        "from staging.stg_earnings_dates where ticker = ? and known_from <= ? "
        "order by snapshot_date desc, announced_from limit 12",
        facts.ticker,
        facts.moment,
    )
    if claim.argument and (not found or found[0][5] is None):
        raise NotCheckable("hour_not_known")
    if claim.argument and found[0][5] != claim.argument:
        evidence = Evidence("raw.earnings_dates", found[0][0], "timing", found[0][5], found[0][3])
        return answer(claim, CONTRADICTED, found=found[0][5], basis="timing", evidence=(evidence,))
    told = [
        Basis(
            f"told on {row[4]}", [row[1].date(), (row[2] or row[1]).date()],
            (Evidence("raw.earnings_dates", row[0], "announced_from", row[1], row[3]),
             Evidence("raw.earnings_dates", row[0], "announced_to", row[2], row[3])),
        )
        for row in found
        if row[1] is not None
    ]  # fmt: skip
    first, last = day, day
    if claim.grade and claim.grade[:1].isdigit():
        end = date.fromisoformat(claim.grade)
        last = end.replace(year=day.year + (end.replace(year=day.year) < day))
    if claim.unit == "month":
        low, high = {"early": (1, 12), "mid": (8, 22), "late": (18, 31)}.get(
            claim.grade or "", (1, 31)
        )
        ends = last_day_of(day, "month").day
        first, last = day.replace(day=low), day.replace(day=min(high, ends))
    return weigh(
        claim, told[:1], fits=lambda v: bool(v[0] <= last and first <= v[1]), earlier=told[1:]
    )


def _results_date(facts: Facts, claim: Claim, day: date) -> Verdict:
    """Whether results became known on a day that is past, or the day before or after by UTC."""
    if claim.argument:
        raise NotCheckable("hour_not_known")
    found = facts.rows(
        "select row_id, eps_actual, known_from from staging.stg_earnings "
        "where ticker = ? and known_from <= ? and eps_actual is not null "
        "and pit_quality = 'vendor_stated' order by abs(datediff('day', known_from, ?)) limit 1",
        facts.ticker, facts.moment, day,
    )  # fmt: skip
    if not found or abs((found[0][2].date() - day).days) > 60:
        raise NotCheckable("no_results")
    row_id, actual, known_from = found[0]
    evidence = (Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),)
    return weigh(
        claim,
        [Basis("results known", known_from.date(), evidence)],
        fits=lambda v: bool(abs((v - day).days) <= 1),
    )


JUDGES: dict[str, Judge] = {
    "earnings_surprise": _earnings_surprise,
    "eps": _eps,
    "eps_estimate": _eps_estimate,
    "earnings_date": _earnings_date,
}
