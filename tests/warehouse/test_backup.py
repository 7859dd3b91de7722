"""Backup and restore: the raw store bit for bit, or a sentence that says why not."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from warehouse import backup as backup_module
from warehouse import publish as publish_module
from warehouse import store as store_module
from warehouse.backup import MANIFEST, back_up, read, restore
from warehouse.errors import HomeError, StorageError, UsageError
from warehouse.publish import publish
from warehouse.settings import Home
from warehouse.store import Warehouse

NOT_RESTORED = {"builds", "checks", "schema_version"}


def bits(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Every raw row in the order stored, numbers as their eight bytes."""
    with duckdb.connect(str(home.build)) as con:
        tables = [
            name
            for (name,) in con.sql(
                "select table_name from duckdb_tables() where schema_name = 'raw' order by 1"
            ).fetchall()
            if name not in NOT_RESTORED
        ]
        return {
            table: [
                tuple(struct.pack("<d", v) if isinstance(v, float) else v for v in row)
                for row in con.sql(f"select * from raw.{table} order by rowid").fetchall()
            ]
            for table in tables
        }


def fill(home: Home) -> None:
    """Versions, rejects, blanks, text of any kind, and numbers at the edge of what there is."""
    closes = [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, math.nextafter(1, 2), -1.0]
    with Warehouse(home.build) as store:
        for shift in (0.0, 1.0):
            store.append(
                "prices",
                pd.DataFrame(
                    {
                        "ticker": [f"T{n}" for n in range(6)],
                        "session_date": "2025-01-02",
                        "close": [close + shift for close in closes],
                        "word": ["", "né 😀", "'; drop table raw.prices; --", "\t\n", "null", None],
                    }
                ),
                source="inbox",
            )
        store.append(
            "news",
            pd.DataFrame(
                {"ticker": ["ABC"], "news_id": ["1"], "title": ["“x”\r\n"], "published_at": ["x"]}
            ),
            source="inbox",
        )
        store.record_fetch(load_id="l", source="inbox", table="prices", reason="r")


def test_what_is_restored_is_the_raw_store_bit_for_bit(home: Home, tmp_path: Path) -> None:
    fill(home)
    before = bits(home)
    assert sum(map(len, before.values())) > 12 and before["rejects"]
    made = back_up(home)
    assert bits(home) == before
    assert made.path.parent == home.backups
    assert {n: t.rows for n, t in made.tables.items()} == {n: len(r) for n, r in before.items()}

    # The folder may have any name, also one that a glob would expand.
    elsewhere = tmp_path / "it's [a] *backup*"
    shutil.copytree(made.path, elsewhere)
    other = Home(tmp_path / "other")
    restored = restore(other, read(elsewhere))
    assert bits(other) == before
    assert (restored.made_at, restored.tables) == (made.made_at, made.tables)
    # It is a store like any other.
    with Warehouse(other.build) as store:
        again = store.append(
            "prices",
            pd.DataFrame({"ticker": ["T0"], "session_date": ["2025-01-02"], "close": [1.3]}),
            source="inbox",
        )
        assert again.unchanged == 1
    publish(other, as_of=pd.Timestamp("2025-01-03").to_pydatetime())


def test_a_home_that_has_a_store_is_not_overwritten(home: Home) -> None:
    fill(home)
    before = bits(home)
    made = back_up(home)
    whole = read(made.path)
    with pytest.raises(HomeError, match=r"exists and is not overwritten"):
        restore(home, whole)
    assert bits(home) == before


def damage(folder: Path) -> None:
    file = folder / "prices.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def forge(folder: Path) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    told["tables"]['x"; drop schema raw; --'] = {"rows": 0, "sha256": ""}
    (folder / MANIFEST).write_text(json.dumps(told))


def advance(folder: Path) -> None:
    told = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**told, "schema_version": 999}))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damage, "damaged: prices.parquet"),
        (lambda folder: (folder / "news.parquet").unlink(), "not whole"),
        (lambda folder: (folder / MANIFEST).unlink(), "is no backup"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "is no backup"),
        (forge, "is no name of a table"),
        (advance, "a newer one made it"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_written(
    home: Home, tmp_path: Path, spoil: Any, words: str
) -> None:
    fill(home)
    made = back_up(home)
    spoil(made.path)
    other = Home(tmp_path / "other")
    with pytest.raises(UsageError, match=words):
        restore(other, read(made.path))
    assert not other.path.exists()


def test_a_backup_is_there_whole_or_not_at_all(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HomeError, match="nothing to back up"):
        back_up(home)
    fill(home)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "sync", full)
        with pytest.raises(StorageError, match=r"No backup was made in .*No space left"):
            back_up(home, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []
    made = back_up(home, tmp_path / "to")
    other = Home(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "sync", full)
        with pytest.raises(StorageError, match="has no store still"):
            restore(other, read(made.path))
    assert list(other.build.parent.iterdir()) == []
    restore(other, read(made.path))


def test_a_backup_of_an_older_schema_is_brought_to_this_one(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home)
    made = back_up(home)
    # As if the next version renamed what vendors say beyond our columns.
    script = tmp_path / "0002_note.sql"
    script.write_text("alter table raw.prices rename column payload to note;")
    schema = tmp_path / "schema.sql"
    schema.write_text(
        store_module.SCHEMA_SQL.read_text().replace(
            "is_final boolean,\n    payload varchar", "is_final boolean,\n    note varchar"
        )
    )
    monkeypatch.setattr(store_module, "MIGRATIONS", (*store_module.MIGRATIONS, script))
    for module in (store_module, backup_module):
        monkeypatch.setattr(module, "SCHEMA_VERSION", 2)
    monkeypatch.setattr(store_module, "SCHEMA_SQL", schema)
    before = bits(home)
    other = Home(tmp_path / "other")
    restore(other, read(made.path))
    assert bits(other) == before
    with duckdb.connect(str(other.build)) as con:
        assert con.sql("select version from raw.schema_version").fetchall() == [(2,)]
        [(notes,)] = con.sql("select count(note) from raw.prices").fetchall()
    assert notes > 0


def test_what_a_killed_backup_left_is_removed_by_the_next_and_no_other(
    home: Home, tmp_path: Path
) -> None:
    fill(home)
    folder = tmp_path / "safe"
    earlier = back_up(home, folder).path
    left, held = (folder / f".raw-20260101T00000000000{n}Z" for n in (1, 2))
    others = (folder / ".raw-notes", folder / "raw-copy")
    for path in (left, held, *others):
        path.mkdir()
        (path / "prices.parquet").write_bytes(b"half")
    with (folder / ".raw-20260101T000000000003Z").open("w"):
        pass  # no folder
    maker = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import fcntl, os, sys; handle = os.open(sys.argv[1], os.O_RDONLY); "
            "fcntl.flock(handle, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()",
            str(held),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert maker.stdout is not None and maker.stdout.readline()
    made = back_up(home, folder).path
    assert not left.exists()
    assert all(path.is_dir() for path in (held, *others, earlier, made))
    maker.communicate()
    back_up(home, folder)
    assert not held.exists()


def test_contents_are_compared_row_by_row_before_a_compacted_file_takes_its_place(
    tmp_path: Path,
) -> None:
    build = tmp_path / "bellwether.duckdb"
    with duckdb.connect(str(build)) as con:
        con.sql("create table t as select range as n, 'text ' || range as words from range(200000)")
        con.sql("create table dropped as from t")
        con.sql("drop table dropped")
        con.sql("checkpoint")
        before = con.sql("from t").fetchall()

    class Altering:
        """A connection whose copy differs in one value, in no number of rows."""

        def __init__(self, **options: Any) -> None:
            self.con = connect(**options)

        def __enter__(self) -> Altering:
            return self

        def __exit__(self, *_: object) -> None:
            self.con.close()

        def execute(self, query: str, *given: Any) -> Any:
            done = self.con.execute(query, *given)
            if query.startswith("copy from database"):
                self.con.execute("update beside.t set words = 'text' where n = 7")
            return done

    connect = duckdb.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module.duckdb, "connect", Altering)
        assert publish_module.compact(build) == 0
    assert publish_module.compact(build) > 0
    with duckdb.connect(str(build)) as con:
        assert con.sql("from t").fetchall() == before
