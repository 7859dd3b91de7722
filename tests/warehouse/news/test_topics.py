"""What headlines are about; the codes were given by hand."""

from __future__ import annotations

import pytest

from warehouse.news import topics
from warehouse.news.text import words

HEADLINES = {
    "UBS downgrades Acme to Sell": {"ANALYST"},
    "Acme quarterly profit beats estimates": {"EARN"},
    "Acme cuts full-year guidance": {"GUID", "GUID.cut"},
    "Acme lifts its revenue outlook": {"GUID", "GUID.raise"},
    "Acme to acquire Zed for $2 billion": {"MA"},
    "Acme signs supply agreement with Zed": {"PART"},
    "Acme unveils a new electric truck": {"PROD"},
    "Acme breaks ground on new plant in Texas": {"CAPEX"},
    "Acme names Jane Doe chief executive": {"LEAD", "LEAD.ceo_cfo"},
    "Acme CFO to step down": {"LEAD", "LEAD.ceo_cfo"},
    "Acme declares quarterly dividend of $0.20": {"RETURN"},
    "Acme prices offering of convertible notes": {"FIN"},
    "Acme files for bankruptcy protection": {"DISTRESS"},
    "Shareholders sue Acme in federal court": {"LIT"},
    "Rosen Law Firm reminds Acme investors of class action deadline": {"LIT", "LIT.solicitation"},
    "Regulator opens antitrust probe into Acme": {"REG", "REG.antitrust", "REG.enforcement"},
    "SEC investigates Acme over its accounts": {"REG", "REG.enforcement"},
    "Acme fined $40 million by data watchdog": {"REG", "REG.enforcement"},
    "EU regulators open probe into Acme's app store": {"REG", "REG.enforcement"},
    "Acme receives Nasdaq delisting notice": {"LIST", "LIST.delist"},
    "PCAOB inspects audits of Chinese companies": {"LIST", "LIST.hfcaa"},
    "Acme lays off 400 workers": {"OPS"},
    "New tariffs hit Acme imports": {"GEO"},
    "Inflation cools as the Fed holds interest rates": {"MACRO"},
    "Stock market today: Wall Street slips": {"MOVE"},
    "Acme to restate two years of results": {"EARN", "EARN.restatement"},
}


def tagged(title: str, summary: str = "") -> dict[str, topics.Topic]:
    found = topics.tag([w.form for w in words(title)], [w.form for w in words(summary)])
    return {f"{t.topic}.{t.subtopic}".rstrip("."): t for t in found}


@pytest.mark.parametrize(("title", "expected"), HEADLINES.items())
def test_a_headline_has_its_topics(title: str, expected: set[str]) -> None:
    found = tagged(title)
    assert expected <= set(found)
    assert {t.topic for t in found.values()} <= set(topics.TOPICS)
    assert all(0 < t.confidence <= 1 for t in found.values())
    assert {t.found_by for t in found.values()} <= {"rule", "table"}


def test_what_a_regulator_allows_is_no_enforcement() -> None:
    for title in ("FDA approves Acme's drug", "Acme welcomes new rules", "Acme is doing fine"):
        assert "REG.enforcement" not in tagged(title), title


def test_none_is_allowed() -> None:
    assert tagged("A quiet afternoon by the lake") == {}


def test_a_fund_that_bought_some_shares_is_no_deal() -> None:
    assert "MA" not in tagged("Mackenzie Financial Corp Acquires 2,363 Shares of Acme Inc. $ACM")


def test_a_summary_is_trusted_less_and_only_with_a_subtopic() -> None:
    found = tagged("Acme in the news", "The company cut its guidance and won a contract.")
    assert found["GUID.cut"].confidence == topics.SUMMARY_CONFIDENCE < topics.RULE_CONFIDENCE
    assert "PART" not in found
