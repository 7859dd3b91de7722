"""Python's garbage collector, out of the way of work that leaves it little to collect."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Do not look for cycles of objects meanwhile; looking again and again costs up to a fifth."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
