"""Which companies a text names: by hand, and against the symbols real news spells out."""

from __future__ import annotations

import pytest

from tests.warehouse.news.reading import item
from warehouse.news.linking import company_names, short_names


@pytest.mark.parametrize(
    ("title", "ticker", "expected"),
    [
        ("Alibaba opens a data centre", "BABA", "primary"),
        ("$BABA breaks out", "BABA", "primary"),
        ("Chip makers fall", "BABA", None),
        ("Apple introduces a thinner phone", "AAPL", "primary"),
        ("An apple a day keeps the doctor away", "AAPL", None),
        ("Analysts lift Price Target on chip makers", "TGT", None),
        ("Target cuts prices", "TGT", "primary"),
        ("Vitamin A sells well", "A", None),
    ],
)
def test_an_item_is_about_what_its_headline_names(
    title: str, ticker: str, expected: str | None
) -> None:
    assert item(title, ticker).relevance(ticker) == expected


def test_a_company_named_only_in_the_summary_is_mentioned() -> None:
    read = item("Chip makers fall", "NVDA", summary="Shares of Nvidia and others slipped.")
    assert read.relevance("NVDA") == "mention"
    assert read.about("NVDA") == "Shares of  tgtx  and others slipped."


def test_the_name_stored_for_a_ticker_is_known() -> None:
    names = {"QQX": "Quixotic Quarries Corporation (invented)"}
    assert item("Quixotic Quarries digs deeper", "QQX", names=names).relevance("QQX") == "primary"


def test_an_item_teaches_what_it_calls_a_company() -> None:
    read = item(
        "Quixotic raises guidance", "QQX", summary="Quixotic Quarries, Inc. (NYSE: QQX) said so."
    )
    assert read.relevance("QQX") == "primary"
    assert read.about("QQX") == " tgtx  raises guidance"


@pytest.mark.parametrize("word", ["Assessing", "Evaluating", "Does", "Why"])
def test_what_stands_before_a_name_is_no_part_of_it(word: str) -> None:
    read = item(f"{word} Quixotic Quarries (NYSE: QQX) After Its Upgrade", "QQX")
    assert (read.about("QQX") or "").startswith(f"{word}  tgtx ")


def test_each_company_of_a_headline_is_masked_for_itself() -> None:
    read = item("Alibaba rises while Tencent falls", "BABA", "TCEHY")
    assert read.about("BABA") == " tgtx  rises while  othx  falls"
    assert read.about("TCEHY") == " othx  rises while  tgtx  falls"


@pytest.mark.parametrize(
    ("legal", "short"),
    [
        ("Apple Inc.", "Apple"),
        ("Alibaba Group Holding Limited", "Alibaba"),
        ("JPMorgan Chase & Co.", "JPMorgan Chase"),
        ("The Coca-Cola Company", "Coca-Cola"),
        ("JD.com, Inc.", "JD.com"),
        ("Shell plc", "Shell"),
    ],
)
def test_a_legal_name_is_shortened(legal: str, short: str) -> None:
    assert company_names(legal) == [short]


@pytest.mark.parametrize(
    ("legal", "called"),
    [
        ("Ionis Pharmaceuticals, Inc.", "Ionis"),
        ("Altra Industrial Motion Corp.", "Altra Industrial"),
        ("HCL Technologies Limited", "HCL Tech"),
        ("Tata Consultancy Services Limited", "TCS"),
        ("Bharat Heavy Electricals Limited", "BHEL"),
        ("J. C. Penney Company, Inc.", "J.C. Penney"),
        ("Hermès International S.A.", "Hermes"),
        ("Becton, Dickinson and Company", "Becton Dickinson"),
        ("Bristol-Myers Squibb Company", "Bristol-Myers"),
        ("bluebird bio, Inc.", "bluebird bio"),
    ],
)
def test_a_company_is_known_in_its_stream_by_what_headlines_call_it(
    legal: str, called: str
) -> None:
    read = item(f"{called} wins an order", "QQX", names={"QQX": legal})
    assert read.about("QQX") == " tgtx  wins an order"


def test_a_short_name_is_no_link_in_another_stream() -> None:
    names = {"QQX": "Quixotic Pharmaceuticals, Inc.", "ZZT": "Zedfield Holdings plc"}
    read = item("Quixotic and Zedfield share a laboratory", "ZZT", names=names)
    assert read.about("ZZT") == "Quixotic and  tgtx  share a laboratory"


@pytest.mark.parametrize(
    ("legal", "word"),
    [
        ("First Solar, Inc.", "First"),
        ("Home Bancorp, Inc.", "Home"),
        ("Global Payments Inc.", "Global"),
        ("United States Steel Corporation", "United States"),
        ("Taiwan Semiconductor Manufacturing Company", "Taiwan"),
        ("Southern Electric Company", "SEC"),
        ("The Bank of New York Mellon Corporation", "Bank New"),
    ],
)
def test_a_common_word_is_no_short_name(legal: str, word: str) -> None:
    assert word not in short_names(legal)
