"""Judges of risk flags, by the episodes in which each was open."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from warehouse.claims.facts import STALE_DAYS, Facts, Judge
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    STALE,
    SUPPORTED,
    Basis,
    Evidence,
    NotCheckable,
    Verdict,
    answer,
    weigh,
)


def _known_to(facts: Facts) -> date:
    """The last session that had closed at the moment: flags are told of closes."""
    is_closed = facts.moment >= facts.closes_at
    return facts.session if is_closed else facts.session - timedelta(days=1)


def _risk_flag(facts: Facts, claim: Claim) -> Verdict:
    flag = claim.argument
    known_to = _known_to(facts)
    covered = facts.rows(
        "select flag from marts.flag_coverage "
        "where ticker = ? and flag = ? and status = 'evaluated'",
        facts.ticker,
        flag,
    )
    found = facts.rows(
        "select flag_episode_id, kind, severity, opened_on, closed_on from marts.risk_flags "
        "where ticker = ? and flag = ? and opened_on <= ? order by opened_on desc",
        facts.ticker, flag, known_to,
    )  # fmt: skip
    if not covered and not found:
        raise NotCheckable("flag_not_evaluated")
    for episode, kind, severity, opened_on, closed_on in found:
        is_open = closed_on is None or closed_on > known_to
        if claim.change == "closed":
            return _closed_flag(facts, claim, episode, None if is_open else closed_on)
        evidence = [
            Evidence("marts.risk_flags", episode, "opened_on", opened_on, None),
            Evidence("marts.risk_flags", episode, "severity", severity, None),
        ]
        what = {"flag": flag, "kind": kind, "opened_on": opened_on, "closed_on": closed_on}
        if is_open and claim.change == "opened":
            since = facts.days_of(claim)[0]
            days_open = {row[3] for row in found if row[4] is None or row[4] > known_to}
            return answer(
                claim, SUPPORTED if since in days_open else CONTRADICTED,
                found=what, basis="open flag", evidence=evidence,
            )  # fmt: skip
        if is_open:
            note = "an exposure, not a dated event" if kind == "exposure" else None
            return answer(
                claim, SUPPORTED, found=what, basis="open flag", evidence=evidence, note=note
            )
        if (known_to - closed_on).days <= STALE_DAYS:
            return answer(
                claim, CONTRADICTED if "open" in claim.words else STALE,
                found=what, basis="closed flag", evidence=evidence,
                note=f"closed on {closed_on}",
            )  # fmt: skip
    raise NotCheckable("no_open_flag")


def _closed_flag(facts: Facts, claim: Claim, episode: str, closed_on: date | None) -> Verdict:
    """Whether the newest episode of a flag was closed, and on the day a claim names."""
    evidence = (Evidence("marts.risk_flags", episode, "closed_on", closed_on, None),)
    days = facts.days_of(
        replace(claim, window=claim.day[0], stated_on=claim.day[1])
    ) if claim.day else None  # fmt: skip
    is_so = closed_on is not None and (days is None or days[0] <= closed_on <= days[1])
    return answer(
        claim, SUPPORTED if is_so else CONTRADICTED, found=closed_on, basis="closed flag",
        evidence=evidence,
    )  # fmt: skip


def _risk_flag_count(facts: Facts, claim: Claim) -> Verdict:
    """How many flags were open at the moment."""
    known_to = _known_to(facts)
    found = facts.rows(
        "select flag_episode_id, flag, opened_on from marts.risk_flags where ticker = ? "
        "and opened_on <= ? and (closed_on is null or closed_on > ?) order by flag",
        facts.ticker, known_to, known_to,
    )  # fmt: skip
    evidence = tuple(
        Evidence("marts.risk_flags", episode, "flag", flag, None) for episode, flag, _ in found
    )
    # One flag may be open twice: as an exposure and for an event.
    kinds = Basis("names of open flags", len({flag for _, flag, _ in found}), evidence)
    return weigh(claim, [Basis("open flags", len(found), evidence), kinds])


JUDGES: dict[str, Judge] = {
    "risk_flag": _risk_flag,
    "risk_flag_count": _risk_flag_count,
}
