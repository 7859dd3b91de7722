"""Judges of what analysts say together: labels, counts, targets, upside."""

from __future__ import annotations

import statistics
from typing import Any

from warehouse.claims.facts import Facts, Judge, price_of
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import Basis, Evidence, NotCheckable, Verdict, other_currency, weigh

_CLUSTER_TOLERANCE = 0.02

_LABELS = {
    "moderate buy": "buy", "outperform": "buy", "overweight": "buy", "neutral": "hold",
    "moderate sell": "sell", "underperform": "sell", "underweight": "sell",
}  # fmt: skip


def _consensus_label(facts: Facts, claim: Claim) -> Verdict:
    wanted = _LABELS.get(claim.grade or "", claim.grade or "")

    def fits(value: Any) -> bool:
        return str(value).lower() == wanted

    bases = [facts.consensus_basis("snapshot_label"), facts.consensus_basis("label")]
    earlier = (
        Basis(f"until {day}", label)
        for day, *labels in facts.former_consensus("snapshot_label", "label")
        for label in labels
        if label
    )
    return weigh(claim, bases, fits=fits, earlier=earlier)


def _counted(*columns: str) -> Judge:
    def judged(facts: Facts, claim: Claim) -> Verdict:
        bases = [facts.consensus_basis(column) for column in columns]
        if claim.unit == "count" and claim.operator in ("over", "under"):
            # Of several counts one is always smaller: a bound is of the widest.
            bases = bases[:1]
        if claim.unit not in ("count", "fraction"):
            _refuse_currency(facts, claim)
            if claim.unit != facts.currency:
                value = bases[0].value
                return other_currency(claim, value, facts.currency or "?", bases[0].evidence)
            factor = facts.price_factor
            bases = [
                Basis(b.name, b.value * factor if b.value is not None else None, b.evidence)
                for b in bases
            ]
        earlier = (
            Basis(f"until {day}", value)
            for day, *values in facts.former_consensus(*columns)
            for value in values[:1]
        )
        return weigh(claim, bases, earlier=earlier)

    return judged


def _refuse_currency(facts: Facts, claim: Claim) -> None:
    if not facts.currency or not claim.unit:
        raise NotCheckable("currency_unknown")


def _rating_count(facts: Facts, claim: Claim) -> Verdict:
    row, what = facts.consensus, claim.argument
    plain = facts.consensus_basis(f"{what}_count")
    firms = None if what.startswith("strong_") else facts.consensus_basis(f"firm_{what}_count")
    if claim.second is not None and firms is not None:
        whole = facts.consensus_basis("firm_count")
        of_whole = Basis(f"{firms.name} of firm_count", [firms.value, whole.value], firms.evidence)
        stated = [claim.value, claim.second]
        return weigh(claim, [of_whole], fits=lambda found: bool(found == stated))
    bases = [plain]
    strong = row.get(f"strong_{what}_count")
    if plain.value is not None and strong:
        whole = Basis(f"{what}_count with strong", plain.value + strong, plain.evidence)
        bases = [whole, plain]
    wholes = [row["analyst_count"]] * len(bases)
    if firms is not None:
        bases.append(firms)
        wholes.append(row["firm_count"])
    if claim.operator in ("over", "under"):
        bases, wholes = bases[:1], wholes[:1]
    if claim.unit == "fraction":
        bases = [
            Basis(
                f"share of {b.name}", b.value / n if b.value is not None and n else None, b.evidence
            )
            for b, n in zip(bases, wholes, strict=True)
        ]
    return weigh(claim, bases)


def _target_average(facts: Facts, claim: Claim) -> Verdict:
    ways = ("mean", "median") if claim.argument == "mean" else ("median",)
    return _counted(*(f"{layer}target_{way}" for way in ways for layer in ("snapshot_", "")))(
        facts, claim
    )


def _target_extreme(facts: Facts, claim: Claim) -> Verdict:
    names = (f"snapshot_target_{claim.argument}", f"target_{claim.argument}")
    return _counted(*names)(facts, claim)


def _target_position(facts: Facts, claim: Claim) -> Verdict:
    """On which side of the average target the close is."""
    bar = facts.bars[facts.place_of(claim)]
    bases = []
    for name in ("snapshot_target_mean", "target_median", "target_mean", "snapshot_target_median"):
        target = facts.consensus_basis(name)
        if target.value is not None:
            ratio = bar.close / target.value
            bases.append(Basis(f"close over {name}", ratio, (price_of(bar), *target.evidence)))
    low = claim.argument == "low"
    sides = {basis.value < 1 for basis in bases}
    if len(sides) > 1:
        raise NotCheckable("averages_differ")
    return weigh(
        claim, bases[:1], fits=lambda v: bool(v < 1 if low else v > 1), note=facts.day_note
    )


def _revision_count(facts: Facts, claim: Claim) -> Verdict:
    """Upgrades, downgrades, raises or cuts of targets in 30 or 90 days."""
    days = {"30 days": 30, "month": 30, "90 days": 90, "3m": 90}.get(claim.window or "")
    if days is None or claim.period:
        raise NotCheckable("window_not_supported")
    basis = facts.consensus_basis(f"{claim.argument}_{days}d")
    return weigh(claim, [basis])


def _upside(facts: Facts, claim: Claim) -> Verdict:
    if claim.grade is not None and claim.firm is not None:
        raise NotCheckable("rank_not_read")
    if claim.grade == "median":
        medians = ("upside_median", "snapshot_upside_median")
        return weigh(claim, [facts.consensus_basis(n) for n in medians], note=facts.day_note)
    if claim.grade is not None:
        bar, bases = facts.bars[facts.last], []
        for layer in ("snapshot_", ""):
            target = facts.consensus_basis(f"{layer}target_{claim.grade}")
            if target.value is not None:
                value = target.value / bar.close - 1
                evidence = (*target.evidence, price_of(bar))
                bases.append(Basis(f"{target.name} over the close", value, evidence))
        return weigh(claim, bases, note=facts.day_note)
    if claim.firm is not None:
        return _upside_of_firm(facts, claim)
    if claim.second is not None:
        if claim.second_unit != facts.currency:
            raise NotCheckable("currencies_differ")
        bar = facts.bars[facts.last]
        value = claim.second / (bar.close * facts.price_factor) - 1
        basis = Basis(f"the stated {claim.second:g} over the close", value, (price_of(bar),))
        return weigh(claim, [basis], note=facts.day_note)
    names = ("snapshot_upside_mean", "upside_median", "snapshot_upside_median", "upside_mean")
    return weigh(claim, [facts.consensus_basis(name) for name in names], note=facts.day_note)


def _upside_of_firm(facts: Facts, claim: Claim) -> Verdict:
    """What the newest target of one firm is above the close."""
    call = next((c for c in facts.calls if c["firm"] == claim.firm), None)
    if call is None or call["told_target"] is None:
        raise NotCheckable("no_call_of_firm")
    code, units = facts.major_of(call["target_currency"])
    if code != facts.currency:
        raise NotCheckable("currencies_differ")
    bar = facts.bars[facts.last]
    target = Evidence(
        call["table_name"], call["row_id"], "target", call["told_target"], call["known_from"]
    )
    value = call["told_target"] / units / (bar.close * facts.price_factor) - 1
    return weigh(
        claim,
        [Basis(f"{claim.firm}'s target over the close", value, (target, price_of(bar)))],
        note=facts.day_note,
    )


def _target_range(facts: Facts, claim: Claim) -> Verdict:
    assert claim.value is not None and claim.high is not None
    row, factor = facts.consensus, facts.price_factor
    if claim.unit != facts.currency:
        basis = facts.consensus_basis("target_cluster_low")
        return other_currency(claim, basis.value, facts.currency or "?", basis.evidence)
    used = sorted(vote[3] for vote in facts.votes if vote[4] == "used")

    def pair(low: str, high: str, name: str) -> Basis:
        if row[low] is None or row[high] is None:
            return Basis(name, None)
        evidence = (*facts.consensus_basis(low).evidence, *facts.consensus_basis(high).evidence)
        values = [row[low] * factor, row[high] * factor]
        return Basis(name, values, tuple(dict.fromkeys(evidence)))

    cluster = pair("target_cluster_low", "target_cluster_high", "shorth of the firms' targets")
    spans = [
        pair("snapshot_target_low", "snapshot_target_high", "snapshot's low and high"),
        pair("target_low", "target_high", "lowest and highest of the firms' targets"),
    ]
    quartiles = Basis("quartiles", None)
    if len(used) >= 5:
        cuts = statistics.quantiles(used, n=4, method="inclusive")
        quartiles = Basis(
            "quartiles of the firms' targets",
            [cuts[0] * factor, cuts[2] * factor],
            cluster.evidence,
        )
    bases = [cluster, quartiles] if claim.argument == "cluster" else [*spans, cluster, quartiles]
    stated = (claim.value, claim.high)

    def fits(value: Any) -> bool:
        return all(
            abs(found / told - 1) <= _CLUSTER_TOLERANCE + 1e-9
            for found, told in zip(value, stated, strict=True)
        )

    columns = (
        ("target_cluster_low", "target_cluster_high")
        if claim.argument == "cluster"
        else ("snapshot_target_low", "snapshot_target_high")
    )
    earlier = (
        Basis(f"until {day}", [low * factor, high * factor])
        for day, low, high in facts.former_consensus(*columns)
        if low is not None and high is not None
    )
    return weigh(claim, bases, fits=fits, earlier=earlier)


JUDGES: dict[str, Judge] = {
    "consensus_label": _consensus_label,
    "analyst_count": _counted("analyst_count", "snapshot_target_count", "firm_count"),
    "rating_count": _rating_count,
    "mean_score": _counted("snapshot_mean_score", "mean_score"),
    "target_count": _counted("target_count", "snapshot_target_count"),
    "target_average": _target_average,
    "target_extreme": _target_extreme,
    "target_range": _target_range,
    "target_position": _target_position,
    "upside": _upside,
    "revision_count": _revision_count,
}
