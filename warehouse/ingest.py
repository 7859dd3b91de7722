"""One ingest of one raw table: ask the source unit by unit, store its answer, say how it went."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd

from warehouse.errors import EmptyAnswer, Failed, Malformed, SourceError
from warehouse.health import FEEDS, Late, Silence, ahead, keep_attempts, late, silence
from warehouse.news import SCORED_TABLES
from warehouse.news.scorer import NewsScorer
from warehouse.settings import Home
from warehouse.sources import Drift, Source, Unit, open_source
from warehouse.sources.calendars import Calendars
from warehouse.sources.universe import Universe
from warehouse.store import SIMULATED, Counts, Warehouse, keys

PREVIEW_ROWS = 5
# So many attempts of a table that fail in a row end its load; the rest is asked for after a pause.
MOST_FAILURES = 5
PAUSE = timedelta(minutes=30)


@dataclass
class Ingested:
    """What one ingest did to one raw table.

    `outcomes` counts attempts by how they ended; `failures` says why those that did not end well
    failed, `warnings` what is worth knowing of those that found nothing or were put off. `drifts`
    are fields of answers that were not as declared; a `silence` says that the feed seems frozen,
    and `late` of which exchanges' tickers nothing was told since they closed.
    With `resume_at` (UTC) the source is to be left alone until then, and not all was asked.
    `data_version` is the batch that last changed the table; `preview` its newest rows.
    """

    table: str
    counts: Counts = field(default_factory=Counts)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    silence: Silence | None = None
    late: list[Late] = field(default_factory=list)
    resume_at: datetime | None = None
    requests: int = 0
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
    whatever the source. How the attempts ended is kept beside the published file, too, which stays
    as it is where nothing was stored.
    """
    done = Ingested(table)
    with Warehouse(home.build) as warehouse:
        clock = ahead(warehouse.con, warehouse.now())
        told_by: Source
        if table == "sessions":
            told_by = Calendars(warehouse.con)
        elif table == "universe" and source != SIMULATED:
            told_by = Universe(warehouse.con)
        else:
            told_by = open_source(source, home, warehouse, load_id)
        if table in told_by.tables:
            _ingest_units(warehouse, told_by, table, load_id, tickers, done)
        if table in SCORED_TABLES:
            _ingest_units(warehouse, NewsScorer(warehouse.con), table, load_id, (), done)
        now = warehouse.now()
        if table in FEEDS and (found := silence(warehouse.con, table, now)) is not None:
            done.silence = found
            done.warnings.append(str(found))
        done.late = [found for found in late(warehouse.con, now) if found.table == table]
        if clock is not None and done.outcomes:
            done.warnings.append(clock)
        if done.outcomes or not home.attempts.exists():
            keep_attempts(home, warehouse.con, now)
        done.data_version = warehouse.data_version(table)
        row = warehouse.con.execute(f"select count(*) from raw.{table}").fetchone()
        done.row_count = row[0] if row else 0
        done.preview = warehouse.con.execute(
            f"select * exclude (row_id, payload, batch_id) from raw.{table} "
            f"order by stored_at desc, {keys(table)[-1]} desc limit {PREVIEW_ROWS}"
        ).df()
    return done


def _ingest_units(
    warehouse: Warehouse,
    source: Source,
    table: str,
    load_id: str,
    tickers: Sequence[str],
    done: Ingested,
) -> None:
    units = source.pending(table, tickers)
    in_a_row = 0
    for number, unit in enumerate(units, 1):
        outcome = _ingest_unit(warehouse, source, table, unit, load_id, tickers, done)
        in_a_row = in_a_row + 1 if outcome == Failed.outcome and unit.ticker else 0
        if in_a_row == MOST_FAILURES or (in_a_row == number == len(units)):
            # One ticker may fail for reasons of its own, so many in a row hardly.
            done.resume_at = done.resume_at or datetime.now(UTC).replace(tzinfo=None) + PAUSE
        if done.resume_at is not None:
            done.warnings.append(
                f"{len(units) - number} of {len(units)} were not asked for; the next attempt "
                f"is due at {done.resume_at:%Y-%m-%d %H:%M} UTC."
            )
            break
    done.drifts = list(source.drifts)
    for drift in done.drifts:
        warehouse.record_drift(load_id=load_id, source=source.name, table=table, drift=drift)


def _ingest_unit(
    warehouse: Warehouse,
    source: Source,
    table: str,
    unit: Unit,
    load_id: str,
    tickers: Sequence[str],
    done: Ingested,
) -> str:
    started, sent_before = time.monotonic(), source.requests
    counts, outcome, reason, error = Counts(), "ok", None, None
    batch_id, stored_as = uuid.uuid4().hex, None
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
                batch_id=batch_id,
                file=file,
                file_hash=unit.file_hash,
            )
            stored_as = batch_id
            # Of a part of what is stored there may be nothing to tell.
            if not any(astuple(counts)) and unit.part is None:
                raise EmptyAnswer("It holds no rows.")
            if counts.rejected:
                rejects = warehouse.rejects(load_id, table, file)
            if counts.rejected and not (counts.stored or counts.unchanged or counts.duplicates):
                raise Malformed(f"None of its {counts.rejected} rows could be stored.")
    except SourceError as failure:
        error, outcome, reason = failure, failure.outcome, str(failure)
        told = f"{file or unit.ticker or table}: {failure}"
        is_mild = file is None and failure.outcome in ("empty", "throttled")
        (done.warnings if is_mild else done.failures).append(told)
        done.resume_at = failure.resume_at
    warehouse.record_fetch(
        load_id=load_id,
        batch_id=stored_as,
        source=source.name,
        table=table,
        ticker=unit.ticker if table != "sessions" else None,
        file=file,
        outcome=outcome,
        reason=reason,
        requests=source.requests - sent_before,
        rows=counts.stored + counts.unchanged + counts.rejected + counts.duplicates,
        seconds=time.monotonic() - started,
    )
    source.settle(table, unit, error, rejects)
    done.requests += source.requests - sent_before
    done.counts += counts
    done.outcomes[outcome] += 1
    return outcome
