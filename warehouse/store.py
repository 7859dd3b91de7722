"""The raw store: append-only versions of everything we were told.

One `Warehouse` is one open connection to a home's build database; DuckDB lets one process have it,
so it is opened in short `with` blocks. `append` is the only way facts get in.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import duckdb
import pandas as pd

from warehouse.errors import HomeError, Malformed, in_words
from warehouse.settings import SEEDS, memory_limit
from warehouse.sources import Drift

Frame: TypeAlias = pd.DataFrame | duckdb.DuckDBPyRelation

SCHEMA_SQL = Path(__file__).with_name("schema.sql")
# What brings an older schema to this one, in order: numbered, each run once in a store's life.
MIGRATIONS = tuple(sorted(Path(__file__).with_name("migrations").glob("*.sql")))
SCHEMA_VERSION = len(MIGRATIONS)
LOCK_WAIT_SECONDS = 30.0
SIMULATED = "sample"

_BOOKKEEPING = ("row_id", "source", "payload", "known_at", "stored_at", "batch_id")
# Calendars hold of any home, and a score is as simulated as the news it is of.
_OF_ANY_HOME = ("exchange_calendars", "news_scorer")
_LOGS = ("fetches", "rejects", "batches", "builds", "drifts", "checks", "schema_version")
# A dividend re-bases every adjusted close, and vendors rewrite grade times: alone they are no news.
_NOT_COMPARED = ("adj_close", "graded_at")
_RELATIVE_TOLERANCE = "1e-6"


@dataclass(frozen=True)
class Column:
    """A column of a raw table as the catalogue declares it."""

    name: str
    type: str
    is_key: bool
    default: str | None

    @property
    def is_number(self) -> bool:
        """Whether two values count as equal within the relative tolerance."""
        return self.type in ("DOUBLE", "INTEGER", "BIGINT")


@dataclass(frozen=True)
class Counts:
    """What became of the rows of one append."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Add up two appends."""
        return Counts(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
            self.duplicates + other.duplicates,
        )

    @property
    def stored(self) -> int:
        """Rows that became versions."""
        return self.new + self.changed


@cache
def schema() -> dict[str, tuple[Column, ...]]:
    """Fact tables of the raw store and their columns, bookkeeping left out, in order."""
    with duckdb.connect() as con:
        _create(con)
        rows = con.execute(
            """
            select table_name, column_name, data_type, not is_nullable, column_default
            from duckdb_columns() where schema_name = 'raw' order by table_name, column_index
            """
        ).fetchall()
    tables: dict[str, list[Column]] = {}
    for table, name, data_type, is_key, default in rows:
        if table not in _LOGS and name not in _BOOKKEEPING:
            tables.setdefault(table, []).append(Column(name, data_type, is_key, default))
    return {table: tuple(columns) for table, columns in tables.items()}


def keys(table: str) -> tuple[str, ...]:
    """Key columns of a fact table, `source` left out."""
    return tuple(column.name for column in schema()[table] if column.is_key)


class Warehouse:
    """An open connection to the raw store at `path`, which is created where it is missing.

    Raises `HomeError` when another process holds the file for longer than `wait_seconds`, or the
    memory it may take is no size.
    """

    def __init__(self, path: Path, *, wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        """Open the store."""
        path.parent.mkdir(parents=True, exist_ok=True)
        memory = memory_limit()
        self.path = path
        self.con = _connect(path, wait_seconds)
        try:
            self.con.execute(f"set memory_limit = {literal(memory)}")
            self.con.execute("set timezone = 'UTC'")
            _create(self.con)
        except BaseException:
            self.con.close()
            raise

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the file back."""
        self.con.close()

    def append(
        self,
        table: str,
        frame: Frame,
        *,
        source: str,
        load_id: str | None = None,
        batch_id: str | None = None,
        file: str | None = None,
        file_hash: str | None = None,
    ) -> Counts:
        """Store the rows of `frame` that tell something new, in one transaction.

        `frame` is a pandas frame or a relation of this connection. Its columns are those of
        `raw.<table>`; a `known_at` column states when each row was known, else it is now. Columns
        the schema does not name go to `payload`. A column the frame does not have is neither
        compared nor lost: it keeps the value of the version before. Rows that cannot be stored go
        whole to `raw.rejects`. Rows of one `load_id` belong to one ingest; `batch_id` is a new one.

        Raises `Malformed` when a key column is missing, `HomeError` when simulated and real
        sources would share the store.
        """
        self._refuse_mixture(source)
        moment = self._moment(_utc_now())
        batch_id = batch_id or uuid.uuid4().hex
        with self._transaction():
            try:
                self.con.execute(
                    "create or replace temp table told as "
                    "select row_number() over () as _line, * from frame"
                )
            except duckdb.Error as error:
                # A file is read only here; a damaged one raises any of DuckDB's errors.
                raise Malformed(in_words(error)) from error
            counts = _Append(self.con, table, source, moment, batch_id, file).run()
            self.con.execute(
                "insert into raw.batches values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    batch_id,
                    load_id or batch_id,
                    f"raw/{table}",
                    source,
                    file,
                    file_hash,
                    moment,
                    max(_utc_now(), moment),
                    counts.new,
                    counts.changed,
                    counts.unchanged,
                    counts.rejected,
                    counts.duplicates,
                ],
            )
            for name in ("told", "typed", "dropped", "verdicts"):
                self.con.execute(f"drop table if exists temp.{name}")
        return counts

    def record_fetch(
        self,
        *,
        load_id: str,
        source: str,
        table: str,
        batch_id: str | None = None,
        ticker: str | None = None,
        file: str | None = None,
        outcome: str = "ok",
        reason: str | None = None,
        requests: int = 0,
        rows: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Write how one attempt to fetch a table ended to `raw.fetches`."""
        self.con.execute(
            "insert into raw.fetches values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch_id,
                load_id,
                source,
                table,
                ticker,
                file,
                outcome,
                reason,
                requests,
                rows,
                seconds,
                _utc_now(),
            ],
        )

    def record_drift(self, *, load_id: str, source: str, table: str, drift: Drift) -> None:
        """Write to `raw.drifts` that a field of an answer was not as declared."""
        self.con.execute(
            "insert into raw.drifts values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                load_id,
                source,
                table,
                drift.ticker,
                drift.field,
                drift.expected,
                drift.found,
                _utc_now(),
            ],
        )

    def now(self) -> datetime:
        """The clock (UTC) that what is stored is stamped by."""
        return _utc_now()

    def has_file(self, table: str, file_hash: str) -> bool:
        """Whether a file of this content was already stored in `table`, or some of its rows."""
        row = self.con.execute(
            """
            select 1 from raw.batches
            where asset = ? and file_hash = ?
                and (rejected = 0 or new + changed + unchanged + duplicates > 0)
            limit 1
            """,
            [f"raw/{table}", file_hash],
        ).fetchone()
        return row is not None

    def rejects(self, load_id: str, table: str, file: str | None, most: int = 1000) -> list[str]:
        """Return what was refused of a file in an ingest, one sentence a row, at most `most`."""
        rows = self.con.execute(
            """
            select line, reason, row_json from raw.rejects join raw.batches using (batch_id)
            where load_id = ? and table_name = ? and raw.rejects.file is not distinct from ?
            order by line limit ?
            """,
            [load_id, table, file, most],
        ).fetchall()
        return [f"row {line}: {reason}: {row}" for line, reason, row in rows]

    def data_version(self, table: str) -> str | None:
        """The batch that last changed `table`, or None while it is empty."""
        row = self.con.execute(
            """
            select batch_id from raw.batches
            where asset = ? and new + changed > 0 order by finished_at desc, started_at desc limit 1
            """,
            [f"raw/{table}"],
        ).fetchone()
        return None if row is None else str(row[0])

    def is_simulated(self) -> bool:
        """Whether what the store holds is the simulated sample."""
        row = self.con.execute(
            "select 1 from raw.batches where source = ? limit 1", [SIMULATED]
        ).fetchone()
        return row is not None

    def _refuse_mixture(self, source: str) -> None:
        if source in _OF_ANY_HOME:
            return
        row = self.con.execute(
            """
            select source from raw.batches
            where source not in (?, ?) and (source = ?) <> ? limit 1
            """,
            [*_OF_ANY_HOME, SIMULATED, source == SIMULATED],
        ).fetchone()
        if row is not None:
            raise HomeError(
                f"{self.path} holds data of the source '{row[0]}'; the source '{source}' cannot "
                "join it, because simulated and real data never share a home. "
                "Choose another home with --home or BELLWETHER_HOME."
            )

    def _moment(self, now: datetime) -> datetime:
        """A time to stamp an append with: now, and later than every append before it."""
        row = self.con.execute("select max(finished_at) from raw.batches").fetchone()
        last = row[0] if row else None
        return now if last is None or now > last else last + timedelta(microseconds=1)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.con.execute("begin")
        try:
            yield
            self.con.execute("commit")
        except BaseException:
            self.con.execute("rollback")
            raise


class _Append:
    """One append of the rows in the temporary table `told`, inside a transaction.

    Every name that is formatted into SQL comes from the catalogue of `schema.sql` or is quoted.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        table: str,
        source: str,
        moment: datetime,
        batch_id: str,
        file: str | None,
    ) -> None:
        self.con = con
        self.table = table
        self.source = source
        self.moment = moment
        self.batch_id = batch_id
        self.file = file
        self.columns = schema()[table]
        self.keys = keys(table)
        described = con.execute("describe told").fetchall()
        self.told = {name.lower(): (name, kind) for name, kind, *_ in described if name != "_line"}
        self.tells_payload = bool(set(self.told) - {c.name for c in self.columns} - {"known_at"})
        missing = [
            c.name
            for c in self.columns
            if c.is_key and c.default is None and c.name not in self.told
        ]
        if missing:
            found = ", ".join(name for name, _ in self.told.values())
            raise Malformed(
                f"{table}: no column {', '.join(missing)}; found {found or 'none'}. "
                f"The key of raw.{table} is {', '.join(self.keys)}."
            )

    def run(self) -> Counts:
        self._type_and_check()
        self._drop_duplicates()
        rounds = self._number_versions()
        self.con.execute(
            "create or replace temp table verdicts (_line bigint, stored bigint, status varchar)"
        )
        for number in range(1, rounds + 1):
            self._judge(number)
            self._insert(number)
        self._reject()
        tally = dict(
            self.con.execute("select status, count(*) from verdicts group by all").fetchall()
        )
        rejected, duplicates = self._one(
            """
            select
                (select count(*) from typed where reason is not null)
                + (select count(*) from dropped where reason is not null),
                (select count(*) from dropped where reason is null)
            """
        )
        return Counts(
            new=tally.get("new", 0),
            changed=tally.get("changed", 0),
            unchanged=tally.get("unchanged", 0),
            rejected=rejected + tally.get("conflict", 0),
            duplicates=duplicates,
        )

    def _one(self, sql: str) -> tuple[int, ...]:
        row = self.con.execute(sql).fetchone()
        assert row is not None
        return row

    def _type_and_check(self) -> None:
        """Cast what was told to the schema's types and say of each row why it cannot be stored."""
        columns = [(c.name, c.type, c.default) for c in self.columns]
        columns.append(("known_at", "TIMESTAMP", "$moment"))
        values, faults = [], []
        for name, kind, default in columns:
            if name in self.told:
                told = quoted(self.told[name][0])
                value, fault = _cast(told, self.told[name][1], kind)
                value = f"coalesce({value}, {default})" if default else value
                shown = f"left(cast({told} as varchar), 60)"
                words = f"concat('{name}: ''', {shown}, ''' is not {_KIND_WORDS[kind]}')"
                if fault != "false":
                    faults.append(f"case when {fault} then {words} end")
            else:
                value = default or f"cast(null as {kind})"
            values.append(f"{value} as {name}")
        values.append(f"{self._payload()} as payload")
        rules = [
            *((f"{c.name} is not null", f"{c.name} is missing") for c in self.columns if c.is_key),
            *_rules().get(self.table, []),
        ]
        breaches = [f"case when not ({rule}) then {literal(why)} end" for rule, why in rules]
        self.con.execute(
            f"""
            create or replace temp table typed as
            with
                cast_ as (
                    select
                        _line, {", ".join(values)}, cast($moment as timestamp) as stored_at,
                        concat_ws('; ', {", ".join(faults) or "null"}) as faults
                    from told
                ),
                checked as (select *, concat_ws('; ', {", ".join(breaches)}) as breaches from cast_)
            select
                * exclude (faults, breaches, stored_at),
                nullif(case when faults <> '' then faults else breaches end, '') as reason,
                1 as _round
            from checked
            """,
            {"moment": self.moment},
        )

    def _payload(self) -> str:
        """SQL of the JSON of every told column the schema does not name, or of `payload` itself."""
        known = {c.name for c in self.columns} | {"known_at", "payload"}
        extras = sorted(told for name, (told, _) in self.told.items() if name not in known)
        own = "cast(null as json)"
        if "payload" in self.told:
            told = f"cast({quoted(self.told['payload'][0])} as varchar)"
            own = f"case when json_valid({told}) then cast({told} as json) else to_json({told}) end"
        if not extras:
            return f"cast({own} as varchar)"
        pairs = ", ".join(f"{literal(name)}, {quoted(name)}" for name in extras)
        # A merge patch leaves out what is null, and replaces what is no object.
        base = (
            f"case json_type({own}) when 'OBJECT' then {own} else json_object('payload', {own}) end"
        )
        merged = f"json_merge_patch(json_merge_patch('{{}}', {base}), json_object({pairs}))"
        return f"nullif(cast({merged} as varchar), '{{}}')"

    def _drop_duplicates(self) -> None:
        """Fill `dropped`: repeats of a row (no reason), and rows that contradict each other."""
        identity = (*self.keys, "known_at")
        names = ", ".join(identity)
        self.con.execute("create or replace temp table dropped (_line bigint, reason varchar)")
        rows, distinct = self._one(
            f"select count(*), count(distinct hash({names})) from typed where reason is null"
        )
        if rows == distinct:
            return
        same = " and ".join(f"t.{name} = f.{name}" for name in identity)
        self.con.execute(
            f"""
            insert into dropped
            with
                repeated as (
                    select min(_line) as first_line from typed
                    where reason is null group by {names} having count(*) > 1
                ),
                firsts as (select typed.* from typed join repeated on _line = first_line),
                compared as (
                    select t._line, f._line as first_line, {self._differs("t", "f")} as differs
                    from typed t join firsts f on {same} where t.reason is null
                ),
                judged as (
                    select *, bool_or(differs) over (partition by first_line) as is_conflict
                    from compared
                )
            select
                _line,
                case
                    when is_conflict then 'two rows of one key and moment contradict each other'
                end
            from judged where is_conflict or _line <> first_line
            """
        )

    def _number_versions(self) -> int:
        """Number the versions a key has in this batch by `known_at`; return the highest number."""
        if "known_at" not in self.told:
            return 1
        names = ", ".join(self.keys)
        (most,) = self._one(
            f"""
            select coalesce(max(n), 0) from (
                select count(distinct known_at) as n
                from typed where reason is null group by {names}
            )
            """
        )
        if most > 1:
            self.con.execute(
                f"""
                create or replace temp table typed as
                select
                    * exclude (_round),
                    dense_rank() over (partition by {names} order by known_at) as _round
                from typed
                """
            )
        return most

    def _judge(self, number: int) -> None:
        """Say of each row of this round what it is beside the version known just before it."""
        matches = " and ".join(f"s.{name} = t.{name}" for name in self.keys)
        self.con.execute(
            f"""
            insert into verdicts
            with
                rows_ as (
                    select * from typed
                    where reason is null and _round = $number
                        and _line not in (select _line from dropped)
                ),
                before as (
                    select t._line, arg_max(s.rowid, s.known_at) as stored
                    from rows_ t join raw.{self.table} s
                        on {matches} and s.source = $source and s.known_at <= t.known_at
                    group by t._line
                )
            select
                t._line,
                b.stored,
                case
                    when b.stored is null then 'new'
                    when not ({self._differs("t", "s")}) then 'unchanged'
                    when s.known_at = t.known_at then 'conflict'
                    else 'changed'
                end
            from rows_ t
            left join before b on b._line = t._line
            left join raw.{self.table} s on s.rowid = b.stored
            """,
            {"number": number, "source": self.source},
        )

    def _differs(self, left: str, right: str) -> str:
        """SQL of whether two rows differ in what was told, as the store defines a new version."""
        tests = []
        for c in self.columns:
            if c.is_key or c.name in _NOT_COMPARED or c.name not in self.told:
                continue
            a, b = f"{left}.{c.name}", f"{right}.{c.name}"
            if c.is_number:
                tests.append(
                    f"({a} is null) <> ({b} is null) or coalesce(abs({a} - {b}) > "
                    f"{_RELATIVE_TOLERANCE} * greatest(abs({a}), abs({b})), false)"
                )
            else:
                tests.append(f"{a} is distinct from {b}")
        if self.table == "prices" and "is_final" not in self.told:
            # A bar of today that does not say whether it is final is so by when it was told.
            tests.append(
                f"({right}.is_final is not true and {left}.known_at > {right}.known_at "
                f"and {right}.known_at < {right}.session_date + interval '1' day)"
            )
        if self.tells_payload:
            tests.append(f"{left}.payload is distinct from {right}.payload")
        return " or ".join(tests) or "false"

    def _insert(self, number: int) -> None:
        values = [
            f"t.{c.name}"
            if c.name in self.told or c.is_key or c.name == "is_final"
            else f"s.{c.name}"
            for c in self.columns
        ]
        values.append("t.payload" if self.tells_payload else "s.payload")
        key = ", ".join(f"t.{name}" for name in self.keys)
        names = ", ".join(c.name for c in self.columns)
        self.con.execute(
            f"""
            insert into raw.{self.table}
                (row_id, source, {names}, payload, known_at, stored_at, batch_id)
            select
                md5(cast(json_array($source, {key}, t.known_at) as varchar)), $source,
                {", ".join(values)}, t.known_at, $moment, $batch_id
            from typed t
            join verdicts v on v._line = t._line and v.status in ('new', 'changed')
            left join raw.{self.table} s on s.rowid = v.stored
            where t._round = $number
            order by t._line
            """,
            {
                "source": self.source,
                "moment": self.moment,
                "batch_id": self.batch_id,
                "number": number,
            },
        )

    def _reject(self) -> None:
        """Put what could not be stored to `raw.rejects`.

        A row that a source tells again and again is put there once, one of a file with every file.
        """
        # Named one by one: a column may be called `told` or `reason`.
        pairs = ", ".join(f"{literal(name)}, told.{quoted(name)}" for name, _ in self.told.values())
        self.con.execute(
            f"""
            insert into raw.rejects
            with
                refused as (
                    select _line, reason from typed where reason is not null
                    union all
                    select _line, reason from dropped where reason is not null
                    union all
                    select _line, 'it contradicts what is stored for the same key and moment'
                    from verdicts where status = 'conflict'
                ),
                whole as (
                    select
                        refused._line, refused.reason,
                        cast(json_object({pairs}) as varchar) as row_json
                    from refused join told on told._line = refused._line
                )
            select
                $batch_id, $source, $table_name, reason, row_json, $file, _line, $moment
            from whole
            where $file is not null or not exists (
                select 1 from raw.rejects r
                where r.source = $source and r.table_name = $table_name
                    and r.row_json = whole.row_json and r.reason = whole.reason
            )
            order by _line
            """,
            {
                "batch_id": self.batch_id,
                "source": self.source,
                "table_name": self.table,
                "file": self.file,
                "moment": self.moment,
            },
        )


_KIND_WORDS = {
    "VARCHAR": "text",
    "DOUBLE": "a finite number",
    "INTEGER": "a whole number",
    "BOOLEAN": "true or false",
    "DATE": "a date (YYYY-MM-DD)",
    "TIMESTAMP": "a time (ISO 8601)",
}


def _cast(told: str, told_kind: str, kind: str) -> tuple[str, str]:
    """SQL of a told column as `kind`, and of the condition under which it is not one."""
    text = f"nullif(cast({told} as varchar), '')"
    if kind == "VARCHAR":
        return text, "false"
    if kind in ("DOUBLE", "INTEGER"):
        number = f"try_cast({text if told_kind == 'VARCHAR' else told} as double)"
        # NaN is how frames and files spell a missing number.
        value = f"case when isnan({number}) then null else {number} end"
        fault = f"({told} is not null and {number} is null) or isinf({number})"
        if told_kind == "VARCHAR":
            fault = f"({text} is not null and {number} is null) or isinf({number})"
        if kind == "INTEGER":
            fault += f" or {number} <> round({number}) or abs({number}) > 2147483647"
            value = f"try_cast({value} as integer)"
        return value, fault
    if kind == "TIMESTAMP":
        if told_kind.startswith("TIMESTAMP WITH"):
            value = f"{told} at time zone 'UTC'"
        elif told_kind.startswith(("TIMESTAMP", "DATE")):
            value = f"cast({told} as timestamp)"
        else:
            # Through a zoned type: a plain cast drops the offset without a word.
            basic = f"cast(try_strptime({text}, '%Y%m%dT%H%M%S') as timestamptz)"
            value = f"coalesce(try_cast({text} as timestamptz), {basic}) at time zone 'UTC'"
    else:
        value = f"try_cast({told if told_kind == kind else text} as {kind})"
    if kind in ("DATE", "TIMESTAMP"):
        # Beyond four digits of a year, and at infinity, nobody else can read what we stored.
        bounds = f"{kind} '0001-01-01' and {kind} '9999-12-31'"
        value = f"case when {value} between {bounds} then {value} end"
    return value, f"{text} is not null and ({value}) is null"


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


@cache
def _rules() -> dict[str, list[tuple[str, str]]]:
    """Rules of `raw.checks` and their reasons by table, as `schema.sql` states them."""
    with duckdb.connect() as con:
        _create(con)
        rows = con.execute("select table_name, rule, reason from raw.checks").fetchall()
    rules: dict[str, list[tuple[str, str]]] = {}
    for table, rule, reason in rows:
        rules.setdefault(table, []).append((rule, reason))
    return rules


def _connect(path: Path, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise HomeError(f"{path} cannot be opened: {error}") from error
            if time.monotonic() > deadline:
                raise HomeError(
                    f"{path} is in use by another process for more than {wait_seconds:.0f} s. "
                    "Only the pipeline may open it; query the published bellwether.duckdb instead."
                ) from error
            time.sleep(0.1)


def _create(con: duckdb.DuckDBPyConnection) -> None:
    """Bring the raw schema to what `schema.sql` says, unless it is there already."""
    script = SCHEMA_SQL.read_bytes()
    sql_hash = hashlib.sha256(script).hexdigest()
    made = schema_made(con)
    if made is not None and made[0] > SCHEMA_VERSION:
        raise HomeError(
            f"This raw store has schema version {made[0]}, and this Bellwether knows "
            f"{SCHEMA_VERSION}: a newer one made it. Install that one; nothing was changed."
        )
    if made != (SCHEMA_VERSION, sql_hash):
        con.execute("begin")
        try:
            if made is not None:
                migrate(con, made[0])
            con.execute(script.decode())
            con.execute("delete from raw.schema_version")
            con.execute("insert into raw.schema_version values (?, ?)", [SCHEMA_VERSION, sql_hash])
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise
    con.execute(
        "create or replace temp table currencies as select * from read_csv(?, header = true)",
        [str(SEEDS / "currencies.csv")],
    )


def schema_made(con: duckdb.DuckDBPyConnection) -> tuple[int, str] | None:
    """Return the version of the raw schema and the hash of its script; None where there is none.

    Before versions were noted, there was one: 0.
    """
    tables = {
        name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw' "
            "and database_name = current_database()"
        ).fetchall()
    }
    if "schema_version" in tables:
        row = con.execute("select version, sql_hash from raw.schema_version").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")
    return (0, "") if "prices" in tables else None


def migrate(con: duckdb.DuckDBPyConnection, version: int) -> None:
    """Run the migrations that a raw schema of `version` has not seen, in order."""
    for script in MIGRATIONS[version:]:
        con.execute(script.read_text(encoding="utf-8"))


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
