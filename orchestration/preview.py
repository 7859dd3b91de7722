"""A few rows as a Markdown table. Their text is untrusted: it shows as text, whatever it holds."""

import re
from collections.abc import Sequence
from datetime import date, datetime

import pandas as pd

MOST_COLUMNS = 16
MOST_CHARACTERS = 80
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~^=:@])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What a renderer would turn into a link even where the Markdown is escaped.
_LINK = re.compile(r"(?i)(?<=[a-z])(?=://)|(?<=www)(?=\.)|(?<=\S)(?=@)")
_WORD_JOINER = "\u2060"


def preview(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as a Markdown table, long texts and columns beyond the most cut off."""
    if not rows:
        return "no rows"
    shown = columns[:MOST_COLUMNS]
    lines = [
        _line([escaped(name) for name in shown]),
        _line(["---"] * len(shown)),
        *(_line([_cell(value) for value in row[:MOST_COLUMNS]]) for row in rows),
    ]
    if len(columns) > MOST_COLUMNS:
        lines.append(f"\n… and {len(columns) - MOST_COLUMNS} more columns")
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return `text` as Markdown that shows it literally, on one line."""
    text = "".join(char if char.isprintable() else " " for char in text)
    if len(text) > MOST_CHARACTERS:
        text = text[: MOST_CHARACTERS - 1] + "…"
    text = _LINK.sub(_WORD_JOINER, text)
    return _MARKDOWN.sub(r"\\\1", text.translate(_HTML))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float):
        return escaped(f"{value:.10g}")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return escaped(str(value))
