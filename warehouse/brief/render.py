"""A brief as text: for a terminal and as Markdown. Outside text is escaped for each."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from warehouse.brief.facts import Brief, Sentence, clean

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def print_brief(console: Console, brief: Brief, *, with_evidence: bool = False) -> None:
    """Print a brief for a person to read, on request with the cells under each sentence."""
    title = f"[bold]{escape(brief.name)} ({escape(clean(brief.ticker))})[/bold]"
    console.print(f"{title}  [dim]as of {brief.as_of[:16]} UTC[/dim]", highlight=False)
    for section in brief.sections:
        console.print(f"\n[bold cyan]{escape(section.title)}[/bold cyan]")
        for sentence in section.sentences:
            console.print(Padding(f"• {escape(sentence.text)}", (0, 0, 0, 1)), highlight=False)
            if with_evidence:
                for line in evidence_lines(sentence):
                    console.print(Padding(f"[dim]{escape(line)}[/dim]", (0, 0, 0, 5)))


def markdown(brief: Brief) -> str:
    """Return a brief as Markdown; each sentence's evidence is a footnote."""
    lines = [f"# {_escaped(brief.name)} ({_escaped(clean(brief.ticker))})", ""]
    lines += [f"As of {brief.as_of[:16]} UTC.", ""]
    notes: list[str] = []
    for section in brief.sections:
        lines += [f"## {_escaped(section.title)}", ""]
        for sentence in section.sentences:
            notes.append("; ".join(_escaped(line) for line in evidence_lines(sentence)))
            lines.append(f"- {_escaped(sentence.text)}[^{len(notes)}]")
        lines.append("")
    lines += [f"[^{number}]: {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(lines) + "\n"


def evidence_lines(sentence: Sentence) -> list[str]:
    """Return one line for each cell a sentence rests on."""
    return [
        clean(
            f"{cell.table} {cell.row_id or ' '.join(value for _, value in cell.key)} "
            f"{cell.column} = {cell.value}" + (f", known {cell.known_at}" if cell.known_at else "")
        )
        for cell in sentence.evidence
    ]


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)
