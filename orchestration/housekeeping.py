"""Once a day: the digest of what changed and what needs a person, and old runs are forgotten."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from orchestration.lock import Writer
from warehouse import digest, publish

DIGEST, RECORDS = dg.AssetKey(["home", "digest"]), dg.AssetKey(["home", "records"])
SIZE_CHECK = "size_budget"
HOUSE_CHECKS = [dg.AssetCheckKey(DIGEST, SIZE_CHECK)]
# Runs older than this are forgotten, but for each job's newest and those that made what is newest.
KEPT_DAYS, KEPT_RUNS = 180, 200
MOST_FORGOTTEN = 500
_FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)


@dg.asset(
    key=DIGEST,
    group_name="home",
    kinds={"markdown"},
    description="One Markdown and one JSON file a day in `<home>/digests/`: what failed, is late "
    "or fell silent, which flags opened and closed.",
    check_specs=[
        dg.AssetCheckSpec(
            SIZE_CHECK, asset=DIGEST, description="The home is no larger than its budget."
        ),
    ],
)
def daily_digest(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster reads only the bare name
    """Write the digest and send it where the environment names."""
    home, now = writer.home, datetime.now(UTC).replace(tzinfo=None)
    if publish.newest(home) is None:
        raise dg.Failure("Nothing is published yet: there is nothing to tell of.")
    made = digest.compose(home, now, failed_runs(context.instance, digest.since(home, now)))
    file = digest.write(home, made)
    for failure in digest.send(made):
        context.log.warning(failure)
    size = made["size"]
    return dg.MaterializeResult(
        metadata={
            "digest": dg.MetadataValue.md(digest.markdown(made)),
            "file": dg.MetadataValue.path(str(file)),
            "needs_attention": digest.needs_attention(made),
        },
        check_results=[
            _warned(
                SIZE_CHECK,
                [f"{size['total_bytes'] / 1e9:.1f} GB of {size['budget_bytes'] / 1e9:.1f} GB"]
                if size["is_over"]
                else [],
            ),
        ],
    )


@dg.asset(
    key=RECORDS,
    group_name="home",
    kinds={"dagster"},
    description="Dagster's own records of runs, those of half a year.",
)
def records(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Forget old runs, and what checks said then."""
    before = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    forgotten = forget_old_runs(context.instance, before)
    forget_old_checks(context.instance, before)
    return dg.MaterializeResult(
        metadata={"forgotten": forgotten, "kept": context.instance.get_runs_count()}
    )


housekeeping = dg.define_asset_job(
    "housekeeping",
    selection=dg.AssetSelection.assets(DIGEST, RECORDS),
    executor_def=dg.in_process_executor,
    description="Write the daily digest and forget old runs.",
)

daily_housekeeping = dg.ScheduleDefinition(
    name="daily_housekeeping",
    job=housekeeping,
    cron_schedule="0 6 * * *",
    execution_timezone="America/New_York",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def failed_runs(instance: dg.DagsterInstance, since: datetime) -> list[str]:
    """Return a sentence for each run that failed after `since` (UTC)."""
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since.replace(tzinfo=UTC)
    )
    told = []
    for record in instance.get_run_records(failed, limit=50):
        run = record.dagster_run
        ended = datetime.fromtimestamp(record.end_time or 0, UTC)
        told.append(f"{run.job_name} {run.run_id} failed at {ended:%Y-%m-%d %H:%M} UTC")
    return told


def forget_old_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete finished runs created before a moment, with their logs; returns how many.

    The newest of each job stay, and those that made the newest of an asset: sensors and the
    schedule decide by them.
    """
    kept = {
        record.dagster_run.run_id
        for job in ("ingest", "refresh", housekeeping.name)
        for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=KEPT_RUNS)
    }
    for entry in (record.asset_entry for record in instance.get_asset_records()):
        # The run that last was to make an asset is not the one that made it, if it failed.
        kept.add(entry.last_run_id or "")
        if entry.last_materialization is not None:
            kept.add(entry.last_materialization.run_id)
    old = dg.RunsFilter(statuses=list(_FINISHED), created_before=before)
    forgotten = 0
    for record in instance.get_run_records(old, limit=MOST_FORGOTTEN + len(kept), ascending=True):
        run_id = record.dagster_run.run_id
        if run_id not in kept and forgotten < MOST_FORGOTTEN:
            instance.delete_run(run_id)
            _remove_files(instance, run_id)
            forgotten += 1
    return forgotten


def forget_old_checks(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete what checks said before a moment, but for the newest of each; returns how many.

    Dagster keeps it for ever, also of runs that are deleted.
    """
    storage, told = instance.event_log_storage, AssetCheckExecutionsTable.c
    assert isinstance(storage, SqlEventLogStorage)
    newest = sqlalchemy.select(sqlalchemy.func.max(told.id)).group_by(
        told.asset_key, told.check_name
    )
    old = AssetCheckExecutionsTable.delete().where(
        told.create_timestamp < before.astimezone(UTC).replace(tzinfo=None),
        told.id.not_in(newest),
    )
    with storage.index_connection() as connection:
        return connection.execute(old).rowcount


def _remove_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what Dagster leaves of a deleted run: its emptied SQLite file, what it printed."""
    folder = Path(instance.root_directory)
    for file in (folder / "history" / "runs").glob(f"{run_id}.db*"):
        file.unlink(missing_ok=True)
    shutil.rmtree(folder / "storage" / run_id, ignore_errors=True)


def _warned(check: str, findings: list[Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=DIGEST,
        check_name=check,
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(findings[:20]),
        metadata={"findings": len(findings)},
    )
