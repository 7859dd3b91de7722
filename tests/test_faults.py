"""Every fault of `make soak`, a few times each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import crashes, hostile, load, machine, upstream
from tests.faults.registry import FAULTS, SEED, Fault, inject

MODULES = (crashes, machine, upstream, load, hostile)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.quick], ids=lambda fault: fault.id)
def test_fault(fault: Fault, tmp_path: Path) -> None:
    result = inject(fault, tmp_path, seed=SEED, count=fault.quick)
    assert result.held, result.words
    assert result.injected > 0
