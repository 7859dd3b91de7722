"""When an article says at its head that it was published."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from warehouse.claims.vocabulary import MONTHS

_DATES = (
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?P<time>T\d{2}:\d{2}(?::\d{2})?Z?)?"),
    re.compile(r"\b(?P<m>[A-Z][a-z]{2,8})\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})\b"),
    re.compile(r"\b(?P<d>\d{1,2})(?:st|nd|rd|th)? (?P<m>[A-Z][a-z]{2,8})\.?,? (?P<y>\d{4})\b"),
    # Of two small numbers nobody knows which is the month.
    re.compile(r"\b(?P<m>\d{2})/(?P<d>1[3-9]|2\d|3[01])/(?P<y>\d{4})\b"),
    re.compile(r"\b(?P<d>1[3-9]|2\d|3[01])[/.](?P<m>\d{2})[/.](?P<y>\d{4})\b"),
)

# What may stand before a date of publication: nothing, a weekday, a dateline or a byline.
_HEAD = re.compile(
    r"(?:(?:published|posted|updated|date|last updated)\b:?(?: on)?|by [\w.' -]{2,40},|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day,?|[A-Z][A-Z .,]{2,40}[,(-])?",
    re.IGNORECASE,
)

_DATELINE = re.compile(
    r"[A-Z][A-Z .,]{2,40}[,(] ?(?P<m>[A-Z][a-z]{2,8})\.? (?P<d>\d{1,2})\s*(?:[-(;:]|$)"
)

_ZONE = re.compile(r"\s*(?:at\b|UTC|GMT|E[SD]T|-|by\b)", re.IGNORECASE)

# "11:00 a.m. ET", "16:05 UTC": a time of day is one of publication only with its zone.
_TIME = re.compile(
    r"[\s,|-]*(?:at )?(?P<h>\d{1,2})[:.](?P<min>\d\d)(?::\d\d)?\s*(?P<half>[ap]\.?m\.?)?[\s,(]*"
    r"(?P<zone>UTC|GMT|E[SD]?T|(?:U\.?S\.? )?Eastern|P[SD]?T|HKT|BST|CES?T)\b",
    re.IGNORECASE,
)

_ZONES = {
    "utc": "UTC", "gmt": "UTC", "e": "America/New_York", "p": "America/Los_Angeles",
    "hkt": "Asia/Hong_Kong", "bst": "Europe/London", "cet": "Europe/Paris", "cest": "Europe/Paris",
}  # fmt: skip


def publication(text: str) -> str | None:
    """Return the date, or ISO time, that stands at the head of an article, in ISO form.

    It has the year 1 where a dateline leaves the year out.
    """
    lines = [line.strip() for line in text[:2_000].split("\n") if line.strip()]
    for line in lines[:6]:
        for pattern in _DATES:
            match = pattern.search(line[:100])
            if match is None or not _HEAD.fullmatch(line[:100][: match.start()].strip()) or (
                match.start() == 0 and line[match.end() :].strip(" .|,-")[:1].isalpha()
                and not _ZONE.match(line[match.end() :])
            ):  # fmt: skip
                continue
            month = match["m"]
            number = int(month) if month.isdigit() else MONTHS.get(month.lower(), 0)
            try:
                day = date(int(match["y"]), number, int(match["d"]))
                stated = day.isoformat() + ((match.groupdict().get("time")) or "")
                datetime.fromisoformat(stated.replace("Z", "+00:00"))
            except ValueError:
                continue
            if "T" not in stated:
                return _timed(day, line[match.end() :])
            return stated.replace("Z", "+00:00")
        if (told := _day_of_line(line)) is not None:
            return told
    return None


def _day_of_line(line: str) -> str | None:
    """The day of a wire's dateline without a year, in the year 1: "NEW YORK, Aug. 28 -"."""
    found = _DATELINE.match(line)
    month = MONTHS.get(found["m"].lower()) if found else None
    if found is None or month is None:
        return None
    try:
        return date(1, month, int(found["d"])).isoformat()
    except ValueError:
        return None


def _timed(day: date, behind: str) -> str:
    """A day with the time of day and zone that stand behind it, where they do."""
    found = _TIME.match(behind)
    if found is None:
        return day.isoformat()
    half = (found["half"] or "").lower()
    hour = int(found["h"]) % 12 + 12 * half.startswith("p") if half else int(found["h"])
    spelled = found["zone"].lower()
    zone = _ZONES.get(spelled) or _ZONES.get(spelled.removeprefix("u.s. ")[:1], "America/New_York")
    try:
        told = datetime.combine(day, time(hour, int(found["min"])), ZoneInfo(zone))
    except ValueError:
        return day.isoformat()
    return told.isoformat(timespec="minutes")
