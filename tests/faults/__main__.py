"""Inject every fault and print fault, count and outcome: `python -m tests.faults --help`.

Ends with 1 if a promise was broken. With the same seed the same faults come at the same points.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults import crashes, hostile, load, machine, upstream
from tests.faults.registry import FAULTS, SEED, Result, inject, table

_MODULES = (crashes, machine, upstream, load, hostile)
_HEAD = """# Faults

What was injected, how often, and what became of it; `make soak` injects all of it again and writes
this table, `make test` injects a few of each. What is asserted of each stands in `tests/faults/`.

"""


def main() -> None:
    """Inject, print each line when it is known, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only faults with one of these words in the name")
    parser.add_argument("--quick", action="store_true", help="as often as in `make test`")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", type=Path, help="write the table to this file, too")
    arguments = parser.parse_args()
    results: list[Result] = []
    for fault in FAULTS:
        count = fault.quick if arguments.quick else fault.full
        asked = any(word.lower() in fault.name.lower() for word in arguments.words)
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
        arguments.write.write_text(_HEAD + table(results), encoding="utf-8")
    print(f"\n{table(results)}")
    broken = sum(not result.held for result in results)
    print(f"{len(results)} faults, {sum(r.injected for r in results):,} injected, {broken} broken")
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
