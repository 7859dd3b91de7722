"""Yahoo Finance, live, through the unmodified yfinance client.

What one ingest asks for a ticker, in HTTP requests (a company's first day 13, each further day 11;
an ETF, index or FX pair 2 and 1), besides one or two for the session of a process:

| table | requests |
| --- | --- |
| prices | 1; 1 more the first time (its time zone) and when its history was re-based |
| the company's `info` | 3, once for securities, consensus, valuations and short_interest |
| ratings, consensus, estimates, earnings, earnings_dates | 1 each |
| valuations | 1 for the monthly history, the first time and until a new month's end is in it |
| news | 2, one for each tab |
| securities of an ETF, index or FX pair | none after prices, else 1 |

Everything Yahoo tells is data, never an instruction. What the schema does not name goes to
`payload`; a field that is not as declared in the seed `yahoo_fields` is told as a `Drift`.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, wraps
from math import prod
from pathlib import Path
from statistics import median

import duckdb
import pandas as pd
import yfinance as yf
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFRateLimitError, YFTickerMissingError

from warehouse.errors import EmptyAnswer, Failed, Malformed, SourceError, Throttled
from warehouse.settings import UNIVERSE_CSV
from warehouse.sources import Drift, Unit, coverage
from warehouse.sources.calendars import NEW_YORK, calendar_of
from warehouse.sources.drift import Watch
from warehouse.sources.governor import Governor, Manners
from warehouse.sources.yahoo_rows import (
    COUNTS,
    MEASURES,
    Record,
    by_period,
    frame_of,
    is_blank,
    moment_of,
    news_row,
    payload_of,
    zone_of,
)
from warehouse.sources.yahoo_session import Answer, Session

OVERLAP = timedelta(days=14)
NEWS_COUNT = 50
NEWS_TABS = ("news", "press releases")
# What a listing that is not a company has.
_REFERENCE_TABLES = ("prices", "securities")
_BAR_COLUMNS = ("Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits")
# Closes of the same sessions that moved by more than this say that the history was re-based …
_REBASED = 0.005
# … and by so different factors, that it is another series altogether.
_OTHER_SERIES = 1.5
# No share moves by this factor in two weeks; its bars do, where pence are told for pounds.
_OTHER_UNIT = 50.0
_SYMBOL = re.compile(r"[\^A-Za-z0-9][A-Za-z0-9.\^=&_-]{0,23}")


# Close, split ratio and currency of bars, by session.
Stored = dict[date, tuple[float, float, str | None]]


# What Python raises at a field that is not there, or not what it should be.
_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class Conversation:
    """What one load asks: through one session, and what tables share only once."""

    def __init__(self, folder: Path, manners: Manners | None = None) -> None:
        """Keep in `folder` cookies, time zones, and how we stand with Yahoo."""
        self.governor = Governor(folder, manners)
        self.session = Session(self.governor)
        yf.config.debug.hide_exceptions = False
        logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # what it logs, it also raises
        yf.set_tz_cache_location(str(folder))
        self.charts: dict[str, Record] = {}
        self._infos: dict[str, tuple[Record, list[Answer]] | SourceError] = {}

    @contextmanager
    def asking(self, symbol: str) -> Iterator[yf.Ticker]:
        """Yield the client's view of a ticker; what it raises inside comes out as a `SourceError`.

        The client remembers bad answers, so it is made to forget before each question.
        """
        if not _SYMBOL.fullmatch(symbol) or yf.utils.is_isin(symbol):
            raise Failed(f"{symbol!r} is not a symbol.")
        self.session.take()
        YfData.cache_get.cache_clear()
        try:
            with warnings.catch_warnings():
                # yfinance uses what a later pandas will not have.
                warnings.filterwarnings("ignore", category=DeprecationWarning, module="yfinance")
                yield yf.Ticker(symbol, session=self.session)
        except SourceError:
            raise
        except YFRateLimitError as error:
            raise Throttled("Yahoo asks for fewer requests (429).") from error
        except YFTickerMissingError as error:
            raise EmptyAnswer(f"Yahoo told nothing of {symbol}: {error.rationale}") from error
        except YFException as error:
            kind = EmptyAnswer if "No upgrade/downgrade history" in str(error) else Malformed
            raise kind(f"Yahoo told nothing of {symbol} that can be used: {error}") from error
        except _UNREADABLE as error:
            raise Malformed(
                f"yfinance {yf.__version__} cannot read Yahoo's answer for {symbol}: "
                f"{type(error).__name__}: {str(error)[:120]}"
            ) from error
        except OSError as error:
            raise Failed(f"The answer for {symbol} did not arrive: {error}") from error

    def close(self) -> None:
        """Give the connection and the files back."""
        self.session.close()
        self.governor.close()

    def knows(self, symbol: str) -> bool:
        """Whether this load has the `info` of a ticker already."""
        return isinstance(self._infos.get(symbol), tuple)

    def info(self, symbol: str) -> tuple[Record, list[Answer]]:
        """Return the client's `info` of a ticker and the answers it is made of, asked for once."""
        if symbol not in self._infos:
            try:
                with self.asking(symbol) as ticker:
                    told = ticker.get_info()
                    self._infos[symbol] = (told, self.session.take())
            except SourceError as error:
                if error.resume_at is not None:
                    raise
                self._infos[symbol] = error
        known = self._infos[symbol]
        if isinstance(known, SourceError):
            raise known
        return known


@lru_cache(maxsize=1)
def conversation(folder: Path, load_id: str) -> Conversation:
    """Return the one conversation of a load."""
    return Conversation(folder)


def _readable(
    method: Callable[[Yahoo, Unit], pd.DataFrame],
) -> Callable[[Yahoo, Unit], pd.DataFrame]:
    """Let a table that cannot be made of an answer come out as `Malformed`, wherever it is read."""

    @wraps(method)
    def read(self: Yahoo, unit: Unit) -> pd.DataFrame:
        try:
            return method(self, unit)
        except _UNREADABLE as error:
            raise Malformed(
                f"Yahoo's {method.__name__} of {unit.ticker} cannot be read: "
                f"{type(error).__name__}: {str(error)[:120]}"
            ) from error

    return read


class Yahoo:
    """The source of what Yahoo tells; each of its methods is named as the raw table it fills."""

    name = "yahoo"
    tables: tuple[str, ...] = (
        "prices",
        "securities",
        "ratings",
        "consensus",
        "valuations",
        "estimates",
        "earnings",
        "earnings_dates",
        "short_interest",
        "news",
    )

    def __init__(
        self, asked: Conversation, con: duckdb.DuckDBPyConnection, covered: Path = UNIVERSE_CSV
    ) -> None:
        """Ask through `asked`; look up through `con` what is known; cover the list at `covered`."""
        self.asked = asked
        self.con = con
        self.covered = covered
        self._watches: dict[str, Watch] = {}

    @property
    def requests(self) -> int:
        """HTTP requests sent in this load so far."""
        return self.asked.governor.sent

    @property
    def drifts(self) -> list[Drift]:
        """Fields that were not as declared."""
        return [drift for watch in self._watches.values() for drift in watch.drifts]

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Do nothing: how an attempt ended stands in `raw.fetches`."""

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return the tickers to ask for: those not known since the last close of their exchange.

        An answer is known whether it held something, nothing, or that Yahoo knows no such ticker.
        Tickers that failed last time come last, so that one that always fails stops no other.
        """
        now = _utc_now()
        listings = coverage.listings(self.con, self.name, self.covered, now.date())
        attempts = {
            ticker: (known_at, failed_at)
            for ticker, known_at, failed_at in self.con.execute(
                """
                select
                    ticker,
                    max(fetched_at) filter (
                        (outcome in ('ok', 'empty') and table_name = $table_name)
                        or outcome = 'not_found'
                    ),
                    max(fetched_at) filter (
                        outcome not in ('ok', 'empty', 'not_found')
                        and table_name = $table_name and requests > 0
                    )
                from raw.fetches
                where source = $source and ticker is not null and fetched_at <= $now
                group by ticker
                """,
                {"table_name": table, "source": self.name, "now": now},
            ).fetchall()
        }
        waiting = []
        for ticker in tickers or listings:
            if table not in _REFERENCE_TABLES and self._kind(ticker) not in (None, "EQUITY"):
                continue
            known_at, failed_at = attempts.get(ticker, (None, None))
            calendar = calendar_of(ticker, listings.get(ticker))
            if known_at is None or known_at < coverage.newest_close(calendar, now):
                waiting.append((failed_at or datetime.min, ticker))
        # The sort is stable: those that never failed stay in the order of the list.
        return [Unit(ticker=t) for _, t in sorted(waiting, key=lambda item: item[0])]

    @_readable
    def prices(self, unit: Unit) -> pd.DataFrame:
        """Return daily bars as told, split-adjusted, from an overlap with what is stored on.

        The whole history of a new ticker, and when the overlap shows a split or another basis.
        Raises `Malformed` when it is not the series that is stored, or one in another unit.
        """
        symbol = _ticker(unit)
        asked_at = _utc_now()
        stored = self._stored_bars(symbol)
        bars = self._bars(symbol, min(stored) if stored else None)
        if stored and _is_rebased(stored, bars):
            bars = self._bars(symbol, None)
            ratios = _ratios(stored, bars)
            if ratios and max(ratios) > _OTHER_SERIES * min(ratios):
                raise Malformed(
                    f"The closes told for {symbol} are not those stored on another basis: they "
                    f"moved by factors from {min(ratios):.3g} to {max(ratios):.3g}. Not stored."
                )
        # A yield may fall to nearly nothing.
        if stored and self._kind(symbol) != "INDEX":
            _check_unit(symbol, stored, bars)
        calendar = calendar_of(symbol, self.asked.charts[symbol].get("exchangeName"))
        bars["is_final"] = [
            coverage.is_final(calendar, day, asked_at) for day in bars["session_date"]
        ]
        return bars

    @_readable
    def securities(self, unit: Unit) -> pd.DataFrame:
        """Return the master data of a listing; a company's come from its `info`."""
        symbol = _ticker(unit)
        if self._kind(symbol) not in (None, "EQUITY"):
            if symbol not in self.asked.charts:
                self._bars(symbol, _utc_now().date() - OVERLAP)
            meta = self.asked.charts[symbol]
            return frame_of(
                [
                    {
                        "ticker": symbol,
                        "name": meta.get("longName") or meta.get("shortName"),
                        "exchange": meta.get("exchangeName"),
                        "currency": meta.get("currency"),
                        "quote_type": meta.get("instrumentType"),
                    }
                ]
            )
        info = self._info("securities", symbol)
        answers = {answer.name: answer.content for answer in self.asked.info(symbol)[1]}
        row = {
            "ticker": symbol,
            "name": info.get("longName") or info.get("shortName"),
            "exchange": info.get("exchange"),
            "currency": info.get("currency"),
            "financial_currency": info.get("financialCurrency"),
            "country": info.get("country"),
            "sector": info.get("sector"),
            "industry": info.get("industry"),
            "quote_type": info.get("quoteType"),
            "shares_outstanding": info.get("sharesOutstanding"),
            "payload": payload_of({n: answers.get(n) for n in ("assetProfile", "quoteType")}),
        }
        if not (row["name"] or row["exchange"] or row["quote_type"]):
            raise EmptyAnswer(f"Yahoo told neither name, exchange nor type of {symbol}.")
        return frame_of([row])

    @_readable
    def ratings(self, unit: Unit) -> pd.DataFrame:
        """Return the rating events of a ticker; a target of 0 is Yahoo's way to tell of none."""
        symbol = _ticker(unit)
        with self._asking("ratings", symbol) as ticker:
            told = ticker.get_upgrades_downgrades()
            named = {
                "Firm": "firm",
                "ToGrade": "to_grade",
                "FromGrade": "from_grade",
                "Action": "action",
                "currentPriceTarget": "target",
                "priorPriceTarget": "prior_target",
                "priceTargetAction": "target_action",
            }
            graded_at, _, _ = told.index, told["Firm"], told["ToGrade"]  # without them no key
            frame = told.rename(columns=named).reset_index(drop=True)
            extra = [name for name in frame if name not in named.values()]
            frame["payload"] = [payload_of(row) for row in frame[extra].to_dict("records")]
            frame = frame.drop(columns=extra).assign(
                ticker=symbol, graded_at=graded_at, graded_on=graded_at.date
            )
        return frame_of(frame.to_dict("records"))

    @_readable
    def consensus(self, unit: Unit) -> pd.DataFrame:
        """Return the vendor's snapshot: counts of four months, targets and mean of the current."""
        symbol = _ticker(unit)
        info: Record = {}
        told: list[Record] = []
        with suppress(EmptyAnswer):
            info = self._info("consensus", symbol)
        with suppress(EmptyAnswer), self._asking("consensus", symbol) as ticker:
            told = ticker.get_recommendations().to_dict("records")
        today = _today()
        rows = [
            {
                "ticker": symbol,
                "snapshot_date": today,
                "period": item["period"],
                "strong_buy": item.get("strongBuy"),
                "buy": item.get("buy"),
                "hold": item.get("hold"),
                "sell": item.get("sell"),
                "strong_sell": item.get("strongSell"),
                "payload": payload_of(item, but=COUNTS),
            }
            for item in told
        ]
        current = {
            "recommendation_mean": info.get("recommendationMean"),
            "recommendation_key": info.get("recommendationKey"),
            "target_mean": info.get("targetMeanPrice"),
            "target_median": info.get("targetMedianPrice"),
            "target_high": info.get("targetHighPrice"),
            "target_low": info.get("targetLowPrice"),
            "target_count": info.get("numberOfAnalystOpinions"),
        }
        if current["target_mean"] is not None or current["recommendation_mean"] is not None:
            if not any(row["period"] == "0m" for row in rows):
                rows.append({"ticker": symbol, "snapshot_date": today, "period": "0m"})
            for row in rows:
                if row["period"] == "0m":
                    row.update(current, currency=info.get("currency"))
        if not rows:
            raise EmptyAnswer(f"Yahoo tells of no analysts for {symbol}.")
        return frame_of(rows)

    @_readable
    def valuations(self, unit: Unit) -> pd.DataFrame:
        """Return today's multiples as told, and the month-ends before where they are new."""
        symbol = _ticker(unit)
        info = self._info("valuations", symbol)
        answers = self.asked.info(symbol)[1]
        price = info.get("regularMarketPrice") or info.get("currentPrice")
        modules = ("summaryDetail", "defaultKeyStatistics", "financialData", "quote")
        told_at = info.get("regularMarketTime")
        zone = info.get("exchangeTimezoneName") or info.get("timeZoneFullName")
        common = {
            "ticker": symbol,
            "currency": info.get("currency"),
            "eps_currency": info.get("financialCurrency"),
        }
        today = moment_of(told_at).astimezone(zone_of(zone)).date() if told_at else _today()
        figures: Record = {
            "price": price,
            "market_cap": info.get("marketCap"),
            "trailing_pe": info.get("trailingPE"),
            "forward_pe": info.get("forwardPE"),
            "forward_eps": info.get("forwardEps"),
            "trailing_eps": info.get("trailingEps"),
            "price_to_sales": info.get("priceToSalesTrailing12Months"),
            "peg_ratio": info.get("trailingPegRatio"),
        }
        if all(is_blank(figure) for figure in figures.values()):
            raise EmptyAnswer(f"Yahoo tells neither price, market value nor multiple of {symbol}.")
        kept = payload_of({a.name: a.content for a in answers if a.name in modules})
        rows = [{**common, "valued_on": today, **figures, "payload": kept}]
        if self._wants_month_ends(symbol):
            with self._asking("valuations", symbol) as ticker:
                measures = ticker.get_valuation_measures("monthly", None)
            for month_end, column in measures.items():
                if month_end == "Current":
                    continue
                valued_on = datetime.strptime(str(month_end), "%m/%d/%Y").date()
                if valued_on < today:
                    told = column.to_dict()
                    named = {name: told.pop(label, None) for label, name in MEASURES.items()}
                    rows.append(
                        {**common, "valued_on": valued_on, **named, "payload": payload_of(told)}
                    )
        return frame_of(rows)

    @_readable
    def estimates(self, unit: Unit) -> pd.DataFrame:
        """Return expected earnings and revenue of this and the next quarter and year."""
        symbol = _ticker(unit)
        with self._asking("estimates", symbol) as ticker:
            earnings = by_period(ticker.get_earnings_estimate())
            trend = by_period(ticker.get_eps_trend())
            revisions = by_period(ticker.get_eps_revisions())
            revenue = by_period(ticker.get_revenue_estimate())
            [told] = [a.content for a in self.asked.session.answers if a.name == "earningsTrend"]
            items = {item["period"]: item for item in told["trend"]}
        rows = []
        for period, expected in earnings.items():
            eps, ago = expected, trend.get(period, {})
            revised, sales = revisions.get(period, {}), revenue.get(period, {})
            row = {
                "eps_mean": eps.get("avg"),
                "eps_low": eps.get("low"),
                "eps_high": eps.get("high"),
                "eps_analyst_count": eps.get("numberOfAnalysts"),
                "eps_30d_ago": ago.get("30daysAgo"),
                "eps_90d_ago": ago.get("90daysAgo"),
                "revisions_up_30d": revised.get("upLast30days"),
                "revisions_down_30d": revised.get("downLast30days"),
                "revenue_mean": sales.get("avg"),
            }
            if all(is_blank(value) for value in row.values()):
                continue
            rows.append(
                {
                    "ticker": symbol,
                    "snapshot_date": _today(),
                    "period": period,
                    **row,
                    "currency": eps.get("currency"),
                    "payload": payload_of(items.get(period, {})),
                }
            )
        if not rows:
            raise EmptyAnswer(f"Yahoo tells of no estimates for {symbol}.")
        return frame_of(rows)

    @_readable
    def earnings(self, unit: Unit) -> pd.DataFrame:
        """Return the results of the last quarters beside what was expected."""
        symbol = _ticker(unit)
        with self._asking("earnings", symbol) as ticker:
            told = ticker.get_earnings_history()
            [answer] = [
                a.content for a in self.asked.session.answers if a.name == "earningsHistory"
            ]
            items = answer["history"]
            if told.empty:
                raise EmptyAnswer(f"Yahoo tells of no results of {symbol}.")
            rows = [
                {
                    "ticker": symbol,
                    "period_end": quarter.date() if pd.notna(quarter) else None,
                    "eps_estimate": row.get("epsEstimate"),
                    "eps_actual": row.get("epsActual"),
                    "surprise": row.get("surprisePercent"),
                    "currency": item.get("currency"),
                    "payload": payload_of(item, but={"currency"}),
                }
                for (quarter, row), item in zip(told.iterrows(), items, strict=True)
            ]
        return frame_of(rows)

    @_readable
    def earnings_dates(self, unit: Unit) -> pd.DataFrame:
        """Return the range in which the next results are expected, from all that was told of it.

        The client's calendar has days in this machine's zone; the moments stand in the answer.
        """
        symbol = _ticker(unit)
        with self._asking("earnings_dates", symbol) as ticker:
            ticker.get_calendar()
            [told] = [a.content for a in self.asked.session.answers if a.name == "calendarEvents"]
            expected = told.get("earnings") or {}
            moments = [moment_of(stamp) for stamp in expected.get("earningsDate") or []]
            info: Record = {}
            if self.asked.knows(symbol):
                info = self.asked.info(symbol)[0]
            ends = [info.get("earningsTimestampStart"), info.get("earningsTimestampEnd")]
            newest = [moment_of(stamp) for stamp in ends if stamp]
            # The quote may still tell of the results before.
            moments += [moment for moment in newest if moments and moment >= min(moments)]
            if not moments:
                raise EmptyAnswer(f"Yahoo tells of no coming results of {symbol}.")
            first, last = min(moments), max(moments)
            local = first.astimezone(zone_of(info.get("exchangeTimezoneName")))
            timing = None
            if first == last and local.hour + local.minute:
                is_early, is_late = local.hour + local.minute / 60 < 9.5, local.hour >= 16
                timing = "before open" if is_early else "after close" if is_late else None
        return frame_of(
            [
                {
                    "ticker": symbol,
                    "snapshot_date": _today(),
                    "announced_from": first.replace(tzinfo=None),
                    "announced_to": last.replace(tzinfo=None),
                    "timing": timing,
                    "eps_estimate": expected.get("earningsAverage"),
                    "payload": payload_of(told),
                }
            ]
        )

    @_readable
    def short_interest(self, unit: Unit) -> pd.DataFrame:
        """Return the newest settlement's short interest, dated by its settlement."""
        symbol = _ticker(unit)
        info = self._info("short_interest", symbol)
        settled = info.get("dateShortInterest")
        if not settled or info.get("sharesShort") is None:
            raise EmptyAnswer(f"Yahoo tells of no short interest in {symbol}.")
        prior = ("sharesShortPriorMonth", "sharesShortPreviousMonthDate", "sharesPercentSharesOut")
        return frame_of(
            [
                {
                    "ticker": symbol,
                    "settled_on": moment_of(settled).date(),
                    "shares_short": info["sharesShort"],
                    "short_share_of_float": info.get("shortPercentOfFloat"),
                    "days_to_cover": info.get("shortRatio"),
                    "payload": payload_of({name: info.get(name) for name in prior}),
                }
            ]
        )

    @_readable
    def news(self, unit: Unit) -> pd.DataFrame:
        """Return the items of both tabs, each once; the client would remember the first tab."""
        symbol = _ticker(unit)
        rows: dict[str, Record] = {}
        for tab in NEWS_TABS:
            with self._asking("news", symbol) as ticker:
                for item in ticker.get_news(NEWS_COUNT, tab):
                    rows.setdefault(str(item.get("id")), news_row(symbol, item, tab))
        if not rows:
            raise EmptyAnswer(f"Yahoo's stream of {symbol} has no items.")
        return frame_of(list(rows.values()))

    def _kind(self, symbol: str) -> str | None:
        """Yahoo's type of a listing, such as EQUITY or ETF; None where nothing tells it yet."""
        if symbol in self.asked.charts:
            return str(self.asked.charts[symbol].get("instrumentType") or "") or None
        row = self.con.execute(
            """
            select arg_max(quote_type, known_at) from raw.securities
            where source = ? and ticker = ?
            """,
            [self.name, symbol],
        ).fetchone()
        if row and row[0]:
            return str(row[0])
        if symbol.endswith("=X"):
            return "CURRENCY"
        return "INDEX" if symbol.startswith("^") else None

    # What we ask

    @contextmanager
    def _asking(self, table: str, symbol: str) -> Iterator[yf.Ticker]:
        """Ask as `Conversation.asking`; look at the answers, also those the client cannot read."""
        with self.asked.asking(symbol) as ticker:
            try:
                yield ticker
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                answers = self.asked.session.answers
                drifts = self._look(table, symbol, answers, is_unreadable=True)
                if not drifts:
                    raise
                wrong = "; ".join(f"{d.field} is {d.found}" for d in drifts)
                raise Malformed(f"Yahoo's format changed, for {symbol} {wrong}.") from error
            self._look(table, symbol, self.asked.session.answers)

    def _look(
        self, table: str, symbol: str, answers: list[Answer], *, is_unreadable: bool = False
    ) -> list[Drift]:
        watch = self._watches.setdefault(table, Watch(table))
        return [
            drift
            for answer in answers
            for drift in watch.look(
                symbol, answer.name, answer.content, is_unreadable=is_unreadable
            )
        ]

    def _info(self, table: str, symbol: str) -> Record:
        info, answers = self.asked.info(symbol)
        self._look(table, symbol, answers)
        return info

    def _bars(self, symbol: str, since: date | None) -> pd.DataFrame:
        with self._asking("prices", symbol) as ticker:
            span: Record = {"start": since} if since else {"period": "max"}
            told = ticker.history(interval="1d", auto_adjust=False, actions=True, **span)
            if told.empty:
                days = f"since {since}" if since else "at all"
                raise EmptyAnswer(f"Yahoo has no bars of {symbol} {days}.")
            missing = [name for name in _BAR_COLUMNS if name not in told]
            if missing:
                raise Malformed(f"The bars of {symbol} have no {', '.join(missing)}.")
            chart = [a.content for a in self.asked.session.answers if a.name == "chart"][-1]
            meta = chart["meta"]
            zone = str(meta["exchangeTimezoneName"])
            self.asked.charts[symbol] = meta
            bars = pd.DataFrame(
                {
                    "ticker": symbol,
                    "session_date": told.index.date,
                    "open": told["Open"].where(told["Open"] != 0).to_numpy(),
                    "high": told["High"].where(told["High"] != 0).to_numpy(),
                    "low": told["Low"].where(told["Low"] != 0).to_numpy(),
                    "close": told["Close"].to_numpy(),
                    "adj_close": told["Adj Close"].to_numpy(),
                    "volume": told["Volume"].astype(float).to_numpy(),
                    "dividend": told["Dividends"].to_numpy(),
                    "split_ratio": told["Stock Splits"].replace(0.0, 1.0).to_numpy(),
                    "currency": meta.get("currency"),
                }
            )
            # The client fills in 0 where Yahoo tells no volume.
            volumes = chart["indicators"]["quote"][0]["volume"]
            blank = {
                pd.Timestamp(stamp, unit="s", tz="UTC").tz_convert(zone).date()
                for stamp, volume in zip(chart["timestamp"], volumes, strict=True)
                if volume is None
            }
            bars.loc[bars["session_date"].isin(blank), "volume"] = None
            gains = told.get("Capital Gains")
            if gains is not None and (gains != 0).any():
                bars["payload"] = [payload_of({"capital_gain": g}) if g else None for g in gains]
        return bars

    def _stored_bars(self, symbol: str) -> Stored:
        """Return the newest final bars stored of a ticker."""
        rows = self.con.execute(
            """
            with
                newest as (
                    select max(session_date) as session_date
                    from raw.prices where source = $source and ticker = $ticker
                )
            select
                prices.session_date,
                arg_max(prices.close, prices.known_at),
                arg_max(prices.split_ratio, prices.known_at),
                arg_max(prices.currency, prices.known_at)
            from raw.prices as prices, newest
            where prices.source = $source and prices.ticker = $ticker
                and prices.session_date >= newest.session_date - $overlap
            group by prices.session_date
            having arg_max(prices.is_final, prices.known_at)
            """,
            {"source": self.name, "ticker": symbol, "overlap": OVERLAP.days},
        ).fetchall()
        return {day: (close, split, currency) for day, close, split, currency in rows}

    def _wants_month_ends(self, symbol: str) -> bool:
        """Whether month-ends were never asked for, or a new one may have come this month."""
        today = _today()
        month_end = today.replace(day=1) - timedelta(days=1)
        row = self.con.execute(
            """
            select
                (
                    select count(*) from raw.fetches
                    where source = $source and ticker = $ticker
                        and table_name = 'valuations' and outcome = 'ok'
                ),
                (
                    select count(*) from raw.valuations
                    where source = $source and ticker = $ticker and price is null
                        and valued_on >= $month_end
                )
            """,
            {"source": self.name, "ticker": symbol, "month_end": month_end},
        ).fetchone()
        assert row is not None
        times_asked, has_newest = row
        return not times_asked or (not has_newest and today.day <= 10)


def _ticker(unit: Unit) -> str:
    assert unit.ticker is not None
    return unit.ticker


def _ratios(stored: Stored, bars: pd.DataFrame) -> list[float]:
    told = dict(zip(bars["session_date"], bars["close"], strict=True))
    return [
        told[day] / close
        for day, (close, _, _) in stored.items()
        if day in told and close and told[day] > 0
    ]


def _new_splits(stored: Stored, bars: pd.DataFrame) -> list[float]:
    """Ratios of the splits since the oldest of these stored bars that they do not know."""
    splits = bars[(bars["split_ratio"] != 1) & (bars["session_date"] >= min(stored))]
    return [
        ratio
        for day, ratio in zip(splits["session_date"], splits["split_ratio"], strict=True)
        if day not in stored or stored[day][1] != ratio
    ]


def _is_rebased(stored: Stored, bars: pd.DataFrame) -> bool:
    ratios = sorted(_ratios(stored, bars))
    is_moved = not ratios or abs(ratios[len(ratios) // 2] - 1) > _REBASED
    return is_moved or bool(_new_splits(stored, bars))


def _check_unit(symbol: str, stored: Stored, bars: pd.DataFrame) -> None:
    """Raise `Malformed` for bars so far from those stored that their unit must be another.

    What a new split explains is none, nor what is told in another currency.
    """
    level = median(close for close, _, _ in stored.values())
    # The bars before a split that is new to us may have been stored on its basis already.
    levels = [level, level / prod(_new_splits(stored, bars))]
    known = {currency for _, _, currency in stored.values()}
    for day, close, currency in zip(
        bars["session_date"], bars["close"], bars["currency"], strict=True
    ):
        if day < min(stored) or not (close > 0 and level > 0) or currency not in known:
            continue
        if not any(1 / _OTHER_UNIT < close / each < _OTHER_UNIT for each in levels):
            raise Malformed(
                f"The close told for {symbol} on {day} is {close / level:.3g} times those stored, "
                "and no split says why: is its unit another? Not stored."
            )


def _today() -> date:
    """The day of a snapshot: New York's, so that a run that passes midnight UTC has one."""
    return _utc_now().replace(tzinfo=UTC).astimezone(NEW_YORK).date()


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
