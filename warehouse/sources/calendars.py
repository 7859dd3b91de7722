"""Trading sessions of the exchanges our tickers trade on, from the exchange_calendars library."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import duckdb
import exchange_calendars
import pandas as pd

from warehouse.errors import Failed, SourceError, UsageError
from warehouse.settings import SEEDS
from warehouse.sources import Drift, Unit

FIRST_DAY = date(1990, 1, 1)
REFERENCE = "XNYS"
NEW_YORK = ZoneInfo("America/New_York")
# When the schedule asks of all exchanges, on each session of the reference.
ASKED_AT = time(18, 30)
# A calendar is made anew where it ends sooner.
_LEAST_AHEAD = timedelta(days=30)
_OVERLAP = timedelta(days=30)


class CalendarRangeError(UsageError):
    """A day lies outside the sessions a calendar knows."""


class Calendars:
    """The source of `raw.sessions`; a unit's `ticker` is a calendar's code, such as XNYS."""

    name = "exchange_calendars"
    tables: tuple[str, ...] = ("sessions",)
    requests = 0
    drifts: Sequence[Drift] = ()

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        """Look up through `con` which exchanges the stored tickers trade on."""
        self.con = con

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return the calendars of the exchanges that stored tickers name."""
        named = " union ".join(
            f"select ticker from raw.{name}"
            for name in ("universe", "securities", "prices", "ratings", "consensus", "news")
        )
        stored = [row[0] for row in self.con.execute(named).fetchall()]
        codes = {
            row[0]
            for row in self.con.execute(
                "select exchange from raw.universe union select exchange from raw.securities"
            ).fetchall()
        }
        endings = {_suffix(ticker) for ticker in stored}
        exchanges = {REFERENCE}
        for (kind, value), exchange in _exchanges().items():
            if value in (codes if kind == "code" else endings):
                exchanges.add(exchange)
        return [Unit(ticker=exchange) for exchange in sorted(exchanges)]

    def sessions(self, unit: Unit) -> pd.DataFrame:
        """Return all sessions of a calendar; if it is stored, those from a month ago on."""
        assert unit.ticker is not None
        row = self.con.execute(
            "select max(session_date) from raw.sessions where exchange = ?", [unit.ticker]
        ).fetchone()
        today = datetime.now(UTC).date()
        known = row is not None and row[0] is not None and row[0] > today
        schedule = _schedule(unit.ticker, today - _OVERLAP if known else FIRST_DAY)
        return pd.DataFrame(
            {
                "exchange": unit.ticker,
                "session_date": schedule.index,
                "opens_at": schedule["open"].dt.tz_convert(None),
                "closes_at": schedule["close"].dt.tz_convert(None),
            }
        )

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Do nothing: a calendar has nothing to put away."""


@cache
def _exchanges() -> dict[tuple[str, str], str]:
    """Calendars by kind (code or suffix) and value, as the seed maps them."""
    with (SEEDS / "exchanges.csv").open(newline="") as file:
        return {(row["kind"], row["value"]): row["exchange"] for row in csv.DictReader(file)}


def _suffix(ticker: str) -> str:
    if ticker.endswith(("=X", "=F")):
        return ticker[-2:]
    if ticker.endswith(("-USD", "-EUR")):
        return ticker[-4:]
    return ticker.rsplit(".", 1)[-1] if "." in ticker else ""


def calendar_of(ticker: str, exchange_code: str | None = None) -> str | None:
    """Return the calendar of a ticker by Yahoo's exchange code, else by its suffix, else None."""
    known = _exchanges()
    return known.get(("code", exchange_code or "")) or known.get(("suffix", _suffix(ticker)))


def calendar_reaching(exchange: str, day: date) -> exchange_calendars.ExchangeCalendar:
    """Return a calendar with sessions beyond a day, as far as the library can make one.

    The library's ends a year after the process began: sooner than a service that runs for a year,
    or whose clock jumps.
    """
    made = _calendar(exchange, None)
    if day > made.last_session.date() - _LEAST_AHEAD:
        # Some exchanges' holidays are known for some years only, and no date lies beyond 2262.
        with contextlib.suppress(ValueError, OverflowError, NotImplementedError):
            return _calendar(exchange, date(day.year + 2, 1, 1))
    return made


@cache
def _calendar(exchange: str, end: date | None) -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar(exchange, end=pd.Timestamp(end) if end else None)


def closes_at(calendar: str, day: date) -> datetime | None:
    """Return when (UTC) the session of a day closes, or None where the day is no session."""
    sessions = calendar_reaching(calendar, day)
    stamp = pd.Timestamp(day)
    if not sessions.first_session <= stamp <= sessions.last_session:
        return None
    if not sessions.is_session(stamp):
        return None
    closes: datetime = sessions.session_close(stamp).tz_convert(None).to_pydatetime()
    return closes


def last_close(calendar: str, now: datetime) -> datetime:
    """Return when (UTC, naive) the newest session closed whose close lies before `now`.

    Beyond what the library knows of an exchange, weekdays count, and close with the day.
    """
    day = last_closed_session(now, calendar)
    return closes_at(calendar, day) or datetime.combine(day + timedelta(days=1), time())


def last_asked(now: datetime) -> datetime:
    """Return when (UTC, naive) the schedule last was to ask, by `now` (UTC).

    In the evening of a session of the reference, at whatever hour that closed.
    """
    there = now.replace(tzinfo=UTC).astimezone(NEW_YORK)
    day = there.date() if there.time() >= ASKED_AT else there.date() - timedelta(days=1)
    sessions = calendar_reaching(REFERENCE, day)
    asked_on = sessions.date_to_session(pd.Timestamp(day), direction="previous").date()
    evening = datetime.combine(asked_on, ASKED_AT, NEW_YORK)
    return evening.astimezone(UTC).replace(tzinfo=None)


def _schedule(exchange: str, start: date) -> pd.DataFrame:
    """Opens and closes from `start`, or from as early as the library knows the calendar."""
    wanted = pd.Timestamp(start)
    try:
        calendar = _calendar(exchange, None)
        earliest = calendar.bound_min()
        if calendar.first_session > wanted:
            with contextlib.suppress(ValueError):
                calendar = exchange_calendars.get_calendar(
                    exchange, start=max(wanted, earliest or wanted)
                )
    except (NotImplementedError, ValueError) as error:
        raise Failed(
            f"exchange_calendars cannot make the calendar {exchange}: {str(error)[:200]}. "
            "Facts of its tickers count as known from the end of their day."
        ) from error
    schedule: pd.DataFrame = calendar.schedule.loc[wanted:]
    return schedule


def moment_before_next_open(day: date, exchange: str = REFERENCE) -> datetime:
    """Return the moment (UTC) a date stands for: just before the next session after it opens.

    Raises `CalendarRangeError` for a day the calendar does not reach.
    """
    calendar = exchange_calendars.get_calendar(exchange, start=pd.Timestamp(FIRST_DAY))
    following = pd.Timestamp(day) + pd.Timedelta(days=1)
    if not calendar.first_session <= following <= calendar.last_session:
        raise CalendarRangeError(
            f"{day} is outside the sessions known of {exchange}, "
            f"{calendar.first_session.date()} to {calendar.last_session.date()}."
        )
    session = calendar.date_to_session(following, direction="next")
    opens: datetime = calendar.session_open(session).tz_convert(None).to_pydatetime()
    return opens - timedelta(microseconds=1)


def moment(text: str) -> datetime:
    """Return the moment (UTC) a date or an ISO time stands for; a time without a zone is UTC.

    Raises `ValueError` for text that is neither, `UsageError` for a day or time to come,
    `CalendarRangeError` as `moment_before_next_open`.
    """
    now = datetime.now(UTC)
    if len(text) == len("2026-01-31"):
        day = date.fromisoformat(text)
        if day > now.date():
            raise UsageError(f"{text} lies in the future, which nobody knows yet.")
        return moment_before_next_open(day)
    stated = datetime.fromisoformat(text)
    stated = stated if stated.tzinfo else stated.replace(tzinfo=UTC)
    if stated > now:
        raise UsageError(f"{text} lies in the future, which nobody knows yet.")
    return stated.astimezone(UTC).replace(tzinfo=None)


def next_scheduled_ingest(now: datetime) -> datetime:
    """Return when the schedule will next find a session to ingest, in New York's time."""
    today = now.astimezone(NEW_YORK)
    first = today.date() if today.time() < ASKED_AT else today.date() + timedelta(days=1)
    calendar = calendar_reaching(REFERENCE, first)
    day = calendar.date_to_session(pd.Timestamp(first), direction="next").date()
    return datetime.combine(day, ASKED_AT, NEW_YORK)


def last_closed_session(now: datetime, exchange: str = REFERENCE) -> date:
    """Return the newest session whose close lies before `now` (UTC, naive or aware).

    Beyond what the library knows of an exchange, weekdays count.
    """
    moment = pd.Timestamp(now)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
    calendar = calendar_reaching(exchange, moment.date())
    if moment <= calendar.last_minute:
        session: pd.Timestamp = calendar.minute_to_past_session(moment.floor("min"))
        return session.date()
    day = moment.date() - timedelta(days=1)
    day -= timedelta(days=max(0, day.weekday() - 4))
    last: date = calendar.last_session.date()
    return max(day, last)
