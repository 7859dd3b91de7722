"""Is the home in order, is Yahoo there, and in the form we know? Nothing is stored."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import duckdb

from warehouse import health, publish
from warehouse.errors import (
    EmptyAnswer,
    Failed,
    Malformed,
    NotFound,
    SourceError,
    Throttled,
    in_words,
)
from warehouse.settings import DATABASE, Home
from warehouse.sources import Unit
from warehouse.sources.governor import PREFIX, Manners, Refused, standing
from warehouse.sources.yahoo import Conversation, Yahoo
from warehouse.sources.yahoo_session import Unreachable
from warehouse.store import Warehouse

CLIENT = "yfinance"
FEWEST_FREE_BYTES = 1_000_000_000
LATER = "Wait. What is asked for before only makes it longer; the schedule goes on by itself."

CLOCK_ADVICE = (
    "Set the clock right (`timedatectl`). If it was ahead when rows were stored, wait until that "
    "moment, or `bellwether restore` a backup made before it into a new home and ingest again."
)


@dataclass(frozen=True)
class Check:
    """One thing looked at: `status` is ok, warn or fail; `advice` says what to do."""

    name: str
    status: str
    finding: str
    advice: str = ""
    requests: int = 0


def inspect(home: Home, failing_jobs: Sequence[str] = ()) -> list[Check]:
    """Look at the home alone, without any request: folders, room, what is published and missed.

    `failing_jobs` says of which jobs the newest run failed.
    """
    runs = [
        Check(
            "runs",
            "fail",
            failing,
            "Mend what it names and run it again; `bellwether ui` shows the whole log of the run.",
        )
        for failing in failing_jobs
    ]
    return [_folder(home), _room(home), *_published(home), *runs]


def examine(
    home: Home, ticker: str, tell: Callable[[str, str], None] = lambda _name, _what: None
) -> list[Check]:
    """Look at the client, at how we stand with Yahoo, and at one ticker of each table, in order.

    Asks at the usual pace, once each, and no further when that would be in vain.
    """
    checks = [_client(), _standing(home)]
    if checks[-1].status == "fail":
        return checks
    asked = Conversation(home.yahoo, replace(Manners.from_environment(), attempts=1))
    with (
        tempfile.TemporaryDirectory() as folder,
        Warehouse(Path(folder) / DATABASE) as nowhere,
    ):
        yahoo = Yahoo(asked, nowhere.con)
        for table in yahoo.tables:
            tell(table, "asking")
            sent_before = yahoo.requests
            check = _table(yahoo, nowhere, table, ticker)
            checks.append(replace(check, requests=yahoo.requests - sent_before))
            if check.finding.startswith(("throttled", "blocked", "no network")):
                break
    asked.close()
    return checks


def _folder(home: Home) -> Check:
    there = next(path for path in (home.path, *home.path.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(
            "home",
            "fail",
            f"{there} cannot be written to",
            "Give this user the right to write there, or choose another home with --home.",
        )
    return Check("home", "ok", str(home.path))


def _room(home: Home) -> Check:
    there = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(there).free
    needed = 2 * home.build.stat().st_size if home.build.is_file() else 0
    found = f"{free / 1e9:.1f} GB free"
    if free < needed + FEWEST_FREE_BYTES:
        return Check(
            "disk",
            "fail" if free < needed else "warn",
            f"{found}; a refresh may need {(needed + FEWEST_FREE_BYTES) / 1e9:.1f} GB",
            "Make room: <home>/as_of/ and old backups may be deleted at any time.",
        )
    return Check("disk", "ok", found)


def _published(home: Home) -> list[Check]:
    made = publish.newest(home)
    if made is None:
        return [
            Check(
                "published",
                "warn",
                "nothing is published yet",
                "Run `bellwether ingest` and `bellwether refresh`.",
            )
        ]
    now = datetime.now(UTC).replace(tzinfo=None)
    try:
        with publish.reading(home) as con:
            clock = health.ahead(con, now)
        with publish.reading_attempts(home) as (con, is_live):
            late = [] if made.is_simulated else health.late(con, now)
            silences = health.silences(con, now)
            failures = health.failures(con, now - health.RECENT, now)
            clock = health.ahead(con, now) or clock
    except duckdb.Error as error:
        return [
            Check(
                "published",
                "fail",
                f"{home.published} cannot be read: {in_words(error)}",
                "Run `bellwether refresh --force`, which publishes anew.",
            )
        ]
    checks = [Check("published", "ok", f"{made.version}, as of {made.as_of[:16]} UTC")]
    if not is_live:
        checks.append(
            Check(
                "attempts",
                "warn",
                f"no ingest has written {home.attempts.name} yet, or it cannot be read; what "
                "follows goes by what was published",
                "The next `bellwether ingest` writes it anew.",
            )
        )
    checks += [
        Check(
            "last run",
            "warn",
            sentence,
            "Keep `bellwether ui` running (`bellwether service` prints units), or run "
            "`bellwether ingest --source yahoo` and `bellwether refresh`; `bellwether status` says "
            "what came instead of answers.",
        )
        for sentence in health.in_sentences(late)
    ]
    if not late:
        checks.append(Check("last run", "ok", "no session was missed"))
    if failures:
        others = len(failures) - 1
        checks.append(
            Check(
                "attempts",
                "warn",
                f"{sum(found.count for found in failures):,} newest attempts failed: {failures[0]}"
                + (f" and {others} other reasons" if others else ""),
                "`bellwether status` names each reason.",
            )
        )
    if clock is not None:
        checks.append(Check("clock", "warn", clock, CLOCK_ADVICE))
    checks += [
        Check("feed", "warn", str(found), "Nothing to do: Yahoo usually back-fills.")
        for found in silences
    ]
    return checks


def _client() -> Check:
    found = metadata.version(CLIENT)
    pins = [line for line in metadata.requires("bellwether") or () if line.startswith(CLIENT)]
    wanted = pins[0].partition("==")[2]
    if found == wanted:
        return Check("client", "ok", f"{CLIENT} {found}")
    return Check(
        "client",
        "warn",
        f"{CLIENT} {found}; this version was made for {wanted}",
        f"Run `make setup`, or `pip install {CLIENT}=={wanted}`.",
    )


def _standing(home: Home) -> Check:
    stands = standing(home.yahoo)
    spent = f"{stands.requests_today:,} of {stands.budget:,} requests in the last 24 hours"
    if stands.resume_at is None:
        return Check("manners", "ok", spent)
    until = _shown(stands.resume_at)
    return Check(
        "manners",
        "fail",
        f"Yahoo is left alone until {until} ({stands.cause or 'it asked for it'}); {spent}",
        f"{LATER} The budget is {PREFIX}REQUESTS_PER_DAY.",
    )


def _table(yahoo: Yahoo, nowhere: Warehouse, table: str, ticker: str) -> Check:
    known = set(yahoo.drifts)
    try:
        counts = nowhere.append(table, getattr(yahoo, table)(Unit(ticker)), source=yahoo.name)
    except SourceError as error:
        return _failed(table, error)
    drifts = [drift for drift in yahoo.drifts if drift not in known]
    if drifts:
        words = "; ".join(f"{d.field} is {d.found}, not {d.expected}" for d in drifts)
        return Check(
            table,
            "warn",
            f"changed format, still readable: {words}",
            "Nothing is lost, it lies in payload. Look for a newer version of Bellwether.",
        )
    if counts.rejected:
        return Check(
            table,
            "warn",
            f"{counts.stored:,} rows, and {counts.rejected:,} that would be rejected",
            "After an ingest raw.rejects says why.",
        )
    return Check(table, "ok", f"{counts.stored:,} rows")


def _failed(table: str, error: SourceError) -> Check:
    until = f" Next attempt: {_shown(error.resume_at)}." if error.resume_at else ""
    if isinstance(error, Throttled):
        return Check(table, "fail", f"throttled: {error}{until}", LATER)
    if isinstance(error, Refused):
        return Check(
            table,
            "fail",
            f"blocked: {error}{until}",
            "Yahoo refuses this address or session. Leave a VPN or data centre, or wait a day.",
        )
    if isinstance(error, Unreachable):
        return Check(
            table,
            "fail",
            f"no network: {error}",
            "Is the machine online? Behind a proxy set HTTPS_PROXY, with a certificate of its own "
            "also CURL_CA_BUNDLE.",
        )
    if isinstance(error, Malformed):
        return Check(
            table,
            "fail",
            f"changed format: {error}",
            "Look for a newer version of Bellwether; the other tables go on.",
        )
    if isinstance(error, NotFound):
        return Check(table, "fail", f"unknown ticker: {error}", "Spell it as Yahoo does, as BABA.")
    if isinstance(error, EmptyAnswer):
        return Check(table, "warn", f"nothing: {error}", "Try another ticker with --ticker.")
    assert isinstance(error, Failed)
    return Check(table, "fail", f"no answer: {error}{until}", "Try again in some minutes.")


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
