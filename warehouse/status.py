"""How a home stands: what is fresh, late, refused, throttled, growing and due."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse import health, publish
from warehouse.settings import Home
from warehouse.sources.calendars import next_scheduled_ingest
from warehouse.sources.governor import standing
from warehouse.sources.inbox import strays, waiting
from warehouse.store import SIMULATED, keys, schema

# Of findings of one kind no more are told of.
MOST = 100


def report(home: Home, now: datetime, failing_jobs: Sequence[str] = ()) -> dict[str, Any]:
    """Return what is published, stored, late, silent, refused, due and how large, as plain values.

    What was refused, failed or drifted is that of the 30 days before `now` (UTC), by the last
    ingest; `failing_jobs` says of which jobs the newest run failed. Before the first refresh it
    looks into the build database, for a moment.
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
                select count(*), {distinct}, {newest}, max(stored_at) from raw.{table}
                """
            ).fetchone()
            assert row is not None
            names_ = ("rows", "tickers", "newest", "last_stored")
            tables.append({"table": table, **dict(zip(names_, row, strict=True))})
        simulated = con.execute(
            "select count(*) > 0 from raw.batches where source = ?", [SIMULATED]
        ).fetchone()
        size = health.size(home, con, now)
        of_marts = _of_marts(con) if made else {"data_quality": {}, "unknown_grades": []}
    with publish.reading_attempts(home) as (con, is_live):
        attempts = _of_attempts(con, now)
        rejected = dict(
            con.execute(
                "select table_name, count(*) from raw.rejects where rejected_at > ? group by all",
                [now - health.RECENT],
            ).fetchall()
        )
    for row in tables:
        row["rejected"] = rejected.get(row["table"], 0)
    failed = home.inbox / ".failed"
    return {
        "home": str(home.path),
        "published": asdict(made) if made else None,
        "shows_the_past": bool(made and not made.is_simulated and made.shows_the_past),
        "is_simulated": bool(simulated and simulated[0]),
        "tables": tables,
        "failing_jobs": list(failing_jobs),
        "attempts_are_live": is_live,
        **attempts,
        **of_marts,
        "size": {**asdict(size), "total_bytes": size.total_bytes, "is_over": size.is_over},
        "inbox": {
            "waiting": len(waiting(home.inbox)),
            "failed": sum(not _is_note(f) for f in failed.glob("*/*")),
            "never_read": strays(home.inbox),
        },
        "yahoo": _yahoo(home),
        "next_scheduled_ingest": next_scheduled_ingest(now.replace(tzinfo=UTC)).strftime(
            "%Y-%m-%d %H:%M %Z"
        ),
    }


def _of_attempts(con: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Any]:
    since = now - health.RECENT

    def told(findings: list[health.Finding]) -> list[dict[str, Any]]:
        return [{"what": str(found), "count": found.count} for found in findings[:MOST]]

    return {
        "failures": told(health.failures(con, since, now)),
        "empties": told(health.empties(con, since, now)),
        "rejects": told(health.rejected(con, since)),
        "drifts": told(health.drifted(con, since)),
        "late": health.in_sentences(health.late(con, now)),
        "silent": [str(found) for found in health.silences(con, now)],
        "throttled": health.throttled(con, now),
    }


def _of_marts(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    grades = con.execute(
        """
        select case grade when '' then '(blank)' else grade end as what, event_count as count
        from staging.unknown_grades order by count desc, what limit 20
        """
    ).fetchall()
    quality = con.execute("select status, count(*) from marts.data_quality group by all").fetchall()
    return {
        "data_quality": dict(quality),
        "unknown_grades": [{"what": what, "count": count} for what, count in grades],
    }


def _is_note(file: Path) -> bool:
    """Whether it says what is wrong with the file it lies beside."""
    return file.suffix == ".txt" and os.path.lexists(file.with_suffix(""))


def _yahoo(home: Home) -> dict[str, Any]:
    """Say how we stand with Yahoo; nothing of it opens the pipeline's database."""
    stands = asdict(standing(home.yahoo))
    return {name: str(v) if isinstance(v, datetime) else v for name, v in stands.items()}
