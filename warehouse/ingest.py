"""One ingest of one raw table: ask the source unit by unit, store its answer, say how it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import pandas as pd

from warehouse.errors import EmptyAnswer, Malformed, SourceError
from warehouse.news import SCORED_TABLES
from warehouse.news.scorer import NewsScorer
from warehouse.settings import Home
from warehouse.sources import Source, Unit, open_source
from warehouse.sources.calendars import Calendars
from warehouse.sources.universe import Universe
from warehouse.store import SIMULATED, Counts, Warehouse, keys

PREVIEW_ROWS = 5


@dataclass
class Ingested:
    """What one ingest did to one raw table.

    `outcomes` counts attempts by how they ended; `failures` says why those that did not end well
    failed. `data_version` is the batch that last changed the table; `preview` its newest rows.
    """

    table: str
    counts: Counts = field(default_factory=Counts)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    data_version: str | None = None
    row_count: int = 0
    preview: pd.DataFrame = field(default_factory=pd.DataFrame)


def ingest(
    home: Home, table: str, source: str, *, load_id: str, tickers: Sequence[str] = ()
) -> Ingested:
    """Bring what `source` has for `table` into the raw store of `home`.

    A unit that fails is recorded in `raw.fetches` and never stops the others; a table the source
    does not know of is left as it is. `raw.sessions` always comes from exchange_calendars,
    `raw.universe` from universe.csv unless the source is the sample, and the stored news are scored
    whatever the source.
    """
    done = Ingested(table)
    with Warehouse(home.build) as warehouse:
        told_by: Source
        if table == "sessions":
            told_by = Calendars(warehouse.con)
        elif table == "universe" and source != SIMULATED:
            told_by = Universe(warehouse.con)
        else:
            told_by = open_source(source, home, warehouse)
        if table in told_by.tables:
            for unit in told_by.pending(table, tickers):
                _ingest_unit(warehouse, told_by, table, unit, load_id, tickers, done)
        if table in SCORED_TABLES:
            scorer = NewsScorer(warehouse.con)
            for unit in scorer.pending(table):
                _ingest_unit(warehouse, scorer, table, unit, load_id, (), done)
        done.data_version = warehouse.data_version(table)
        row = warehouse.con.execute(f"select count(*) from raw.{table}").fetchone()
        done.row_count = row[0] if row else 0
        done.preview = warehouse.con.execute(
            f"select * exclude (row_id, payload, batch_id) from raw.{table} "
            f"order by stored_at desc, {keys(table)[-1]} desc limit {PREVIEW_ROWS}"
        ).df()
    return done


def _ingest_unit(
    warehouse: Warehouse,
    source: Source,
    table: str,
    unit: Unit,
    load_id: str,
    tickers: Sequence[str],
    done: Ingested,
) -> None:
    started = time.monotonic()
    counts, outcome, reason, error = Counts(), "ok", None, None
    rejects: list[str] = []
    # A name that is not UTF-8 cannot be stored as it is.
    file = unit.file.name.encode(errors="replace").decode() if unit.file else None
    try:
        if unit.file_hash and warehouse.has_file(table, unit.file_hash):
            reason = "its content was stored before"
        else:
            frame = getattr(source, table)(unit)
            if tickers and isinstance(frame, pd.DataFrame) and "ticker" in frame:
                frame = frame[frame["ticker"].isin(tickers)]
            counts = warehouse.append(
                table,
                frame,
                source=source.name,
                load_id=load_id,
                file=file,
                file_hash=unit.file_hash,
            )
            # Of a part of what is stored there may be nothing to tell.
            if not any(astuple(counts)) and unit.part is None:
                raise EmptyAnswer("It holds no rows.")
            if counts.rejected:
                rejects = warehouse.rejects(load_id, table, file)
            if counts.rejected and not (counts.stored or counts.unchanged or counts.duplicates):
                raise Malformed(f"None of its {counts.rejected} rows could be stored.")
    except SourceError as failure:
        error, outcome, reason = failure, failure.outcome, str(failure)
        done.failures.append(f"{file or unit.ticker or table}: {failure}")
    warehouse.record_fetch(
        load_id=load_id,
        source=source.name,
        table=table,
        ticker=unit.ticker if table != "sessions" else None,
        file=file,
        outcome=outcome,
        reason=reason,
        rows=counts.stored + counts.unchanged + counts.rejected + counts.duplicates,
        seconds=time.monotonic() - started,
    )
    source.settle(table, unit, error, rejects)
    done.counts += counts
    done.outcomes[outcome] += 1
