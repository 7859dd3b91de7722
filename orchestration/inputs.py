"""What the marts are built from, as one key: same key, same marts, no second run.

The key covers the data version of every raw table, as its latest materialisation reported it, and
the code of every model. It is computed from Dagster's own records; the database stays closed.
"""

import hashlib
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from orchestration.dbt import code_version
from warehouse.errors import HomeError, PublishError, StorageError
from warehouse.publish import newest
from warehouse.settings import Home
from warehouse.store import schema

# Tags of a run: the inputs it builds, the moment it was asked to show if any, that it is in vain
# if these were built meanwhile, the files it is to fetch, that it failed through what it was
# given and not through its machine, so that trying again is no use, that its source did not tell
# all it was to be asked, when it may be asked for the rest, and how many models it ran.
INPUTS = "bellwether/inputs"
AS_OF = "bellwether/as_of"
IF_NEW = "bellwether/if_new"
FILES = "bellwether/files"
FAULT = "bellwether/fault"
INCOMPLETE = "bellwether/incomplete"
RESUME_AT = "bellwether/resume_at"
MODELS = "bellwether/models"

MOST_ATTEMPTS = 3
# What failed so often, as on a disk that is full, is tried again after this.
ATTEMPTS_PAUSE = timedelta(hours=6)
# What a raw table without a single row says of itself.
EMPTY = dg.DataVersion("empty")
_DATA_VERSION = "dagster/data_version"
# The job of what is materialised by hand in the UI.
_ALL_ASSETS = "__ASSET_JOB"


def key(table: str) -> dg.AssetKey:
    """Asset key of a raw table."""
    return dg.AssetKey(["raw", table])


def inputs_key(instance: dg.DagsterInstance) -> str | None:
    """Return the key of what a refresh would build from now; None before the first ingest."""
    tables = {key(table): table for table in schema()}
    versions: dict[str, str] = {}
    for record in instance.get_asset_records(list(tables)):
        event = record.asset_entry.last_materialization
        materialization = event.asset_materialization if event else None
        tags = materialization.tags if materialization else None
        version = (tags or {}).get(_DATA_VERSION, EMPTY.value)
        if materialization is not None and version != EMPTY.value:
            versions[tables[record.asset_entry.asset_key]] = version
    if not versions:
        return None
    text = json.dumps([code_version(), versions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def next_refresh(instance: dg.DagsterInstance, inputs: str) -> str | None:
    """Run key of the refresh to launch for these inputs, or None when it would be in vain.

    What counts is what the newest refreshes built: a model that is changed and changed back is
    built again.
    """
    runs = [
        record
        for job in ("refresh", _ALL_ASSETS)
        for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=25)
        if INPUTS in record.dagster_run.tags
    ]
    runs.sort(key=lambda record: record.storage_id, reverse=True)
    newest = [record.dagster_run for record in runs]
    if _is_settled(list(itertools.takewhile(lambda r: r.dagster_run.tags[INPUTS] == inputs, runs))):
        return None
    return f"{inputs}:{newest[0].run_id}" if newest else inputs


def next_fetch(instance: dg.DagsterInstance, files: str) -> str | None:
    """Run key of the ingest to launch for these files, or None when it would be in vain."""
    records = instance.get_run_records(dg.RunsFilter(tags={FILES: files}))
    if _is_settled(records):
        return None
    return f"{files}:{len(records)}"


def is_of_the_machine(error: BaseException) -> bool:
    """Whether what was raised may pass by itself: a full disk, a file in use, too little memory."""
    return isinstance(
        error,
        OSError
        | duckdb.IOException
        | duckdb.FatalException
        | duckdb.OutOfMemoryException
        | HomeError
        | StorageError
        | PublishError,
    )


def _is_settled(records: Sequence[dg.RunRecord]) -> bool:
    """Whether runs for the same thing leave nothing to do for now.

    One that ended in success, is on its way, was cancelled by somebody, or failed through what it
    was given settles it. One that was interrupted or failed through its machine is tried again: a
    few times at once, and then now and again.
    """
    runs = [record.dagster_run for record in records]
    if any(run.status != dg.DagsterRunStatus.FAILURE or FAULT in run.tags for run in runs):
        return True
    if len(records) < MOST_ATTEMPTS:
        return False
    last = max(record.create_timestamp for record in records)
    return datetime.now(UTC) - last < ATTEMPTS_PAUSE


def is_built(
    instance: dg.DagsterInstance, home: Home, inputs: str, as_of: str | None = None
) -> bool:
    """Whether these inputs were built and published last, as of now or the moment asked for."""
    successes = dg.RunsFilter(job_name="refresh", statuses=[dg.DagsterRunStatus.SUCCESS])
    last = instance.get_run_records(successes, limit=1)
    tags = last[0].dagster_run.tags if last else {}
    is_last = (tags.get(INPUTS), tags.get(AS_OF)) == (inputs, as_of)
    return is_last and newest(home) is not None
