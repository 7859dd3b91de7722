"""Every error the warehouse raises on purpose.

BellwetherError
├── HomeError            a home is empty, mixed or cannot be used
├── SourceError          one attempt to fetch one table for one ticker or file failed
│   ├── EmptyAnswer      the source answered with nothing
│   ├── Throttled        the source asked us to slow down
│   ├── NotFound         the source does not know the ticker
│   ├── Malformed        the answer or file cannot be read as what it claims to be
│   └── Failed           anything else: network, disk, permissions
├── StorageError         a home cannot be written to: its disk is full, or read-only
├── UsageError           something was asked for that there is not
└── PublishError         the published file could not be replaced
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import ClassVar


class BellwetherError(Exception):
    """An error whose message says what happened, where, and what to do."""


class HomeError(BellwetherError):
    """A home is empty, holds another kind of data, or cannot be used."""


class StorageError(BellwetherError):
    """A home cannot be written to: its disk is full, it is read-only, or the like."""


class UsageError(BellwetherError):
    """Something was asked for that there is not, or that cannot be: a table, a source, a day."""


class PublishError(BellwetherError):
    """The published file could not be replaced; the former one stands."""


class SourceError(BellwetherError):
    """One attempt to fetch a table for a ticker or from a file failed.

    `outcome` is what `raw.fetches` records. With `resume_at` (UTC), nothing more is to be asked of
    the source before then.
    """

    outcome: ClassVar[str] = "failed"

    def __init__(self, message: str, *, resume_at: datetime | None = None) -> None:
        """Say what happened, where, and what to do."""
        super().__init__(message)
        self.resume_at = resume_at


class EmptyAnswer(SourceError):
    """The source answered, with nothing in it."""

    outcome = "empty"


class Throttled(SourceError):
    """The source asked us to come back later."""

    outcome = "throttled"


class NotFound(SourceError):
    """The source does not know what was asked for."""

    outcome = "not_found"


class Malformed(SourceError):
    """The answer or file cannot be read as what it claims to be."""

    outcome = "malformed"


class Failed(SourceError):
    """The attempt failed for another reason, which the message names."""


def in_words(error: Exception) -> str:
    """Return what DuckDB says is wrong with a file, without its kind of error and our own SQL."""
    told = re.split(r"\n\s*(?:LINE \d+:|Possible fixes)", str(error))[0]
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", " ".join(lines[:4]))
