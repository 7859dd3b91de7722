"""Judges of calls of single firms: grades, targets, and how both were changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from warehouse.claims.facts import Facts, Judge
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    OTHER_BASIS,
    STALE,
    SUPPORTED,
    Evidence,
    NotCheckable,
    Verdict,
    answer,
)
from warehouse.claims.vocabulary import CALL_KINDS
from warehouse.news.vocabulary import rows as seed_rows


def _grade_scores() -> dict[str, tuple[str, str]]:
    return {row["grade"]: (row["score"], row["bucket"]) for row in seed_rows("rating_grades")}


def _plain_grade(grade: str | None) -> str:
    spelled = " ".join((grade or "").lower().replace("-", " ").replace("_", " ").split())
    joined = {"overweight": "overweight", "equalweight": "equal weight"}
    return joined.get(spelled, spelled)


def _way(before: float, now: float) -> str:
    return "up" if now > before else "down" if now < before else "same"


def _call(facts: Facts, claim: Claim) -> Verdict:
    """A firm's call, and where it is said so, that its target is the highest or lowest in use."""
    told = _call_of_firm(facts, claim)
    if not claim.rank or told.verdict not in (SUPPORTED, OTHER_BASIS):
        return told
    used = [(vote[3], vote[0]) for vote in facts.votes if vote[4] == "used"]
    if not used:
        raise NotCheckable("rank_not_read")
    extreme = (max if claim.rank == "high" else min)(target for target, _ in used)
    leaders = sorted(firm for target, firm in used if target == extreme)
    if claim.firm in leaders:
        return told
    return replace(
        told, verdict=CONTRADICTED, reason=None,
        note=f"of {len(used)} targets in use the {claim.rank} is that of {', '.join(leaders)}",
    )  # fmt: skip


def _call_of_firm(facts: Facts, claim: Claim) -> Verdict:
    scores = _grade_scores()
    days = facts.days_of(claim) if claim.window else None

    def grade_fits(call: dict[str, Any]) -> bool | None:
        """True for the same word, None for an equal score, False else."""
        if claim.grade is None:
            return True
        stated, told = _plain_grade(claim.grade), _plain_grade(call["grade"])
        if stated == told:
            return True
        known = scores.get(stated)
        return None if known and known[0] == str(call["score"] or "") and known[0] else False

    def currency_of(call: dict[str, Any]) -> tuple[str | None, float]:
        return facts.major_of(call["target_currency"])

    def amount(value: float | None, call: dict[str, Any]) -> float | None:
        return value / currency_of(call)[1] if value is not None else None

    def target_fits(call: dict[str, Any]) -> bool:
        if claim.value is None:
            return True
        told = amount(call["told_target"], call)
        return told is not None and abs(told - claim.value) <= claim.step / 2 + 1e-9

    def currency_fits(call: dict[str, Any]) -> bool:
        told = currency_of(call)[0]
        return claim.value is None or not told or told == claim.unit

    def change_fits(call: dict[str, Any]) -> bool:
        before, now = call["prior_score"], call["score"]
        if claim.prior_grade is not None:
            known = scores.get(_plain_grade(claim.prior_grade))
            if not known or not known[0] or before is None:
                raise NotCheckable("change_not_known")
            if float(known[0]) != float(before) or before == now:
                return False
        if claim.kind == "rating_change" and claim.argument in ("up", "down"):
            is_so = (
                (now < before) == (claim.argument == "up")
                if None not in (before, now) and before != now
                else call["action"] == claim.argument
            )
            if not is_so:
                return False
        if claim.argument == "init" and call["action"] not in (None, "init"):
            return False
        if claim.second is not None and call["told_target"] is not None:
            base = (
                call["prior_target"] if call["prior_target"] is not None else (call["last_target"])
            )
            if base:
                by = abs(call["told_target"] - base)
                by = by / base if claim.second_unit == "fraction" else amount(by, call) or 0.0
                if abs(by - claim.second) > claim.second_step / 2 + 1e-9:
                    return False
        if claim.change in ("up", "down", "same") and call["told_target"] is not None:
            before = (
                call["prior_target"] if call["prior_target"] is not None else (call["last_target"])
            )
            if before is not None and claim.change != _way(before, call["told_target"]):
                return False
            if None not in (claim.prior, claim.value) and (
                claim.change != _way(claim.prior or 0.0, claim.value or 0.0)
            ):
                return False
        if claim.prior is not None:
            told = (amount(call[name], call) for name in ("prior_target", "last_target"))
            priors = [prior for prior in told if prior is not None]
            return not priors or any(abs(p - claim.prior) <= claim.step / 2 for p in priors)
        return True

    def evidence(call: dict[str, Any]) -> list[Evidence]:
        table, row = call["table_name"], call["row_id"]
        grade = "to_grade" if table == "raw.ratings" else "grade"
        told = [Evidence(table, row, grade, call["grade"], call["known_from"])]
        if call["told_target"] is not None:
            told.append(Evidence(table, row, "target", call["told_target"], call["known_from"]))
        if claim.prior is not None and call["prior_target"] is not None:
            told.append(
                Evidence(table, row, "prior_target", call["prior_target"], call["known_from"])
            )
        return told

    def fits(call: dict[str, Any]) -> bool:
        return (
            grade_fits(call) is not False and target_fits(call) and currency_fits(call)
            and change_fits(call) and (days is None or days[0] <= call["graded_on"] <= days[1])
        )  # fmt: skip

    def shown(call: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        if claim.prior is not None:
            told["prior_target"] = amount(call["prior_target"] or call["last_target"], call)
        if claim.kind == "rating_change":
            told |= {"action": call["action"], "prior_score": call["prior_score"]}
        return told | {
            "firm": call["firm"], "grade": call["grade"],
            "target": amount(call["told_target"], call),
            "currency": currency_of(call)[0], "graded_on": call["graded_on"],
        }  # fmt: skip

    def supported(call: dict[str, Any], basis: str, note: str | None) -> Verdict:
        known = call["prior_target"] is not None or call["last_target"] is not None
        if claim.change and (claim.change == "mixed" or not known):
            raise NotCheckable("change_not_known")
        if (claim.prior is not None or claim.second is not None) and not known:
            raise NotCheckable("change_not_known")
        same = grade_fits(call)
        return answer(
            claim, SUPPORTED if same else OTHER_BASIS, found=shown(call),
            basis=basis if same else "an equivalent grade", evidence=evidence(call), note=note,
        )  # fmt: skip

    own = [call for call in facts.calls if call["firm"] == claim.firm]
    for call in facts.calls_of_the_day:
        if call["firm"] == claim.firm and fits(call):
            return supported(
                call,
                "the firm's call of the day",
                f"dated {call['graded_on']}, its hour is not known",
            )
    if not own:
        theirs = next((c for c in facts.calls if fits(c)), None) if claim.value else None
        if theirs is None:
            raise NotCheckable("no_call_of_firm")
        return answer(
            claim, CONTRADICTED, found=shown(theirs), basis="another firm's call",
            evidence=evidence(theirs), note=f"{claim.firm} has no known call; {theirs['firm']} has",
        )  # fmt: skip
    # The same call may be told twice, by a feed and by the news.
    newest = own[0]["graded_on"]
    current = own[:1] + [call for call in own[1:] if call["graded_on"] == newest]
    note = "a fair value, not a target" if own[0]["is_fair_value"] and claim.value else None
    live = [call for call in current if call["known_from"] >= own[0]["known_from"]] or current
    restated = [call for call in current if call not in live]
    for call in [*live, *[c for c in restated if c["table_name"] != own[0]["table_name"]]]:
        if fits(call):
            if (facts.session - call["graded_on"]).days > 365:
                break
            return supported(call, "the firm's newest call", note)
    for call in own if days is not None else ():
        if fits(call):
            return supported(call, f"the firm's call of {call['graded_on']}", None)
    for call in own:
        if fits(call):
            told = f"true from {call['graded_on']}, replaced on {own[0]['graded_on']}"
            if call is own[0]:
                told = f"the call of {call['graded_on']} is more than a year old"
            return answer(
                claim, STALE, found=shown(own[0]), basis="the firm's newest call",
                evidence=[*evidence(own[0]), *evidence(call)], note=told,
            )  # fmt: skip
    newest_call = own[0]
    if target_fits(newest_call) and not change_fits(newest_call):
        if claim.kind == "rating_change":
            note = f"its action was {newest_call['action']!r}, no change of the grade"
        else:
            before = amount(newest_call["prior_target"] or newest_call["last_target"], newest_call)
            note = (
                f"the target before was {before:g}"
                if before is not None
                else (f"its action was {newest_call['action']!r}")
            )
    elif days is not None and target_fits(newest_call) and not (
        days[0] <= newest_call["graded_on"] <= days[1]
    ):  # fmt: skip
        said = days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"
        note = f"dated {newest_call['graded_on']}, not {said}"
    if not currency_fits(own[0]) and not any(target_fits(call) for call in own):
        raise NotCheckable("another_currency")
    if not currency_fits(own[0]):
        note = f"stated in {claim.unit}, found in {currency_of(own[0])[0]}"
    elif claim.value is not None:
        theirs = next((c for c in facts.calls if c["firm"] != claim.firm and fits(c)), None)
        if theirs is not None:
            note = f"it is the call of {theirs['firm']}"
    return answer(
        claim, CONTRADICTED, found=shown(own[0]), basis="the firm's newest call",
        evidence=evidence(own[0]), note=note,
    )  # fmt: skip


def never_told(facts: Facts, claim: Claim) -> Verdict | None:
    """A call whose target its firm has never had, at whatever time and rank."""
    if claim.kind not in CALL_KINDS or claim.value is None or claim.change == "by":
        return None
    calls = (*facts.calls, *facts.calls_of_the_day)
    own = [call for call in calls if call["firm"] == claim.firm]
    told = [call for call in own if call["told_target"] is not None]
    half = claim.step / 2 + 1e-9
    if not told or len(told) < len(own):
        return None
    newest, note = told[0], "none of the firm's calls has this target"
    for call in told:
        code = call["target_currency"]
        currency, units = facts.major_of(code)
        amount = call["told_target"] / units
        if currency == claim.unit and abs(amount - claim.value) <= half:
            return None
        if currency != claim.unit:
            # The same number in another currency is wrong; another number may be right in it.
            if min(abs(amount - claim.value), abs(call["told_target"] - claim.value)) > half:
                return None
            newest, note = call, f"stated in {claim.unit}, found in {code or facts.currency}"
            break
    evidence = Evidence(
        newest["table_name"], newest["row_id"], "target", newest["told_target"],
        newest["known_from"],
    )  # fmt: skip
    return answer(
        claim, CONTRADICTED, found=newest["told_target"], basis="the firm's calls",
        evidence=(evidence,), note=note,
    )  # fmt: skip


JUDGES: dict[str, Judge] = {
    "rating_call": _call,
    "target_change": _call,
    "rating_change": _call,
}
