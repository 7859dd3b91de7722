"""What the published file says to each claim of an article, as of the moment it appeared.

A claim is computed on every admissible basis from facts with `known_from` up to that moment. One
exception, which the answer names: the day of publication is judged by its final bar.
"""

from __future__ import annotations

import calendar
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from warehouse.claims.extract import MOST_CHARACTERS, read
from warehouse.claims.facts import Facts, Judge, Past
from warehouse.claims.judges import (
    calls,
    consensus,
    flags,
    fundamentals,
    momentum,
    moves,
    news,
    prices,
    results,
)
from warehouse.claims.judges.calls import never_told
from warehouse.claims.judges.news import opinion_of
from warehouse.claims.model import Article, Claim
from warehouse.claims.verdicts import (
    CONTRADICTED,
    NOT_CHECKABLE,
    OTHER_BASIS,
    STALE,
    SUPPORTED,
    NotCheckable,
    Verdict,
    answer,
    tolerance,
)
from warehouse.claims.vocabulary import CALL_KINDS, word_set
from warehouse.errors import UsageError
from warehouse.news.linking import names_of
from warehouse.past import HISTORY, TIME_MACHINE, Answer
from warehouse.sources import calendars

__all__ = ["MOST_BYTES", "check", "judge", "tolerance"]

MOST_BYTES = 4 * MOST_CHARACTERS

# Kinds whose judges know what a day beside them is of.
_OF_A_DAY = frozenset(("high_52w", "record", "news_event", "earnings_surprise", "eps", "dividend"))


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
            verdicts.append(answer(claim, NOT_CHECKABLE, reason="unknown_company"))
            continue
        if name not in company:
            company[name] = Facts(con, name, moment, opened if past else None, day)
        verdicts.append(judge(company[name], claim))
    subject = company.get(article.ticker) or Facts(con, article.ticker, moment)
    return {
        "ticker": article.ticker,
        "as_of": moment.isoformat(sep=" "),
        "claims": [asdict(verdict) for verdict in verdicts],
        "opinions": [opinion_of(subject, opinion) for opinion in article.opinions],
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
    claim = _dated(facts, claim)
    if claim.unread or claim.left:
        never = never_told(facts, claim)
        if never is not None:
            return never
    if claim.unread:
        return answer(claim, NOT_CHECKABLE, reason=claim.unread)
    try:
        if claim.day and claim.kind not in _OF_A_DAY and claim.change != "closed":
            place = facts.place_of(replace(claim, window=claim.day[0], stated_on=claim.day[1]))
            if place != facts.last:
                # What names its own day is judged by what was known at that day's end.
                facts = facts.then(place)
        told = _JUDGES[claim.kind](facts, claim)
    except NotCheckable as reason:
        return never_told(facts, claim) or answer(claim, NOT_CHECKABLE, reason=str(reason))
    # What was read of a call is false whatever number stands beside it; words may change it all.
    is_beside = all(
        word.lstrip("$€£¥₹+-")[:1].isdigit() or word.lower() in word_set("mood")
        for word in claim.left.replace(" … ", " ").split()
    )
    if claim.left and not (
        told.verdict in (CONTRADICTED, STALE) and claim.kind in CALL_KINDS and is_beside
    ):
        return answer(
            claim, NOT_CHECKABLE, found=told.found, basis=told.basis,
            reason=f"'{claim.left}' was not read",
        )  # fmt: skip
    if claim.beside and told.verdict in (SUPPORTED, OTHER_BASIS):
        # What is false stays so whatever another clause says.
        return answer(
            claim, NOT_CHECKABLE, found=told.found, basis=told.basis,
            reason=f"'{claim.beside}' was not read",
        )  # fmt: skip
    return told


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


_JUDGES: dict[str, Judge] = {
    **moves.JUDGES,
    **prices.JUDGES,
    **momentum.JUDGES,
    **consensus.JUDGES,
    **calls.JUDGES,
    **fundamentals.JUDGES,
    **results.JUDGES,
    **news.JUDGES,
    **flags.JUDGES,
}
