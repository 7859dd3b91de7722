"""Read this first: everything Dagster knows of Bellwether.

`assets.py` brings facts in, `models.py` has dbt build what they mean and publishes it, `pages.py`
writes the site of it, `housekeeping.py` the daily digest, `automation.py` says when. `run.py` is
the same from the command line.
"""

import dagster as dg

from orchestration import engines
from orchestration.assets import IngestSettings, raw_assets, raw_logs
from orchestration.automation import (
    freshness,
    ingest,
    new_data,
    new_files,
    refresh,
    resume,
    weekday_ingest,
)
from orchestration.housekeeping import daily_digest, daily_housekeeping, housekeeping, records
from orchestration.lock import Writer
from orchestration.models import models
from orchestration.pages import site

engines.keep()


def definitions() -> dg.Definitions:
    """Return the definitions for the dbt project as its files are now."""
    built = models()
    return dg.Definitions(
        assets=[*raw_assets(), *raw_logs(), built, *site(built), daily_digest, records],
        jobs=[ingest, refresh, housekeeping],
        schedules=[weekday_ingest, daily_housekeeping],
        sensors=[new_data, new_files, resume, freshness],
        resources={"writer": Writer(), "settings": IngestSettings()},
        executor=dg.in_process_executor,
    )


defs = definitions()
