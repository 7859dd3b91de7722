"""The sample, checked from outside: what it tells, when, and that nobody takes it for real."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

import duckdb
import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from warehouse.settings import PROJECT, SEEDS
from warehouse.sources import Unit
from warehouse.sources import sample as simulation
from warehouse.sources.sample import LAST_SESSION, Sample

# exchange_calendars asks pandas for what pandas 4 will no longer answer.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Series.values returning:DeprecationWarning",
    "ignore::DeprecationWarning:exchange_calendars",
)

AS_OF = pd.Timestamp("2025-09-25 13:29")
LAST = pd.Timestamp("2025-09-24")
PARAMETERS = PROJECT / "warehouse" / "sources" / "sample"
BOOKKEEPING = {"row_id", "source", "payload", "stored_at", "batch_id"}
KEYS = {
    "universe": ["ticker"],
    "securities": ["ticker"],
    "prices": ["ticker", "session_date"],
    "ratings": ["ticker", "firm", "graded_on", "to_grade"],
    "consensus": ["ticker", "snapshot_date", "period"],
    "valuations": ["ticker", "valued_on"],
    "estimates": ["ticker", "snapshot_date", "period"],
    "earnings": ["ticker", "period_end"],
    "earnings_dates": ["ticker", "snapshot_date"],
    "short_interest": ["ticker", "settled_on"],
    "news": ["ticker", "news_id"],
}
NON_VOTES = {"Suspended", "Not Rated", "Under Review", "Dropped", "Tender"}
SELL_WORDS = {"Sell", "Underperform", "Underweight", "Reduce", "Negative"}
Frames = dict[str, pd.DataFrame]


def every_table(source: Sample) -> Frames:
    return {table: getattr(source, table)() for table in source.tables}


@pytest.fixture(scope="module")
def frames() -> Frames:
    return every_table(Sample())


@pytest.fixture(scope="module")
def store() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute((PROJECT / "warehouse" / "schema.sql").read_text())
    con.execute("create temp table currencies as from read_csv(?)", [str(SEEDS / "currencies.csv")])
    return con


def newest(frame: pd.DataFrame, table: str, at: pd.Timestamp = AS_OF) -> pd.DataFrame:
    """Latest version of each key known at a moment."""
    known = frame[frame.known_at <= at].sort_values("known_at")
    return known.drop_duplicates(KEYS[table], keep="last").sort_values(KEYS[table])


@pytest.fixture(scope="module")
def bars(frames: Frames) -> dict[str, pd.DataFrame]:
    """Newest bars of each ticker by session, divided by the splits after they were known."""
    prices = newest(frames["prices"], "prices")
    prices["session_date"] = pd.to_datetime(prices.session_date)
    known_on = prices.known_at.dt.normalize()
    for split in prices[prices.split_ratio != 1].itertuples():
        older = (prices.ticker == split.ticker) & (known_on < split.session_date)
        prices.loc[older, ["open", "high", "low", "close", "dividend"]] /= split.split_ratio
        prices.loc[older, "volume"] *= split.split_ratio
    return {str(t): bar.set_index("session_date") for t, bar in prices.groupby("ticker")}


@pytest.fixture(scope="module")
def baba(bars: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return bars["BABA"]


@pytest.fixture(scope="module")
def votes(frames: Frames) -> pd.DataFrame:
    """Live votes: each firm's latest-graded event within a year that is a vote."""
    ratings = newest(frames["ratings"], "ratings")
    latest = ratings.sort_values("graded_on").drop_duplicates(["ticker", "firm"], keep="last")
    is_live = pd.to_datetime(latest.graded_on) + pd.Timedelta(days=365) > LAST
    return latest[is_live & ~latest.to_grade.isin(NON_VOTES)]


def shorth(targets: pd.Series[float]) -> tuple[float, float]:
    """Shortest interval that holds floor(n/2)+1 of the targets."""
    x = sorted(targets)
    half = len(x) // 2 + 1
    return min(
        ((x[i], x[i + half - 1]) for i in range(len(x) - half + 1)),
        key=lambda ends: ends[1] - ends[0],
    )


# What the article says of BABA


def test_the_last_session_is_the_article_s() -> None:
    assert date(2025, 9, 24) == LAST_SESSION


def test_shares_jumped_ten_percent_intraday(baba: pd.DataFrame) -> None:
    assert baba.index[-1] == LAST
    assert 0.095 <= baba.high.iloc[-1] / baba.close.iloc[-2] - 1 <= 0.105
    assert 0.07 <= baba.close.iloc[-1] / baba.close.iloc[-2] - 1 <= 0.09


def test_shares_climbed_over_35_percent_in_a_month(baba: pd.DataFrame) -> None:
    month_ago = baba.close[: LAST - pd.DateOffset(months=1)].iloc[-1]
    assert 0.36 <= baba.close.iloc[-1] / month_ago - 1 <= 0.42
    assert 0.36 <= baba.close.iloc[-1] / baba.close.iloc[-22] - 1 <= 0.42


def test_shares_nearly_doubled_in_2025(baba: pd.DataFrame) -> None:
    assert 0.88 <= baba.close.iloc[-1] / baba.close[:"2024-12-31"].iloc[-1] - 1 <= 0.99


def test_the_close_was_not_seen_since_2021(baba: pd.DataFrame) -> None:
    before = baba.close.iloc[:-1]
    assert before[before >= baba.close.iloc[-1]].index.max().year == 2021


def test_over_fifty_analysts_and_no_sell(frames: Frames) -> None:
    consensus = newest(frames["consensus"], "consensus")
    row = consensus[(consensus.ticker == "BABA") & (consensus.period == "0m")].iloc[-1]
    assert row.snapshot_date == LAST_SESSION
    assert row.strong_buy + row.buy + row.hold + row.sell + row.strong_sell == 54
    assert row.sell == row.strong_sell == 0
    assert 1.5 < row.recommendation_mean <= 2
    assert row.recommendation_key == "buy"
    assert row.target_low < row.target_median < row.target_high
    assert row.target_count > 30


@pytest.mark.parametrize(
    ("firm", "grade", "target", "kind", "words"),
    [
        ("Nomura", "Buy", 170, "rating", ("unit efficiency", "losses per order")),
        ("Morningstar", "Hold", 179, "fair_value", ("AI cloud potential", "management")),
        ("U.S. Tiger Securities", "Buy", 145, "rating", ("Jack Ma's return", "sentiment")),
    ],
)
def test_named_calls(
    votes: pd.DataFrame, firm: str, grade: str, target: float, kind: str, words: tuple[str, ...]
) -> None:
    (vote,) = votes[(votes.ticker == "BABA") & (votes.firm == firm)].itertuples()
    assert (vote.to_grade, vote.target, vote.kind) == (grade, target, kind)
    assert all(word in vote.note for word in words)


def test_targets_cluster_around_167_to_179(votes: pd.DataFrame) -> None:
    live = votes[votes.ticker == "BABA"]
    assert 14 <= len(live) <= 20
    assert not SELL_WORDS & set(live.to_grade)
    low, high = shorth(live[live.kind != "fair_value"].target)
    assert 165 <= low <= 169
    assert 177 <= high <= 181


def test_the_cluster_needs_corrections_and_late_facts_in_their_place(frames: Frames) -> None:
    baba = frames["ratings"].query("ticker == 'BABA'")
    jefferies = baba[(baba.firm == "Jefferies") & (baba.graded_on == date(2025, 9, 18))]
    assert jefferies.sort_values("known_at").target.tolist() == [187, 178]
    barclays = baba[baba.firm == "Barclays"].sort_values("known_at")
    assert barclays.graded_on.iloc[-1] == date(2025, 5, 16)
    assert barclays.graded_on.max() == date(2025, 8, 29)


def test_about_18_times_forward_earnings_below_us_peers(frames: Frames) -> None:
    last = newest(frames["valuations"], "valuations").drop_duplicates("ticker", keep="last")
    last = last.merge(
        frames["securities"].drop_duplicates("ticker", keep="last")[
            ["ticker", "country", "sector"]
        ],
        on="ticker",
    )
    row = last[last.ticker == "BABA"].iloc[0]
    assert row.valued_on == LAST_SESSION
    assert 17.6 <= row.forward_pe <= 18.4
    assert row.currency == row.eps_currency == "USD"
    assert row.forward_pe == pytest.approx(row.price / row.forward_eps, abs=1e-3)
    peers = last[(last.country == "United States") & (last.sector == "Technology")]
    peers = peers[~peers.ticker.str.startswith("ZZ")]
    assert len(peers) >= 10
    assert peers.forward_pe.between(22, 40).all()


@pytest.mark.parametrize(
    "words",
    [
        ("AI spending",),
        ("Qwen3-Max", "trillion parameters"),
        ("data centers", "expansion"),
        ("Nvidia", "robot"),
        ("halve", "October"),
        ("education", "healthcare", "enterprise"),
        ("Jack Ma", "informal return", "employees"),
        ("antitrust", "Beijing"),
        ("ADR", "disclosure"),
        ("geopolitical",),
        ("Nomura", "$170"),
        ("Morningstar", "$179"),
    ],
)
def test_every_catalyst_driver_and_risk_is_in_the_news(
    frames: Frames, words: tuple[str, ...]
) -> None:
    news = frames["news"].query("ticker == 'BABA'")
    text = (news.title + " " + news.summary).str.lower()
    found = news[np.logical_and.reduce([text.str.contains(w.lower(), regex=False) for w in words])]
    assert (found.published_at >= "2025-09-01").any()
    assert (found.known_at <= AS_OF).all()


def test_stories_are_told_twice(frames: Frames) -> None:
    told_twice = {
        ticker
        for ticker, items in frames["news"].groupby("ticker")
        for a, b in combinations(items.itertuples(), 2)
        if a.publisher != b.publisher
        and abs(a.published_at - b.published_at) < pd.Timedelta(days=1)
        and SequenceMatcher(None, a.summary, b.summary).ratio() > 0.8
    }
    assert {"BABA", "NVDA", "ORCL", "GOOGL", "BIDU"} <= told_twice


# What the raw store asks of every source


def test_it_is_a_source(frames: Frames) -> None:
    source = Sample()
    assert source.name == "sample"
    assert set(source.tables) == set(KEYS) == set(frames)
    assert [source.pending(table, ["BABA"]) for table in source.tables] == [[Unit()]] * len(KEYS)
    assert source.pending("sessions", []) == []


@pytest.mark.parametrize("table", KEYS)
def test_rows_fit_the_schema(frames: Frames, store: duckdb.DuckDBPyConnection, table: str) -> None:
    frame = frames[table]
    columns = [
        row[0]
        for row in store.execute(
            "select column_name from duckdb_columns() where schema_name = 'raw' "
            "and table_name = ? order by column_index",
            [table],
        ).fetchall()
    ]
    assert list(frame.columns) == [name for name in columns if name not in BOOKKEEPING]
    assert not frame.duplicated([*KEYS[table], "known_at"]).any()
    names = ", ".join(frame.columns)
    store.execute(
        f"insert into raw.{table} ({names}, row_id, source, stored_at, batch_id) "
        f"select {names}, '', 'sample', timestamp '2025-09-25 13:29:00', '' from frame"
    )
    rules = store.execute(
        "select rule, reason from raw.checks where table_name = ?", [table]
    ).fetchall()
    assert rules
    broken = {
        reason: count
        for rule, reason in rules
        if (
            count := store.execute(
                f"select count(*) from raw.{table} where not ({rule})"
            ).fetchone()[0]
        )
    }
    assert broken == {}


def test_two_calls_are_equal(frames: Frames) -> None:
    for table, again in every_table(Sample()).items():
        pd.testing.assert_frame_equal(frames[table], again)


def test_a_ticker_less_changes_no_other(
    frames: Frames, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(PARAMETERS, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.glob("*.csv"):
        with file.open(newline="") as lines:
            rows = [row for row in csv.reader(lines) if row[0] != "MSFT"]
        with file.open("w", newline="") as lines:
            csv.writer(lines).writerows(rows)
    monkeypatch.setattr(simulation, "_PARAMETERS", tmp_path)
    simulation._read.cache_clear()
    try:
        for table, fewer in every_table(Sample()).items():
            others = frames[table][frames[table].ticker != "MSFT"].reset_index(drop=True)
            fewer = fewer[fewer.ticker != "MSFT"].reset_index(drop=True)
            pd.testing.assert_frame_equal(others, fewer, check_exact=True)
    finally:
        simulation._read.cache_clear()


# When it says so


def test_nothing_is_known_after_the_cutoff(frames: Frames) -> None:
    assert max(frame.known_at.max() for frame in frames.values()) <= AS_OF
    assert all(frame.known_at.notna().all() for frame in frames.values())
    assert all(frame.known_at.dt.tz is None for frame in frames.values())


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("ratings", "graded_on"),
        ("ratings", "graded_at"),
        ("consensus", "snapshot_date"),
        ("valuations", "valued_on"),
        ("estimates", "snapshot_date"),
        ("earnings", "period_end"),
        ("earnings_dates", "snapshot_date"),
        ("news", "published_at"),
    ],
)
def test_no_fact_is_known_before_it_happened(frames: Frames, table: str, column: str) -> None:
    happened = pd.to_datetime(frames[table][column]).dropna()
    assert (frames[table].known_at[happened.index] > happened).all()


def test_short_interest_is_known_nine_sessions_later(frames: Frames) -> None:
    short = frames["short_interest"]
    later = np.busday_offset(short.settled_on.to_numpy("datetime64[D]"), 9)
    assert (short.known_at >= later).all()


@pytest.mark.parametrize(
    ("ticker", "calendar"),
    [
        ("BABA", "XNYS"),
        ("0700.HK", "XHKG"),
        ("SHEL.L", "XLON"),
        ("CNY=X", "24/5"),
        ("^IRX", "XNYS"),
    ],
)
def test_bars_follow_their_exchange(frames: Frames, ticker: str, calendar: str) -> None:
    sessions = exchange_calendars.get_calendar(calendar, start="2020-01-02", end=LAST)
    own = frames["prices"].query("ticker == @ticker")
    final = own[own.is_final]
    assert sorted(set(own.session_date)) == list(sessions.sessions.date)
    closes = pd.to_datetime(final.session_date).map(sessions.closes.dt.tz_localize(None))
    assert (final.known_at >= closes + pd.Timedelta(minutes=15)).all()
    assert (
        own.currency == {"0700.HK": "HKD", "SHEL.L": "GBp", "CNY=X": "CNY"}.get(ticker, "USD")
    ).all()


def test_some_facts_are_late_corrected_or_withdrawn(frames: Frames, votes: pd.DataFrame) -> None:
    ratings, prices = frames["ratings"], frames["prices"]
    assert (
        ratings.known_at - pd.to_datetime(ratings.graded_on) > pd.Timedelta(days=14)
    ).sum() >= 10
    assert (prices.known_at - pd.to_datetime(prices.session_date) > pd.Timedelta(days=3)).sum() >= 3
    assert prices.duplicated(KEYS["prices"]).sum() >= 5
    assert (~prices.is_final.astype(bool)).sum() == 2
    assert ratings.duplicated(KEYS["ratings"]).sum() == 2
    assert frames["news"].duplicated(KEYS["news"]).sum() == 1
    assert frames["securities"].query("ticker == 'META'").name.nunique() == 2
    withdrawn = ratings[ratings.to_grade.isin(NON_VOTES)]
    assert set(withdrawn.query("ticker == 'BABA'").firm) == {"Daiwa Capital", "UBS"}
    assert withdrawn.target.isna().sum() == len(withdrawn) - (withdrawn.to_grade == "Tender").sum()


def test_a_bad_print_would_spoil_the_claim_until_it_is_corrected(
    frames: Frames, baba: pd.DataFrame
) -> None:
    versions = frames["prices"].query("ticker == 'BABA'")
    first, second = versions[versions.session_date == date(2025, 3, 18)].close
    assert second < baba.close.iloc[-1] < first


# What the bars are worth


def test_bars_are_coherent(frames: Frames) -> None:
    prices = frames["prices"]
    assert (prices.low <= prices[["open", "close"]].min(axis=1)).all()
    assert (prices.high >= prices[["open", "close"]].max(axis=1)).all()
    assert prices.split_ratio.notna().all()
    assert prices.dividend.notna().all()


def test_bars_before_a_split_are_on_the_old_basis(
    frames: Frames, bars: dict[str, pd.DataFrame]
) -> None:
    splits = frames["prices"].query("split_ratio != 1")
    assert {"AAPL", "NVDA", "AMZN", "GOOGL", "TSLA", "AVGO"} == set(splits.ticker)
    for split in splits.itertuples():
        own = frames["prices"].query("ticker == @split.ticker")
        before = own[own.known_at < pd.Timestamp(split.session_date)].iloc[-1]
        assert before.close / split.close == pytest.approx(split.split_ratio, rel=0.15)
    nvda = frames["prices"].query("ticker == 'NVDA'")
    told, restated = nvda[nvda.session_date == date(2024, 6, 7)].close
    assert told / restated == pytest.approx(10, rel=0.03)
    for ticker in splits.ticker:
        assert bars[ticker].close.pct_change().abs().max() < 0.15


def test_targets_before_a_split_are_on_the_old_basis(frames: Frames) -> None:
    nvda = frames["ratings"].query("ticker == 'NVDA'")
    is_before = nvda.known_at < "2024-06-10"
    assert is_before.sum() >= 3
    assert nvda[is_before].target.min() > 3 * nvda[~is_before].target.max()
    assert nvda[~is_before].prior_target.max() < 500


def test_quarterly_payers_pay(bars: dict[str, pd.DataFrame]) -> None:
    paid = bars["AAPL"].dividend["2024"]
    assert (paid > 0).sum() == 4
    assert 0.001 < paid.sum() / bars["AAPL"].close["2024"].mean() < 0.02


# That every mart has something to show


def test_enough_companies_for_ranks_and_histories(
    frames: Frames, bars: dict[str, pd.DataFrame]
) -> None:
    companies = set(frames["securities"].query("quote_type == 'EQUITY'").ticker)
    long_lived = [t for t in companies if len(bars[t]) >= 600 and bars[t].index[-1] == LAST]
    assert len(long_lived) >= 30
    monthly = frames["valuations"].query("ticker == 'BABA'")
    assert monthly.forward_pe.notna().sum() >= 36
    assert frames["universe"].query("ticker in ['SPY', '^IRX', 'CNY=X']").benchmark.isna().all()
    assert set(frames["universe"].benchmark.dropna()) <= set(bars)


def test_deep_drawdown(bars: dict[str, pd.DataFrame]) -> None:
    for ticker in ("INTC", "ZZDROP"):
        close = bars[ticker].close
        assert close.iloc[-1] / close.tail(252).max() - 1 <= -0.3


def test_trend_break(bars: dict[str, pd.DataFrame]) -> None:
    close = bars["TXN"].close
    below = (close < close.rolling(200).mean()).to_numpy()
    start = len(below) - int(np.argmin(below[::-1]))
    assert len(below) - start >= 5
    assert not below[start - 60 : start].any()


def test_open_gaps(bars: dict[str, pd.DataFrame]) -> None:
    for ticker in ("ORCL", "ZZDROP"):
        bar = bars[ticker]
        before = bar.close.shift()
        swing = np.maximum(bar.high, before) - np.minimum(bar.low, before)
        usual = (swing.rolling(14).mean() / bar.close).shift()
        gap = (bar.open / before - 1).abs()
        assert (gap > np.maximum(0.05, 3 * usual)).tail(5).any()


def test_stale_and_delisted_and_young(frames: Frames, bars: dict[str, pd.DataFrame]) -> None:
    assert np.busday_count(bars["ZZHALT"].index[-1].date(), LAST_SESSION) >= 3
    gone = newest(frames["universe"], "universe").set_index("ticker").loc["ZZGONE"]
    assert bars["ZZGONE"].index[-1].date() == gone.listed_to
    assert gone.successor in bars
    assert len(bars["ZZTHIN"]) < 252


def test_low_liquidity(bars: dict[str, pd.DataFrame]) -> None:
    turnover = {t: (bar.close * bar.volume).tail(60).median() for t, bar in bars.items()}
    assert {t for t, value in turnover.items() if 0 < value < 1e6} == {"ZZTHIN"}


def test_median_target_below_the_price(votes: pd.DataFrame, bars: dict[str, pd.DataFrame]) -> None:
    median = votes.groupby("ticker").target.median()
    assert median["TSLA"] < 0.9 * bars["TSLA"].close.iloc[-1]
    assert median["BABA"] > bars["BABA"].close.iloc[-1]


def test_downgrades_misses_and_revisions(frames: Frames) -> None:
    drop = frames["ratings"].query("ticker == 'ZZDROP' and known_at >= '2025-09-18'")
    assert drop[drop.action == "down"].firm.nunique() >= 3
    assert frames["earnings"].query("ticker == 'ZZDROP'").surprise.iloc[-1] <= -0.05
    last = frames["estimates"].query("ticker == 'ZZDROP' and period == '+1y'").iloc[-1]
    assert last.eps_mean / last.eps_90d_ago - 1 <= -0.1
    assert frames["short_interest"].query("ticker == 'ZZDROP'").short_share_of_float.iloc[-1] > 0.15
    soon = frames["earnings_dates"].query("ticker == 'MU'").iloc[-1]
    assert soon.announced_from - LAST <= pd.Timedelta(days=7)
    thin = frames["valuations"].query("ticker == 'ZZTHIN'").iloc[-1]
    assert thin.forward_eps < 0
    assert np.isnan(thin.forward_pe)


# That nobody takes it for real


def test_nothing_looks_like_a_real_source(frames: Frames) -> None:
    news = frames["news"]
    assert news.url.str.startswith("https://news.example/").all()
    assert news.publisher.str.startswith("Sample ").all()
    invented = frames["securities"].ticker.str.startswith("ZZ")
    assert frames["securities"].name[invented].str.endswith("(invented)").all()
