"""A verdict: the readings of a claim, weighed by what its rounding and its words allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from warehouse.claims.model import Claim

SUPPORTED, OTHER_BASIS, STALE, CONTRADICTED, NOT_CHECKABLE = (
    "supported", "supported_on_other_basis", "stale", "contradicted", "not_checkable",
)  # fmt: skip

# "Nearly X" is from 90 % of X on; "nearly doubled" from a gain of 85 %.
_NEARLY = 0.90

_UNDERSTATED = 1.25


class Evidence(NamedTuple):
    """One stored value an answer rests on; a mart's row has its key for `row_id`."""

    table: str
    row_id: str
    column: str
    value: Any
    known_from: datetime | None


class Basis(NamedTuple):
    """One admissible reading of a claim: its name, the number found, and what it rests on."""

    name: str
    value: Any
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The answer to one claim; `tolerance` is the interval in which a number supports it."""

    text: str
    kind: str
    verdict: str
    stated: dict[str, Any]
    found: Any
    basis: str | None
    tolerance: tuple[float, float] | None
    evidence: list[dict[str, Any]]
    ticker: str | None
    sentence: int
    reason: str | None = None
    note: str | None = None
    bases: dict[str, Any] = field(default_factory=dict)


class NotCheckable(Exception):
    """There is nothing to judge a claim by; the message is the reason's code."""


def tolerance(claim: Claim) -> tuple[float, float]:
    """Return the interval of numbers that support a claim's value, as its rounding implies.

    "10 %" is 9.5 to 10.5 %, "over X" from X on, "nearly X" 90 to 100 % of X. A move and a factor
    are in fractions of change: "nearly doubled" is 0.85 to 1, "doubled" from 0.95 on.
    """
    if claim.value is None:
        raise ValueError(f"{claim.kind} states no number")
    value, half = claim.value, claim.step / 2
    if claim.kind == "factor":
        if value < 1:
            low, high = value - 0.025, value + 0.025
            if claim.operator == "nearly":
                low, high = value, value + 0.075
            if claim.operator == "over":
                low, high = 0.0, value
            return round(low - 1, 12), round(high - 1, 12)
        change = value - 1
        if claim.operator == "nearly":
            return 0.85 * change, change
        return (change if claim.operator == "over" else change - 0.05), float("inf")
    sign = -1.0 if claim.argument == "down" and claim.kind in ("move", "upside") else 1.0
    if claim.operator == "over":
        low, high = value, float("inf")
    elif claim.operator == "under":
        low, high = (0.0 if claim.unit == "fraction" else float("-inf")), value
    elif claim.operator == "nearly":
        low, high = _NEARLY * value, value + half
    else:
        low, high = value - half, value + half
    low, high = round(low, 12), round(high, 12)
    return (low, high) if sign > 0 else (-high, -low)


def _stated(claim: Claim) -> dict[str, Any]:
    told = {
        "metric": claim.argument or None, "operator": claim.operator, "value": claim.value,
        "high": claim.high, "unit": claim.unit or None, "window": claim.window,
        "date": claim.stated_on, "firm": claim.firm, "grade": claim.grade, "prior": claim.prior,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def answer(
    claim: Claim,
    verdict: str,
    *,
    found: Any = None,
    basis: str | None = None,
    evidence: Sequence[Evidence] = (),
    reason: str | None = None,
    note: str | None = None,
    bases: Iterable[Basis] = (),
    within: tuple[float, float] | None = None,
) -> Verdict:
    """Return a verdict with what was found, and by default the tolerance of the value stated."""
    if within is None and claim.value is not None and claim.kind != "target_range":
        within = tolerance(claim)
    return Verdict(
        claim.text, claim.kind, verdict, _stated(claim), found, basis, within,
        [one._asdict() for one in evidence], claim.ticker, claim.sentence, reason, note,
        {one.name: one.value for one in bases},
    )  # fmt: skip


def weigh(
    claim: Claim,
    bases: Sequence[Basis],
    *,
    fits: Callable[[Any], bool] | None = None,
    earlier: Iterable[Basis] = (),
    note: str | None = None,
    within: tuple[float, float] | None = None,
    excluded: Sequence[Basis] = (),
) -> Verdict:
    """Compare a claim with its bases, the first being what it means unless it says otherwise.

    Of bases its words have `excluded` the one that fits is named.
    """
    bases = [basis for basis in bases if basis.value is not None]
    if not bases:
        raise NotCheckable("no_data")
    if fits is None:
        low, high = within or tolerance(claim)

        def fits(value: Any) -> bool:
            return bool(low - 1e-9 <= value <= high + 1e-9)

    for place, basis in enumerate(bases):
        if fits(basis.value):
            if claim.operator == "over" and claim.value and isinstance(basis.value, float | int):
                size = abs(basis.value)
                over = claim.value - 1 if claim.kind == "factor" else claim.value
                if size > _UNDERSTATED * over:
                    note = "; ".join(filter(None, (note, "understated")))
            verdict = OTHER_BASIS if place else SUPPORTED
            if place:
                told = f"{bases[0].name}: {_shown(claim, bases[0].value)}"
                note = "; ".join(filter(None, (told, note)))
            return answer(
                claim, verdict, found=basis.value, basis=basis.name, evidence=basis.evidence,
                note=note, bases=bases, within=within,
            )  # fmt: skip
    for former in earlier:
        if former.value is not None and fits(former.value):
            told = f"true {former.name}, now {_shown(claim, bases[0].value)}"
            return answer(
                claim, STALE, found=bases[0].value, basis=bases[0].name, bases=bases,
                evidence=(*bases[0].evidence, *former.evidence), within=within,
                note="; ".join(filter(None, (note, told))),
            )  # fmt: skip
    other = next((b for b in excluded if b.value is not None and fits(b.value)), None)
    if other is not None:
        note = "; ".join(filter(None, (note, f"it fits the {other.name}")))
    return answer(
        claim, CONTRADICTED, found=bases[0].value, basis=bases[0].name,
        evidence=bases[0].evidence, note=note, bases=bases, within=within,
    )  # fmt: skip


def split_basis(claim: Claim, bases: Sequence[Basis]) -> tuple[list[Basis], list[Basis]]:
    """Bases of the price the claim says it is of, and the others."""
    mark = {"close": "close", "extreme": "intraday"}.get(claim.basis)
    own = [b for b in bases if mark is None or mark in b.name]
    return own, [b for b in bases if b not in own]


def _shown(claim: Claim, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if claim.unit == "fraction" or claim.kind == "factor":
        return f"{100 * value:.1f} %"
    return f"{value:,.6g}"


def other_currency(
    claim: Claim,
    found: Any,
    currency: str,
    evidence: Sequence[Evidence],
    stated: str | None = None,
) -> Verdict:
    """Return the verdict on an amount told in another currency than the one found is in."""
    note = f"stated in {stated or claim.unit}, found in {currency}"
    number, step = (
        (claim.value, claim.step) if stated is None else (claim.second, claim.second_step)
    )
    # The same number in another currency is wrong; another number may be right in it.
    if number and isinstance(found, int | float) and abs(found - number) > step / 2 + 1e-9:
        raise NotCheckable("another_currency")
    return answer(claim, CONTRADICTED, found=found, basis="currency", evidence=evidence, note=note)
