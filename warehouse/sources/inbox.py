"""Files people drop: `<home>/inbox/<raw table>/*.csv|parquet|jsonl`.

Columns carry the raw table's own names; what the schema does not name goes to `payload`. A file is
read whole or not at all, once per content, and then lies in `.done/` or, with the reason beside it,
in `.failed/`. File names and contents are untrusted: they are only ever parameters and literals.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partialmethod
from pathlib import Path
from typing import TextIO

import duckdb

from warehouse.errors import EmptyAnswer, Failed, Malformed, SourceError, in_words
from warehouse.sources import Drift, Unit
from warehouse.store import literal, quoted, schema

TABLES = tuple(table for table in schema() if table not in ("sessions", "universe"))
UNFINISHED = (".part", ".tmp", ".crdownload", ".swp")
MOST_COLUMNS = 500
LONGEST_NAME = 255
# A file may unpack to so much, or to so many times its size; text is packed to a tenth or so.
MOST_UNPACKED_BYTES, MOST_TIMES_UNPACKED = 1 << 26, 200
# A line is read whole; DuckDB takes JSON objects up to this, too.
MOST_LINE = 1 << 24
# An item without an identity of its own is known by its address, else by what it says.
_NEWS_IDENTITY = ("url", "publisher", "title", "published_at")


class Inbox:
    """The source of dropped files. Frames are relations on `con`: a file of any size streams."""

    name = "inbox"
    tables = TABLES
    requests = 0
    drifts: Sequence[Drift] = ()

    def __init__(self, folder: Path, con: duckdb.DuckDBPyConnection) -> None:
        """Read from `folder` through the connection `con`."""
        self.folder = folder
        self.con = con

    def pending(self, table: str, tickers: Sequence[str] = ()) -> list[Unit]:
        """Return the files waiting for `table`, in the order of their names."""
        return [
            Unit(file=file, file_hash=_hash(file))
            for file in waiting(self.folder)
            if file.parent.name == table
        ]

    def read(self, unit: Unit, *, table: str) -> duckdb.DuckDBPyRelation:
        """Return the rows of a file as a relation of text, or of the file's own types.

        Raises `Malformed` for a file that is not what its name says, `EmptyAnswer` for one without
        content, `Failed` for one that is not a plain file.
        """
        file = unit.file
        assert file is not None
        name = file.name.encode(errors="replace").decode()
        if name != file.name:
            raise Failed(f"{name}: the name is not UTF-8; rename the file and drop it again.")
        if file.is_symlink() or not file.is_file():
            raise Failed(f"{name} is not a plain file; links are not followed.")
        if file.stat().st_size == 0:
            raise EmptyAnswer(f"{name} is empty.")
        reader = _reader(file)
        try:
            if _is_hollow(file):
                raise Malformed(
                    f"{name} is {file.stat().st_size / 1e6:,.0f} MB of hardly anything but holes: "
                    "write it anew and drop it again."
                )
            if _is_packed(file):
                _refuse_torn(file)
            rows = reader(self.con, file)
            columns = {name.lower() for name in rows.columns}
            if table == "news" and "news_id" not in columns:
                told = [name for name in _NEWS_IDENTITY if name in columns]
                rows = rows.project(f"*, md5({_identity(told)}) as news_id")
        except duckdb.Error as error:
            raise Malformed(in_words(error)) from error
        except OSError as error:
            raise Failed(f"{name} cannot be read: {error}") from error
        return rows

    securities = partialmethod(read, table="securities")
    prices = partialmethod(read, table="prices")
    ratings = partialmethod(read, table="ratings")
    consensus = partialmethod(read, table="consensus")
    valuations = partialmethod(read, table="valuations")
    estimates = partialmethod(read, table="estimates")
    earnings = partialmethod(read, table="earnings")
    earnings_dates = partialmethod(read, table="earnings_dates")
    short_interest = partialmethod(read, table="short_interest")
    news = partialmethod(read, table="news")
    news_signals = partialmethod(read, table="news_signals")
    news_topics = partialmethod(read, table="news_topics")
    broker_calls = partialmethod(read, table="broker_calls")

    def settle(self, table: str, unit: Unit, error: SourceError | None, rejects: list[str]) -> None:
        """Move a file to `.done/` or `.failed/`, with what was wrong in it beside it."""
        file = unit.file
        assert file is not None
        shelf = self.folder / (".failed" if error else ".done") / table
        shelf.mkdir(parents=True, exist_ok=True)
        target, note = shelf / file.name, shelf / f"{file.name}.txt"
        if len(os.fsencode(note.name)) > LONGEST_NAME or target.exists() or note.exists():
            ending = os.fsdecode(os.fsencode(file.name)[-200:])
            target = shelf / f"{(unit.file_hash or 'unread')[:12]}-{ending}"
            note = shelf / f"{target.name}.txt"
        notes = ([str(error)] if error else []) + rejects
        if notes:
            note.write_text("\n".join(notes) + "\n", encoding="utf-8")
        with contextlib.suppress(FileNotFoundError):  # somebody took it away
            shutil.move(file, target)  # a table's folder may be a file system of its own


def waiting(folder: Path) -> list[Path]:
    """Return the files that lie in the inbox `folder` and are not marked as unfinished."""
    return [
        file
        for table in TABLES
        for file in sorted((folder / table).glob("*"))
        if not file.name.startswith(".")
        and not file.name.endswith(UNFINISHED)
        and (file.is_symlink() or not file.is_dir())
    ]


def strays(folder: Path) -> list[str]:
    """Return the entries of the inbox `folder` that nothing will ever read, in order.

    Folders in a table's folder are such, too.
    """
    if not folder.is_dir():
        return []
    inside = [
        entry for table in TABLES for entry in (folder / table).glob("*") if _is_folder(entry)
    ]
    beside = [e for e in folder.iterdir() if not (e.name in TABLES and e.is_dir())]
    return sorted(
        str(entry.relative_to(folder))
        for entry in (*beside, *inside)
        if not entry.name.startswith(".") and not (_is_folder(entry) and not any(entry.iterdir()))
    )


def _is_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _identity(told: list[str]) -> str:
    words = ", ".join(f'cast("{name}" as varchar)' for name in told if name != "url") or "null"
    by_words = f"concat_ws('|', {words})"
    return f"coalesce(nullif(cast(url as varchar), ''), {by_words})" if "url" in told else by_words


def _hash(file: Path) -> str | None:
    if file.is_symlink() or not file.is_file():
        return None
    try:
        if _is_hollow(file):
            return None
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None  # `read` says why


def _is_hollow(file: Path) -> bool:
    """Whether a file claims much more than it holds: a hole of terabytes takes no room."""
    size, at, held = file.stat().st_size, 0, 0
    if size <= MOST_UNPACKED_BYTES:
        return False
    with file.open("rb") as stream:
        while at < size:
            try:
                start = os.lseek(stream.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # there is nothing more
                    raise
                break
            at = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
            held += at - start
    return size > max(MOST_UNPACKED_BYTES, MOST_TIMES_UNPACKED * held)


def _reader(file: Path) -> Callable[[duckdb.DuckDBPyConnection, Path], duckdb.DuckDBPyRelation]:
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        return _read_csv
    if name.endswith(".parquet"):
        return _read_parquet
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _read_json_lines
    raise Malformed(
        f"{file.name} is none of .csv, .parquet, .jsonl (or .csv.gz, .jsonl.gz): "
        "save it as one of these and drop it again."
    )


def _is_packed(file: Path) -> bool:
    return file.name.lower().endswith(".gz")


def _compression(file: Path) -> str:
    return "gzip" if _is_packed(file) else "uncompressed"


def _refuse_torn(file: Path) -> None:
    """Read a gzip file to its end: DuckDB takes what is there of one that was cut off."""
    unpacked = 0
    try:
        with gzip.open(file) as stream:
            while part := stream.read(1 << 20):
                unpacked += len(part)
                _refuse_bomb(file, unpacked)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Malformed(f"{file.name} is not a whole gzip file: {error}") from error


def _refuse_bomb(file: Path, unpacked: int) -> None:
    if unpacked > max(MOST_UNPACKED_BYTES, MOST_TIMES_UNPACKED * file.stat().st_size):
        raise Malformed(
            f"{file.name} would unpack to more than {unpacked / 1e6:,.0f} MB, over "
            f"{MOST_TIMES_UNPACKED} times its size: split it, or drop it unpacked."
        )


def _read_csv(con: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    unpack = gzip.open if _is_packed(file) else open
    try:
        with unpack(file, "rt", encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(_lines(stream)), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Malformed(f"line 1: {error}; a CSV file must be UTF-8 text.") from error
    columns = [name.strip() for name in header]
    if len(columns) == 1 and (ending := re.search(r"[;\t|]", columns[0])):
        raise Malformed(
            f"line 1: one column only, with {ending[0]!r} in it; separate columns by commas."
        )
    if not all(columns) or len({name.lower() for name in columns}) < max(len(columns), 1):
        raise Malformed(f"line 1: the header has blank or repeated names: {', '.join(columns)}")
    _refuse_width(columns)
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in columns)
    return con.sql(
        f"""
        select * from read_csv(
            $file, header = true, auto_detect = false, columns = {{{types}}}, delim = ',',
            quote = '"', escape = '"', nullstr = '', strict_mode = true,
            compression = $compression, hive_partitioning = false
        )
        """,
        params={"file": glob_escaped(file), "compression": _compression(file)},
    )


def _lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(MOST_LINE):
        if len(line) == MOST_LINE:
            raise csv.Error(f"longer than {MOST_LINE >> 20} MB")
        yield line


def _read_parquet(con: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    rows = con.sql(
        "select * from read_parquet($file, hive_partitioning = false)",
        params={"file": glob_escaped(file)},
    )
    _refuse_width(rows.columns)
    # What is stored once in the file may be told in every row; read in passing it costs nothing.
    texts = [
        f"coalesce(sum(strlen(cast({quoted(name)} as varchar))), 0)"
        for name, kind in zip(rows.columns, rows.types, strict=True)
        if kind.id in ("varchar", "blob", "list", "struct", "map", "array", "union", "json")
    ]
    told = rows.aggregate(f"count(*) * {8 * len(rows.columns)} + {' + '.join(texts) or 0}")
    [(unpacked,)] = told.fetchall()
    _refuse_bomb(file, int(unpacked))
    return rows


def _read_json_lines(con: duckdb.DuckDBPyConnection, file: Path) -> duckdb.DuckDBPyRelation:
    params = {"file": glob_escaped(file), "compression": _compression(file)}
    told = "from read_ndjson_objects($file, compression = $compression)"
    try:
        names = [
            row[0]
            for row in con.execute(
                f"select distinct unnest(json_keys(json)) as name {told} "
                f"order by name limit {MOST_COLUMNS + 1}",
                params,
            ).fetchall()
        ]
        others = con.execute(
            f"select count(*) {told} where json_type(json) <> 'OBJECT'", params
        ).fetchone()
    except duckdb.Error as error:
        raise Malformed(_bad_line(file) or in_words(error)) from error
    if others and others[0]:
        raise Malformed(_bad_line(file) or f"{others[0]} of its rows are no JSON objects.")
    if not names:
        raise Malformed("line 1: no JSON object with fields; one object per line is expected.")
    _refuse_width(names)
    # What the schema names is text to be cast; the rest stays JSON, as nested as it is.
    known = {"known_at", "payload", *(column.name for column in schema()[file.parent.name])}
    fields = ", ".join(
        f"json {'->>' if name.lower() in known else '->'} "
        f"{literal('/' + name.replace('~', '~0').replace('/', '~1'))} as {quoted(name)}"
        for name in names
    )
    return con.sql(f"select {fields} {told}", params=params)


def _bad_line(file: Path) -> str | None:
    """Say which line of a file is the first that is not a JSON object."""
    unpack = gzip.open if _is_packed(file) else open
    with unpack(file, "rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE), b""), 1):
            if len(line) == MOST_LINE:
                return f"line {number}: longer than {MOST_LINE >> 20} MB."
            if line.startswith(codecs.BOM_UTF8):
                return f"line {number}: begins with a byte order mark; save it without one."
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return f"line {number}: not a JSON object; one object per line is expected."
            except (ValueError, RecursionError) as error:
                return f"line {number}: not JSON: {error}"
    return None


def _refuse_width(columns: Sequence[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise Malformed(f"line 1: more than {MOST_COLUMNS} columns.")


def glob_escaped(file: Path) -> str:
    """Path of a file for DuckDB's readers, which would expand `*`, `?` and `[` in it."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in str(file))
