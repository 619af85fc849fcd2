"""Update many rows in one statement that sends the changed columns only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection, models


def update_rows(
    rows: Sequence[models.Model], fields: Collection[str], guard: Mapping[str, Sequence[Any]] | None = None
) -> set[Any]:
    """Write fields of rows that exist, as `save` does. The rows have their values already. Return the keys written.

    `guard`: for each of some fields, the value that each row must still have in the table. Another row is not written.

    `bulk_update` sends a CASE with a branch for each row, and an upsert sends every column: both take several times
    longer for a thousand rows. One JSON parameter is read twice as fast as an array for each column.
    """
    if not rows:
        return set()
    meta = rows[0]._meta
    columns: list[Any] = [meta.get_field(name) for name in sorted(fields)]
    guarded: dict[Any, Sequence[Any]] = {meta.get_field(name): values for name, values in (guard or {}).items()}
    records = []
    for place, row in enumerate(rows):
        values = [row.pk, *(_value(column, column.pre_save(row, False)) for column in columns)]
        values += [_value(column, expected[place]) for column, expected in guarded.items()]
        records.append({f"c{number}": value for number, value in enumerate(values)})
    with connection.cursor() as cursor:
        # Decimals and times go as text, so that nothing is rounded.
        cursor.execute(_statement(meta, columns, list(guarded)), [orjson.dumps(records, default=str).decode()])
        return {row[0] for row in cursor.fetchall()}


def _statement(meta: Any, columns: list[Any], guarded: list[Any]) -> str:
    """Return an UPDATE whose one parameter is a JSON list of rows, in the order: key, columns, guards."""
    quote = connection.ops.quote_name
    sent = [meta.pk, *columns, *guarded]
    if connection.vendor == "postgresql":
        types = ", ".join(f"c{number} {_sent_as(column)}" for number, column in enumerate(sent))
        source = f"json_to_recordset(%s) AS v({types})"
        values = [f"v.c{number}{_cast(column)}" for number, column in enumerate(sent)]
    else:
        source = "json_each(%s) AS v"
        values = [f"json_extract(v.value, '$.c{number}')" for number in range(len(sent))]
    names = [quote(column.column) for column in sent]
    pairs = list(zip(names, values, strict=True))[1:]
    sets = ", ".join(f"{name} = {value}" for name, value in pairs[: len(columns)])
    where = " AND ".join(f"t.{name} = {value}" for name, value in [(names[0], values[0]), *pairs[len(columns) :]])
    return f"UPDATE {quote(meta.db_table)} AS t SET {sets} FROM {source} WHERE {where} RETURNING {names[0]}"  # noqa: S608


def _value(column: Any, value: Any) -> Any:
    if isinstance(column, models.JSONField):
        return None if value is None else json.dumps(value, cls=column.encoder)
    return column.get_db_prep_save(value, connection)


def _sent_as(column: Any) -> str:
    """Return the type in which a column's values are sent. JSON is sent as text, byte for byte as `save` sends it."""
    return (
        "text" if isinstance(column, models.JSONField) else str(column.db_type(connection)).partition(" GENERATED")[0]
    )


def _cast(column: Any) -> str:
    return "::jsonb" if isinstance(column, models.JSONField) else ""
