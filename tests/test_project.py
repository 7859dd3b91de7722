"""The project's conventions, as far as they can be read from its files and from one build."""

from __future__ import annotations

import ast
import csv
import json
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.dbt_project import invoke
from warehouse.settings import DATABASE, DBT_PROJECT, PROJECT, SEEDS
from warehouse.store import Warehouse

with warnings.catch_warnings():
    # dagster-dbt brings the tokenizer that sqlglot calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import sqlglot
    from sqlglot import exp
    from sqlglot.tokens import Token, TokenType

MODELS = DBT_PROJECT / "models"
# Tables the store keeps for itself; the models do not read them.
INTERNAL = {"builds", "checks", "schema_version"}
# Models outside staging that ask the raw store about itself: when, how often, with what outcome.
MAY_READ_SOURCES = {"scorecard", "data_quality", "flag_inputs"}


def sql_files() -> list[Path]:
    return sorted(MODELS.rglob("*.sql"))


def by_path(path: Path) -> str:
    return path.relative_to(DBT_PROJECT).as_posix()


def python_files() -> list[Path]:
    return sorted(
        path
        for folder in ("warehouse", "orchestration")
        for path in (PROJECT / folder).rglob("*.py")
    )


# Python

IMPORT_ALL = """
import importlib, pkgutil, sys
import warehouse
for module in pkgutil.walk_packages(warehouse.__path__, "warehouse."):
    importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_warehouse_loads_neither_dagster_nor_dbt() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "warehouse" in loaded
    assert not {name for name in loaded if re.match(r"(dagster|dbt)(_|$)", name)}
    assert "orchestration" not in loaded


@pytest.mark.parametrize("path", python_files(), ids=lambda p: p.relative_to(PROJECT).as_posix())
def test_only_the_yahoo_source_imports_yfinance(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    assert ("yfinance" in imported) <= (path == PROJECT / "warehouse" / "sources" / "yahoo.py")


# What is in the repository


def tracked() -> list[Path]:
    if not (PROJECT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a working copy")
    told = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    paths = [PROJECT / name for name in told.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


# Spelled in pieces, so that this file does not hold what it forbids.
HOSTS = [
    "py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com",
    "anaconda" + ".org", "conda" + "-forge.org", "crates" + ".io", "ghcr" + ".io",
    "docker" + ".io", "proxy.go" + "lang.org",
    "arti" + "factory", "--index" + "-url", "--extra-index" + "-url",
]  # fmt: skip
MACHINE_PATH = re.compile(
    r"(?<![\w.}>)*~-])/(?:ro" + r"ot|wo" + r"rk|tm" + r"p|ho" + r"me|Use" + r"rs|private/var)/\w"
    r"|[A-Z]:\\\\?Use" + "rs"
)


def test_no_file_names_a_registry_or_a_place_on_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        name = path.relative_to(PROJECT).as_posix()
        found += [(name, host) for host in HOSTS if host in text]
        found += [(name, match.group()) for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_a_place_on_a_machine_is_recognised() -> None:
    for place in (
        "/ro" + "ot/x",
        'path = "/tm' + 'p/x"',
        "C:\\Use" + "rs\\me",
        "in /wo" + "rk/main",
    ):
        assert MACHINE_PATH.search(place), place
    for other in ("<home>/inbox", "data/tmp/x", "~/.config", "../home/x", "https://x.org/home/a"):
        assert not MACHINE_PATH.search(other), other


def test_dbt_installs_no_packages() -> None:
    for name in ("packages.yml", "dependencies.yml", "package-lock.yml"):
        assert not (DBT_PROJECT / name).exists()


# The dbt project's descriptions and tests, as its files say


@dataclass(frozen=True)
class Described:
    """What the project's yml files say."""

    models: dict[str, dict[str, Any]]
    seeds: dict[str, dict[str, Any]]
    sources: dict[str, dict[str, Any]]
    unit_tested: frozenset[str]


def described() -> Described:
    models: dict[str, dict[str, Any]] = {}
    seeds: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, Any]] = {}
    unit_tested = set()
    for path in [*MODELS.rglob("*.yml"), *SEEDS.rglob("*.yml")]:
        told = yaml.load(path.read_text(), yaml.CSafeLoader) or {}
        models |= {model["name"]: model for model in told.get("models", [])}
        seeds |= {seed["name"]: seed for seed in told.get("seeds", [])}
        for source in told.get("sources", []):
            sources |= {table["name"]: table for table in source["tables"]}
        unit_tested |= {test["model"] for test in told.get("unit_tests", [])}
    return Described(models, seeds, sources, frozenset(unit_tested))


DESCRIBED = described()


def test_every_described_model_exists_and_every_model_is_described() -> None:
    assert set(DESCRIBED.models) == {path.stem for path in sql_files()}


@pytest.mark.parametrize("path", sql_files(), ids=by_path)
def test_a_model_says_and_tests_what_one_row_is(path: Path) -> None:
    model = DESCRIBED.models[path.stem]
    assert model["description"].startswith("One row per ")
    grains = [test["grain"] for test in model.get("data_tests", []) if "grain" in test]
    assert len(grains) == 1
    names = {column["name"] for column in model["columns"]}
    assert set(grains[0]["arguments"]["columns"]) <= names
    assert all(column.get("description") for column in model["columns"])


@pytest.mark.parametrize(
    "path", [path for path in sql_files() if path.parent.name == "marts"], ids=by_path
)
def test_every_mart_has_a_unit_test(path: Path) -> None:
    assert path.stem in DESCRIBED.unit_tested


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.csv")), ids=by_path)
def test_every_seed_names_and_types_its_columns(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    seed = DESCRIBED.seeds[path.stem]
    assert seed["description"].startswith("One row per ")
    assert list(seed["config"]["column_types"]) == header
    assert [column["name"] for column in seed["columns"]] == header
    assert all(column.get("description") for column in seed["columns"])
    assert lines
    assert {len(line) for line in lines} == {len(header)}


def test_every_described_seed_exists() -> None:
    assert set(DESCRIBED.seeds) == {path.stem for path in SEEDS.glob("*.csv")}


def test_the_schema_and_the_sources_list_the_same_tables_and_columns(tmp_path: Path) -> None:
    with Warehouse(tmp_path / DATABASE) as store:
        columns = store.con.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'raw' "
            "order by table_name, column_index"
        ).fetchall()
        comments = dict(
            store.con.execute(
                "select table_name, comment from duckdb_tables() where schema_name = 'raw'"
            ).fetchall()
        )
    in_schema: dict[str, list[str]] = {}
    for table, column in columns:
        if table not in INTERNAL:
            in_schema.setdefault(table, []).append(column)
    told = {table: source for table, source in DESCRIBED.sources.items() if table not in INTERNAL}
    assert {t: [c["name"] for c in source["columns"]] for t, source in told.items()} == in_schema
    assert {t: source["description"] for t, source in told.items()} == {
        table: comments[table] for table in told
    }
    assert all(column["description"] for source in told.values() for column in source["columns"])


# What dbt makes of it


@dataclass(frozen=True)
class Built:
    """A build of every model from an empty store."""

    manifest: dict[str, Any]
    compiled: dict[str, str]
    database: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("project")
    with Warehouse(folder / DATABASE):
        pass
    without = ("--exclude-resource-type=test", "--exclude-resource-type=unit_test")
    results = invoke("build", folder / DATABASE, folder / "target", *without)
    assert [(r.node.name, r.message) for r in results if r.status != "success"] == []
    compiled = {
        path.stem: path.read_text()
        for path in (folder / "target" / "compiled" / "bellwether" / "models").rglob("*.sql")
        if path.parent.suffix != ".yml"
    }
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    return Built(manifest, compiled, folder / DATABASE)


def models(built: Built) -> list[dict[str, Any]]:
    return [node for node in built.manifest["nodes"].values() if node["resource_type"] == "model"]


def test_every_model_was_compiled(built: Built) -> None:
    assert set(built.compiled) == {path.stem for path in sql_files()}


def test_an_asset_is_called_as_its_table_and_its_folder(built: Built) -> None:
    schemas = {"staging": "staging", "intermediate": "staging", "marts": "marts"}
    for model in models(built):
        folder = model["path"].split("/")[0]
        assert (model["schema"], model["alias"]) == (schemas[folder], model["name"])


def test_only_staging_reads_what_we_were_told(built: Built) -> None:
    for model in models(built):
        reads = {name for name in model["depends_on"]["nodes"] if name.startswith("source.")}
        allowed = model["path"].startswith("staging/") or model["name"] in MAY_READ_SOURCES
        assert allowed or not reads, (model["name"], reads)


def test_staging_reads_no_mart(built: Built) -> None:
    folder_of = {model["unique_id"]: model["path"].split("/")[0] for model in models(built)}
    for model in models(built):
        if model["path"].startswith("staging/"):
            reads = {folder_of.get(name, "staging") for name in model["depends_on"]["nodes"]}
            assert reads <= {"staging"}, model["name"]


def test_what_yml_says_of_tables_and_columns_is_in_the_database(built: Built) -> None:
    with duckdb.connect(str(built.database), read_only=True) as con:
        relations = dict(
            con.execute(
                """
                select schema_name || '.' || table_name, comment from duckdb_tables()
                union all
                select schema_name || '.' || view_name, comment from duckdb_views()
                """
            ).fetchall()
        )
        columns: dict[str, dict[str, str | None]] = {}
        for relation, column, comment in con.execute(
            "select schema_name || '.' || table_name, column_name, comment from duckdb_columns()"
        ).fetchall():
            columns.setdefault(relation, {})[column] = comment
    for model in models(built):
        relation = f"{model['schema']}.{model['name']}"
        assert relations[relation] == model["description"]
        told = {name: column["description"] for name, column in model["columns"].items()}
        assert columns[relation] == told, relation
    for source in built.manifest["sources"].values():
        told = {name: column["description"] for name, column in source["columns"].items()}
        assert columns[f"raw.{source['name']}"] == told, source["name"]


# Portable SQL

# What stands in quotes within Jinja may hold Jinja, as a hook does.
JINJA = re.compile(r"\{\{(?:\"[^\"]*\"|[^\"])*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
TEXTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


def plain(text: str) -> str:
    """SQL without Jinja, texts and comments."""
    return TEXTS.sub("''", JINJA.sub(" jinja ", text)).lower()


def denied(sql: str) -> list[str]:
    return [what for what, (pattern, _) in DENIED.items() if re.search(pattern, plain(sql))]


# Each with an example that holds it.
DENIED = {
    "a quoted identifier, which Spark takes for a text": (r'"', 'select "a" from t'),
    "a cast by ::": (r"::", "select a::int from t"),
    "qualify": (r"\bqualify\b", "select a from t qualify row_number() over (order by a) = 1"),
    "an asof join": (r"\basof\b", "select a from t asof join u on t.a >= u.a"),
    "try_cast": (r"\btry_cast\b", "select try_cast(a as int) from t"),
    "median": (r"\b(?:median|quantile\w*)\s*\(", "select median(a) from t"),
    "max_by": (
        r"\b(?:max_by|min_by|arg_?max|arg_?min)\s*\(",
        "select arg_max(a, b) from t",
    ),
    "an aggregate that makes a list": (
        r"\b(?:array_agg|list|list_\w+|array_\w+)\s*\(",
        "select array_agg(a) from t",
    ),
    "ignore nulls": (r"\bignore\s+nulls\b", "select lag(a ignore nulls) over (order by b)"),
    "a difference of dates by a function of one engine": (
        r"\b(?:date_?diff|date_sub|date_add)\s*\(",
        "select date_diff('day', a, b) from t",
    ),
    "log, whose base differs": (r"\blog\s*\(", "select log(a) from t"),
    "skewness": (r"\b(?:skewness|kurtosis)\s*\(", "select skewness(a) from t"),
    "width_bucket": (r"\bwidth_bucket\s*\(", "select width_bucket(a, 0, 1, 2) from t"),
    "generate_series or unnest": (
        r"\b(?:generate_series|range|unnest|explode)\s*\(",
        "select a from generate_series(1, 2) as t(a)",
    ),
    "json in SQL": (r"->", "select a ->> 'b' from t"),
    "select * exclude": (r"\*\s*(?:exclude|replace|except)\b", "select * exclude (a) from t"),
    "group by all": (r"\b(?:group|order)\s+by\s+all\b", "select a from t group by all"),
    "a struct or map": (r"\bstruct_pack\s*\(|\{", "select {'a': b} from t"),
    "a list or an index": (r"\[", "select a[1] from t"),
    "a type without a length, or of one engine": (
        r"\bas\s+(?:text|varchar|string|float8|float4|int4|int8|hugeint|ubigint)\b",
        "select cast(a as varchar) from t",
    ),
    "integer division": (r"//", "select a // b from t"),
    "pivot": (r"\b(?:un)?pivot\b", "pivot t on a"),
    "a positional join": (r"\bpositional\s+join\b", "select a from t positional join u"),
    "using sample": (r"\busing\s+sample\b", "select a from t using sample 1%"),
}


@pytest.mark.parametrize("what", DENIED)
def test_what_is_denied_is_recognised(what: str) -> None:
    assert denied(DENIED[what][1]) == [what]
    assert denied(f"select 1 as a -- {DENIED[what][1]}") == []


@pytest.mark.parametrize("path", sql_files(), ids=by_path)
def test_a_model_uses_only_what_the_engines_share(path: Path) -> None:
    assert denied(path.read_text()) == []


def macros() -> dict[str, str]:
    """The macros every engine renders alike, by name; an engine's own is called `engine__name`."""
    found = {}
    for path in sorted((DBT_PROJECT / "macros").glob("*.sql")):
        parts = re.split(r"\{%-?\s*macro\s+(\w+)", path.read_text())
        found |= dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: "{% " + text for name, text in found.items() if "__" not in name}


@pytest.mark.parametrize("name", macros())
def test_a_macro_uses_only_what_the_engines_share(name: str) -> None:
    assert denied(macros()[name]) == []


def unquoted(sql: str) -> str:
    """Compiled SQL without the quotes dbt puts around names of tables."""
    return re.sub(r'"(\w+)"', r"\1", sql)


@pytest.mark.parametrize("path", sql_files(), ids=by_path)
def test_a_model_parses_as_spark_sql(path: Path, built: Built) -> None:
    [tree] = sqlglot.parse(unquoted(built.compiled[path.stem]), read="spark")
    assert tree is not None
    assert tree.find(exp.Select)
    assert not tree.find(exp.Command)


def orderings(sql: str) -> list[list[Token]]:
    """The items of every `order by` of a query, but for those that pick a percentile."""
    tokens = sqlglot.tokenize(sql, read="duckdb")
    items: list[list[Token]] = []
    for start, token in enumerate(tokens):
        within = [t.text.lower() for t in tokens[max(start - 3, 0) : start]] == [
            "within",
            "group",
            "(",
        ]
        if token.token_type != TokenType.ORDER_BY or within:
            continue
        depth, item = 0, []
        for part in tokens[start + 1 :]:
            if part.token_type == TokenType.L_PAREN:
                depth += 1
            elif part.token_type == TokenType.R_PAREN:
                depth -= 1
            ends = depth < 0 or (
                depth == 0 and part.text.lower() in ("rows", "range", "groups", "limit", "offset")
            )
            if ends:
                break
            if depth == 0 and part.token_type == TokenType.COMMA:
                items.append(item)
                item = []
            else:
                item.append(part)
        items.append(item)
    return items


def test_orderings_are_found_and_split() -> None:
    sql = (
        "select max(a) over (partition by b order by c, f(d, e) desc nulls last rows 1 preceding), "
        "percentile_cont(0.5) within group (order by x) from t order by g asc nulls first limit 1"
    )
    found = [" ".join(token.text.lower() for token in item) for item in orderings(sql)]
    assert found == ["c", "f ( d , e ) desc nulls last", "g asc nulls first"]


@pytest.mark.parametrize("path", sql_files(), ids=by_path)
def test_every_order_says_where_nulls_go(path: Path, built: Built) -> None:
    for item in orderings(built.compiled[path.stem]):
        words = [token.text.lower() for token in item]
        assert words[-2:] in (["nulls", "first"], ["nulls", "last"]), " ".join(words)
