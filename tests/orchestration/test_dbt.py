"""The prepared manifest: parsed once for one content of the files, by however many processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from orchestration.lineage import column_lineage
from warehouse.errors import HomeError
from warehouse.settings import Home

PREPARE = """
import sys
from pathlib import Path
from warehouse import settings
settings.DBT_PROJECT = Path(sys.argv[1])
from orchestration import dbt
manifest = dbt.prepare_manifest()
print(manifest.folder.name, len(manifest.content["nodes"]), "dbt.parser" in sys.modules)
"""


def test_processes_that_start_at_once_prepare_one_manifest(own_project: Path) -> None:
    # Another test of this session may have prepared the project that this one is a copy of.
    shutil.rmtree(own_project / "target", ignore_errors=True)
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARE, str(own_project)],
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )
        for _ in range(3)
    ]
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({(folder, nodes) for folder, nodes, _ in said}) == 1
    assert sorted(parsed for *_, parsed in said) == ["False", "False", "True"]
    target = own_project / "target"
    assert (target / "manifest.json").read_bytes() == dbt.prepare_manifest().path.read_bytes()
    assert [path.name for path in (target / "prepared").iterdir() if path.is_dir()] == [said[0][0]]


@pytest.mark.parametrize(
    "changed", ["models/marts/closes.sql", "macros/as_of.sql", "seeds/exchanges.csv"]
)
def test_code_version_follows_every_file_that_defines_a_mart(
    own_project: Path, changed: str
) -> None:
    before = dbt.code_version()
    file = own_project / changed
    content = file.read_text()
    file.write_text(content + "\n")
    assert dbt.code_version() != before
    file.write_text(content)
    (own_project / "models" / ".closes.sql.swp").write_text("x")
    (own_project / "target").mkdir(exist_ok=True)
    (own_project / "target" / "compiled.sql").write_text("x")
    assert dbt.code_version() == before


CATALOGUE = {
    "raw": {
        "prices": {"ticker": "VARCHAR", "session_date": "DATE", "close": "DOUBLE"},
        "listings": {"ticker": "VARCHAR", "currency": "VARCHAR"},
    }
}


@pytest.mark.parametrize(
    ("sql", "column", "sources"),
    [
        ("select close as c from raw.prices", "c", ["close"]),
        ("with p as (select * from raw.prices) select p.* from p", "close", ["close"]),
        (
            "select close / lag(close) over (partition by ticker order by session_date) as r "
            "from raw.prices where ticker <> 'X'",
            "r",
            ["close", "session_date", "ticker"],
        ),
        (
            "with a as (select close as v from raw.prices union all select 0 as v) "
            "select max(v) as top from a",
            "top",
            ["close"],
        ),
        (
            "select (select max(l.currency) from raw.listings l where l.ticker = p.ticker) as c "
            "from raw.prices p",
            "c",
            ["currency", "ticker"],
        ),
        (
            "with recursive r as (select close as x from raw.prices union all "
            "select x + 1 from r where x < 9) select x from r",
            "x",
            ["close"],
        ),
        ("select 1 as one from raw.prices", "one", []),
    ],
)
def test_column_lineage(sql: str, column: str, sources: list[str]) -> None:
    found = column_lineage(sql, CATALOGUE)[column]
    assert sorted({name for _, name in found}) == sources
    assert {relation for relation, _ in found} <= {"raw/prices", "raw/listings"}


def test_a_build_takes_the_memory_it_is_given(
    own_project: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_project / "models" / "marts" / "limits.sql").write_text(
        "select current_setting('memory_limit') as memory"
    )
    manifest, as_of = dbt.prepare_manifest(), datetime(2024, 1, 1)
    for memory, shown in (("", "5.5 GiB"), ("2GiB", "2.0 GiB")):
        monkeypatch.setenv("BELLWETHER_MEMORY", memory)
        dbt.build(manifest, home, as_of=as_of, select=["limits"])
        with duckdb.connect(str(home.build)) as con:
            assert con.execute("select memory from marts.limits").fetchall() == [(shown,)]
    for wrong in ("much", "-1", "none"):
        monkeypatch.setenv("BELLWETHER_MEMORY", wrong)
        with pytest.raises(HomeError, match=f"BELLWETHER_MEMORY is '{wrong}'"):
            dbt.build(manifest, home, as_of=as_of)
