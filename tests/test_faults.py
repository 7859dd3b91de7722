"""Every fault of `make soak`, a few times each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import crashes, hostile, load, machine, upstream
from tests.faults.__main__ import write
from tests.faults.registry import FAULTS, SEED, Fault, Result, inject, told

MODULES = (crashes, machine, upstream, load, hostile)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.quick], ids=lambda fault: fault.id)
def test_fault(fault: Fault, tmp_path: Path) -> None:
    result = inject(fault, tmp_path, seed=SEED, count=fault.quick)
    if result.words.startswith("not injected"):
        pytest.skip(result.words)
    assert result.held, result.words


def test_every_fault_of_yahoo_in_one_home(tmp_path: Path) -> None:
    upstream.all_at_once(tmp_path)


def test_a_part_of_the_soak_leaves_the_other_rows_as_they_are(tmp_path: Path) -> None:
    file, (first, second, third, *_) = tmp_path / "faults.md", FAULTS
    write(file, Result(third, 1200, "held | so", held=True, seconds=1))
    write(file, Result(first, 3, "BROKEN: a", held=False, seconds=1))
    write(file, Result(first, 4, "held", held=True, seconds=1))
    rows = told(file.read_text())
    assert [(name, r.injected, r.words) for name, r in rows.items()] == [
        (first.name, 4, "held"),
        (third.name, 1200, "held | so"),
    ]
    assert f"Not injected in full counts: {second.name};" in file.read_text()
