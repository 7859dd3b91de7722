"""The columns of marts.momentum_history by hand in polars, on data without gaps."""

import sys

import polars as pl

ANCHORS = (1, 3, 6, 7, 12, 13)


def over(expression: pl.Expr) -> pl.Expr:
    """Compute an expression for each ticker by itself."""
    return expression.over("ticker")


def ago(column: str, rows: int) -> pl.Expr:
    """Return a column so many rows before."""
    return over(pl.col(column).shift(rows))


def wilder(value: pl.Expr, length: int, alpha: float) -> pl.Expr:
    """Return an exponential average seeded with the mean of the first `length` values."""
    position = value.cum_count()
    seeded = (
        pl.when(position < length)
        .then(None)
        .when(position == length)
        .then(value.rolling_mean(length))
        .otherwise(value)
    )
    return over(seeded.ewm_mean(alpha=alpha, adjust=False, ignore_nulls=True))


def main(source: str, target: str) -> None:
    """Read Parquet of bars, compute, write Parquet."""
    close = pl.col("close")
    bars = pl.read_parquet(source).sort("ticker", "session_date")
    bars = bars.with_columns(
        bar=over(pl.int_range(1, pl.len() + 1)),
        before=ago("close", 1),
        factor=over((1 - pl.col("dividend") / close.shift(1)).fill_null(1.0).log().cum_sum()),
    )
    bars = bars.with_columns(
        level=close.log() - pl.col("factor"),
        step=(close / pl.col("before")).log(),
    )
    market = bars.filter(pl.col("ticker") == bars["ticker"][0]).select(
        "session_date", market="level"
    )
    bars = bars.join(market, on="session_date", how="left", maintain_order="left")
    step, high = pl.col("step"), pl.col("high")
    change = close - pl.col("before")
    bars = bars.with_columns(
        own=(pl.col("level") - ago("level", 1)).exp() - 1,
        index=(pl.col("market") - ago("market", 1)).exp() - 1,
        gain=change.clip(lower_bound=0),
        loss=(-change).clip(lower_bound=0),
        range=pl.max_horizontal(high, "before") - pl.min_horizontal("low", "before"),
    ).with_columns(
        range=pl.when(pl.col("before").is_not_null()).then(pl.col("range")),
        total_return_close=close * (over(pl.col("factor").last()) - pl.col("factor")).exp(),
        sma_50=over(close.rolling_mean(50)),
        sma_200=over(close.rolling_mean(200)),
        **{f"return_{k}d": close / ago("close", k) - 1 for k in (1, 5, 21, 63, 126, 252)},
        **{f"{p}_return_1d": pl.col(p) / pl.col("before") - 1 for p in ("open", "high", "low")},
        high_52w=over(close.rolling_max(252, min_samples=1)),
        high_52w_intraday=over(high.rolling_max(252, min_samples=1)),
        **{
            f"volatility_{k}d": over(step.rolling_std(k, min_samples=-(-k * 4 // 5))) * 252**0.5
            for k in (21, 63, 252)
        },
        beta_252d=over(
            pl.rolling_cov("own", "index", window_size=252, min_samples=120)
            / pl.col("index").rolling_var(252, min_samples=120)
        ),
        **{
            f"relative_strength_{k}d": (pl.col("level") - ago("level", k))
            - (pl.col("market") - ago("market", k))
            for k in (63, 126, 252)
        },
        volume_surge=pl.col("volume") / over(pl.col("volume").shift(1).rolling_median(60)),
        total_return_basis=pl.when(
            over(pl.col("dividend").is_null().cast(pl.Int8).rolling_max(252, min_samples=1) == 1)
        )
        .then(pl.lit("vendor"))
        .otherwise(pl.lit("own")),
    )
    bars = bars.with_columns(
        gain=wilder(pl.col("gain"), 14, 1 / 14),
        loss=wilder(pl.col("loss"), 14, 1 / 14),
        atr_14=wilder(pl.col("range"), 14, 1 / 14),
        macd=wilder(close, 12, 2 / 13) - wilder(close, 26, 2 / 27),
    ).with_columns(macd_signal=wilder(pl.col("macd"), 9, 0.2))
    bars = bars.with_columns(
        rsi_14=pl.when(pl.col("bar") >= 150).then(
            100 * pl.col("gain") / (pl.col("gain") + pl.col("loss"))
        ),
        macd=pl.when(pl.col("bar") >= 200).then(pl.col("macd")),
        macd_signal=pl.when(pl.col("bar") >= 200).then(pl.col("macd_signal")),
        high_52w_ratio=close / pl.col("high_52w"),
        drawdown_252d=close / pl.col("high_52w") - 1,
    ).drop("gain", "loss", "range", "own", "index", "market", "before", "step")
    bars = with_fall(bars)
    bars = with_anchors(bars)
    bars.drop(
        "open", "high", "low", "adj_close", "dividend", "factor", "level", "bar"
    ).write_parquet(target, compression="lz4")


def with_fall(bars: pl.DataFrame) -> pl.DataFrame:
    """Add max_drawdown_252d: blocks of (highest, lowest, deepest fall) that double up."""
    blocks = bars.select("ticker", high=pl.col("close"), low=pl.col("close"), fall=pl.lit(1.0))
    length = 1
    for add in (1, 2, 4, 8, 16, 31, 63, 126):
        old = {name: ago(name, add) for name in ("high", "low", "fall")}
        blocks = blocks.with_columns(
            high=pl.max_horizontal("high", old["high"]),
            low=pl.min_horizontal("low", old["low"]),
            fall=pl.min_horizontal("fall", old["fall"], pl.col("low") / old["high"]),
        )
        length += add
    assert length == 252
    return bars.with_columns(max_drawdown_252d=blocks["fall"] - 1)


def with_anchors(bars: pl.DataFrame) -> pl.DataFrame:
    """Add the returns from calendar anchors."""
    known = bars.select("ticker", "session_date", "close", "level")
    found = {}
    days = {k: pl.col("session_date").dt.offset_by(f"-{k}mo") for k in ANCHORS}
    days |= {0: pl.date(pl.col("session_date").dt.year() - 1, 12, 31)}
    for months, day in days.items():
        anchor = bars.select("ticker", day=day).join_asof(
            known,
            left_on="day",
            right_on="session_date",
            by="ticker",
            tolerance="7d",
            check_sortedness=False,
        )
        found[months] = anchor["close"], anchor["level"]
    close, level = bars["close"], bars["level"]
    return bars.with_columns(
        **{f"return_{k}m": close / found[k][0] - 1 for k in (1, 3, 6, 12)},
        return_ytd=close / found[0][0] - 1,
        total_return_1m=(level - found[1][1]).exp() - 1,
        total_return_12m=(level - found[12][1]).exp() - 1,
        total_return_ytd=(level - found[0][1]).exp() - 1,
        momentum_12_1=(found[1][1] - found[12][1]).exp() - 1,
        return_7m_1m=found[1][0] / found[7][0] - 1,
        return_13m_1m=found[1][0] / found[13][0] - 1,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
