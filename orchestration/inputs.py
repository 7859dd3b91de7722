"""What the marts are built from, as one key: same key, same marts, no second run.

The key covers the data version of every raw table, as its latest materialisation reported it, and
the code of every model. It is computed from Dagster's own records; the database stays closed.
"""

import hashlib
import json

import dagster as dg

from orchestration.dbt import code_version
from warehouse.store import schema

# Tags of a run: the inputs it builds, the moment it was asked to show if any, that it is in vain
# if these were built meanwhile, the files it is to fetch, and that it failed through what it was
# given, so that trying again is no use.
INPUTS = "bellwether/inputs"
AS_OF = "bellwether/as_of"
IF_NEW = "bellwether/if_new"
FILES = "bellwether/files"
FAULT = "bellwether/fault"

MOST_ATTEMPTS = 3
# What a raw table without a single row says of itself.
EMPTY = dg.DataVersion("empty")
_DATA_VERSION = "dagster/data_version"


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


def next_attempt(instance: dg.DagsterInstance, tags: dict[str, str]) -> int | None:
    """Number of the run to launch for what `tags` name, or None when it needs no further run.

    A run that ended in success, was cancelled by somebody, or failed through its own inputs settles
    it. One that was interrupted or could not get at the database is tried again, a few times.
    """
    runs = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(tags=tags))]
    for run in runs:
        if run.status != dg.DagsterRunStatus.FAILURE or FAULT in run.tags:
            return None
    return len(runs) + 1 if len(runs) < MOST_ATTEMPTS else None


def is_built(instance: dg.DagsterInstance, inputs: str, as_of: str | None = None) -> bool:
    """Whether the newest successful refresh built these inputs, as of now or the moment asked."""
    newest = instance.get_run_records(
        dg.RunsFilter(job_name="refresh", statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
    )
    tags = newest[0].dagster_run.tags if newest else {}
    return tags.get(INPUTS) == inputs and tags.get(AS_OF) == as_of
