"""What was known of a company at a moment, read from the published file."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import duckdb

from warehouse.claims.model import Claim
from warehouse.claims.verdicts import Basis, Evidence, NotCheckable, Verdict
from warehouse.claims.vocabulary import WEEKDAYS
from warehouse.past import moved_bar

# Opens the marts of a past moment; told why the published ones cannot answer for it.
Past: TypeAlias = Callable[[datetime, str], duckdb.DuckDBPyConnection]

MONTHS_IN = {"month": 1, "3m": 3, "6m": 6, "12m": 12}

STALE_DAYS = 400

# Days that hold all bars a row of momentum rests on.
_MOMENTUM_DAYS = 660

_NEWS_DAYS = 45

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
        self._majors: dict[str | None, tuple[str | None, float]] = {}
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

    def records(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """Return the rows of a parameterised query by the names of their columns."""
        cursor = self.con.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

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
        if code not in self._majors:
            found = self.rows(
                "select major_code, units_per_major from rules.currencies where code = ?", code
            )
            self._majors[code] = (found[0][0], float(found[0][1])) if found else (code, 1.0)
        return self._majors[code]

    def major_of(self, code: str | None) -> tuple[str | None, float]:
        """Return what `major` does, of the quotes' currency where an amount tells none."""
        return self.major(code) if code else self.quoted

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
                coalesce(r.dividend, 0) / v.split_factor, v.row_id, v.known_from,
                v.source_priority, v.superseded_at
            from staging.stg_price_versions as v
            inner join raw.prices as r on r.row_id = v.row_id
            where v.ticker = ? and v.session_date <= ? and v.is_final and v.close > 0
                and v.source_rank = 1
            order by v.known_from
            """,
            self.ticker,
            self.session,
        )
        firsts: dict[date, Bar] = {}
        standing: dict[date, list[tuple[int, Bar]]] = {}
        for *row, priority, superseded_at in told:
            bar = Bar(*row)
            firsts.setdefault(bar.session, bar)
            is_gone = superseded_at is not None and superseded_at <= self.moment
            if bar.known_from <= self.moment and not is_gone:
                standing.setdefault(bar.session, []).append((priority, bar))
        for day, first in firsts.items():
            if day in standing:
                # Of one source the newer stands alone; of several, the one that counts most.
                bars[day] = min(standing[day], key=lambda told: told[0])[1]
            elif day == self.session:
                bars[day] = first
        kept = [
            bar
            for bar in bars.values()
            if bar.known_from <= self.moment or bar.session == self.session
        ]
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
            raise NotCheckable("no_final_bar")
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
            raise NotCheckable("in_the_future")
        if place is None or self.bars[place].session != day:
            raise NotCheckable("no_session")
        return place

    def _place_before(self, claim: Claim) -> int:
        """Place of the newest bar up to a day counted back, or to the end of a month or year."""
        mark, _, rest = (claim.window or "").partition(" ")
        if mark == "ago":
            number, _, unit = rest.partition(" ")
            count = int(number)
            if count > 600:
                raise NotCheckable("history_too_short")
            day = (
                self.day - timedelta(days=count * (7 if unit == "weeks" else 1))
                if unit in ("days", "weeks")
                else months_before(self.day, count * (12 if unit == "years" else 1))
            )
        elif claim.stated_on is not None:
            day = last_day_of(claim.stated_on, rest)
        else:
            day = date(self.day.year - 1, 12, 31)
        if day > self.session:
            raise NotCheckable("in_the_future")
        place = self.at(day)
        if place is None or (day - self.bars[place].session).days > 7:
            raise NotCheckable("history_too_short")
        return place

    def days_of(self, claim: Claim) -> tuple[date, date]:
        """First and last day of the time a claim names: a day, a week, a month."""
        if claim.window == "on" and claim.stated_on:
            return claim.stated_on, claim.stated_on
        if claim.window in ("today", "yesterday"):
            day = self.day - timedelta(days=claim.window == "yesterday")
            return day, day
        if claim.window in ("week", "month"):
            first, until = first_day_of(self.day, claim.window), self.day
            if claim.period == "last":
                until = first - timedelta(days=1)
                first = first_day_of(until, claim.window)
            return first, until
        if (claim.window or "").startswith("in "):
            month = int((claim.window or "")[3:])
            first = claim.stated_on or date(self.day.year - (month > self.day.month), month, 1)
            return first, last_day_of(first, "month")
        day = self.bars[self.place_of(claim)].session
        if claim.window == "end month":
            # A call "at the end of July" is one of its last days.
            return day - timedelta(days=6), last_day_of(day, "month")
        return day, day

    def then(self, place: int) -> Facts:
        """What was known of the company when the session after a bar opened, or at the moment."""
        day = self.bars[place].session
        found = self.rows(
            "select d.next_opens_at from staging.stg_calendar_days as d "
            "inner join staging.stg_listings as l on l.exchange = d.exchange "
            "where l.ticker = ? and d.day = ? and d.is_session",
            self.ticker,
            day,
        )
        if not found or found[0][0] is None:
            raise NotCheckable("no_session")
        known_by = min(self.moment, found[0][0] - timedelta(microseconds=1))
        return Facts(self.con, self.ticker, known_by, self.past, day)

    @cached_property
    def day_note(self) -> str | None:
        """What is to be said where the day's own bar came after the article."""
        bar = self.bars[self.last]
        if bar.known_from <= self.moment:
            return None
        return f"judged by the final bar of {bar.session}, known from {bar.known_from}"

    def note_on(self, place: int) -> str | None:
        """Return the note of the day for its own bar, none for another."""
        return self.day_note if place == self.last else None

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
                raise NotCheckable("restated_since")
            con = self.past(known_by, moved)
        found = con.execute(
            f"select {column}, close from marts.momentum_history "
            "where ticker = ? and session_date = ?",
            [self.ticker, bar.session],
        ).fetchone()
        if found is None or found[0] is None:
            raise NotCheckable("no_data")
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
        found = self.records(
            """
            select c.* from marts.consensus_history as c
            where c.ticker = ? and (c.session_date < ? or (c.session_date = ? and ?))
            order by c.session_date desc limit 1
            """,
            self.ticker, self.session, self.session, self.consensus_number == self.number,
        )  # fmt: skip
        if not found:
            raise NotCheckable("no_consensus")
        return found[0]

    def former_consensus(self, *columns: str) -> list[tuple[Any, ...]]:
        """Rows (session, columns …) of the consensus of the year before, newest first."""
        for column in columns:
            if column not in self.consensus:
                raise ValueError(column)
        now = self.consensus["session_date"]
        return self.rows(
            f"select session_date, {', '.join(columns)} from marts.consensus_history "
            "where ticker = ? and session_date < ? and session_date > ? order by session_date desc",
            self.ticker, now, now - timedelta(days=STALE_DAYS),
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
            self.session,
            self.moment,
        )

    def _calls(self, condition: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.records(
            f"""
            select e.firm, e.grade, e.score, e.bucket, e.action, e.prior_score, e.told_target,
                e.target_currency, e.is_fair_value, e.graded_on, e.known_from, e.note, e.table_name,
                e.row_id, e.last_target, coalesce(r.prior_target, e.prior_target) as prior_target
            from staging.rating_events as e
            left join raw.ratings as r on r.row_id = e.row_id and e.table_name = 'raw.ratings'
            where e.ticker = ? and {condition}
            order by e.graded_on desc, e.known_from desc, e.row_id
            """,
            self.ticker,
            *parameters,
        )

    @cached_property
    def valuations(self) -> list[dict[str, Any]]:
        """Multiples known at the moment, newest first."""
        return valuations_of(self, [self.ticker])[self.ticker]

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


# Gives the verdict on a claim by the facts of its company.
Judge: TypeAlias = Callable[[Facts, Claim], Verdict]


def valuations_of(facts: Facts, tickers: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Multiples of several companies known at the moment, newest first."""
    rows = facts.records(
        """
        select ticker, row_id, valued_on, price, market_cap, trailing_pe, forward_pe, forward_eps,
            trailing_eps, price_to_sales, currency, eps_currency, known_from
        from staging.stg_valuations
        where list_contains(?, ticker) and known_from <= ? and valued_on > ?
        order by valued_on desc, known_from desc
        """,
        list(tickers),
        facts.moment,
        facts.session - timedelta(days=STALE_DAYS),
    )
    found: dict[str, list[dict[str, Any]]] = {ticker: [] for ticker in tickers}
    for row in rows:
        found[row["ticker"]].append(row)
    return found


def row_evidence(row: dict[str, Any], table: str, *columns: str) -> tuple[Evidence, ...]:
    """Return the evidence for some columns of a row that has its `row_id` and `known_from`."""
    return tuple(Evidence(table, row["row_id"], c, row[c], row["known_from"]) for c in columns)


def price_of(bar: Bar, column: str = "close") -> Evidence:
    """Return the evidence for one column of a bar."""
    return Evidence("raw.prices", bar.row_id, column, getattr(bar, column), bar.known_from)


def months_before(day: date, months: int) -> date:
    """Return the same day so many months earlier, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def first_day_of(day: date, window: str) -> date:
    """The first day of the week, month, quarter, half or year that a day is in."""
    if window == "week":
        return day - timedelta(days=day.weekday())
    months = MONTHS_IN[window]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def last_day_of(first: date, precision: str) -> date:
    """Return the last day of the year or month that begins on a day; of a day, itself."""
    if precision == "year":
        return date(first.year, 12, 31)
    if precision == "month":
        return date(first.year, first.month, calendar.monthrange(first.year, first.month)[1])
    return first
