"""The raw store: what becomes a version, what is refused, and what survives a crash."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import store as store_module
from warehouse.errors import HomeError, Malformed
from warehouse.settings import PROJECT
from warehouse.store import Counts, Warehouse, keys, schema

DAY = "2025-06-02"


def bar(**fields: Any) -> dict[str, Any]:
    return {"ticker": "AAA", "session_date": DAY, "close": 100.0, **fields}


def append(
    store: Warehouse,
    *rows: dict[str, Any],
    table: str = "prices",
    source: str = "inbox",
    **more: Any,
) -> Counts:
    return store.append(table, pd.DataFrame(list(rows)), source=source, **more)


def rows(store: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return store.con.execute(sql).fetchall()


def reasons(store: Warehouse) -> list[str]:
    return [row[0] for row in rows(store, "select reason from raw.rejects order by line, reason")]


# What becomes a version


def test_counts_say_what_became_of_every_row(store: Warehouse) -> None:
    first = append(store, bar(), bar(ticker="BBB"), bar(ticker="CCC"), bar(ticker="CCC"))
    assert first == Counts(new=3, duplicates=1)

    second = append(
        store,
        bar(),
        bar(ticker="BBB", close=101.0),
        bar(ticker="DDD"),
        bar(ticker="EEE", close=-1.0),
        bar(ticker="FFF", close=1.0),
        bar(ticker="FFF", close=2.0),
    )
    assert second == Counts(new=1, changed=1, unchanged=1, rejected=3)

    assert rows(store, "select count(*) from raw.prices") == [(5,)]
    told = (
        "select new, changed, unchanged, rejected, duplicates from raw.batches order by started_at"
    )
    assert rows(store, told) == [(3, 0, 0, 0, 1), (1, 1, 1, 3, 0)]


def test_a_version_that_was_superseded_stays_as_it_was_stored(store: Warehouse) -> None:
    append(store, bar(close=100.0))
    before = rows(store, "select * from raw.prices")
    append(store, bar(close=101.0))
    append(store, bar(close=100.0))
    assert rows(store, "select close from raw.prices order by known_at") == [(100,), (101,), (100,)]
    assert rows(store, "select * from raw.prices order by known_at limit 1") == before


@pytest.mark.parametrize(
    ("column", "cases"),
    [
        (
            "dividend",
            [
                (100.0, 100.0 * (1 + 0.9e-6), False),
                (100.0, 100.0 * (1 - 0.9e-6), False),
                (100.0, 100.0 * (1 + 1.1e-6), True),
                (100.0, 100.0 * (1 - 1.1e-6), True),
                (1e-9, 1e-9 * (1 + 0.9e-6), False),
                (1e-9, 1e-9 * (1 + 1.1e-6), True),
                (1e12, 1e12 + 0.9e6, False),
                (1e12, 1e12 + 1.1e6, True),
                (0.0, 0.0, False),
                (0.0, 1e-12, True),
                (1e-12, 0.0, True),
                (-0.0, 0.0, False),
                (None, 0.0, True),
                (0.0, None, True),
                (None, None, False),
                (None, math.nan, False),
            ],
        ),
        (
            "currency",
            [
                (None, "USD", True),
                ("USD", None, True),
                ("USD", "EUR", True),
                ("USD", "USD", False),
                (None, None, False),
                (None, "", False),
            ],
        ),
        (
            "is_final",
            [
                (False, False, False),
                (False, True, True),
                (True, None, True),
                (None, False, True),
            ],
        ),
    ],
)
def test_a_version_is_new_when_a_number_differs_by_more_than_a_millionth_or_the_rest_at_all(
    store: Warehouse, column: str, cases: list[tuple[Any, Any, bool]]
) -> None:
    was, becomes, is_version = zip(*cases, strict=True)
    for values in (was, becomes):
        told = [{**bar(ticker=f"T{n}"), column: value} for n, value in enumerate(values)]
        store.append("prices", pd.DataFrame(told).astype({column: object}), source="inbox")
    counted = dict(rows(store, "select ticker, count(*) - 1 from raw.prices group by ticker"))
    assert [bool(counted[f"T{n}"]) for n in range(len(cases))] == list(is_version)


def test_small_steps_are_measured_from_the_stored_version_not_from_the_last_one_told(
    store: Warehouse,
) -> None:
    told = [100.0 * (1 + step * 0.4e-6) for step in range(7)]
    for close in told:
        append(store, bar(close=close))
    stored = [row[0] for row in rows(store, "select close from raw.prices order by known_at")]
    assert stored == [told[0], told[3], told[6]]


def test_whole_numbers_have_the_same_tolerance(store: Warehouse) -> None:
    snapshot = {"ticker": "AAA", "snapshot_date": DAY}
    append(store, {**snapshot, "buy": 12}, table="consensus")
    assert append(store, {**snapshot, "buy": 12}, table="consensus") == Counts(unchanged=1)
    assert append(store, {**snapshot, "buy": 13}, table="consensus") == Counts(changed=1)


def test_an_adjusted_close_alone_makes_no_version(store: Warehouse) -> None:
    append(store, bar(adj_close=90.0))
    assert append(store, bar(adj_close=80.0)) == Counts(unchanged=1)
    assert append(store, bar(adj_close=None)) == Counts(unchanged=1)
    assert rows(store, "select adj_close from raw.prices") == [(90.0,)]
    assert append(store, bar(close=101.0, adj_close=70.0)) == Counts(changed=1)
    assert rows(store, "select adj_close from raw.prices order by known_at") == [(90.0,), (70.0,)]


def test_a_grade_time_alone_makes_no_version(store: Warehouse) -> None:
    event = {"ticker": "AAA", "firm": "Foxglove", "graded_on": DAY, "to_grade": "Buy"}
    append(store, {**event, "graded_at": f"{DAY}T14:00:00"}, table="ratings")
    later = {**event, "graded_at": f"{DAY}T00:00:00"}
    assert append(store, later, table="ratings") == Counts(unchanged=1)
    assert append(store, {**later, "target": 120.0}, table="ratings") == Counts(changed=1)


def test_blank_key_columns_with_a_default_are_one_key(store: Warehouse) -> None:
    event = {"ticker": "AAA", "firm": "Foxglove", "graded_on": DAY}
    append(store, event, table="ratings")
    assert append(store, {**event, "to_grade": ""}, table="ratings") == Counts(unchanged=1)
    assert append(store, {**event, "to_grade": None}, table="ratings") == Counts(unchanged=1)
    assert append(store, {**event, "to_grade": "Buy"}, table="ratings") == Counts(new=1)


def test_sources_do_not_version_each_other(store: Warehouse) -> None:
    assert append(store, bar(close=1.0), source="inbox") == Counts(new=1)
    assert append(store, bar(close=2.0), source="yahoo") == Counts(new=1)
    assert append(store, bar(close=1.0), source="inbox") == Counts(unchanged=1)


def test_a_column_the_frame_lacks_is_neither_compared_nor_lost(store: Warehouse) -> None:
    append(store, bar(open=99.0, volume=5.0, currency="USD", note_of_vendor="x"))
    assert append(store, bar()) == Counts(unchanged=1)
    assert append(store, bar(close=101.0)) == Counts(changed=1)
    newest = "select open, volume, currency, payload, close from raw.prices order by known_at desc"
    assert rows(store, newest)[0] == (99.0, 5.0, "USD", '{"note_of_vendor":"x"}', 101.0)

    assert append(store, bar(close=101.0, volume=None)) == Counts(changed=1)
    assert rows(store, newest)[0] == (99.0, None, "USD", '{"note_of_vendor":"x"}', 101.0)


def test_a_frame_may_name_its_columns_in_any_case_and_order(store: Warehouse) -> None:
    frame = pd.DataFrame({"Close": [100.0], "SESSION_DATE": [DAY], "Ticker": ["AAA"]})
    assert store.append("prices", frame, source="inbox") == Counts(new=1)
    assert append(store, bar()) == Counts(unchanged=1)


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame({"close": [1.0]})])
def test_a_missing_key_column_stores_nothing_and_is_named(
    store: Warehouse, frame: pd.DataFrame
) -> None:
    with pytest.raises(Malformed) as caught:
        store.append("prices", frame, source="inbox")
    if len(frame):
        assert "no column ticker, session_date" in str(caught.value)
        assert "found close" in str(caught.value)
    for table in ("prices", "batches", "rejects"):
        assert rows(store, f"select count(*) from raw.{table}") == [(0,)]
    assert append(store, bar()) == Counts(new=1)


def test_a_frame_without_rows_stores_only_that_it_came(store: Warehouse) -> None:
    empty = pd.DataFrame({"ticker": [], "session_date": [], "close": []})
    assert store.append("prices", empty, source="inbox") == Counts()
    assert rows(store, "select new, rejected from raw.batches") == [(0, 0)]


# Payload


def test_unknown_columns_go_to_the_payload_in_order_without_nulls(store: Warehouse) -> None:
    append(store, bar(zeta=1, alpha="a", nothing=None, nan=math.nan, nested={"b": [1, 2]}))
    [(payload,)] = rows(store, "select payload from raw.prices")
    assert json.loads(payload) == {"alpha": "a", "nested": {"b": [1, 2]}, "zeta": 1}
    assert list(json.loads(payload)) == ["alpha", "nested", "zeta"]


def test_a_payload_change_alone_makes_a_version(store: Warehouse) -> None:
    append(store, bar(a=1, b=2))
    assert append(store, bar(b=2, a=1)) == Counts(unchanged=1)
    assert append(store, bar(a=1, b=3)) == Counts(changed=1)
    assert append(store, bar(a=None, b=None)) == Counts(changed=1)
    assert rows(store, "select payload from raw.prices order by known_at desc")[0] == (None,)


def test_a_payload_column_is_taken_as_json_and_joined_with_what_is_unknown(
    store: Warehouse,
) -> None:
    append(
        store,
        bar(ticker="AAA", payload='{"b": 1}', a=None),
        bar(ticker="BBB", payload='{"b": 1}', a=2),
        bar(ticker="CCC", payload="no json", a=None),
    )
    stored = dict(rows(store, "select ticker, payload from raw.prices"))
    assert json.loads(stored["AAA"]) == {"b": 1}
    assert json.loads(stored["BBB"]) == {"a": 2, "b": 1}
    assert "no json" in stored["CCC"]


def test_a_payload_that_is_no_object_is_not_lost_beside_unknown_columns(store: Warehouse) -> None:
    told = {
        "A": ("[1, 2]", [1, 2]),
        "B": ('"text"', "text"),
        "C": ("7", 7),
        "D": ("words", "words"),
    }
    append(store, *(bar(ticker=t, payload=said, extra="x") for t, (said, _) in told.items()))
    for ticker, payload in rows(store, "select ticker, payload from raw.prices"):
        assert json.loads(payload) == {"extra": "x", "payload": told[ticker][1]}


def test_bookkeeping_columns_of_a_file_are_only_payload(store: Warehouse) -> None:
    append(store, bar(row_id="mine", source="yahoo", stored_at="1999-01-01", batch_id="b"))
    [(row_id, source, stored_at)] = rows(store, "select row_id, source, stored_at from raw.prices")
    assert (row_id, source) != ("mine", "yahoo")
    assert source == "inbox"
    assert stored_at.year >= 2025


ODD_NAMES = [
    "reason", "told", "_line", "_round", "faults", "breaches", "stored", "status", "t", "typed",
    "first_line", "rowid", 'a"b', "c'd", "select", "Ticker ", "ключ", "x; drop table raw.prices",
]  # fmt: skip


def test_columns_of_any_name_reach_payload_and_rejects(store: Warehouse) -> None:
    for names in (["reason"], ["told"], ODD_NAMES):
        odd = dict.fromkeys(names, "x")
        told = [bar(ticker=f"A{len(names)}", **odd), bar(ticker="BBB", close=-1.0, **odd)]
        assert append(store, *told).stored == 1
        newest = "select payload from raw.prices order by stored_at desc limit 1"
        assert list(json.loads(rows(store, newest)[0][0]).values()) == ["x"] * len(names)
        newest = "select row_json from raw.rejects order by rejected_at desc limit 1"
        as_told = list(json.loads(rows(store, newest)[0][0]).values())
        assert as_told == ["BBB", DAY, -1.0, *["x"] * len(names)]


# Duplicates and conflicts


def test_identical_rows_of_one_batch_are_stored_once(store: Warehouse) -> None:
    counts = append(store, bar(), bar(close=100.0 * (1 + 1e-7)), bar(adj_close=5.0), bar())
    assert counts == Counts(new=1, duplicates=3)
    assert reasons(store) == []


def test_rows_that_contradict_each_other_are_all_refused(store: Warehouse) -> None:
    counts = append(store, bar(close=1.0), bar(close=2.0), bar(close=1.0), bar(ticker="BBB"))
    assert counts == Counts(new=1, rejected=3)
    assert set(reasons(store)) == {"two rows of one key and moment contradict each other"}
    told = [json.loads(row[0])["close"] for row in rows(store, "select row_json from raw.rejects")]
    assert sorted(told) == [1.0, 1.0, 2.0]
    assert rows(store, "select ticker from raw.prices") == [("BBB",)]


def test_a_blank_beside_a_value_is_a_contradiction(store: Warehouse) -> None:
    assert append(store, bar(volume=1.0), bar(volume=None)) == Counts(rejected=2)


def test_an_invalid_row_does_not_contradict_a_valid_one(store: Warehouse) -> None:
    assert append(store, bar(), bar(close=-1.0)) == Counts(new=1, rejected=1)


def test_versions_of_a_key_in_one_batch_are_stored_in_the_order_they_were_known(
    store: Warehouse,
) -> None:
    versions = [("2025-06-05", 3.0), ("2025-06-03", 1.0), ("2025-06-04", 1.0), ("2025-06-06", 1.0)]
    counts = append(store, *(bar(known_at=at, close=close) for at, close in versions))
    assert counts == Counts(new=1, changed=2, unchanged=1)
    stored = rows(store, "select cast(known_at as date), close from raw.prices order by known_at")
    assert stored == [(date(2025, 6, 3), 1.0), (date(2025, 6, 5), 3.0), (date(2025, 6, 6), 1.0)]


def test_a_row_that_contradicts_a_stored_version_of_the_same_moment_is_refused(
    store: Warehouse,
) -> None:
    append(store, bar(known_at="2025-06-03", close=1.0))
    assert append(store, bar(known_at="2025-06-03", close=1.0)) == Counts(unchanged=1)
    assert append(store, bar(known_at="2025-06-03", close=2.0)) == Counts(rejected=1)
    assert reasons(store) == ["it contradicts what is stored for the same key and moment"]
    assert rows(store, "select close from raw.prices") == [(1.0,)]


def test_a_refused_row_that_a_source_tells_again_is_kept_once(store: Warehouse) -> None:
    append(store, bar(close=-1.0))
    assert append(store, bar(close=-1.0)) == Counts(rejected=1)
    assert append(store, bar(close=-2.0)) == Counts(rejected=1)
    assert len(reasons(store)) == 2


# Validation: every rule of raw.checks has a row that trips it.


def fit(table: str) -> dict[str, Any]:
    """A row of `table` that keeps every rule, with every column filled."""
    told: dict[str, Any] = {}
    for column in schema()[table]:
        match column.type:
            case "DATE":
                told[column.name] = DAY
            case "TIMESTAMP":
                told[column.name] = f"{DAY} 12:00:00"
            case "BOOLEAN":
                told[column.name] = True
            case "DOUBLE":
                told[column.name] = 1.0
            case "INTEGER":
                told[column.name] = 1
            case _:
                told[column.name] = "USD" if column.name.endswith("currency") else "AAA"
    return told | {
        "sessions": {"closes_at": f"{DAY} 13:00:00"},
        "ratings": {"kind": "rating"},
        "news_signals": {"sentiment": "neutral", "relevance": "primary"},
        "news_topics": {"found_by": "rule"},
    }.get(table, {})


UNFIT: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("sessions", "the session closes before it opens"): [
        {"closes_at": f"{DAY} 12:00:00"},
        {"closes_at": f"{DAY} 11:00:00"},
    ],
    ("securities", "shares outstanding are negative"): [{"shares_outstanding": -1}],
    ("prices", "the bar has no close"): [{"close": None}, {"close": math.nan}, {"close": ""}],
    ("prices", "a price is not above zero"): [
        *({name: value} for name in ("open", "high", "low", "close") for value in (0, -0.01)),
        {"open": 0, "high": None, "low": None},
    ],
    ("prices", "the adjusted close is not above zero"): [{"adj_close": 0}, {"adj_close": -1}],
    ("prices", "the high is below the low"): [{"high": 0.99}],
    ("prices", "the session is in the future"): [{"session_date": "2999-01-04"}],
    ("prices", "the volume is negative"): [{"volume": -1}],
    ("prices", "the dividend is negative"): [{"dividend": -0.5}],
    ("prices", "the split ratio (new shares per old) is not above zero"): [
        {"split_ratio": 0},
        {"split_ratio": -2},
    ],
    ("ratings", "a price target is negative"): [
        {"target": -1},
        {"prior_target": -1},
        {"target": None, "prior_target": -1},
    ],
    ("ratings", "the kind is neither rating nor fair_value"): [{"kind": "guess"}],
    ("ratings", "the firm is blank"): [{"firm": ""}, {"firm": None}],
    ("consensus", "a count of analysts is negative"): [
        {name: -1} for name in ("strong_buy", "buy", "hold", "sell", "strong_sell")
    ],
    ("consensus", "the share of buys is outside 0 to 1"): [
        {"buy_share": 1.01},
        {"buy_share": -0.1},
    ],
    ("consensus", "the mean recommendation is outside 1 to 5"): [
        {"recommendation_mean": 0.99},
        {"recommendation_mean": 5.01},
    ],
    ("consensus", "the high target is below the low target"): [{"target_high": 0.5}],
    ("consensus", "a price target is negative"): [
        {"target_low": -1},
        {"target_mean": -1},
        {"target_median": -1},
    ],
    ("consensus", "the count of targets is negative"): [{"target_count": -1}],
    ("valuations", "the price or market capitalisation is not positive"): [
        {"price": 0},
        {"market_cap": -1},
        {"price": None, "market_cap": -1},
    ],
    ("estimates", "the high estimate is below the low estimate"): [{"eps_low": 1.5}],
    ("estimates", "a count is negative"): [
        {name: -1} for name in ("eps_analyst_count", "revisions_up_30d", "revisions_down_30d")
    ],
    ("earnings_dates", "the range of earnings dates ends before it begins"): [
        {"announced_to": f"{DAY} 11:59:59"}
    ],
    ("short_interest", "the short interest is negative"): [
        {"shares_short": -1},
        {"days_to_cover": -1},
    ],
    ("short_interest", "the short share of float is negative"): [{"short_share_of_float": -0.01}],
    ("news", "the item has no title"): [{"title": None}, {"title": ""}],
    ("news", "the item has no time of publication"): [{"published_at": None}],
    ("news_signals", "the sentiment is not a known label"): [{"sentiment": "great"}],
    ("news_signals", "the sentiment score is outside -1 to 1"): [
        {"sentiment_score": 1.01},
        {"sentiment_score": -1.01},
    ],
    ("news_signals", "the confidence is outside 0 to 1"): [{"confidence": 2}],
    ("news_signals", "the relevance is neither primary nor mention"): [{"relevance": "some"}],
    ("news_topics", "the confidence is outside 0 to 1"): [{"confidence": -0.1}],
    ("news_topics", "the topic was found neither by rule nor by table"): [{"found_by": "luck"}],
    ("broker_calls", "a price target is negative"): [{"target": -1}, {"prior_target": -1}],
}  # fmt: skip

UNFIT_ANYWHERE: dict[str, list[dict[str, Any]]] = {
    "the ticker is not a symbol": [
        {"ticker": ticker}
        for ticker in ("A B", "A" * 25, ".A", "A/B", "../A", "A'B", "<b>", "A\nB", "Ä")
    ],
    "it says it was known later than now": [{"known_at": "2999-01-01T00:00:00"}],
    "the grade is dated in the future": [{"graded_on": "2999-01-01"}],
    "the grade is timed in the future": [{"graded_at": "2999-01-01T00:00:00"}],
    "the snapshot is dated in the future": [{"snapshot_date": "2999-01-01"}],
    "the valuation is dated in the future": [{"valued_on": "2999-01-01"}],
    "the settlement is in the future": [{"settled_on": "2999-01-01"}],
    "the item was published in the future": [{"published_at": "2999-01-01T00:00:00"}],
    "the currency is not a known code": [{"currency": "US"}, {"currency": "usd"}],
    "the financial currency is not a known code": [{"financial_currency": "XXZ"}],
    "the target currency is not a known code": [{"target_currency": "$"}],
    "the EPS currency is not a known code": [{"eps_currency": "XXZ"}],
}


# A blank key counts as missing, which is said first: the rule behind it can never speak.
SAID_OTHERWISE = {"the firm is blank": "firm is missing"}


def checks(store: Warehouse) -> list[tuple[str, str]]:
    return [
        (t, r) for t, r in rows(store, "select table_name, reason from raw.checks order by all")
    ]


def test_there_is_an_unfit_row_for_every_rule_and_no_rule_is_forgotten(store: Warehouse) -> None:
    stated = checks(store)
    own = {pair for pair in stated if pair[1] not in UNFIT_ANYWHERE}
    assert own == set(UNFIT)
    assert set(UNFIT_ANYWHERE) == {reason for _, reason in stated} - {reason for _, reason in own}
    assert len(stated) == len(set(stated))
    assert {table for table, _ in stated} == set(schema())


@pytest.mark.parametrize("table", sorted(schema()))
def test_a_row_that_breaks_a_rule_is_refused_whole_with_its_reason(
    store: Warehouse, table: str
) -> None:
    assert append(store, fit(table), table=table) == Counts(new=1)
    told = [
        (SAID_OTHERWISE.get(reason, reason), fit(table) | unfit)
        for stated, reason in checks(store)
        if stated == table
        for unfit in UNFIT.get((table, reason)) or UNFIT_ANYWHERE[reason]
    ]
    # As objects, so that each value keeps its own type.
    frame = pd.DataFrame([row for _, row in told]).astype(object)
    counts = store.append(table, frame, source="inbox", file="f.csv")
    refused = rows(store, "select line, reason, row_json from raw.rejects order by line")
    assert [line for line, *_ in refused] == list(range(1, len(told) + 1))
    for (reason, row), (_, why, row_json) in zip(told, refused, strict=True):
        assert reason in why.split("; "), row
        kept = {name: value for name, value in json.loads(row_json).items() if value is not None}
        assert kept.keys() == {name for name, value in row.items() if not is_missing(value)}
        assert all(same(kept[name], row[name]) for name in kept)
    assert counts == Counts(rejected=len(told))
    assert rows(store, f"select count(*) from raw.{table}") == [(1,)]


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def same(kept: Any, told: Any) -> bool:
    """Whether a value of a refused row is what was told; a mixed column arrives as text."""
    return kept == told or (isinstance(kept, str) and kept.lower() == str(told).lower())


@pytest.mark.parametrize("table", sorted(schema()))
def test_a_row_of_nothing_but_its_key_is_fit_unless_a_rule_says_so(
    store: Warehouse, table: str
) -> None:
    told = {name: fit(table)[name] for name in keys(table)}
    needed = {"prices": {"close": 1.0}, "news": {"title": "x", "published_at": f"{DAY} 12:00:00"}}
    told |= needed.get(table, {})
    assert append(store, told, table=table) == Counts(new=1)


@pytest.mark.parametrize("table", sorted(schema()))
def test_a_missing_key_is_refused_by_name(store: Warehouse, table: str) -> None:
    required = [c.name for c in schema()[table] if c.is_key and c.default is None]
    for name in required:
        assert append(store, fit(table) | {name: None}, table=table) == Counts(rejected=1)
    assert sorted(reasons(store)) == sorted(f"{name} is missing" for name in required)


def test_every_fault_of_a_row_is_named(store: Warehouse) -> None:
    append(store, bar(close=-1.0, volume=-1, currency="?"))
    append(store, bar(close="abc", volume="many"))
    assert reasons(store) == [
        "a price is not above zero; the volume is negative; the currency is not a known code",
        "close: 'abc' is not a finite number; volume: 'many' is not a finite number",
    ]


def test_lines_count_the_data_rows_of_the_frame(store: Warehouse) -> None:
    closes = [1.0 if n % 7 else -1.0 for n in range(1, 51)]
    append(store, *(bar(ticker=f"T{n}", close=c) for n, c in enumerate(closes, 1)), file="f.csv")
    told = rows(store, "select line, row_json from raw.rejects order by line")
    assert [line for line, _ in told] == [7, 14, 21, 28, 35, 42, 49]
    assert [json.loads(row)["ticker"] for _, row in told] == [f"T{line}" for line, _ in told]
    assert rows(store, "select distinct file from raw.rejects") == [("f.csv",)]


BEFORE_CHRIST = "session_date: '0044-03-15 (BC)' is not a date (YYYY-MM-DD)"
MISFITS = {
    "prices": [
        ("close", "abc", "close: 'abc' is not a finite number"),
        ("close", "1,5", "close: '1,5' is not a finite number"),
        ("close", "inf", "close: 'inf' is not a finite number"),
        ("close", "-Infinity", "close: '-Infinity' is not a finite number"),
        ("close", "1e999", "close: '1e999' is not a finite number"),
        ("is_final", "perhaps", "is_final: 'perhaps' is not true or false"),
        ("session_date", "02.06.2025", "session_date: '02.06.2025' is not a date (YYYY-MM-DD)"),
        ("session_date", "2025-02-30", "session_date: '2025-02-30' is not a date (YYYY-MM-DD)"),
        ("session_date", "-infinity", "session_date: '-infinity' is not a date (YYYY-MM-DD)"),
        ("session_date", "44000-01-01", "session_date: '44000-01-01' is not a date (YYYY-MM-DD)"),
        ("session_date", "0044-03-15 (BC)", BEFORE_CHRIST),
        ("known_at", "-infinity", "known_at: '-infinity' is not a time (ISO 8601)"),
        ("session_date", "0001-01-01", None),
        ("session_date", "20250602", "session_date: '20250602' is not a date (YYYY-MM-DD)"),
        ("known_at", "noon", "known_at: 'noon' is not a time (ISO 8601)"),
        ("known_at", "2025-06-03T25:00", "known_at: '2025-06-03T25:00' is not a time (ISO 8601)"),
        ("volume", "1e6", None),
        ("volume", "NaN", None),
        ("volume", "nan", None),
        ("volume", "", None),
        ("is_final", "true", None),
        ("is_final", "0", None),
        ("is_final", "", None),
        ("known_at", "", None),
    ],
    "consensus": [
        ("buy", "1.5", "buy: '1.5' is not a whole number"),
        ("buy", "3000000000", "buy: '3000000000' is not a whole number"),
        ("buy", "x" * 100, f"buy: '{'x' * 60}' is not a whole number"),
        ("buy", "7.0", None),
        ("buy", "7", None),
        ("buy", "", None),
    ],
}


@pytest.mark.parametrize("table", MISFITS)
def test_text_is_taken_as_the_schema_says_or_refused(store: Warehouse, table: str) -> None:
    told = [
        {**fit(table), "ticker": f"T{n}", "known_at": "", column: value}
        for n, (column, value, _) in enumerate(MISFITS[table])
    ]
    store.append(table, pd.DataFrame(told).astype("str"), source="inbox")
    refused = dict(rows(store, "select row_json ->> 'ticker', reason from raw.rejects"))
    expected = {f"T{n}": why for n, (_, _, why) in enumerate(MISFITS[table]) if why}
    assert refused == expected
    taken = {row[0] for row in rows(store, f"select ticker from raw.{table}")}
    assert taken == {f"T{n}" for n in range(len(told))} - set(refused)


@pytest.mark.parametrize(
    ("table", "column", "value", "why"),
    [
        ("prices", "close", math.inf, "close: 'inf' is not a finite number"),
        ("prices", "session_date", 20250602, "is not a date (YYYY-MM-DD)"),
        ("consensus", "buy", 1.5, "buy: '1.5' is not a whole number"),
        ("consensus", "buy", 7.0, None),
        ("prices", "session_date", pd.Timestamp(DAY), None),
        ("prices", "session_date", date(2025, 6, 2), None),
    ],
)
def test_typed_values_are_taken_as_the_schema_says_or_refused(
    store: Warehouse, table: str, column: str, value: Any, why: str | None
) -> None:
    counts = append(store, fit(table) | {column: value}, table=table)
    assert counts == (Counts(rejected=1) if why else Counts(new=1))
    assert [why in reason for reason in reasons(store) if why] == ([True] if why else [])


def test_times_are_stored_in_utc(store: Warehouse) -> None:
    told = {
        "2025-01-01T10:00:00+02:00": datetime(2025, 1, 1, 8),
        "2025-01-01T10:00:00Z": datetime(2025, 1, 1, 10),
        "2025-01-01T10:00:00": datetime(2025, 1, 1, 10),
        "2025-01-01 10:00:00.123456": datetime(2025, 1, 1, 10, 0, 0, 123456),
        "2025-01-01T10:00:00-05:30": datetime(2025, 1, 1, 15, 30),
        "2025-01-01": datetime(2025, 1, 1),
        "20251129T125300": datetime(2025, 11, 29, 12, 53),
    }
    typed = {
        pd.Timestamp("2025-01-01T10:00", tz="Asia/Hong_Kong"): datetime(2025, 1, 1, 2),
        pd.Timestamp("2025-01-01T10:00"): datetime(2025, 1, 1, 10),
        datetime(2025, 1, 1, 10, tzinfo=UTC): datetime(2025, 1, 1, 10),
        date(2025, 1, 1): datetime(2025, 1, 1),
    }
    item = {"ticker": "AAA", "title": "x"}
    texts = [{**item, "news_id": str(time), "published_at": time} for time in told]
    assert append(store, *texts, table="news") == Counts(new=len(told)), reasons(store)
    for moment in typed:
        one = {**item, "news_id": repr(moment), "published_at": moment}
        assert append(store, one, table="news") == Counts(new=1)
    expected = {str(key): value for key, value in told.items()}
    expected |= {repr(key): value for key, value in typed.items()}
    assert dict(rows(store, "select news_id, published_at from raw.news")) == expected


def test_a_number_that_is_none_in_a_frame_is_missing(store: Warehouse) -> None:
    volumes = pd.array([math.nan, None, pd.NA], dtype="object")
    frame = pd.DataFrame([bar(ticker=f"T{n}") for n in range(3)]).assign(volume=volumes)
    assert store.append("prices", frame, source="inbox") == Counts(new=3)
    assert rows(store, "select distinct volume from raw.prices") == [(None,)]


def test_a_number_that_is_none_in_a_relation_is_missing(store: Warehouse) -> None:
    told = store.con.sql(
        f"select 'AAA' as ticker, date '{DAY}' as session_date, 1.0 as close, "
        "'nan'::double as volume, 'nan'::float as dividend"
    )
    assert store.append("prices", told, source="inbox") == Counts(new=1)
    assert rows(store, "select volume, dividend from raw.prices") == [(None, None)]


def test_a_day_is_in_the_future_when_it_has_begun_nowhere_on_earth(
    store: Warehouse, clock: Any
) -> None:
    clock.now = datetime(2025, 6, 2, 9, 59)
    assert append(store, bar(session_date="2025-06-03")) == Counts(rejected=1)
    clock.now = datetime(2025, 6, 2, 10, 0)
    assert append(store, bar(session_date="2025-06-03")) == Counts(new=1)


# Identity and clocks


def test_a_row_id_is_the_hash_of_source_key_and_moment(store: Warehouse) -> None:
    append(store, bar(known_at="2025-06-03T01:02:03"))
    [(row_id,)] = rows(store, "select row_id from raw.prices")
    told = json.dumps(["inbox", "AAA", DAY, "2025-06-03 01:02:03"], separators=(",", ":"))
    assert row_id == hashlib.md5(told.encode()).hexdigest()


def test_row_ids_differ_by_source_key_and_moment(store: Warehouse) -> None:
    for source in ("inbox", "yahoo"):
        for ticker, day, at in itertools.product(
            ("AAA", "BBB"), (DAY, "2025-06-03"), ("2025-06-04", "2025-06-05")
        ):
            told = bar(ticker=ticker, session_date=day, known_at=at, close=float(at[-2:]))
            append(store, told, source=source)
    assert rows(store, "select count(*), count(distinct row_id) from raw.prices") == [(16, 16)]


def test_without_a_stated_moment_a_row_is_known_when_it_is_stored(
    store: Warehouse, clock: Any
) -> None:
    append(store, bar(), bar(ticker="BBB", known_at=None))
    append(store, bar(ticker="CCC", known_at="2025-06-03"))
    known = "select ticker, known_at = stored_at from raw.prices order by ticker"
    assert rows(store, known) == [("AAA", True), ("BBB", True), ("CCC", False)]
    assert rows(store, "select min(stored_at) from raw.prices")[0][0] > datetime(2025, 12, 1, 22)


def test_every_append_is_stored_later_than_the_one_before_even_if_the_clock_jumps_back(
    store: Warehouse, clock: Any
) -> None:
    times = [22, 22, 3, 1, 23, 2]
    for number, hour in enumerate(times):
        clock.now = datetime(2025, 12, 1, hour)
        append(store, bar(close=100.0 + number), load_id=f"load {number}")
    stored = [row[0] for row in rows(store, "select stored_at from raw.prices order by close")]
    assert all(a < b for a, b in itertools.pairwise(stored))
    assert rows(store, "select max(close) from raw.prices where known_at <> stored_at") == [(None,)]
    begun = [row[0] for row in rows(store, "select started_at from raw.batches order by load_id")]
    assert all(a < b for a, b in itertools.pairwise(begun))
    assert rows(store, "select count(*) from raw.batches where finished_at < started_at") == [(0,)]
    newest = rows(store, "select batch_id from raw.prices order by close desc limit 1")
    assert store.data_version("prices") == newest[0][0]


def test_the_data_version_changes_only_with_the_data(store: Warehouse) -> None:
    assert store.data_version("prices") is None
    append(store, bar())
    first = store.data_version("prices")
    append(store, bar())
    append(store, bar(close=-1.0))
    append(store, {"ticker": "AAA"}, table="securities")
    assert store.data_version("prices") == first
    append(store, bar(close=2.0))
    assert store.data_version("prices") != first


# One store, one writer


@pytest.mark.parametrize(("first", "second"), [("sample", "inbox"), ("inbox", "sample")])
def test_simulated_and_real_sources_never_share_a_store(
    store: Warehouse, first: str, second: str
) -> None:
    session = {"exchange": "XNYS", "session_date": DAY}
    append(store, session, table="sessions", source="exchange_calendars")
    append(store, bar(), source=first)
    with pytest.raises(HomeError, match=f"the source '{second}' cannot join it"):
        append(store, bar(ticker="BBB"), source=second)
    append(store, session, table="sessions", source="exchange_calendars")
    assert rows(store, "select distinct source from raw.prices") == [(first,)]
    assert store.is_simulated() == (first == "sample")


HOLD = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(store: Warehouse) -> Iterator[subprocess.Popen[bytes]]:
    store.con.close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, store.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.communicate()


def test_a_store_that_another_process_holds_is_refused_after_a_wait(
    store: Warehouse, holder: subprocess.Popen[bytes]
) -> None:
    started = time.monotonic()
    with pytest.raises(HomeError, match=r"in use by another process.*query the published"):
        Warehouse(store.path, wait_seconds=0.3)
    assert 0.3 <= time.monotonic() - started < 5


def test_a_store_that_is_given_back_in_time_is_opened(
    store: Warehouse, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = []

    def give_back(seconds: float) -> None:
        naps.append(seconds)
        holder.communicate()

    monkeypatch.setattr(store_module.time, "sleep", give_back)
    with Warehouse(store.path, wait_seconds=30):
        assert len(naps) == 1


def junk(content: bytes) -> bytes:
    return b"not a database" * 1000


def torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    return content[:5000] + bytes([content[5000] ^ 255]) + content[5001:]


@pytest.mark.parametrize("damage", [junk, torn, flipped])
def test_a_damaged_store_is_not_taken_for_a_busy_one(
    store: Warehouse, damage: Callable[[bytes], bytes]
) -> None:
    append(store, *(bar(ticker=f"T{n}") for n in range(200)))
    store.con.close()
    store.path.write_bytes(damage(store.path.read_bytes()))
    started = time.monotonic()
    with pytest.raises(HomeError, match="cannot be opened"):
        Warehouse(store.path, wait_seconds=20)
    assert time.monotonic() - started < 10


# Crashes


@pytest.mark.parametrize("step", ["_drop_duplicates", "_judge", "_insert", "_reject"])
def test_an_append_that_fails_on_the_way_stores_nothing_of_it(
    store: Warehouse, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    append(store, bar())
    tables = ("prices", "batches", "rejects")
    before = [rows(store, f"select * from raw.{table}") for table in tables]
    whole = getattr(store_module._Append, step)

    def fail(self: Any, *arguments: Any) -> None:
        whole(self, *arguments)
        raise MemoryError(step)

    told = [bar(close=101.0), bar(ticker="BBB"), bar(ticker="CCC", close=-1.0)]
    with monkeypatch.context() as patch:
        patch.setattr(store_module._Append, step, fail)
        with pytest.raises(MemoryError):
            append(store, *told)
    assert [rows(store, f"select * from raw.{table}") for table in tables] == before
    assert append(store, *told) == Counts(new=1, changed=1, rejected=1)


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import pandas as pd
    from warehouse import store

    frame = pd.DataFrame({"ticker": ["AAA", "BBB"], "session_date": "2025-06-02", "close": [1, -1]})
    with store.Warehouse(Path(sys.argv[1])) as warehouse:
        warehouse.append("prices", frame.assign(close=5.0), source="inbox")
        store._Append._reject = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        warehouse.append("prices", frame, source="inbox")
"""


def test_a_process_killed_inside_an_append_leaves_what_was_before(tmp_path: Path) -> None:
    path = tmp_path / "bellwether.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), path], cwd=PROJECT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with Warehouse(path) as store:
        assert rows(store, "select ticker, close from raw.prices order by ticker") == [
            ("AAA", 5.0),
            ("BBB", 5.0),
        ]
        assert rows(store, "select count(*) from raw.batches") == [(1,)]
        assert append(store, bar(close=6.0)) == Counts(changed=1)


# Histories


@dataclass(frozen=True)
class Fact:
    """What a source said of one bar, and when; numbers too far apart to count as equal."""

    key: int
    minute: int
    close: int
    volume: int | None

    @property
    def known_at(self) -> datetime:
        return datetime(2025, 6, 3) + timedelta(minutes=self.minute)

    @property
    def content(self) -> tuple[float, float | None]:
        return float(self.close), None if self.volume is None else float(self.volume)


FACTS = st.lists(
    st.builds(
        Fact,
        key=st.integers(0, 9),
        minute=st.integers(0, 20),
        close=st.integers(1, 3),
        volume=st.sampled_from([None, 0, 7]),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda fact: (fact.key, fact.minute),
)
QUICK = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, Warehouse]]:
    folder = tmp_path_factory.mktemp("stores")
    with Warehouse(folder / "a" / "b.duckdb") as one, Warehouse(folder / "b" / "b.duckdb") as other:
        yield one, other


def tell(store: Warehouse, name: str, facts: Sequence[Fact]) -> Counts:
    return append(
        store,
        *(
            bar(
                ticker=f"{name}.{fact.key}",
                known_at=fact.known_at,
                close=fact.close,
                volume=fact.volume,
            )
            for fact in facts
        ),
    )


def one_of_each_key(facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    """The facts one by one as far as each key goes, many keys at a time: keys do not meet."""
    by_key = [[fact for fact in facts if fact.key == key] for key in {fact.key for fact in facts}]
    for turn in itertools.zip_longest(*by_key):
        yield [fact for fact in turn if fact is not None]


def stored(store: Warehouse, name: str) -> list[tuple[Any, ...]]:
    return store.con.execute(
        "select row_id, ticker, known_at, close, volume from raw.prices "
        "where ticker like ? order by ticker, known_at",
        [f"{name}.%"],
    ).fetchall()


State = dict[int, tuple[float, float | None]]


def states(store: Warehouse, name: str, facts: Sequence[Fact]) -> dict[datetime, State]:
    """What the store says was known of each key, at the moment of every fact."""
    versions = [
        (int(ticker.rsplit(".", 1)[1]), known_at, (close, volume))
        for _, ticker, known_at, close, volume in stored(store, name)
    ]
    return {
        moment: {key: content for key, known_at, content in versions if known_at <= moment}
        for moment in {fact.known_at for fact in facts}
    }


def told_states(facts: Sequence[Fact]) -> dict[datetime, State]:
    """The same from the facts alone."""
    in_order = sorted(facts, key=lambda fact: fact.minute)
    return {
        moment: {fact.key: fact.content for fact in in_order if fact.known_at <= moment}
        for moment in {fact.known_at for fact in facts}
    }


@QUICK
@given(facts=FACTS, data=st.data())
def test_any_batching_of_a_history_stores_the_same_versions(
    stores: tuple[Warehouse, Warehouse], facts: list[Fact], data: st.DataObject
) -> None:
    facts.sort(key=lambda fact: (fact.minute, fact.key))
    name = f"B{next(NUMBERS)}"
    for store in stores:
        cuts = data.draw(st.lists(st.integers(0, len(facts)), max_size=5))
        for start, end in itertools.pairwise(sorted({0, *cuts, len(facts)})):
            tell(store, name, data.draw(st.permutations(facts[start:end])))
    one, other = (stored(store, name) for store in stores)
    assert one == other
    assert states(stores[0], name, facts) == told_states(facts)
    for previous, following in itertools.pairwise(one):
        assert previous[1] != following[1] or previous[3:] != following[3:], "a needless version"

    assert {tell(store, name, facts).stored for store in stores} == {0}
    assert [stored(store, name) for store in stores] == [one, other]


@QUICK
@given(facts=FACTS, data=st.data())
def test_facts_that_differ_may_come_in_any_order(
    stores: tuple[Warehouse, Warehouse], facts: list[Fact], data: st.DataObject
) -> None:
    name = f"O{next(NUMBERS)}"
    different = [
        Fact(fact.key, fact.minute, close=100 + number, volume=fact.volume)
        for number, fact in enumerate(facts)
    ]
    for turn in one_of_each_key(data.draw(st.permutations(different))):
        assert tell(stores[0], name, turn).stored == len(turn)
    assert states(stores[0], name, different) == told_states(different)
    assert tell(stores[0], name, different).stored == 0


@QUICK
@given(facts=FACTS, data=st.data())
def test_a_late_fact_only_hides_a_confirmation_that_was_not_stored(
    stores: tuple[Warehouse, Warehouse], facts: list[Fact], data: st.DataObject
) -> None:
    """The store does not keep a fact that says what the version before it said.

    So a fact that arrives later, but was known between the two, is taken to hold on. For facts in
    any order this is what can be relied on: a fact is what the store shows of its moment when it
    has been told; and the state at a moment is that of the facts, unless the newest fact at that
    moment was such a confirmation and a fact known before it came after it.
    """
    name = f"L{next(NUMBERS)}"
    arrived = data.draw(st.permutations(facts))
    shown: set[tuple[Any, ...]] = set()
    unstored: set[Fact] = set()
    for turn in one_of_each_key(arrived):
        tell(stores[0], name, turn)
        shown = {row[1:3] for row in stored(stores[0], name)}
        known = states(stores[0], name, turn)
        for fact in turn:
            assert known[fact.known_at][fact.key] == fact.content
            if (f"{name}.{fact.key}", fact.known_at) not in shown:
                unstored.add(fact)
    known = states(stores[0], name, facts)
    for moment, told in told_states(facts).items():
        for key, content in told.items():
            newest = max(
                (fact for fact in facts if fact.key == key and fact.known_at <= moment),
                key=lambda fact: fact.minute,
            )
            came_after = arrived[arrived.index(newest) + 1 :]
            is_hidden = newest in unstored and any(
                fact.key == key and fact.minute < newest.minute for fact in came_after
            )
            assert known[moment][key] == content or is_hidden


@settings(QUICK, max_examples=8)
@given(
    closes=st.lists(
        st.one_of(
            st.floats(min_value=1e-3, max_value=1e9),
            st.sampled_from([1.0, 1.0000005, 1.000001, 1.0000015, 1.000002]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_versions_are_those_of_a_plain_reading_of_the_rule(
    stores: tuple[Warehouse, Warehouse], closes: list[float]
) -> None:
    ticker = f"R{next(NUMBERS)}"
    expected: list[float] = []
    for close in closes:
        last = expected[-1] if expected else None
        if last is None or abs(close - last) > 1e-6 * max(abs(close), abs(last)):
            expected.append(close)
        append(stores[0], bar(ticker=ticker, close=close))
    got = stores[0].con.execute(
        "select close from raw.prices where ticker = ? order by known_at", [ticker]
    )
    assert [row[0] for row in got.fetchall()] == expected


def test_a_wide_batch_of_many_versions_is_stored_as_one_by_one(store: Warehouse) -> None:
    frame = pd.DataFrame(
        {
            "ticker": [f"T{n % 100}" for n in range(5000)],
            "session_date": DAY,
            "close": [1.0 + (n // 300) % 3 for n in range(5000)],
            "known_at": [datetime(2025, 6, 3) + timedelta(minutes=n // 100) for n in range(5000)],
        }
    )
    counts = store.append("prices", frame, source="inbox")
    changes = frame.groupby("ticker")["close"].apply(lambda c: int((c != c.shift()).sum()) - 1)
    assert counts == Counts(
        new=100, changed=int(changes.sum()), unchanged=4900 - int(changes.sum())
    )


def test_sql_in_texts_stays_text(store: Warehouse) -> None:
    evil = "'); drop table raw.prices; --"
    append(
        store, {"ticker": "AAA", "news_id": evil, "title": evil, "published_at": DAY}, table="news"
    )
    assert rows(store, "select news_id, title from raw.news") == [(evil, evil)]
    with pytest.raises((duckdb.Error, KeyError)):
        append(store, bar(), table="prices; drop table raw.news")
    assert rows(store, "select count(*) from raw.news") == [(1,)]
