"""Insert and update many rows in one statement, whose values come in one JSON parameter.

There is no model for each row and no parameter for each value: both take longer than the database does. The same
statements work on both databases.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection, models

Values = Mapping[str, Any]  # by the names of the model's attributes; values of JSON columns are not encoded


def insert_values(
    model: type[models.Model],
    rows: Sequence[Values],
    same: Values,
    *,
    on_conflict: str = "",
    returning: Sequence[str] = (),
) -> list[Any]:
    """Insert rows in their order. `same` are values that all rows have; what neither has gets the field's default
    (a moment that `save` would set, like `auto_now`, has none).

    All rows have the same keys. `on_conflict` is SQL, like "DO NOTHING". Return what the database returns of the rows
    that were inserted.
    """
    if not rows:
        return []
    given = [_field(model, name) for name in rows[0]]
    left = [field for field in _written(model) if field.attname not in rows[0]]
    random = [field for field in left if field.default is uuid.uuid4 and field.attname not in same]
    constants = [(field, same.get(field.attname, field.get_default())) for field in left if field not in random]
    if random and connection.vendor == "sqlite":
        rows = [{**row, **{field.attname: uuid.uuid4().hex for field in random}} for row in rows]
        given, random = [*given, *random], []
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in [*given, *random, *(field for field, _ in constants)])
    selected = ", ".join([_selected(field) for field in given] + ["gen_random_uuid()"] * len(random))
    selected = ", ".join([selected] + ["%s"] * len(constants))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) SELECT {selected} FROM {_source(given)} WHERE true"  # noqa: S608
    if on_conflict:
        sql += f" ON CONFLICT {on_conflict}"
    if returning:
        sql += f" RETURNING {', '.join(quote(_field(model, name).column) for name in returning)}"
    values = [field.get_db_prep_save(value, connection) for field, value in constants]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, _encoded(rows, given)])
        return cursor.fetchall() if returning else []


def update_values(
    model: type[models.Model], rows: Sequence[Values], fields: Collection[str], same: Values | None = None
) -> None:
    """Update rows that exist, found by their `pk`, to the values of `fields`, and to `same` in all rows."""
    if not rows:
        return
    key: Any = model._meta.pk
    given = [_field(model, name) for name in sorted(fields)]
    constants = [(_field(model, name), value) for name, value in (same or {}).items()]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    sets = [f"{quote(field.column)} = {_selected(field)}" for field in given]
    sets += [f"{quote(field.column)} = %s" for field, _ in constants]
    source = _source([key, *given])
    sql = f"UPDATE {table} SET {', '.join(sets)} FROM {source} WHERE {table}.{quote(key.column)} = {_selected(key)}"  # noqa: S608
    values = [field.get_db_prep_save(value, connection) for field, value in constants]
    encoded = [{key.attname: row["pk"], **{field.attname: row[field.attname] for field in given}} for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, _encoded(encoded, [key, *given])])


def _field(model: type[models.Model], name: str) -> Any:
    return next(field for field in model._meta.concrete_fields if field.attname == name)


def _written(model: type[models.Model]) -> list[Any]:
    """Return the fields of a table that an insert writes."""
    return [field for field in model._meta.concrete_fields if not field.primary_key]


def _source(fields: Sequence[Any]) -> str:
    """Return the rows of the JSON parameter as a table."""
    if connection.vendor == "sqlite":
        return "json_each(%s) AS given"
    columns = ", ".join(f"{connection.ops.quote_name(field.attname)} {_type(field)}" for field in fields)
    return f"json_to_recordset(%s::json) AS given({columns})"


def _type(field: Any) -> str:
    return str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection))


def _selected(field: Any) -> str:
    if connection.vendor == "sqlite":
        return f"json_extract(given.value, '$.{field.attname}')"
    return f"given.{connection.ops.quote_name(field.attname)}"


def _encoded(rows: Sequence[Values], fields: Iterable[Any]) -> str:
    if connection.vendor == "sqlite" and (moments := [f for f in fields if isinstance(f, models.DateTimeField)]):
        rows = [{**row, **{field.attname: _stored(row[field.attname]) for field in moments}} for row in rows]
    return orjson.dumps(rows).decode()


def _stored(moment: datetime | None) -> str | None:
    """Return a moment as SQLite stores it."""
    return None if moment is None else str(moment.astimezone(UTC).replace(tzinfo=None))
