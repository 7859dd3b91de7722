"""What the command line shows: tables for a person, JSON for a script."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from rich import box, markup
from rich.console import Console
from rich.table import Table

from warehouse import publish
from warehouse.brief.facts import printable
from warehouse.settings import Home

SIMULATED_NOTE = "simulated sample: no real quotes, ratings or news"
# A longer text is folded inside its cell.
_WRAPPED = 24

out = Console()
err = Console(stderr=True)


def escape(text: str) -> str:
    """Return text that may be from outside for a screen: no markup, nothing that steers it."""
    return markup.escape(printable(text))


def print_scorecard(home: Home) -> None:
    """Print the published scorecard of `home`, one line a company, for a person to read."""
    with publish.reading(home) as con:
        (left_out,) = con.execute(
            """
            select count(*) from marts.scorecard
            where close is not null
                and session_date <= (select max(session_date) from marts.scorecard) - 30
            """
        ).fetchone()
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
    newest = max(card[3] for card in cards)
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
        (ticker, company, currency, session, close, day, month, year, label, voters) = card[:10]
        (upside, multiple, rank, flags, worst, _) = card[10:]
        cells = [
            escape(ticker),
            f"{close:,.2f}"
            + ("" if currency == "USD" else f" {escape(currency or '?')}")
            + ("" if session == newest else "*"),
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
    older = f" Left out: {left_out} without a price of the last 30 days." if left_out else ""
    out.print(
        f"At the close of {newest} (* earlier), in USD unless said, changes in percent. "
        "consensus: label (analysts); upside: median of the named firms' targets over the close; "
        "P/E: on forward earnings; mom: percentile of 12-1 momentum; "
        "risk: open flags, red from severity 3."
        f"{older}",
        style="dim",
    )


def records(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return rows as dictionaries; a column whose name is taken gets a number behind it."""
    names: list[str] = []
    for name in columns:
        taken = sum(n == name or n.startswith(f"{name}_") for n in names)
        names.append(f"{name}_{taken + 1}" if name in names else name)
    return [dict(zip(names, row, strict=True)) for row in rows]


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, or where it would not fit, each row as a list of its columns."""
    columns = [printable(name) for name in columns]
    texts = [[printable(_shown(value)) for value in row] for row in rows]
    widths = [
        max([len(name), *(min(len(row[i]), _WRAPPED) for row in texts)])
        for i, name in enumerate(columns)
    ]
    if sum(widths) + 3 * len(widths) + 1 <= out.width:
        grid = Table(*map(escape, columns))
        for row in texts:
            grid.add_row(*map(escape, row))
        out.print(grid)
        return
    for number, row in enumerate(texts, 1):
        grid = Table.grid(padding=(0, 2))
        for name, value in zip(columns, row, strict=True):
            grid.add_row(f"[bold]{escape(name)}[/bold]", escape(value))
        out.print(f"[dim]row {number}[/dim]", grid, sep="\n")


def print_json(value: Any) -> None:
    """Print JSON; what it has no number for, such as infinity, is text."""
    print(json_text(value))


def json_text(value: Any) -> str:
    """Return the JSON that `print_json` prints."""
    return json.dumps(_plain(value), indent=1, default=str, allow_nan=False)


_VERDICT_COLOURS = {
    "supported": "green",
    "supported_on_other_basis": "cyan",
    "stale": "yellow",
    "contradicted": "red",
    "not_checkable": "dim",
}


def print_check(told: dict[str, Any]) -> None:
    """Print a checked article sentence by sentence, each claim with its verdict first."""
    note = f" [yellow]({SIMULATED_NOTE})[/yellow]" if told["is_simulated"] else ""
    out.print(
        f"[bold]{escape(told['ticker'])}[/bold], by what was known at "
        f"{told['as_of'][:16]} UTC{note}",
        highlight=False,
    )
    for line in told["notes"]:
        out.print(f"[yellow]{escape(line)}[/yellow]", highlight=False)
    for number, sentence in enumerate(told["sentences"]):
        out.print(f"\n[bold]{escape(_printable(sentence))}[/bold]", highlight=False)
        for claim in told["claims"]:
            if claim["sentence"] == number:
                _print_claim(claim)
        for opinion in told["opinions"]:
            if opinion["sentence"] == number:
                out.print(
                    f"  [dim]{opinion['reason']}[/dim]: not judged"
                    + (
                        f"; “{escape(_printable(opinion['text']))}”"
                        if opinion["text"] != sentence
                        else ""
                    ),
                    highlight=False,
                )
                for one in opinion.get("coincides_with", ())[:2]:
                    out.print(
                        f"    coincides with “{escape(_printable(one['value']))}”", style="dim"
                    )
    counts = {name: sum(c["verdict"] == name for c in told["claims"]) for name in _VERDICT_COLOURS}
    told_counts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    out.print(f"\n{len(told['claims'])} claims: {told_counts or 'none'}. Evidence: --json.")


def _print_claim(claim: dict[str, Any]) -> None:
    colour = _VERDICT_COLOURS[claim["verdict"]]
    out.print(
        f"  [{colour}]{claim['verdict']}[/{colour}]  {claim['kind']} "
        f"“{escape(_printable(claim['text'])[:100])}”",
        highlight=False,
    )
    if claim["reason"]:
        out.print(f"    {claim['reason'].replace('_', ' ')}", style="dim", highlight=False)
        return
    unit = claim["stated"].get("unit")
    is_share = unit == "fraction" or claim["kind"] == "factor"
    parts = [f"found {_found(claim['found'], is_share)}", claim["basis"]]
    if claim["tolerance"] and unit not in ("count", "sessions") and "firm" not in claim["stated"]:
        low, high = claim["tolerance"]
        bounds = [(low, "or more"), (high, "or less")]
        known = [pair for pair in bounds if math.isfinite(pair[0])]
        within = " to ".join(_found(end, is_share) for end, _ in known)
        parts.append(f"stated is {within}" + (f" {known[0][1]}" if len(known) == 1 else ""))
    parts.append(claim["note"])
    out.print("    " + escape("; ".join(part for part in parts if part)), highlight=False)


def _found(value: Any, is_share: bool) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            return "any"
        return f"{100 * value:.1f} %" if is_share else f"{value:,.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value.values() if v)
    if isinstance(value, list):
        return " to ".join(_found(one, is_share) for one in value)
    return _printable(str(value))


def _printable(text: str) -> str:
    """Return outside text without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    colour = "green" if value > 0 else "red" if value < 0 else ""
    text = f"{100 * value:+.1f}"
    return f"[{colour}]{text}[/{colour}]" if colour else text


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e5 or not math.isfinite(value) else f"{value:.2f}"
    return str(value)
