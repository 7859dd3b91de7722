"""The columns of marts.momentum_history by hand in pandas, on data without gaps."""

import sys

import numpy as np
import pandas as pd

ANCHORS = (1, 3, 6, 7, 12, 13)


def main(source: str, target: str) -> None:
    """Read Parquet of bars, compute ticker by ticker, write Parquet."""
    bars = pd.read_parquet(source).sort_values(["ticker", "session_date"])
    bars["session_date"] = pd.to_datetime(bars["session_date"])
    first = bars[bars.ticker == bars.ticker.iloc[0]]
    market = pd.Series(levels(first).to_numpy(), index=first.session_date)
    frames = [one(ticker_bars, market) for _, ticker_bars in bars.groupby("ticker", sort=False)]
    pd.concat(frames).to_parquet(target, compression="lz4", index=False)


def factors(bars: pd.DataFrame) -> pd.Series:
    """Log of what dividends left of the close, so far."""
    return np.log(1 - bars.dividend / bars.close.shift()).fillna(0).cumsum()


def levels(bars: pd.DataFrame) -> pd.Series:
    """Log total return level."""
    return np.log(bars.close) - factors(bars)


def wilder(values: pd.Series, length: int, alpha: float) -> pd.Series:
    """Exponential average seeded with the mean of the first `length` values."""
    known = values.dropna()
    seeded = known.copy()
    seeded.iloc[: length - 1] = np.nan
    seeded.iloc[length - 1] = known.iloc[:length].mean()
    return seeded.ewm(alpha=alpha, adjust=False).mean().reindex(values.index)


def deepest_fall(close: np.ndarray) -> np.ndarray:
    """Deepest fall within the last 252 closes, in blocks that double up.

    Blocks share one close at most, so that no low comes before the high it is held against.
    """
    high, low, fall = close.copy(), close.copy(), np.ones(len(close))
    for add in (1, 2, 4, 8, 16, 31, 63, 126):
        old_high, old_low, old_fall = (
            np.concatenate([np.full(add, np.nan), values[:-add]]) for values in (high, low, fall)
        )
        fall = np.fmin(np.fmin(fall, old_fall), low / old_high)
        high, low = np.fmax(high, old_high), np.fmin(low, old_low)
    return fall - 1


def one(bars: pd.DataFrame, market: pd.Series) -> pd.DataFrame:
    """Compute one ticker."""
    bars = bars.set_index("session_date")
    close, before = bars.close, bars.close.shift()
    step, factor = np.log(close / before), factors(bars)
    level, market = np.log(close) - factor, market.reindex(bars.index)
    own, index = np.expm1(level.diff()), np.expm1(market.diff())
    change = close.diff()
    gain, loss = change.clip(lower=0), (-change).clip(lower=0)
    span = np.maximum(bars.high, before) - np.minimum(bars.low, before)
    found = {
        "ticker": bars.ticker,
        "close": close,
        "volume": bars.volume,
        "total_return_close": close * np.exp(factor.iloc[-1] - factor),
        "sma_50": close.rolling(50).mean(),
        "sma_200": close.rolling(200).mean(),
        "high_52w": close.rolling(252, min_periods=1).max(),
        "high_52w_intraday": bars.high.rolling(252, min_periods=1).max(),
        "max_drawdown_252d": deepest_fall(close.to_numpy()),
        "beta_252d": own.rolling(252, min_periods=120).cov(index)
        / index.where(own.notna()).rolling(252, min_periods=120).var(),
        "volume_surge": bars.volume / bars.volume.shift().rolling(60).median(),
        "total_return_basis": np.where(
            bars.dividend.isna().rolling(252, min_periods=1).max() == 1, "vendor", "own"
        ),
        "atr_14": wilder(span, 14, 1 / 14),
        "macd": wilder(close, 12, 2 / 13) - wilder(close, 26, 2 / 27),
    }
    found["macd_signal"] = wilder(found["macd"], 9, 0.2)
    up, down = wilder(gain, 14, 1 / 14), wilder(loss, 14, 1 / 14)
    bar = np.arange(1, len(bars) + 1)
    found["rsi_14"] = (100 * up / (up + down)).where(bar >= 150)
    for name in ("macd", "macd_signal"):
        found[name] = found[name].where(bar >= 200)
    found["high_52w_ratio"] = close / found["high_52w"]
    found["drawdown_252d"] = close / found["high_52w"] - 1
    for length in (1, 5, 21, 63, 126, 252):
        found[f"return_{length}d"] = close / close.shift(length) - 1
    for price in ("open", "high", "low"):
        found[f"{price}_return_1d"] = bars[price] / before - 1
    for length in (21, 63, 252):
        deviation = step.rolling(length, min_periods=-(-length * 4 // 5)).std()
        found[f"volatility_{length}d"] = deviation * 252**0.5
    for length in (63, 126, 252):
        found[f"relative_strength_{length}d"] = level.diff(length) - market.diff(length)
    days = bars.index
    anchors = {k: days - pd.DateOffset(months=k) for k in ANCHORS}
    anchors[0] = pd.DatetimeIndex([f"{year - 1}-12-31" for year in days.year])
    old_close, old_level = {}, {}
    for months, wanted in anchors.items():
        row = days.searchsorted(wanted, side="right") - 1
        valid = (row >= 0) & (wanted - days[np.maximum(row, 0)] <= pd.Timedelta(days=7))
        for values, kept in ((close, old_close), (level, old_level)):
            kept[months] = np.where(valid, values.to_numpy()[np.maximum(row, 0)], np.nan)
    for months in (1, 3, 6, 12):
        found[f"return_{months}m"] = close / old_close[months] - 1
    found["return_ytd"] = close / old_close[0] - 1
    for months, name in ((1, "1m"), (12, "12m"), (0, "ytd")):
        found[f"total_return_{name}"] = np.expm1(level - old_level[months])
    found["momentum_12_1"] = np.expm1(old_level[1] - old_level[12])
    for months in (7, 13):
        found[f"return_{months}m_1m"] = old_close[1] / old_close[months] - 1
    return pd.DataFrame(found, index=days).reset_index()


if __name__ == "__main__":
    main(*sys.argv[1:])
