"""How a load of many tickers goes on a bad day: `python -m tests.yahoo_load`.

It runs in a process of its own; two in a hundred tickers have each kind of fault. What is printed
is how many requests it took, how attempts ended, seconds and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.yahoo_emulator import Emulator
from warehouse.settings import DATABASE
from warehouse.sources.governor import Manners
from warehouse.store import Warehouse

PASSING = ("429", "401", "500", "timeout", "drip", "reset", "short", "cut", "junk", "other")
LASTING = ("500", "empty", "drop:firm", "retype:currentPriceTarget", "unknown")
SHARE = 0.02
ENDPOINTS = ("chart", "info", "upgradeDowngradeHistory", "earningsTrend", "news")
QUICK = {
    "BELLWETHER_YAHOO_REQUESTS_PER_MINUTE": "6000000",
    "BELLWETHER_YAHOO_REQUESTS_PER_DAY": "1000000",
    "BELLWETHER_YAHOO_BACK_OFF_SECONDS": "0.01",
    "BELLWETHER_YAHOO_TIMEOUT_SECONDS": "1",
}


@dataclass(frozen=True)
class Load:
    """What one ingest did: `outcomes` by table and outcome; seconds; peak memory in MB."""

    exit_code: int
    requests: int
    answered_badly: int
    rows_new: int
    outcomes: Counter[tuple[str, str]]
    requests_recorded: int
    seconds: float
    megabytes: float


def faulty(tickers: list[str]) -> tuple[dict[str, list[str] | str], set[str]]:
    """Return faults for two in a hundred tickers of each kind, at least one, and the unknown."""
    each = max(1, round(len(tickers) * SHARE))
    waiting = iter(random.Random(7).sample(tickers, len(tickers)))
    endpoints = cycle(ENDPOINTS)
    faults: dict[str, list[str] | str] = {}
    unknown: set[str] = set()
    for fault in PASSING:
        for _ in range(each):
            # Only an answer that names its symbol shows that it is another's.
            endpoint = "chart" if fault == "other" else next(endpoints)
            faults[f"{next(waiting)}:{endpoint}"] = [fault]
    for fault in LASTING:
        for _ in range(each):
            ticker = next(waiting)
            if fault == "unknown":
                unknown.add(ticker)
            elif fault == "empty":
                faults[f"{ticker}:news"] = fault
            else:
                faults[f"{ticker}:upgradeDowngradeHistory"] = fault
    return faults, unknown


def ingest(emulator: Emulator, home: Path, tickers: list[str]) -> Load:
    """Run `bellwether ingest --source yahoo` for these tickers and say how it went."""
    emulator.forget()
    command = [str(Path(sys.executable).with_name("bellwether")), "ingest", "--source", "yahoo"]
    started = time.monotonic()
    child = subprocess.Popen(
        [*command, "--home", str(home), "--tickers", ",".join(tickers), "--json"],
        env={**os.environ, **QUICK, **emulator.environment},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    told: dict[str, Any] = json.loads(child.stdout.read())
    child.stdout.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    with Warehouse(home / "build" / DATABASE) as warehouse:
        rows = warehouse.con.execute(
            "select table_name, outcome, count(*), sum(requests) from raw.fetches "
            "where load_id = ? and source = 'yahoo' group by all",
            [told["run_id"]],
        ).fetchall()
    return Load(
        exit_code=child.returncode,
        requests=len(emulator.asked),
        answered_badly=sum(a.status in (401, 429, 500) for a in emulator.asked),
        rows_new=sum(t["counts"]["new"] for t in told["tables"].values()),
        outcomes=Counter({(table, outcome): count for table, outcome, count, _ in rows}),
        requests_recorded=sum(row[3] for row in rows),
        seconds=seconds,
        megabytes=usage.ru_maxrss / 1024,
    )


def main() -> None:
    """Load 12 tickers twice, then many with faults twice, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=500)
    count = parser.parse_args().count
    pace = Manners().requests_per_minute / 60
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder) / "authority") as emulator:
        emulator.patience = 1.5
        few = [f"T{number}" for number in range(12)]
        many = [f"T{number}" for number in range(count)]
        for name, tickers in (("few", few), ("many", many)):
            if name == "many":
                emulator.faults, emulator.unknown = faulty(tickers)
            for turn in ("first", "second"):
                load = ingest(emulator, Path(folder) / name, tickers)
                print(
                    f"{len(tickers)} tickers, {turn} load: {load.requests:,} requests "
                    f"({load.requests / pace / 60:.0f} min at the default pace), "
                    f"{load.answered_badly} refused, {load.rows_new:,} rows new, "
                    f"{load.seconds:.1f} s, {load.megabytes:.0f} MB, exit {load.exit_code}"
                )
                for (table, outcome), number in sorted(load.outcomes.items()):
                    if outcome != "ok":
                        print(f"    {table} {outcome}: {number}")


if __name__ == "__main__":
    main()
