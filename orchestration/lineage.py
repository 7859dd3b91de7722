"""Which columns a column is made from, read from the SQL that dbt compiled."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

# Columns of every relation, by schema and name, with their types.
Catalogue: TypeAlias = Mapping[str, Mapping[str, Mapping[str, str]]]
Source: TypeAlias = tuple[str, str]
Lineage: TypeAlias = dict[str, dict[str, list[Source]]]


def read(path: Path) -> Lineage | None:
    """Return the lineage kept at `path`, or None where there is none yet."""
    if not path.exists():
        return None
    kept = json.loads(path.read_bytes())
    return {
        relation: {
            column: [(source, name) for source, name in sources]
            for column, sources in columns.items()
        }
        for relation, columns in kept.items()
    }


def write(path: Path, lineage: Lineage) -> None:
    """Keep the lineage at `path`."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(lineage, indent=0, sort_keys=True))
    os.replace(unfinished, path)


def column_lineage(sql: str, catalogue: Catalogue) -> dict[str, list[Source]]:
    """Return, for each column a query yields, where its values come from.

    A source is a pair of a relation's asset key, such as `raw/prices`, and a column of it.
    What only decides which rows there are (filters, join conditions) is left out.
    Raises `sqlglot.errors.SqlglotError` for SQL that cannot be understood.
    """
    query: Any = qualify(
        sqlglot.parse_one(sql, dialect="duckdb"),
        schema=MappingSchema({s: dict(t) for s, t in catalogue.items()}, dialect="duckdb"),
        dialect="duckdb",
        validate_qualify_columns=False,
        quote_identifiers=False,
        identify=False,
    )
    root = build_scope(query)
    if root is None:
        return {}
    resolver = _Resolver(root)
    return {
        name: sorted(resolver.sources(root, place))
        for place, name in enumerate(query.named_selects)
    }


class _Resolver:
    """Follows columns through the scopes of one query, each once."""

    def __init__(self, root: Scope) -> None:
        self._scopes = {id(scope.expression): scope for scope in root.traverse()}
        self._known: dict[tuple[int, int], frozenset[Source]] = {}

    def sources(self, scope: Scope, place: int) -> frozenset[Source]:
        """Return the stored columns behind the column at `place` of what `scope` yields."""
        known = self._known.get((id(scope), place))
        if known is not None:
            return known
        # A recursive query finds itself: what it adds to itself adds no source.
        self._known[(id(scope), place)] = frozenset()
        found: set[Source] = set()
        if scope.set_operation_scopes:
            for branch in scope.set_operation_scopes:
                found |= self.sources(branch, place)
        elif place < len(selects := _selects(scope)):
            for column in selects[place].find_all(exp.Column):
                found |= self._behind(column)
        self._known[(id(scope), place)] = frozenset(found)
        return frozenset(found)

    def _behind(self, column: exp.Column) -> frozenset[Source]:
        scope = self._scope_of(column)
        while scope is not None and column.table not in scope.sources:
            scope = scope.parent
        if scope is None:
            return frozenset()
        source = scope.sources[column.table]
        if isinstance(source, exp.Table):
            return frozenset({(f"{source.db}/{source.name}", column.name)} if source.db else ())
        names = source.outer_columns or [select.alias_or_name for select in _selects(source)]
        if column.name not in names:
            return frozenset()
        return self.sources(source, names.index(column.name))

    def _scope_of(self, column: exp.Column) -> Scope | None:
        node = column.parent
        while node is not None:
            if id(node) in self._scopes:
                return self._scopes[id(node)]
            node = node.parent
        return None


def _selects(scope: Scope) -> list[exp.Expression]:
    selects: list[exp.Expression] = getattr(scope.expression, "selects", [])
    return selects
