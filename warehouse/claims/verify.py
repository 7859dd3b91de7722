"""What the published file says to each claim of an article, as of the moment it appeared.

A claim is computed on every admissible basis from facts with `known_from` up to that moment. One
exception, which the answer names: the day of publication is judged by its final bar.
"""

from __future__ import annotations

import calendar
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import duckdb

from warehouse.claims.extract import (
    CALL_KINDS,
    MOST_CHARACTERS,
    WEEKDAYS,
    Article,
    Claim,
    Opinion,
    read,
    word_classes,
    word_set,
)
from warehouse.errors import UsageError
from warehouse.news.linking import names_of
from warehouse.news.text import words
from warehouse.news.vocabulary import rows as seed_rows
from warehouse.past import HISTORY, TIME_MACHINE, Answer, moved_bar
from warehouse.sources import calendars

SUPPORTED, OTHER_BASIS, STALE, CONTRADICTED, NOT_CHECKABLE = (
    "supported", "supported_on_other_basis", "stale", "contradicted", "not_checkable",
)  # fmt: skip
MOST_BYTES = 4 * MOST_CHARACTERS
# "Nearly X" is from 90 % of X on; "nearly doubled" from a gain of 85 %.
_NEARLY = 0.90
_UNDERSTATED = 1.25
_CLUSTER_TOLERANCE = 0.02
_STALE_DAYS = 400
# Kinds whose judges know what a day beside them is of.
_OF_A_DAY = frozenset(
    ("high_52w", "record", "news_event", "earnings_surprise", "eps", "dividend")
)  # fmt: skip
# Days that hold all bars a row of momentum rests on.
_MOMENTUM_DAYS = 660
_NEWS_DAYS = 45
_MONTHS = {"month": 1, "3m": 3, "6m": 6, "12m": 12}
_SESSIONS = {"week": 5, "month": 21, "3m": 63, "6m": 126, "12m": 252}
_LABELS = {
    "moderate buy": "buy", "outperform": "buy", "overweight": "buy", "neutral": "hold",
    "moderate sell": "sell", "underperform": "sell", "underweight": "sell",
}  # fmt: skip
_EXCHANGES = {
    "NYQ": ("nyse", "new"), "NYSE": ("nyse", "new"), "XNYS": ("nyse", "new"),
    "NMS": ("nasdaq", "nasdaqgs"), "NGM": ("nasdaq",), "NCM": ("nasdaq",), "NAS": ("nasdaq",),
    "HKG": ("hong", "hkex", "hkg", "sehk"), "LSE": ("london", "lse"), "ASE": ("amex",),
}  # fmt: skip


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


# Opens the marts of a past moment; told why the published ones cannot answer for it.
Past: TypeAlias = Callable[[datetime, str], duckdb.DuckDBPyConnection]


class _NotCheckable(Exception):
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


def check(
    con: duckdb.DuckDBPyConnection,
    text: str,
    *,
    newest: datetime,
    ticker: str | None = None,
    published_at: str | None = None,
    as_of: str | None = None,
    past: Past | None = None,
) -> dict[str, Any]:
    """Judge an article by the published file open in `con`.

    `past` opens the marts of a moment; it is asked for figures that rest on bars told anew since.
    Without it those are not checkable.

    Publication is `published_at`, else what the article's head says, else `as_of`, else `newest`,
    the moment (UTC) the file shows. With an earlier `as_of`, only what was known by then counts.
    Raises `UsageError` where no company is named or known, or a moment lies in the future.
    """
    known = con.execute(
        "select ticker, name from staging.stg_securities order by ticker"
    ).fetchall()
    tickers = {row[0] for row in known} | {
        row[0] for row in con.execute("select ticker from staging.stg_listings").fetchall()
    }
    article = read(text, names_of(known), ticker)
    if article.ticker is None:
        raise UsageError("The text names no company we know; say which one with --ticker.")
    if article.ticker not in tickers:
        raise UsageError(
            f"{article.ticker} is not in the published file; `bellwether universe add "
            f"{article.ticker}` covers it from the next ingest on."
        )
    notes = []
    stated = published_at or article.published or as_of
    if stated is not None and stated.startswith("0001-"):
        stated = _with_year(stated, newest)
        notes.append(f"The article's date has no year: taken as {stated}.")
    if stated is None:
        moment = newest
        notes.append("No publication time was found or given: judged as of the newest data.")
    else:
        moment = _moment(con, stated)
    if moment > newest:
        notes.append(f"The published file shows {newest} UTC: what came later is not in it.")
    if as_of is not None:
        moment = min(moment, _moment(con, as_of))
    if article.is_cut:
        notes.append("Only the beginning of the text was read.")
    day = date.fromisoformat(stated[:10]) if stated else None
    company: dict[str, Facts] = {}
    verdicts = []
    answered = Answer(HISTORY, "they hold all that was asked")

    def opened(known_by: datetime, why: str) -> duckdb.DuckDBPyConnection:
        nonlocal answered
        assert past is not None
        answered = Answer(TIME_MACHINE, why)
        return past(known_by, why)

    for claim in article.claims:
        name = claim.ticker
        if name is None or name not in tickers:
            verdicts.append(_answer(claim, NOT_CHECKABLE, reason="unknown_company"))
            continue
        if name not in company:
            company[name] = Facts(con, name, moment, opened if past else None, day)
        verdicts.append(judge(company[name], claim))
    subject = company.get(article.ticker) or Facts(con, article.ticker, moment)
    return {
        "ticker": article.ticker,
        "as_of": moment.isoformat(sep=" "),
        "claims": [asdict(verdict) for verdict in verdicts],
        "opinions": [_opinion(subject, opinion) for opinion in article.opinions],
        "sentences": _sentences(article, text),
        "notes": notes,
        "answered_by": answered._asdict(),
    }


def _with_year(stated: str, newest: datetime) -> str:
    """A day of the year 1 in the newest year in which it is not after the newest data."""
    day = date.fromisoformat(stated)
    year = newest.year - ((day.month, day.day) > (newest.month, newest.day))
    while True:
        try:
            return day.replace(year=year).isoformat()
        except ValueError:
            year -= 1  # the 29th of February


def _moment(con: duckdb.DuckDBPyConnection, text: str) -> datetime:
    """The moment a date or time stands for, as `calendars.moment`, but by the stored sessions."""
    try:
        if len(text) == len("2026-01-31"):
            found = con.execute(
                "select min(opens_at) from staging.stg_calendar_days "
                "where exchange = ? and is_session and day > ?",
                [calendars.REFERENCE, date.fromisoformat(text)],
            ).fetchone()
            if found and found[0] and found[0] < datetime.now(UTC).replace(tzinfo=None):
                opens: datetime = found[0]
                return opens - timedelta(microseconds=1)
        return calendars.moment(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a date (2025-08-01) nor a time (2025-08-01T14:00)."
        ) from None


def judge(facts: Facts, claim: Claim) -> Verdict:
    """Return the verdict on one claim by the facts of its company."""
    judges: dict[str, Callable[[Facts, Claim], Verdict]] = _JUDGES
    claim = _dated(facts, claim)
    if claim.unread or claim.left:
        never = _never_told(facts, claim)
        if never is not None:
            return never
    if claim.unread:
        return _answer(claim, NOT_CHECKABLE, reason=claim.unread)
    try:
        if claim.day and claim.kind not in _OF_A_DAY and claim.change != "closed":
            place = facts.place_of(replace(claim, window=claim.day[0], stated_on=claim.day[1]))
            if place != facts.last:
                # What names its own day is judged by what was known at that day's end.
                facts = facts.then(place)
        told = judges[claim.kind](facts, claim)
    except _NotCheckable as reason:
        never = _never_told(facts, claim)
        return never or _answer(claim, NOT_CHECKABLE, reason=str(reason))
    # What was read of a call is false whatever number stands beside it; words may change it all.
    is_beside = all(
        word.lstrip("$€£¥₹+-")[:1].isdigit() or word.lower() in word_set("mood")
        for word in claim.left.replace(" … ", " ").split()
    )
    if claim.left and not (
        told.verdict in (CONTRADICTED, STALE) and claim.kind in CALL_KINDS and is_beside
    ):  # fmt: skip
        return _answer(
            claim, NOT_CHECKABLE, found=told.found, basis=told.basis,
            reason=f"'{claim.left}' was not read",
        )  # fmt: skip
    if claim.beside and told.verdict in (SUPPORTED, OTHER_BASIS):
        # What is false stays so whatever another clause says.
        return _answer(
            claim, NOT_CHECKABLE, found=told.found, basis=told.basis,
            reason=f"'{claim.beside}' was not read",
        )  # fmt: skip
    return told


def _never_told(facts: Facts, claim: Claim) -> Verdict | None:
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
        currency, units = facts.major(code) if code else facts.quoted
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
    return _answer(
        claim, CONTRADICTED, found=newest["told_target"], basis="the firm's calls",
        evidence=(evidence,), note=note,
    )  # fmt: skip


def _dated(facts: Facts, claim: Claim) -> Claim:
    """A claim whose date has the year it means: the newest past one, of results the nearest."""
    if claim.day and claim.day[1] and claim.day[1].year == 1:
        named = _dated(facts, replace(claim, stated_on=claim.day[1], day=None))
        claim = replace(claim, day=(claim.day[0], named.stated_on))
    told = claim.stated_on
    if told is None or told.year > 1:
        return claim
    is_ahead = claim.kind == "earnings_date" and claim.change != "past"
    latest = facts.session + timedelta(days=305 if is_ahead else 0)
    for year in range(latest.year, latest.year - 5, -1):
        if told.month == 2 and told.day == 29 and not calendar.isleap(year):
            continue
        if told.replace(year=year) <= latest:
            return replace(claim, stated_on=told.replace(year=year))
    return replace(claim, unread="no_date")


def _sentences(article: Article, text: str) -> list[str]:
    return [text[one.start : one.end] for one in article.sentences]


def _stated(claim: Claim) -> dict[str, Any]:
    told = {
        "metric": claim.argument or None, "operator": claim.operator, "value": claim.value,
        "high": claim.high, "unit": claim.unit or None, "window": claim.window,
        "date": claim.stated_on, "firm": claim.firm, "grade": claim.grade, "prior": claim.prior,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def _answer(
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
    if within is None and claim.value is not None and claim.kind != "target_range":
        within = tolerance(claim)
    return Verdict(
        claim.text, claim.kind, verdict, _stated(claim), found, basis, within,
        [one._asdict() for one in evidence], claim.ticker, claim.sentence, reason, note,
        {one.name: one.value for one in bases},
    )  # fmt: skip


def _weigh(
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
        raise _NotCheckable("no_data")
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
            return _answer(
                claim, verdict, found=basis.value, basis=basis.name, evidence=basis.evidence,
                note=note, bases=bases, within=within,
            )  # fmt: skip
    for former in earlier:
        if former.value is not None and fits(former.value):
            told = f"true {former.name}, now {_shown(claim, bases[0].value)}"
            return _answer(
                claim, STALE, found=bases[0].value, basis=bases[0].name, bases=bases,
                evidence=(*bases[0].evidence, *former.evidence), within=within,
                note="; ".join(filter(None, (note, told))),
            )  # fmt: skip
    other = next((b for b in excluded if b.value is not None and fits(b.value)), None)
    if other is not None:
        note = "; ".join(filter(None, (note, f"it fits the {other.name}")))
    return _answer(
        claim, CONTRADICTED, found=bases[0].value, basis=bases[0].name,
        evidence=bases[0].evidence, note=note, bases=bases, within=within,
    )  # fmt: skip


def _split_basis(claim: Claim, bases: Sequence[Basis]) -> tuple[list[Basis], list[Basis]]:
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


class Bar(NamedTuple):
    """A final bar on the split basis of the published file."""

    session: date
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    dividend: float
    row_id: str
    known_from: datetime


class Facts:
    """What was known of one company at a moment (UTC), and the final bar of that day."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        ticker: str,
        moment: datetime,
        past: Past | None = None,
        day: date | None = None,
    ) -> None:
        """Find the session of the moment: the newest that had opened.

        `day` is that of publication, by which "yesterday" is told; without it, the session.
        """
        self.con, self.ticker, self.moment, self.past = con, ticker, moment, past
        found = self.rows(
            """
            select d.day, d.opens_at, d.closes_at, d.next_opens_at, d.session_number
            from staging.stg_calendar_days as d
            inner join staging.stg_listings as l on l.exchange = d.exchange
            where l.ticker = ? and d.is_session and d.opens_at <= ?
            order by d.day desc limit 1
            """,
            ticker,
            moment,
        )
        self.session: date = found[0][0] if found else moment.date()
        self.day = day or self.session
        self.closes_at = found[0][2] if found else moment
        self.next_opens_at = found[0][3] if found else moment
        self.number = found[0][4] if found else -1

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a parameterised query."""
        return self.con.execute(query, list(parameters)).fetchall()

    @cached_property
    def split_factor(self) -> float:
        """How many shares of the file's basis one share of the moment is."""
        found = self.rows(
            "select split_factor from staging.stg_splits "
            "where ticker = ? and told_from <= ? and effective_at > ?",
            self.ticker, self.moment, self.moment,
        )  # fmt: skip
        return float(found[0][0]) if found else 1.0

    @cached_property
    def currency(self) -> str | None:
        """The currency of the quotes, pounds for those in pence."""
        return self.quoted[0]

    @cached_property
    def price_factor(self) -> float:
        """What brings a price of the file to a share and the currency of the moment."""
        return self.split_factor / self.quoted[1]

    @cached_property
    def quoted(self) -> tuple[str | None, float]:
        """The major currency of the quotes, and how many of their units make one of it."""
        found = self.rows("select currency from staging.stg_listings where ticker = ?", self.ticker)
        return self.major(found[0][0] if found else None)

    def major(self, code: str | None) -> tuple[str | None, float]:
        """Return the major currency of a code and how many of the code's units make one of it."""
        found = self.rows(
            "select major_code, units_per_major from rules.currencies where code = ?", code
        )
        return (found[0][0], float(found[0][1])) if found else (code, 1.0)

    @cached_property
    def bars(self) -> list[Bar]:
        """Final bars as known at the moment, oldest first; of the day, its first."""
        bars = {
            row[0]: Bar(*row)
            for row in self.rows(
                """
                select session_date, open, high, low, close, volume, coalesce(dividend, 0), row_id,
                    known_from
                from staging.stg_prices
                where ticker = ? and session_date <= ? and is_final and close > 0
                """,
                self.ticker,
                self.session,
            )
        }
        told = self.rows(
            """
            select v.session_date, r.open / v.split_factor, r.high / v.split_factor,
                r.low / v.split_factor, v.close / v.split_factor, r.volume * v.split_factor,
                coalesce(r.dividend, 0) / v.split_factor, v.row_id, v.known_from
            from staging.stg_price_versions as v
            inner join raw.prices as r on r.row_id = v.row_id
            where v.ticker = ? and v.session_date <= ? and v.is_final and v.close > 0
            order by v.known_from, v.source_priority desc
            """,
            self.ticker,
            self.session,
        )
        versions: dict[date, list[Bar]] = {}
        for row in told:
            versions.setdefault(row[0], []).append(Bar(*row))
        for day, known in versions.items():
            by_then = [bar for bar in known if bar.known_from <= self.moment]
            if by_then:
                bars[day] = by_then[-1]
            elif day == self.session:
                bars[day] = known[0]
        kept = [
            bar for bar in bars.values()
            if bar.known_from <= self.moment or bar.session == self.session
        ]  # fmt: skip
        return sorted(kept, key=lambda bar: bar.session)

    def at(self, day: date) -> int | None:
        """Place of the newest bar up to a day."""
        place = None
        low, high = 0, len(self.bars)
        while low < high:
            middle = (low + high) // 2
            if self.bars[middle].session <= day:
                low, place = middle + 1, middle
            else:
                high = middle
        return place

    @cached_property
    def last(self) -> int:
        """Place of the bar of the session; there must be one not older than a week."""
        place = self.at(self.session)
        if place is None or (self.session - self.bars[place].session).days > 7:
            raise _NotCheckable("no_final_bar")
        return place

    def place_of(self, claim: Claim) -> int:
        """Place of the bar of the day a claim names: date, weekday, "yesterday"; else `last`."""
        if claim.window in WEEKDAYS:
            back = (self.session.weekday() - WEEKDAYS.index(claim.window)) % 7
            day = self.session - timedelta(days=back)
        elif claim.window == "yesterday":
            before = self.at(self.day - timedelta(days=1))
            day = self.bars[before].session if before is not None else self.day
        elif claim.window == "on" and claim.stated_on:
            day = claim.stated_on
        elif claim.window and claim.window.startswith(("ago ", "end ")):
            return self._place_before(claim)
        else:
            return self.last
        place = self.at(day)
        if day > self.session:
            raise _NotCheckable("in_the_future")
        if place is None or self.bars[place].session != day:
            raise _NotCheckable("no_session")
        return place

    def _place_before(self, claim: Claim) -> int:
        """Place of the newest bar up to a day counted back, or to the end of a month or year."""
        mark, _, rest = (claim.window or "").partition(" ")
        if mark == "ago":
            number, _, unit = rest.partition(" ")
            count = int(number)
            if count > 600:
                raise _NotCheckable("history_too_short")
            day = (
                self.day - timedelta(days=count * (7 if unit == "weeks" else 1))
                if unit in ("days", "weeks")
                else _months_before(self.day, count * (12 if unit == "years" else 1))
            )
        elif claim.stated_on is not None:
            day = _period_end(claim.stated_on, rest)
        else:
            day = date(self.day.year - 1, 12, 31)
        if day > self.session:
            raise _NotCheckable("in_the_future")
        place = self.at(day)
        if place is None or (day - self.bars[place].session).days > 7:
            raise _NotCheckable("history_too_short")
        return place

    def days_of(self, claim: Claim) -> tuple[date, date]:
        """First and last day of the time a claim names: a day, a week, a month."""
        if claim.window == "on" and claim.stated_on:
            return claim.stated_on, claim.stated_on
        if claim.window in ("today", "yesterday"):
            day = self.day - timedelta(days=claim.window == "yesterday")
            return day, day
        if claim.window in ("week", "month"):
            first, until = _period_begin(self.day, claim.window), self.day
            if claim.period == "last":
                until = first - timedelta(days=1)
                first = _period_begin(until, claim.window)
            return first, until
        if (claim.window or "").startswith("in "):
            month = int((claim.window or "")[3:])
            first = claim.stated_on or date(self.day.year - (month > self.day.month), month, 1)
            return first, _period_end(first, "month")
        day = self.bars[self.place_of(claim)].session
        if claim.window == "end month":
            # A call "at the end of July" is one of its last days.
            return day - timedelta(days=6), _period_end(day, "month")
        return day, day

    def then(self, place: int) -> Facts:
        """What was known of the company when the session after a bar opened, or at the moment."""
        day = self.bars[place].session
        found = self.rows(
            "select d.next_opens_at from staging.stg_calendar_days as d "
            "inner join staging.stg_listings as l on l.exchange = d.exchange "
            "where l.ticker = ? and d.day = ? and d.is_session",
            self.ticker, day,
        )  # fmt: skip
        if not found or found[0][0] is None:
            raise _NotCheckable("no_session")
        known_by = min(self.moment, found[0][0] - timedelta(microseconds=1))
        return Facts(self.con, self.ticker, known_by, self.past, day)

    @cached_property
    def day_note(self) -> str | None:
        """What is to be said where the day's own bar came after the article."""
        bar = self.bars[self.last]
        if bar.known_from <= self.moment:
            return None
        return f"judged by the final bar of {bar.session}, known from {bar.known_from}"

    def momentum(self, column: str) -> Basis:
        """A figure of momentum on the day, as the bars known by its own tell it.

        The history has it, unless a bar it may rest on was told anew since; then the marts of that
        moment have, where there are such.
        """
        if column not in _MOMENTUM:
            raise ValueError(column)
        bar = self.bars[self.last]
        known_by = max(self.moment, bar.known_from)
        tickers = [self.ticker, *(row[0] for row in self.rows(
            "select benchmark from staging.stg_universe where ticker = ? and benchmark is not null",
            self.ticker,
        ))]  # fmt: skip
        moved = moved_bar(
            self.con, known_by, bar.session, tickers, days=_MOMENTUM_DAYS,
            with_volume=column == "volume_surge",
        )  # fmt: skip
        con = self.con
        if moved is not None:
            if self.past is None:
                raise _NotCheckable("restated_since")
            con = self.past(known_by, moved)
        found = con.execute(
            f"select {column}, close from marts.momentum_history "
            "where ticker = ? and session_date = ?",
            [self.ticker, bar.session],
        ).fetchone()
        if found is None or found[0] is None:
            raise _NotCheckable("no_data")
        value, close = found
        if column.startswith("sma_"):
            value *= bar.close / close  # from the split basis of those marts to this one
        evidence = Evidence(
            "marts.momentum_history", f"{self.ticker} {bar.session}", column, value, bar.known_from
        )
        return Basis(column, value, (evidence,))

    @cached_property
    def consensus_number(self) -> int:
        """The newest session all of whose consensus was known at the moment."""
        later = self.rows(
            """
            select 1 from staging.stg_ratings_history
            where ticker = ? and known_from > ? and known_from < ?
            union all
            select 1 from staging.stg_consensus_history
            where ticker = ? and known_from > ? and known_from < ?
            """,
            self.ticker, self.moment, self.next_opens_at,
            self.ticker, self.moment, self.next_opens_at,
        )  # fmt: skip
        return self.number - 1 if later else self.number

    @cached_property
    def consensus(self) -> dict[str, Any]:
        """The row of `marts.consensus_history` that was known at the moment."""
        cursor = self.con.execute(
            """
            select c.* from marts.consensus_history as c
            where c.ticker = ? and (c.session_date < ? or (c.session_date = ? and ?))
            order by c.session_date desc limit 1
            """,
            [self.ticker, self.session, self.session, self.consensus_number == self.number],
        )
        row = cursor.fetchone()
        if row is None:
            raise _NotCheckable("no_consensus")
        return dict(zip([column[0] for column in cursor.description or ()], row, strict=True))

    def former_consensus(self, *columns: str) -> list[tuple[Any, ...]]:
        """Rows (session, columns …) of the consensus of the year before, newest first."""
        for column in columns:
            if column not in self.consensus:
                raise ValueError(column)
        now = self.consensus["session_date"]
        return self.rows(
            f"select session_date, {', '.join(columns)} from marts.consensus_history "
            "where ticker = ? and session_date < ? and session_date > ? order by session_date desc",
            self.ticker, now, now - timedelta(days=_STALE_DAYS),
        )  # fmt: skip

    @cached_property
    def votes(self) -> list[tuple[Any, ...]]:
        """Votes of the event layer: firm, grade, bucket, target, status, row and known time."""
        return self.rows(
            """
            select firm, grade, bucket, target, target_status, table_name, row_id, known_from
            from staging.vote_history
            where ticker = ? and from_number <= ? and to_number > ? order by firm
            """,
            self.ticker, self.consensus_number, self.consensus_number,
        )  # fmt: skip

    def consensus_basis(self, column: str) -> Basis:
        """A column of the consensus; the evidence is the snapshot, or the votes it counts."""
        value = self.consensus[column]
        key = f"{self.ticker} {self.consensus['session_date']}"
        evidence = [Evidence("marts.consensus_history", key, column, value, None)]
        if column in ("analyst_count", "sell_count", "buy_count", "hold_count") or (
            column.startswith("snapshot_")
        ):
            for row_id, known_from in self.rows(
                "select row_id, known_from from staging.snapshot_history "
                "where ticker = ? and from_number <= ? and to_number > ?",
                self.ticker, self.consensus_number, self.consensus_number,
            ):  # fmt: skip
                source = _SNAPSHOT_COLUMNS.get(column, "recommendation_mean")
                told = self.rows(f"select {source} from raw.consensus where row_id = ?", row_id)
                evidence.append(Evidence("raw.consensus", row_id, source, told[0][0], known_from))
        else:
            what = "target" if "target" in column or "upside" in column else "grade"
            for firm, grade, _, target, status, table, row_id, known_from in self.votes:
                if what == "grade" or status == "used":
                    shown = target if what == "target" else grade
                    name = "target" if what == "target" else "to_grade"
                    if table != "raw.ratings" and name == "to_grade":
                        name = "grade"
                    evidence.append(Evidence(table, row_id, name, shown, known_from))
                    del firm
        return Basis(column, value, tuple(evidence))

    @cached_property
    def calls(self) -> list[dict[str, Any]]:
        """Calls known at the moment, newest first."""
        return self._calls("e.known_from <= ?", self.moment)

    @cached_property
    def calls_of_the_day(self) -> list[dict[str, Any]]:
        """Calls dated on the session, of which only the next day's open is sure to have known."""
        return self._calls(
            "e.graded_on = ? and e.known_from > ? and e.pit_quality = 'reconstructed' "
            "and r.row_id is not null and r.graded_at is null",
            self.session, self.moment,
        )  # fmt: skip

    def _calls(self, condition: str, *parameters: Any) -> list[dict[str, Any]]:
        cursor = self.con.execute(
            f"""
            select e.firm, e.grade, e.score, e.bucket, e.action, e.prior_score, e.told_target,
                e.target_currency, e.is_fair_value, e.graded_on, e.known_from, e.note, e.table_name,
                e.row_id, e.last_target, coalesce(r.prior_target, e.prior_target) as prior_target
            from staging.rating_events as e
            left join raw.ratings as r on r.row_id = e.row_id and e.table_name = 'raw.ratings'
            where e.ticker = ? and {condition}
            order by e.graded_on desc, e.known_from desc, e.row_id
            """,
            [self.ticker, *parameters],
        )
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @cached_property
    def valuations(self) -> list[dict[str, Any]]:
        """Multiples known at the moment, newest first."""
        return _valuations(self, [self.ticker])[self.ticker]

    @cached_property
    def news(self) -> list[tuple[Any, ...]]:
        """News of the last weeks known at the moment: row, title, summary, published, known."""
        return self.rows(
            """
            select row_id, title, coalesce(summary, ''), published_at, known_from
            from staging.stg_news
            where ticker = ? and known_from <= ? and published_at > ? order by published_at desc
            """,
            self.ticker, self.moment, self.moment - timedelta(days=_NEWS_DAYS),
        )  # fmt: skip


# Sessions whose median volume the marts compare with.
_VOLUME_DAYS = 60
_MOMENTUM = frozenset(
    ("sma_50", "sma_200", "volatility_21d", "volatility_63d", "volatility_252d", "beta_252d",
     "relative_strength_63d", "relative_strength_126d", "relative_strength_252d", "volume_surge",
     "rsi_14", "drawdown_252d", "max_drawdown_252d")
)  # fmt: skip
_SNAPSHOT_COLUMNS = {
    "snapshot_target_mean": "target_mean", "snapshot_target_median": "target_median",
    "snapshot_target_high": "target_high", "snapshot_target_low": "target_low",
    "snapshot_upside_mean": "target_mean", "snapshot_upside_median": "target_median",
    "snapshot_target_count": "target_count", "sell_count": "sell", "buy_count": "buy",
    "hold_count": "hold", "analyst_count": "buy",
}  # fmt: skip


def _valuations(facts: Facts, tickers: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Multiples of several companies known at the moment, newest first."""
    cursor = facts.con.execute(
        """
        select ticker, row_id, valued_on, price, market_cap, trailing_pe, forward_pe, forward_eps,
            trailing_eps, price_to_sales, currency, eps_currency, known_from
        from staging.stg_valuations
        where list_contains(?, ticker) and known_from <= ? and valued_on > ?
        order by valued_on desc, known_from desc
        """,
        [list(tickers), facts.moment, facts.session - timedelta(days=_STALE_DAYS)],
    )
    names = [column[0] for column in cursor.description or ()]
    found: dict[str, list[dict[str, Any]]] = {ticker: [] for ticker in tickers}
    for row in cursor.fetchall():
        found[row[0]].append(dict(zip(names, row, strict=True)))
    return found


def _price(bar: Bar, column: str = "close") -> Evidence:
    return Evidence("raw.prices", bar.row_id, column, getattr(bar, column), bar.known_from)


def _months_before(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _total_return(bars: Sequence[Bar], first: int, last: int) -> float | None:
    """The return with dividends put into the share at the close before they were due."""
    growth = bars[last].close / bars[first].close
    paid = False
    for place in range(first + 1, last + 1):
        if bars[place].dividend:
            growth /= 1 - bars[place].dividend / bars[place - 1].close
            paid = True
    return growth - 1 if paid else None


def _moves(facts: Facts, claim: Claim, down: bool, last: int) -> list[Basis]:
    """Every admissible reading of a move that ends with the bar at `last`, or before it."""
    bars = facts.bars
    spans = _spans(facts, claim, last)
    closes, others = [], []
    for name, first, until in spans:
        if first is None or until is None or first < 0 or first >= until:
            continue
        base, end = bars[first], bars[until]
        change = end.close / base.close - 1
        closes.append(Basis(f"{name}, close", change, (_price(base), _price(end))))
        extreme, column = (end.low, "low") if down else (end.high, "high")
        if extreme:
            label = f"{name}, intraday {column}"
            pair = (_price(base), _price(end, column))
            others.append(Basis(label, extreme / base.close - 1, pair))
        if end.open and name in ("day", "open"):
            pair = (_price(base), _price(end, "open"))
            others.append(Basis(f"{name}, open", end.open / base.close - 1, pair))
        total = _total_return(bars, first, until)
        if total is not None:
            paid = [_price(b, "dividend") for b in bars[first + 1 : until + 1] if b.dividend]
            found = (_price(base), _price(end), *paid)
            others.append(Basis(f"{name}, total return", total, found))
    if not closes:
        raise _NotCheckable("history_too_short")
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
        back = day - timedelta(days=7) if window == "week" else _months_before(day, _MONTHS[window])
        trailing: _Spans = [
            (f"calendar {window}", facts.at(back), last),
            (f"{_SESSIONS[window]} sessions", last - _SESSIONS[window], last),
        ]
        start = _period_begin(day, window)
        if claim.period == "this":
            return [(f"{window} to date", facts.at(start - timedelta(days=1)), last), *trailing]
        if claim.period == "last":
            until = start - timedelta(days=1)
            former = _period_begin(until, window)
            name = f"{former} to {until}"
            return [(name, facts.at(former - timedelta(days=1)), facts.at(until)), *trailing]
        return trailing
    if unit in ("sessions", "days", "weeks", "months") and int(count):
        number = int(count)
        if unit == "sessions":
            return [(window, last - number, last)]
        back = (
            _months_before(day, number) if unit == "months"
            else day - timedelta(days=number * (7 if unit == "weeks" else 1))
        )  # fmt: skip
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
            raise _NotCheckable("in_the_future")
        ended = facts.at(_period_end(begin, "year" if count == "year" else "month"))
        name = window if count == "year" else f"month of {begin:%Y-%m}"
        until_last = last if ended is None else min(last, ended)
        return [(name, facts.at(begin - timedelta(days=1)), until_last)]
    if count == "quarter":
        number = int(unit)
        year = day.year - (3 * number - 2 > day.month)
        begin, until = (
            date(year, 3 * number - 2, 1),
            _period_end(date(year, 3 * number, 1), "month"),
        )
        ended = facts.at(until)
        name = f"{begin} to {min(until, day)}"
        return [(name, facts.at(begin - timedelta(days=1)), last if until > day else ended)]
    if window == "since" and claim.stated_on and claim.period.startswith("from "):
        base = facts.at(claim.stated_on)
        if base is None or facts.bars[base].session != claim.stated_on:
            raise _NotCheckable("no_session")
        return [(f"since the close of {claim.stated_on}", base, last)]
    if window == "since" and claim.stated_on and claim.period.startswith("end "):
        ended_on = _period_end(claim.stated_on, claim.period.removeprefix("end "))
        return [(f"since the close of {ended_on}", facts.at(ended_on), last)]
    if window == "since" and claim.stated_on:
        since: _Spans = [
            (f"since {claim.stated_on}", facts.at(claim.stated_on - timedelta(days=1)), last)
        ]
        end_of = _period_end(claim.stated_on, claim.period)
        if end_of < day:
            since.append((f"since the close of {end_of}", facts.at(end_of), last))
        return since
    raise _NotCheckable("window_not_supported" if window != "extended" else "outside_session")


def _period_begin(day: date, window: str) -> date:
    """The first day of the week, month, quarter, half or year that a day is in."""
    if window == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[window]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _move(facts: Facts, claim: Claim) -> Verdict:
    down = claim.argument == "down" or (claim.kind == "factor" and (claim.value or 0) < 1)
    last = facts.last if claim.window in (None, "day") else facts.place_of(claim)
    if claim.period.startswith("from "):
        wrong = _wrong_start(facts, claim)
        if wrong is not None:
            return wrong
    bases = _moves(facts, claim, down, last)
    earlier = []
    if claim.window == "day":
        for back in range(1, min(4, last)):
            for basis in _moves(facts, claim, down, last - back)[:1]:
                on = facts.bars[last - back].session
                earlier.append(Basis(f"on {on}", basis.value, basis.evidence))
    note = facts.day_note if last == facts.last else None
    bases, excluded = _split_basis(claim, bases)
    if claim.operator in ("over", "under") and not claim.basis and claim.window != "intraday":
        # Of several readings one is always further: a bound is of the closes.
        excluded += [b for b in bases if not b.name.endswith(("close", "open, open"))]
        bases = [b for b in bases if b not in excluded]
    found = _weigh(claim, bases, earlier=earlier, note=note, excluded=excluded)
    # "The stock is up 94%" names no span.
    if found.verdict == CONTRADICTED and claim.window == "day" and (
        {"up", "down"} & set(claim.text.lower().split())
    ):  # fmt: skip
        low, high = tolerance(claim)
        for window in ("month", "3m", "6m", "12m", "ytd"):
            other = _fitting(facts, claim, window, down, last)
            if other is not None and low <= other <= high:
                raise _NotCheckable("window_not_stated")
    if found.verdict == CONTRADICTED and claim.window in _SESSIONS:
        low, high = tolerance(claim)
        for window in _SESSIONS:
            if window != claim.window:
                other = _fitting(facts, claim, window, down, last)
                if other is not None and low <= other <= high:
                    note = "; ".join(filter(None, (note, f"it fits the window {window}")))
                    return _weigh(claim, bases, earlier=earlier, note=note, excluded=excluded)
    return found


def _wrong_start(facts: Facts, claim: Claim) -> Verdict | None:
    """What is false of the close a move is told from: its level, or that it was the extreme."""
    assert claim.stated_on is not None
    place = facts.at(claim.stated_on)
    if place is None or facts.bars[place].session != claim.stated_on:
        raise _NotCheckable("no_session")
    bar, note = facts.bars[place], None
    if claim.second is not None and (
        abs(bar.close * facts.price_factor - claim.second) > claim.second_step / 2 + 1e-9
    ):
        note = f"the close of {bar.session} was {bar.close * facts.price_factor:g}"
    kind = claim.period.removeprefix("from ")
    since = _months_before(facts.session, 12)
    closes = [b.close for b in facts.bars if b.session > since]
    if kind in ("low", "high") and bar.close != (min if kind == "low" else max)(closes):
        note = f"the {kind} of 12 months was another close"
    if note is None:
        return None
    return _answer(
        claim, CONTRADICTED, found=bar.close * facts.price_factor, basis="close",
        evidence=(_price(bar),), note=note,
    )  # fmt: skip


def _fitting(facts: Facts, claim: Claim, window: str, down: bool, last: int) -> float | None:
    try:
        value: float = _moves(facts, replace(claim, window=window), down, last)[0].value
    except _NotCheckable:
        return None
    return value


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
                raise _NotCheckable("history_too_short")
            bases.append(Basis(f"{name}: never before", date.min, (_price(bars[last], column),)))
        else:
            pair = (_price(bars[last], column), _price(found, column))
            bases.append(Basis(name, found.session, pair))
    until = _period_end(claim.stated_on, claim.unit)
    note = facts.day_note
    if bases[0].value < claim.stated_on:
        note = "; ".join(filter(None, (note, "understated")))
    return _weigh(claim, bases, fits=lambda value: bool(value <= until), note=note)


def _period_end(first: date, precision: str) -> date:
    if precision == "year":
        return date(first.year, 12, 31)
    if precision == "month":
        return date(first.year, first.month, calendar.monthrange(first.year, first.month)[1])
    return first


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
    held = (day, _period_end(day, window))
    level = _extreme_at(facts, replace(claim, period="level"), facts.last, held)
    return level if found is None or level.verdict != CONTRADICTED else found


def _extreme_at(
    facts: Facts, claim: Claim, last: int, held: tuple[date, date] | None = None
) -> Verdict:
    """A record or an extreme by the bars up to one; a level counts if it was set in days `held`."""
    bars, high = facts.bars, claim.argument.endswith("high")
    since = _months_before(bars[last].session, 12) if claim.kind == "high_52w" else date.min
    if claim.argument.startswith("ytd"):
        since = date(bars[last].session.year, 1, 1)
    span = [bar for bar in bars[: last + 1] if bar.session >= since]
    if len(span) < 2:
        raise _NotCheckable("history_too_short")
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
            pair = (_price(bars[last], column), _price(holder, column))
            bases.append(Basis(name, now / best, pair))
        of_days = held is None or held[0] <= holder.session <= held[1]
        (levels_told if of_days else set_else).append(
            Basis(name, best * facts.price_factor, (_price(holder, column),))
        )
        set_on = f"set on {holder.session}"
    if held is not None and not levels_told:
        return _answer(
            claim, CONTRADICTED, found=set_else[0].value, basis=set_else[0].name,
            evidence=set_else[0].evidence, note=set_on,
        )  # fmt: skip
    bases, excluded = _split_basis(claim, bases)
    levels_told, other_levels = _split_basis(claim, levels_told)
    note = facts.day_note
    if claim.kind == "record":
        note = "; ".join(filter(None, (note, f"history from {bars[0].session} on")))
    if claim.second is not None:
        if claim.period == "level":
            # Such a level is told of the session's highs and lows, unless it says otherwise.
            levels_told.reverse()
        if claim.second_unit != facts.currency:
            told = levels_told[0]
            return _other_currency(
                facts, claim, told.value, facts.currency or "?", told.evidence,
                claim.second_unit,
            )  # fmt: skip
        half = claim.second_step / 2 + 1e-9
        at = _weigh(
            claim, levels_told, fits=lambda v: bool(abs(v - claim.second) <= half), note=note,
            excluded=other_levels,
        )  # fmt: skip
        if claim.period == "level" or at.verdict == CONTRADICTED:
            return at
    return _weigh(
        claim, bases, fits=lambda value: abs(value - 1) < 1e-9, note=note, excluded=excluded
    )


def _price_level(facts: Facts, claim: Claim) -> Verdict:
    at = facts.place_of(claim)
    bar, factor = facts.bars[at], facts.price_factor
    if facts.currency and claim.unit and claim.unit != facts.currency:
        return _other_currency(facts, claim, bar.close * factor, facts.currency, (_price(bar),))
    bases = [Basis("close", bar.close * factor, (_price(bar),))]
    for column in ("high", "low", "open"):
        value = getattr(bar, column)
        name = "open" if column == "open" else f"intraday {column}"
        bases.append(Basis(name, value * factor if value else None, (_price(bar, column),)))
    if claim.window == "open":
        bases = [basis for basis in bases if basis.name == "open"]
    earlier = []
    for place in range(max(0, at - 5), at) if claim.window is None else ():
        former = facts.bars[place]
        earlier.append(Basis(f"on {former.session}", former.close * factor, (_price(former),)))
    note = facts.day_note if at == facts.last else None
    if claim.change and at:
        before = facts.bars[at - 1]
        column = "open" if claim.window == "open" else "close"
        moved = (getattr(bar, column) or before.close) - before.close
        if not moved or (moved > 0) != (claim.change == "up"):
            return _answer(
                claim, CONTRADICTED, found=bar.close * factor, basis="close",
                evidence=(_price(bar), _price(before)),
                note=f"the close before was {before.close * factor:g}",
            )  # fmt: skip
    bases, excluded = _split_basis(claim, bases)
    if claim.second is not None and at:
        # "Gained 2.6% to $35": both numbers are of one price.
        base, half = facts.bars[at - 1].close * factor, claim.second_step / 2 + 1e-9
        moved = [
            b for b in bases
            if b.value is not None and abs(abs(b.value / base - 1) - claim.second) <= half
        ]  # fmt: skip
        excluded += [b for b in bases if b not in moved]
        bases = moved or bases[:1]
    return _weigh(claim, bases, earlier=earlier[::-1], note=note, excluded=excluded)


def _price_change(facts: Facts, claim: Claim) -> Verdict:
    """How much money the close, or else the session's extreme, moved from the close before."""
    at, factor = facts.place_of(claim), facts.price_factor
    if not at:
        raise _NotCheckable("history_too_short")
    bar, before = facts.bars[at], facts.bars[at - 1]
    sign = 1 if claim.argument == "up" else -1
    if claim.unit != facts.currency:
        change = sign * (bar.close - before.close) * factor
        return _other_currency(facts, claim, change, facts.currency or "?", (_price(bar),))
    bases = []
    for name, column in (("close", "close"), ("intraday", "high" if sign > 0 else "low")):
        level = getattr(bar, column)
        if level is not None:
            pair = (_price(before), _price(bar, column))
            bases.append(Basis(f"day, {name}", sign * (level - before.close) * factor, pair))
    bases, excluded = _split_basis(claim, bases)
    if claim.operator in ("over", "under"):
        bases = bases[:1]
    note = facts.day_note if at == facts.last else None
    return _weigh(claim, bases, note=note, excluded=excluded)


def _session_level(facts: Facts, claim: Claim) -> Verdict:
    """The high or low of a session."""
    at = facts.place_of(claim)
    bar = facts.bars[at]
    bases = []
    for column in ("high", "low") if claim.argument == "either" else (claim.argument,):
        level = getattr(bar, column)
        if level is None:
            raise _NotCheckable("no_data")
        told = (_price(bar, column),)
        bases.append(Basis(f"intraday {column}", level * facts.price_factor, told))
    if claim.unit != facts.currency:
        first = bases[0]
        return _other_currency(facts, claim, first.value, facts.currency or "?", first.evidence)
    note = facts.day_note if at == facts.last else None
    found = _weigh(claim, bases, note=note)
    is_either = claim.argument == "either" and found.verdict == OTHER_BASIS
    return replace(found, verdict=SUPPORTED) if is_either else found


def _price_range(facts: Facts, claim: Claim) -> Verdict:
    """Low and high of a session, or of 52 weeks by sessions' extremes or closes."""
    at = facts.place_of(claim)
    bars, factor = facts.bars, facts.price_factor
    since = _months_before(bars[at].session, 12)
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
                Basis(f"sessions' {name}", value, (_price(least, low), _price(most, high)))
            )
    if bases and claim.unit != facts.currency:
        first = bases[0]
        return _other_currency(facts, claim, first.value[0], facts.currency or "?", first.evidence)
    stated, half = (claim.value or 0.0, claim.high or 0.0), claim.step / 2 + 1e-9

    def fits(value: Any) -> bool:
        return all(abs(a - b) <= half for a, b in zip(value, stated, strict=True))

    note = facts.day_note if at == facts.last else None
    return _weigh(claim, bases, fits=fits, note=note)


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
    evidence = tuple(_price(bar) for bar in facts.bars[first : at + 1][-20:])
    stated = claim.value or 0.0

    def fits(value: float) -> bool:
        return value == stated if claim.unit == "ordinal" else value >= stated

    note = facts.day_note if at == facts.last else None
    if fits(found) and found > stated:
        note = "; ".join(filter(None, (note, "understated")))
    return _weigh(claim, [Basis("closes in a row", found, evidence)], fits=fits, note=note)


def _ended_streak(facts: Facts, claim: Claim, at: int) -> Verdict:
    """Sessions in a row that rose, or fell, up to one that did the opposite."""
    sign, bars = 1 if claim.argument.endswith("up") else -1, facts.bars
    steps = [sign * (bars[i].close - bars[i - 1].close) for i in range(at, 0, -1)]
    before = next((i for i, step in enumerate(steps[1:]) if step <= 0), len(steps) - 1)
    found = float(before) if steps and steps[0] < 0 else 0.0
    evidence = tuple(_price(bar) for bar in bars[max(0, at - before - 1) : at + 1][-20:])
    note = facts.day_note if at == facts.last else None
    return _weigh(
        claim, [Basis("closes in a row before the session", found, evidence)],
        fits=lambda v: bool(v == claim.value), note=note,
    )  # fmt: skip


def _direction(facts: Facts, claim: Claim) -> Verdict:
    """Whether the close of a day rose or fell."""
    at = facts.place_of(claim)
    if not at:
        raise _NotCheckable("history_too_short")
    bar, before = facts.bars[at], facts.bars[at - 1]
    basis = Basis("day, close", bar.close / before.close - 1, (_price(before), _price(bar)))
    sign = 1 if claim.argument == "up" else -1
    note = facts.day_note if at == facts.last else None
    return _weigh(claim, [basis], fits=lambda v: bool(sign * v > 0), note=note)


def _biggest_move(facts: Facts, claim: Claim) -> Verdict:
    """Whether no session since a day rose, or fell, as much by its close, and that day's did."""
    assert claim.stated_on is not None
    bars, last, sign = facts.bars, facts.last, 1 if claim.argument == "up" else -1
    until = _period_end(claim.stated_on, claim.unit)
    moves = [
        (bars[i].session, sign * (bars[i].close / bars[i - 1].close - 1), i)
        for i in range(1, last + 1)
    ]
    own = moves[-1][1] if moves else 0.0
    as_much = [move for move in moves[:-1] if move[1] >= own]
    if own <= 0:
        basis = Basis("day, close", sign * own, (_price(bars[last - 1]), _price(bars[last])))
        return _weigh(claim, [basis], fits=lambda _: False, note=facts.day_note)
    if not as_much:
        raise _NotCheckable("history_too_short")
    day, _, place = as_much[-1]
    evidence = tuple(_price(bars[i]) for i in (place - 1, place, last - 1, last))
    return _weigh(
        claim, [Basis("the last move as large", day, evidence)],
        fits=lambda v: bool(claim.stated_on <= v <= until), note=facts.day_note,
    )  # fmt: skip


def _eps_estimate(facts: Facts, claim: Claim) -> Verdict:
    """What analysts expected of the newest results, or expect of the next."""
    told = facts.rows(
        "select row_id, period, eps_mean, currency, known_from from staging.stg_estimates "
        "where ticker = ? and known_from <= ? and eps_mean is not null "
        "and period in ('0q', '+1q', '0y', '+1y') "
        "qualify snapshot_date = max(snapshot_date) over () order by period",
        facts.ticker, facts.moment,
    )  # fmt: skip
    ahead = [
        Basis(f"estimate {period}", value,
              (Evidence("raw.estimates", row_id, "eps_mean", value, known_from),))
        for row_id, period, value, _, known_from in told
    ]  # fmt: skip
    results = [
        Basis(f"estimate of the period to {row[1]}", row[2],
              (Evidence("raw.earnings", row[0], "eps_estimate", row[2], row[6]),))
        for row in _results(facts)[:1] if row[2] is not None
    ]  # fmt: skip
    for row_id, estimate, known_from in facts.rows(
        "select row_id, eps_estimate, known_from from staging.stg_earnings_dates "
        "where ticker = ? and known_from <= ? and eps_estimate is not null "
        "order by snapshot_date desc, announced_from limit 1",
        facts.ticker, facts.moment,
    ):  # fmt: skip
        evidence = Evidence("raw.earnings_dates", row_id, "eps_estimate", estimate, known_from)
        ahead.insert(0, Basis("estimate of the next results", estimate, (evidence,)))
    bases = results + ahead if claim.change == "past" else ahead + results
    if not bases:
        raise _NotCheckable("no_estimates")
    codes = {facts.major(row[3])[0] for row in told if row[3]} or {facts.currency}
    if claim.unit not in codes:
        raise _NotCheckable("another_currency")
    found = _weigh(claim, bases, note=None)
    return replace(found, verdict=SUPPORTED) if found.verdict == OTHER_BASIS else found


def _shares_traded(facts: Facts, claim: Claim) -> Verdict:
    at = facts.place_of(claim)
    bar = facts.bars[at]
    value = bar.volume / facts.split_factor if bar.volume is not None else None
    note = facts.day_note if at == facts.last else None
    return _weigh(claim, [Basis("volume", value, (_price(bar, "volume"),))], note=note)


def _other_currency(
    facts: Facts,
    claim: Claim,
    found: Any,
    currency: str,
    evidence: Sequence[Evidence],
    stated: str | None = None,
) -> Verdict:
    note = f"stated in {stated or claim.unit}, found in {currency}"
    number, step = (
        (claim.value, claim.step) if stated is None else (claim.second, claim.second_step)
    )
    # The same number in another currency is wrong; another number may be right in it.
    if number and isinstance(found, int | float) and abs(found - number) > step / 2 + 1e-9:
        raise _NotCheckable("another_currency")
    return _answer(claim, CONTRADICTED, found=found, basis="currency", evidence=evidence, note=note)


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
    return _weigh(claim, bases, fits=fits, earlier=earlier)


def _counted(*columns: str) -> Callable[[Facts, Claim], Verdict]:
    def judged(facts: Facts, claim: Claim) -> Verdict:
        bases = [facts.consensus_basis(column) for column in columns]
        if claim.unit == "count" and claim.operator in ("over", "under"):
            # Of several counts one is always smaller: a bound is of the widest.
            bases = bases[:1]
        if claim.unit not in ("count", "fraction"):
            _refuse_currency(facts, claim)
            if claim.unit != facts.currency:
                value = bases[0].value
                return _other_currency(
                    facts, claim, value, facts.currency or "?", bases[0].evidence
                )
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
        return _weigh(claim, bases, earlier=earlier)

    return judged


def _refuse_currency(facts: Facts, claim: Claim) -> None:
    if not facts.currency or not claim.unit:
        raise _NotCheckable("currency_unknown")


def _rating_count(facts: Facts, claim: Claim) -> Verdict:
    row, what = facts.consensus, claim.argument
    plain = facts.consensus_basis(f"{what}_count")
    firms = None if what.startswith("strong_") else facts.consensus_basis(f"firm_{what}_count")
    if claim.second is not None and firms is not None:
        whole = facts.consensus_basis("firm_count")
        of_whole = Basis(f"{firms.name} of firm_count", [firms.value, whole.value], firms.evidence)
        stated = [claim.value, claim.second]
        return _weigh(claim, [of_whole], fits=lambda found: bool(found == stated))
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
            Basis(f"share of {b.name}", b.value / n if b.value is not None and n else None,
                  b.evidence)
            for b, n in zip(bases, wholes, strict=True)
        ]  # fmt: skip
    return _weigh(claim, bases)


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
            bases.append(Basis(f"close over {name}", ratio, (_price(bar), *target.evidence)))
    low = claim.argument == "low"
    sides = {basis.value < 1 for basis in bases}
    if len(sides) > 1:
        raise _NotCheckable("averages_differ")
    return _weigh(
        claim, bases[:1], fits=lambda v: bool(v < 1 if low else v > 1), note=facts.day_note
    )


def _revision_count(facts: Facts, claim: Claim) -> Verdict:
    """Upgrades, downgrades, raises or cuts of targets in 30 or 90 days."""
    days = {"30 days": 30, "month": 30, "90 days": 90, "3m": 90}.get(claim.window or "")
    if days is None or claim.period:
        raise _NotCheckable("window_not_supported")
    basis = facts.consensus_basis(f"{claim.argument}_{days}d")
    return _weigh(claim, [basis])


def _upside(facts: Facts, claim: Claim) -> Verdict:
    if claim.grade is not None and claim.firm is not None:
        raise _NotCheckable("rank_not_read")
    if claim.grade == "median":
        medians = ("upside_median", "snapshot_upside_median")
        return _weigh(claim, [facts.consensus_basis(n) for n in medians], note=facts.day_note)
    if claim.grade is not None:
        bar, bases = facts.bars[facts.last], []
        for layer in ("snapshot_", ""):
            target = facts.consensus_basis(f"{layer}target_{claim.grade}")
            if target.value is not None:
                value = target.value / bar.close - 1
                evidence = (*target.evidence, _price(bar))
                bases.append(Basis(f"{target.name} over the close", value, evidence))
        return _weigh(claim, bases, note=facts.day_note)
    if claim.firm is not None:
        return _upside_of_firm(facts, claim)
    if claim.second is not None:
        if claim.second_unit != facts.currency:
            raise _NotCheckable("currencies_differ")
        bar = facts.bars[facts.last]
        value = claim.second / (bar.close * facts.price_factor) - 1
        basis = Basis(f"the stated {claim.second:g} over the close", value, (_price(bar),))
        return _weigh(claim, [basis], note=facts.day_note)
    names = ("snapshot_upside_mean", "upside_median", "snapshot_upside_median", "upside_mean")
    return _weigh(claim, [facts.consensus_basis(name) for name in names], note=facts.day_note)


def _upside_of_firm(facts: Facts, claim: Claim) -> Verdict:
    """What the newest target of one firm is above the close."""
    call = next((c for c in facts.calls if c["firm"] == claim.firm), None)
    if call is None or call["told_target"] is None:
        raise _NotCheckable("no_call_of_firm")
    code, units = facts.major(call["target_currency"]) if call["target_currency"] else facts.quoted
    if code != facts.currency:
        raise _NotCheckable("currencies_differ")
    bar = facts.bars[facts.last]
    target = Evidence(
        call["table_name"], call["row_id"], "target", call["told_target"], call["known_from"]
    )
    value = call["told_target"] / units / (bar.close * facts.price_factor) - 1
    return _weigh(
        claim, [Basis(f"{claim.firm}'s target over the close", value, (target, _price(bar)))],
        note=facts.day_note,
    )  # fmt: skip


def _target_range(facts: Facts, claim: Claim) -> Verdict:
    assert claim.value is not None and claim.high is not None
    row, factor = facts.consensus, facts.price_factor
    if claim.unit != facts.currency:
        basis = facts.consensus_basis("target_cluster_low")
        return _other_currency(facts, claim, basis.value, facts.currency or "?", basis.evidence)
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
            "quartiles of the firms' targets", [cuts[0] * factor, cuts[2] * factor],
            cluster.evidence,
        )  # fmt: skip
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
    return _weigh(claim, bases, fits=fits, earlier=earlier)


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
        raise _NotCheckable("rank_not_read")
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
        told = call["target_currency"]
        return facts.major(told) if told else facts.quoted

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
                raise _NotCheckable("change_not_known")
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
            base = call["prior_target"] if call["prior_target"] is not None else (
                call["last_target"]
            )  # fmt: skip
            if base:
                by = abs(call["told_target"] - base)
                by = by / base if claim.second_unit == "fraction" else amount(by, call) or 0.0
                if abs(by - claim.second) > claim.second_step / 2 + 1e-9:
                    return False
        if claim.change in ("up", "down", "same") and call["told_target"] is not None:
            before = call["prior_target"] if call["prior_target"] is not None else (
                call["last_target"]
            )  # fmt: skip
            if before is not None and claim.change != _way(before, call["told_target"]):
                return False
            if None not in (claim.prior, claim.value) and (
                claim.change != _way(claim.prior or 0.0, claim.value or 0.0)
            ):  # fmt: skip
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
            raise _NotCheckable("change_not_known")
        if (claim.prior is not None or claim.second is not None) and not known:
            raise _NotCheckable("change_not_known")
        same = grade_fits(call)
        return _answer(
            claim, SUPPORTED if same else OTHER_BASIS, found=shown(call),
            basis=basis if same else "an equivalent grade", evidence=evidence(call), note=note,
        )  # fmt: skip

    own = [call for call in facts.calls if call["firm"] == claim.firm]
    for call in facts.calls_of_the_day:
        if call["firm"] == claim.firm and fits(call):
            return supported(
                call, "the firm's call of the day",
                f"dated {call['graded_on']}, its hour is not known",
            )  # fmt: skip
    if not own:
        theirs = next((c for c in facts.calls if fits(c)), None) if claim.value else None
        if theirs is None:
            raise _NotCheckable("no_call_of_firm")
        return _answer(
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
            return _answer(
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
        raise _NotCheckable("another_currency")
    if not currency_fits(own[0]):
        note = f"stated in {claim.unit}, found in {currency_of(own[0])[0]}"
    elif claim.value is not None:
        theirs = next((c for c in facts.calls if c["firm"] != claim.firm and fits(c)), None)
        if theirs is not None:
            note = f"it is the call of {theirs['firm']}"
    return _answer(
        claim, CONTRADICTED, found=shown(own[0]), basis="the firm's newest call",
        evidence=evidence(own[0]), note=note,
    )  # fmt: skip


def _row_evidence(row: dict[str, Any], table: str, *columns: str) -> tuple[Evidence, ...]:
    return tuple(Evidence(table, row["row_id"], c, row[c], row["known_from"]) for c in columns)


def _own_multiple(row: dict[str, Any], eps: str) -> float | None:
    if row["currency"] != row["eps_currency"] or not row["price"] or (row[eps] or 0) <= 0:
        return None
    return float(row["price"] / row[eps])


def _multiple(facts: Facts, claim: Claim) -> Verdict:
    if not facts.valuations:
        raise _NotCheckable("no_valuation")
    row, metric = facts.valuations[0], claim.argument
    bases = []
    if metric != "price_to_sales":
        eps = "forward_eps" if metric == "forward_pe" else "trailing_eps"
        if (row[eps] or 0) < 0:
            raise _NotCheckable("no_positive_earnings")
        if row["eps_currency"] and row["currency"] and row["eps_currency"] != row["currency"]:
            raise _NotCheckable("currencies_differ")
        told = _row_evidence(row, "raw.valuations", "price", eps)
        bases.append(Basis("price over earnings", _own_multiple(row, eps), told))
        if row[eps]:
            bar = facts.bars[facts.last]
            value = bar.close * facts.split_factor / row[eps]
            bases.append(Basis("the day's close over earnings", value, (told[1], _price(bar))))
    bases.append(Basis("vendor's", row[metric], _row_evidence(row, "raw.valuations", metric)))
    earlier = (
        Basis(f"on {old['valued_on']}", old[metric], _row_evidence(old, "raw.valuations", metric))
        for old in facts.valuations[1:13]
    )
    return _weigh(claim, bases, earlier=earlier, note=f"valued on {row['valued_on']}")


def _peers(facts: Facts, claim: Claim) -> Verdict:
    peers = facts.rows(
        "select peer from rules.peers where ticker = ? and valid_from <= ? "
        "and (valid_to is null or valid_to >= ?) order by peer",
        facts.ticker, facts.session, facts.session,
    )  # fmt: skip
    found: list[tuple[float, tuple[Evidence, ...]]] = []
    own = None
    names = [facts.ticker, *(row[0] for row in peers)]
    for ticker, valued in _valuations(facts, names).items():
        multiple = _own_multiple(valued[0], "forward_eps") if valued else None
        if multiple is None:
            continue
        evidence = _row_evidence(valued[0], "raw.valuations", "price", "forward_eps")
        if ticker == facts.ticker:
            own = (multiple, evidence)
        else:
            found.append((multiple, evidence))
    if own is None or len(found) < 5:
        raise _NotCheckable("too_few_peers" if own else "no_multiple")
    median = statistics.median(multiple for multiple, _ in found)
    evidence = (*own[1], *(one for _, told in found for one in told))
    ratio = Basis("forward P/E over the peers' median", own[0] / median, evidence)
    return _weigh(
        claim, [ratio], fits=lambda v: bool(v < 1 if claim.argument == "low" else v > 1),
        note=f"{own[0]:.1f} against {median:.1f}, the median of {len(found)} peers of rules.peers",
    )  # fmt: skip


def _market_cap(facts: Facts, claim: Claim) -> Verdict:
    row = facts.valuations[0] if facts.valuations else None
    code, units = facts.major(row["currency"]) if row else facts.quoted
    code = code or facts.currency
    if row and code and code != claim.unit:
        return _other_currency(
            facts, claim, row["market_cap"], code,
            _row_evidence(row, "raw.valuations", "market_cap"),
        )  # fmt: skip
    bases = []
    if row and row["market_cap"] is not None:
        told = _row_evidence(row, "raw.valuations", "market_cap")
        bases.append(Basis("vendor's", row["market_cap"] / units, told))
        if units != 1:
            # Vendors quote in pence and give the whole in pounds, or both in pence.
            bases.append(Basis("vendor's, as told", row["market_cap"], told))
    shares = facts.rows(
        "select row_id, shares_outstanding, known_from from staging.stg_securities_history "
        "where ticker = ? and known_from <= ? order by known_from desc limit 1",
        facts.ticker, facts.moment,
    )  # fmt: skip
    if shares and shares[0][1]:
        bar = facts.bars[facts.last]
        count = Evidence("raw.securities", shares[0][0], "shares_outstanding", *shares[0][1:])
        whole = bar.close * facts.price_factor * shares[0][1]
        bases.append(Basis("close times shares", whole, (_price(bar), count)))
    return _weigh(claim, bases)


def _of_momentum(*columns: str) -> Callable[[Facts, Claim], Verdict]:
    def judged(facts: Facts, claim: Claim) -> Verdict:
        return _weigh(claim, [facts.momentum(c) for c in columns], note=facts.day_note)

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
        evidence = (_price(own, "volume"), *(_price(bar, "volume") for bar in span))
        value = own.volume / (sum(told) / days)
        bases.append(Basis(f"mean of {days} sessions {name}", value, evidence))
    if not bases:
        raise _NotCheckable("history_too_short")
    if way:
        half = claim.second_step / 2 + 1e-9
        volume = own.volume or 0.0

        def fits(value: Any) -> bool:
            level = claim.second
            is_level = level is None or abs(volume / value / facts.split_factor - level) <= half
            return bool((value > 1) == (way == "above") and is_level)

        return _weigh(claim, bases, fits=fits, note=facts.day_note)
    return _weigh(claim, bases, note=facts.day_note)


def _moving_average(facts: Facts, claim: Claim) -> Verdict:
    days = int(claim.value or 0)
    if days not in (50, 200):
        raise _NotCheckable("window_not_supported")
    if claim.argument.startswith("first "):
        told = _moving_average(facts, replace(claim, argument=claim.argument[6:]))
        if told.verdict == SUPPORTED:
            raise _NotCheckable("history_not_read")
        return told
    average = facts.momentum(f"sma_{days}")
    bar = facts.bars[facts.last]
    evidence = (_price(bar), *average.evidence)
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

            return _weigh(
                claim, [Basis(f"close over sma_{days}", ratio - 1, evidence)],
                fits=fits, note=facts.day_note,
            )  # fmt: skip
        level = average.value * facts.price_factor
        if claim.second_unit != facts.currency:
            return _other_currency(
                facts, claim, level, facts.currency or "?", average.evidence, claim.second_unit
            )
        at = _weigh(
            claim, [Basis(f"sma_{days}", level, average.evidence)],
            fits=lambda v: bool(abs(v - claim.second) <= half), note=facts.day_note,
        )  # fmt: skip
        if claim.argument.startswith("level") or at.verdict == CONTRADICTED:
            return at
    return _weigh(
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
    spans = [("52 weeks", _months_before(bars[last].session, 12))]
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
            pair = (_price(bars[last]), _price(extreme, column))
            is_stated = claim.second is None or (
                abs(level * facts.price_factor - claim.second) <= half
            )
            (bases if is_stated else excluded).append(Basis(f"{name}, {label}", away, pair))
    if not bases:
        raise _NotCheckable("level_differs")
    return _weigh(claim, bases, note=facts.day_note, excluded=excluded)


def _short_interest(facts: Facts, claim: Claim) -> Verdict:
    cursor = facts.con.execute(
        "select row_id, settled_on, short_share_of_float, days_to_cover, known_from "
        "from staging.stg_short_interest where ticker = ? and known_from <= ? "
        "order by settled_on desc limit 12",
        [facts.ticker, facts.moment],
    )
    names = [column[0] for column in cursor.description or ()]
    found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not found:
        raise _NotCheckable("no_short_interest")
    told = [
        Basis(f"settled on {r['settled_on']}", r[claim.argument],
              _row_evidence(r, "raw.short_interest", claim.argument))
        for r in found
    ]  # fmt: skip
    return _weigh(claim, told[:1], earlier=told[1:])


def _results(facts: Facts) -> list[tuple[Any, ...]]:
    """Return the results known, newest first."""
    return facts.rows(
        "select row_id, period_end, eps_estimate, eps_actual, surprise, currency, known_from "
        "from staging.stg_earnings where ticker = ? and known_from <= ? and eps_actual is not null "
        "order by period_end desc limit 5",
        facts.ticker, facts.moment,
    )  # fmt: skip


def _earnings_surprise(facts: Facts, claim: Claim) -> Verdict:
    bases, ends = [], []
    for row_id, period_end, estimate, actual, surprise, currency, known_from in _results(facts):
        evidence = [
            Evidence("raw.earnings", row_id, "eps_estimate", estimate, known_from),
            Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),
        ]
        if surprise is None and estimate:
            surprise = (actual - estimate) / abs(estimate)
        units = facts.major(currency)[1] if currency else facts.quoted[1]
        actual, estimate = actual / units, estimate and estimate / units
        if _is_named(claim, period_end, known_from):
            told = (surprise, actual, estimate)
            bases.append(Basis(f"period to {period_end}", told, tuple(evidence)))
            ends.append(period_end)
    if not bases:
        raise _NotCheckable("no_results")
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
    found_by = _weigh(claim, _of_period(claim, bases, ends), fits=fits, earlier=earlier)
    if isinstance(found_by.found, tuple):
        whole = claim.second is not None or claim.prior is not None
        said = dict(zip(("surprise", "eps", "estimate"), found_by.found, strict=True))
        found_by = replace(
            found_by, found=said if whole else found_by.found[0],
            verdict=SUPPORTED if found_by.verdict == OTHER_BASIS else found_by.verdict,
            bases={name: value[0] for name, value in found_by.bases.items()},
        )  # fmt: skip
    return found_by


def _eps(facts: Facts, claim: Claim) -> Verdict:
    """Earnings per share of the newest results known, or of those the claim names."""
    found = _results(facts)
    bases = [
        Basis(f"period to {period_end}",
              actual / (facts.major(currency)[1] if currency else facts.quoted[1]),
              (Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),))
        for row_id, period_end, _, actual, _, currency, known_from in found
        if _is_named(claim, period_end, known_from)
    ]  # fmt: skip
    if not bases:
        raise _NotCheckable("no_results")
    currency = found[0][5]
    code = facts.major(currency)[0] if currency else facts.currency
    if code != claim.unit:
        raise _NotCheckable("another_currency")
    ends = [row[1] for row in found if _is_named(claim, row[1], row[6])]
    own = _of_period(claim, bases, ends)
    earlier = () if claim.period == "year ago" else bases[1:]
    return _weigh(claim, own, earlier=earlier)


def _of_period(claim: Claim, bases: list[Basis], ends: list[date]) -> list[Basis]:
    """Results of the quarter a claim names: a year before the newest, or either of the newest."""
    if claim.period == "year ago":
        own = [b for b, end in zip(bases, ends, strict=True) if 350 <= (ends[0] - end).days <= 380]
        if not own:
            raise _NotCheckable("no_results")
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
            (period_end.year, period_end.month), (known_from.year, known_from.month),
        )  # fmt: skip
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
        facts.ticker, facts.moment,
    )  # fmt: skip
    if claim.argument and (not found or found[0][5] is None):
        raise _NotCheckable("hour_not_known")
    if claim.argument and found[0][5] != claim.argument:
        evidence = Evidence("raw.earnings_dates", found[0][0], "timing", found[0][5], found[0][3])
        return _answer(claim, CONTRADICTED, found=found[0][5], basis="timing", evidence=(evidence,))
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
        ends = _period_end(day, "month").day
        first, last = day.replace(day=low), day.replace(day=min(high, ends))
    return _weigh(
        claim, told[:1], fits=lambda v: bool(v[0] <= last and first <= v[1]), earlier=told[1:]
    )


def _results_date(facts: Facts, claim: Claim, day: date) -> Verdict:
    """Whether results became known on a day that is past, or the day before or after by UTC."""
    if claim.argument:
        raise _NotCheckable("hour_not_known")
    found = facts.rows(
        "select row_id, eps_actual, known_from from staging.stg_earnings "
        "where ticker = ? and known_from <= ? and eps_actual is not null "
        "and pit_quality = 'vendor_stated' order by abs(datediff('day', known_from, ?)) limit 1",
        facts.ticker, facts.moment, day,
    )  # fmt: skip
    if not found or abs((found[0][2].date() - day).days) > 60:
        raise _NotCheckable("no_results")
    row_id, actual, known_from = found[0]
    evidence = (Evidence("raw.earnings", row_id, "eps_actual", actual, known_from),)
    return _weigh(
        claim, [Basis("results known", known_from.date(), evidence)],
        fits=lambda v: bool(abs((v - day).days) <= 1),
    )  # fmt: skip


def _dividend(facts: Facts, claim: Claim) -> Verdict:
    bars, last = facts.bars, facts.last
    since = _months_before(bars[last].session, 12)
    paid = [bar for bar in bars[: last + 1] if bar.dividend and bar.session > since]
    if claim.kind == "dividend" and claim.day and claim.day[1]:
        begin, until = claim.day[1], _period_end(claim.day[1], claim.day[0])
        paid = [bar for bar in paid if begin <= bar.session <= until]
    elif claim.kind == "dividend" and claim.day:
        raise _NotCheckable("day_not_supported")
    if not paid:
        raise _NotCheckable("no_dividend")
    evidence = tuple(_price(bar, "dividend") for bar in paid)
    total = sum(bar.dividend for bar in paid) * facts.price_factor
    if claim.kind == "dividend_yield":
        value = total / (bars[last].close * facts.price_factor)
        told = (*evidence, _price(bars[last]))
        return _weigh(claim, [Basis("dividends of 12 months over the close", value, told)])
    if claim.unit != facts.currency:
        return _other_currency(facts, claim, total, facts.currency or "?", evidence)
    newest = Basis("last dividend", paid[-1].dividend * facts.price_factor, evidence[-1:])
    return _weigh(claim, [newest, Basis("dividends of 12 months", total, evidence)])


def _security(facts: Facts, column: str) -> tuple[Any, Evidence]:
    if column not in ("exchange", "currency", "financial_currency"):
        raise ValueError(column)
    found = facts.rows(
        f"select row_id, {column}, known_from from staging.stg_securities_history "
        "where ticker = ? and known_from <= ? order by known_from desc limit 1",
        facts.ticker, facts.moment,
    )  # fmt: skip
    if not found or found[0][1] is None:
        raise _NotCheckable("no_master_data")
    row_id, value, known_from = found[0]
    return value, Evidence("raw.securities", row_id, column, value, known_from)


def _listing(facts: Facts, claim: Claim) -> Verdict:
    exchange, evidence = _security(facts, "exchange")
    known = _EXCHANGES.get(exchange)
    if known is None:
        raise _NotCheckable("unknown_exchange")
    basis = Basis("exchange", exchange, (evidence,))
    return _weigh(claim, [basis], fits=lambda _: (claim.grade or "") in known)


def _currency(facts: Facts, claim: Claim) -> Verdict:
    column = "financial_currency" if claim.argument == "reporting" else "currency"
    code, evidence = _security(facts, column)
    basis = Basis(column, code, (evidence,))
    return _weigh(claim, [basis], fits=lambda value: bool(value == claim.grade))


# Funds whose closes stand for an index.
_INDEX_FUNDS = {"s&p": ("^GSPC", "SPY"), "nasdaq": ("^IXIC", "QQQ")}


def _versus_market(facts: Facts, claim: Claim) -> Verdict:
    """Whether the close moved more than that of an index, or of the company's own benchmark."""
    funds = _INDEX_FUNDS.get(claim.grade or "") or tuple(
        row[0] for row in facts.rows(
            "select benchmark from staging.stg_universe where ticker = ? and benchmark is not null",
            facts.ticker,
        )
    )  # fmt: skip
    index = next((
        other for other in (Facts(facts.con, fund, facts.moment, day=facts.day) for fund in funds)
        if other.bars
    ), None)  # fmt: skip
    if index is None:
        raise _NotCheckable("no_index")
    if claim.window is not None:
        return _versus(facts, index, claim)
    # Words that name no span may mean the day or the year: both must say the same.
    told = [_versus(facts, index, replace(claim, window=window)) for window in ("day", "12m")]
    if claim.second is not None:
        of_day = [one for one in told if one.verdict == SUPPORTED]
        return of_day[0] if of_day else told[0]
    if told[0].verdict != told[1].verdict:
        raise _NotCheckable("window_not_stated")
    return told[0]


def _versus(facts: Facts, index: Facts, claim: Claim) -> Verdict:
    """Whether the close moved more than an index over a span, and that as far as is stated."""
    at = facts.place_of(claim)
    there = index.place_of(claim)
    theirs = {basis.name: basis for basis in _moves(index, claim, False, there)}
    bases, own_of = [], {}
    for basis in _moves(facts, claim, False, at):
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
    return _weigh(claim, bases, fits=fits, note=note)


def _telling(text: str, ticker: str) -> set[str]:
    return {
        word.form[:7]
        for word in words(text, 120)
        if len(word.form) > 2 and word.form not in {*word_set("untelling"), ticker.lower()}
        and (len(word.form) > 3 or word.is_capital)
    }  # fmt: skip


def _reported(facts: Facts, text: str, least: int, since: datetime | None = None) -> list[Evidence]:
    """News that share at least so many telling words with a text, the nearest first."""
    said = _telling(text, facts.ticker)
    found = []
    for row_id, title, summary, published_at, known_from in facts.news:
        if since is not None and published_at < since:
            continue
        shared = len(said & _telling(f"{title} {summary}", facts.ticker))
        if shared >= least:
            found.append((shared, Evidence("raw.news", row_id, "title", title, known_from)))
    found.sort(key=lambda pair: -pair[0])
    return [evidence for _, evidence in found[:5]]


def _news_event(facts: Facts, claim: Claim) -> Verdict:
    """An event is reported where its names, numbers and acts all stand in one story of the company.

    What a story tells in part only is left open, with the story named.
    """
    nearest = _reported(facts, claim.text, 1) or _reported(facts, " ".join(claim.words), 2)
    if not nearest:
        raise _NotCheckable("no_news")
    said, days = claim.text, None
    if claim.day:
        # The day is that of the story, by UTC or by New York.
        said = _DAY_WORDS.sub("", said)
        days = facts.days_of(replace(claim, window=claim.day[0], stated_on=claim.day[1]))
    stories = {
        row[0]: _Told.of(f"{row[1]} {row[2]}", facts.ticker) for row in facts.news
        if days is None or any(
            days[0] <= (row[3] - timedelta(hours=hours)).date() <= days[1] for hours in (0, 5)
        )
    }  # fmt: skip
    told = [
        next((one for one in _reported(facts, part, 1) if one.row_id in stories and
              _Told.of(part, facts.ticker).is_in(stories[one.row_id])), None)
        for part in _events(said, facts.ticker)
    ]  # fmt: skip
    if told and all(told):
        evidence = list(dict.fromkeys(one for one in told if one))
        return _answer(
            claim, SUPPORTED, found=evidence[0].value, basis="reported in the news",
            evidence=evidence, note="that it was reported, not that it moved the price",
        )  # fmt: skip
    return _answer(
        claim, NOT_CHECKABLE, found=nearest[0].value, basis="the nearest story",
        evidence=nearest[:1], reason="only_partly_reported",
    )  # fmt: skip


def _events(text: str, ticker: str) -> list[str]:
    """What a list tells of, each part with the names behind it."""
    parts: list[str] = []
    for part in _LIST.split(text):
        one = _Told.of(part, ticker)
        if parts and (one.is_a_name or not one.telling):
            parts[-1] += f", {part}"
        else:
            parts.append(part)
    return parts


_LIST = re.compile(r",? and |, ")
_DAY_WORDS = re.compile(
    r"\b(?:on )?(?:mon|tues|wednes|thurs|fri)day\b|"
    r"\b(?:on )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}\b(?:, \d{4})?",
    re.IGNORECASE,
)
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "million", "billion", "trillion", "thousand")  # fmt: skip


@cache
def _acts() -> dict[str, str]:
    """Acts by what they do, so that a story of the opposite act is no report of this one."""
    return _named_by("act_")


@cache
def _same() -> dict[str, str]:
    return _named_by("same_")


@cache
def _untelling() -> frozenset[str]:
    return word_set("plain") | word_set("untelling")


def _named_by(prefix: str) -> dict[str, str]:
    """Words of the classes that begin so, with what the rest of the class's name calls them."""
    return {
        word: name.removeprefix(prefix)
        for name, members in word_classes().items() if name.startswith(prefix)
        for word in members
    }  # fmt: skip


class _Told(NamedTuple):
    """What a text tells of: names and numbers, acts that exclude others, and telling words."""

    names: frozenset[str]
    acts: frozenset[str]
    telling: frozenset[str]
    is_a_name: bool

    @classmethod
    def of(cls, text: str, ticker: str) -> _Told:
        """Read a text; a name is a capital word that does not only begin the sentence."""
        cut = words(text, 120)
        forms = [part for word in cut for part in _parts(word.form)]
        names = {
            word.form for place, word in enumerate(cut)
            if (word.is_capital and (place or word.form not in _acts()))
            and word.form not in _untelling() and word.form != ticker.lower()
            and len(word.form) > 1
        }  # fmt: skip
        names |= {form for form in forms if form in _COUNTS or form[:1].isdigit()}
        acts = {_acts()[form] for form in forms if form in _acts()}
        telling = {
            _same().get(form, form)[:6] for form in forms
            if (len(form) > 2 or form == "ai")
            and form not in _untelling() and form not in _COUNTS
        }  # fmt: skip
        is_a_name = telling <= {_same().get(name, name)[:6] for name in names}
        return cls(frozenset(names), frozenset(acts), frozenset(telling), is_a_name)

    def is_in(self, story: _Told) -> bool:
        """Whether a story has every name and number, no other act, and half of the words."""
        known = story.names | {name.rstrip("s") for name in story.names}
        if any(name not in known and name[:6] not in story.telling for name in self.names):
            return False
        if self.acts != self.acts & story.acts or (story.acts & {"end"}) - self.acts:
            return False
        shared = len(self.telling & story.telling)
        return shared >= min(2, len(self.telling)) and 2 * shared >= len(self.telling) > 0


def _parts(form: str) -> list[str]:
    """A word, and where it begins with a count that count apart: "trillion-parameter"."""
    head, _, rest = form.partition("-")
    return [head, rest] if head in _COUNTS and rest else [form]


def _risk_flag(facts: Facts, claim: Claim) -> Verdict:
    flag = claim.argument
    known_to = (
        facts.session if facts.moment >= facts.closes_at else facts.session - timedelta(days=1)
    )
    covered = facts.rows(
        "select flag from marts.flag_coverage "
        "where ticker = ? and flag = ? and status = 'evaluated'",
        facts.ticker, flag,
    )  # fmt: skip
    found = facts.rows(
        "select flag_episode_id, kind, severity, opened_on, closed_on from marts.risk_flags "
        "where ticker = ? and flag = ? and opened_on <= ? order by opened_on desc",
        facts.ticker, flag, known_to,
    )  # fmt: skip
    if not covered and not found:
        raise _NotCheckable("flag_not_evaluated")
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
            return _answer(
                claim, SUPPORTED if since in days_open else CONTRADICTED,
                found=what, basis="open flag", evidence=evidence,
            )  # fmt: skip
        if is_open:
            note = "an exposure, not a dated event" if kind == "exposure" else None
            return _answer(
                claim, SUPPORTED, found=what, basis="open flag", evidence=evidence, note=note
            )
        if (known_to - closed_on).days <= _STALE_DAYS:
            return _answer(
                claim, CONTRADICTED if "open" in claim.words else STALE,
                found=what, basis="closed flag", evidence=evidence,
                note=f"closed on {closed_on}",
            )  # fmt: skip
    raise _NotCheckable("no_open_flag")


def _closed_flag(facts: Facts, claim: Claim, episode: str, closed_on: date | None) -> Verdict:
    """Whether the newest episode of a flag was closed, and on the day a claim names."""
    evidence = (Evidence("marts.risk_flags", episode, "closed_on", closed_on, None),)
    days = facts.days_of(
        replace(claim, window=claim.day[0], stated_on=claim.day[1])
    ) if claim.day else None  # fmt: skip
    is_so = closed_on is not None and (days is None or days[0] <= closed_on <= days[1])
    return _answer(
        claim, SUPPORTED if is_so else CONTRADICTED, found=closed_on, basis="closed flag",
        evidence=evidence,
    )  # fmt: skip


def _risk_flag_count(facts: Facts, claim: Claim) -> Verdict:
    """How many flags were open at the moment."""
    known_to = (
        facts.session if facts.moment >= facts.closes_at else facts.session - timedelta(days=1)
    )
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
    return _weigh(claim, [Basis("open flags", len(found), evidence), kinds])


def _momentum_rank(facts: Facts, claim: Claim) -> Verdict:
    """The place among the universe by momentum on the session, 1 being the best."""
    if facts.bars[facts.last].known_from > facts.next_opens_at:
        raise _NotCheckable("restated_since")
    found = facts.rows(
        "select session_date, momentum_percentile, universe_count from marts.momentum_ranks "
        "where ticker = ? and session_date <= ? order by session_date desc limit 1",
        facts.ticker, facts.bars[facts.last].session,
    )  # fmt: skip
    if not found or found[0][1] is None or (facts.session - found[0][0]).days > 31:
        raise _NotCheckable("no_data")
    on, share, count = found[0]
    rank = float(round((1 - share) * (count - 1)) + 1)
    evidence = (
        Evidence(
            "marts.momentum_ranks", f"{facts.ticker} {on}", "momentum_percentile", share, None
        ),
    )
    if claim.argument and int(claim.argument) != count:
        return _answer(
            claim, CONTRADICTED, found=rank, basis="rank by momentum", evidence=evidence,
            note=f"of {count}",
        )  # fmt: skip
    return _weigh(claim, [Basis("rank by momentum", rank, evidence)], note=f"of {count} on {on}")


def _opinion(facts: Facts, opinion: Opinion) -> dict[str, Any]:
    """An opinion; a reason given is at most said to coincide with news of the days before."""
    said: dict[str, Any] = {
        "text": opinion.text, "reason": opinion.reason, "sentence": opinion.sentence
    }  # fmt: skip
    if opinion.reason == "causal":
        since = facts.moment - timedelta(days=5)
        found = _reported(facts, opinion.text, 2, since)
        if found:
            said["coincides_with"] = [one._asdict() for one in found]
    return said


_JUDGES: dict[str, Callable[[Facts, Claim], Verdict]] = {
    "rating_call": _call, "target_change": _call, "rating_change": _call,
    "target_range": _target_range, "target_extreme": _target_extreme,
    "target_average": _target_average, "upside": _upside, "market_cap": _market_cap,
    "multiple": _multiple, "dividend_yield": _dividend, "dividend": _dividend,
    "short_interest": _short_interest, "volume": _volume,
    "drawdown": _drawdown,
    "volatility": _of_momentum("volatility_63d", "volatility_21d", "volatility_252d"),
    "beta": _of_momentum("beta_252d"), "rsi": _rsi,
    "target_count": _counted("target_count", "snapshot_target_count"),
    "moving_average": _moving_average, "high_52w": _extreme, "record": _extreme,
    "level_since": _level_since, "factor": _move, "consensus_label": _consensus_label,
    "analyst_count": _counted("analyst_count", "snapshot_target_count", "firm_count"),
    "rating_count": _rating_count, "peers": _peers, "versus_market": _versus_market,
    "earnings_surprise": _earnings_surprise, "earnings_date": _earnings_date,
    "listing": _listing, "currency": _currency, "risk_flag": _risk_flag,
    "price": _price_level, "move": _move, "news_event": _news_event,
    "price_change": _price_change, "price_range": _price_range, "session_level": _session_level,
    "streak": _streak, "shares_traded": _shares_traded, "revision_count": _revision_count,
    "direction": _direction, "biggest_move": _biggest_move, "eps_estimate": _eps_estimate,
    "mean_score": _counted("snapshot_mean_score", "mean_score"), "eps": _eps,
    "target_position": _target_position,
    "risk_flag_count": _risk_flag_count, "momentum_rank": _momentum_rank,
}  # fmt: skip
