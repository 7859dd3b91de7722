"""The close a claim is checked against is that of the source that counts, as it stood then."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import pytest

from warehouse.claims.facts import Facts

DAY = date(2025, 3, 3)
EVENING, NOON = datetime(2025, 3, 3, 21, 15), datetime(2025, 3, 3, 17)
WEEK_LATER, FORTNIGHT_LATER = datetime(2025, 3, 10), datetime(2025, 3, 17)

# Close, source's priority, rank of the source at its moment, known from, told anew.
TOLD = [
    (100.0, 1, 1, EVENING, FORTNIGHT_LATER),
    (80.0, 2, 2, EVENING, WEEK_LATER),
    (90.0, 2, 1, WEEK_LATER, None),
    (101.0, 1, 1, FORTNIGHT_LATER, None),
]


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        """
        create schema staging;
        create schema raw;
        create table staging.stg_calendar_days as select
            'XNYS' as exchange, date '2025-03-03' as day,
            timestamp '2025-03-03 14:30' as opens_at,
            timestamp '2025-03-03 21:00' as closes_at,
            timestamp '2025-03-04 14:30' as next_opens_at,
            1 as session_number, true as is_session;
        create table staging.stg_listings as select 'AAA' as ticker, 'XNYS' as exchange;
        create table raw.prices (
            row_id varchar, open double, high double, low double, volume double, dividend double
        );
        create table staging.stg_price_versions (
            row_id varchar, ticker varchar, session_date date, close double, split_factor double,
            is_final boolean, source_priority integer, source_rank integer, known_from timestamp,
            superseded_at timestamp
        );
        create table staging.stg_prices (
            session_date date, open double, high double, low double, close double, volume double,
            dividend double, row_id varchar, known_from timestamp, ticker varchar, is_final boolean
        )
        """
    )
    for close, priority, rank, known_from, superseded_at in TOLD:
        con.execute("insert into raw.prices values (?, ?, ?, ?, 1, 0)", [str(close), *[close] * 3])
        con.execute(
            "insert into staging.stg_price_versions values (?, 'AAA', ?, ?, 1, true, ?, ?, ?, ?)",
            [str(close), DAY, close, priority, rank, known_from, superseded_at],
        )
    con.execute(
        "insert into staging.stg_prices values (?, 1, 1, 1, 101, 1, 0, '101.0', ?, 'AAA', true)",
        [DAY, FORTNIGHT_LATER],
    )
    return con


@pytest.mark.parametrize(
    ("moment", "close"),
    [
        (NOON, 100.0),
        (EVENING, 100.0),
        (WEEK_LATER, 100.0),
        (FORTNIGHT_LATER, 101.0),
    ],
)
def test_the_close_is_that_of_the_source_that_counts(
    con: duckdb.DuckDBPyConnection, moment: datetime, close: float
) -> None:
    [bar] = Facts(con, "AAA", moment).bars
    assert bar.close == close
