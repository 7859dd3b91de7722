"""Judges of what a company is worth, pays and is listed as."""

from __future__ import annotations

import statistics
from typing import Any

from warehouse.claims.facts import (
    Facts,
    Judge,
    last_day_of,
    months_before,
    price_of,
    row_evidence,
    valuations_of,
)
from warehouse.claims.model import Claim
from warehouse.claims.verdicts import Basis, Evidence, NotCheckable, Verdict, other_currency, weigh

_EXCHANGES = {
    "NYQ": ("nyse", "new"), "NYSE": ("nyse", "new"), "XNYS": ("nyse", "new"),
    "NMS": ("nasdaq", "nasdaqgs"), "NGM": ("nasdaq",), "NCM": ("nasdaq",), "NAS": ("nasdaq",),
    "HKG": ("hong", "hkex", "hkg", "sehk"), "LSE": ("london", "lse"), "ASE": ("amex",),
}  # fmt: skip


def _own_multiple(row: dict[str, Any], eps: str) -> float | None:
    if row["currency"] != row["eps_currency"] or not row["price"] or (row[eps] or 0) <= 0:
        return None
    return float(row["price"] / row[eps])


def _multiple(facts: Facts, claim: Claim) -> Verdict:
    if not facts.valuations:
        raise NotCheckable("no_valuation")
    row, metric = facts.valuations[0], claim.argument
    bases = []
    if metric != "price_to_sales":
        eps = "forward_eps" if metric == "forward_pe" else "trailing_eps"
        if (row[eps] or 0) < 0:
            raise NotCheckable("no_positive_earnings")
        if row["eps_currency"] and row["currency"] and row["eps_currency"] != row["currency"]:
            raise NotCheckable("currencies_differ")
        told = row_evidence(row, "raw.valuations", "price", eps)
        bases.append(Basis("price over earnings", _own_multiple(row, eps), told))
        if row[eps]:
            bar = facts.bars[facts.last]
            value = bar.close * facts.split_factor / row[eps]
            bases.append(Basis("the day's close over earnings", value, (told[1], price_of(bar))))
    bases.append(Basis("vendor's", row[metric], row_evidence(row, "raw.valuations", metric)))
    earlier = (
        Basis(f"on {old['valued_on']}", old[metric], row_evidence(old, "raw.valuations", metric))
        for old in facts.valuations[1:13]
    )
    return weigh(claim, bases, earlier=earlier, note=f"valued on {row['valued_on']}")


def _peers(facts: Facts, claim: Claim) -> Verdict:
    peers = facts.rows(
        "select peer from rules.peers where ticker = ? and valid_from <= ? "
        "and (valid_to is null or valid_to >= ?) order by peer",
        facts.ticker, facts.session, facts.session,
    )  # fmt: skip
    found: list[tuple[float, tuple[Evidence, ...]]] = []
    own = None
    names = [facts.ticker, *(row[0] for row in peers)]
    for ticker, valued in valuations_of(facts, names).items():
        multiple = _own_multiple(valued[0], "forward_eps") if valued else None
        if multiple is None:
            continue
        evidence = row_evidence(valued[0], "raw.valuations", "price", "forward_eps")
        if ticker == facts.ticker:
            own = (multiple, evidence)
        else:
            found.append((multiple, evidence))
    if own is None or len(found) < 5:
        raise NotCheckable("too_few_peers" if own else "no_multiple")
    median = statistics.median(multiple for multiple, _ in found)
    evidence = (*own[1], *(one for _, told in found for one in told))
    ratio = Basis("forward P/E over the peers' median", own[0] / median, evidence)
    return weigh(
        claim, [ratio], fits=lambda v: bool(v < 1 if claim.argument == "low" else v > 1),
        note=f"{own[0]:.1f} against {median:.1f}, the median of {len(found)} peers of rules.peers",
    )  # fmt: skip


def _market_cap(facts: Facts, claim: Claim) -> Verdict:
    row = facts.valuations[0] if facts.valuations else None
    code, units = facts.major(row["currency"]) if row else facts.quoted
    code = code or facts.currency
    if row and code and code != claim.unit:
        return other_currency(
            claim, row["market_cap"], code,
            row_evidence(row, "raw.valuations", "market_cap"),
        )  # fmt: skip
    bases = []
    if row and row["market_cap"] is not None:
        told = row_evidence(row, "raw.valuations", "market_cap")
        bases.append(Basis("vendor's", row["market_cap"] / units, told))
        if units != 1:
            # Vendors quote in pence and give the whole in pounds, or both in pence.
            bases.append(Basis("vendor's, as told", row["market_cap"], told))
    shares = facts.rows(
        "select row_id, shares_outstanding, known_from from staging.stg_securities_history "
        "where ticker = ? and known_from <= ? order by known_from desc limit 1",
        facts.ticker,
        facts.moment,
    )
    if shares and shares[0][1]:
        bar = facts.bars[facts.last]
        count = Evidence("raw.securities", shares[0][0], "shares_outstanding", *shares[0][1:])
        whole = bar.close * facts.price_factor * shares[0][1]
        bases.append(Basis("close times shares", whole, (price_of(bar), count)))
    return weigh(claim, bases)


def _short_interest(facts: Facts, claim: Claim) -> Verdict:
    found = facts.records(
        "select row_id, settled_on, short_share_of_float, days_to_cover, known_from "
        "from staging.stg_short_interest where ticker = ? and known_from <= ? "
        "order by settled_on desc limit 12",
        facts.ticker,
        facts.moment,
    )
    if not found:
        raise NotCheckable("no_short_interest")
    told = [
        Basis(f"settled on {r['settled_on']}", r[claim.argument],
              row_evidence(r, "raw.short_interest", claim.argument))
        for r in found
    ]  # fmt: skip
    return weigh(claim, told[:1], earlier=told[1:])


def _dividend(facts: Facts, claim: Claim) -> Verdict:
    bars, last = facts.bars, facts.last
    since = months_before(bars[last].session, 12)
    paid = [bar for bar in bars[: last + 1] if bar.dividend and bar.session > since]
    if claim.kind == "dividend" and claim.day and claim.day[1]:
        begin, until = claim.day[1], last_day_of(claim.day[1], claim.day[0])
        paid = [bar for bar in paid if begin <= bar.session <= until]
    elif claim.kind == "dividend" and claim.day:
        raise NotCheckable("day_not_supported")
    if not paid:
        raise NotCheckable("no_dividend")
    evidence = tuple(price_of(bar, "dividend") for bar in paid)
    total = sum(bar.dividend for bar in paid) * facts.price_factor
    if claim.kind == "dividend_yield":
        value = total / (bars[last].close * facts.price_factor)
        told = (*evidence, price_of(bars[last]))
        return weigh(claim, [Basis("dividends of 12 months over the close", value, told)])
    if claim.unit != facts.currency:
        return other_currency(claim, total, facts.currency or "?", evidence)
    newest = Basis("last dividend", paid[-1].dividend * facts.price_factor, evidence[-1:])
    return weigh(claim, [newest, Basis("dividends of 12 months", total, evidence)])


def _security(facts: Facts, column: str) -> tuple[Any, Evidence]:
    if column not in ("exchange", "currency", "financial_currency"):
        raise ValueError(column)
    found = facts.rows(
        f"select row_id, {column}, known_from from staging.stg_securities_history "
        "where ticker = ? and known_from <= ? order by known_from desc limit 1",
        facts.ticker,
        facts.moment,
    )
    if not found or found[0][1] is None:
        raise NotCheckable("no_master_data")
    row_id, value, known_from = found[0]
    return value, Evidence("raw.securities", row_id, column, value, known_from)


def _listing(facts: Facts, claim: Claim) -> Verdict:
    exchange, evidence = _security(facts, "exchange")
    known = _EXCHANGES.get(exchange)
    if known is None:
        raise NotCheckable("unknown_exchange")
    basis = Basis("exchange", exchange, (evidence,))
    return weigh(claim, [basis], fits=lambda _: (claim.grade or "") in known)


def _currency(facts: Facts, claim: Claim) -> Verdict:
    column = "financial_currency" if claim.argument == "reporting" else "currency"
    code, evidence = _security(facts, column)
    basis = Basis(column, code, (evidence,))
    return weigh(claim, [basis], fits=lambda value: bool(value == claim.grade))


JUDGES: dict[str, Judge] = {
    "market_cap": _market_cap,
    "multiple": _multiple,
    "peers": _peers,
    "dividend": _dividend,
    "dividend_yield": _dividend,
    "short_interest": _short_interest,
    "listing": _listing,
    "currency": _currency,
}
