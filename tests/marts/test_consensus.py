"""Votes and consensus against plain Python written from the definitions, not from the SQL."""

from __future__ import annotations

import csv
import json
import math
import random
import re
import statistics
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import exchange_calendars
import pandas as pd
import pytest
from dbt.cli.main import dbtRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.settings import DBT_PROJECT
from warehouse.store import Warehouse

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_real_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data (../shared/data) are not on this machine"
)

# A Friday evening and a Sunday around the day Credit Suisse became UBS (2023-06-12).
EARLIER = datetime(2023, 6, 9, 22)
NOW = datetime(2023, 7, 9, 22)
LAST_SESSION = {EARLIER: date(2023, 6, 9), NOW: date(2023, 7, 7)}
OPENS, CLOSES = time(14, 30), time(21)
WEEKDAYS = [d.date() for d in pd.bdate_range("2021-01-01", "2023-12-29")]
OPENINGS = [datetime.combine(d, OPENS) for d in WEEKDAYS]
# Saturday after a holiday: the last session was Thursday, whose events are known on Monday.
REAL_AS_OF = datetime(2026, 6, 20)
REAL_COUNTED_ON = date(2026, 6, 18)


@dataclass(frozen=True)
class Event:
    """One rating event; without `known_at` it belongs to the first load."""

    ticker: str
    firm: str
    graded_on: date
    to_grade: str
    known_at: datetime | None = None
    graded_at: datetime | None = None
    from_grade: str | None = None
    target: float | None = None
    prior_target: float | None = None
    target_currency: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Quote:
    """What an oracle needs to know of a ticker's prices."""

    session_date: date
    close: float | None
    currency: str
    pit_quality: str | None
    splits: tuple[tuple[date, float], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    ticker: str
    snapshot_date: date
    known_at: datetime
    period: str = "0m"
    strong_buy: int | None = None
    buy: int | None = None
    hold: int | None = None
    sell: int | None = None
    strong_sell: int | None = None
    recommendation_mean: float | None = None
    target_mean: float | None = None
    target_median: float | None = None
    target_high: float | None = None
    target_low: float | None = None
    target_count: int | None = None
    currency: str | None = None


def seed(name: str) -> list[dict[str, str]]:
    with (DBT_PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


GRADES = {row["grade"]: row for row in seed("rating_grades")}
ALIASES = seed("firm_aliases")
UNITS = {
    row["code"]: (row["major_code"], int(row["units_per_major"])) for row in seed("currencies")
}
ABBREVIATIONS = {
    "mkt": "market",
    "sec": "sector",
    "eq": "equal",
    "wt": "weight",
    "eqwt": "equal weight",
    "equalweight": "equal weight",
    "ow": "overweight",
    "overwt": "overweight",
    "uw": "underweight",
    "underwt": "underweight",
    "lt": "long term",
    "nt": "near term",
    "st": "short term",
    "outperf": "outperform",
    "underperf": "underperform",
    "perf": "perform",
    "accum": "accumulate",
    "recomm": "recommended",
}


# The definitions in Python


def normalised(word: str) -> str:
    text = unicodedata.normalize("NFKC", word).casefold()
    text = re.sub(r"[-_/.:<>\s\u200b\u2010-\u2014\u2212]+", " ", text).strip()
    text = re.sub(r"(\([^)]*\) *)+(ratings?)?$", "", text).strip()
    text = " ".join(ABBREVIATIONS.get(part, part) for part in text.split())
    return text if text == "no rating" else re.sub(r" ratings?$", "", text)


def grade(word: str | None) -> dict[str, str] | None:
    return GRADES.get(normalised(word)) if word else None


def score(word: str | None) -> int | None:
    entry = grade(word)
    return int(entry["score"]) if entry and entry["score"] else None


@cache
def alias(firm: str, day: date) -> dict[str, str] | None:
    for row in ALIASES:
        if (
            row["alias"].casefold() == firm.strip().casefold()
            and (row["valid_from"] or "0001-01-01") <= day.isoformat()
            and (row["valid_to"] or "9999-12-31") >= day.isoformat()
        ):
            return row
    return None


@dataclass
class Call:
    """A rating event as it counts: graded, named, and its target made comparable."""

    event: Event
    known_from: datetime
    pit_quality: str
    firm: str
    is_fair_value: bool
    effect: str
    score: int | None
    coverage: int = 0
    prior_score: int | None = None
    is_withdrawal: bool = False
    target: float | None = None
    prior_target: float | None = None
    last_target: float | None = None
    split_factor: float = 1.0

    @property
    def day(self) -> date:
        return self.event.graded_on

    def time_of_day(self) -> datetime:
        moment = self.event.graded_at
        is_known = moment is not None and moment != datetime.combine(self.day, time())
        return moment if is_known and moment is not None else datetime.min


def calls_of(
    events: list[Event], as_of: datetime, counted_on: date, openings: list[datetime]
) -> dict[str, list[Call]]:
    """The events of one ticker that open or close a vote, one per firm and day, by firm."""
    best: dict[tuple[str, date], Call] = {}
    for event in events:
        known_from, pit_quality = event.known_at, "vendor_stated"
        if known_from is None:
            pit_quality = "reconstructed"
            midnight = datetime.combine(event.graded_on + timedelta(days=1), time())
            known_from = event.graded_at or openings[bisect_left(openings, midnight)]
        entry = grade(event.to_grade)
        if known_from > as_of or entry is None or entry["effect"] == "none":
            continue
        found = alias(event.firm, counted_on)
        call = Call(
            event=event,
            known_from=known_from,
            pit_quality=pit_quality,
            firm=found["firm"] if found else event.firm.strip(),
            is_fair_value=event.kind == "fair_value"
            or bool(found and found["is_fair_value"] == "true"),
            effect=entry["effect"],
            score=score(event.to_grade),
        )
        rival = best.get((call.firm, call.day))

        def rank(c: Call) -> tuple[datetime, datetime, float]:
            return c.time_of_day(), c.known_from, c.event.target or 0.0

        if (
            rival is None
            or rank(call) > rank(rival)
            or (rank(call) == rank(rival) and event.to_grade < rival.event.to_grade)
        ):
            best[call.firm, call.day] = call
    by_firm: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(best.values(), key=lambda c: c.day):
        by_firm[call.firm].append(call)
    return by_firm


def in_window(day: date, start: date, end: date) -> bool:
    return start < day <= end


def rate(calls: dict[str, list[Call]], quote: Quote) -> None:
    """Fill in directions and comparable targets, firm by firm."""
    margins: dict[date, int] = defaultdict(int)
    for series in calls.values():
        coverage, previous, prior = 0, None, None
        earlier: dict[tuple[int, str, bool], Call] = {}
        for call in series:
            event = call.event
            call.coverage = coverage
            if call.effect == "closes":
                call.is_withdrawal = previous != "closes"
                coverage, prior = coverage + 1, None
            else:
                call.prior_score = prior if prior is not None else score(event.from_grade)
                prior = call.score
            previous = call.effect
            if not event.target:
                continue
            chain = (call.coverage, event.target_currency or quote.currency, call.is_fair_value)
            before = earlier.get(chain)
            earlier[chain] = call
            named = event.prior_target or None
            since = before.day if before else event.graded_on - timedelta(days=365)
            crossed = [s for s in quote.splits if in_window(s[0], since, event.graded_on)]
            factor = math.prod(ratio for _, ratio in crossed)
            if named and abs(math.log(event.target * factor / named)) < abs(
                math.log(event.target / named)
            ):
                named /= factor
            call.prior_target = named
            if named and before and before.event.target and before.event.known_at:
                for split_on, ratio in crossed:
                    if before.event.known_at.date() >= split_on:
                        told = before.event.target / named
                        if abs(told / ratio - 1) <= 0.02:
                            margins[split_on] += 1
                        elif abs(told - 1) <= 0.02:
                            margins[split_on] -= 1
    for series in calls.values():
        last: dict[tuple[int, str, bool], float] = {}
        for call in series:
            event = call.event
            if not event.target:
                continue
            for split_on, ratio in quote.splits:
                if split_on > event.graded_on:
                    stored = event.known_at.date() if event.known_at else date.max
                    if stored < split_on or margins[split_on] > 0:
                        call.split_factor *= ratio
            told = event.target_currency or quote.currency
            unit, multiplier = told, 1.0
            if UNITS[told][0] == UNITS[quote.currency][0]:
                unit = quote.currency
                multiplier = UNITS[quote.currency][1] / UNITS[told][1]
            call.target = event.target * multiplier / call.split_factor
            if call.prior_target:
                call.prior_target *= multiplier / call.split_factor
            chain = (call.coverage, unit, call.is_fair_value)
            call.last_target = last.get(chain)
            last[chain] = call.target


def live_votes(calls: dict[str, list[Call]], quote: Quote, counted_on: date) -> dict[str, Any]:
    """The last call of each firm, unless it closed or expired, with the status of its target."""
    votes: dict[str, Any] = {}
    for firm, series in calls.items():
        call = series[-1]
        if call.effect != "vote" or call.day + timedelta(days=365) <= counted_on:
            continue
        stated = call.event.target_currency
        status = "used"
        if call.target is None:
            status = "none"
        elif call.is_fair_value:
            status = "fair_value"
        elif stated:
            if UNITS[stated][0] != UNITS[quote.currency][0]:
                status = "currency_unknown"
        elif quote.close and not 0.2 <= call.target / quote.close <= 5:
            status = "currency_unknown"
        votes[firm] = (call, status)
    used = [call.target for call, status in votes.values() if status == "used"]
    if used:
        middle = statistics.median(used)
        spread = statistics.median(abs(target - middle) for target in used)
        for firm, (call, status) in votes.items():
            if status == "used" and abs(call.target - middle) > 3 * 1.4826 * spread:
                votes[firm] = (call, "outlier")
    return votes


def shorth(targets: list[float]) -> tuple[float, float] | tuple[None, None]:
    """Of all intervals between two targets that hold enough of them: the shortest."""
    if len(targets) < 5:
        return None, None
    needed, middle = len(targets) // 2 + 1, statistics.median(targets)
    return min(
        (
            (low, high)
            for low in targets
            for high in targets
            if sum(low <= target <= high for target in targets) >= needed
        ),
        key=lambda ends: (
            round(ends[1] - ends[0], 6),
            round(abs((ends[0] + ends[1]) / 2 - middle), 6),
            ends[0],
        ),
    )


def label(mean: float | None, votes: int | None) -> str | None:
    if votes is not None and votes < 3:
        return "insufficient"
    if mean is None:
        return None
    cuts = ((1.5, "Strong Buy"), (2.5, "Buy"), (3.5, "Hold"), (4.5, "Sell"), (5, "Strong Sell"))
    return next(word for cut, word in cuts if mean <= cut)


def over(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def event_layer(
    calls: dict[str, list[Call]], votes: dict[str, Any], quote: Quote, counted_on: date
) -> dict[str, Any]:
    scores = [call.score for call, _ in votes.values()]
    targets = sorted(c.target for c, status in votes.values() if status in ("used", "outlier"))
    mean = statistics.fmean(scores) if scores else None
    row: dict[str, Any] = {
        "firm_count": len(votes),
        "firm_buy_count": sum(value <= 2 for value in scores),
        "firm_hold_count": sum(value == 3 for value in scores),
        "firm_sell_count": sum(value >= 4 for value in scores),
        "mean_score": mean,
        "median_score": statistics.median(scores) if scores else None,
        "label": label(mean, len(votes)),
        "median_vote_age_days": statistics.median(
            max((counted_on - call.day).days, 0) for call, _ in votes.values()
        )
        if votes
        else None,
        "target_count": len(targets),
        "target_mean": statistics.fmean(targets) if targets else None,
        "target_median": statistics.median(targets) if targets else None,
        "target_high": max(targets, default=None),
        "target_low": min(targets, default=None),
        "target_stddev": statistics.stdev(targets) if len(targets) > 1 else None,
    }
    row["target_cv"] = over(row["target_stddev"], row["target_mean"])
    row["target_cluster_low"], row["target_cluster_high"] = shorth(targets)
    for name in ("mean", "median"):
        ratio = over(row[f"target_{name}"], quote.close)
        row[f"upside_{name}"] = None if ratio is None else ratio - 1
    for days in (30, 90):
        recent = [
            call
            for series in calls.values()
            for call in series
            if in_window(call.day, counted_on - timedelta(days=days), counted_on)
        ]
        moves = [
            (call.prior_score or 0) - (call.score or 0)
            for call in recent
            if call.effect == "vote" and call.prior_score
        ]
        changes = [
            math.log(call.target / (call.prior_target or call.last_target or 0))
            for call in recent
            if call.effect == "vote"
            and call.target
            and (call.prior_target or call.last_target)
            and not call.is_fair_value
        ]
        up, down = sum(move > 0 for move in moves), sum(move < 0 for move in moves)
        raised, cut = sum(c > 1e-5 for c in changes), sum(c < -1e-5 for c in changes)
        row |= {
            f"upgrades_{days}d": up,
            f"downgrades_{days}d": down,
            f"net_upgrade_share_{days}d": over(up - down, len(votes)),
            f"target_raises_{days}d": raised,
            f"target_cuts_{days}d": cut,
            f"target_breadth_{days}d": over(raised - cut, raised + cut),
            f"target_revision_{days}d": statistics.median(changes) if changes else None,
        }
        row["withdrawals_90d"] = sum(call.is_withdrawal for call in recent)
        row["qualities"] = [call.pit_quality for call in recent]
    row["qualities"] += [call.pit_quality for call, _ in votes.values()]
    return row


def snapshot_layer(snapshot: Snapshot | None, quote: Quote) -> dict[str, Any]:
    names = ("strong_buy", "buy", "hold", "sell", "strong_sell")
    targets = ("mean", "median", "high", "low")
    row: dict[str, Any] = {f"{name}_count": None for name in names}
    row |= {f"snapshot_target_{name}": None for name in (*targets, "count")}
    row |= {"analyst_count": None, "snapshot_mean_score": None, "snapshot_label": None}
    row |= {"snapshot_upside_mean": None, "snapshot_upside_median": None, "snapshot_on": None}
    if snapshot is None:
        return row
    counts = [getattr(snapshot, name) for name in names]
    row |= {f"{name}_count": count for name, count in zip(names, counts, strict=True)}
    row["snapshot_on"] = snapshot.snapshot_date
    row["snapshot_target_count"] = snapshot.target_count
    if any(count is not None for count in counts):
        row["analyst_count"] = sum(count or 0 for count in counts)
    weighed = sum(place * (count or 0) for place, count in enumerate(counts, start=1))
    mean = snapshot.recommendation_mean or over(weighed, row["analyst_count"])
    opinions = [n for n in (row["analyst_count"], snapshot.target_count) if n is not None]
    row["snapshot_mean_score"] = mean
    row["snapshot_label"] = label(mean, max(opinions, default=None))
    told = snapshot.currency or quote.currency
    if UNITS[told][0] != UNITS[quote.currency][0]:
        return row
    multiplier = UNITS[quote.currency][1] / UNITS[told][1]
    for split_on, ratio in quote.splits:
        if split_on > snapshot.known_at.date():
            multiplier /= ratio
    for name in targets:
        value = getattr(snapshot, f"target_{name}")
        row[f"snapshot_target_{name}"] = value * multiplier if value else None
    for name in ("mean", "median"):
        ratio = over(row[f"snapshot_target_{name}"], quote.close)
        if ratio is not None and (snapshot.currency or 0.2 <= ratio <= 5):
            row[f"snapshot_upside_{name}"] = ratio - 1
    return row


def expected(
    events: list[Event],
    quotes: dict[str, Quote],
    snapshots: list[Snapshot],
    as_of: datetime,
    counted_on: date,
    openings: list[datetime],
) -> tuple[dict[tuple[str, str], tuple[Any, ...]], dict[str, dict[str, Any]]]:
    """Every vote and every row of the consensus."""
    votes: dict[tuple[str, str], tuple[Any, ...]] = {}
    rows: dict[str, dict[str, Any]] = {}
    by_ticker: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_ticker[event.ticker].append(event)
    for ticker, quote in quotes.items():
        calls = calls_of(by_ticker[ticker], as_of, counted_on, openings)
        rate(calls, quote)
        live = live_votes(calls, quote, counted_on)
        for firm, (call, status) in live.items():
            votes[ticker, firm] = (
                call.event.to_grade,
                call.score,
                call.target,
                call.prior_target,
                status,
                call.day,
                call.known_from,
                call.day + timedelta(days=365),
                call.pit_quality,
            )
        told = [
            s for s in snapshots if (s.ticker, s.period) == (ticker, "0m") and s.known_at <= as_of
        ]
        snapshot = max(told, key=lambda s: s.snapshot_date, default=None)
        row = event_layer(calls, live, quote, counted_on) | snapshot_layer(snapshot, quote)
        row |= {"close": quote.close, "currency": quote.currency}
        row["session_date"] = quote.session_date
        row["coverage_ratio"] = over(row["firm_count"], row["analyst_count"])
        qualities = [*row.pop("qualities"), quote.pit_quality]
        qualities += ["vendor_stated"] if snapshot else []
        order = ("reconstructed", "vendor_stated", None)
        row["pit_quality"] = next(q for q in order if q in qualities or q is None)
        rows[ticker] = row
    return votes, rows


# Building the marts


@dataclass(frozen=True)
class Marts:
    votes: dict[tuple[str, str], tuple[Any, ...]]
    consensus: dict[str, dict[str, Any]]
    path: Path


DBT = ("-q", "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT))
Build = Callable[..., Marts]


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """dbt in this process, parsed once."""
    folder = str(tmp_path_factory.mktemp("dbt"))
    paths = ("--target-path", folder, "--log-path", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BELLWETHER_BUILD", str(Path(folder) / "bellwether.duckdb"))
        parsed = dbtRunner().invoke(["parse", *DBT, *paths])
        assert parsed.success, parsed.exception

        def invoke(command: str, *arguments: str, path: Path | None = None) -> Any:
            if path:
                patch.setenv("BELLWETHER_BUILD", str(path))
            done = dbtRunner(manifest=parsed.result).invoke([command, *DBT, *paths, *arguments])
            assert done.success, done.exception or [
                (result.node.name, result.message)
                for result in done.result
                if result.status in ("error", "fail")
            ]
            return done.result

        yield invoke


@pytest.fixture(scope="module")
def build(dbt: Callable[..., Any]) -> Build:
    def built(path: Path, as_of: datetime, *, unit_tests: bool = False) -> Marts:
        chosen = ["--select", "+votes", "+consensus_history"]
        dbt(
            "build",
            *("--vars", json.dumps({"as_of": str(as_of)})),
            *(chosen if unit_tests else [*chosen, "--exclude", "test_type:unit"]),
            path=path,
        )
        with duckdb.connect(str(path), read_only=True) as con:
            votes = con.sql(
                """
                select v.ticker, v.firm, v.grade, v.score, v.target, v.prior_target,
                    v.target_status, v.graded_on, v.known_from, v.expires_on, v.pit_quality
                from marts.votes v
                join raw.ratings r on r.row_id = v.row_id
                    and (r.ticker, r.graded_on, r.to_grade) = (v.ticker, v.graded_on, v.grade)
                """
            ).fetchall()
            assert con.sql("select count(*) from marts.votes").fetchall() == [(len(votes),)]
            consensus = con.sql("select * from marts.consensus")
            names = consensus.columns
            rows = [dict(zip(names, row, strict=True)) for row in consensus.fetchall()]
        by_firm = {row[:2]: row[2:] for row in votes}
        return Marts(by_firm, {row.pop("ticker"): row for row in rows}, path)

    return built


def frame(rows: list[Any]) -> pd.DataFrame:
    names = [field.name for field in fields(rows[0])]
    return pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)


def is_same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, int | float):
        return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9)
    return bool(found == wanted)


def assert_equal(
    marts: Marts,
    votes: dict[tuple[str, str], tuple[Any, ...]],
    rows: dict[str, dict[str, Any]],
) -> None:
    assert marts.votes.keys() == votes.keys()
    wrong = [
        (key, marts.votes[key], wanted)
        for key, wanted in votes.items()
        if not all(map(is_same, marts.votes[key], wanted))
    ]
    assert wrong == []
    assert marts.consensus.keys() == rows.keys()
    odd = [
        (ticker, name, marts.consensus[ticker][name], value)
        for ticker, row in rows.items()
        for name, value in row.items()
        if not is_same(marts.consensus[ticker][name], value)
    ]
    assert odd == []
    assert {*next(iter(marts.consensus.values()))} == {*next(iter(rows.values()))}


# Scenarios: one ticker each, closing at 100 USD on both days


def day(text: str) -> date:
    return date.fromisoformat(f"2023-{text}")


def told(firm: str, on: str, word: str, known: str | None = None, **more: Any) -> Event:
    """An event known at noon of its day, or of `known`."""
    known_at = datetime.combine(day(known or on), time(12))
    return Event("", firm, day(on), word, **({"known_at": known_at} | more))


SCENARIOS: dict[str, tuple[list[Event], dict[str, Any]]] = {
    "LATE": (
        [
            told("Alpha", "05-10", "Buy"),
            told("Alpha", "05-02", "Sell", known="07-01"),
            told("Beta", "05-02", "Sell"),
            told("Beta", "05-10", "Buy", known="07-01"),
            told("Gamma", "05-10", "Suspended"),
            told("Gamma", "05-02", "Buy", known="07-01"),
        ],
        {"Alpha": "Buy", "Beta": "Buy"},
    ),
    "UNKNOWN": ([told("Alpha", "05-10", "Buy", known="07-10")], {}),
    "CLOSED": (
        [
            told("Alpha", "03-01", "Buy"),
            told("Alpha", "05-01", "Coverage Dropped"),
            told("Beta", "03-01", "Buy"),
            told("Beta", "05-01", "Not Rated"),
            told("Beta", "06-20", "Hold"),
        ],
        {"Beta": "Hold"},
    ),
    "WORDS": (
        [
            told("Alpha", "03-01", "Buy"),
            told("Alpha", "05-01", "Moonshot"),
            told("Beta", "03-01", "Buy"),
            told("Beta", "05-01", ""),
            told("Gamma", "05-01", "Moonshot"),
            told("Delta", "05-01", "N/A"),
            told("Epsilon", "05-01", "Tender"),
        ],
        {"Alpha": "Buy", "Beta": "Buy"},
    ),
    "EXPIRY": (
        [
            replace(told("Alpha", "07-07", "Buy"), graded_on=date(2022, 7, 7), known_at=None),
            replace(told("Beta", "07-08", "Buy"), graded_on=date(2022, 7, 8), known_at=None),
        ],
        {"Beta": "Buy"},
    ),
    "NAMES": (
        [
            told("Cowen & Co.", "03-01", "Buy"),
            told("TD Cowen", "05-01", "Hold"),
            told("B of A Securities", "05-01", "Buy"),
            told("merrill lynch", "03-01", "Sell"),
            told("BANK OF AMERICA", "04-01", "Sell"),
            told(" Nobody Knows ", "05-01", "Buy"),
            told("KeyBanc Capital Markets", "05-02", "Buy"),
            told("Keybanc", "05-01", "Sell"),
        ],
        {"TD Cowen": "Hold", "BofA Securities": "Buy", "Nobody Knows": "Buy", "KeyBanc": "Buy"},
    ),
    "MERGED": (
        [told("Credit Suisse", "03-01", "Sell"), told("UBS", "05-01", "Buy")],
        {"UBS": "Buy"},
    ),
    "TWICE": (
        [
            told("Alpha", "05-01", "Buy", graded_at=datetime(2023, 5, 1, 14)),
            told("Alpha", "05-01", "Sell", known="05-20", graded_at=datetime(2023, 5, 1, 9)),
            told("Beta", "05-01", "Buy", known="05-20"),
            told("Beta", "05-01", "Sell", known="05-21"),
            told("Gamma", "05-01", "Buy", known="05-21", graded_at=datetime(2023, 5, 1)),
            told("Gamma", "05-01", "Sell", known="05-20"),
        ],
        {"Alpha": "Buy", "Beta": "Sell", "Gamma": "Buy"},
    ),
    "SPELLING": (
        [
            told("Alpha", "05-01", "Mkt. Perform"),
            told("Beta", "05-01", "EQUAL-WEIGHT (speculative)"),
            told("Gamma", "05-01", "Sector Outperf Rating"),
            told("Delta", "05-01", "ＯＷ"),
        ],
        {
            "Alpha": "Mkt. Perform",
            "Beta": "EQUAL-WEIGHT (speculative)",
            "Gamma": "Sector Outperf Rating",
            "Delta": "ＯＷ",
        },
    ),
    "TARGETS": (
        [
            told("Zero", "05-01", "Buy", target=0),
            told("Used", "05-01", "Buy", target=130, prior_target=120),
            told("Low", "05-01", "Buy", target=20),
            told("Lower", "05-01", "Buy", target=19.99),
            told("High", "05-01", "Buy", target=500),
            told("Higher", "05-01", "Buy", target=500.01),
            told("Stated", "05-01", "Buy", target=900, target_currency="USD"),
            told("Euro", "05-01", "Buy", target=120, target_currency="EUR"),
            told("Fair", "05-01", "Buy", target=125, kind="fair_value"),
            told("Morningstar", "05-01", "Buy", target=125),
        ],
        {
            "Zero": "none",
            "Used": "used",
            "Low": "used",
            "Lower": "currency_unknown",
            "High": "used",
            "Higher": "currency_unknown",
            "Stated": "used",
            "Euro": "currency_unknown",
            "Fair": "fair_value",
            "Morningstar": "fair_value",
        },
    ),
    "OUTLIER": (
        [
            told(firm, "05-01", "Buy", target=target)
            for firm, target in zip("ABCDE", (100, 110, 120, 130, 170), strict=True)
        ],
        {"A": "used", "B": "used", "C": "used", "D": "used", "E": "outlier"},
    ),
}


def scenario_events() -> list[Event]:
    return [
        replace(event, ticker=ticker)
        for ticker, (events, _) in SCENARIOS.items()
        for event in events
    ]


# Random facts

RANDOM_TICKERS = [f"R{number}" for number in range(90)]
FIRMS = [*(f"Firm {letter}" for letter in "ABCDEFGHIJKLM"), "Credit Suisse", "UBS", "UBS Group"]
FIRMS += ["Cowen & Co.", "TD Cowen", "Morningstar", "firm a "]
WORDS = ["Strong Buy", "Buy", "Outperform", "Overweight", "Hold", "Equal-Weight", "Sector Perform"]
WORDS += ["Underperform", "Sell", "Strong Sell", "Suspended", "Not Rated", "", "Moonshot"]


def random_events(rng: random.Random, ticker: str, currency: str, base: float) -> list[Event]:
    """Calls of two years, most of them recent, some of them late."""
    found: dict[tuple[Any, ...], Event] = {}
    firms = rng.sample(FIRMS, rng.randint(1, len(FIRMS)))
    for number in range(rng.randint(0, 70)):
        back = rng.randint(0, 120) if rng.random() < 0.7 else rng.randint(0, 800)
        graded_on = date(2023, 7, 12) - timedelta(days=back)
        known_at = datetime.combine(graded_on, time(12, number % 60, number // 60))
        delay = rng.choice([0, 0, 0, 1, 5, 40])
        stated = rng.choice([None] * 6 + [currency, "EUR"])
        if currency == "GBp":
            stated = rng.choice([None, "GBP", "GBp", "GBX"])
        unit = 0.01 if stated == "GBP" else 1.0
        target = rng.choice([0.0, None, 1, 1, 1, 1, 1, 1, 0.1, 4])
        if target:
            target = round(base * target * rng.choice([1, 1, 1, 2]) * rng.uniform(0.8, 1.5)) * unit
        event = Event(
            ticker,
            rng.choice(firms),
            graded_on,
            rng.choices(WORDS, [2, 8, 5, 4, 6, 4, 2, 3, 3, 1, 1, 1, 1, 1])[0],
            known_at=None if rng.random() < 0.3 else known_at + timedelta(days=delay),
            graded_at=rng.choice([None, None, known_at - timedelta(hours=rng.randint(0, 3))]),
            from_grade=rng.choice([None, None, *WORDS]),
            target=target or None,
            prior_target=round(target * rng.choice([0.5, 0.9, 1, 1.1, 2]), 2) if target else None,
            target_currency=stated,
            kind=rng.choice([None] * 9 + ["fair_value"]),
        )
        if rng.random() < 0.4:
            event = replace(event, prior_target=None)
        found[event.firm, event.graded_on, event.to_grade] = event
    return list(found.values())


@dataclass(frozen=True)
class Facts:
    events: list[Event]
    quotes: dict[datetime, dict[str, Quote]]
    snapshots: list[Snapshot]


def simulate(path: Path) -> Facts:
    """Scenarios and random tickers, stored in one load."""
    rng = random.Random(20230707)
    events, bars, snapshots = scenario_events(), [], []
    currencies = dict.fromkeys((*SCENARIOS, *RANDOM_TICKERS), "USD")
    quotes: dict[datetime, dict[str, Quote]] = {EARLIER: {}, NOW: {}}
    for ticker in currencies:
        number = RANDOM_TICKERS.index(ticker) if ticker in RANDOM_TICKERS else None
        base = 100.0
        splits: tuple[tuple[date, float], ...] = ()
        if number is not None:
            base = rng.choice([20.0, 100.0, 400.0])
            if number % 5 == 0:
                currencies[ticker] = "GBp"
            if number % 3 == 0:
                splits = ((day("05-10"), rng.choice([2, 3, 4, 10, 0.5, 0.1])),)
            events += random_events(rng, ticker, currencies[ticker], base)
        currency = currencies[ticker]
        for as_of in (EARLIER, NOW):
            close = base * (1 if number is None else rng.uniform(0.7, 1.3))
            close = None if number is not None and number % 7 == 1 else close
            if close is not None:
                bars.append((ticker, LAST_SESSION[as_of], close, 1.0, currency))
            quality = None if close is None and not splits else "vendor_stated"
            quotes[as_of][ticker] = Quote(LAST_SESSION[as_of], close, currency, quality, splits)
        bars += [(ticker, split_on, base, ratio, currency) for split_on, ratio in splits]
        if number is not None and close is None and splits:
            for as_of in (EARLIER, NOW):
                quotes[as_of][ticker] = Quote(splits[0][0], base, currency, "vendor_stated", splits)
        for snapshot_date in (day("04-03"), day("06-01"), day("06-20"), day("07-07")):
            if number is not None and rng.random() < 0.6:
                mean = round(base * rng.uniform(0.6, 1.6), 2)
                has_counts, is_odd = rng.random() < 0.8, rng.random() < 0.2
                counts = [rng.randint(0, 6) if has_counts else None for _ in range(5)]
                snapshot = Snapshot(
                    ticker,
                    snapshot_date,
                    datetime.combine(snapshot_date, time(23)),
                    rng.choice(["0m", "0m", "0m", "-1m"]),
                    *counts,
                    recommendation_mean=rng.choice([None, round(rng.uniform(1, 5), 4)]),
                    target_mean=mean * (9 if is_odd else 1),
                    target_median=rng.choice([None, 0.0, mean]),
                    target_high=mean * 12,
                    target_low=mean / 12,
                    target_count=rng.choice([None, 1, 2, 3, 12]),
                    currency=rng.choice([None, currency, "EUR"]),
                )
                snapshots.append(snapshot)
    sessions = pd.DataFrame({"exchange": "XNYS", "session_date": WEEKDAYS})
    sessions["opens_at"] = OPENINGS
    sessions["closes_at"] = [datetime.combine(d, CLOSES) for d in WEEKDAYS]
    prices = pd.DataFrame(
        bars, columns=["ticker", "session_date", "close", "split_ratio", "currency"]
    )
    prices["known_at"] = [datetime.combine(d, time(21, 30)) for d in prices["session_date"]]
    securities = pd.DataFrame(currencies.items(), columns=["ticker", "currency"])
    with Warehouse(path) as warehouse:
        for table, rows in (
            ("sessions", sessions),
            ("securities", securities),
            ("prices", prices),
            ("ratings", frame(events)),
            ("consensus", frame(snapshots)),
        ):
            counts_ = warehouse.append(table, rows, source="inbox")
            assert counts_.new == len(rows), (table, warehouse.con.sql("from raw.rejects").df())
    for as_of, by_ticker in quotes.items():
        known = {event.ticker for event in events} | {
            s.ticker for s in snapshots if s.known_at <= as_of and s.period == "0m"
        }
        for ticker, quote in list(by_ticker.items()):
            if ticker not in known and quote.close is None:
                del by_ticker[ticker]
    return Facts(events, quotes, snapshots)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Facts]:
    path = tmp_path_factory.mktemp("votes") / "bellwether.duckdb"
    return path, simulate(path)


@pytest.fixture(scope="module")
def earlier(store: tuple[Path, Facts], build: Build) -> Marts:
    return build(store[0], EARLIER)


@pytest.fixture(scope="module")
def now(store: tuple[Path, Facts], build: Build, earlier: Marts) -> Marts:
    return build(store[0], NOW, unit_tests=True)


@pytest.mark.parametrize("ticker", SCENARIOS)
def test_scenario(now: Marts, ticker: str) -> None:
    field = 4 if ticker in ("TARGETS", "OUTLIER") else 0
    found = {firm: vote[field] for (name, firm), vote in now.votes.items() if name == ticker}
    assert found == SCENARIOS[ticker][1]


def test_what_was_not_known_then(earlier: Marts) -> None:
    """Before the merger two houses vote, and the late Buy of Beta is still a Sell."""
    assert {firm for ticker, firm in earlier.votes if ticker == "MERGED"} == {
        "UBS",
        "Credit Suisse",
    }
    assert earlier.votes["LATE", "Beta"][0] == "Sell"


def test_statistics_keep_outliers_and_leave_out_the_rest(now: Marts) -> None:
    outlier, targets = now.consensus["OUTLIER"], now.consensus["TARGETS"]
    assert (outlier["target_count"], outlier["target_mean"]) == (5, 126)
    assert (outlier["target_cluster_low"], outlier["target_cluster_high"]) == (110, 130)
    assert (targets["target_count"], targets["target_mean"]) == (4, (130 + 20 + 500 + 900) / 4)
    assert (targets["firm_count"], targets["label"]) == (10, "Buy")
    assert now.consensus["MERGED"]["label"] == "insufficient"
    assert now.consensus["CLOSED"]["withdrawals_90d"] == 2


@pytest.mark.parametrize("as_of", [EARLIER, NOW], ids=str)
def test_everything_on_random_facts(
    store: tuple[Path, Facts], as_of: datetime, earlier: Marts, now: Marts
) -> None:
    facts = store[1]
    marts = now if as_of == NOW else earlier
    votes, rows = expected(
        facts.events, facts.quotes[as_of], facts.snapshots, as_of, LAST_SESSION[as_of], OPENINGS
    )
    assert_equal(marts, votes, rows)


def test_random_facts_reach_every_case(now: Marts) -> None:
    statuses = {vote[4] for vote in now.votes.values()}
    assert statuses == {"used", "outlier", "none", "fair_value", "currency_unknown"}
    rows = now.consensus.values()
    labels = {"Strong Buy", "Buy", "Hold", "Sell", "insufficient"}
    assert {row["label"] for row in rows} >= labels - {"Strong Buy"}
    assert {row["snapshot_label"] for row in rows} >= labels | {"Strong Sell", None}
    assert sum(row["target_cluster_low"] is not None for row in rows) > 20
    assert sum(row["target_raises_30d"] > 0 for row in rows) > 20
    assert sum(row["withdrawals_90d"] > 0 for row in rows) > 20


# Vocabulary and seeds


@pytest.fixture(scope="module")
def normalise(dbt: Callable[..., Any]) -> Iterator[Callable[[list[str]], list[str]]]:
    compiled = dbt("compile", "--inline", '{{ normalise_grade("word") }}')
    expression = compiled.results[0].node.compiled_code
    with duckdb.connect() as con:
        yield lambda words: [
            con.execute(f"select {expression} from (select ? as word)", [word]).fetchall()[0][0]
            for word in words
        ]


def test_a_grade_is_spelled_as_the_vocabulary_spells_it(
    normalise: Callable[[list[str]], list[str]],
) -> None:
    for word, wanted in {
        "  Equal-Weight ": "equal weight",
        "Equalweight": "equal weight",
        "Eq. Wt.": "equal weight",
        "Mkt Perform": "market perform",
        "Sec_Outperf": "sector outperform",
        "NT Accum/LT Accum": "near term accumulate long term accumulate",
        "Hold/Neutral": "hold neutral",
        "Recomm. List": "recommended list",
        "ST Neutral": "short term neutral",
        "OW": "overweight",
        "ＵＷ": "underweight",
        "In\u2011Line": "in line",
        "Strong\u00a0Buy": "strong buy",
        "Buy (High Risk)": "buy",
        "Buy (High Risk) (Reiterated) Rating": "buy",
        "Sector\u2003Perform\uff0e": "sector perform",
        "Equal\ufe63Weight\n": "equal weight",
        "Hold rating": "hold",
        "No Rating": "no rating",
        "Rating Suspended": "rating suspended",
        "N/A": "n a",
        " ": "",
    }.items():
        assert normalise([word]) == [wanted]
        assert normalised(word) == wanted
    assert normalise(list(GRADES)) == list(GRADES)


def test_grades_in_any_spelling(normalise: Callable[[list[str]], list[str]]) -> None:
    parts = st.sampled_from(
        [*ABBREVIATIONS, "Buy", "no", "rating", "(x)", "ＢＵＹ", "(", "Ratings"]
    )
    signs = "-/_\t\n\r\u00a0\u2000\u2007\u200a\u2013\u2024\u205f\ufe52\ufe63\uff0d\uff0e\uff3f"
    gaps = st.sampled_from([*signs, " ", "  ", ". ", ": "])

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(parts, gaps), max_size=5))
    def check(pieces: list[tuple[str, str]]) -> None:
        word = "".join(part + gap for part, gap in pieces)
        assert normalise([word]) == [normalised(word)]

    check()


def test_the_vocabulary_has_every_tier() -> None:
    for words, wanted in {
        "conviction buy|top pick|action list buy|outperform significantly": (1, 1, 1, "buy"),
        "buy|moderate buy|buy high risk": (2, 2, 1, "buy"),
        "speculative buy|outperform|peer outperform|over weight|add|above average": (
            2,
            2,
            1.5,
            "buy",
        ),
        "hold|neutral weight|peer weight|performer|inline|fairly valued|mixed": (3, 3, 2, "hold"),
        "underperform|sector underweight|trim|source of funds|cautious": (4, 4, 2.5, "sell"),
        "sell|trading sell": (4, 5, 3, "sell"),
        "strong sell|focus reduce|avoid": (5, 5, 3, "sell"),
    }.items():
        for word in words.split("|"):
            row = GRADES[word]
            scales = (row["score"], row["ibes_score"], row["factset_score"])
            assert (*map(float, scales), row["bucket"]) == wanted
            assert row["effect"] == "vote"
    for word in ("not rated", "nr", "no rating", "suspended", "under review", "ur", "dropped"):
        assert (GRADES[word]["effect"], GRADES[word]["score"]) == ("closes", "")
    assert {GRADES[word]["effect"] for word in ("tender", "take no action")} == {"none"}
    assert "n a" not in GRADES, "it is listed like any unknown word"


def test_no_name_stands_for_two_firms() -> None:
    for row in ALIASES:
        start, end = row["valid_from"] or "0001-01-01", row["valid_to"] or "9999-12-31"
        assert start <= end
        for other in ALIASES:
            if other is not row and other["alias"].casefold() == row["alias"].casefold():
                assert other["valid_to"] < start or end < (other["valid_from"] or "0001-01-01")
        own = [r for r in ALIASES if r["alias"].casefold() == row["firm"].casefold()]
        assert [r["firm"] for r in own] == [row["firm"]], f"{row['firm']} is not its own name"


def test_every_score_has_one_label() -> None:
    worst = {"factset": 4, "tipranks_like": 3}
    for method in seed("house_methods"):
        bands = [r for r in seed("house_labels") if r["method"] == method["method"]]
        if method["statistic"] == "mode":
            assert not bands
            continue
        starts = [float(row["score_above"]) for row in bands]
        ends = [float(row["score_up_to"]) for row in bands]
        assert starts == [0, *ends[:-1]]
        assert ends[-1] == worst.get(method["method"], 5)
    assert {row["method"] for row in seed("house_labels")} <= {
        row["method"] for row in seed("house_methods")
    }


def test_every_dated_alias_says_who_dated_it() -> None:
    for row in ALIASES:
        assert bool(row["dated_by"]) == bool(row["valid_from"] or row["valid_to"]), row


def test_scales_of_firms_are_of_firms_and_grades_there_are() -> None:
    firms = {row["firm"] for row in ALIASES}
    for row in seed("firm_scales"):
        assert row["firm"] in firms
        assert GRADES[row["grade"]]["bucket"] == "buy"
        assert int(row["ibes_score"]) < int(GRADES[row["grade"]]["ibes_score"])


def test_the_published_example_of_a_mean() -> None:
    """Benzinga's guide: 8, 12, 5, 2 and 1 votes mean 3.86 where 5 is best, so 2.14 where 1 is."""
    layer = snapshot_layer(
        Snapshot("X", day("07-07"), NOW, "0m", 8, 12, 5, 2, 1), Quote(day("07-07"), 1, "USD", None)
    )
    assert round(6 - layer["snapshot_mean_score"], 2) == 3.86
    assert layer["snapshot_label"] == "Buy"


# Real events


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, build: Build) -> tuple[Marts, list[Event], Any]:
    path = tmp_path_factory.mktemp("real") / "bellwether.duckdb"
    calendar = exchange_calendars.get_calendar("XNYS", start="2010-01-01").schedule
    schedule = calendar.rename_axis("session_date").reset_index()
    schedule = schedule.rename(columns={"open": "opens_at", "close": "closes_at"})
    market = f"read_csv('{DATA / 'ratings' / 'marketpulse_events.csv.gz'}', all_varchar = true)"
    desk = f"read_csv('{DATA / 'ratings' / 'desk_events.csv'}', all_varchar = true)"
    with Warehouse(path) as warehouse:
        warehouse.append(
            "sessions",
            schedule[["session_date", "opens_at", "closes_at"]].assign(exchange="XNYS"),
            source="exchange_calendars",
        )
        warehouse.append(
            "prices",
            warehouse.con.sql(
                f"""
                select ticker, cast(date as date) as session_date, close
                from '{DATA / "prices" / "us_98_5y.parquet"}' where date >= '2026-01-01'
                """
            ),
            source="inbox",
        )
        # Targets come from the reports that the feed without targets does not cover.
        ratings = warehouse.con.sql(
            f"""
            select ticker, analyst_firm as firm, rating as to_grade, rating_date as graded_on,
                null as target, null as prior_target
            from {market}
            union all
            select ticker, firm, to_grade, event_date,
                nullif(replace(replace(target, '$', ''), ',', ''), ''),
                nullif(replace(replace(prior, '$', ''), ',', ''), '')
            from {desk} where ticker not in (select ticker from {market})
            """
        ).df()
        warehouse.append("ratings", ratings, source="inbox")
        stored = warehouse.con.sql(
            """
            select ticker, firm, graded_on, to_grade, nullif(target, 0), nullif(prior_target, 0)
            from raw.ratings
            """
        ).fetchall()
        closes = warehouse.con.sql(
            "select ticker, arg_max(close, session_date), max(session_date) "
            "from raw.prices group by ticker"
        ).fetchall()
    events = [
        Event(ticker, firm, on, word, target=target, prior_target=prior)
        for ticker, firm, on, word, target, prior in stored
    ]
    quotes = {event.ticker: Quote(REAL_COUNTED_ON, None, "USD", None) for event in events}
    quotes |= {
        ticker: Quote(session, close, "USD", "reconstructed") for ticker, close, session in closes
    }
    openings = [stamp.to_pydatetime().replace(tzinfo=None) for stamp in schedule["opens_at"]]
    return build(path, REAL_AS_OF), events, (quotes, openings)


@needs_real_data
def test_real_events(real: tuple[Marts, list[Event], Any]) -> None:
    marts, events, (quotes, openings) = real
    votes, rows = expected(events, quotes, [], REAL_AS_OF, REAL_COUNTED_ON, openings)
    assert len(votes) > 2000
    assert_equal(marts, votes, rows)


@needs_real_data
def test_real_sessions_of_the_past(real: tuple[Marts, list[Event], Any]) -> None:
    """Any session, and those with next to no votes, as of the moment before the next one opens."""
    marts, events, (_, openings) = real
    with duckdb.connect(str(marts.path), read_only=True) as con:
        history = con.sql(
            f"""
            with past as (
                select *, row_number() over (order by hash(ticker, session_date)) as place,
                    row_number() over (
                        partition by firm_count > 2 order by hash(ticker, session_date)
                    ) as place_of_kind
                from marts.consensus_history
                where session_date < date '{REAL_COUNTED_ON}' and ticker in (
                    select ticker from raw.ratings
                    where target is null group by 1 having count(*) > 200
                )
            )
            select * exclude (place, place_of_kind) from past
            where place <= 200 or firm_count <= 2 and place_of_kind <= 200
            """
        )
        rows = [dict(zip(history.columns, row, strict=True)) for row in history.fetchall()]
    assert sum(row["firm_count"] == 0 for row in rows) > 50
    told = {row["ticker"]: [e for e in events if e.ticker == row["ticker"]] for row in rows}
    for row in rows:
        ticker, on = row.pop("ticker"), row["session_date"]
        as_of = openings[bisect_left(openings, datetime.combine(on + timedelta(days=1), time()))]
        quality = row["close"] and "reconstructed"
        quotes = {ticker: Quote(on, row["close"], "USD", quality)}
        cut_off = as_of - timedelta(microseconds=1)
        _, wanted = expected(told[ticker], quotes, [], cut_off, on, openings)
        assert_equal(Marts({}, {ticker: row}, marts.path), {}, wanted)


@needs_real_data
def test_real_live_votes_counted_with_pandas(real: tuple[Marts, list[Event], Any]) -> None:
    """Every word of this feed is a vote, so the newest row of a house within a year counts."""
    marts = real[0]
    table = pd.read_csv(DATA / "ratings" / "marketpulse_events.csv.gz", parse_dates=["rating_date"])
    houses = {
        row["alias"].casefold(): row["firm"]
        for row in ALIASES
        if row["valid_from"] <= REAL_COUNTED_ON.isoformat()
    }
    table["house"] = table["analyst_firm"].map(lambda name: houses.get(name.casefold(), name))
    tickers = table["ticker"].unique()
    table = table[table["rating_date"] <= "2026-06-17"]
    table = table[table["rating_date"] > "2025-06-18"]
    newest = table.sort_values("rating_date").drop_duplicates(["ticker", "house"], keep="last")
    newest["is_buy"] = newest["rating"].isin(["Buy", "Outperform", "Overweight"])
    for column, wanted in (
        ("firm_count", newest.groupby("ticker").size()),
        ("firm_buy_count", newest.groupby("ticker")["is_buy"].sum()),
    ):
        counted = {name: marts.consensus[name][column] for name in tickers}
        assert counted == dict(wanted.reindex(tickers, fill_value=0))


@needs_real_data
def test_real_scales_of_firms_have_nothing_above_their_top() -> None:
    """Of the houses with three steps, no call since 2023 is a strong buy or strong sell."""
    tops = {row["firm"]: row["grade"] for row in seed("firm_scales")}
    with duckdb.connect() as con:
        told = con.sql(
            f"""
            select analyst_firm, rating from '{DATA / "ratings" / "marketpulse_events.csv.gz"}'
            where rating_date >= '2023-01-01'
            union all select firm, to_grade from '{DATA / "ratings" / "desk_events.csv"}'
            """
        ).fetchall()
    scores: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
    for name, word in told:
        found = alias(name, REAL_COUNTED_ON)
        if found and found["firm"] in tops:
            scores[found["firm"]].append((normalised(word), score(word)))
    assert len(scores) > 20
    for firm, calls in scores.items():
        assert sum(value in (1, 5) for _, value in calls) == 0, firm
        best = [word for word, value in calls if value == 2]
        assert sum(word == tops[firm] for word in best) > 0.5 * len(best), firm


@needs_real_data
def test_real_words_are_in_the_vocabulary(normalise: Callable[[list[str]], list[str]]) -> None:
    with duckdb.connect() as con:
        words = con.sql(
            f"""
            select word, count(*) from (
                select rating as word from '{DATA / "ratings" / "marketpulse_events.csv.gz"}'
                union all select to_grade from '{DATA / "ratings" / "desk_events.csv"}'
                union all select toGrade
                from '{DATA / "yahoo_recorded" / "yahoo_recorded_events.parquet"}'
            ) group by word
            """
        ).fetchall()
    total = sum(count for _, count in words)
    unknown = {word: n for word, n in words if normalise([word or ""])[0] not in GRADES}
    assert total == 27214 + 2532 + 8090
    assert sum(unknown.values()) <= 0.005 * total
    assert unknown == {"": 20}
