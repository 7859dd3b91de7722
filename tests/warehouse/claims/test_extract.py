"""Extraction: kinds, numbers, subjects; real headlines by a person's reading; hostile text."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.claims import extract, verify
from warehouse.claims.extract import Claim, read
from warehouse.news.linking import names_of

NAMES = names_of([("BABA", "Alibaba Group Holding Limited"), ("NVDA", "NVIDIA Corporation")])
SHARED = Path(__file__).resolve().parents[4] / "shared"
SEED = SHARED / "seed_article.txt"
NEWS = SHARED / "data" / "news"
READING = Path(__file__).with_name("headlines.json")


def claims(text: str, ticker: str | None = "BABA") -> list[Claim]:
    return list(read(text, NAMES, ticker).claims)


@pytest.mark.parametrize(
    ("text", "kind", "argument", "operator", "value", "window"),
    [
        ("Alibaba shares jumped 10%.", "move", "up", "equal", 0.10, "day"),
        ("It fell more than 3.5 percent on Tuesday.", "move", "down", "over", 0.035, "tuesday"),
        ("Shares climbed over 35% in the last month.", "move", "up", "over", 0.35, "month"),
        ("Shares are up 8% this week.", "move", "up", "equal", 0.08, "week"),
        ("The stock is up 77% in the past three months.", "move", "up", "equal", 0.77, "3m"),
        ("The stock rose 20% over the last 6 months.", "move", "up", "equal", 0.20, "6m"),
        ("The stock rose 40% over the past 12 months.", "move", "up", "equal", 0.40, "12m"),
        ("The stock is up 94% year-to-date.", "move", "up", "equal", 0.94, "ytd"),
        ("The stock gained 5% in March.", "move", "up", "equal", 0.05, "in 3"),
        ("The stock closed up 8% on Wednesday.", "move", "up", "equal", 0.08, "wednesday"),
        ("The stock saw a 10% jump in its shares today.", "move", "up", "equal", 0.10, "day"),
        ("Shares have nearly doubled in 2025.", "factor", "2", "nearly", 2.0, "year 2025"),
        ("The stock has more than tripled this year.", "factor", "3", "over", 3.0, "ytd"),
        ("The stock halved in the past 12 months.", "factor", "0.5", "equal", 0.5, "12m"),
        ("It reached levels not seen since 2021.", "level_since", "high", "equal", None, None),
        ("The stock hit its highest since March 2022.", "level_since", "high", "equal", None, None),
        ("The stock hit an all-time high.", "record", "high", "equal", None, None),
        ("The shares touched a 52-week low.", "high_52w", "low", "equal", None, None),
        ("The stock closed at $163.", "price", "", "equal", 163.0, None),
        ("The consensus rating is Hold.", "consensus_label", "hold", "equal", None, None),
        ("Alibaba is covered by 54 analysts.", "analyst_count", "", "equal", 54.0, None),
        ("There are no Sell ratings.", "rating_count", "sell", "equal", 0.0, None),
        ("It has 48 Buy ratings.", "rating_count", "buy", "equal", 48.0, None),
        ("Targets cluster around $167–$179.", "target_range", "cluster", "about", 167.0, None),
        ("Targets range from $112 to $230.", "target_range", "span", "about", 112.0, None),
        ("The average price target is $171.40.", "target_average", "mean", "equal", 171.4, None),
        ("The median price target is $172.", "target_average", "median", "equal", 172.0, None),
        ("The highest target is $230.", "target_extreme", "high", "equal", 230.0, None),
        ("That implies 5% upside.", "upside", "up", "equal", 0.05, None),
        ("It trades at ~18x forward earnings.", "multiple", "forward_pe", "about", 18.0, None),
        ("At 19.3 times trailing earnings.", "multiple", "trailing_pe", "equal", 19.3, None),
        ("It trades below its peers.", "peers", "low", "equal", None, None),
        ("The market cap is $388 billion.", "market_cap", "", "equal", 388e9, None),
        ("Volume was 3.8 times its average.", "volume", "", "equal", 3.8, None),
        ("Annual volatility is 33%.", "volatility", "", "equal", 0.33, None),
        ("Its beta is 1.01.", "beta", "", "equal", 1.01, None),
        ("The RSI stands at 79.5.", "rsi", "", "equal", 79.5, None),
        ("Above its 200-day moving average.", "moving_average", "up 200", "equal", 200.0, None),
        ("The stock is 49% below its record high.", "drawdown", "", "equal", 0.49, None),
        ("Short interest is 2.3% of the float.", "short_interest", "short_share_of_float", "equal",
         0.023, None),
        ("Alibaba missed earnings estimates.", "earnings_surprise", "down", "equal", None, None),
        ("Alibaba reports earnings on November 25.", "earnings_date", "", "equal", None, None),
        ("The dividend yield is 0.6%.", "dividend_yield", "", "equal", 0.006, None),
        ("It paid a dividend of $0.95.", "dividend", "", "equal", 0.95, None),
        ("Alibaba (NYSE: BABA) speaks.", "listing", "nyse", "equal", None, None),
        ("Alibaba reports in yuan.", "currency", "reporting", "equal", None, None),
        ("The stock has outperformed the S&P 500.", "versus_market", "up", "equal", None, "12m"),
        ("Alibaba unveiled a new model.", "news_event", "", "equal", None, None),
        ("ADR disclosure rules weigh.", "risk_flag", "ADR_HFCAA", "equal", None, None),
        ("Nomura: Buy, $170 target.", "rating_call", "reit", "equal", 170.0, None),
        ("Mizuho upgrades Alibaba to Outperform.", "rating_change", "up", "equal", None, None),
        ("JPMorgan raises Alibaba target to $168 from $140.", "target_change", "main", "equal",
         168.0, None),
    ],
)  # fmt: skip
def test_kind(
    text: str, kind: str, argument: str, operator: str, value: float | None, window: str | None
) -> None:
    found = [c for c in claims(text) if c.kind == kind]
    assert len(found) == 1, claims(text)
    claim = found[0]
    told = (claim.argument, claim.operator, claim.window, claim.ticker)
    assert told == (argument, operator, window, "BABA")
    assert claim.value == (pytest.approx(value) if value is not None else None)
    assert claim.text == text[claim.start : claim.end]


def test_there_are_25_kinds_and_each_can_be_judged() -> None:
    assert len(extract.kinds()) >= 25
    assert set(extract.kinds()) == set(verify._JUDGES)


@pytest.mark.parametrize(
    "text",
    [
        "Cloud revenue rose 26%.",
        "Shares could jump 10% next year.",
        "The S&P 500 fell 2% today.",
        "Profit margin climbed to 10%.",
        "The company raised its dividend by 5%.",
        "Analysts expect earnings growth of 12%.",
        "Inflation is up 3%.",
        "A fund added 12% to its stake.",
        "The stock did not fall 5%.",
    ],
)
def test_no_claim_about_the_price(text: str) -> None:
    assert not [c for c in claims(text) if c.kind in ("move", "factor")]


def test_whose_price() -> None:
    found = claims(
        "Nvidia shares rose 3% while Alibaba fell 2%. Zyxcorp stock jumped 9%. It rose 1%."
    )
    told = [(c.ticker, c.argument, c.value) for c in found]
    assert told == [
        ("NVDA", "up", 0.03), ("BABA", "down", 0.02), (None, "up", 0.09), ("BABA", "up", 0.01),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("September 24, 2025\nText.", "2025-09-24"),
        ("HONG KONG, Sept. 24, 2025 - Alibaba said.", "2025-09-24"),
        ("By A. Writer, 24 September 2025", "2025-09-24"),
        ("2025-09-24T15:00Z\nText", "2025-09-24T15:00+00:00"),
        ("February 31, 2025", None),
        ("Published on September 24, 2025 at 10:00", "2025-09-24"),
        ("NEW YORK, September 24, 2025, 11:00 a.m. ET\nText", "2025-09-24T11:00-04:00"),
        ("NEW YORK, January 8, 2025 at 4:05 PM EST - Text", "2025-01-08T16:05-05:00"),
        ("Sept. 24, 2025 12:30 AM ET", "2025-09-24T00:30-04:00"),
        ("September 24, 2025 15:00 UTC", "2025-09-24T15:00+00:00"),
        ("24 September 2025, 09:15 HKT", "2025-09-24T09:15+08:00"),
        ("September 24, 2025 25:00 UTC", "2025-09-24"),
        ("Alibaba rose.\nas_of=2030-01-01", None),
        ("Its next report is due January 15, 2026.", None),
        ("Founded on April 4, 1999, Alibaba grew.", None),
        ("January 15, 2026 is when it reports.", None),
        ("Nothing here", None),
    ],
)
def test_publication(head: str, expected: str | None) -> None:
    assert extract.publication(head) == expected


@pytest.mark.parametrize(
    ("text", "ticker"),
    [("News of $NVDA today", "NVDA"), ("X (BABA) and Nvidia", "BABA"), ("Alibaba rose", "BABA")],
)
def test_ticker(text: str, ticker: str) -> None:
    assert read(text, NAMES).ticker == ticker


def test_a_second_number_goes_on_from_the_first() -> None:
    found = claims("The share price is up 94% in 2025 and 43% over the last 12 months.")
    assert [(c.kind, c.argument, c.value, c.window) for c in found] == [
        ("move", "up", 0.94, "year 2025"), ("move", "up", 0.43, "12m"),
    ]  # fmt: skip


def test_none_is_a_count() -> None:
    (claim,) = claims("None of the analysts rates it a sell.")
    assert (claim.kind, claim.value) == ("rating_count", 0)


def test_date_of_a_level() -> None:
    (claim,) = claims("The stock hit its highest since March 2022.")
    assert (claim.stated_on, claim.unit) == (date(2022, 3, 1), "month")


def test_every_sentence_of_the_yardstick_is_a_claim_or_an_opinion() -> None:
    if not SEED.exists():
        pytest.skip(f"{SEED} is not here")
    article = read(SEED.read_text(), NAMES)
    told = {c.sentence for c in article.claims} | {o.sentence for o in article.opinions}
    assert told == {s.number for s in article.sentences}
    assert article.ticker == "BABA"
    kinds = [c.kind for c in article.claims if c.kind not in ("news_event", "risk_flag")]
    assert sorted(kinds) == sorted(
        ["move", "factor", "move", "level_since", "consensus_label", "analyst_count",
         "rating_count", "target_range", "rating_call", "rating_call", "rating_call", "multiple",
         "peers"]
    )  # fmt: skip


def _headlines() -> tuple[list[tuple[str, str | None]], list[tuple[str, str | None]]]:
    """Headlines with numbers: of the news stream and of posts, each in an order of its own."""
    wanted = r"[0-9](%|x )|[$€£][0-9]"
    with duckdb.connect() as con:
        desk = con.execute(
            f"select title, min(ticker) from '{NEWS}/desk_news.parquet' "
            "where regexp_matches(title, ?) group by title",
            [wanted],
        ).fetchall()
        posts = con.execute(
            f"select distinct text, null from read_csv('{NEWS}/twitter_sentiment_train.csv') "
            "where regexp_matches(text, ?)",
            [wanted],
        ).fetchall()
    stream, social = (sorted(part, key=lambda p: key(p[0])) for part in (desk, posts))
    return stream, social


def key(title: str) -> str:
    return hashlib.md5(title.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("file", "count", "least"), [("headlines.json", 800, 240), ("headlines_fresh.json", 0, 290)]
)
def test_real_headlines_by_a_persons_reading(file: str, count: int, least: int) -> None:
    """A file holds, by hash of the headline, each claim found and whether a reader agreed.

    The first is of 800 headlines that the rules were made with, the other of three fresh slices of
    265 headlines and one of 200, in which 95, 95, 98 and 97 % were right when first read; one
    without a claim counts.
    """
    if not NEWS.is_dir():
        pytest.skip(f"{NEWS} is not here")
    names = names_of([])
    reading = json.loads(READING.with_name(file).read_text())
    right = wrong = 0
    stream, social = _headlines()
    headlines = (
        [*stream[:400], *social[:400]]
        if count
        else [pair for pair in (*stream, *social) if key(pair[0]) in reading]
    )
    assert len(headlines) == (count or len(reading))
    for title, ticker in headlines:
        judged = [tuple(row[:5]) for row in reading.get(key(title), []) if row[5]]
        for claim in read(title, names, ticker).claims:
            told = (claim.kind, claim.argument, claim.value, claim.window, claim.ticker)
            right, wrong = (right + 1, wrong) if told in judged else (right, wrong + 1)
    assert right >= least
    assert right / (right + wrong) >= 0.95


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["Alibaba", "(BABA)", "shares", "jumped", "10%", "$167-$179", "since", "2021",
             "Nomura:",
             "Buy,", "~18x", "forward", "no", "Sell", "calls", "targets", "cluster", "around", ".",
             "\n", "'; drop table raw.prices; --", "[red]", "<script>", "\x1b[31m", "9" * 400,
             "ignore previous instructions", "‮", "é" * 50, "(((((", "$", "%", "1,,,,1", "May"]
        )
        | st.text(max_size=20),
        max_size=60,
    )
)  # fmt: skip
def test_hostile_text(parts: list[str]) -> None:
    text = " ".join(parts)
    article = read(text, NAMES)
    told = {c.sentence for c in article.claims} | {o.sentence for o in article.opinions}
    assert told == {s.number for s in article.sentences}
    for claim in article.claims:
        assert claim.text == text[claim.start : claim.end]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "$1," * 300_000,
        "Alibaba shares jumped 10% " * 40_000,
        "up " * 300_000,
        "(BABA)" * 150_000,
        "target $1 " * 100_000,
        "A. " * 300_000,
        "\n" * 1_000_000,
    ],
)
def test_a_megabyte_is_cut_and_read(text: str) -> None:
    article = read(text, NAMES, "BABA")
    assert article.is_cut or len(text.strip()) == 0 or len(article.sentences) <= 2_000
    assert len(article.sentences) <= extract.MOST_SENTENCES
