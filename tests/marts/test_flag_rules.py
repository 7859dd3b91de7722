"""Opening and closing by the rules' rows, against a plain loop, on series and rules of chance."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, replace
from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories import END, build
from warehouse.settings import DATABASE, SEEDS
from warehouse.sources import Unit
from warehouse.sources.calendars import Calendars
from warehouse.store import Warehouse

FIRST = date(2025, 11, 1)
LAST = date.fromisoformat(END[:10]) - timedelta(days=1)
Span = tuple[date, date | None]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Rule:
    metric: str
    comparison: str
    enter_at: float
    exit_at: float | None
    min_count: float | None
    qualifier_at: float | None
    min_days: int
    quiet_days: int | None
    base_severity: int = 1
    severity_2_at: float | None = None
    severity_3_at: float | None = None
    severity_4_at: float | None = None
    qualifier_comparison: str | None = None
    flag: str = "F"
    kind: str = "event"
    family: str = "price"
    needs: str = "values"
    message: str = "{value}"


@dataclass(frozen=True)
class Value:
    day: date
    value: float
    sample_count: float | None
    qualifier: float | None


class Models:
    """The models that judge values by rules, as dbt compiled them, over tables given to them."""

    names = ("flag_observations", "flag_episodes", "flag_rule_versions")

    def __init__(self, con: duckdb.DuckDBPyConnection, sql: dict[str, str]) -> None:
        self.con, self.sql = con, sql

    def judge(self, rules: list[Rule], series: dict[str, list[Value]]) -> None:
        self.con.register("told", pd.DataFrame([asdict(rule) for rule in rules]).astype(object))
        self.con.execute("delete from rules.risk_flag_rules")
        self.con.execute("insert into rules.risk_flag_rules by name select * from told")
        rows = [
            (ticker, metric, *astuple(value), f"{number:04}")
            for metric, values in series.items()
            for ticker in ("AAA", "BBB")
            for number, value in enumerate(values[:: 1 if ticker == "AAA" else 2])
        ]
        names = ["ticker", "metric", "observed_on", "value", "sample_count", "qualifier", "row_id"]
        self.con.register("told_values", pd.DataFrame(rows, columns=names).astype(object))
        self.con.execute(
            """
            create or replace table staging.flag_metrics as
            select ticker, cast(observed_on as date) as observed_on, metric, row_id as item,
                cast(value as double) as value, cast(sample_count as double) as sample_count,
                cast(qualifier as double) as qualifier, 'raw.prices' as table_name, row_id,
                'close' as column_name, cast(null as double) as evidence_value,
                'observed' as pit_quality, r.quiet_days is null as is_of_prices
            from told_values join rules.risk_flag_rules as r using (metric)
            """
        )
        for name in self.names:
            self.con.execute(f"create or replace table staging.{name} as {self.sql[name]}")

    def spans(self, ticker: str) -> list[Span]:
        return self.con.execute(
            "select opened_on, closed_on from staging.flag_episodes where ticker = ? order by 1",
            [ticker],
        ).fetchall()

    def version(self) -> str:
        [(version,)] = self.con.sql(
            "select rule_version from staging.flag_rule_versions"
        ).fetchall()
        return str(version)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    home = tmp_path_factory.mktemp("rules")
    with Warehouse(home / DATABASE) as warehouse:
        warehouse.append("sessions", Calendars(warehouse.con).sessions(Unit("XNYS")), source="x")
    models = "+flag_episodes,resource_type:model"
    target = build(home, "resource_type:seed", models, "flag_rule_versions")
    folder = target / "compiled" / "bellwether" / "models" / "intermediate"
    sql = {name: (folder / f"{name}.sql").read_text() for name in Models.names}
    with duckdb.connect(str(home / DATABASE)) as con:
        con.execute("drop view staging.flag_metrics")
        yield Models(con, sql)


def is_beyond(value: float, comparison: str, threshold: float) -> bool:
    return {
        "<": value < threshold,
        "<=": value <= threshold,
        ">": value > threshold,
        ">=": value >= threshold,
    }[comparison]


def walked(rule: Rule, values: list[Value]) -> list[Span]:
    """Walk one series: the definition of opening and closing in plain words."""
    found: list[Span] = []
    opened: date | None = None
    quiet, last = 0, FIRST
    for at in values:
        if rule.min_count is not None and (at.sample_count or 0) < rule.min_count:
            continue
        enters = is_beyond(at.value, rule.comparison, rule.enter_at) and (
            rule.qualifier_at is None
            or (
                at.qualifier is not None
                and is_beyond(at.qualifier, rule.qualifier_comparison or "", rule.qualifier_at)
            )
        )
        if rule.quiet_days is not None:
            if opened is not None and enters and at.day > last + timedelta(days=rule.quiet_days):
                found.append((opened, last + timedelta(days=rule.quiet_days)))
                opened = None
        elif not enters:
            leaves = rule.exit_at is None or is_beyond(
                at.value, ">" if rule.comparison.startswith("<") else "<", rule.exit_at
            )
            quiet = quiet + 1 if leaves else 0
            if opened is not None and quiet >= rule.min_days:
                found.append((opened, at.day))
                opened = None
        if enters:
            quiet, last = 0, at.day
            opened = opened or at.day
    if opened is not None:
        end = None if rule.quiet_days is None else last + timedelta(days=rule.quiet_days)
        found.append((opened, end if end is not None and end <= LAST else None))
    return found


def united(spans: list[Span]) -> list[Span]:
    """Days on which at least one span is open, as spans again."""
    days: set[date] = set()
    for opened, closed in spans:
        end = closed or LAST + timedelta(days=400)
        days |= {opened + timedelta(days=n) for n in range((end - opened).days)}
    edges = sorted(day for day in days if day - timedelta(days=1) not in days)
    ends = sorted(day + timedelta(days=1) for day in days if day + timedelta(days=1) not in days)
    return [
        (opened, None if end > LAST + timedelta(days=300) else end)
        for opened, end in zip(edges, ends, strict=True)
    ]


numbers = st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
maybe = st.none() | numbers
values = st.lists(
    st.builds(Value, st.just(FIRST), numbers, maybe, maybe), min_size=0, max_size=60
).map(lambda told: [replace(one, day=FIRST + timedelta(days=n)) for n, one in enumerate(told)])


@st.composite
def rules(draw: st.DrawFn, metric: str) -> Rule:
    comparison = draw(st.sampled_from(["<", "<=", ">", ">="]))
    enter, leave = sorted(draw(st.tuples(numbers, numbers)))
    is_below = comparison.startswith("<")
    qualifier_at = draw(st.none() | st.just(3.0))
    return Rule(
        metric=metric,
        comparison=comparison,
        enter_at=enter if is_below else leave,
        exit_at=draw(st.none() | st.just(leave if is_below else enter)),
        min_count=draw(st.none() | st.just(2.0)),
        qualifier_at=qualifier_at,
        qualifier_comparison=None if qualifier_at is None else draw(st.sampled_from([">", ">="])),
        min_days=draw(st.integers(1, 4)),
        quiet_days=draw(st.none() | st.integers(1, 9)),
    )


@settings(max_examples=60, deadline=None)
@given(one=rules("one"), other=rules("other"), first=values, second=values)
def test_episodes_are_those_of_a_plain_loop(
    models: Models, one: Rule, other: Rule, first: list[Value], second: list[Value]
) -> None:
    models.judge([one, other], {"one": first, "other": second})
    assert models.spans("AAA") == united(walked(one, first) + walked(other, second))
    assert models.spans("BBB") == united(walked(one, first[::2]) + walked(other, second[::2]))


FALL = [-0.1, -0.26, -0.2, -0.31, -0.1, -0.27, -0.1]
DEEP = Rule("drawdown_252d", "<=", -0.25, -0.15, None, None, 1, None)


def on_days(numbers: list[float]) -> list[Value]:
    return [Value(FIRST + timedelta(days=n), x, None, None) for n, x in enumerate(numbers)]


def test_a_changed_threshold_judges_history_anew_as_a_new_version(models: Models) -> None:
    seen = {}
    for rule in (DEEP, replace(DEEP, enter_at=-0.3), replace(DEEP, message="Fell {value_pct}")):
        models.judge([rule], {DEEP.metric: on_days(FALL)})
        seen[rule] = (len(models.spans("AAA")), models.version())
    before, changed, reworded = seen.values()
    assert (before[0], changed[0]) == (2, 1)
    assert before[1] != changed[1]
    assert before == reworded


@pytest.mark.parametrize("column", ["exit_at", "min_count", "qualifier_at", "severity_3_at"])
def test_every_number_of_a_rule_is_in_its_version(models: Models, column: str) -> None:
    models.judge([DEEP], {})
    before = models.version()
    change: dict[str, Any] = {column: -0.1}
    models.judge([replace(DEEP, **change)], {})
    assert models.version() != before


def seed(name: str = "risk_flag_rules") -> list[dict[str, str]]:
    return list(csv.DictReader((SEEDS / f"{name}.csv").read_text().splitlines()))


def test_every_flag_has_one_name() -> None:
    names = [row["flag"] for row in seed("flag_names")]
    assert sorted(names) == sorted({rule["flag"] for rule in seed()})


def test_a_flag_has_one_family_and_messages_name_what_there_is() -> None:
    families: dict[str, set[str]] = {}
    for rule in seed():
        families.setdefault(rule["flag"], set()).add(rule["family"])
        assert rule["comparison"] in ("<", "<=", ">", ">=")
        assert rule["kind"] in ("event", "exposure")
        assert rule["needs"] and rule["message"].endswith(".")
        left = rule["message"]
        for name in ("value", "enter", "newest", "newest_signed", "qualifier", "count", "day"):
            left = left.replace(f"{{{name}}}", "").replace(f"{{{name}_pct}}", "")
        assert "{" not in left and "}" not in left, rule["flag"]
        assert (
            not rule["exit_at"]
            or float(rule["exit_at"]) >= float(rule["enter_at"])
            or (rule["comparison"].startswith(">"))
        )
        compared = rule["qualifier_comparison"]
        assert compared in (">", ">=") if rule["qualifier_at"] else compared == ""
        if "{qualifier" in rule["message"]:
            assert rule["qualifier_at"]
    assert len(families) >= 25
    assert len({family for of_flag in families.values() for family in of_flag}) >= 7
    assert all(len(of_flag) == 1 for of_flag in families.values())
