"""Stores made by earlier schemas, from the first one on, become what `schema.sql` says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from warehouse import store as store_module
from warehouse.errors import HomeError
from warehouse.settings import Home
from warehouse.store import MIGRATIONS, SCHEMA_SQL, SCHEMA_VERSION, Warehouse

FIRST = (Path(__file__).parents[1] / "payloads" / "first_schema.sql").read_text()


def made_with(home: Home, script: str) -> None:
    """Make a store with an earlier script, with rows and a view on them."""
    home.build.parent.mkdir(parents=True)
    seeds = store_module.SEEDS / "currencies.csv"
    with duckdb.connect(str(home.build)) as con:
        con.execute(f"create temp table currencies as from read_csv('{seeds}', header = true)")
        con.execute(script)
        con.execute(
            "insert into raw.universe (row_id, source, ticker, known_at, stored_at, batch_id) "
            "select 'u' || range, 'universe', 'T' || range, timestamp '2025-01-02', "
            "timestamp '2025-01-02', 'b' from range(3)"
        )
        con.execute(
            "insert into raw.prices (row_id, source, ticker, session_date, close, is_final, "
            "known_at, stored_at, batch_id) values ('p', 'inbox', 'T1', date '2025-01-02', 0.3, "
            "true, timestamp '2025-01-02 22:00:00', timestamp '2025-01-02 22:00:00', 'b')"
        )
        for asset, rows in (("raw/universe", 3), ("raw/prices", 1)):
            con.execute(
                "insert into raw.batches values ('b', 'b', ?, 'inbox', null, null, "
                "timestamp '2025-01-02', timestamp '2025-01-02 22:00:01', ?, 0, 0, 0, 0)",
                [asset, rows],
            )
        con.execute("create schema staging")
        con.execute("create view staging.stg_universe as select * from raw.universe")


def columns(path: Path) -> set[tuple[Any, ...]]:
    with duckdb.connect(str(path)) as con:
        return set(
            con.sql(
                "select table_name, column_name, data_type, is_nullable, column_default "
                "from duckdb_columns() where schema_name = 'raw' and database_name <> 'temp'"
            ).fetchall()
        )


def stored(path: Path, table: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path)) as con:
        return con.sql(
            f"select row_id, source, ticker, known_at, stored_at, batch_id from raw.{table}"
        ).fetchall()


def test_the_first_schema_becomes_this_one_and_no_row_changes(home: Home, tmp_path: Path) -> None:
    made_with(home, FIRST)
    before = {table: stored(home.build, table) for table in ("universe", "prices")}
    with Warehouse(home.build) as store:
        assert store.con.sql("select version from raw.schema_version").fetchall() == [
            (SCHEMA_VERSION,)
        ]
        done = store.append(
            "prices",
            pd.DataFrame({"ticker": ["T1"], "session_date": ["2025-01-02"], "close": [0.4]}),
            source="inbox",
        )
        assert done.changed == 1
    with Warehouse(tmp_path / "new.duckdb"):
        pass
    assert columns(home.build) == columns(tmp_path / "new.duckdb")
    assert stored(home.build, "universe") == before["universe"]
    assert stored(home.build, "prices")[:1] == before["prices"]
    with duckdb.connect(str(home.build)) as con:
        assert con.sql("select count(*), count(is_covered) from staging.stg_universe").fetchall()


def test_a_store_without_a_noted_version_that_needs_nothing_stays_as_it_is(home: Home) -> None:
    script = SCHEMA_SQL.read_text()
    made_with(
        home, re.sub(r"^(create table|comment on).*schema_version.*$", "", script, flags=re.M)
    )
    before = stored(home.build, "universe")
    with Warehouse(home.build):
        pass
    assert stored(home.build, "universe") == before


def test_a_migration_runs_once_and_with_the_schema_or_not_at_all(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with(home, FIRST)
    before = columns(home.build)
    broken = tmp_path / "0002_broken.sql"
    broken.write_text("alter table raw.prices add column x integer; select * from nowhere;")
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, broken))
    monkeypatch.setattr(store_module, "SCHEMA_VERSION", 2)
    with pytest.raises(duckdb.CatalogException, match="nowhere"):
        Warehouse(home.build)
    assert columns(home.build) == before
    broken.write_text("create table raw.seen (n integer); insert into raw.seen values (1);")
    for _ in range(2):
        with Warehouse(home.build) as store:
            assert store.con.sql("from raw.seen").fetchall() == [(1,)]


def test_a_store_of_a_newer_version_is_left_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Warehouse(home.build) as store:
        store.con.execute("update raw.schema_version set version = 99")
    with pytest.raises(HomeError, match=r"schema version 99.*a newer one made it"):
        Warehouse(home.build)
    assert columns(home.build)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in MIGRATIONS] == list(range(1, SCHEMA_VERSION + 1))
