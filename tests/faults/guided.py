"""Texts that atheris grows towards code not yet reached: `python -m tests.faults.guided -runs=N`.

In an environment of its own (dependency group fuzz); `tests/faults/hostile.py` starts it.
"""

from __future__ import annotations

import sys
from datetime import datetime

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["warehouse.claims", "warehouse.news", "warehouse.brief"]):
    from warehouse.brief.facts import clean
    from warehouse.claims.extract import read
    from warehouse.news.linking import names_of
    from warehouse.news.scorer import Item

NAMES = names_of([("ABC", "ABC Corporation")])


def try_(data: bytes) -> None:
    """Read a text as news and as an article; the first line is its title."""
    text = data.decode(errors="surrogateescape").encode(errors="replace").decode()
    title, _, body = text.partition("\n")
    Item("1", ["ABC"], datetime(2025, 1, 2), datetime(2025, 1, 2), title, body)
    read(f"{title}\n\n{body}", NAMES, "ABC")
    assert not {"\x1b", "\n"} & set(clean(title))


if __name__ == "__main__":
    atheris.Setup(sys.argv, try_)
    atheris.Fuzz()
