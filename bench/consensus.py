"""The consensus from nothing and for one more session: 300 tickers, 10 years, 180,000 events.

Each ticker also has a bar a session and, in the last year, a snapshot a session.

Facts are generated, stored by the store and built by dbt in this process. Seconds are dbt's own of
each model the consensus rests on.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import exchange_calendars
import pandas as pd

from bench.project import cut_down
from orchestration import dbt
from orchestration.dbt import Built
from warehouse.settings import Home
from warehouse.store import Warehouse

TICKERS, SESSIONS, EVENTS, FIRMS = 300, 2520, 180_000, 25
# Late, corrected, without a target, with one in another currency: in percent.
LATE, CORRECTED, BARE, FOREIGN = 3, 1, 20, 1


def generate() -> duckdb.DuckDBPyConnection:
    """Return generated facts: `days`, `walk` (closes) and `told` (events)."""
    con = duckdb.connect()
    con.execute("select setseed(0.5)")
    schedule = exchange_calendars.get_calendar("XNYS").schedule
    closed = schedule[schedule["close"] < pd.Timestamp(datetime.now(UTC))].tail(SESSIONS + 1)
    days = pd.DataFrame(
        {
            "exchange": "XNYS",
            "session_date": schedule.index.date,
            "opens_at": schedule["open"].dt.tz_convert(None),
            "closes_at": schedule["close"].dt.tz_convert(None),
        }
    )
    con.register("days", days)
    con.register("closed", days[days["session_date"].isin(closed.index.date)])
    con.execute(
        f"""
        create temp table walk as
        select
            't' || t as ticker, session_date, closes_at,
            100 * exp(sum(case when n = 1 then 0 else 0.018 * (random() + random() - 1) end)
                over (partition by t order by session_date)) as close,
            n
        from range({TICKERS}) as tickers(t),
            (select *, row_number() over (order by session_date) as n from closed) as numbered;
        create temp table events as
        select
            't' || e % {TICKERS} as ticker,
            'Firm ' || cast(floor(random() * {FIRMS}) as integer) as firm,
            cast(floor(1 + random() * {SESSIONS + 1}) as integer) as n,
            random() as word, random() as size, 100 * random() as fate
        from range({EVENTS}) as events(e);
        create temp table told as
        select
            e.ticker, firm, session_date as graded_on, closes_at - interval 3 hour as graded_at,
            case when word < 0.15 then 'Strong Buy' when word < 0.5 then 'Buy'
                when word < 0.6 then 'Overweight' when word < 0.9 then 'Hold'
                when word < 0.98 then 'Underperform' else 'Suspended' end as to_grade,
            case when size < {BARE / 100} then null else round(close * (0.7 + size), 2) end
                as target,
            case when fate > 100 - {FOREIGN} then 'EUR' end as target_currency,
            closes_at - interval 2 hour
                + case when fate < {LATE} then interval 30 day else interval 0 day end as known_at,
            fate
        from events e join walk on walk.ticker = e.ticker and walk.n = e.n
        where closes_at + interval 31 day < (select max(closes_at) from walk) or fate >= {LATE};
        """
    )
    return con


def tell(home: Home, con: duckdb.DuckDBPyConnection, *, is_last: bool) -> None:
    """Store the last session, or all before it: bars, snapshots, events and corrections."""
    is_now = f"n {'=' if is_last else '<'} (select max(n) from walk)"
    on_day = is_now.replace("n ", "graded_on ", 1).replace("max(n)", "max(session_date)")
    frames = {
        "prices": f"""
            select ticker, session_date, close, true as is_final,
                closes_at + interval 1 hour as known_at
            from walk where {is_now}
            """,
        "ratings": f"""
            select * exclude (fate) from told where {on_day}
            union all
            select * exclude (fate) replace (target * 1.1 as target,
                known_at + interval 2 day as known_at)
            from told
            where fate between 50 and 50 + {CORRECTED} and {on_day} and not {is_last}
                and graded_on < (select max(session_date) from walk) - 5
            """,
        "consensus": f"""
            select ticker, session_date as snapshot_date, 3 as strong_buy, 12 as buy, 7 as hold,
                1 as sell, 0 as strong_sell, close * 1.1 as target_mean, 20 as target_count,
                closes_at + interval 1 hour as known_at
            from walk where {is_now} and n > {SESSIONS - 252}
            """,
    }
    with Warehouse(home.build) as warehouse:
        if not is_last:
            warehouse.append("sessions", con.sql("from days").df(), source="exchange_calendars")
            listed = "select distinct ticker, 'NYQ' as exchange, 'USD' as currency from walk"
            warehouse.append("securities", con.sql(listed).df(), source="inbox")
        for table, query in frames.items():
            counts = warehouse.append(table, con.sql(query).df(), source="inbox")
            print(f"  {table}: {counts.stored:,} stored")


def build(home: Home) -> list[Built]:
    """Build everything the consensus needs, and it."""
    built = dbt.build(dbt.prepare_manifest(), home, as_of=datetime.now(UTC).replace(tzinfo=None))
    bad = [(node.name, node.message) for node in built if not node.is_good]
    assert not bad, bad
    return built


def show(built: list[Built]) -> None:
    """Print dbt's seconds of each model."""
    models = [node for node in built if node.kind == "model"]
    for node in sorted(models, key=lambda node: -node.seconds)[:14]:
        print(f"  {node.name:<32}{node.seconds:7.2f} s")
    print(f"  {f'all {len(models)} models':<32}{sum(node.seconds for node in models):7.2f} s")


def main() -> None:
    """Run both and print the seconds."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--home", type=Path, help="folder to work in; one that goes away if none")
    folder = options.parse_args().home
    with tempfile.TemporaryDirectory() as temporary:
        home = Home(folder or Path(temporary) / "home")
        cut_down(Path(temporary) / "dbt_project", "consensus_history", "votes")
        con = generate()
        for title, is_last in (("From nothing", False), ("One more session", True)):
            print(title)
            tell(home, con, is_last=is_last)
            show(build(home))


if __name__ == "__main__":
    main()
