"""Broker calls in headlines of many house styles; every expectation was written down by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.warehouse.news.reading import calls

NAMES = {"ACM": "Acme Robotics Inc.", "ZED": "Zedfield Holdings plc", "JPM": "JPMorgan Chase & Co."}
FIELDS = ("firm", "action", "grade", "prior_grade", "target", "prior_target", "target_currency")


def call(firm: str, action: str | None, grade: str | None = None, **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(FIELDS), "firm": firm, "action": action, "grade": grade, **more}


OFFICIAL = [
    ("UBS upgrades Acme Robotics to Buy from Neutral, lifts target to $45 from $38",
     call("UBS", "up", "Buy", prior_grade="Neutral", target=45, prior_target=38)),
    ("Acme Robotics downgraded to Underperform from Buy at BofA",
     call("BofA Securities", "down", "Underperform", prior_grade="Buy")),
    ("Acme Robotics (NYSE:ACM) Downgraded by Barclays to \"Equal Weight\"",
     call("Barclays", "down", "Equal Weight")),
    ("Nomura: Buy, $170 target on Acme Robotics",
     call("Nomura", "reit", "Buy", target=170)),
    ("Acme Robotics price target raised to $52 from $48 at Piper Sandler",
     call("Piper Sandler", "main", target=52, prior_target=48)),
    ("Wells Fargo cuts Acme Robotics price target to $19.50",
     call("Wells Fargo", "main", target=19.5)),
    ("Needham initiates Acme Robotics with Buy rating, $30 price target",
     call("Needham", "init", "Buy", target=30)),
    ("Acme Robotics initiated at Outperform by Evercore ISI",
     call("Evercore ISI", "init", "Outperform")),
    ("Jefferies starts Acme Robotics at Hold",
     call("Jefferies", "init", "Hold")),
    ("Loop Capital suspends coverage of Acme Robotics",
     call("Loop Capital", "drop", "Coverage Suspended")),
    ("Mizuho reiterates Outperform on Acme Robotics",
     call("Mizuho", "reit", "Outperform")),
    ("Baird Adjusts Price Target on Acme Robotics to $110 From $104, Maintains Neutral Rating",
     call("Baird", "main", "Neutral", target=110, prior_target=104)),
    ("Morningstar lifts Acme Robotics fair value to $179, rates it Hold",
     call("Morningstar", "main", "Hold", target=179)),
    ("Berenberg raises Acme Robotics target to €1,250",
     call("Berenberg", "main", target=1250, target_currency="EUR")),
    ("Nomura cuts Acme Robotics target to Rs 480 from Rs 510",
     call("Nomura", "main", target=480, prior_target=510, target_currency="INR")),
    ("TD Cowen: Hold, $45 (was $52) Acme Robotics",
     call("TD Cowen", "main", "Hold", target=45, prior_target=52)),
    ("HSBC upgrades Acme Robotics to Buy; PT $99",
     call("HSBC", "up", "Buy", target=99)),
    ("JPMorgan: Acme Robotics downgrade to underweight, target 22 from 31",
     call("JP Morgan", "down", "underweight", target=22, prior_target=31)),
    ("Acme Robotics (ACM) gets a Hold from Deutsche Bank",
     call("Deutsche Bank", "reit", "Hold")),
    ("Acme Robotics raised to Buy at Goldman Sachs",
     call("Goldman Sachs", "up", "Buy")),
    ("JPMorgan raises Acme Robotics target to HK$170",
     call("JP Morgan", "main", target=170, target_currency="HKD")),
]  # fmt: skip


@pytest.mark.parametrize(("title", "expected"), OFFICIAL, ids=[t for t, _ in OFFICIAL])
def test_an_official_call_is_read_whole(title: str, expected: dict[str, Any]) -> None:
    (found,) = calls(title, "ACM", names=NAMES)
    assert {name: getattr(found, name) for name in FIELDS} == expected
    assert (found.ticker, found.is_soft) == ("ACM", False)
    assert found.span in title


@pytest.mark.parametrize(
    "title",
    [
        "Morgan Stanley sees room for Acme Robotics to grow",
        "Acme Robotics is a bargain, Wells Fargo says",
        "Barclays analyst bullish on Acme Robotics",
    ],
)
def test_an_opinion_is_soft_and_has_no_grade(title: str) -> None:
    (found,) = calls(title, "ACM", names=NAMES)
    assert found.is_soft
    assert (found.action, found.grade, found.target) == (None, None, None)


@pytest.mark.parametrize(
    "title",
    [
        "Acme Robotics launches upgraded cloud platform",
        "Acme Robotics hires Goldman Sachs for a bond offering",
        "Moody's downgrades Acme Robotics notes to junk",
        "Citigroup cuts jobs in London",
        "Acme Robotics reiterates full-year guidance",
        "Price target season is here",
        "Citi warns Acme Robotics could fall to $20 from $30",
        "UBS expects Acme Robotics oil price to rise to $80 from $70",
        "Goldman Sachs lifts Acme Robotics bid to $45 from $40",
        "Acme Robotics stake raised by UBS",
        "Acme Robotics dividend cut by Citizens",
        "Acme Robotics CEO moves to Buy Zedfield, advised by UBS",
        "Morgan Stanley sees Acme Robotics EPS at $5",
        "Acme Robotics starts trading at $20, underwriter Goldman Sachs",
        "UBS does not upgrade Acme Robotics",
        "UBS may cut Acme Robotics to Sell",
        "CMS raises Acme Robotics reimbursement rate to $45 from $40",
        "Acme Robotics Upgraded Ahead of Pivotal Data",
        "Acme Robotics downgraded by Seeking Alpha to Sell; UBS says hold",
    ],
)
def test_what_is_no_call_is_none(title: str) -> None:
    assert [c for c in calls(title, "ACM", names=NAMES) if not c.is_soft] == []


def test_two_firms_of_one_headline_take_their_grades_from_the_summary() -> None:
    found = calls(
        "Barclays, Jefferies downgrade Acme Robotics after outlook cut",
        "ACM",
        summary="Barclays moved to Equal-Weight and Jefferies to Hold.",
        names=NAMES,
    )
    assert [(c.firm, c.action, c.grade) for c in found] == [
        ("Barclays", "down", "Equal-Weight"),
        ("Jefferies", "down", "Hold"),
    ]


def test_two_companies_of_one_headline_keep_their_own_fields() -> None:
    title = "UBS upgrades Acme Robotics to Buy, cuts Zedfield to Sell"
    found = {c.ticker: c for c in calls(title, "ACM", "ZED", names=NAMES)}
    assert (found["ACM"].action, found["ACM"].grade) == ("up", "Buy")
    assert (found["ZED"].action, found["ZED"].grade) == ("down", "Sell")


def test_a_broker_that_is_rated_is_no_rater() -> None:
    (found,) = calls("JPMorgan Chase (NYSE:JPM) upgraded to Buy at Citi", "JPM", names=NAMES)
    assert (found.firm, found.ticker, found.action) == ("Citigroup", "JPM", "up")


def test_a_call_on_another_company_is_not_the_tickers() -> None:
    assert calls("UBS upgrades Zedfield to Buy", "ACM", names=NAMES) == []
