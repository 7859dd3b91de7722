"""How a home stands: what is fresh, late, refused, throttled, growing and due."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from warehouse import health, publish
from warehouse.settings import Home
from warehouse.sources.governor import standing
from warehouse.sources.inbox import strays, waiting
from warehouse.store import SIMULATED, keys, schema


def report(home: Home) -> dict[str, Any]:
    """Return what is published, stored, late, silent, refused, due and how large, as plain values.

    Before the first refresh it looks into the build database, for a moment.
    """
    made = publish.newest(home)
    tables = []
    with publish.reading(home) if made else publish.reading_build(home) as con:
        for table, columns in schema().items():
            names = {c.name for c in columns}
            dated = [k for k in keys(table) if k.endswith(("_date", "_on", "_end"))]
            dated += [c.name for c in columns if c.name == "published_at"]
            newest = f"max(cast({dated[0]} as date))" if dated else "null"
            distinct = "count(distinct ticker)" if "ticker" in names else "null"
            row = con.execute(
                f"""
                select count(*), {distinct}, {newest}, max(stored_at),
                    (select count(*) from raw.rejects where table_name = ?)
                from raw.{table}
                """,
                [table],
            ).fetchone()
            assert row is not None
            names_ = ("rows", "tickers", "newest", "last_stored", "rejected")
            tables.append({"table": table, **dict(zip(names_, row, strict=True))})
        rejects = con.execute(
            """
            select table_name || ': ' || reason as what, count(*) as count
            from raw.rejects group by all order by count desc, what limit 20
            """
        ).fetchall()
        failures = con.execute(
            """
            select table_name || ' ' || coalesce(ticker, file, '') || ': ' || outcome || ', '
                || coalesce(reason, '') as what, count(*) as count
            from raw.fetches where outcome <> 'ok' group by all
            order by max(fetched_at) desc limit 20
            """
        ).fetchall()
        simulated = con.execute(
            "select count(*) > 0 from raw.batches where source = ?", [SIMULATED]
        ).fetchone()
        now = datetime.now(UTC).replace(tzinfo=None)
        size = health.size(home, con, now)
        throttled = con.execute(
            "select count(*) from raw.fetches where outcome = 'throttled' and fetched_at > ?",
            [now - timedelta(days=1)],
        ).fetchone()
        well = {
            "late": [str(found) for found in health.late(con, now)],
            "silent": [str(found) for found in health.silences(con)],
            "throttled": throttled[0] if throttled else 0,
            "size": {**asdict(size), "total_bytes": size.total_bytes, "is_over": size.is_over},
        }
        of_marts = (
            _of_marts(con) if made else {"data_quality": {}, "drifts": [], "unknown_grades": []}
        )
    failed = home.inbox / ".failed"
    return {
        "home": str(home.path),
        "published": asdict(made) if made else None,
        "shows_the_past": bool(made and not made.is_simulated and made.shows_the_past),
        "is_simulated": bool(simulated and simulated[0]),
        "tables": tables,
        "rejects": [{"what": what, "count": count} for what, count in rejects],
        "failures": [{"what": what, "count": count} for what, count in failures],
        **of_marts,
        **well,
        "inbox": {
            "waiting": len(waiting(home.inbox)),
            "failed": sum(not _is_note(f) for f in failed.glob("*/*")),
            "never_read": strays(home.inbox),
        },
        "yahoo": _yahoo(home),
        "next_scheduled_ingest": _next_ingest(),
    }


def _of_marts(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    drifts = con.execute(
        """
        select check_name || ': ' || reason from marts.data_quality
        where check_name like 'schema_drift%' order by 1
        """
    ).fetchall()
    grades = con.execute(
        """
        select case grade when '' then '(blank)' else grade end as what, event_count as count
        from staging.unknown_grades order by count desc, what limit 20
        """
    ).fetchall()
    quality = con.execute("select status, count(*) from marts.data_quality group by all").fetchall()
    return {
        "data_quality": dict(quality),
        "drifts": [row[0] for row in drifts],
        "unknown_grades": [{"what": what, "count": count} for what, count in grades],
    }


def _is_note(file: Path) -> bool:
    """Whether it says what is wrong with the file it lies beside."""
    return file.suffix == ".txt" and file.with_suffix("").exists()


def _yahoo(home: Home) -> dict[str, Any]:
    """Say how we stand with Yahoo; nothing of it opens the pipeline's database."""
    stands = asdict(standing(home.yahoo))
    return {name: str(v) if isinstance(v, datetime) else v for name, v in stands.items()}


def _next_ingest() -> str:
    from orchestration.automation import next_scheduled_ingest

    return next_scheduled_ingest(datetime.now(UTC)).strftime("%Y-%m-%d %H:%M %Z")
