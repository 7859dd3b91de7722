"""The faults we inject, each with how often: few in `make test`, all in `make soak`."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 20261126


@dataclass(frozen=True)
class Outcome:
    """How often a fault was injected in fact, and what became of it."""

    injected: int
    words: str


# An empty folder, a seed, and how often; raises AssertionError where a promise was broken.
Run = Callable[[Path, int, int], Outcome]


@dataclass(frozen=True)
class Fault:
    """A fault: `quick` times in `make test` (0: not there), `full` times in `make soak`."""

    part: str
    name: str
    quick: int
    full: int
    run: Run

    @property
    def id(self) -> str:
        """Its name as a path and a pytest parameter."""
        return "".join(c if c.isalnum() else "_" for c in self.name.lower())


@dataclass(frozen=True)
class Result:
    """What became of a fault."""

    fault: Fault
    injected: int
    words: str
    held: bool
    seconds: float


FAULTS: list[Fault] = []


def fault(part: str, name: str, *, quick: int, full: int) -> Callable[[Run], Run]:
    """Put a function into the table."""

    def register(run: Run) -> Run:
        FAULTS.append(Fault(part, name, quick, full, run))
        return run

    return register


def inject(fault: Fault, place: Path, *, seed: int, count: int) -> Result:
    """Inject a fault `count` times in the empty folder `place` and say whether all held."""
    started = time.monotonic()
    try:
        outcome = fault.run(place, seed, count)
        # What was not injected shows nothing.
        held = outcome.injected > 0
    except AssertionError as error:
        outcome, held = Outcome(count, f"BROKEN: {str(error).splitlines()[0]}"), False
    except Exception as error:
        # What nobody expected breaks the promise, too, and must not end a soak of hours.
        traceback.print_exc()
        outcome, held = Outcome(count, f"BROKEN: {type(error).__name__}"), False
    return Result(fault, outcome.injected, outcome.words, held, time.monotonic() - started)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    part: str
    name: str
    injected: int
    words: str


_ROW = re.compile(r"\| (\w+) \| (.+?) \| ([\d,]+) \| (.*) \|")


def row(result: Result) -> Row:
    """Return a result as a line of the table."""
    return Row(result.fault.part, result.fault.name, result.injected, result.words)


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| part | fault | injected | outcome |", "| --- | --- | ---: | --- |"]
    for each in rows:
        words = each.words.replace("|", "\\|")
        lines.append(f"| {each.part} | {each.name} | {each.injected:,} | {words} |")
    return "\n".join(lines) + "\n"


def told(markdown: str) -> dict[str, Row]:
    """Return the rows of such a table by the name of their fault."""
    rows = {}
    for line in markdown.splitlines():
        if match := _ROW.fullmatch(line):
            part, name, injected, words = match.groups()
            count = int(injected.replace(",", ""))
            rows[name] = Row(part, name, count, words.replace("\\|", "|"))
    return rows
