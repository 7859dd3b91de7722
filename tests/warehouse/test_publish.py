"""Publishing: readers see one whole version, before or after, whatever happens."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from warehouse import publish as publish_module
from warehouse.errors import HomeError, PublishError
from warehouse.publish import KEPT_VERSIONS, Published, newest, publish, reading, versions
from warehouse.settings import DATABASE, Home
from warehouse.store import Warehouse

AS_OF = datetime(2025, 12, 1, 22)
# Two tables that are always written together, a view in each style of the project, and comments.
GENERATION = """
    begin;
    create schema if not exists marts;
    create schema if not exists staging;
    create or replace table marts.one as
    select {n} as generation, i, md5(cast(i as varchar)) as filler from range(20000) as t(i);
    create or replace table marts.two as
    select {n} as generation, i, md5(cast(i + 1 as varchar)) as filler from range(20000) as t(i);
    create or replace view staging.both_generations as
    select one.generation, two.generation as other
    from marts.one as one inner join marts.two as two on two.i = one.i;
    create or replace view marts.over_view as
    select max(generation) as g from staging.both_generations;
    comment on table marts.one is 'One row per number.';
    comment on column marts.one.i is 'A number.';
    comment on view staging.both_generations is 'One row per number, twice.';
    commit;
"""
TORN = """
    select count(*), count(distinct generation), count(distinct other), max(generation), max(other)
    from staging.both_generations
"""


def build(home: Home, generation: int) -> None:
    with Warehouse(home.build) as store:
        store.con.execute(GENERATION.format(n=generation))


def generation(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as con:
        row = con.execute(TORN).fetchone()
    assert row is not None
    assert row[:3] == (20000, 1, 1)
    assert row[3] == row[4]
    return int(row[3])


def leftovers(home: Home) -> list[str]:
    return [path.name for path in home.versions.iterdir() if path.name.startswith(".")]


def test_what_is_published_is_what_was_built(home: Home) -> None:
    build(home, 1)
    made = publish(home, as_of=AS_OF)
    assert generation(home.published) == 1
    assert made == newest(home)
    assert made.as_of == "2025-12-01 22:00:00"
    assert made.way in ("clone", "copy")
    assert made.size_bytes == home.published.stat().st_size
    assert not made.is_simulated
    assert made.seconds >= 0
    assert versions(home) == [made.version]
    assert leftovers(home) == []


def test_a_simulated_build_says_so(home: Home) -> None:
    with Warehouse(home.build) as store:
        frame = pd.DataFrame({"ticker": ["AAA"], "name": ["Alpha"]})
        store.append("securities", frame, source="sample")
    assert publish(home, as_of=AS_OF).is_simulated


def test_a_published_file_is_read_only_and_the_link_to_it_relative(home: Home) -> None:
    build(home, 1)
    made = publish(home, as_of=AS_OF)
    assert home.published.is_symlink()
    assert home.published.readlink() == Path("published") / made.version / DATABASE
    assert stat.S_IMODE(home.published.stat().st_mode) == 0o444
    assert home.published.resolve().name == DATABASE


def test_a_home_can_be_moved(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    moved = Home(home.path.with_name("elsewhere"))
    home.path.rename(moved.path)
    assert generation(moved.published) == 1
    build(moved, 2)
    publish(moved, as_of=AS_OF)
    assert generation(moved.published) == 2
    assert len(versions(moved)) == 2


def test_publishing_does_not_change_the_build(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    before = home.build.read_bytes()
    publish(home, as_of=AS_OF)
    assert home.build.read_bytes() == before
    build(home, 2)
    assert generation(home.build) == 2
    assert generation(home.published) == 1


def test_the_last_versions_stay(home: Home) -> None:
    made = []
    for number in range(5):
        build(home, number)
        made.append(publish(home, as_of=AS_OF).version)
    assert versions(home) == made[-KEPT_VERSIONS:]
    assert len(versions(home)) == 3
    assert [generation(home.versions / name / DATABASE) for name in versions(home)] == [2, 3, 4]
    assert generation(home.published) == 4


@contextmanager
def clock_at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> Iterator[None]:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return moment.replace(tzinfo=tz)

    with monkeypatch.context() as patch:
        patch.setattr(publish_module, "datetime", Clock)
        yield


def test_a_clock_that_jumps_back_never_unpublishes_the_newest(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, hour in enumerate([10, 11, 12, 3, 4, 5]):
        build(home, number)
        with clock_at(monkeypatch, datetime(2025, 12, 1, hour)):
            made = publish(home, as_of=AS_OF)
        assert generation(home.published) == number
        assert newest(home) == made
        assert len(versions(home)) <= KEPT_VERSIONS


def test_what_a_killed_publishing_left_is_cleared_by_the_next(home: Home) -> None:
    build(home, 1)
    torn = home.versions / ".20200101T000000000000Z"
    torn.mkdir(parents=True)
    (torn / DATABASE).write_bytes(b"half")
    (home.versions / ".20200101T000000000000Z.link").symlink_to("nowhere")
    publish(home, as_of=AS_OF)
    assert leftovers(home) == []


# Views


def test_views_work_through_the_link_the_versioned_path_and_under_any_name(home: Home) -> None:
    build(home, 7)
    made = publish(home, as_of=AS_OF)
    assert generation(home.published) == 7
    assert generation(home.versions / made.version / DATABASE) == 7
    with duckdb.connect() as con:
        con.execute(f"attach '{home.published}' as anything (read_only)")
        assert con.execute("select * from anything.marts.over_view").fetchall() == [(7,)]
        con.execute("use anything")
        assert con.execute("select * from marts.over_view").fetchall() == [(7,)]
    with duckdb.connect() as con:
        con.execute(f"attach '{home.published}' (read_only)")
        assert con.execute("select * from bellwether.marts.over_view").fetchall() == [(7,)]


def comments(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(
            """
            select table_name, '', comment from duckdb_tables() where comment is not null
            union all
            select view_name, '', comment from duckdb_views() where comment is not null
            union all
            select table_name, column_name, comment from duckdb_columns() where comment is not null
            order by all
            """
        ).fetchall()


# Compaction


def catalogue(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a database declares."""
    told = {
        "tables": "select schema_name, table_name, sql from duckdb_tables()",
        "views": "select schema_name, view_name, sql from duckdb_views() where not internal",
        "columns": "select schema_name, table_name, column_name, data_type, is_nullable, "
        "column_default from duckdb_columns() where not internal",
        "constraints": "select schema_name, table_name, constraint_text from duckdb_constraints()",
    }
    with duckdb.connect(str(path), read_only=True) as con:
        found = {what: con.sql(f"{query} order by all").fetchall() for what, query in told.items()}
    return {**found, "comments": comments(path)}


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in the order stored."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.sql("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        return {t: con.sql(f"select * from {t} order by rowid").fetchall() for (t,) in tables}


def with_dead_space(home: Home) -> None:
    """A build with raw rows, a generation, and more dead space than either."""
    with Warehouse(home.build) as store:
        bars = {"ticker": "ABC", "session_date": pd.date_range("2001-01-01", periods=5000)}
        store.append("prices", pd.DataFrame({**bars, "close": 1.5, "word": "né"}), source="inbox")
        store.con.execute(
            "create table ballast as select uuid() as a, uuid() as b from range(400000)"
        )
        store.con.execute("checkpoint")
    build(home, 3)
    with Warehouse(home.build) as store:
        store.con.execute("drop table ballast")
        store.con.execute("checkpoint")


def test_a_build_that_is_mostly_dead_space_is_compacted_and_loses_nothing(home: Home) -> None:
    with_dead_space(home)
    built, declared, stored = home.build.stat().st_size, catalogue(home.build), rows(home.build)
    made = publish(home, as_of=AS_OF)
    assert made.freed_bytes == built - home.build.stat().st_size > built / 2
    assert made.size_bytes == home.published.stat().st_size == home.build.stat().st_size
    for file in (home.build, home.published):
        assert catalogue(file) == declared
        assert rows(file) == stored
    assert len(declared["constraints"]) > 20
    assert any(name == "one" and column == "i" for name, column, _ in declared["comments"])
    assert stat.S_IMODE(home.published.stat().st_mode) == 0o444
    with duckdb.connect() as con:
        con.execute(f"attach '{home.published}' as anything (read_only)")
        assert con.execute("select * from anything.marts.over_view").fetchall() == [(3,)]
    # It is a store like any other, and there is nothing more to gain.
    with Warehouse(home.build) as store:
        bar = {"ticker": "ABC", "session_date": "2001-01-01", "close": 1.5}
        assert store.append("prices", pd.DataFrame([bar]), source="inbox").unchanged == 1
    again = publish(home, as_of=AS_OF)
    assert again.freed_bytes == 0 and again.dead_space < publish_module.MOST_DEAD_SPACE


COMPACT = """
import os, sys
from pathlib import Path
from warehouse import publish

at, build = sys.argv[1], Path(sys.argv[2])
real = getattr(publish, at, None)

def die(*arguments):
    if at == "_contents":
        real(*arguments)
    os._exit(9)

if at == "replace":
    replace = Path.replace
    def die_after(self, target):
        replace(self, target)
        os._exit(9)
    Path.replace = die_after
else:
    setattr(publish, at, die)
publish.compact(build)
"""


@pytest.mark.parametrize("moment", ["_contents", "sync", "replace"])
def test_a_crash_while_compacting_leaves_one_or_the_other(home: Home, moment: str) -> None:
    with_dead_space(home)
    stored, built = rows(home.build), home.build.stat().st_size
    done = subprocess.run([sys.executable, "-c", COMPACT, moment, str(home.build)], check=False)
    assert done.returncode == 9
    assert (home.build.stat().st_size < built) == (moment == "replace")
    assert rows(home.build) == stored
    publish(home, as_of=AS_OF)
    assert rows(home.published) == rows(home.build) == stored
    assert [path.name for path in home.build.parent.iterdir()] == [DATABASE]


def test_without_room_to_compact_it_is_published_as_it_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_dead_space(home)
    stored = rows(home.build)

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(publish_module, "sync", full)
        assert publish_module.compact(home.build) == 0
    beside = home.build.with_name(f".{DATABASE}.compact")
    assert not beside.exists()
    (beside / "in the way").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(publish_module, "_remove", lambda *_: None)
        assert publish_module.compact(home.build) == 0
    assert rows(home.build) == stored
    # Nor is a file swung in that lacks a row.
    with monkeypatch.context() as patch:
        counts = iter([[("a", 2)], [("a", 1)]])
        patch.setattr(publish_module, "_contents", lambda *_: next(counts))
        assert publish_module.compact(home.build) == 0
    assert rows(home.build) == stored


# Readers

READER = """
import sys
from pathlib import Path
import duckdb

link, stop, torn = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
seen, last = 0, 0
while not (stop.exists() and last):
    with duckdb.connect(link, read_only=True) as con:
        count, ones, twos, one, two = con.execute(torn).fetchone()
        assert (count, ones, twos) == (20000, 1, 1) and one == two, (count, ones, twos, one, two)
        assert one >= last, (one, last)
        assert con.execute("select g from marts.over_view").fetchone() == (one,)
        seen, last = seen + 1, one
print(seen, last)
"""


def test_readers_of_other_processes_never_see_a_torn_version(home: Home, tmp_path: Path) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, home.published, stop, TORN],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(2, 12):
        build(home, number)
        publish(home, as_of=AS_OF)
    stop.touch()
    for reader in readers:
        told, errors = reader.communicate(timeout=60)
        assert reader.returncode == 0, errors
        seen, last = map(int, told.split())
        assert seen > 1
        assert 1 <= last <= 11
    assert generation(home.published) == 11


def test_a_reader_keeps_the_version_it_opened(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    with reading(home) as old:
        for number in range(2, 7):
            build(home, number)
            publish(home, as_of=AS_OF)
        assert old.execute(TORN).fetchone()[3] == 1
        with reading(home) as new:
            assert new.execute(TORN).fetchone()[3] == 6
        assert old.execute("select g from marts.over_view").fetchone() == (1,)


def test_a_reader_does_not_block_the_writer(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    with reading(home):
        build(home, 2)
        publish(home, as_of=AS_OF)


def test_reading_what_was_never_published_names_what_to_do(home: Home) -> None:
    with pytest.raises(HomeError, match=r"Nothing is published.*bellwether demo"), reading(home):
        pass
    assert newest(home) is None
    assert versions(home) == []


# Failures


@contextmanager
def no_build(home: Home) -> Iterator[None]:
    aside = home.build.with_name("aside")
    home.build.rename(aside)
    yield
    aside.rename(home.build)


@contextmanager
def build_held_by_another_process(home: Home) -> Iterator[None]:
    hold = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, home.build], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


@contextmanager
def build_damaged(home: Home) -> Iterator[None]:
    content = home.build.read_bytes()
    home.build.write_bytes(b"no database" * 999)
    yield
    home.build.write_bytes(content)


@contextmanager
def versions_in_the_way(home: Home) -> Iterator[None]:
    aside = home.versions.with_name("aside")
    home.versions.rename(aside)
    home.versions.write_text("a file in its place")
    home.published.unlink()
    home.published.symlink_to(Path("aside") / next(iter(sorted(aside.iterdir()))).name / DATABASE)
    yield
    home.versions.unlink()
    aside.rename(home.versions)


@contextmanager
def disk_full(home: Home) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:

        def fail(source: Path, target: Path) -> str:
            target.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        patch.setattr(publish_module, "_copy", fail)
        yield


@pytest.mark.parametrize(
    "fault",
    [no_build, build_held_by_another_process, build_damaged, versions_in_the_way, disk_full],
)
def test_a_failed_publishing_says_so_and_the_former_version_stands(home: Home, fault: Any) -> None:
    build(home, 1)
    made = publish(home, as_of=AS_OF)
    build(home, 2)
    with fault(home):
        with pytest.raises(PublishError, match=re.escape(str(home.published))) as caught:
            publish(home, as_of=AS_OF)
        assert "stays as it was" in str(caught.value)
        assert generation(home.published) == 1
        if home.versions.is_dir():
            assert versions(home) == [made.version]
            assert leftovers(home) == []
    publish(home, as_of=AS_OF)
    assert generation(home.published) == 2


def test_a_folder_in_the_place_of_the_link_is_not_removed(home: Home) -> None:
    build(home, 1)
    (home.published / "precious").mkdir(parents=True)
    with pytest.raises(PublishError, match="stays as it was"):
        publish(home, as_of=AS_OF)
    assert (home.published / "precious").is_dir()
    assert versions(home) == []
    assert leftovers(home) == []


def test_a_file_in_the_place_of_the_link_is_replaced(home: Home) -> None:
    build(home, 1)
    home.published.write_text("an old copy")
    publish(home, as_of=AS_OF)
    assert generation(home.published) == 1


def test_without_a_build_nothing_is_left_behind(home: Home) -> None:
    with pytest.raises(PublishError, match=r"does not exist: there is nothing to publish"):
        publish(home, as_of=AS_OF)
    assert not home.published.exists()
    assert versions(home) == []
    assert leftovers(home) == []


def test_the_manifest_lies_beside_the_file(home: Home) -> None:
    build(home, 1)
    made = publish(home, as_of=AS_OF)
    manifest = json.loads(home.published.resolve().with_name("published.json").read_text())
    assert Published(**manifest) == made
    moment = datetime.fromisoformat(made.published_at)
    assert abs(moment - datetime.strptime(made.version, "%Y%m%dT%H%M%S%fZ")) < timedelta(seconds=1)


# What a reader may not do

FORBIDDEN = [
    "create table t (a int)",
    "create or replace table marts.one as select 1",
    "create view marts.v as select 1",
    "insert into marts.one values (1, 1, 'x')",
    "update marts.one set i = 0",
    "delete from marts.one",
    "truncate marts.one",
    "drop table marts.one",
    "alter table marts.one add column b int",
    "comment on table marts.one is 'mine'",
    "copy marts.one to '{folder}/out.csv'",
    "copy marts.one to '{folder}/out.parquet' (format parquet)",
    "export database '{folder}/out'",
    # Where DuckDB itself writes, and where the next reader would look.
    "copy (select 1) to '{file}' (format csv, use_tmp_file false)",
    "copy (select 1) to '{file}.wal' (format csv)",
    "copy (select 1) to '{file}.wal' (format csv, use_tmp_file false)",
    "copy (select 'x'::blob) to '{file}.wal' (format blob, use_tmp_file false)",
    "copy (select 1) to '{file}.wal.checkpoint' (format csv, use_tmp_file false)",
    "copy (select 1) to '{file}.wal.recovery' (format csv, use_tmp_file false)",
    "copy (select 1) to '{file}.tmp/x' (format csv, use_tmp_file false)",
    "select * from read_blob('{file}')",
    "explain analyze copy (select 1) to '{file}.wal' (format csv, use_tmp_file false)",
    "select * from read_csv('{folder}/secret.csv')",
    "select * from '{folder}/secret.csv'",
    "select * from read_text('{folder}/secret.csv')",
    "select * from read_blob('{folder}/*')",
    "select * from read_json('{folder}/secret.csv')",
    "select * from read_parquet('{folder}/secret.csv')",
    "select * from sniff_csv('{folder}/secret.csv')",
    "select * from glob('{folder}/*')",
    "select * from parquet_metadata('{folder}/secret.csv')",
    "select * from read_csv('https://example.com/x.csv')",
    "select * from 'https://example.com/x.parquet'",
    "attach '{folder}/other.duckdb' as other",
    "attach '{folder}/build/bellwether.duckdb' as other (read_only)",
    "install httpfs",
    "load httpfs",
    "install '{folder}/x.duckdb_extension'",
    "load '{folder}/x.duckdb_extension'",
    "create secret s (type s3, key_id 'x', secret 'y')",
    "create persistent secret s (type s3, key_id 'x', secret 'y')",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set memory_limit = '1GB'",
    "set temp_directory = '{folder}'",
    "set disabled_filesystems = ''",
    "set home_directory = '{folder}'",
    "reset lock_configuration",
    "pragma threads = 1",
    "set profiling_output = '{folder}/p'",
    "select * from query('copy marts.one to ''{folder}/out.csv''')",
    "select * from frame",
]


def test_a_reader_may_only_read_what_is_published(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    secret = home.path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    before = {path: path.stat().st_mtime_ns for path in home.path.rglob("*")}
    allowed = []
    with reading(home) as con:
        frame = pd.DataFrame({"a": [1]})
        file = home.published.resolve()
        for statement in FORBIDDEN:
            try:
                con.execute(statement.format(folder=home.path, file=file)).fetchall()
            except duckdb.Error:
                continue
            allowed.append(statement)
        assert len(frame) == 1
        assert allowed == []
        assert con.execute("select g from marts.over_view").fetchone() == (1,)
    assert {path: path.stat().st_mtime_ns for path in home.path.rglob("*")} == before


def test_a_query_that_fails_does_not_close_the_reader(home: Home) -> None:
    build(home, 1)
    publish(home, as_of=AS_OF)
    with reading(home) as con:
        with pytest.raises(duckdb.Error):
            con.execute("select no_such_column from marts.one")
        assert con.execute("select g from marts.over_view").fetchone() == (1,)
