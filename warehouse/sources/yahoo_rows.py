"""From what Yahoo tells to rows of the raw tables: pure functions over answers."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from warehouse.sources.calendars import NEW_YORK

Record = dict[str, Any]

COUNTS = {"period", "strongBuy", "buy", "hold", "sell", "strongSell"}
MEASURES = {
    "Market Cap": "market_cap",
    "Trailing P/E": "trailing_pe",
    "Forward P/E": "forward_pe",
    "PEG Ratio (5yr expected)": "peg_ratio",
    "Price/Sales": "price_to_sales",
}
# They change with the clock, not with the company.
_CLOCKWORK = {"maxAge", "gmtOffSetMilliseconds", "timeZoneShortName"}


def by_period(frame: pd.DataFrame) -> dict[str, Record]:
    """Return the rows of one of the client's frames by their period."""
    return {str(period): dict(row) for period, row in frame.iterrows()}


def news_row(symbol: str, item: Record, tab: str) -> Record:
    """Return the row of an item of a ticker's stream in its nested form."""
    content = item.get("content") or {}
    provider, address = content.get("provider") or {}, content.get("canonicalUrl") or {}
    named = {"id", "title", "summary", "pubDate", "contentType"}
    return {
        "ticker": symbol,
        "news_id": item.get("id"),
        "published_at": content.get("pubDate"),
        "title": content.get("title"),
        "summary": content.get("summary") or content.get("description"),
        "publisher": provider.get("displayName"),
        "url": address.get("url") or (content.get("clickThroughUrl") or {}).get("url"),
        "content_type": content.get("contentType"),
        "payload": payload_of(
            {**{k: v for k, v in item.items() if k != "content"}, **content, "tab": tab}, but=named
        ),
    }


def payload_of(told: Record, but: set[str] | frozenset[str] = frozenset()) -> str | None:
    """JSON of what was told besides the fields named, the same text for the same facts."""
    left = _plain({name: value for name, value in told.items() if name not in but})
    return json.dumps(left, sort_keys=True, default=str) if left else None


def _plain(value: Any) -> Any:
    """A value without formatted twins, blanks, and what changes with the clock alone."""
    if isinstance(value, dict):
        if "raw" in value and "fmt" in value:
            return value["raw"]
        kept = {str(k): _plain(v) for k, v in value.items() if k not in _CLOCKWORK}
        return {k: v for k, v in kept.items() if v is not None and v != {} and v != []}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def frame_of(rows: list[Record]) -> pd.DataFrame:
    """A frame in which a column of numbers and words is one of words, for the store to judge."""
    frame = pd.DataFrame(rows)
    for name in frame:
        told = [value for value in frame[name] if not is_blank(value)]
        if len({isinstance(value, str) for value in told}) > 1 or any(
            isinstance(value, dict | list) for value in told
        ):
            words = [None if is_blank(value) else str(value) for value in frame[name]]
            frame[name] = pd.Series(words, dtype=object)
    return frame


def is_blank(value: Any) -> bool:
    """Return whether a value tells nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT


def moment_of(stamp: Any) -> datetime:
    """Return the moment of a Unix time stamp; raises `ValueError` where it is of no year."""
    try:
        return datetime.fromtimestamp(float(stamp), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{stamp!r} is no moment") from error


def zone_of(name: Any) -> ZoneInfo:
    """Return the time zone of that name, New York's where it is none."""
    try:
        return ZoneInfo(str(name)) if name else NEW_YORK
    except (ValueError, LookupError):
        return NEW_YORK
