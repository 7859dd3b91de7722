"""What a live source keeps current: tickers, and since when nothing new can be told of one."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb

from warehouse.settings import SEEDS
from warehouse.sources import universe
from warehouse.sources.calendars import closes_at, last_close

RISK_FREE = "^IRX"
FINAL_AFTER = timedelta(minutes=15)


def listings(
    con: duckdb.DuckDBPyConnection, source: str, covered: Path, today: date
) -> dict[str, str | None]:
    """Return the tickers to keep current and their exchange codes: companies, benchmarks, rates.

    Those on the list at `covered` that are listed still, what they are measured against, the
    risk-free rate, and the exchange rates to dollars of the currencies that `source` told of.
    """
    entries = universe.read(covered)
    listed = [e for e in entries if not e["listed_to"] or e["listed_to"] >= today.isoformat()]
    found: dict[str, str | None] = {e["ticker"]: e["exchange"] or None for e in listed}
    for benchmark in [e["benchmark"] for e in listed if e["benchmark"]] + [RISK_FREE]:
        found.setdefault(benchmark, None)
    used = {e["currency"] for e in listed} | {
        code
        for row in con.execute(
            """
            select currency, financial_currency from raw.securities
            where source = ? and list_contains(?, ticker)
            """,
            [source, list(found)],
        ).fetchall()
        for code in row
    }
    majors = _major_codes()
    for code in sorted({majors[code] for code in used if code in majors} - {"USD"}):
        found.setdefault(f"{code}=X", "CCY")
    return found


@lru_cache(maxsize=64)
def newest_close(calendar: str | None, now: datetime) -> datetime:
    """When the newest bar of a calendar became final; the day's begin where none is known."""
    if calendar is None:
        return datetime.combine(now.date(), datetime.min.time())
    return last_close(calendar, now - FINAL_AFTER) + FINAL_AFTER


def is_final(calendar: str | None, day: date, asked_at: datetime) -> bool:
    """Whether the bar of a day was final when it was asked for."""
    if asked_at.date() - day > timedelta(days=3):
        return True
    closes = closes_at(calendar, day) if calendar else None
    begins = datetime.combine(day, datetime.min.time())
    return asked_at >= (closes + FINAL_AFTER if closes else begins + timedelta(days=1))


@lru_cache(maxsize=1)
def _major_codes() -> dict[str, str]:
    with (SEEDS / "currencies.csv").open(newline="", encoding="utf-8") as file:
        return {row["code"]: row["major_code"] for row in csv.DictReader(file)}
