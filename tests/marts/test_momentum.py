"""The momentum marts against closed forms written from the definitions, not from the SQL.

Synthetic tickers live in 2012-2015; real prices, where the shared data are present, are later, so
neither ranks beside the other.

What goes wrong with prices elsewhere, and the test that it does not here:

- dividends in "highest since": test_highest_close_since_is_a_price_not_a_total_return
- adjusted closes re-based by a dividend: test_a_rebased_download_changes_nothing
- a split told before prices follow it: test_a_split_between_two_versions_leaves_no_step
- weekly bars adjusted wrongly: test_every_row_of_the_ranks: weeks are made of days
- the last bar is live: test_a_live_bar_does_not_count
- holidays that look like delisting:
  test_a_closed_exchange_is_no_gap, test_a_holiday_is_no_missing_session
- a month and 21 sessions: test_a_month_is_not_21_sessions
- pairs of two calendars: test_beta_pairs_sessions_that_both_have
- currency of returns: test_returns_are_in_the_currency_of_the_quote
- ratio of a depositary receipt: test_a_receipt_for_ten_shares_moves_as_they_do
- survivorship: test_the_dead_stay
- a universe that drifts: test_a_percentile_knows_its_universe
- simple and log returns, population and sample:
  test_returns_are_simple_and_volatility_is_of_log_returns
- sessions without trade, prices of zero:
  test_sessions_without_trade, test_a_price_of_nothing_is_refused
- NaN of statistics of one row: test_no_number_is_nan_or_infinite
- pence taken for pounds: unit test of marts.data_quality: price_currency_mixed
- a symbol used again: test_a_symbol_that_was_another_companys_begins_anew
- a quote from before the market opened: test_a_quote_is_no_close
- the last digits of floats in ranks: test_momenta_that_differ_in_the_last_digits_tie
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import duckdb
import exchange_calendars
import numpy as np
import pandas as pd
import pytest
import talib
from numpy.lib.stride_tricks import sliding_window_view

from tests.dbt_project import invoke
from warehouse.store import Counts, Warehouse

REAL_PRICES = Path(__file__).parents[2].parent / "shared" / "data" / "prices" / "us_98_5y.parquet"
PRICES = ["open", "high", "low", "close"]
LEVELS = [*PRICES, "adj_close"]
MISSED = pd.Timestamp("2012-10-10")
REAL_TICKERS = ["AAPL", "MSFT", "NVDA", "CSX", "PEP", "JD", "ARM"]
BENCHMARKS = {
    **{f"R{n:02d}": "BENCH" for n in range(32)},
    **dict.fromkeys(["DIVI", "SHRT", "GAPP", "0700.HK", "FLAT", "BADD", "SPLT", "VEN2"], "BENCH"),
    "GAP.HK": "FLT2",
    "LON.L": "BENCH",
    "USED": "BENCH",
    "DEAD": "NOAD",
    **dict.fromkeys(REAL_TICKERS, "SPY"),
}
DELISTED = {"DEAD": "2013-05-28"}
DROPPED = {"R03": "2014-05-01"}
# The symbol was another company's before.
LISTED = {"USED": "2013-03-01"}
UNRANKED = {"BENCH", "FLT2", "NOAD", "FUND", "EURUSD=X", "GC=F", "^IRX", "SPY"}
HISTORY = [
    "close",
    "total_return_close",
    "volume",
    "sma_50",
    "sma_200",
    "return_1d",
    "return_5d",
    "return_21d",
    "return_63d",
    "return_126d",
    "return_252d",
    "return_1m",
    "return_3m",
    "return_6m",
    "return_12m",
    "return_ytd",
    "high_return_1d",
    "low_return_1d",
    "open_return_1d",
    "total_return_1m",
    "total_return_12m",
    "total_return_ytd",
    "momentum_12_1",
    "return_7m_1m",
    "return_13m_1m",
    "high_52w",
    "high_52w_ratio",
    "high_52w_intraday",
    "drawdown_252d",
    "max_drawdown_252d",
    "volatility_21d",
    "volatility_63d",
    "volatility_252d",
    "beta_252d",
    "relative_strength_63d",
    "relative_strength_126d",
    "relative_strength_252d",
    "volume_surge",
    "rsi_14",
    "macd",
    "macd_signal",
    "atr_14",
]
# What is in the currency of the close is compared relative to it.
IN_CURRENCY = {"macd", "macd_signal", "atr_14"}


@dataclass
class Marts:
    """What dbt built, the bars it was built from, and the sessions of every calendar."""

    database: Path
    history: pd.DataFrame
    momentum: pd.DataFrame
    ranks: pd.DataFrame
    bars: pd.DataFrame
    sessions: dict[str, pd.DatetimeIndex]
    retold: Counts
    odd_numbers: int
    blanks: pd.DataFrame
    missing: pd.DataFrame

    def of(self, ticker: str) -> pd.DataFrame:
        return self.history[self.history.ticker == ticker].set_index("session_date").sort_index()

    def newest(self, ticker: str) -> pd.Series:
        return self.momentum.set_index("ticker").loc[ticker]


# --- the data


def calendars() -> dict[str, pd.DataFrame]:
    """Sessions of four exchanges; Athens was closed for five weeks in 2015."""
    frames = {}
    for exchange in ("XNYS", "XHKG", "XLON"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.Pandas4Warning)
            calendar = exchange_calendars.get_calendar(
                exchange, start="2011-12-01", end="2026-12-31"
            )
            schedule = calendar.schedule
        frames[exchange] = pd.DataFrame(
            {
                "session_date": schedule.index,
                "opens_at": schedule["open"],
                "closes_at": schedule["close"],
            }
        )
    days = pd.bdate_range("2014-01-01", "2015-12-31")
    days = days[(days <= "2015-06-26") | (days >= "2015-08-03")]
    frames["ASEX"] = pd.DataFrame(
        {
            "session_date": days,
            "opens_at": days + pd.Timedelta(hours=7),
            "closes_at": days + pd.Timedelta(hours=14),
        }
    )
    return frames


def bars_of(ticker: str, days: pd.DatetimeIndex, close: np.ndarray) -> pd.DataFrame:
    """Final bars of one download around given closes, without dividends."""
    swing = 1 + 0.01 * (1 + np.arange(len(days)) % 3)
    return pd.DataFrame(
        {
            "ticker": ticker,
            "session_date": days,
            "open": close * (2 - swing),
            "high": close * swing,
            "low": close / swing**2,
            "close": close,
            "adj_close": close,
            "volume": 1000.0 + np.arange(len(days)) * 37 % 501,
            "dividend": 0.0,
            "is_final": True,
            "vintage": 1,
        }
    )


def walk(ticker: str, days: pd.DatetimeIndex, drift: float = 0.0) -> pd.DataFrame:
    """Bars of a random walk that the ticker's letters seed."""
    random = np.random.default_rng(list(ticker.encode()))
    steps = random.normal(drift, 0.02, len(days))
    bars = bars_of(ticker, days, 50 * np.exp(np.cumsum(steps)))
    return bars.assign(volume=np.round(random.lognormal(10, 1, len(days))))


def synthetic(sessions: dict[str, pd.DatetimeIndex]) -> dict[str, pd.DataFrame]:
    """Bars by story, as they stand on today's split basis."""
    nyse = sessions["XNYS"]
    nyse = nyse[(nyse >= "2012-01-03") & (nyse <= "2014-06-30")]
    hong_kong = sessions["XHKG"]
    hong_kong = hong_kong[(hong_kong >= "2012-01-03") & (hong_kong <= "2014-06-30")]
    lunar_new_year = hong_kong.get_loc(pd.Timestamp("2013-02-14"))

    # The first dividend falls on the first bar we hold: nothing before it to lower.
    payer = walk("DIVI", nyse[:600])
    payer.loc[::90, "dividend"] = 0.5
    payer["adj_close"] = payer["close"] * 0.123

    split = walk("SPLT", nyse[:500])
    split.loc[[100, 400], "dividend"] = 0.25

    vendor = walk("VEND", nyse[:400])
    vendor["adj_close"] = vendor["close"] * np.repeat([0.7, 0.8, 0.9, 0.95], 100)
    two_vintages = vendor.assign(ticker="VEN2")
    two_vintages.loc[370:, "vintage"] = 2
    two_vintages.loc[370:, "adj_close"] = two_vintages.loc[370:, "close"]
    impossible = vendor.assign(ticker="BADD")
    impossible.loc[50, "dividend"] = 1000.0

    quiet = walk("ZERO", nyse[:200])
    quiet["volume"] = np.where(np.arange(200) < 130, 0.0, quiet["volume"])
    quiet.loc[150, "volume"] = np.nan

    live = walk("LIVE", nyse[:300])
    live.loc[299, "is_final"] = False
    live.loc[299, PRICES] = 1e6

    # A share, the receipt for ten of it, and that in dollars; the rate halves on one day.
    ordinary = walk("ORD.HK", hong_kong)
    receipt = ordinary.assign(ticker="REC.HK", **{name: ordinary[name] * 10 for name in LEVELS})
    rate = np.where(hong_kong < pd.Timestamp("2013-06-03"), 8.0, 4.0)
    dollars = ordinary.assign(ticker="USD.HK", **{n: ordinary[n] * 10 / rate for n in LEVELS})

    london = sessions["XLON"]
    london = london[(london >= "2012-01-03") & (london <= "2013-12-31")]
    pounds = walk("LON.L", london.drop(MISSED))

    used = walk("USED", nyse[:600])
    used.loc[used.session_date < LISTED["USED"], [*PRICES, "adj_close"]] *= 50

    hand = bars_of("HAND", nyse[:5], np.array([100.0, 90.0, 88.0, 80.0, 95.0]))
    hand.loc[3, "dividend"] = 22.0

    return {
        "known": pd.concat(
            [
                payer,
                walk("SHRT", nyse[:30]),
                walk("DEAD", nyse[:350]),
                walk("GAPP", nyse.delete([*range(300, 310), *range(400, 411)])),
                walk("0700.HK", hong_kong),
                walk("GAP.HK", hong_kong.delete(range(lunar_new_year - 5, lunar_new_year + 5))),
                walk("GRD.AT", sessions["ASEX"]),
                ordinary,
                receipt,
                dollars,
                pounds,
                used,
                walk("ODD.QQ", nyse.delete([*range(100, 109), *range(200, 212)])),
                bars_of("FLAT", nyse[:300], np.full(300, 20.0)),
                bars_of("FLT2", nyse[:300], np.full(300, 30.0)),
                bars_of("FLT3", nyse[:300], np.full(300, 30.0)),
                bars_of("ZIGZ", nyse[:60], 100 * 1.1 ** (np.arange(60) % 2)),
                quiet,
                hand,
                impossible,
                *(walk(f"R{n:02d}", nyse[: 626 - n], drift=n / 10000) for n in range(32)),
                *(walk(ticker, nyse) for ticker in ("BENCH", "FUND", "GC=F", "^IRX")),
                # The same bars without a calendar.
                walk("BENCH", nyse).assign(ticker="EURUSD=X"),
            ]
        ),
        "split": split,
        "live": live,
        "unknown": vendor.assign(dividend=np.nan),
        "unknown, in two vintages": two_vintages.assign(dividend=np.nan),
        "nothing": walk("NOAD", nyse[:300]).assign(dividend=np.nan, adj_close=np.nan),
    }


def real() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Real bars, of every other ticker with the dividends its adjusted closes imply."""
    prices = duckdb.sql(
        f"select * replace (cast(date as date) as date) from '{REAL_PRICES}' order by ticker, date"
    ).df()
    prices = prices.rename(columns={"date": "session_date"})
    prices = prices[["ticker", "session_date", *PRICES, "adj_close", "volume"]]
    prices = prices.assign(dividend=np.nan, is_final=True, vintage=1).astype({"volume": float})
    before = prices.groupby("ticker")[["close", "adj_close"]].shift()
    kept = (before.adj_close / before.close) / (prices.adj_close / prices.close)
    implied = np.where(1 - kept > 1e-5, (1 - kept) * before.close, 0.0)
    is_known = prices.ticker.str.len() % 2 == 0
    known = prices[is_known].assign(dividend=implied[is_known])
    return known, prices[~is_known]


def nyse_days(schedule: dict[str, pd.DataFrame]) -> pd.DatetimeIndex:
    """The sessions in New York that the random walks have."""
    days = pd.DatetimeIndex(schedule["XNYS"].session_date)
    return days[(days >= "2012-01-03") & (days <= "2014-06-30")]


def store(path: Path, frames: dict[str, pd.DataFrame], schedule: dict[str, pd.DataFrame]) -> Counts:
    """Append the bars as they would have come; return what a re-based download then changed."""

    def told(bars: pd.DataFrame, *without: str) -> pd.DataFrame:
        return bars.drop(columns=["vintage", *without])

    split = frames["split"].assign(split_ratio=1.0)
    ex_date = split.session_date[250]
    split.loc[250, "split_ratio"] = 4.0
    before, after = split[:250].copy(), split[250:]
    before[[*PRICES, "adj_close", "dividend"]] *= 4
    before["volume"] /= 4
    vintages = frames["unknown, in two vintages"]

    with Warehouse(path) as warehouse:
        for exchange, sessions in schedule.items():
            warehouse.append(
                "sessions", sessions.assign(exchange=exchange), source="exchange_calendars"
            )
        warehouse.append(
            "universe",
            pd.DataFrame(
                [
                    {"ticker": ticker, "benchmark": benchmark}
                    for ticker, benchmark in BENCHMARKS.items()
                    if ticker not in {*DELISTED, *DROPPED}
                ]
            ),
            source="inbox",
        )
        # The dead stay in the universe; what was dropped is in it until it was dropped.
        for rows in (
            {"ticker": "DEAD", "benchmark": "NOAD", "listed_to": DELISTED["DEAD"]},
            {"ticker": "R03", "benchmark": "BENCH", "known_at": "2012-01-01"},
            {"ticker": "R03", "is_covered": False, "known_at": f"{DROPPED['R03']} 09:00"},
        ):
            warehouse.append("universe", pd.DataFrame([rows]), source="inbox")
        warehouse.append(
            "securities",
            pd.DataFrame({"ticker": ["FUND", "R01"], "quote_type": ["ETF", "EQUITY"]}),
            source="inbox",
        )
        listed = [{"ticker": t, "listed_from": day} for t, day in LISTED.items()]
        warehouse.append("universe", pd.DataFrame(listed), source="inbox")
        quote = {"ticker": "R01", "valued_on": nyse_days(schedule)[-1], "price": 12345.0}
        warehouse.append("valuations", pd.DataFrame([quote]), source="inbox")
        for name in ("known", "live", "real, known"):
            if name in frames:
                warehouse.append("prices", told(frames[name]), source="inbox")
        for name in ("unknown", "nothing", "real, unknown"):
            if name in frames:
                bars = told(frames[name], "dividend", "is_final")
                warehouse.append("prices", bars, source="inbox")
        for rows, known_at in (
            (told(before), ex_date - pd.Timedelta(hours=1)),
            (told(after), after.session_date.max() + pd.Timedelta(days=2)),
            *(
                (told(rows, "dividend"), rows.session_date.max() + pd.Timedelta(days=1))
                for _, rows in vintages.groupby("vintage")
            ),
        ):
            warehouse.append("prices", rows.assign(known_at=known_at), source="inbox")
        payer = frames["known"].query("ticker == 'DIVI'")
        rebased = told(payer.assign(adj_close=payer.close * 0.1))
        return warehouse.append("prices", rebased, source="inbox")


def odd_numbers(con: duckdb.DuckDBPyConnection) -> int:
    """Values in the marts that are NaN or infinite; a frame would show the first as blank."""
    columns = con.sql(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name = 'marts' and data_type = 'DOUBLE'"
    ).fetchall()
    assert columns
    counts = " + ".join(
        f"(select count(*) from marts.{table} where not isfinite({column}))"
        for table, column in columns
    )
    return con.sql(f"select {counts}").fetchone()[0]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Marts:
    folder = tmp_path_factory.mktemp("momentum")
    path = folder / "bellwether.duckdb"
    schedule = calendars()
    sessions = {name: pd.DatetimeIndex(frame.session_date) for name, frame in schedule.items()}
    frames = synthetic(sessions)
    if REAL_PRICES.exists():
        frames["real, known"], frames["real, unknown"] = real()
    retold = store(path, frames, schedule)
    models = ("+momentum", "+momentum_ranks", "+momentum_blanks", "+missing_sessions")
    invoke("build", path, folder / "dbt", "--select", *models)
    with duckdb.connect(str(path), read_only=True) as con:
        return Marts(
            database=path,
            history=con.sql("select * from marts.momentum_history").df(),
            momentum=con.sql("select * from marts.momentum").df(),
            ranks=con.sql("select * from marts.momentum_ranks").df(),
            bars=pd.concat(frames.values(), ignore_index=True),
            sessions=sessions,
            retold=retold,
            odd_numbers=odd_numbers(con),
            blanks=con.sql("select * from staging.momentum_blanks").df(),
            missing=con.sql("select * from staging.missing_sessions").df(),
        )


# --- the closed forms


def windows(values: np.ndarray, length: int) -> np.ndarray:
    """The last `length` values at every row; NaN where the history begins."""
    return sliding_window_view(np.concatenate([np.full(length - 1, np.nan), values]), length)


def exchange_of(ticker: str) -> str | None:
    if ticker.endswith(".HK"):
        return "XHKG"
    if ticker.endswith(".AT"):
        return "ASEX"
    if ticker.endswith(".L"):
        return "XLON"
    return None if ticker.endswith((".QQ", "=X", "=F")) else "XNYS"


def gap_before(days: pd.DatetimeIndex, sessions: pd.DatetimeIndex | None) -> np.ndarray:
    """Whether more than 10 sessions are missing before each bar; more than 15 days without them."""
    if sessions is None:
        far = np.diff(days) > np.timedelta64(15, "D")
    else:
        far = np.diff(sessions.searchsorted(days)) - 1 > 10
    return np.concatenate([[False], far])


@dataclass
class TotalReturn:
    """Growth of a share with dividends reinvested: steps, and how many are unknown so far."""

    growth: np.ndarray
    unknown: np.ndarray
    vendor: np.ndarray
    levels: np.ndarray

    def since(self, anchor: np.ndarray, now: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
        anchor = np.maximum(anchor, 0)
        known = self.unknown[now] == self.unknown[anchor]
        return np.where(is_valid & known, self.growth[now] / self.growth[anchor] - 1, np.nan)


def total_return(bars: pd.DataFrame) -> TotalReturn:
    close, dividend = bars.close.to_numpy(), bars.dividend.to_numpy()
    adjusted, vintage = bars.adj_close.to_numpy(), bars.vintage.to_numpy()
    steps, is_vendor = np.ones(len(bars)), np.zeros(len(bars), dtype=bool)
    for row in range(1, len(bars)):
        if dividend[row] < close[row - 1]:
            steps[row] = close[row] / (close[row - 1] - dividend[row])
            continue
        is_vendor[row] = True
        same = vintage[row] == vintage[row - 1]
        steps[row] = adjusted[row] / adjusted[row - 1] if same else np.nan
    growth, levels = np.cumprod(np.nan_to_num(steps, nan=1.0)), np.full(len(bars), np.nan)
    levels[-1] = close[-1]
    for row in range(len(bars) - 1, 0, -1):
        levels[row - 1] = levels[row] / steps[row]
    return TotalReturn(growth, np.cumsum(np.isnan(steps)), np.cumsum(is_vendor), levels)


def wilder_and_macd(bars: pd.DataFrame) -> dict[str, np.ndarray]:
    """What TA-Lib says, where the definitions give a value."""
    close, rows = bars.close.to_numpy(), np.arange(1, len(bars) + 1)
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    found = {
        "rsi_14": np.where(rows >= 150, talib.RSI(close, 14), np.nan),
        "macd": np.where(rows >= 200, macd, np.nan),
        "macd_signal": np.where(rows >= 200, signal, np.nan),
        "atr_14": talib.ATR(bars.high.to_numpy(), bars.low.to_numpy(), close, 14),
    }
    if len(set(close)) == 1:
        # TA-Lib calls the strength of what never moved 0; by definition it is 50.
        found["rsi_14"] = np.where(rows >= 150, 50.0, np.nan)
    return found


def momentum_history(
    bars: pd.DataFrame, sessions: pd.DatetimeIndex | None, benchmark: pd.Series | None
) -> pd.DataFrame:
    """Every column of `marts.momentum_history` for one ticker's final bars."""
    days = pd.DatetimeIndex(bars.session_date)
    close, volume = bars.close.to_numpy(), bars.volume.to_numpy()
    rows = np.arange(len(bars))
    returns = total_return(bars)
    after_gap = gap_before(days, sessions)
    gaps_so_far = np.cumsum(after_gap)
    wanted: dict[str, object] = {
        "ticker": bars.ticker.to_numpy(),
        "session_date": days,
        "close": close,
        "total_return_close": returns.levels,
        "volume": volume,
    }

    def since(values: np.ndarray, anchor: np.ndarray, is_valid: np.ndarray) -> np.ndarray:
        return np.where(is_valid, values / values[np.maximum(anchor, 0)] - 1, np.nan)

    for length in (1, 5, 21, 63, 126, 252):
        anchor = rows - length
        unbroken = gaps_so_far == gaps_so_far[np.maximum(anchor, 0)]
        wanted[f"return_{length}d"] = since(close, anchor, (anchor >= 0) & unbroken)
    before = np.where(after_gap, np.nan, np.concatenate([[np.nan], close[:-1]]))
    for price in ("high", "low", "open"):
        wanted[f"{price}_return_1d"] = bars[price].to_numpy() / before - 1

    before_252 = np.maximum(rows - 252, 0)
    basis = np.where(returns.vendor > returns.vendor[before_252], "vendor", "own").astype(object)
    basis[returns.unknown > returns.unknown[before_252]] = None
    wanted["total_return_basis"] = basis

    anchors = {}
    for months in (1, 3, 6, 7, 12, 13):
        month_ago = days - pd.DateOffset(months=months)
        anchor = days.searchsorted(month_ago, side="right") - 1
        age = month_ago - days[np.maximum(anchor, 0)]
        anchors[months] = anchor, (anchor >= 0) & (age <= pd.Timedelta(days=7))
        wanted[f"return_{months}m"] = since(close, *anchors[months])
        if months in (1, 12):
            anchor, is_valid = anchors[months]
            wanted[f"total_return_{months}m"] = returns.since(anchor, rows, is_valid)
    anchor = days.year.searchsorted(days.year) - 1
    year_start = days.to_period("Y").start_time.to_numpy()
    age = year_start - days[np.maximum(anchor, 0)].to_numpy()
    is_valid = (anchor >= 0) & (age <= np.timedelta64(8, "D"))
    wanted["return_ytd"] = since(close, anchor, is_valid)
    wanted["total_return_ytd"] = returns.since(anchor, rows, is_valid)
    recent, has_recent = anchors[1]
    for months, column in ((7, "return_7m_1m"), (13, "return_13m_1m")):
        old, has_old = anchors[months]
        ratio = close[np.maximum(recent, 0)] / close[np.maximum(old, 0)] - 1
        wanted[column] = np.where(has_recent & has_old, ratio, np.nan)
    old, has_old = anchors[12]
    is_valid = has_recent & has_old & (rows + 1 >= 252)
    wanted["momentum_12_1"] = returns.since(old, np.maximum(recent, 0), is_valid)

    wanted["sma_50"] = windows(close, 50).mean(axis=1)
    wanted["sma_200"] = windows(close, 200).mean(axis=1)
    high = np.nanmax(windows(close, 252), axis=1)
    wanted["high_52w"] = high
    wanted["high_52w_ratio"] = close / high
    wanted["high_52w_intraday"] = np.nanmax(windows(bars.high.to_numpy(), 252), axis=1)
    wanted["drawdown_252d"] = close / high - 1
    falls = windows(close, 252)
    peaks = np.fmax.accumulate(falls, axis=1)
    wanted["max_drawdown_252d"] = np.nanmin(falls / peaks, axis=1) - 1
    wanted |= wilder_and_macd(bars)
    levels = np.full(len(bars), np.nan)
    if benchmark is not None:
        levels = benchmark.reindex(days).to_numpy()
    everywhere = np.full(len(bars), True)
    own = np.where(after_gap, np.nan, returns.since(rows - 1, rows, everywhere))
    own[0] = np.nan
    market = np.concatenate([[np.nan], levels[1:] / levels[:-1] - 1])
    pairs = np.stack([np.where(np.isnan(own + market), np.nan, x) for x in (own, market)])
    wanted["beta_252d"] = np.array([beta(pairs[:, max(0, row - 251) : row + 1]) for row in rows])
    for length in (63, 126, 252):
        anchor = rows - length
        unbroken = gaps_so_far == gaps_so_far[np.maximum(anchor, 0)]
        own = np.log1p(returns.since(anchor, rows, (anchor >= 0) & unbroken))
        market = np.log(levels / levels[np.maximum(anchor, 0)])
        wanted[f"relative_strength_{length}d"] = own - market
    log_returns = np.log(close / before)
    for length in (21, 63, 252):
        window = windows(log_returns, length)
        count = np.sum(~np.isnan(window), axis=1)
        mean = np.nansum(window, axis=1) / np.maximum(count, 1)
        squares = np.nansum((window - mean[:, None]) ** 2, axis=1)
        wanted[f"volatility_{length}d"] = np.where(
            count >= 0.8 * length, np.sqrt(squares / np.maximum(count - 1, 1) * 252), np.nan
        )
    median = np.median(windows(np.concatenate([[np.nan], volume[:-1]]), 60), axis=1)
    wanted["volume_surge"] = volume / np.where(median == 0, np.nan, median)
    return pd.DataFrame(wanted)


def beta(pairs: np.ndarray) -> float:
    own, market = pairs[:, ~np.isnan(pairs[0])]
    if len(own) < 120 or np.ptp(market) < 1e-9:
        return np.nan
    covariance = np.cov(own, market)
    return float(covariance[0, 1] / covariance[1, 1])


def expected_history(marts: Marts, tickers: set[str]) -> pd.DataFrame:
    final = marts.bars[marts.bars.is_final & marts.bars.ticker.isin(tickers)]
    listed_from = pd.to_datetime(final.ticker.map(LISTED))
    final = final[~(final.session_date < listed_from)]
    frames = []
    levels = {}
    for ticker in set(BENCHMARKS.values()) & tickers:
        bars = final[final.ticker == ticker]
        returns = total_return(bars)
        growth = np.where(returns.unknown > 0, np.nan, returns.growth)
        levels[ticker] = pd.Series(growth, index=pd.DatetimeIndex(bars.session_date))
    for ticker, bars in final.groupby("ticker"):
        exchange = exchange_of(str(ticker))
        sessions = marts.sessions[exchange] if exchange else None
        benchmark = levels.get(BENCHMARKS.get(str(ticker), ""))
        frames.append(momentum_history(bars, sessions, benchmark))
    return pd.concat(frames, ignore_index=True)


def is_covered(rows: pd.DataFrame) -> pd.Series:
    """Whether the universe covered a ticker on a session; of most it never told."""
    gone = pd.Series({name: pd.Timestamp(day) for name, day in DELISTED.items()})
    dropped = pd.Series({name: pd.Timestamp(day) for name, day in DROPPED.items()})
    far = pd.Timestamp("2100-01-01")
    return (
        ~rows.ticker.isin(UNRANKED)
        & (rows.session_date <= rows.ticker.map(gone).fillna(far))
        & (rows.session_date < rows.ticker.map(dropped).fillna(far))
    )


def expected_ranks(history: pd.DataFrame) -> pd.DataFrame:
    rows = history[is_covered(history)].copy()
    percentile = rows.momentum_12_1.round(12).groupby(rows.session_date)
    rows["universe_count"] = percentile.transform("count")
    place = percentile.rank(method="min") - 1
    rows["momentum_percentile"] = (place / (rows.universe_count - 1)).where(
        rows.universe_count >= 20
    )
    adjusted = risk_adjusted(rows, history).dropna()

    def standardised(values: pd.DataFrame | pd.Series) -> pd.DataFrame:
        days = values.groupby(rows.session_date.reindex(values.index))
        return (values - days.transform("mean")) / days.transform("std")

    z = standardised(standardised(adjusted).mean(axis=1)).clip(-3, 3)
    is_many = z.groupby(rows.session_date.reindex(z.index)).transform("size") >= 30
    score = pd.Series(np.where(z > 0, 1 + z, 1 / (1 - z)), index=z.index)
    rows["momentum_score"] = score.where(is_many)
    ranked = rows.momentum_12_1.notna() | rows.index.isin(adjusted.index)
    columns = ["momentum_percentile", "momentum_score", "universe_count"]
    return rows.loc[ranked, ["ticker", "session_date", *columns]]


def risk_adjusted(rows: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Returns of 6 and 12 months up to a month ago, less bills, over weekly volatility."""
    bills = history[history.ticker == "^IRX"].set_index("session_date").close.sort_index()
    rates = {}
    for day in rows.session_date.unique():
        start, mid, end = (day - pd.DateOffset(months=months) for months in (13, 7, 1))
        long, short = (bills[(bills.index > a) & (bills.index <= end)] for a in (start, mid))
        rates[day] = (
            (short.mean() / 100 / 2, long.mean() / 100) if len(short) and len(long) else (0, 0)
        )
    risks = {}
    for ticker, bars in rows.groupby("ticker"):
        close = history[history.ticker == ticker].set_index("session_date").close.sort_index()
        weeks = close.groupby(close.index.to_period("W-SUN"))
        ends, last_days = weeks.last(), weeks.apply(lambda week: week.index.max())
        returns = ends.pct_change().where(last_days.diff() <= pd.Timedelta(days=15))
        risk = returns.shift(1).rolling(156, min_periods=100).std() * np.sqrt(52)
        found = risk.reindex(pd.PeriodIndex(bars.session_date, freq="W-SUN"))
        risks[ticker] = pd.Series(found.to_numpy(), index=bars.index)
    risk = pd.concat(risks.values())
    rate = pd.DataFrame(rows.session_date.map(rates).tolist(), index=rows.index)
    raw = rows[["return_7m_1m", "return_13m_1m"]].to_numpy() - rate.to_numpy()
    return pd.DataFrame(raw, index=rows.index).div(risk.replace(0, np.nan), axis=0)


def differences(
    got: pd.DataFrame, wanted: pd.DataFrame, keys: list[str], columns: list[str]
) -> dict[str, float]:
    """The largest difference of each column, relative above one; infinite where one is blank."""
    pairs = wanted.merge(got, on=keys, how="outer", indicator=True, suffixes=("_wanted", "_got"))
    assert (pairs["_merge"] == "both").all(), pairs[pairs["_merge"] != "both"][keys]
    found = {}
    for column in columns:
        a = pairs[f"{column}_wanted"].to_numpy(dtype=float)
        b = pairs[f"{column}_got"].to_numpy(dtype=float)
        scale = pairs.close_wanted.to_numpy(dtype=float) if column in IN_CURRENCY else 1e-3
        size = np.abs(a - b) / np.maximum(np.abs(a), scale)
        size = np.where(np.isnan(a) & np.isnan(b), 0.0, size)
        found[column] = float(np.max(np.where(np.isnan(size), np.inf, size)))
    return found


@dataclass
class Case:
    """Tickers of one data set and their expected history."""

    tickers: set[str]
    history: pd.DataFrame

    def rows(self, mart: pd.DataFrame) -> pd.DataFrame:
        return mart[mart.ticker.isin(self.tickers)]


@pytest.fixture(scope="module", params=["synthetic", "real"])
def case(request: pytest.FixtureRequest, marts: Marts) -> Case:
    if request.param == "real":
        needs_real_prices()
    is_real = marts.bars.session_date >= pd.Timestamp("2020-01-01")
    tickers = set(marts.bars.ticker[is_real == (request.param == "real")])
    return Case(tickers, expected_history(marts, tickers))


def needs_real_prices() -> None:
    if not REAL_PRICES.exists():
        pytest.skip(f"the shared test data are not here: no {REAL_PRICES.name}")


# --- the tests


def test_every_row_and_column_of_the_history(marts: Marts, case: Case) -> None:
    got = case.rows(marts.history)
    found = differences(got, case.history, ["ticker", "session_date"], HISTORY)
    assert {column: size for column, size in found.items() if size > 1e-9} == {}
    assert set(got.columns) == {"ticker", "session_date", "total_return_basis", *HISTORY}
    bases = [
        frame.set_index(["ticker", "session_date"]).total_return_basis.fillna("").sort_index()
        for frame in (got, case.history)
    ]
    assert bases[0].to_dict() == bases[1].to_dict()


def test_windows_over_rows_in_order_are_those_of_each_ticker(marts: Marts, tmp_path: Path) -> None:
    compiled = invoke("compile", marts.database, tmp_path, "--select", "momentum_history")
    sql = compiled.results[0].node.compiled_code
    partitioned = re.sub(
        r"over \((?=\)|\s+rows )", "over (partition by ticker_number order by session_date ", sql
    )
    shuffled = sql.replace("from lagged_1", "from (from lagged_1 order by hash(session_date))")
    with duckdb.connect(str(marts.database), read_only=True) as con:
        con.execute(f"create temp view streamed as {sql}")
        con.execute(f"create temp view partitioned as {partitioned}")
        assert len(con.sql("from streamed").df()) == len(marts.history)
        assert con.sql("from streamed except from partitioned").fetchall() == []
        with pytest.raises(duckdb.Error, match="did not come in order"):
            con.sql(shuffled).df()


def test_every_row_of_the_ranks(marts: Marts, case: Case) -> None:
    wanted = expected_ranks(case.history)
    columns = ["momentum_percentile", "momentum_score", "universe_count"]
    found = differences(case.rows(marts.ranks), wanted, ["ticker", "session_date"], columns)
    assert {column: size for column, size in found.items() if size > 1e-9} == {}
    assert len(wanted) > 1000
    assert wanted.momentum_score.count() > 1000


def test_momentum_is_the_newest_final_session(marts: Marts, case: Case) -> None:
    got = case.rows(marts.momentum)
    newest = case.rows(marts.history).sort_values("session_date").groupby("ticker").tail(1)
    newest = newest.merge(marts.ranks, on=["ticker", "session_date"], how="left")
    columns = [*HISTORY, "momentum_percentile", "momentum_score", "universe_count"]
    assert max(differences(got, newest, ["ticker", "session_date"], columns).values()) == 0

    final = marts.bars[marts.bars.is_final]
    for row in got.itertuples():
        bars = final[final.ticker == row.ticker]
        bars = bars[bars.session_date >= LISTED.get(row.ticker, "1900-01-01")]
        close = bars.close.to_numpy()
        not_lower = bars.session_date.to_numpy()[:-1][close[:-1] >= close[-1]]
        assert row.history_start == bars.session_date.min()
        assert row.is_all_time_high == (len(not_lower) == 0)
        if len(not_lower):
            assert row.highest_close_since == not_lower.max()
        else:
            assert pd.isna(row.highest_close_since)


def test_highest_close_since_is_a_price_not_a_total_return(marts: Marts) -> None:
    hand = marts.newest("HAND")
    assert hand.close == 95
    assert hand.highest_close_since == marts.of("HAND").index[0]
    assert not hand.is_all_time_high
    # With dividends reinvested every earlier close was lower: 100 * (1 - 22 / 88) = 75.
    assert marts.of("HAND").total_return_close.tolist() == pytest.approx([75, 67.5, 66, 80, 95])


def test_a_rebased_download_changes_nothing(marts: Marts) -> None:
    assert (marts.retold.stored, marts.retold.unchanged) == (0, 600)
    assert (marts.of("DIVI").total_return_basis == "own").all()


def test_real_total_returns_follow_the_adjusted_closes(marts: Marts) -> None:
    needs_real_prices()
    merged = marts.history.merge(
        marts.bars[["ticker", "session_date", "adj_close"]], on=["ticker", "session_date"]
    )
    for ticker in ("AAPL", "MSFT", "PEP", "CSX"):
        rows = merged[merged.ticker == ticker].sort_values("session_date")
        ratio = rows.total_return_close / rows.adj_close
        assert ratio.max() / ratio.min() - 1 < 1e-3, ticker
    merged = merged[merged.session_date > "2021-04-12"]
    bases = merged[merged.ticker.isin(["AAPL", "CSX"])].groupby("ticker").total_return_basis
    assert {ticker: set(basis) for ticker, basis in bases} == {"AAPL": {"own"}, "CSX": {"vendor"}}


def test_a_live_bar_does_not_count(marts: Marts) -> None:
    assert len(marts.of("LIVE")) == 299
    assert marts.newest("LIVE").close < 1e5


def test_a_closed_exchange_is_no_gap(marts: Marts) -> None:
    athens = marts.of("GRD.AT")
    reopening = athens.loc["2015-08-03"]
    assert reopening[["return_1d", "return_21d", "return_252d"]].notna().all()
    # The anchor, 3 July, fell into the closure: the last session before is 7 days older.
    assert pd.notna(reopening.return_1m)
    assert pd.isna(athens.loc["2015-08-04"].return_1m)


def test_bars_counted_by_the_calendar_or_one_by_one_give_the_same(marts: Marts) -> None:
    columns = [*HISTORY, "total_return_basis"]
    pd.testing.assert_frame_equal(
        marts.of("BENCH")[columns], marts.of("EURUSD=X")[columns], rtol=1e-12, atol=1e-12
    )


def test_gaps_are_counted_in_the_sessions_of_the_own_exchange(marts: Marts) -> None:
    hong_kong = marts.of("GAP.HK")
    hole = hong_kong.index.to_series().diff().idxmax()
    before = hong_kong.index[hong_kong.index < hole].max()
    new_york = marts.sessions["XNYS"]
    assert ((new_york > before) & (new_york < hole)).sum() > 10
    assert pd.notna(hong_kong.loc[hole].return_1d)

    new_york_only = marts.of("GAPP").return_1d
    assert new_york_only.isna().sum() == 2
    odd = marts.of("ODD.QQ").return_1d
    assert odd.isna().sum() == 2


def test_a_gap_blanks_what_spans_it(marts: Marts) -> None:
    history = marts.of("GAPP")
    gap = history.index.get_loc(history.index[1:][history.return_1d[1:].isna()][0])
    for length in (1, 5, 21, 63):
        returns = history[f"return_{length}d"]
        assert returns.iloc[gap : gap + length].isna().all()
        assert pd.notna(returns.iloc[gap - 1])
        assert pd.notna(returns.iloc[gap + length])
    assert pd.isna(history.high_return_1d.iloc[gap])
    assert pd.notna(history.return_12m.iloc[gap])


def test_a_month_is_not_21_sessions(marts: Marts) -> None:
    history = marts.of("R00")
    close = history.close
    row = history.loc["2013-04-01"]
    assert row.return_1m == pytest.approx(close["2013-04-01"] / close["2013-03-01"] - 1)
    assert row.return_21d == pytest.approx(close["2013-04-01"] / close["2013-02-28"] - 1)
    assert row.return_ytd == pytest.approx(close["2013-04-01"] / close["2012-12-31"] - 1)
    # A month before 31 May is 30 April.
    assert history.loc["2013-05-31"].return_1m == pytest.approx(
        close["2013-05-31"] / close["2013-04-30"] - 1
    )


def test_the_dead_stay(marts: Marts) -> None:
    dead = marts.of("DEAD")
    assert marts.newest("DEAD").session_date == dead.index.max()
    days = marts.ranks[marts.ranks.ticker == "DEAD"].session_date
    assert days.max() == dead.index.max()
    assert len(days) > 50


def test_a_percentile_knows_its_universe(marts: Marts) -> None:
    ranks = marts.ranks.merge(marts.history[["ticker", "session_date", "momentum_12_1"]])
    ranks = ranks[(ranks.session_date < "2020-01-01") & ranks.momentum_12_1.notna()]
    days = ranks.groupby("session_date")
    composition = days.agg(
        rows=("ticker", "size"),
        universe_count=("universe_count", "max"),
        ranked=("momentum_percentile", "count"),
        lowest=("momentum_percentile", "min"),
    )
    assert (composition.rows == composition.universe_count).all()
    assert {19, 20} <= set(composition.universe_count)
    assert ((composition.universe_count >= 20) == (composition.ranked > 0)).all()
    assert (composition.lowest.dropna() == 0).all()
    assert not set(marts.ranks.ticker) & UNRANKED
    flat = marts.ranks[marts.ranks.ticker.isin(["FLAT", "FLT3"])].groupby("session_date")
    assert (flat.momentum_percentile.nunique() == 1).all()


def test_returns_are_simple_and_volatility_is_of_log_returns(marts: Marts) -> None:
    zigzag = marts.of("ZIGZ").iloc[-1]
    assert zigzag.return_1d == pytest.approx(0.1)
    # 21 log returns of +L and -L in turn: 11 up, 10 down, mean L / 21.
    step = np.log(1.1)
    squares = 11 * (step - step / 21) ** 2 + 10 * (step + step / 21) ** 2
    assert zigzag.volatility_21d == pytest.approx(np.sqrt(squares / 20 * 252))
    assert zigzag.volatility_21d != pytest.approx(np.sqrt(squares / 21 * 252))
    assert marts.newest("FLAT").volatility_252d == 0


def test_a_split_between_two_versions_leaves_no_step(marts: Marts) -> None:
    split = marts.of("SPLT")
    assert split.return_1d.abs().max() < 0.15
    assert (split.total_return_basis == "own").all()


def test_the_vendors_vintages_are_not_mixed(marts: Marts) -> None:
    assert (marts.of("VEND").total_return_basis[1:] == "vendor").all()
    mixed = marts.of("VEN2")
    assert mixed.total_return_close[:370].isna().all()
    assert mixed.total_return_close[370:].notna().all()
    assert mixed.total_return_1m[340:369].notna().all()
    # The step between the vintages is unknown, and so is every window that holds it.
    assert mixed.total_return_1m[370:390].isna().all()
    assert mixed.total_return_1m.iloc[-1] == pytest.approx(mixed.return_1m.iloc[-1])
    assert mixed.total_return_basis[370:].isna().all()


def test_one_unknown_dividend_takes_the_vendors_ratio_for_its_session_alone(marts: Marts) -> None:
    impossible = marts.of("BADD")
    assert (impossible.total_return_basis[:50] == "own").all()
    assert (impossible.total_return_basis[50:302] == "vendor").all()
    assert (impossible.total_return_basis[302:] == "own").all()
    unknown = marts.of("NOAD")
    assert unknown[["total_return_1m", "total_return_12m", "momentum_12_1"]].isna().all(axis=None)
    assert unknown.total_return_close.count() == 1
    assert unknown.return_12m.notna().any()


def test_no_number_is_nan_or_infinite(marts: Marts) -> None:
    assert marts.odd_numbers == 0


def test_every_blank_has_its_reason(marts: Marts) -> None:
    cells = marts.momentum.set_index("ticker").isna().stack()
    told = marts.blanks.set_index(["ticker", "column_name"])
    assert set(cells[cells].index) == set(told.index)
    assert not told.index.duplicated().any()
    assert told.reason.notna().all()
    for ticker, column, words in (
        ("SHRT", "return_63d", "too few final bars"),
        ("SHRT", "return_3m", "history begins after"),
        ("NOAD", "total_return_12m", "dividend in the window is unknown"),
        ("NOAD", "beta_252d", "names no benchmark"),
        ("DEAD", "relative_strength_63d", "a dividend in it is unknown"),
        ("BENCH", "momentum_percentile", "benchmark is not ranked"),
        ("FUND", "momentum_score", "fund"),
        ("R03", "momentum_percentile", "does not cover it"),
        ("R03", "universe_count", "does not cover it"),
        ("GAP.HK", "beta_252d", "did not move"),
    ):
        assert words in told.loc[(ticker, column)].reason, (ticker, column)
    few = told.loc[("SHRT", "return_63d")]
    assert (few.observed_value, few.expected_value) == (30, 64)


def test_a_holiday_is_no_missing_session(marts: Marts) -> None:
    london = marts.of("LON.L")
    # 4 and 5 June 2012 were holidays; 24 December a half-day, which counts as any other.
    row = london.index.get_loc(pd.Timestamp("2012-06-06"))
    assert london.index[row - 1] == pd.Timestamp("2012-06-01")
    assert london.return_1d.iloc[row] == pytest.approx(
        london.close.iloc[row] / london.close["2012-06-01"] - 1
    )
    row = london.index.get_loc(pd.Timestamp("2012-12-27"))
    assert list(london.index[row - 2 : row].strftime("%m-%d")) == ["12-21", "12-24"]
    assert london.return_1d.iloc[row] == pytest.approx(
        london.close.iloc[row] / london.close["2012-12-24"] - 1
    )
    assert london.return_1d[1:].notna().all()
    # The bar of one session is missing: the mart has none, and says so.
    assert MISSED in marts.sessions["XLON"]
    assert MISSED not in london.index
    missing = marts.missing.set_index("ticker")
    assert missing.loc["LON.L"].tolist() == [1, MISSED]
    assert missing.loc["GAPP"].session_count == 21
    assert not {"GRD.AT", "0700.HK", "BENCH", "ODD.QQ", "EURUSD=X"} & set(missing.index)


def test_beta_pairs_sessions_that_both_have(marts: Marts) -> None:
    hong_kong, new_york = marts.of("0700.HK").close, marts.of("BENCH").close
    row = hong_kong.index.get_loc(pd.Timestamp("2014-03-31"))
    days = hong_kong.index[: row + 1]
    is_shared = days.isin(new_york.index)
    pairs = [
        (hong_kong[b] / hong_kong[a] - 1, new_york[b] / new_york[a] - 1)
        for a, b, has_a, has_b in zip(days, days[1:], is_shared, is_shared[1:], strict=False)
        if has_a and has_b and b >= days[row - 251]
    ]
    assert 200 < len(pairs) < 251
    own, market = np.array(pairs).T
    covariance = np.cov(own, market)
    beta_of_pairs = covariance[0, 1] / covariance[1, 1]
    assert marts.of("0700.HK").beta_252d.iloc[row] == pytest.approx(beta_of_pairs, abs=1e-9)


def test_returns_are_in_the_currency_of_the_quote(marts: Marts) -> None:
    ordinary, dollars = marts.of("ORD.HK"), marts.of("USD.HK")
    day = "2013-06-03"
    # On that day the rate halved: who counts in dollars has twice as much.
    assert 1 + dollars.return_1d[day] == pytest.approx(2 * (1 + ordinary.return_1d[day]))
    assert 1 + dollars.return_12m[day] == pytest.approx(2 * (1 + ordinary.return_12m[day]))
    later = ordinary.index > "2013-07-15"
    assert dollars.return_21d[later].to_numpy() == pytest.approx(ordinary.return_21d[later])


def test_a_receipt_for_ten_shares_moves_as_they_do(marts: Marts) -> None:
    ordinary, receipt = marts.of("ORD.HK"), marts.of("REC.HK")
    levels = {"close", "total_return_close", "sma_50", "sma_200", "high_52w", "high_52w_intraday"}
    for column in HISTORY:
        scale = 10 if column in levels | IN_CURRENCY else 1
        assert receipt[column].to_numpy() == pytest.approx(
            ordinary[column].to_numpy() * scale, rel=1e-9, abs=1e-11, nan_ok=True
        ), column


def test_sessions_without_trade(marts: Marts) -> None:
    quiet = marts.of("ZERO")
    assert quiet.return_1d[1:].notna().all()
    # Most of the 60 sessions before had no trade up to the one whose volume nobody told.
    assert quiet.volume_surge.isna().all()
    reason = marts.blanks.set_index(["ticker", "column_name"]).loc[("ZERO", "volume_surge")].reason
    assert "one has no volume or most traded none" in reason


def test_a_price_of_nothing_is_refused(tmp_path: Path) -> None:
    rows = [
        {"ticker": "AAA", "session_date": "2024-01-02", "close": close}
        for close in (0.0, -1.0, float("inf"))
    ]
    with Warehouse(tmp_path / "bellwether.duckdb") as warehouse:
        for row in rows:
            counts = warehouse.append("prices", pd.DataFrame([row]), source="inbox")
            assert (counts.stored, counts.rejected) == (0, 1)


def test_a_symbol_that_was_another_companys_begins_anew(marts: Marts) -> None:
    used = marts.of("USED")
    assert used.index.min() == pd.Timestamp(LISTED["USED"])
    assert pd.isna(used.return_1d.iloc[0])
    assert marts.newest("USED").history_start == used.index.min()
    # Before, the symbol stood fifty times as high.
    assert marts.newest("USED").high_52w < 1000
    assert used.return_1d.abs().max() < 0.2


def test_a_quote_is_no_close(marts: Marts) -> None:
    assert marts.newest("R01").close == marts.of("R01").close.iloc[-1] != 12345
    assert not (marts.history.close == 12345).any()


def test_momenta_that_differ_in_the_last_digits_tie(marts: Marts) -> None:
    ranks = marts.ranks.merge(marts.history[["ticker", "session_date", "momentum_12_1"]])
    pairs = ranks[ranks.ticker.isin(["ORD.HK", "REC.HK"]) & ranks.momentum_percentile.notna()]
    days = pairs.groupby("session_date")
    assert len(days) > 100
    # The receipt's prices are ten times as high, so its momentum differs by rounding only.
    assert (days.momentum_12_1.nunique() > 1).any()
    assert (days.momentum_percentile.nunique() == 1).all()
