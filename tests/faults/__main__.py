"""Inject every fault and print fault, count and outcome: `python -m tests.faults --help`.

Ends with 1 if a promise was broken. With the same seed the same faults come at the same points.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults import crashes, hostile, load, machine, upstream
from tests.faults.registry import FAULTS, SEED, Result, inject, row, table, told

_MODULES = (crashes, machine, upstream, load, hostile)
_HEAD = """# Faults

What was injected, how often, and what became of it. `make soak` injects all of it in full counts;
`python -m tests.faults --write docs/faults.md WORD` injects some of it and leaves the other rows as
they are; `make test` injects a few of each. What is asserted of each stands in `tests/faults/`.

"""


def write(file: Path, result: Result) -> None:
    """Put a result into the table of a file, in the order of the faults, beside those there.

    Rows of faults that are no more are dropped; those that were never injected are named below.
    """
    rows = told(file.read_text(encoding="utf-8")) if file.exists() else {}
    rows[result.fault.name] = row(result)
    names = [fault.name for fault in FAULTS]
    known = [rows[name] for name in names if name in rows]
    count: Counter[str] = Counter()
    for each in known:
        count[each.part] += each.injected
    sums = ", ".join(f"{part} {number:,}" for part, number in count.items())
    never = [name for name in names if name not in rows]
    end = f"\nNot injected in full counts: {'; '.join(never)}.\n" if never else ""
    told_all = f"\n{len(known)} faults, injected {count.total():,} times: {sums}.\n"
    file.write_text(_HEAD + table(known) + told_all + end, encoding="utf-8")


def main() -> None:
    """Inject, print each line when it is known, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "words", nargs="*", help="only faults with one of these words in part or name"
    )
    parser.add_argument("--quick", action="store_true", help="as often as in `make test`")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="put the rows, as soon as each is known, into the table of this file",
    )
    arguments = parser.parse_args()
    if arguments.write and arguments.quick:
        parser.error("only full counts are written")
    results: list[Result] = []
    for fault in FAULTS:
        count = fault.quick if arguments.quick else fault.full
        name = f"{fault.part} {fault.name}".lower()
        asked = any(word.lower() in name for word in arguments.words)
        if not count or (arguments.words and not asked):
            continue
        with tempfile.TemporaryDirectory(prefix="bellwether-fault-") as folder:
            result = inject(fault, Path(folder), seed=arguments.seed, count=count)
        results.append(result)
        print(
            f"{'held' if result.held else 'BROKEN':6} {fault.name}: {result.injected:,} injected, "
            f"{result.seconds:.0f} s: {result.words}",
            flush=True,
        )
        if arguments.write:
            write(arguments.write, result)
    print("\n" + table([row(result) for result in results]))
    broken = sum(not result.held for result in results)
    print(f"{len(results)} faults, {sum(r.injected for r in results):,} injected, {broken} broken")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
