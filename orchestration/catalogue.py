"""What a build left in the database, read once: columns, numbers of rows, a few rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
import duckdb
from sqlglot.errors import SqlglotError

from orchestration import lineage as columns_of
from orchestration.dbt import Built, Manifest
from orchestration.preview import preview
from warehouse.settings import Home
from warehouse.store import quoted

PREVIEW_ROWS = 5
FINDINGS_ROWS = 20
Metadata = Mapping[str, dg.MetadataValue | dg.TableSchema | dg.TableColumnLineage | int | float]


@dataclass
class Described:
    """What the database says of the relations in it, by `schema.name`."""

    columns: dict[str, dict[str, tuple[str, str | None]]] = field(default_factory=dict)
    row_counts: dict[str, int] = field(default_factory=dict)
    previews: dict[str, str] = field(default_factory=dict)

    def metadata(self, name: str) -> Metadata:
        """Return what a materialisation of the relation shows."""
        found: dict[str, dg.MetadataValue | dg.TableSchema | int] = {
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(column, kind.lower(), comment)
                    for column, (kind, comment) in self.columns.get(name, {}).items()
                ]
            )
        }
        if name in self.row_counts:
            found["dagster/row_count"] = self.row_counts[name]
        if name in self.previews:
            found["rows"] = dg.MetadataValue.md(self.previews[name])
        return found


def describe(home: Home, built: Sequence[Built]) -> Described:
    """Read what was built, and what tests found; the database is closed again when this returns."""
    found = Described()
    with duckdb.connect(str(home.build), read_only=True) as con:
        rows = con.execute(
            """
            select schema_name || '.' || table_name, column_name, data_type, comment
            from duckdb_columns() where not internal order by table_oid, column_index
            """
        ).fetchall()
        for name, column, kind, comment in rows:
            found.columns.setdefault(name, {})[column] = (kind, comment)
        names = [node.name for node in built if node.is_asset and node.name in found.columns]
        if names:
            counts = " union all ".join(
                f"select '{name}', count(*) from {_relation(name)}" for name in names
            )
            found.row_counts = dict(con.execute(counts).fetchall())
        for node in built:
            if node.kind == "test" and node.failing_rows and node.compiled:
                result = con.execute(f"select * from ({node.compiled}) limit {FINDINGS_ROWS}")
                found.previews[node.unique_id] = preview(
                    [column[0] for column in result.description], result.fetchall()
                )
        for name in names:
            result = con.execute(f"select * from {_relation(name)} limit {PREVIEW_ROWS}")
            found.previews[name] = preview(
                [column[0] for column in result.description], result.fetchall()
            )
    return found


def lineage(
    manifest: Manifest,
    described: Described,
    built: Sequence[Built],
    warn: Callable[[str], None],
) -> columns_of.Lineage:
    """Return the column lineage of all models, worked out after the first build of a manifest.

    A model whose SQL cannot be followed has none, and `warn` hears why.
    """
    known = columns_of.read(manifest.lineage) or {}
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for name, columns in described.columns.items():
        schema, relation = name.split(".", 1)
        tables.setdefault(schema, {})[relation] = {c: kind for c, (kind, _) in columns.items()}
    missing = [n for n in built if n.compiled and n.is_asset and n.is_good and n.name not in known]
    for node in missing:
        try:
            known[node.name] = columns_of.column_lineage(node.compiled, tables)
        except (SqlglotError, RecursionError, ValueError) as error:
            known[node.name] = {}
            warn(f"No column lineage of {node.name}: {error}")
    if missing:
        columns_of.write(manifest.lineage, known)
    return known


def lineage_metadata(lineage: Mapping[str, Sequence[columns_of.Source]]) -> Metadata:
    """Return column lineage as a materialisation shows it."""
    if not lineage:
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(dg.AssetKey(name.split("/")), c) for name, c in sources]
                for column, sources in lineage.items()
            }
        )
    }


def _relation(name: str) -> str:
    return ".".join(quoted(part) for part in name.split(".", 1))
