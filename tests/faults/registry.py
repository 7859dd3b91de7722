"""The faults we inject, each with how often: few in `make test`, all in `make soak`."""

from __future__ import annotations

import time
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
    """A line of the table."""

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
        outcome, held = fault.run(place, seed, count), True
    except AssertionError as error:
        outcome, held = Outcome(count, f"BROKEN: {str(error).splitlines()[0]}"), False
    return Result(fault, outcome.injected, outcome.words, held, time.monotonic() - started)


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| part | fault | injected | outcome |", "| --- | --- | ---: | --- |"]
    for result in results:
        words = result.words.replace("|", "\\|")
        lines.append(
            f"| {result.fault.part} | {result.fault.name} | {result.injected:,} | {words} |"
        )
    return "\n".join(lines) + "\n"
