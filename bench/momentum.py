"""Momentum beside its peers: the same bars, one run, one table.

Every peer reads the same Parquet file, computes all columns of `marts.momentum_history` and
writes them to disk, each in a process of its own. Ours is the pipeline as users run it: the raw
store, dbt, tests, publishing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from bench.project import cut_down
from orchestration import dbt
from warehouse.publish import publish
from warehouse.settings import Home
from warehouse.store import Warehouse

PEERS = ("polars", "pandas")
MODEL = "marts.momentum_history"
MODELS = (
    "stg_prices",
    "momentum_changes",
    "momentum_tails",
    "momentum_history",
    "momentum_ranks",
    "momentum",
)
LAST_WEEK = datetime(2025, 9, 1)
# What a table in the currency of the close is compared relative to.
IN_CURRENCY = ("macd", "macd_signal", "atr_14", "total_return_close", "sma_50", "sma_200")


def day_of(sessions: int, number: int) -> datetime:
    """Return the day of a session of a history of so many, which ends in a week that is over."""
    first = LAST_WEEK - timedelta(weeks=sessions // 5)
    return first + timedelta(weeks=number // 5, days=number % 5)


def make_bars(path: Path, tickers: int, sessions: int) -> None:
    """Write random walks with dividends, one session more than `sessions`, to Parquet."""
    with duckdb.connect() as con:
        con.execute("select setseed(0.5)")
        con.execute(
            f"""
            copy (
                with
                    steps as (
                        select
                            t.range as i, s.range as j,
                            sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) * 0.02 as step,
                            random() as u, random() as v
                        from range({tickers}) t, range({sessions + 1}) s
                    ),
                    walks as (
                        select
                            *,
                            50 * exp(
                                sum(step) over (partition by i order by j rows unbounded preceding)
                            ) as close
                        from steps
                    )
                select
                    'T' || lpad(cast(i as varchar), 5, '0') as ticker,
                    date '{day_of(sessions, 0):%Y-%m-%d}' + cast(j // 5 * 7 + j % 5 as integer)
                        as session_date,
                    close * (1 + (u - 0.5) * 0.01) as open,
                    close * (1.005 + u * 0.02) as high,
                    close * (0.995 - v * 0.02) as low,
                    close,
                    close as adj_close,
                    round(exp(10 + u + v * 2)) as volume,
                    case when j % 63 = i % 63 then close * 0.005 else 0.0 end as dividend
                from walks order by i, j
            ) to '{path}' (format parquet)
            """
        )


def measured(command: list[str]) -> dict[str, float]:
    """Run a command; return its wall and processor seconds and its peak memory in GB."""
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return {
        "seconds": time.monotonic() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "gb": usage.ru_maxrss / 1e6,
    }


def bare_duckdb(home: Path, memory: str) -> None:
    """Run the compiled model on the staging tables of a home, without dbt and Dagster."""
    sql = Path(home, "compiled.sql").read_text()
    with duckdb.connect(str(Home(home).build)) as con:
        if memory:
            con.execute(f"set memory_limit = '{memory}'")
        con.execute(f"create or replace table bare as {sql}")
        con.execute("drop table bare")


def build(home: Home, day: datetime) -> tuple[float, dict[str, float], str]:
    """Build; return the wall seconds, those of each model, and the compiled history."""
    started = time.monotonic()
    nodes = dbt.build(dbt.prepare_manifest(), home, as_of=day + timedelta(hours=12))
    bad = [(node.name, node.message) for node in nodes if not node.is_good]
    if bad:
        sys.exit(f"the build failed: {bad}")
    seconds = {node.name.split(".")[-1]: node.seconds for node in nodes if node.kind == "model"}
    compiled = next((node.compiled for node in nodes if node.name == MODEL), "")
    return time.monotonic() - started, seconds, compiled


def append(home: Home, sql: str) -> float:
    """Append the bars that `sql` selects; return the seconds it took."""
    started = time.monotonic()
    with Warehouse(home.build) as warehouse:
        warehouse.append("prices", warehouse.con.sql(sql), source="inbox")
    return time.monotonic() - started


def pipeline(folder: Path, bars: Path, last_day: str) -> dict[str, object]:
    """Measure ours: load, full build, one more session, one restated ticker, publishing."""
    cut_down(folder / "dbt_project", "momentum", "momentum_ranks")
    (dbt.prepare_manifest().folder / "unit_tested").touch()
    home = Home(folder / "home")
    rows = f"select *, true as is_final from '{bars}' where session_date"
    with Warehouse(home.build) as warehouse:
        universe = warehouse.con.sql(
            f"select distinct ticker, 'T00000' as benchmark, 'NYQ' as exchange, 'USD' as currency "
            f"from '{bars}'"
        )
        warehouse.append("universe", universe, source="inbox")
        days = warehouse.con.sql(
            "select distinct 'XNYS' as exchange, session_date, "
            "session_date + interval '14' hour as opens_at, "
            f"session_date + interval '21' hour as closes_at from '{bars}'"
        )
        warehouse.append("sessions", days, source="exchange_calendars")
    now = datetime.now()
    found: dict[str, object] = {"append_all": append(home, f"{rows} < '{last_day}'")}
    found["full"], found["full_models"], compiled = build(home, now)
    (home.path / "compiled.sql").write_text(compiled)
    with duckdb.connect(str(home.build), read_only=True) as con:
        con.execute(f"copy (from {MODEL}) to '{folder / 'ours.parquet'}' (format parquet)")
    found["append_one"] = append(home, f"{rows} = '{last_day}'")
    found["one"], found["one_models"], _ = build(home, now + timedelta(hours=1))
    restated = (
        f"select * replace (close * 1.01 as close, high * 1.02 as high), true as is_final "
        f"from '{bars}' where ticker = 'T00001' and session_date > date '{last_day}' - 60"
    )
    append(home, restated)
    found["restated"], found["restated_models"], _ = build(home, now + timedelta(hours=2))
    found["nothing"], found["nothing_models"], _ = build(home, now + timedelta(hours=3))
    found["publish"] = publish(home, as_of=now).seconds
    return found


def largest_differences(ours: Path, theirs: Path) -> dict[str, float]:
    """Largest difference of each column, relative above one, in the close's currency to it.

    Of words it is infinite where one differs.
    """
    with duckdb.connect() as con:
        con.execute(f"create view a as from '{ours}'")
        con.execute(f"create view b as from '{theirs}'")
        kinds = {row[0]: row[1] for row in con.execute("describe a").fetchall()}
        names = [name for name in kinds if name not in ("ticker", "session_date")]

        def size(n: str) -> str:
            if kinds[n] == "VARCHAR":
                return f"case when a.{n} is distinct from b.{n} then 'inf' end"
            scale = f"greatest(abs(a.{n}), {'a.close' if n in IN_CURRENCY else '1'})"
            return (
                f"case when (a.{n} is null) <> (b.{n} is null or isnan(b.{n})) then 'inf' "
                f"else abs(a.{n} - b.{n}) / {scale} end"
            )

        shown = ", ".join(f"max({size(n)}) as {n}" for n in names)
        on = "a.ticker = b.ticker and cast(a.session_date as date) = cast(b.session_date as date)"
        row = con.execute(f"select {shown} from a join b on {on}").fetchone()
    assert row is not None
    return dict(zip(names, (float(value or 0) for value in row), strict=True))


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickers", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=2520)
    parser.add_argument(
        "--twice", action="store_true", help="measure one more session of twice the sessions too"
    )
    parser.add_argument("--folder", type=Path, help="where the data go; default: a temporary one")
    parser.add_argument("--memory", default="", help="limit of the bare script's memory, as 4GB")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ours", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        return bare_duckdb(options.bare, options.memory)
    if options.ours:
        folder, bars, last_day = options.ours
        Path(folder, "ours.json").write_text(json.dumps(pipeline(Path(folder), bars, last_day)))
        return None
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        run(Path(name), options)
    return None


def run(folder: Path, options: argparse.Namespace) -> None:
    """Measure everything in `folder`."""
    python, here = sys.executable, Path(__file__).parent
    bars = folder / "bars.parquet"
    console, table = Console(width=100), Table()
    for name in ("", "seconds", "processor seconds", "peak GB", "largest difference"):
        table.add_column(name, justify="left" if not name else "right")
    base, ours = measured_pipeline(folder, options.tickers, options.sessions)
    costs = {}
    for peer in PEERS:
        target = folder / f"{peer}.parquet"
        costs[peer] = measured([python, str(here / f"peer_{peer}.py"), str(bars), str(target)])
        # In a process of its own: a peak of this one would count as that of what it starts next.
        with ProcessPoolExecutor(1) as pool:
            far = pool.submit(largest_differences, folder / "ours.parquet", target).result()
        worst = max(far, key=lambda column: far[column])
        table.add_row(peer, *_figures(costs[peer]), f"{far[worst]:.1e} {worst}")
        target.unlink()
    bare = measured(
        [python, "-m", "bench.momentum", "--bare", str(folder / "home"), *_limit(options)]
    )
    table.add_row("DuckDB, the compiled model", *_figures(bare), "")
    for label, part in (
        ("full build", "full"),
        ("one more session", "one"),
        ("one ticker restated", "restated"),
        ("nothing new", "nothing"),
    ):
        models = ours[f"{part}_models"]
        table.add_section()
        table.add_row(f"dbt, {label}: all with tests", f"{ours[part]:.2f}", "", "", "")
        for model in MODELS:
            spent = f"{models[model]:.2f}" if model in models else "not run"
            table.add_row(f"  {model}", spent, "", "", "")
    table.add_section()
    for label, part in (
        ("append all sessions", "append_all"),
        ("append one session", "append_one"),
        ("publish", "publish"),
    ):
        table.add_row(label, f"{ours[part]:.2f}", "", "", "")
    table.add_row("all of ours", *_figures(base), "")
    table.add_section()
    one = _models(ours["one_models"])
    for label, ratio in (
        ("the compiled model / polars", bare["seconds"] / costs["polars"]["seconds"]),
        ("pandas / the compiled model", costs["pandas"]["seconds"] / bare["seconds"]),
        ("one more session, models / polars", one / costs["polars"]["seconds"]),
    ):
        table.add_row(label, f"{ratio:.2f}", "", "", "")
    if options.twice:
        _, longer = measured_pipeline(folder / "twice", options.tickers, 2 * options.sessions)
        ratio = _models(longer["one_models"]) / one
        table.add_row("one more session, twice the sessions / once", f"{ratio:.2f}", "", "", "")
    console.print(f"{options.tickers:,} tickers x {options.sessions:,} sessions", table)


def measured_pipeline(
    folder: Path, tickers: int, sessions: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Make bars in `folder` and measure ours on them: the process, and its parts."""
    folder.mkdir(exist_ok=True)
    every, bars = folder / "every.parquet", folder / "bars.parquet"
    make_bars(every, tickers, sessions)
    last_day = f"{day_of(sessions, sessions):%Y-%m-%d}"
    duckdb.sql(f"copy (from '{every}' where session_date < '{last_day}') to '{bars}'")
    ours = ["--ours", str(folder), str(every), last_day]
    cost = measured([sys.executable, "-m", "bench.momentum", *ours])
    return cost, json.loads((folder / "ours.json").read_text())


def _models(seconds: dict[str, float]) -> float:
    return sum(seconds.get(model, 0.0) for model in MODELS)


def _limit(options: argparse.Namespace) -> list[str]:
    return ["--memory", options.memory] if options.memory else []


def _figures(cost: dict[str, float]) -> list[str]:
    return [f"{cost['seconds']:.1f}", f"{cost['cpu']:.1f}", f"{cost['gb']:.1f}"]


if __name__ == "__main__":
    main()
