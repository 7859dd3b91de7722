"""What changed since the last digest and what needs a person, one Markdown and one JSON file a day.

Nothing leaves the machine unless the environment names where to: BELLWETHER_DIGEST_WEBHOOK is an
address that gets the JSON, BELLWETHER_DIGEST_MAIL_TO one that gets the Markdown by the mail server
BELLWETHER_DIGEST_SMTP (host or host:port, else this machine's).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import smtplib
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from typing import Any

import duckdb

from warehouse import health, publish
from warehouse.brief.facts import clean
from warehouse.settings import Home
from warehouse.store import SIMULATED

WEBHOOK, MAIL_TO, SMTP = (f"BELLWETHER_DIGEST_{name}" for name in ("WEBHOOK", "MAIL_TO", "SMTP"))
MOST_LINES = 50
_SECONDS = 20
_FLAG = ("ticker", "flag", "kind", "opened_on")


def compose(home: Home, now: datetime, failed_runs: Sequence[str] = ()) -> dict[str, Any]:
    """Return the digest of `home` at `now` (UTC), as plain values.

    It goes from the last digest of an earlier day to now; the first one tells of a day.
    Raises `HomeError` when nothing has been published yet.
    """
    before, start = _last(home, now), since(home, now)
    made = publish.newest(home)
    with publish.reading(home) as con, publish.reading_attempts(home) as (attempts, _):
        assert made is not None
        simulated = con.execute(
            "select count(*) > 0 from raw.batches where source = ?", [SIMULATED]
        ).fetchone()
        flags = _rows(
            con,
            "select ticker, flag, kind, severity, cast(opened_on as varchar) as opened_on, message "
            "from marts.risk_flags where is_open order by severity desc, ticker, flag, kind",
        )
        size = health.size(home, con, now)
        digest: dict[str, Any] = {
            "day": str(now.date()),
            "made_at": now.isoformat(sep=" ", timespec="seconds"),
            "since": start.isoformat(sep=" ", timespec="seconds"),
            "home": str(home.path),
            "is_simulated": bool(simulated and simulated[0]),
            "published": asdict(made),
            "failed_runs": list(failed_runs),
            "silent": [str(found) for found in health.silences(attempts, now)],
            "late": health.in_sentences(health.late(attempts, now)),
            "failures": _found(health.failures(attempts, start, now)),
            "rejected": _found(health.rejected(attempts, start)),
            "drifts": _found(health.drifted(attempts, start)),
            "size": {**asdict(size), "total_bytes": size.total_bytes, "is_over": size.is_over},
        }
    known = {_key(flag): flag for flag in before["flags"]["open"]} if before else {}
    open_now = {_key(flag): flag for flag in flags}
    digest["flags"] = {
        "opened": [f for k, f in open_now.items() if k not in known] if before else [],
        "closed": [f for k, f in known.items() if k not in open_now],
        "open": flags,
    }
    return digest


def since(home: Home, now: datetime) -> datetime:
    """Return the moment (UTC) from which a digest at `now` tells: the last one's, or a day ago."""
    before = _last(home, now)
    return datetime.fromisoformat(before["made_at"]) if before else now - timedelta(days=1)


def write(home: Home, digest: dict[str, Any]) -> Path:
    """Write a digest as `<home>/digests/<day>.json` and `.md`; returns the latter."""
    home.digests.mkdir(parents=True, exist_ok=True)
    told = {"json": json.dumps(digest, indent=1) + "\n", "md": markdown(digest)}
    for ending, text in told.items():
        file = home.digests / f"{digest['day']}.{ending}"
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
    return home.digests / f"{digest['day']}.md"


def needs_attention(digest: dict[str, Any]) -> bool:
    """Whether something in a digest is for a person to look at."""
    names = ("failed_runs", "silent", "late", "failures", "rejected", "drifts")
    return any(digest[name] for name in names) or digest["size"]["is_over"]


def markdown(digest: dict[str, Any]) -> str:
    """Return a digest as Markdown; what comes from outside is text in it, never markup."""
    size = digest["size"]
    lines = [f"# Bellwether, {digest['day']}", ""]
    if digest["is_simulated"]:
        lines += ["Simulated sample: no real quotes, ratings or news.", ""]
    lines += [
        f"Since {digest['since']} UTC. Published {digest['published']['version']}, as of "
        f"{digest['published']['as_of'][:16]} UTC.",
        "",
        f"Size {size['total_bytes'] / 1e9:.2f} of {size['budget_bytes'] / 1e9:.0f} GB"
        + (": **over budget**" if size["is_over"] else "")
        + f"; {size['rows']:,} raw rows, {size['rows_30d']:,} of them of 30 days.",
        "",
    ]
    for title, rows in (
        ("Runs that failed", digest["failed_runs"]),
        ("Feeds that fell silent", digest["silent"]),
        ("Late", digest["late"]),
        ("Attempts that failed", _counted(digest["failures"])),
        ("Rejected rows", _counted(digest["rejected"])),
        ("Changed formats", _counted(digest["drifts"])),
        ("Flags that opened", _told(digest["flags"]["opened"])),
        ("Flags that closed", _told(digest["flags"]["closed"])),
    ):
        if rows:
            lines += [f"## {title}", "", *(f"- {_escaped(row)}" for row in rows), ""]
    if not needs_attention(digest):
        lines += ["Nothing needs attention.", ""]
    return "\n".join(lines)


def send(digest: dict[str, Any]) -> list[str]:
    """Send a digest to where the environment names, nowhere by default; returns what failed."""
    failures = []
    for name, hook in ((WEBHOOK, _post), (MAIL_TO, _mail)):
        if not (target := os.environ.get(name)):
            continue
        try:
            hook(target, digest)
        except (OSError, ValueError, HTTPException, smtplib.SMTPException) as error:
            failures.append(f"{name}: the digest was not sent: {error}")
    return failures


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Leave it as the error it is."""


def _post(url: str, digest: dict[str, Any]) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("its address begins neither with https:// nor with http://.")
    body = json.dumps(digest).encode()
    asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    # Followed, a redirect would become a question without the digest, and its answer a success.
    with urllib.request.build_opener(_NoRedirect).open(asked, timeout=_SECONDS):
        pass


def _mail(to: str, digest: dict[str, Any]) -> None:
    host, _, port = (os.environ.get(SMTP) or "localhost").partition(":")
    message = EmailMessage()
    message["From"], message["To"] = to, to
    message["Subject"] = f"Bellwether, {digest['day']}" + (
        ": needs attention" if needs_attention(digest) else ""
    )
    message.set_content(markdown(digest))
    with smtplib.SMTP(host, int(port or 25), timeout=_SECONDS) as server:
        server.send_message(message)


def _last(home: Home, now: datetime) -> dict[str, Any] | None:
    """Return the newest digest of an earlier day that can be read."""
    for file in sorted(home.digests.glob("????-??-??.json"), reverse=True):
        if file.stem < str(now.date()):
            with contextlib.suppress(OSError, ValueError):
                told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                return told
    return None


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = con.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _found(findings: list[health.Finding]) -> list[dict[str, Any]]:
    return [{"what": str(found), "count": found.count} for found in findings[:MOST_LINES]]


def _key(flag: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(flag[name]) for name in _FLAG)


def _counted(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['count']:,} × {row['what']}" for row in rows]


def _told(flags: list[dict[str, Any]]) -> list[str]:
    return [
        f"{f['ticker']} {f['flag']} (severity {f['severity']}, since {f['opened_on']}): "
        f"{f['message']}"
        for f in flags[:MOST_LINES]
    ]


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", clean(text))
