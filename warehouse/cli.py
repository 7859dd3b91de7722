"""The command line. Every command works on one home; see `bellwether --help`."""

from __future__ import annotations

import csv
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from xml.sax.saxutils import escape as escape_xml

import duckdb
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from warehouse import publish
from warehouse.brief.facts import printable
from warehouse.display import (
    SIMULATED_NOTE,
    err,
    escape,
    json_text,
    out,
    print_check,
    print_json,
    print_rows,
    print_scorecard,
    records,
)
from warehouse.errors import BellwetherError, HomeError, UsageError, in_words
from warehouse.past import HISTORY, PUBLISHED, TIME_MACHINE, Answer, answer, history
from warehouse.settings import PROJECT, Home, memory_limit

if TYPE_CHECKING:
    from orchestration.run import RunOutcome
    from warehouse.backup import Backup

FAILED, WRONG_USE, NOTHING_THERE, INTERRUPTED = 1, 2, 3, 130
# Rows of a table that `sql` prints where nobody says how many.
MOST_ROWS = 50
# How long a query of `sql` may take where nobody says so.
LONGEST_QUERY_SECONDS = 300.0
# Findings of one kind that `status` prints.
MOST_FINDINGS = 5
PAST_NOTE = "It shows a past moment; `bellwether refresh` brings it up to now."

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
AsOfOption = Annotated[
    str | None,
    typer.Option(
        help="Answer with what was known at this moment (UTC), or just before New York's next open "
        "after this date. Built once beside the published file and kept in <home>/as_of/."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def main() -> None:
    """Run the command line; errors we raise on purpose become one sentence and an exit code."""
    try:
        app(standalone_mode=True)
    except HomeError as error:
        err.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(NOTHING_THERE)
    except UsageError as error:
        err.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(WRONG_USE)
    except OSError as error:
        told = str(error)
        if error.filename is not None:
            told = (
                f"{error.filename} cannot be read or written: {error.strerror}. "
                "Look whether it is what was meant, at its rights and its disk."
            )
        err.print(f"[red]{escape(told)}[/red]", highlight=False)
        sys.exit(FAILED)
    except BellwetherError as error:
        err.print(f"[red]{escape(str(error))}[/red]")
        sys.exit(FAILED)
    except RuntimeError as error:
        # What DuckDB raises where somebody presses Ctrl-C.
        if str(error) != "Query interrupted":
            raise
        err.print("Interrupted.")
        sys.exit(INTERRUPTED)
    except duckdb.IOException as error:
        err.print(f"[red]The database cannot be read: {escape(in_words(error))}[/red]")
        sys.exit(FAILED)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        reason = str(error).splitlines()[0]
        err.print(
            f"[red]{escape(f'The database lacks what this version of Bellwether reads: {reason}')}"
            "[/red] `bellwether refresh` brings one of an older version up to date.",
            highlight=False,
        )
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
            cards = con.sql("select * from marts.scorecard order by ticker")
            rows = records(cards.columns, cards.fetchall())
        print_json({"home": str(home.path), "seconds": round(seconds, 1), "scorecard": rows})
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
        ("bellwether brief BABA --demo", "one company's page, every sentence with its evidence"),
        ("bellwether status --demo", "how fresh each table is, and what was refused"),
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
        typer.Option(help="Where from: inbox, yahoo, or sample (the default with --demo)."),
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

    From Yahoo (--source yahoo, as the schedule does): every ticker of `bellwether universe list`,
    its benchmark and exchange rates, as far as it is not known since the last close. Yahoo is asked
    slowly; when it wants to be left alone, what is left is asked for later.
    """
    from orchestration import run
    from warehouse.store import SIMULATED

    source = source or (SIMULATED if demo else "inbox")
    if tickers and source == "inbox":
        raise typer.BadParameter("the inbox takes whole files; --tickers is for other sources.")
    place = Home.find(home, demo=demo)
    wanted = [t.strip() for t in tickers.split(",") if t.strip()] if tickers else []
    with _progress("Ingesting", quiet=as_json) as tell:
        run.prepare(place)
        outcome = run.run_ingest(place, source, tables or (), wanted, on_event=tell)
    if as_json:
        print_json(asdict(outcome))
    else:
        grid = Table("table", "new", "changed", "unchanged", "rejected", "duplicates")
        for name, ingested in outcome.tables.items():
            counts = asdict(ingested.counts)
            if any(counts.values()):
                grid.add_row(name, *(f"{counts[str(c.header)]:,}" for c in grid.columns[1:]))
        out.print(grid if grid.row_count else "Nothing new.")
        if not grid.row_count and source == "inbox":
            out.print(
                f"Drop files into {escape(str(place.inbox))}/<table>/, or ask --source yahoo."
            )
        told = [
            failure
            for ingested in outcome.tables.values()
            for failure in (*ingested.failures, *ingested.warnings)
        ]
        for failure in dict.fromkeys(told):
            err.print(f"[yellow]{escape(failure)}[/yellow]", highlight=False)
        requests = sum(ingested.requests for ingested in outcome.tables.values())
        if requests:
            out.print(f"{requests:,} requests sent to Yahoo")
        for failure in outcome.failures:
            err.print(f"[red]{escape(failure)}[/red]", highlight=False)
        out.print(f"{outcome.seconds:.1f} s, home {escape(str(place.path))}")
        if source == SIMULATED and outcome.success:
            out.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
        _tell_strays(place)
    if not outcome.success or any(table.failures for table in outcome.tables.values()):
        raise typer.Exit(FAILED)


@app.command()
def refresh(
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Show what was known at this moment (UTC), or just before New York's next open "
            "after this date; now by default. Readers see the past until the next refresh."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build even if nothing changed.")] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Make every table from the raw rows, going on from none of the last build.",
        ),
    ] = False,
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
            place,
            as_of=_moment(as_of) if as_of else None,
            force=force,
            anew=anew,
            on_event=tell,
        )
    if as_json:
        print_json(asdict(outcome))
    elif outcome.skipped:
        out.print("Nothing changed since the last refresh; --force builds all the same.")
    elif outcome.success and outcome.published:
        made = outcome.published
        out.print(
            f"Published {made.version} as of {made.as_of} UTC: {made.size_bytes / 1e6:.1f} MB, "
            f"{made.way} in {made.seconds:.2f} s"
            + (f", {made.freed_bytes / 1e6:,.1f} MB given back" if made.freed_bytes else "")
            + f"; {outcome.seconds:.1f} s in all."
        )
        if made.is_simulated:
            out.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
        elif made.shows_the_past:
            out.print(f"[yellow]{PAST_NOTE}[/yellow]")
    _exit_if_failed(outcome, as_json)


@app.command()
def status(home: HomeOption = None, demo: DemoOption = False, as_json: JsonOption = False) -> None:
    """Say what is published, how fresh every table is, and what was refused."""
    from orchestration.run import failing_jobs_of
    from warehouse.brief.facts import clean
    from warehouse.status import report as status_of

    place = _home_with_data(home, demo)
    report = status_of(place, datetime.now(UTC).replace(tzinfo=None), failing_jobs_of(place))
    if as_json:
        print_json(report)
        return
    made = report["published"]
    note = f"  [yellow]({SIMULATED_NOTE})[/yellow]" if report["is_simulated"] else ""
    out.print(f"[bold]{escape(report['home'])}[/bold]{note}")
    if made:
        megabytes = made["size_bytes"] / 1e6
        freed = made["freed_bytes"]
        space = (
            f"{freed / 1e6:,.1f} MB given back by compacting"
            if freed
            else f"{made['dead_space']:.0%} of it free for the next build"
        )
        out.print(
            f"Published {made['version']}, as of {made['as_of']} UTC, {megabytes:.1f} MB ({space})"
        )
        if made["dead_space"] > publish.MOST_DEAD_SPACE:
            out.print(
                "[yellow]More than half of the build file is dead space, and it could not be "
                "compacted[/yellow]: that needs as much room on the disk as the rest."
            )
        if report["shows_the_past"]:
            out.print(f"[yellow]{PAST_NOTE}[/yellow]")
    else:
        out.print("[yellow]Nothing is published yet[/yellow]: run `bellwether refresh`.")
    headings = ("raw table", "rows", "tickers", "newest", "stored (UTC)", "rejected")
    grid = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for row in report["tables"]:
        if row["rows"]:
            grid.add_row(
                row["table"],
                f"{row['rows']:,}",
                f"{row['tickers']:,}" if row["tickers"] is not None else "",
                str(row["newest"] or ""),
                str(row["last_stored"] or "")[:16],
                f"{row['rejected']:,}" if row["rejected"] else "",
            )
    out.print(grid)
    for failing in report["failing_jobs"]:
        out.print(f"[red]Failing[/red]  {escape(failing)}", highlight=False)
    if made and not report["attempts_are_live"]:
        out.print(
            "[yellow]What failed since it was published is not known[/yellow]: the next "
            "`bellwether ingest` tells."
        )
    for title, key in (
        ("Rejected rows, 30 days", "rejects"),
        ("Attempts that failed", "failures"),
        ("Attempts that found nothing", "empties"),
        ("Changed format, 30 days", "drifts"),
        ("Grades no row of rules.rating_grades knows (no vote)", "unknown_grades"),
    ):
        if report[key]:
            out.print(f"[yellow]{title}[/yellow]")
            for row in report[key][:MOST_FINDINGS]:
                out.print(f"  {row['count']:>6,}  {escape(clean(row['what']))}", highlight=False)
            if (more := len(report[key]) - MOST_FINDINGS) > 0:
                out.print(f"          and {more} more kinds: `bellwether status --json`")
    quality = report["data_quality"]
    if quality:
        out.print(
            f"Data quality: {quality.get('ok', 0):,} ok, {quality.get('warn', 0):,} warn, "
            f"{quality.get('fail', 0):,} fail (marts.data_quality says why)"
        )
    inbox = report["inbox"]
    out.print(f"Inbox: {inbox['waiting']} waiting, {inbox['failed']} failed")
    _tell_strays(place)
    yahoo = report["yahoo"]
    out.print(f"Yahoo: {yahoo['requests_today']:,} of {yahoo['budget']:,} requests in 24 hours")
    if yahoo["resume_at"]:
        until = yahoo["resume_at"][:16]
        out.print(f"[yellow]Yahoo is left alone; the next attempt is due at {until} UTC.[/yellow]")
        out.print(f"  {escape(yahoo['cause'] or '')}", highlight=False)
    if report["throttled"]:
        out.print(f"[yellow]Throttled[/yellow]: {report['throttled']:,} attempts in 24 hours")
    for title, key in (("Late", "late"), ("Fell silent", "silent")):
        for row in report[key]:
            out.print(f"[yellow]{title}[/yellow]  {escape(row)}", highlight=False)
    size = report["size"]
    colour = "yellow" if size["is_over"] else "default"
    out.print(
        f"[{colour}]Size: {size['total_bytes'] / 1e9:.2f} of {size['budget_bytes'] / 1e9:g} GB[/]; "
        f"{size['rows_30d']:,} of {size['rows']:,} raw rows came in 30 days"
    )
    out.print(f"Next scheduled ingest: {report['next_scheduled_ingest']} (while the UI runs)")


@app.command()
def doctor(
    ticker: Annotated[str, typer.Option(help="A company to ask for, as Yahoo spells it.")] = "AAPL",
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at the home alone, send no request.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Build all marts anew beside the published ones, and say where they differ.",
        ),
    ] = False,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look at the home and at the last run, ask Yahoo for one ticker, and say what is wrong.

    Nothing is stored. It sends some 15 requests, at the usual pace: half a minute.
    """
    from orchestration.run import failing_jobs_of
    from warehouse.doctor import examine, inspect

    place = Home.find(home, demo=demo)
    checks = inspect(place, failing_jobs_of(place))
    if rebuild:
        from orchestration.rebuild import check as compare

        with _progress("Building anew", quiet=as_json) as tell:
            checks.append(compare(place, tell))
    if not offline:
        with _progress("Examining", quiet=as_json) as tell:
            checks += examine(place, ticker, tell)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        grid = Table("check", "status", "finding", "requests", box=box.SIMPLE_HEAD)
        for check in checks:
            status = f"[{colours[check.status]}]{check.status}[/]"
            sent = str(check.requests or "")
            grid.add_row(check.name, status, escape(check.finding), sent)
        out.print(grid)
        for advice in dict.fromkeys(check.advice for check in checks if check.advice):
            out.print(f"→ {escape(advice)}", highlight=False)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(FAILED)


@app.command()
def sql(
    query: Annotated[
        str | None, typer.Argument(help="One SQL query; read from standard input when left out.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=0, help="At most this many rows; 0 is all. A table has 50, others all."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Stop it after so many seconds; 0 is never.")
    ] = LONGEST_QUERY_SECONDS,
    as_of: AsOfOption = None,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Query the published marts, read-only, without access to files or network.

    It takes at most BELLWETHER_MEMORY (6GB).

    Try: bellwether sql --demo "select ticker, flag, message from marts.risk_flags where is_open"
    """
    place = Home.find(home, demo=demo)
    text = query if query is not None else sys.stdin.read()
    made = publish.newest(place)
    if made is not None and made.is_simulated:
        err.print(f"[yellow]{SIMULATED_NOTE}[/yellow]")
    memory = memory_limit()
    with (
        _marts(place, as_of, quiet=as_csv or as_json, memory=memory) as (con, _, _),
        _stopped_after(timeout, con),
    ):
        try:
            statements = con.extract_statements(text)
            if len(statements) != 1:
                raise typer.BadParameter("exactly one statement is expected.")
            queries = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
            if statements[0].type not in queries:
                raise typer.BadParameter(
                    "only a query is taken, such as select, describe, explain."
                )
            relation = con.sql(text)
            columns = relation.columns if relation is not None else []
            most = rows if rows is not None else 0 if as_csv or as_json else MOST_ROWS
            told = relation.fetchmany(most + 1) if most and relation else []
            told = relation.fetchall() if not most and relation else told
        except duckdb.OutOfMemoryException:
            err.print(
                f"[red]The query needs more than the {memory} it may take.[/red] Ask for less, or "
                "set BELLWETHER_MEMORY.",
                highlight=False,
            )
            raise typer.Exit(FAILED) from None
        except duckdb.InterruptException:
            err.print(
                f"[red]The query was stopped after {timeout:g} seconds.[/red] Ask for less, or "
                "give it more with --timeout.",
                highlight=False,
            )
            raise typer.Exit(FAILED) from None
        except duckdb.Error as error:
            err.print(f"[red]{escape(str(error))}[/red]", highlight=False)
            raise typer.Exit(WRONG_USE) from None
    shown = told[:most] if most else told
    if as_json:
        print_json(records(columns, shown))
    elif as_csv:
        # A file gets what is stored to the letter, a screen nothing that steers it.
        if sys.stdout.isatty():
            columns = [printable(name) for name in columns]
            shown = [tuple(printable(v) if isinstance(v, str) else v for v in row) for row in shown]
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows(shown)
    elif columns:
        print_rows(columns, shown)
    if len(shown) < len(told):
        err.print(f"There are more than {most:,} rows; --rows 0 prints all.")


@app.command()
def brief(
    ticker: Annotated[str, typer.Argument(help="Symbol as Yahoo spells it, such as BABA.")],
    as_of: AsOfOption = None,
    form: Annotated[
        str, typer.Option("--format", help="terminal, markdown, json or html.")
    ] = "terminal",
    output: Annotated[Path | None, typer.Option(help="Write to this file instead.")] = None,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="In the terminal, list the cells each rests on.")
    ] = False,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the one-page brief of a ticker, every sentence with the rows it rests on.

    It is composed from the marts by rules, without a language model, and is not advice.
    """
    from warehouse.brief import compose, render

    form = "json" if as_json else form
    if form not in ("terminal", "markdown", "json", "html"):
        raise typer.BadParameter("--format is terminal, markdown, json or html.")
    place = Home.find(home, demo=demo)
    with _marts(place, as_of, quiet=form != "terminal") as (con, moment, answered):
        composed = compose.compose(con, ticker, moment)
        if form == "html":
            from warehouse.brief.site import company_page

            text = company_page(con, composed)
        elif form == "markdown":
            text = render.markdown(composed)
        elif form == "json":
            told = {**composed.as_json(), "answered_by": answered._asdict()}
            text = json_text(told) + "\n"
    if form == "terminal":
        if output is None:
            render.print_brief(out, composed, with_evidence=evidence)
        else:
            with output.open("w", encoding="utf-8") as file:
                render.print_brief(Console(file=file, width=100), composed, with_evidence=evidence)
        if as_of is not None:
            _tell_way(answered)
    elif output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A brief as `bellwether brief --json` wrote it.")],
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute every sentence of a brief from the raw rows, and say what no longer reproduces.

    Each raw cell is looked up in the store, and the marts are built anew from the raw store as of
    the brief's moment (kept as by --as-of). Ends with 1 if a sentence does not reproduce.
    """
    from warehouse.brief.facts import clean
    from warehouse.brief.verify import read, verify

    place = Home.find(home, demo=demo)
    told = read(file)
    with _marts(place, told["as_of"], quiet=as_json, anew=True) as (con, moment, _):
        verdicts = verify(told, con, moment)
    broken = [verdict for verdict in verdicts if not verdict.reproduces]
    if as_json:
        print_json(
            {
                "ticker": told["ticker"],
                "as_of": told["as_of"],
                "sentences": [asdict(verdict) for verdict in verdicts],
            }
        )
    else:
        for verdict in broken:
            out.print(f"[red]✗[/red] {escape(clean(verdict.text))}", highlight=False)
            for reason in verdict.reasons:
                out.print(f"    {escape(clean(reason))}", highlight=False)
        out.print(f"{len(verdicts) - len(broken)} of {len(verdicts)} sentences reproduce.")
    if broken:
        raise typer.Exit(FAILED)


@app.command()
def diff(
    ticker: Annotated[str, typer.Argument(help="Symbol as Yahoo spells it, such as BABA.")],
    since: Annotated[str, typer.Option(help="The day or moment (UTC) to compare with.")],
    as_of: AsOfOption = None,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what changed for a ticker since a day, and which raw rows made it change."""
    from warehouse.brief.changes import changes, require_known

    place = Home.find(home, demo=demo)
    since_moment = _moment(since)
    before_moment = since_moment.isoformat(sep=" ")
    made = publish.newest(place)
    shown = _moment(as_of) if as_of else datetime.fromisoformat(made.as_of) if made else None
    if shown is not None and since_moment >= shown:
        raise UsageError(
            f"--since {before_moment[:16]} is not before {shown:%Y-%m-%d %H:%M} UTC, the moment "
            "it is compared with."
        )
    with _marts(place, as_of, quiet=as_json) as (after, moment, shown_by):
        assert made is not None
        made = publish.newest(place)
        assert made is not None
        if before_moment >= moment:
            raise UsageError(
                f"--since {before_moment[:16]} is not before {moment[:16]} UTC, the moment that "
                "is compared with it."
            )
        require_known(after, ticker)
        compared_by = Answer(TIME_MACHINE, "the later moment needs it too")
        if shown_by.way == PUBLISHED:
            compared_by = answer(after, datetime.fromisoformat(made.as_of), since_moment, ticker)
        opened = (
            _built(place, since_moment, quiet=as_json, why=compared_by.reason)
            if compared_by.way == TIME_MACHINE
            else history(place.published.resolve(), since_moment, ticker)
            if compared_by.way == HISTORY
            else publish.reading(place)
        )
        with opened as before:
            found = changes(
                *(before, after, ticker, since_moment),
                is_same_basis=compared_by.way != TIME_MACHINE,
            )
    if as_json:
        print_json(
            {
                "ticker": ticker,
                "since": before_moment,
                "as_of": moment,
                "answered_by": {
                    "since": compared_by._asdict(),
                    "as_of": shown_by._asdict(),
                },
                "changes": [change.as_json() for change in found],
            }
        )
        return
    out.print(
        f"[bold]{escape(ticker)}[/bold] from {before_moment[:16]} to {moment[:16]} UTC",
        highlight=False,
    )
    for kind in dict.fromkeys(change.kind for change in found):
        out.print(f"\n[bold cyan]{kind}[/bold cyan]")
        for change in found:
            if change.kind == kind:
                out.print(f" • {escape(change.text)}", highlight=False)
                rows = [f"{cell.table} {cell.row_id}" for cell in change.evidence if cell.is_raw]
                told = list(dict.fromkeys(rows))
                more = [f"and {len(told) - 4} more rows"] if len(told) > 5 else told[4:]
                for row in [*told[:4], *more]:
                    out.print(f"     [dim]{escape(row)}[/dim]", highlight=False)
    if not found:
        out.print("Nothing changed.")
    _tell_way(compared_by)


@app.command()
def check(
    article: Annotated[str, typer.Argument(help="A text file, or - for standard input.")],
    ticker: Annotated[
        str | None, typer.Option(help="Whom it is about; else who is named first, as in (BABA).")
    ] = None,
    published_at: Annotated[
        str | None,
        typer.Option(
            help="When it appeared: a date, or a time (UTC); else the date at its head, else now."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Use only what was known by then, if that was earlier.")
    ] = None,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Judge each claim of an article by what was known when it appeared.

    Verdicts: supported; supported_on_other_basis (true intraday, or by another count: which);
    stale (was true, and changed before); contradicted; not_checkable (with the reason). A number
    may be off by its rounding: "10 %" is 9.5 to 10.5 %. Causes, forecasts and opinions are listed,
    never judged.

    The day of publication is judged by its final bar, everything else by what was known before.
    The text is only read: instructions and markup in it do nothing.

    Try: bellwether check article.txt --published-at 2025-09-24 --demo

    Exit codes: 0 judged, whatever the verdicts; 1 the file cannot be read; 2 no company or moment
    to judge by; 3 nothing is published yet. With --json, `claims` says which is which.
    """
    from warehouse.claims import verify

    place = Home.find(home, demo=demo)
    stream = sys.stdin.buffer if article == "-" else Path(article).open("rb")  # noqa: SIM115
    with stream:
        text = stream.read(verify.MOST_BYTES + 1).decode("utf-8", errors="replace")
    made = publish.newest(place)
    with publish.reading(place) as con, ExitStack() as opened:

        def past(moment: datetime, why: str) -> duckdb.DuckDBPyConnection:
            return opened.enter_context(_built(place, moment, quiet=as_json, why=why))

        told = verify.check(
            con,
            text,
            newest=datetime.fromisoformat(made.as_of) if made else datetime.max,
            ticker=ticker.upper() if ticker else None,
            published_at=published_at,
            as_of=as_of,
            past=past,
        )
    told["is_simulated"] = made is not None and made.is_simulated
    if as_json:
        print_json(told)
    else:
        print_check(told)
        _tell_way(Answer(**told["answered_by"]))


@app.command()
def digest(
    send: Annotated[
        bool, typer.Option("--send", help="Send it where the environment names, too.")
    ] = False,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write and print today's digest: what failed, is late or silent, which flags changed.

    The daemon writes one every morning. BELLWETHER_DIGEST_WEBHOOK or BELLWETHER_DIGEST_MAIL_TO (and
    BELLWETHER_DIGEST_SMTP) say where to send it; by default it goes nowhere.
    """
    from orchestration.run import failed_runs_of
    from warehouse import digest as daily

    place = _home_with_data(home, demo)
    now = datetime.now(UTC).replace(tzinfo=None)
    made = daily.compose(place, now, failed_runs_of(place, daily.since(place, now)))
    daily.write(place, made)
    if as_json:
        print_json(made)
    else:
        print(daily.markdown(made))
    failures = daily.send(made) if send else []
    for failure in failures:
        err.print(f"[red]{escape(failure)}[/red]", highlight=False)
    if failures:
        raise typer.Exit(FAILED)


@app.command()
def backup(
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to put it into; <home>/backups by default.", show_default=False),
    ] = None,
    home: HomeOption = None,
    demo: DemoOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the raw store, from which all else follows, to Parquet files with their hashes."""
    from orchestration.lock import alone
    from warehouse.backup import back_up

    place = _home_with_data(home, demo)
    with alone(place, _tell_waiting):
        made = back_up(place, to)
    _tell_backup("Backed up", made, as_json)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A backup as `bellwether backup` made it.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a raw store from a backup, bit for bit, in a home that has none.

    Every file is compared with its hash first. Then `bellwether refresh --force` builds the marts.
    """
    from orchestration.lock import alone
    from warehouse.backup import read
    from warehouse.backup import restore as restore_from

    place = Home.find(home)
    # What is no backup is refused before anything is made for the lock.
    whole = read(folder)
    with alone(place, _tell_waiting):
        made = restore_from(place, whole)
    _tell_backup("Restored", made, as_json)
    if not as_json:
        out.print("`bellwether refresh --force` builds the marts from it.")


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 3000,
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
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 3000,
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
        print_json(entries)
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


def _tell_backup(what: str, made: Backup, as_json: bool) -> None:
    if as_json:
        print_json(asdict(made))
        return
    rows = sum(table.rows for table in made.tables.values())
    out.print(
        f"{what} {rows:,} rows of {len(made.tables)} raw tables in {made.seconds:.1f} s: "
        f"{escape(str(made.path))} ({made.size_bytes / 1e6:.1f} MB)",
        highlight=False,
        soft_wrap=True,
    )


def _tell_waiting() -> None:
    err.print("Waiting for a run to finish …")


def _tell_strays(home: Home) -> None:
    from warehouse.sources.inbox import strays

    for name in strays(home.inbox):
        out.print(
            f"[yellow]Never read: {escape(name)} in {escape(str(home.inbox))}[/yellow]; "
            "files belong into a folder named like a raw table",
            highlight=False,
        )


def _tell_way(answered: Answer) -> None:
    ways = {
        PUBLISHED: "the published marts",
        HISTORY: "the history tables",
        TIME_MACHINE: "the time machine",
    }
    out.print(f"[dim]Answered by {ways[answered.way]}: {answered.reason}.[/dim]", highlight=False)


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
def _marts(
    home: Home, as_of: str | None, *, quiet: bool, anew: bool = False, memory: str | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str, Answer]]:
    """Open the published marts, or those of a past moment, built where the published differ.

    Yields the moment they show and how it is answered, too. With `anew` it is built in any case.
    """
    made = publish.newest(home)
    with publish.reading(home, memory=memory) as con:
        assert made is not None
        if as_of is None:
            yield con, made.as_of, Answer(PUBLISHED, "no other moment was asked for")
            return
        moment = _moment(as_of)
        answered = (
            Answer(TIME_MACHINE, "everything is to be built anew")
            if anew
            else answer(con, datetime.fromisoformat(made.as_of), moment)
        )
        if answered.way == PUBLISHED:
            yield con, moment.isoformat(sep=" "), answered
            return
    with _built(home, moment, quiet=quiet, why=answered.reason, memory=memory) as con:
        yield con, moment.isoformat(sep=" "), answered


@contextmanager
def _built(
    home: Home, moment: datetime, *, quiet: bool, why: str, memory: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the time machine's file of a moment, built where it is not kept."""
    from orchestration.time_machine import database

    with _progress(f"Building the marts as of {moment} ({why})", quiet=quiet) as tell:
        file = database(home, moment, tell)
    with publish.reading(home, file, memory=memory) as con:
        yield con


@contextmanager
def _stopped_after(seconds: float, con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt what a connection does after so many seconds, unless these are 0."""
    if not seconds:
        yield
        return
    clock = threading.Timer(min(seconds, threading.TIMEOUT_MAX), con.interrupt)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


@contextmanager
def _progress(title: str, *, quiet: bool) -> Iterator[Callable[[str, str], None]]:
    if quiet:
        yield lambda _asset, _status: None
        return
    if not err.is_terminal:
        err.print(f"{title} …", highlight=False)
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
