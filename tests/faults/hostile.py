"""Hostile input: generated files, answers, texts, names and arguments, counted by case.

Everything must end in a value or in an error of ours. `tests/warehouse/test_inbox.py` and
`tests/warehouse/test_publish.py` say more of files and of what SQL may do.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import duckdb
import pandas as pd
from curl_cffi import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.conftest import forget_client
from tests.faults.registry import Outcome, fault
from tests.warehouse.test_inbox import CONTENTS
from tests.yahoo_emulator import Emulator
from warehouse import cli
from warehouse.brief.facts import clean
from warehouse.claims.extract import read
from warehouse.errors import SourceError
from warehouse.ingest import ingest
from warehouse.news.linking import names_of
from warehouse.news.scorer import Item
from warehouse.publish import publish, reading
from warehouse.settings import Home
from warehouse.sources import Unit, yahoo, yahoo_session
from warehouse.sources.governor import Governor, TryAgain
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


@fault(PART, "files of any name and content in the inbox", quick=60, full=6000)
def inbox_files(place: Path, number: int, count: int) -> Outcome:
    home, files = Home(place / "home"), 0
    per_ingest = 30

    def try_(told: list[tuple[str, tuple[str, bytes]]]) -> None:
        nonlocal files
        folder = home.inbox / "prices"
        folder.mkdir(parents=True, exist_ok=True)
        for n, (name, (ending, content)) in enumerate(told):
            name = name.replace("/", "").replace("\0", "").encode(errors="replace")[:150]
            (folder / f"{n}{name.decode(errors='ignore')}{ending}").write_bytes(content)
        done = ingest(home, "prices", "inbox", load_id=uuid.uuid4().hex)
        assert sum(done.outcomes.values()) == len(told), f"{done.outcomes}"
        assert set(done.outcomes) <= {"ok", "empty", "malformed"}, f"{done.outcomes}"
        assert waiting(home.inbox) == [], "a file was left"
        shelved = set(home.inbox.glob(".failed/prices/*"))
        ours = {path for path in shelved if path.name.endswith(".txt")}
        reasons = {path for path in ours if path.with_name(path.name[:-4]) in shelved}
        refused = len(shelved - reasons)
        assert refused == len(reasons), f"{refused} files, {len(reasons)} reasons"
        files += len(told)

    one = st.lists(st.tuples(TEXT, CONTENTS), min_size=per_ingest, max_size=per_ingest)
    fuzz(max(1, count // per_ingest), number, one, try_)
    return Outcome(files, "each file is stored, or put aside with a reason")


@fault(PART, "tickers, names and texts of rows", quick=300, full=30_000)
def rows(place: Path, number: int, count: int) -> Outcome:
    """Texts of any kind in every column, a hundred rows a batch."""
    batch, done = 100, 0
    with Warehouse(place / "bellwether.duckdb") as store:

        def try_(told: list[tuple[str, str, str]]) -> None:
            nonlocal done
            encodable = [[text.encode(errors="replace").decode() for text in row] for row in told]
            frame = pd.DataFrame(encodable, columns=["ticker", "firm", "graded_on"])
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


@fault(PART, "answers of any content from Yahoo", quick=300, full=25_000)
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
    return Outcome(tried, f"read, or refused with a typed error ({refused:,})")


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:3])
        if isinstance(value, list)
        else ()
    ):
        yield from _places(inner, (*at, key))


def _altered(content: Any, alterations: list[tuple[int, str, Any]]) -> Any:
    """Return an answer with a field or an item replaced, left out, told twice or added."""
    for number, kind, told in alterations:
        junk = copy.deepcopy(told)
        places = list(_places(content))
        if not places:
            continue
        *path, last = places[number % len(places)]
        inner = content
        for key in path:
            inner = inner[key]
        if kind == "replace":
            inner[last] = junk
        elif kind == "drop":
            del inner[last]
        elif isinstance(inner, list):
            inner.insert(last, copy.deepcopy(inner[last]) if kind == "twice" else junk)
        else:
            inner[f"{last}New"] = copy.deepcopy(inner[last]) if kind == "twice" else junk
    return content


@fault(
    PART,
    "answers of Yahoo with fields altered, through the client into the store",
    quick=40,
    full=15_000,
)
def altered_answers(place: Path, number: int, count: int) -> Outcome:
    """One to three places of a whole answer changed, for every table; no network between."""
    emulator, outcomes = Emulator(place, first_day=date(2025, 9, 2)), Counter[str]()
    emulator.now = datetime(2025, 11, 21, 23, 30, tzinfo=UTC)
    alterations: list[tuple[int, str, Any]] = []

    def answer(session: Any, method: str, url: str, **options: Any) -> requests.Response:
        parts = urlsplit(url)
        query = parse_qs(parts.query) | {
            k: v if isinstance(v, list) else [str(v)]
            for k, v in (options.get("params") or {}).items()
        }
        body = json.dumps(options.get("json")).encode()
        _, status, told, _ = emulator.answer(parts.hostname or "", parts.path, query, body)
        if yahoo_session._DATA.search(parts.path):
            told = json.dumps(_altered(json.loads(told), alterations)).encode()
        response = requests.Response()
        response.url, response.status_code, response.content = url, status, told
        return response

    def send(governor: Governor, request: Callable[[], Any], **_: bool) -> Any:
        try:
            return request()
        except TryAgain as failure:
            raise failure.error from failure

    forget_client()
    with (
        mock.patch.object(requests.Session, "request", answer),
        mock.patch.object(Governor, "send", send),
        mock.patch.object(yahoo, "_utc_now", lambda: datetime(2025, 11, 21, 23, 30)),
        Warehouse(place / "bellwether.duckdb") as store,
        contextlib.closing(yahoo.Conversation(place / "yahoo")) as asked,
    ):

        def try_(case: tuple[str, list[tuple[int, str, Any]]]) -> None:
            table, alterations[:] = case
            asked.charts.clear()
            asked._infos.clear()
            source, ticker = yahoo.Yahoo(asked, store.con), f"T{outcomes.total() % 50}"
            try:
                frame = getattr(source, table)(Unit(ticker=ticker))
                store.append(table, frame, source="yahoo")
            except SourceError as error:
                outcomes[error.outcome] += 1
                return
            outcomes["ok"] += 1

        kinds = st.sampled_from(["replace", "replace", "drop", "twice", "add"])
        where = st.integers(0, 10_000)
        change = st.lists(st.tuples(where, kinds, JSON), min_size=1, max_size=3)
        fuzz(count, number, st.tuples(st.sampled_from(yahoo.Yahoo.tables), change), try_)
        for table in yahoo.Yahoo.tables:
            others = store.con.sql(
                f"select count(*) from raw.{table} where not regexp_full_match(ticker, 'T[0-9]+')"
            ).fetchone()
            assert others == (0,), f"raw.{table} has rows of another ticker"
    forget_client()
    return Outcome(
        outcomes.total(), f"stored, or refused with a typed error: {dict(outcomes.most_common())}"
    )


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


_ARTICLES = (
    "Alibaba shares jumped\nABC (NYSE: ABC) jumped 10% after its AI plan.\nTargets cluster around "
    "$167-$179.\nJefferies: Buy, $187 target.",
    "Firm upgrades ABC to Buy, target $187 from $150\nABC trades at 21 times earnings, up 38.7 % "
    "since January, its highest close since November 2021.",
    "ABC results on 21 November\nEPS of $1.87 beat by 5 cents; 54 analysts say Buy, none Sell.",
)


@fault(PART, "texts that grow towards unreached code (atheris)", quick=0, full=30_000)
def grown_texts(place: Path, number: int, count: int) -> Outcome:
    if importlib.util.find_spec("atheris") is None:
        return Outcome(0, "not injected: atheris is not installed")
    corpus = place / "corpus"
    corpus.mkdir()
    for n, text in enumerate(_ARTICLES):
        (corpus / str(n)).write_text(text)
    bounds = (f"-runs={count}", f"-seed={number}", "-max_len=600", "-timeout=20")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.guided",
            *bounds,
            f"-artifact_prefix={place}/",
            corpus,
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"exit {done.returncode}: {said[-2000:]}"
    runs = re.findall(r"Done (\d+) runs", said)
    reached = re.findall(r"cov: (\d+)", said)
    assert runs and reached, said[-500:]
    return Outcome(
        int(runs[-1]),
        f"read to the end, none longer than 20 s; branches reached: {reached[0]} at first, "
        f"{reached[-1]} in the end",
    )


_REACHING = (
    *(
        "from '{file}'",
        "from read_text('{file}')",
        "from read_blob('{file}')",
        "from glob('{all}')",
    ),
    *("from read_csv('{file}')", "from sniff_csv('{file}')", "from parquet_scan('{file}')"),
    *("from query_table('{file}')", "copy raw.prices from '{file}'", "import database '{folder}'"),
    *("copy (select 1) to '{new}'", "copy raw.prices to '{new}'", "export database '{new}'"),
    *("copy (select 1) to '{db}.wal'", "copy (select 1) to '{db}' (use_tmp_file false)"),
    *("copy (select 1) to '{db}.tmp/x'", "copy (select 1) to '{db}.wal' (use_tmp_file false)"),
    *("from read_blob('{db}')", "set disabled_filesystems = ''"),
    *("attach '{new}'", "attach '{file}' as x", "attach ':memory:' as m", "detach bellwether"),
    *("install httpfs", "load httpfs", "load '{file}'", "from 'https://127.0.0.1:9/x.csv'"),
    *("set enable_external_access = true", "reset enable_external_access", "reset {word}"),
    *("set lock_configuration = false", "set allowed_paths = ['{file}']", "set {word} = '{new}'"),
    *("set temp_directory = '{new}'", "set home_directory = '{folder}'", "pragma {word}"),
    *("create secret s (type s3)", "create persistent secret p (type s3)", "checkpoint", "vacuum"),
    *("create table t as select 1", "create temp table t as from '{file}'", "use memory"),
    *("drop table raw.prices", "delete from raw.prices", "update raw.prices set close = 1"),
    *("insert into raw.prices (ticker) values ('X')", "truncate raw.prices", "drop schema raw"),
    *("select getenv('HOME')", "call enable_logging()", "from raw.prices"),
    *("call enable_logging(storage_path = '{new}')", "from enable_logging(storage_path = '{new}')"),
    *("create macro m() as table from '{file}'", "set custom_extension_repository = '{folder}'"),
)
_AROUND = (
    *("{}", "{};", "/*{text}*/{}", "--{text}\n{}", "explain analyze {}", "describe {}", "; {} ;"),
    *("prepare p as {}; execute p", "with x as ({}) from x", "select ({})", "from ({})", "({})"),
    *("begin; {}; commit", "{} union all {}", "from query('{quoted}')", "{}{text}", "{text}; {}"),
)


@fault(PART, "queries that write, or reach files, settings or the network", quick=300, full=15_000)
def queries(place: Path, number: int, count: int) -> Outcome:
    home, secret, per_reader = Home(place / "home"), place / "secret.csv", 50
    secret.write_text("a,b\nTELLTALE,1\n")
    with Warehouse(home.build) as store:
        bars = "select 'ABC' as ticker, date '2025-01-02' as session_date, 10.0 as close"
        store.append("prices", store.con.sql(bars), source="inbox")
    publish(home, as_of=datetime(2025, 1, 3))

    def state() -> dict[Path, str]:
        files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before, refused, tried = state(), 0, 0

    def try_(cases: list[tuple[str, str, str, str]]) -> None:
        nonlocal refused, tried
        with reading(home) as con:
            for around, reaching, word, text in cases:
                query = (
                    reaching.replace("{file}", str(secret))
                    .replace("{new}", str(place / "new"))
                    .replace("{folder}", str(place))
                    .replace("{all}", f"{place}/*")
                    .replace("{db}", str(home.published.resolve()))
                    .replace("{word}", word)
                )
                query = (
                    around.replace("{quoted}", query.replace("'", "''"))
                    .replace("{}", query)
                    .replace("{text}", text.replace("\0", ""))
                )
                tried += 1
                try:
                    done = con.execute(query.encode(errors="replace").decode())
                    told = done.fetchall() if done else []  # nothing was asked
                except duckdb.Error:
                    refused += 1
                    continue
                assert "TELLTALE" not in str(told), f"it read a file: {query}"
                assert str(secret) not in str(told) or str(secret) in text + around, query

    words = st.sampled_from(
        [row[0] for row in duckdb.sql("select name from duckdb_settings() order by 1").fetchall()]
    )
    case = st.tuples(st.sampled_from(_AROUND), st.sampled_from(_REACHING), words, TEXT)
    many = st.lists(case, min_size=per_reader, max_size=per_reader)
    fuzz(max(1, count // per_reader), number, many, try_)
    assert state() == before, f"files were made or changed: {set(state()) ^ set(before)}"
    with reading(home) as con:
        assert con.sql("select ticker, close from raw.prices").fetchall() == [("ABC", 10.0)]
    return Outcome(tried, f"nothing read, written or set ({refused:,} refused)")


@fault(PART, "arguments of the command line", quick=30, full=1000)
def arguments(place: Path, number: int, count: int) -> Outcome:
    home = Home(place / "home")
    with Warehouse(home.build):
        pass
    before = set(place.rglob("*"))

    def try_(case: tuple[str, list[str]]) -> None:
        command, words = case
        told, code = io.StringIO(), 0
        words = [w.replace("\0", "").encode(errors="replace").decode() for w in words]
        with (
            mock.patch.object(sys, "argv", ["bellwether", command, *words, f"--home={home.path}"]),
            mock.patch.object(sys, "stdin", io.StringIO("")),
            contextlib.redirect_stdout(told),
            contextlib.redirect_stderr(told),
        ):
            try:
                cli.main()
            except SystemExit as ending:
                code = ending.code or 0
        assert code in (0, 1, 2, 3), f"exit {code}: {case}"
        assert code == 0 or told.getvalue().strip(), f"exit {code} without a word: {case}"

    commands = st.sampled_from(["sql", "status", "brief", "check", "verify", "diff", "restore"])
    cases = st.tuples(commands, st.lists(TEXT, max_size=3))
    tried = fuzz(count, number, cases, try_)
    made = {path.name for path in set(place.rglob("*")) - before}
    assert made <= {"bellwether.duckdb.wal"}, f"files were made: {made}"
    return Outcome(tried, "an exit code and a sentence; no traceback, no file made")


@fault(PART, "bombs: files that unpack to gigabytes", quick=3, full=9)
def bombs(place: Path, number: int, count: int) -> Outcome:
    """Gzip of zeros, Parquet whose few bytes claim many rows of long texts, terabytes of a hole."""
    home = Home(place / "home")
    folder = home.inbox / "prices"
    folder.mkdir(parents=True)
    for n in range(count):
        if n % 3 == 0:
            file = folder / f"{n}.csv"
            file.write_text("ticker,session_date,close\n")
            os.truncate(file, 1 << 42)
        elif n % 3 == 1:
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
    told = Counter(word for word in ("unpack", "holes") for f in done.failures if word in f)
    assert told["holes"] == (count + 2) // 3 and told.total() == count, f"{done.failures}"
    return Outcome(count, "refused before they are unpacked beyond the bound, and put aside")
