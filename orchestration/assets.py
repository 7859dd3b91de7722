"""Raw assets: one for each fact table of the raw store, of the same name; each calls `ingest`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache

import dagster as dg
import duckdb
from pydantic import Field

from orchestration.inputs import EMPTY, FAULT, INCOMPLETE, RESUME_AT, is_of_the_machine, key
from orchestration.lock import Writer
from orchestration.preview import preview
from warehouse.health import FEEDS, Late, in_sentences
from warehouse.ingest import Ingested, ingest
from warehouse.news import SCORED_TABLES
from warehouse.sources.drift import declared
from warehouse.store import SCHEMA_SQL, SIMULATED, schema

# Whom the schedule asks, and a run that does not say.
DEFAULT_SOURCE = "yahoo"
DRIFT_CHECK, ALIVE_CHECK, FRESH_CHECK = "schema_drift", "feed_alive", "fresh"
# What is asked for first, for the days on which a source does not let us ask for all: what matters
# most, and together what is made of the same answers.
_FIRST = (
    *("universe", "prices", "securities", "consensus", "valuations", "short_interest"),
    "ratings",
)
# The tables whose tickers say which exchanges' sessions are needed.
_NAMING_TICKERS = ("universe", "securities", "prices", "ratings", "consensus", "news")
_LOG_TABLES = ("fetches", "rejects", "batches", "drifts")


class IngestSettings(dg.ConfigurableResource["IngestSettings"]):
    """Which source one run asks, and for which tickers; none means all."""

    source: str = DEFAULT_SOURCE
    tickers: list[str] = Field(default_factory=list)


def raw_assets() -> list[dg.AssetsDefinition]:
    """Return the assets that bring facts in."""
    return [_raw_asset(table) for table in schema()]


def raw_logs() -> list[dg.AssetSpec]:
    """Return the tables that every raw asset writes besides its own."""
    return [
        dg.AssetSpec(key(table), group_name="raw", kinds={"duckdb"}, description=_comments()[table])
        for table in _LOG_TABLES
    ]


def raw_checks() -> list[dg.AssetCheckKey]:
    """Return the checks that raw assets make of what a source told."""
    return [spec.key for table in schema() for spec in _checks(table)]


def _checks(table: str) -> list[dg.AssetCheckSpec]:
    specs = []
    if declared(table):
        what = "The answers have the fields declared in the seed yahoo_fields."
        specs.append(dg.AssetCheckSpec(DRIFT_CHECK, asset=key(table), description=what))
        what = "It was told of since the last session of each exchange closed, by its calendar."
        specs.append(dg.AssetCheckSpec(FRESH_CHECK, asset=key(table), description=what))
    if table in FEEDS:
        what = "The feed tells of something new for some ticker, as often as it usually does."
        specs.append(dg.AssetCheckSpec(ALIVE_CHECK, asset=key(table), description=what))
    return specs


def _raw_asset(table: str) -> dg.AssetsDefinition:
    checks = _checks(table)

    @dg.asset(
        key=key(table),
        group_name="raw",
        kinds={"duckdb", "python"},
        description=_comments()[table],
        deps=[key(name) for name in _after(table)],
        op_tags={"dagster/priority": str(-_FIRST.index(table) if table in _FIRST else -99)},
        check_specs=checks,
        metadata={
            "dagster/table_name": f"raw.{table}",
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(c.name, c.type.lower()) for c in schema()[table]]
            ),
        },
    )
    def raw(
        context: dg.AssetExecutionContext, writer: Writer, settings: IngestSettings
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads only the bare name
        started = time.monotonic()
        try:
            done = ingest(
                writer.home,
                table,
                settings.source,
                load_id=context.run.run_id,
                tickers=settings.tickers,
            )
        except Exception as error:
            if not is_of_the_machine(error):
                context.instance.add_run_tags(context.run.run_id, {FAULT: "true"})
            raise
        if table == "sessions":
            # The last of a run: the tables in which all of them kept their books are as new.
            for name in _LOG_TABLES:
                context.log_event(
                    dg.AssetMaterialization(key(name), tags={"dagster/data_version": "log"})
                )
        for failure in (*done.failures, *done.warnings):
            context.log.warning(f"raw/{table}: {failure}")
        tags = _left_over(done)
        if tags:
            context.instance.add_run_tags(context.run.run_id, tags)
        return dg.MaterializeResult(
            check_results=[_CHECKS[spec.name](done) for spec in checks],
            metadata={**_source(settings.source), **_metadata(done, time.monotonic() - started)},
            data_version=dg.DataVersion(done.data_version) if done.data_version else EMPTY,
        )

    return raw


def _after(table: str) -> Sequence[str]:
    """Tables that must be as new as a run makes them before this one is made."""
    if table == "sessions":
        return _NAMING_TICKERS
    # Scores are of the news stored, and find companies by their names; the sentiment comes last.
    scored = ("news", "securities") if table in SCORED_TABLES else ()
    return (*scored, "news_topics", "broker_calls") if table == "news_signals" else scored


def _left_over(done: Ingested) -> dict[str, str]:
    """Tags of a run that did not get from its source what it was to ask for."""
    if done.resume_at is not None:
        return {INCOMPLETE: "true", RESUME_AT: done.resume_at.isoformat()}
    is_failure = done.failures and not {"ok", "empty"} & set(done.outcomes)
    return {INCOMPLETE: "true"} if is_failure else {}


def _drift_result(done: Ingested) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not done.drifts,
        check_name=DRIFT_CHECK,
        asset_key=key(done.table),
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(
            f"{drift.field} ({drift.ticker or 'all'}): {drift.found}, not {drift.expected}"
            for drift in done.drifts[:20]
        ),
        metadata={"drifts": len(done.drifts)},
    )


def _alive_result(done: Ingested) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=done.silence is None,
        check_name=ALIVE_CHECK,
        asset_key=key(done.table),
        severity=dg.AssetCheckSeverity.WARN,
        description=str(done.silence or ""),
        metadata={"silent_sessions": done.silence.sessions if done.silence else 0},
    )


def _fresh_result(done: Ingested) -> dg.AssetCheckResult:
    told = in_sentences(done.late)
    return dg.AssetCheckResult(
        passed=not told,
        check_name=FRESH_CHECK,
        asset_key=key(done.table),
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(told),
    )


def fresh_now(found: Sequence[Late]) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the check `fresh` of each table as time alone makes it, without a run."""
    for table in filter(declared, schema()):
        told = in_sentences([one for one in found if one.table == table])
        yield dg.AssetCheckEvaluation(
            asset_key=key(table),
            check_name=FRESH_CHECK,
            passed=not told,
            metadata={},
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(told),
        )


_CHECKS = {DRIFT_CHECK: _drift_result, ALIVE_CHECK: _alive_result, FRESH_CHECK: _fresh_result}


def _source(name: str) -> Mapping[str, str]:
    return {"source": f"{name} (simulated sample)" if name == SIMULATED else name}


def _metadata(done: Ingested, seconds: float) -> Mapping[str, dg.MetadataValue | str | int | float]:
    return {
        "dagster/row_count": done.row_count,
        "new": done.counts.new,
        "changed": done.counts.changed,
        "unchanged": done.counts.unchanged,
        "rejected": done.counts.rejected,
        "duplicates": done.counts.duplicates,
        "outcomes": dg.MetadataValue.json(dict(done.outcomes)),
        "failures": dg.MetadataValue.json(done.failures),
        "warnings": dg.MetadataValue.json(done.warnings),
        "drifts": dg.MetadataValue.json([asdict(drift) for drift in done.drifts]),
        "requests": done.requests,
        "newest_rows": dg.MetadataValue.md(
            preview(list(done.preview.columns), done.preview.astype(object).values.tolist())
        ),
        "seconds": round(seconds, 3),
    }


@cache
def _comments() -> dict[str, str]:
    with duckdb.connect() as con:
        con.execute(SCHEMA_SQL.read_text())
        return dict(
            con.execute(
                "select table_name, comment from duckdb_tables() where schema_name = 'raw'"
            ).fetchall()
        )
