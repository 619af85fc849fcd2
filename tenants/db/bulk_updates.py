"""Update many rows in one statement that sends the changed columns only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connection, models

Rows = Sequence[models.Model]


def update_rows(rows: Rows, fields: Collection[str], *, where: Mapping[str, Any] | None = None) -> set[Any]:
    """Write fields of rows that exist, as `save` does. Return the keys of the rows that were written.

    The rows have their values already. `where`: the values that columns of a row must have in the database to be
    written; the others are left alone. `bulk_update` sends a CASE with a branch for each row, and an upsert sends every
    column: both take several times longer for a thousand rows.
    """
    if not rows:
        return set()
    meta = rows[0]._meta
    key: Any = meta.pk
    columns: list[Any] = [meta.get_field(name) for name in sorted(fields)]
    expected: list[Any] = [meta.get_field(name) for name in sorted(where or {})]
    quote = connection.ops.quote_name
    source, values = _source(rows, [key, *columns])
    sets = ", ".join(f"{quote(column.column)} = v.{quote(column.column)}{_cast(column)}" for column in columns)
    table = quote(meta.db_table)
    conditions = [f"{table}.{quote(key.column)} = v.{quote(key.column)}"]
    conditions += [f"{table}.{quote(column.column)} = %s" for column in expected]
    wanted = [column.get_db_prep_value((where or {})[column.name], connection) for column in expected]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM {source} "  # noqa: S608 - names of our own columns
            f"WHERE {' AND '.join(conditions)} RETURNING {table}.{quote(key.column)}",
            [*values, *wanted],
        )
        return {row[0] for row in cursor.fetchall()}


def _source(rows: Rows, columns: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the rows as a table `v` with the names of these columns, and the parameters that it needs."""
    names = [connection.ops.quote_name(column.column) for column in columns]
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{_array_type(column)}[]" for column in columns)
        table = f"unnest({arrays}) AS v({', '.join(names)})"
        return table, [[_value(column, row) for row in rows] for column in columns]
    cells = ", ".join(f"value ->> {place} AS {name}" for place, name in enumerate(names))
    lines = [[_value(column, row) for column in columns] for row in rows]
    return f"(SELECT {cells} FROM json_each(%s)) AS v", [json.dumps(lines)]  # noqa: S608 - names of our own columns


def _value(column: Any, row: models.Model) -> Any:
    value = column.pre_save(row, False)
    if isinstance(column, models.JSONField):
        return None if value is None else json.dumps(value, cls=column.encoder)
    return column.get_db_prep_save(value, connection)


def _array_type(column: Any) -> str:
    """Return the type in which a column's values are sent. JSON is sent as text: an array of JSON is slow to make."""
    return (
        "text" if isinstance(column, models.JSONField) else str(column.db_type(connection)).partition(" GENERATED")[0]
    )


def _cast(column: Any) -> str:
    return "::jsonb" if isinstance(column, models.JSONField) and connection.vendor == "postgresql" else ""
