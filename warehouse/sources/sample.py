"""The sample: a seeded simulation of well-known tickers. Not one number in it is a real quote.

Its parameters are the files in `sample/`. A price path passes through the closes of `anchors.csv`,
and between them it is noise: a market factor, a sector factor and the ticker's own. Everything else
follows from the paths and the other files. Each ticker draws from streams of its own, so a new one
leaves the others as they are. Names that begin with ZZ are invented companies.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from warehouse.errors import SourceError
from warehouse.settings import SEEDS
from warehouse.sources import Drift, Unit
from warehouse.store import SIMULATED, schema

FIRST_SESSION = date(2020, 1, 2)
LAST_SESSION = date(2025, 9, 24)
WHOLE = Unit()

_PARAMETERS = Path(__file__).with_suffix("")
_SEED = 20250924
_START = pd.Timestamp("2020-01-01")
_YEAR = pd.Timestamp("2025-01-01")
_LAST = pd.Timestamp(LAST_SESSION)
_CUTOFF = pd.Timestamp("2025-09-25 13:29")
_PERIODS = {"0q": 0.23, "+1q": 0.25, "0y": 0.9, "+1y": 1.0}
_TIERS = ("positive", "neutral", "negative")

Floats = NDArray[np.float64]


class Sample:
    """A source whose every table is simulated, known no later than the open after LAST_SESSION."""

    name = SIMULATED
    tables: tuple[str, ...] = (
        "universe",
        "securities",
        "prices",
        "ratings",
        "consensus",
        "valuations",
        "estimates",
        "earnings",
        "earnings_dates",
        "short_interest",
        "news",
    )
    requests = 0
    drifts: Sequence[Drift] = ()

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return the one unit there is: a whole table, known by what it is made from."""
        return [Unit(file_hash=None if tickers else _fingerprint())] if table in self.tables else []

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Do nothing: a simulation has nothing to put away."""

    def universe(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Tickers, their benchmarks, and the FX pairs and T-bill yield they need."""
        frame = _read("universe").assign(is_covered=True)
        return _shaped("universe", frame.assign(known_at=frame.known_at.fillna(_START)))

    def securities(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Master data; a company that changed its name has two versions."""
        frame = _read("securities")
        return _shaped("securities", frame.assign(known_at=frame.known_at.fillna(_START)))

    def prices(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Bars as first known, and the late and restated ones of `versions.csv`."""
        keys = ["ticker", "session_date"]
        marks = _read("versions").rename(columns={"known_at": "last_known_at"})
        bars = self._bars.merge(marks, on=keys, how="left")
        at_close = bars.closes_at + pd.Timedelta(minutes=15)
        last = bars.assign(
            known_at=bars.last_known_at.fillna(at_close),
            first_price_factor=1.0,
            first_volume_factor=1.0,
            is_final=True,
        )
        first = bars.assign(
            known_at=bars.first_known_at.fillna(at_close),
            is_final=bars.first_is_final == "yes",
        )[bars.first_price_factor.notna()]
        frame = pd.concat([last, first]).sort_values([*keys, "known_at"], ignore_index=True)
        basis = _basis(frame)
        for column in ("open", "high", "low", "close"):
            frame[column] = _quoted(frame[column] * frame.first_price_factor * basis)
        frame["volume"] = (frame.volume * frame.first_volume_factor / basis).round()
        frame["dividend"] = (frame.dividend * basis).round(4)
        return _shaped("prices", frame.assign(adj_close=np.nan))

    def ratings(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Calls written by hand in `ratings.csv`, and drawn ones of the firms in `firms.csv`."""
        keys = ["ticker", "firm", "graded_on"]
        firms = _read("firms")
        tier = {word: i for i, name in enumerate(_TIERS) for word in firms[name]}
        events = pd.concat([_written_ratings(), self._drawn_ratings()])
        events = events[events.known_at <= _CUTOFF]
        events = events.sort_values([*keys, "known_at"], ignore_index=True)
        events["basis"] = _basis(events)

        final = events.drop_duplicates(keys, keep="last")
        before = final.groupby(["ticker", "firm"])[["to_grade", "target", "basis"]].shift()
        before.columns = pd.Index(["from_grade", "prior_target", "prior_basis"])
        events = events.merge(final[keys].join(before), on=keys)
        events["prior_target"] = (events.prior_target * events.basis / events.prior_basis).round(2)

        step = events.to_grade.map(tier) - events.from_grade.map(tier)
        change = events.target - events.prior_target
        is_vote = events.to_grade.isin(list(tier))
        is_first = is_vote & ~events.from_grade.isin(list(tier))
        derived = _first_of(
            (~is_vote, None),
            (is_first, "init"),
            (step < 0, "up"),
            (step > 0, "down"),
            (change == 0, "reit"),
            otherwise="main",
        )
        return _shaped(
            "ratings",
            events.assign(
                action=events.action.fillna(derived),
                target_action=_first_of(
                    (events.target.isna(), None),
                    (events.prior_target.isna(), "Announces"),
                    (change > 0, "Raises"),
                    (change < 0, "Lowers"),
                    otherwise="Maintains",
                ),
                target_currency=events.target_currency.where(events.target.notna(), None),
                kind=events.firm.map(firms.set_index("firm").kind),
            ),
        )

    def consensus(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """A snapshot a week in 2025: in its course `lifted` analysts went from hold to buy."""
        snaps = self._snapshots("W", _YEAR).merge(_read("consensus"), on="ticker")
        targets = ["target_mean", "target_median", "target_high", "target_low"]
        snaps[targets] = snaps[targets].mul(snaps.level, axis=0).round(2)
        frames = []
        for period, days in (("0m", 0), ("-1m", 30)):
            left = (_LAST - snaps.session_date).dt.days + days
            moved = (snaps.lifted * (left / (_LAST - _YEAR).days).clip(0, 1)).round().astype(int)
            frame = snaps.assign(period=period, buy=snaps.buy - moved, hold=snaps.hold + moved)
            if days:
                frame[[*targets, "target_count"]] = np.nan
                frame["currency"] = None
            frames.append(frame)
        frame = pd.concat(frames, ignore_index=True)
        counts = frame[["strong_buy", "buy", "hold", "sell", "strong_sell"]]
        mean = (counts.mul([1, 2, 3, 4, 5]).sum(axis=1) / counts.sum(axis=1)).round(2)
        return _shaped(
            "consensus",
            frame.assign(
                snapshot_date=frame.session_date,
                buy_share=(counts.strong_buy + counts.buy) / counts.sum(axis=1),
                recommendation_mean=mean,
                recommendation_key=_first_of(
                    (mean <= 1.5, "strong_buy"),
                    (mean <= 2.5, "buy"),
                    (mean <= 3.5, "hold"),
                    (mean <= 4.5, "underperform"),
                    otherwise="sell",
                ),
            ),
        )

    def valuations(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Multiples at the end of each month and on the last session."""
        frame = self._snapshots("M", _START).merge(_read("fundamentals"), on="ticker")
        growth = _growth(frame, frame.session_date)
        is_last = ~frame.duplicated("ticker", keep="last")
        noise = np.where(is_last, 1.0, np.exp(0.03 * _noise(frame, "valuations")))
        basis = _basis(frame)
        price = _quoted(frame.close * basis)
        forward_eps = (frame.forward_eps * growth * noise * basis).round(4)
        trailing_eps = (forward_eps * frame.trailing_share).round(4)
        worth = price * self._rate(frame)
        forward_pe = (worth / forward_eps).where(forward_eps > 0).round(4)
        return _shaped(
            "valuations",
            frame.assign(
                valued_on=frame.session_date,
                price=price,
                market_cap=(frame.close * frame.shares_outstanding).round(),
                forward_eps=forward_eps,
                trailing_eps=trailing_eps,
                forward_pe=forward_pe,
                trailing_pe=(worth / trailing_eps).where(trailing_eps > 0).round(4),
                price_to_sales=(frame.close / (frame.sales_per_share * growth)).round(4),
                peg_ratio=(forward_pe / (100 * frame.eps_growth))
                .where(frame.eps_growth > 0)
                .round(4),
            ),
        )

    def estimates(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Earnings estimates at the end of each month of 2025 and on the last session."""
        counts = _read("consensus").set_index("ticker")
        analysts = counts[["strong_buy", "buy", "hold", "sell", "strong_sell"]].sum(axis=1)
        frame = self._snapshots("M", _YEAR).merge(_read("fundamentals"), on="ticker")
        share = pd.DataFrame({"period": list(_PERIODS), "share": list(_PERIODS.values())})
        frame = frame.merge(share, how="cross")
        scale = frame.forward_eps * frame.share
        quarters = (frame.session_date - _LAST).dt.days / 90
        told = {
            name: (scale * (1 + frame.eps_drift_90d) ** (quarters - days / 90)).round(4)
            for name, days in (("eps_mean", 0), ("eps_30d_ago", 30), ("eps_90d_ago", 90))
        }
        margin = 0.09 * told["eps_mean"].abs()
        return _shaped(
            "estimates",
            frame.assign(
                **told,
                snapshot_date=frame.session_date,
                eps_low=(told["eps_mean"] - margin).round(4),
                eps_high=(told["eps_mean"] + margin).round(4),
                eps_analyst_count=np.maximum(
                    frame.revisions_up + frame.revisions_down, frame.ticker.map(analysts) * 3 // 4
                ),
                revisions_up_30d=frame.revisions_up,
                revisions_down_30d=frame.revisions_down,
                revenue_mean=(
                    frame.sales_per_share * frame.share * frame.shares_outstanding
                ).round(),
                currency=frame.eps_currency,
            ),
        )

    def earnings(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Quarterly results; the newest surprise of each ticker stands in `fundamentals.csv`."""
        traded = self._bars.groupby("ticker").session_date.agg(first="min", last="max")
        frame = _reports().join(traded, on="ticker")
        is_told = frame.known_at.between(frame["first"], frame["last"] + pd.Timedelta(days=1))
        frame = frame[is_told & (frame.period_end >= frame["first"])].reset_index(drop=True)
        is_last = ~frame.duplicated("ticker", keep="last")
        noise = _noise(frame, "earnings")
        surprise = np.where(is_last, frame.surprise, 0.03 + 0.04 * noise)
        quarter = frame.forward_eps * frame.trailing_share / 4 * _growth(frame, frame.period_end)
        estimate = (quarter * _basis(frame)).round(3)
        actual = (estimate + surprise * estimate.abs()).round(3)
        return _shaped(
            "earnings",
            frame.assign(
                eps_estimate=estimate,
                eps_actual=actual,
                surprise=((actual - estimate) / estimate.abs()).round(4),
                currency=frame.eps_currency,
            ),
        )

    def earnings_dates(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """The next report of each ticker, a range that narrows as it comes nearer."""
        estimates = self.estimates()
        this_quarter = estimates[estimates.period == "0q"].drop(columns="period")
        frame = this_quarter.merge(_reports()[["ticker", "reported_at", "timing"]], on="ticker")
        frame["snapshot_date"] = pd.to_datetime(frame.snapshot_date)
        frame["ahead"] = frame.reported_at - frame.snapshot_date
        frame = frame[frame.ahead >= pd.Timedelta(days=1)]
        frame = frame.drop_duplicates(["ticker", "snapshot_date"])
        margin = pd.to_timedelta((frame.ahead.dt.days // 10).clip(upper=7), unit="D")
        return _shaped(
            "earnings_dates",
            frame.assign(
                announced_from=frame.reported_at - margin,
                announced_to=frame.reported_at + margin,
                eps_estimate=frame.eps_mean,
                eps_actual=np.nan,
            ),
        )

    def short_interest(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """Positions in the middle and at the end of a month, known nine sessions later."""
        by_ticker = self._bars.groupby("ticker")
        frame = self._bars.assign(
            known_at=by_ticker.closes_at.shift(-9) + pd.Timedelta(minutes=15),
            usual=by_ticker.volume.transform(lambda v: v.rolling(20, min_periods=1).mean()),
            month=self._bars.session_date.dt.to_period("M"),
            half=self._bars.session_date.dt.day > 15,
        )
        frame = frame.drop_duplicates(["ticker", "month", "half"], keep="last")
        frame = frame[frame.known_at.notna() & (frame.session_date >= "2024-01-01")]
        frame = self._described(frame).merge(
            _read("fundamentals").dropna(subset="short_share"), on="ticker"
        )
        noise = np.exp(0.12 * _noise(frame, "short_interest"))
        short = (frame.shares_outstanding * frame.short_share * noise / _basis(frame)).round()
        return _shaped(
            "short_interest",
            frame.assign(
                settled_on=frame.session_date,
                shares_short=short,
                short_share_of_float=(frame.short_share * noise / 0.93).round(4),
                days_to_cover=(short * _basis(frame) / frame.usual).round(2),
            ),
        )

    def news(self, unit: Unit = WHOLE) -> pd.DataFrame:
        """News in our own words; an item stands in the stream of each ticker it names."""
        frame = _read("news")
        frame = frame.assign(
            ticker=frame.tickers.str.split(),
            url="https://news.example/simulated/" + frame.news_id,
            known_at=frame.known_at.fillna(frame.published_at + pd.Timedelta(minutes=10)),
        )
        return _shaped("news", frame.explode("ticker", ignore_index=True))

    @cached_property
    def _bars(self) -> pd.DataFrame:
        """Every bar, ordered, on the split basis of LAST_SESSION; `level` scales price targets."""
        paths = _read("paths").merge(
            _read("universe").drop_duplicates("ticker", keep="last"), on="ticker"
        )
        paths = paths.sort_values("ticker", ignore_index=True)
        moves = _read("moves")
        days = pd.bdate_range(FIRST_SESSION, LAST_SESSION)
        draws = np.stack([_stream("path", t).standard_normal((5, len(days))) for t in paths.ticker])
        levels, deviation = _levels(paths, days, draws[:, 0], moves)

        closes_at = _closing_times(paths, days)
        row, day = np.nonzero(~np.isnat(closes_at))
        spread = deviation[row]
        open_draw, high_draw, low_draw, volume_draw = (draws[row, i, day] for i in range(1, 5))
        bars = pd.DataFrame(
            {
                "ticker": paths.ticker.to_numpy()[row],
                "currency": paths.currency.to_numpy()[row],
                "session_date": days[day],
                "closes_at": closes_at[row, day],
                "close": np.exp(levels[row, day]),
            }
        )
        previous = bars.groupby("ticker").close.shift().fillna(bars.close)
        step = np.log(bars.close / previous)
        told = bars[["ticker", "session_date"]].merge(moves, how="left")
        opened = np.exp(0.4 * step + 0.35 * spread * open_draw) * previous
        opened = (previous * (1 + told.open_return)).fillna(opened)
        top = np.maximum(opened, bars.close)
        bottom = np.minimum(opened, bars.close)
        high = top * np.exp(0.45 * spread * np.abs(high_draw))
        low = bottom * np.exp(-0.45 * spread * np.abs(low_draw))
        surge = 0.3 * volume_draw + 0.5 * (np.minimum(np.abs(step) / spread, 4) - 0.8)
        smooth = bars.groupby("ticker").close.transform(lambda c: c.ewm(span=40).mean())
        return bars.assign(
            open=opened,
            high=np.maximum((previous * (1 + told.high_return)).fillna(high), top),
            low=np.minimum((previous * (1 + told.low_return)).fillna(low), bottom),
            volume=paths.volume.to_numpy()[row] * np.exp(surge),
            level=(smooth / smooth.groupby(bars.ticker).transform("last")) ** 0.5,
            dividend=_dividends(bars, paths),
            split_ratio=bars[["ticker", "session_date"]]
            .merge(
                _read("splits"),
                how="left",
                left_on=["ticker", "session_date"],
                right_on=["ticker", "ex_date"],
            )
            .split_ratio.fillna(1.0),
        )

    def _snapshots(self, period: str, since: pd.Timestamp) -> pd.DataFrame:
        """Last bars of each week or month from `since`, known half an hour after the close."""
        bars = self._bars[self._bars.session_date >= since]
        periods = bars.session_date.dt.to_period(period)
        bars = bars[~bars.assign(period=periods).duplicated(["ticker", "period"], keep="last")]
        return self._described(bars).assign(
            known_at=lambda frame: frame.closes_at + pd.Timedelta(minutes=30)
        )

    def _described(self, bars: pd.DataFrame) -> pd.DataFrame:
        """Keep the bars of companies, with their shares outstanding."""
        securities = _read("securities").drop_duplicates("ticker", keep="last")
        companies = securities[securities.quote_type == "EQUITY"]
        return bars.merge(companies[["ticker", "shares_outstanding"]], on="ticker")

    def _rate(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Units of the earnings' currency per unit of the price's, which is the dollar if other."""
        pair = frame.eps_currency.where(frame.eps_currency != frame.currency, "") + "=X"
        wanted = pd.DataFrame({"ticker": pair, "session_date": frame.session_date})
        return wanted.merge(self._bars, how="left").close.fillna(1.0)

    def _drawn_ratings(self) -> pd.DataFrame:
        """Five calls each of some firms on every company, ending in the consensus' shares."""
        firms = _read("firms").set_index("firm")
        written = _read("ratings").groupby("ticker").firm.agg(set).to_dict()
        factors = dict(zip(*_read("paths")[["ticker", "factor"]].to_numpy().T, strict=True))
        bars = {str(ticker): frame for ticker, frame in self._bars.groupby("ticker")}
        frames = []
        for row in _read("consensus").query("firms > 0").itertuples():
            ticker = str(row.ticker)
            kin = "china" if factors[ticker] == "china" else "us"
            eligible = firms.index[firms.covers.isin(["all", kin])]
            eligible = eligible.difference(list(written.get(ticker, ())))
            frames.append(_draw(row, bars[ticker], firms.loc[eligible]))
        return pd.concat(frames)


def _draw(row: Any, bars: pd.DataFrame, firms: pd.DataFrame) -> pd.DataFrame:
    """Draw the calls of `row.firms` firms on one ticker."""
    random = _stream("ratings", row.ticker)
    shape = (row.firms, 5)
    chosen = firms.iloc[random.choice(len(firms), row.firms, replace=False)]
    back = random.integers(1, 55, (row.firms, 1))
    back = back + np.cumsum(random.integers(45, 100, shape) * (np.arange(5) > 0), axis=1)

    graders = np.array([row.strong_buy + row.buy, row.hold, row.sell + row.strong_sell])
    shares = np.cumsum(graders) / graders.sum()
    tier = np.searchsorted(shares, (np.arange(row.firms) + 0.5) / row.firms)[:, None]
    turns = random.choice([-1, 0, 0, 0, 0, 1], shape) * (np.arange(5) > 0)
    tiers = np.clip(tier + np.cumsum(turns, axis=1), 0, 1 if graders[2] == 0 else 2)
    noise = row.spread * random.standard_normal((row.firms, 1)) + 0.03 * random.standard_normal(
        shape
    )
    minutes = random.integers(10 * 60, 14 * 60, shape)
    is_timed = random.random(shape) > 0.25
    late = random.integers(5, 40, shape) * (random.random(shape) < 0.06)

    firm, event = np.nonzero(back < len(bars))
    at = len(bars) - 1 - back[firm, event]
    graded_on = bars.session_date.iloc[at].reset_index(drop=True)
    graded_at = graded_on + pd.to_timedelta(minutes[firm, event], unit="m")
    events = pd.DataFrame(
        {
            "ticker": row.ticker,
            "firm": chosen.index.to_numpy()[firm],
            "graded_on": graded_on,
            "graded_at": graded_at.where(is_timed[firm, event]),
            "to_grade": chosen[list(_TIERS)].to_numpy()[firm, tiers[firm, event]],
            "target_currency": bars.currency.iloc[0],
        }
    )
    events["known_at"] = _rating_known_at(events) + pd.to_timedelta(late[firm, event], unit="D")
    level = bars.level.iloc[at].to_numpy() * np.exp(noise[firm, event])
    target = row.target_median * level * np.array([1.05, 0.95, 0.8])[tiers[firm, event]]
    target = target * _basis(events)
    return events.assign(target=np.where(target < 50, (2 * target).round() / 2, target.round()))


def _written_ratings() -> pd.DataFrame:
    events = _read("ratings")
    clock = pd.to_timedelta(events.graded_time + ":00")
    events = events.assign(graded_at=events.graded_on + clock)
    return events.assign(known_at=events.known_at.fillna(_rating_known_at(events)))


def _rating_known_at(events: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """Half an hour after the call; where only its date is told, before the next day's open."""
    next_day = events.graded_on + pd.Timedelta(days=1, hours=13)
    return (events.graded_at + pd.Timedelta(minutes=30)).fillna(next_day)


def _reports() -> pd.DataFrame:
    """One row per ticker and fiscal quarter of the years simulated, with the time of its report."""
    ends = pd.DataFrame({"period_end": pd.date_range(_START, "2025-12-31", freq="ME")})
    frame = _read("fundamentals").sort_values("ticker").merge(ends, how="cross")
    frame = frame[(frame.period_end.dt.month - frame.quarter_month) % 3 == 0]
    day = frame.period_end + pd.to_timedelta(frame.report_lag, unit="D")
    day = day + pd.to_timedelta((7 - day.dt.day_of_week) % 7 * (day.dt.day_of_week > 4), unit="D")
    reported_at = day + pd.to_timedelta(frame.report_hour, unit="h")
    reports: pd.DataFrame = frame.assign(
        reported_at=reported_at,
        known_at=reported_at + pd.Timedelta(minutes=15),
        timing=np.where(frame.report_hour < 14, "before open", "after close"),
    )
    return reports


def _levels(
    paths: pd.DataFrame, days: pd.DatetimeIndex, noise: Floats, moves: pd.DataFrame
) -> tuple[Floats, Floats]:
    """Log closes of each ticker and day, through all anchors, and daily deviations."""
    volatility = _read("factors").set_index("factor").volatility
    factors = {
        name: value * _stream("factor", str(name)).standard_normal(len(days))
        for name, value in volatility.items()
    }
    nothing = np.zeros(len(days))
    returns = (
        np.outer(paths.beta, factors["market"])
        + np.stack([factors.get(name, nothing) for name in paths.factor])
        + paths.volatility.to_numpy()[:, None] * noise
    )
    deviation = returns.std(axis=1)
    rows = pd.Index(paths.ticker).get_indexer(pd.Index(moves.ticker))
    returns[rows, days.get_indexer(pd.DatetimeIndex(moves.session_date))] = np.log1p(
        moves.close_return
    )

    levels = np.cumsum(returns, axis=1)
    anchors = _read("anchors").set_index("ticker")
    at = days.get_indexer(pd.to_datetime(anchors.columns))
    for row, ticker in enumerate(paths.ticker):
        wanted = np.log(anchors.loc[ticker].to_numpy(dtype=float))
        is_told = ~np.isnan(wanted)
        gap = wanted[is_told] - levels[row, at[is_told]]
        levels[row] += np.interp(np.arange(len(days)), at[is_told], gap)
    return levels, deviation


def _dividends(bars: pd.DataFrame, paths: pd.DataFrame) -> Floats:
    """Dividend of each bar: paid from the 9th of a payer's months on, growing by 5 % a year."""
    payers = paths[["ticker", "dividend", "dividend_months"]].dropna()
    payers = payers.assign(month=payers.dividend_months.str.split()).explode("month")
    payers["month"] = payers.month.astype(int)
    days = bars[["ticker", "session_date"]].assign(
        month=bars.session_date.dt.month, year=bars.session_date.dt.year
    )
    first = days[days.session_date.dt.day >= 9].drop_duplicates(["ticker", "year", "month"])
    paid = first.reset_index().merge(payers, on=["ticker", "month"])
    dividends = np.zeros(len(bars))
    dividends[paid["index"]] = paid.dividend * 1.05 ** (paid.year - _LAST.year)
    return dividends


def _basis(frame: pd.DataFrame) -> Floats:
    """Product of the splits that came after each row was known: it was told on the old basis."""
    known_on = frame.known_at.dt.normalize()
    basis = np.ones(len(frame))
    for split in _read("splits").itertuples():
        is_before = (frame.ticker == split.ticker) & (known_on < split.ex_date)
        basis[is_before.to_numpy()] *= split.split_ratio
    return basis


def _growth(frame: pd.DataFrame, day: pd.Series[pd.Timestamp]) -> pd.Series[float]:
    """Share of today's earnings that were earned on an earlier day."""
    return (1 + frame.eps_growth) ** ((day - _LAST).dt.days / 365.25)


def _quoted(price: pd.Series[float]) -> pd.Series[float]:
    """Round to the tick: four decimals below 20, else two."""
    return price.round(4).where(price < 20, price.round(2))


def _first_of(*cases: tuple[pd.Series[bool], str | None], otherwise: str) -> pd.Series[str]:
    """Return the value of the first case that holds in each row."""
    values = pd.Series(otherwise, index=cases[0][0].index, dtype=object)
    for condition, value in reversed(cases):
        values = values.mask(condition, value)
    return values


def _noise(frame: pd.DataFrame, table: str) -> Floats:
    """Standard normal draws for a frame ordered by ticker."""
    sizes = frame.groupby("ticker", sort=False).size()
    return np.concatenate([_stream(table, str(t)).standard_normal(n) for t, n in sizes.items()])


def _stream(*name: str) -> np.random.Generator:
    return np.random.default_rng([_SEED, zlib.crc32("/".join(name).encode())])


@cache
def _fingerprint() -> str:
    """Hash of the parameters and the code that make the sample."""
    files = [Path(__file__), *sorted(_PARAMETERS.glob("*.csv"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _calendar(name: str) -> pd.Series[pd.Timestamp]:
    """UTC close of every session of a calendar."""
    calendar = exchange_calendars.get_calendar(name, start=FIRST_SESSION, end=LAST_SESSION)
    closes: pd.Series[pd.Timestamp] = calendar.closes.dt.tz_localize(None)
    return closes


def _closing_times(paths: pd.DataFrame, days: pd.DatetimeIndex) -> NDArray[np.datetime64]:
    """UTC close of each ticker and day, NaT where it did not trade."""
    exchanges = pd.read_csv(SEEDS / "exchanges.csv").query("kind == 'code'").set_index("value")
    calendars = paths.exchange.map(exchanges.exchange)
    closing = {name: _calendar(name).reindex(days).to_numpy() for name in set(calendars)}
    closes_at = np.stack([closing[name] for name in calendars])
    first = paths.listed_from.fillna(_START).to_numpy()[:, None]
    last = paths.halted_on.fillna(paths.listed_to).fillna(_LAST).to_numpy()[:, None]
    is_listed = (first <= days.to_numpy()) & (days.to_numpy() <= last)
    return np.where(is_listed, closes_at, np.datetime64("NaT"))


@cache
def _read(name: str) -> pd.DataFrame:
    """Return a parameter file, not to be changed; dates and times are known by their names."""
    frame = pd.read_csv(_PARAMETERS / f"{name}.csv", keep_default_na=False, na_values=[""])
    for column in frame:
        if str(column).endswith(("_at", "_on", "_date", "_from", "_to")):
            frame[column] = pd.to_datetime(frame[column])
    return frame


def _shaped(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Order by key and keep the columns of the raw table, with dates as dates."""
    columns = schema()[table]
    keys = [column.name for column in columns if column.is_key]
    frame = frame.sort_values([*keys, "known_at"], ignore_index=True)
    for column in columns:
        if column.type == "DATE":
            frame[column.name] = frame[column.name].dt.date
    return frame[[*(column.name for column in columns), "known_at"]]
