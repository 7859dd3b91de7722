"""The command line. Every command works on one home; see `bellwether --help`."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import duckdb
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from warehouse import publish
from warehouse.errors import BellwetherError, HomeError
from warehouse.settings import PROJECT, Home

if TYPE_CHECKING:
    from orchestration.run import RunOutcome

FAILED, WRONG_USE, NOTHING_THERE = 1, 2, 3
SIMULATED_NOTE = "simulated sample: no real quotes, ratings or news"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "A research warehouse for listed companies that keeps two clocks: when a thing was true, "
        "and when we knew it.\n\n"
        "Start with [bold]bellwether demo[/bold]. With data of your own: drop files into "
        "<home>/inbox/prices, ratings, news …, then [bold]bellwether ingest[/bold] and "
        "[bold]bellwether refresh[/bold]; or let [bold]bellwether ui[/bold] watch and do both.\n\n"
        "All data live in one home: --home, else BELLWETHER_HOME, else data/ beside "
        "workspace.yaml; --demo is the demo's own.\n\n"
        "Exit codes: 0 done, 1 something failed and was said, 2 wrong use, "
        "3 the home has nothing for this yet."
    ),
)
universe_app = typer.Typer(no_args_is_help=True, help="The tickers we cover (universe.csv).")
app.add_typer(universe_app, name="universe")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder that holds all data.", show_default=False)
]
DemoOption = Annotated[bool, typer.Option("--demo", help="Use the demo's home.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]

out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command line; errors we raise on purpose become one sentence and an exit code."""
    try:
        app(standalone_mode=True)
    except HomeError as error:
        err.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(NOTHING_THERE)
    except BellwetherError as error:
        err.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(FAILED)


@app.command()
def demo(as_json: JsonOption = False) -> None:
    """Build the simulated sample in a home of its own and print its scorecard.

    A second run finds nothing new and only prints.
    """
    from orchestration import run

    home = Home.find(demo=True)
    started = time.monotonic()
    with _progress("Preparing", quiet=as_json) as tell:
        run.prepare(home)
        ingested = run.run_ingest(home, "sample", on_event=tell)
        _exit_if_failed(ingested, as_json)
        refreshed = run.run_refresh(home, on_event=tell)
        _exit_if_failed(refreshed, as_json)
    seconds = time.monotonic() - started
    if as_json:
        with publish.reading(home) as con:
            rows = _rows(con.sql("select * from marts.scorecard order by ticker"))
        _print_json({"home": str(home.path), "seconds": round(seconds, 1), "scorecard": rows})
        return
    print_scorecard(home)
    done = "nothing new" if refreshed.skipped else "built"
    out.print(f"\n[bold]Demo {done} in {seconds:.1f} s[/bold] in {escape(str(home.path))}\n")
    if shutil.which("bellwether") is None:
        activate = Path(sys.executable).with_name("activate")
        out.print(f"[cyan]source {escape(str(activate))}[/cyan] puts `bellwether` on your path.")
    out.print("What next:")
    for command, why in (
        ("make ui DEMO=1", "lineage, runs and checks in the Dagster UI on http://127.0.0.1:3000"),
        (
            'bellwether sql --demo "select * from marts.risk_flags where is_open"',
            "open risk flags and why",
        ),
        ("bellwether status --demo", "what is fresh, late or rejected"),
        ('bellwether sql --demo "show all tables"', "everything there is to query"),
        ("bellwether ingest --help", "bring in data of your own"),
    ):
        out.print(f"  [cyan]{escape(command)}[/cyan]", soft_wrap=True, highlight=False)
        out.print(f"      {why}", style="dim", highlight=False)


@app.command()
def ingest(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", help="Raw tables, such as prices; all by default."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Where from: inbox, or sample (the default with --demo)."),
    ] = None,
    tickers: Annotated[
        str | None, typer.Option(help="Only these, separated by commas, where the source can.")
    ] = None,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring facts into the raw store.

    From the inbox: every file in <home>/inbox/<table>/ (CSV, Parquet or JSON lines, columns named
    as in the raw table). A file that is stored moves to .done/, a bad one to .failed/ with a text
    that says what is wrong in which row.
    """
    from orchestration import run
    from warehouse.sources import SOURCES
    from warehouse.store import SIMULATED, schema

    source = source or (SIMULATED if demo else "inbox")
    if tickers and source == "inbox":
        raise typer.BadParameter("the inbox takes whole files; --tickers is for other sources.")
    for table in tables or ():
        if table not in schema():
            raise typer.BadParameter(f"{table!r} is none of {', '.join(sorted(schema()))}.")
    if source not in SOURCES:
        raise typer.BadParameter(f"the source {source!r} is none of {', '.join(SOURCES)}.")
    place = Home.find(home, demo=demo)
    wanted = [t.strip() for t in tickers.split(",") if t.strip()] if tickers else []
    with _progress("Ingesting", quiet=as_json) as tell:
        run.prepare(place)
        outcome = run.run_ingest(place, source, tables or (), wanted, on_event=tell)
    if as_json:
        _print_json(asdict(outcome))
    else:
        grid = Table("table", "new", "changed", "unchanged", "rejected", "duplicates")
        for name, ingested in outcome.tables.items():
            counts = asdict(ingested.counts)
            if any(counts.values()):
                grid.add_row(name, *(f"{counts[str(c.header)]:,}" for c in grid.columns[1:]))
        out.print(grid if grid.row_count else "Nothing to ingest.")
        for ingested in outcome.tables.values():
            for failure in ingested.failures:
                err.print(f"[yellow]{escape(failure)}[/yellow]", highlight=False)
        for failure in outcome.failures:
            err.print(f"[red]{escape(failure)}[/red]", highlight=False)
        out.print(f"{outcome.seconds:.1f} s, home {escape(str(place.path))}")
        if source == SIMULATED:
            out.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
    if not outcome.success or any(table.failures for table in outcome.tables.values()):
        raise typer.Exit(FAILED)


@app.command()
def refresh(
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Show what was known at this moment (UTC), or just before the next open after "
            "this date; now by default."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build even if nothing changed.")] = False,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the marts, test them, and publish them when every test passed."""
    from orchestration import run

    place = _home_with_data(home, demo)
    with _progress("Refreshing", quiet=as_json) as tell:
        run.prepare(place)
        outcome = run.run_refresh(
            place, as_of=_moment(as_of) if as_of else None, force=force, on_event=tell
        )
    if as_json:
        _print_json(asdict(outcome))
    elif outcome.skipped:
        out.print("Nothing changed since the last refresh; --force builds all the same.")
    elif outcome.success and outcome.published:
        made = outcome.published
        out.print(
            f"Published {made.version} as of {made.as_of} UTC: {made.size_bytes / 1e6:.1f} MB, "
            f"{made.way} in {made.seconds:.2f} s; {outcome.seconds:.1f} s in all."
        )
        if made.is_simulated:
            out.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
    _exit_if_failed(outcome, as_json)


@app.command()
def status(home: HomeOption = None, demo: DemoOption = False, as_json: JsonOption = False) -> None:
    """Say what is published, how fresh every table is, and what was refused."""
    place = _home_with_data(home, demo)
    report = _status(place)
    if as_json:
        _print_json(report)
        return
    made = report["published"]
    note = f"  [yellow]({SIMULATED_NOTE})[/yellow]" if made["is_simulated"] else ""
    out.print(f"[bold]{escape(report['home'])}[/bold]{note}")
    out.print(
        f"Published {made['version']}, as of {made['as_of']} UTC, {made['size_bytes'] / 1e6:.1f} MB"
    )
    grid = Table("raw table", "rows", "tickers", "newest fact", "last stored (UTC)", "rejected")
    for row in report["tables"]:
        if row["rows"]:
            grid.add_row(
                row["table"],
                f"{row['rows']:,}",
                f"{row['tickers']:,}" if row["tickers"] is not None else "",
                str(row["newest"] or ""),
                str(row["last_stored"] or "")[:19],
                f"{row['rejected']:,}" if row["rejected"] else "",
            )
    out.print(grid)
    for title, key in (("Rejected rows", "rejects"), ("Attempts that failed", "failures")):
        if report[key]:
            out.print(f"[yellow]{title}[/yellow]")
            for row in report[key]:
                out.print(f"  {row['count']:>6,}  {escape(row['what'])}", highlight=False)
    if report["unknown_grades"]:
        out.print("[yellow]Grades no row of rules.rating_grades knows (no vote)[/yellow]")
        for row in report["unknown_grades"]:
            out.print(f"  {row['count']:>6,}  {escape(row['what'])}", highlight=False)
    quality = report["data_quality"]
    out.print(
        f"Data quality: {quality.get('ok', 0):,} ok, {quality.get('warn', 0):,} warn, "
        f"{quality.get('fail', 0):,} fail (marts.data_quality says why)"
    )
    inbox = report["inbox"]
    out.print(f"Inbox: {inbox['waiting']} waiting, {inbox['failed']} failed")
    out.print(f"Next scheduled ingest: {report['next_scheduled_ingest']} (while the UI runs)")


@app.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SQL query; read from standard input when left out.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Print at most this many rows; 0 is all.")] = 50,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Query the published marts, read-only, without access to files or network.

    Try: bellwether sql --demo "select ticker, flag, message from marts.risk_flags where is_open"
    """
    place = Home.find(home, demo=demo)
    text = query if query is not None else sys.stdin.read()
    made = publish.newest(place)
    if made is not None and made.is_simulated:
        err.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
    with publish.reading(place) as con:
        try:
            relation = con.sql(text)
        except duckdb.Error as error:
            err.print(f"[red]{escape(str(error))}[/red]", highlight=False)
            raise typer.Exit(WRONG_USE) from None
        if relation is None:
            return
        if as_json:
            _print_json(_rows(relation))
            return
        fetched = relation.fetchall()
        shown = fetched[:rows] if rows else fetched
        if as_csv:
            writer = csv.writer(sys.stdout)
            writer.writerow(relation.columns)
            writer.writerows(shown)
        else:
            grid = Table(*relation.columns)
            for row in shown:
                grid.add_row(*(escape(_shown(value)) for value in row))
            out.print(grid)
        if len(shown) < len(fetched):
            err.print(f"{len(shown):,} of {len(fetched):,} rows; --rows 0 prints all.")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: HomeOption = None,
    demo: DemoOption = False,
) -> None:
    """Start the Dagster UI with its schedule and sensors, on this machine only."""
    from orchestration import run

    place = Home.find(home, demo=demo)
    out.print(f"Home {escape(str(place.path))}; UI on http://127.0.0.1:{port} (Ctrl-C stops it)")
    run.serve(place, port)


@app.command()
def service(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    home: HomeOption = None,
    demo: DemoOption = False,
) -> None:
    """Print a systemd and a launchd unit that keep the UI, schedule and sensors running."""
    place = Home.find(home, demo=demo)
    program = Path(sys.executable).with_name("bellwether")
    arguments = [str(program), "ui", "--home", str(place.path), "--port", str(port)]
    quoted = " ".join(f'"{a}"' if re.search(r"\s", a) else a for a in arguments)
    strings = "\n".join(f"    <string>{escape_xml(a)}</string>" for a in arguments)
    print(f"""# systemd: save as ~/.config/systemd/user/bellwether.service, then
#   systemctl --user daemon-reload && systemctl --user enable --now bellwether
[Unit]
Description=Bellwether research warehouse
After=network-online.target

[Service]
WorkingDirectory={PROJECT}
ExecStart={quoted}
Restart=on-failure
RestartSec=30

[Install]
WantedBy=default.target

<!-- launchd: save as ~/Library/LaunchAgents/bellwether.plist, then
     launchctl load ~/Library/LaunchAgents/bellwether.plist -->
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>bellwether</string>
  <key>WorkingDirectory</key><string>{escape_xml(str(PROJECT))}</string>
  <key>ProgramArguments</key>
  <array>
{strings}
  </array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><true/>
</dict>
</plist>""")


@universe_app.command("list")
def universe_list(as_json: JsonOption = False) -> None:
    """List the tickers we cover."""
    from warehouse.sources import universe

    entries = universe.read()
    if as_json:
        _print_json(entries)
        return
    grid = Table(*universe.COLUMNS)
    for entry in entries:
        grid.add_row(*(escape(entry[name]) for name in universe.COLUMNS))
    out.print(grid)


@universe_app.command("add")
def universe_add(
    ticker: Annotated[str, typer.Argument(help="Symbol as Yahoo spells it, such as BABA.")],
    benchmark: Annotated[str | None, typer.Option(help="Ticker to measure it against.")] = None,
    exchange: Annotated[str | None, typer.Option(help="Yahoo's code, such as NYQ.")] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of its quotes.")] = None,
    listed_from: Annotated[str | None, typer.Option(help="First day of the listing.")] = None,
) -> None:
    """Cover a ticker from the next ingest on."""
    from warehouse.sources import universe

    if not re.fullmatch(r"[\^A-Za-z0-9][A-Za-z0-9.\^=&_-]{0,23}", ticker):
        raise typer.BadParameter(f"{ticker!r} is not a symbol.")
    universe.add(
        ticker,
        benchmark=benchmark,
        exchange=exchange,
        currency=currency,
        listed_from=listed_from,
    )
    out.print(f"{escape(ticker)} is covered from the next ingest on.")


@universe_app.command("remove")
def universe_remove(ticker: str) -> None:
    """Stop covering a ticker; what is stored of it stays."""
    from warehouse.sources import universe

    universe.remove(ticker)
    out.print(f"{escape(ticker)} is no longer covered; what is stored of it stays.")


def print_scorecard(home: Home) -> None:
    """Print the published scorecard of `home`, one line a company, for a person to read."""
    with publish.reading(home) as con:
        cards = con.execute(
            """
            select ticker, name, currency, session_date, close, return_1d, return_1m, return_ytd,
                coalesce(snapshot_label, label), coalesce(analyst_count, firm_count),
                upside_median, forward_pe, momentum_percentile, open_flag_count, worst_severity,
                is_simulated
            from marts.scorecard
            where close is not null
                and (momentum_percentile is not null or firm_count > 0 or analyst_count > 0)
                and session_date > (select max(session_date) from marts.scorecard) - 30
            order by momentum_percentile desc nulls last, ticker
            """
        ).fetchall()
    if not cards:
        out.print("No company has prices yet; `bellwether status` says what is stored.")
        return
    is_wide = out.width >= 100
    note = f" [yellow]({SIMULATED_NOTE})[/yellow]" if cards[0][-1] else ""
    out.print(f"[bold]Scorecard[/bold]{note}")
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    grid.add_column("ticker", style="bold", no_wrap=True)
    if is_wide:
        grid.add_column("company", no_wrap=True, max_width=24)
    grid.add_column("close", justify="right", no_wrap=True)
    for name in ("1d", "1m", "YTD"):
        grid.add_column(name, justify="right", no_wrap=True)
    grid.add_column("consensus", no_wrap=True)
    for name in ("upside", "P/E", "mom", "risk"):
        grid.add_column(name, justify="right", no_wrap=True)
    for card in cards:
        (ticker, company, currency, _, close, day, month, year, label, voters) = card[:10]
        (upside, multiple, rank, flags, worst, _) = card[10:]
        cells = [
            escape(ticker),
            f"{close:,.2f}" + ("" if currency == "USD" else f" {escape(currency or '?')}"),
            _percent(day),
            _percent(month),
            _percent(year),
            f"{label.replace('insufficient', 'too few')} ({voters})" if label else "–",
            _percent(upside),
            f"{multiple:.1f}" if multiple is not None else "–",
            f"{100 * rank:.0f}" if rank is not None else "–",
            f"[{'red' if (worst or 0) >= 3 else 'yellow'}]{flags}[/]" if flags else "",
        ]
        if is_wide:
            cells.insert(1, escape(company or ""))
        grid.add_row(*cells)
    out.print(grid)
    newest = max(card[3] for card in cards)
    out.print(
        f"At the close of {newest}, in USD unless said, changes in percent. consensus: label "
        "(analysts); upside: median of the named firms' targets over the close; P/E: on forward "
        "earnings; mom: percentile of 12-1 momentum; risk: open flags, red from severity 3.",
        style="dim",
    )


def _status(home: Home) -> dict[str, Any]:
    from warehouse.sources.inbox import waiting
    from warehouse.store import keys, schema

    made = publish.newest(home)
    if made is None:
        raise HomeError(f"Nothing is published in {home.path} yet. Run `bellwether refresh`.")
    tables = []
    with publish.reading(home) as con:
        for table, columns in schema().items():
            names = {c.name for c in columns}
            dated = [k for k in keys(table) if k.endswith(("_date", "_on", "_end"))]
            newest = f"max({dated[0]})" if dated else "max(known_at)"
            distinct = "count(distinct ticker)" if "ticker" in names else "null"
            row = con.execute(
                f"""
                select count(*), {distinct}, {newest}, max(stored_at),
                    (select count(*) from raw.rejects where table_name = ?)
                from raw.{table}
                """,
                [table],
            ).fetchone()
            assert row is not None
            names_ = ("rows", "tickers", "newest", "last_stored", "rejected")
            tables.append({"table": table, **dict(zip(names_, row, strict=True))})
        rejects = con.execute(
            """
            select table_name || ': ' || reason as what, count(*) as count
            from raw.rejects group by all order by count desc, what limit 20
            """
        ).fetchall()
        failures = con.execute(
            """
            select table_name || ' ' || coalesce(ticker, file, '') || ': ' || outcome || ', '
                || coalesce(reason, '') as what, count(*) as count
            from raw.fetches where outcome <> 'ok' group by all
            order by max(fetched_at) desc limit 20
            """
        ).fetchall()
        grades = con.execute(
            """
            select case grade when '' then '(blank)' else grade end as what, event_count as count
            from staging.unknown_grades order by count desc, what limit 20
            """
        ).fetchall()
        quality = con.execute(
            "select status, count(*) from marts.data_quality group by all"
        ).fetchall()
    failed = home.inbox / ".failed"
    return {
        "home": str(home.path),
        "published": asdict(made),
        "tables": tables,
        "rejects": [{"what": what, "count": count} for what, count in rejects],
        "failures": [{"what": what, "count": count} for what, count in failures],
        "unknown_grades": [{"what": what, "count": count} for what, count in grades],
        "data_quality": dict(quality),
        "inbox": {
            "waiting": len(waiting(home.inbox)),
            "failed": len([f for f in failed.glob("*/*") if f.suffix != ".txt"]),
        },
        "next_scheduled_ingest": _next_ingest(),
    }


def _next_ingest() -> str:
    from orchestration.automation import next_scheduled_ingest

    return next_scheduled_ingest(datetime.now(UTC)).strftime("%Y-%m-%d %H:%M %Z")


def _home_with_data(home: Path | None, demo: bool) -> Home:
    place = Home.find(home, demo=demo)
    if not place.build.exists() and not place.published.exists():
        hint = "" if demo else " Or was it the demo's home you meant? Add --demo."
        raise HomeError(
            f"{place.path} is empty: nothing was ingested there yet. Drop files into "
            f"{place.inbox}/<table>/ and run `bellwether ingest`.{hint}"
        )
    return place


def _moment(text: str) -> datetime:
    from warehouse.sources import calendars

    try:
        return calendars.moment(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a date (2025-08-01) nor a time (2025-08-01T14:00)."
        ) from None


@contextmanager
def _progress(title: str, *, quiet: bool) -> Iterator[Callable[[str, str], None]]:
    if quiet:
        yield lambda _asset, _status: None
        return
    with err.status(f"{title} …") as line:
        yield lambda asset, what: line.update(f"{title}: {escape(asset)} {escape(what)}")


def _exit_if_failed(outcome: RunOutcome, quiet: bool) -> None:
    if outcome.success:
        return
    if not quiet:
        for failure in outcome.failures:
            err.print(f"[red]{escape(failure)}[/red]", highlight=False)
        err.print(f"Run {outcome.run_id} failed; the published file stays as it was.")
    raise typer.Exit(FAILED)


def _rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str, allow_nan=False))


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    colour = "green" if value > 0 else "red" if value < 0 else ""
    text = f"{100 * value:+.1f}"
    return f"[{colour}]{text}[/{colour}]" if colour else text


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def escape_xml(text: str) -> str:
    """Return `text` safe to stand inside an XML element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
