"""Hostile input: generated files, answers, texts, names and arguments, counted by case.

Everything must end in a value or in an error of ours. `tests/warehouse/test_inbox.py` and
`tests/warehouse/test_publish.py` say more of files and of what SQL may do.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pandas as pd
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.faults.registry import Outcome, fault
from tests.warehouse.test_inbox import CONTENTS
from warehouse import cli
from warehouse.brief.facts import clean
from warehouse.claims.extract import read
from warehouse.errors import BellwetherError, SourceError
from warehouse.ingest import ingest
from warehouse.news.linking import names_of
from warehouse.news.scorer import Item
from warehouse.settings import Home
from warehouse.sources import yahoo_session
from warehouse.sources.governor import TryAgain
from warehouse.sources.inbox import waiting
from warehouse.store import Warehouse

PART = "hostile"
NASTY = [
    *("'; drop table raw.prices; --", "\"; attach '/etc/passwd'", "../../etc/passwd", "/dev/zero"),
    *("<script>alert(1)</script>", "{{ 7*7 }}", "{% raw %}", "[bold]x[/bold]", "\x1b[31m", "\0"),
    *("%s%n", "${HOME}", "$(id)", "`id`", "‮evil", "\ud800", "NaN", "1e999", "=cmd|'/c calc'!A0"),
    *("A" * 5000, "😀" * 100, "\r\n\r\n", "-1", "--", "--help", "@file", "*", "?", "[a]", "~"),
]
TEXT = st.one_of(
    st.text(max_size=40), st.sampled_from(NASTY), st.text(alphabet="'\"\\;-/*%_. ", max_size=20)
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def fuzz(
    count: int, number: int, strategy: st.SearchStrategy[Any], try_: Callable[[Any], None]
) -> int:
    """Try `count` generated cases; returns how many were tried."""
    tried = 0

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(case: Any) -> None:
        nonlocal tried
        tried += 1
        try_(case)

    each()
    return tried


@fault(PART, "files of any content in the inbox", quick=60, full=6000)
def inbox_files(place: Path, number: int, count: int) -> Outcome:
    home, files = Home(place / "home"), 0
    per_ingest = 30

    def try_(contents: list[tuple[str, bytes]]) -> None:
        nonlocal files
        folder = home.inbox / "prices"
        folder.mkdir(parents=True, exist_ok=True)
        for n, (ending, content) in enumerate(contents):
            (folder / f"{n}{ending}").write_bytes(content)
        done = ingest(home, "prices", "inbox", load_id=uuid.uuid4().hex)
        assert sum(done.outcomes.values()) == len(contents), f"{done.outcomes}"
        assert set(done.outcomes) <= {"ok", "empty", "malformed"}, f"{done.outcomes}"
        assert waiting(home.inbox) == [], "a file was left"
        files += len(contents)

    one = st.lists(CONTENTS, min_size=per_ingest, max_size=per_ingest)
    fuzz(max(1, count // per_ingest), number, one, try_)
    return Outcome(files, "each file is stored, or put aside with a reason")


@fault(PART, "tickers, names and texts of rows", quick=300, full=30_000)
def rows(place: Path, number: int, count: int) -> Outcome:
    """Texts of any kind in every column of several tables, a thousand rows a batch."""
    batch, done = 100, 0
    with Warehouse(place / "bellwether.duckdb") as store:

        def try_(told: list[tuple[str, str, str]]) -> None:
            nonlocal done
            frame = pd.DataFrame(told, columns=["ticker", "firm", "graded_on"])
            frame = frame.map(lambda text: text.encode(errors="replace").decode())
            counts = store.append("ratings", frame, source="inbox")
            kept = counts.stored + counts.unchanged + counts.duplicates + counts.rejected
            assert kept == len(told), f"{len(told)} rows told, {counts}"
            done += len(told)

        days = st.one_of(st.just("2025-01-02"), TEXT)
        names = st.one_of(st.sampled_from(["ABC", "A.B", "^IRX"]), TEXT)
        row = st.tuples(names, TEXT, days)
        fuzz(max(1, count // batch), number, st.lists(row, min_size=batch, max_size=batch), try_)
        bad = store.con.sql(
            "select count(*) from raw.ratings "
            r"where not regexp_full_match(ticker, '[\^A-Za-z0-9][A-Za-z0-9.\^=&_-]{0,23}')"
        ).fetchone()
        assert bad == (0,), "a name that is no symbol was stored"
        assert store.con.sql("select count(*) from raw.prices").fetchone() == (0,)
    return Outcome(done, "stored as text, or rejected whole with a reason; nothing is executed")


class _Answered:
    """An answer of Yahoo's as the session sees it."""

    def __init__(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.status_code, self.content, self.headers = status, content, headers
        self.url = "https://query2.finance.yahoo.com/v8/finance/chart/ABC"

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


_SHAPES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"chart": st.fixed_dictionaries({}, optional={"result": JSON, "error": JSON})}
    ),
    st.fixed_dictionaries(
        {
            "chart": st.fixed_dictionaries(
                {"result": st.lists(st.fixed_dictionaries({"meta": JSON, "timestamp": JSON}))}
            )
        }
    ),
)


@fault(PART, "answers of any content from Yahoo", quick=300, full=40_000)
def yahoo_answers(place: Path, number: int, count: int) -> Outcome:
    asked = yahoo_session._DATA.search("/v8/finance/chart/ABC")
    assert asked is not None
    session = yahoo_session.Session.__new__(yahoo_session.Session)
    session.answers, session._was_refused = [], False
    refused = 0

    def try_(case: tuple[int, Any, bytes, bool, str]) -> None:
        nonlocal refused
        status, content, junk, is_junk, wait = case
        body = junk if is_junk else json.dumps(content).encode()
        answer: Any = _Answered(status, body, {"retry-after": wait})
        try:
            session._looked_at(answer, asked, {})
        except (SourceError, TryAgain):
            refused += 1
        for taken in session.take():
            assert isinstance(taken.name, str)

    status = st.sampled_from([200, 200, 200, 401, 403, 404, 429, 500, 503])
    cases = st.tuples(status, _SHAPES, st.binary(max_size=100), st.booleans(), TEXT)
    tried = fuzz(count, number, cases, try_)
    return Outcome(tried, f"read, or refused with a typed error ({refused:,}); none is stored raw")


@fault(PART, "texts of news and articles", quick=200, full=28_000)
def texts(place: Path, number: int, count: int) -> Outcome:
    names = names_of([("ABC", "ABC Corporation")])

    def try_(case: tuple[str, str]) -> None:
        title, body = case
        Item("1", ["ABC"], datetime(2025, 1, 2), datetime(2025, 1, 2), title, body)
        read(f"{title}\n\n{body}", names, "ABC")
        shown = clean(title)
        assert "\x1b" not in shown and "\n" not in shown

    words = st.sampled_from(
        [
            "ABC",
            "jumped",
            "10%",
            "$187",
            "target",
            "Buy",
            "(NYSE: ABC)",
            "upgrade",
            ".",
            ",",
            "1e9%",
        ]
    )
    prose = st.lists(st.one_of(words, TEXT), max_size=20).map(" ".join)
    tried = fuzz(count, number, st.tuples(prose, prose), try_)
    return Outcome(tried, "read to the end; control characters never reach a screen")


@fault(PART, "arguments of the command line", quick=30, full=1000)
def arguments(place: Path, number: int, count: int) -> Outcome:
    home = Home(place / "home")
    with Warehouse(home.build):
        pass
    before = set(place.rglob("*"))

    def try_(case: tuple[str, list[str]]) -> None:
        command, words = case
        told = io.StringIO()
        words = [w.replace("\0", "").encode(errors="replace").decode() for w in words]
        with (
            mock.patch.object(sys, "argv", ["bellwether", command, *words, f"--home={home.path}"]),
            mock.patch.object(sys, "stdin", io.StringIO("")),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(told),
            contextlib.suppress(SystemExit, BellwetherError),
        ):
            cli.main()

    commands = st.sampled_from(["sql", "status", "brief", "check", "verify", "diff", "restore"])
    cases = st.tuples(commands, st.lists(TEXT, max_size=3))
    tried = fuzz(count, number, cases, try_)
    made = {path.name for path in set(place.rglob("*")) - before}
    assert made <= {"bellwether.duckdb.wal"}, f"files were made: {made}"
    return Outcome(tried, "an exit code and a sentence; no traceback, no file made")


@fault(PART, "bombs: files that unpack to gigabytes", quick=2, full=8)
def bombs(place: Path, number: int, count: int) -> Outcome:
    """Gzip of zeros, and Parquet whose few bytes claim many rows of long texts."""
    home = Home(place / "home")
    folder = home.inbox / "prices"
    folder.mkdir(parents=True)
    for n in range(count):
        if n % 2 == 0:
            with gzip.open(folder / f"{n}.csv.gz", "wb", compresslevel=9) as stream:
                stream.write(b"ticker,session_date,close\n")
                for _ in range(200):
                    stream.write(b"A" * (1 << 20))
        else:
            file = folder / f"{n}.parquet"
            with duckdb.connect() as con:
                con.execute(
                    "copy (select 'ABC' as ticker, date '2025-01-02' as session_date, 1.0 as close,"
                    f" repeat('x', 10000) as bomb from range(60000)) to '{file}' "
                    "(format parquet, compression zstd)"
                )
    done = ingest(home, "prices", "inbox", load_id="bombs")
    assert done.outcomes == {"malformed": count}, f"{done.outcomes}: {done.failures}"
    with Warehouse(home.build) as store:
        assert store.con.sql("select count(*) from raw.prices").fetchone() == (0,)
    assert all("unpack" in failure for failure in done.failures), f"{done.failures}"
    return Outcome(count, "refused before they are unpacked beyond the bound, and put aside")
