"""One INSERT or UPDATE of many rows, whose values come in one JSON parameter.

There is no parameter for each value: that takes longer than the database does. The same statements work on both
databases. `bulk_updates` writes objects of models with them, `bulk_values` plain values.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection, models

Given = Mapping[str, Any]  # the columns that come as JSON: the field by its name in the JSON objects
Constants = Sequence[tuple[Any, Any]]  # fields that have one value in all rows
# Kinds of columns whose values PostgreSQL reads from JSON as they are, so that nothing has to prepare each.
AS_THEY_ARE = frozenset(
    {
        *(models.CharField, models.TextField, models.DateTimeField, models.UUIDField, models.ForeignKey),
        *(models.BooleanField, models.SmallIntegerField, models.IntegerField, models.BigIntegerField),
        *(models.PositiveSmallIntegerField, models.PositiveIntegerField, models.BigAutoField),
    }
)


def sender(field: Any) -> Callable[[Any], Any] | None:
    """Return the function that makes of a column's value what is sent. None: the value itself is sent."""
    postgresql = connection.vendor == "postgresql"
    if isinstance(field, models.JSONField):
        if postgresql and field.encoder is None:
            return None
        return lambda value: None if value is None else json.dumps(value, cls=field.encoder)
    if isinstance(field, models.BinaryField) and postgresql:
        return lambda value: None if value is None else bytes(value).hex()
    if type(field) in AS_THEY_ARE and postgresql:
        return None
    return lambda value: field.get_db_prep_save(value, connection)


def insert(model: type[models.Model], given: Given, rows: Sequence[Mapping[str, Any]], constants: Constants,
           generated: Sequence[tuple[Any, str]] = (), line: str = "", ending: str = "") -> list[Any]:  # fmt: skip
    """Insert rows and return what the statement returns.

    `generated`: columns with an SQL expression. `line`: the name in the JSON objects by which the rows are ordered.
    `ending`: what follows the SELECT, such as RETURNING.
    """
    columns = [*given.values(), *(field for field, _ in constants), *(field for field, _ in generated)]
    selected = [*_values(given), *map(_constant, [field for field, _ in constants]), *(sql for _, sql in generated)]
    order = f" ORDER BY v.{line}" if line and connection.vendor == "postgresql" else ""
    # SQLite takes "ON" for the beginning of a join condition if there is no WHERE.
    sql = (
        f"INSERT INTO {_quoted(model)} ({names_of(*columns)}) SELECT {', '.join(selected)} "  # noqa: S608
        f"FROM {_source(given, line)} WHERE true{order} {ending}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*(value for _, value in constants), _encoded(rows)])
        return list(cursor.fetchall()) if cursor.description else []


def update(model: type[models.Model], given: Given, rows: Sequence[Mapping[str, Any]], constants: Constants = (),
           same: Sequence[str] = (), expected: Constants = (), ending: str = "") -> list[Any]:  # fmt: skip
    """Update rows that exist, found by the key among the given columns. Return what the statement returns.

    `same`: names in the JSON objects of columns that are compared instead of set. `expected`: columns that must have a
    value in the database. `ending`: as in `insert`.
    """
    values = dict(zip(given, _values(given), strict=True))
    quote = connection.ops.quote_name
    compared = [name for name, field in given.items() if field.primary_key or name in same]
    sets = [f"{quote(field.column)} = {values[name]}" for name, field in given.items() if name not in compared]
    sets += [f"{quote(field.column)} = {_constant(field)}" for field, _ in constants]
    conditions = [f"t.{quote(given[name].column)} = {values[name]}" for name in compared]
    conditions += [f"t.{quote(field.column)} = %s" for field, _ in expected]
    sql = (
        f"UPDATE {_quoted(model)} AS t SET {', '.join(sets)} FROM {_source(given)} "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} {ending}"
    )
    with connection.cursor() as cursor:
        wanted = [value for _, value in expected]
        cursor.execute(sql, [*(value for _, value in constants), _encoded(rows), *wanted])
        return list(cursor.fetchall()) if cursor.description else []


def column(model: type[models.Model], name: str) -> Any:
    """Return the field with this attribute name."""
    return next(field for field in model._meta.concrete_fields if field.attname == name)


def left_out(model: type[models.Model], given: Container[str], same: Mapping[str, Any]) -> tuple[list[Any], Constants]:
    """Return the columns of new rows whose values are not given: those with a random UUID, and those with one value.

    That is the value in `same`, or the field's default. The key is neither.
    """
    left = [field for field in model._meta.concrete_fields if not field.primary_key and field.attname not in given]
    random = [field for field in left if field.default is uuid.uuid4 and field.attname not in same]
    return random, [(field, same.get(field.attname, field.get_default())) for field in left if field not in random]


def names_of(*fields: Any) -> str:
    return ", ".join(connection.ops.quote_name(field.column) for field in fields)


def _quoted(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _encoded(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as JSON. Decimals go as text, so that nothing is rounded."""
    try:
        return orjson.dumps(rows, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, in a JSON value
        return json.dumps(rows, default=str)


def _type(field: Any) -> str:
    """Return the type in which a column's values are sent."""
    if isinstance(field, models.BinaryField) or (isinstance(field, models.JSONField) and field.encoder is not None):
        return "text"
    found = field.rel_db_type(connection) if field.primary_key else field.db_type(connection)
    return str(found).partition(" GENERATED")[0]


def _source(given: Given, line: str = "") -> str:
    """Return the rows of the JSON parameter as the table `v`."""
    if connection.vendor != "postgresql":
        return "json_each(%s) AS v"
    quote = connection.ops.quote_name
    columns = [f"{quote(name)} {_type(field)}" for name, field in given.items()]
    return f"json_to_recordset(%s::json) AS v({', '.join([*([f'{line} integer'] if line else []), *columns])})"


def _values(given: Given) -> list[str]:
    """Return the expressions for the given columns."""
    if connection.vendor != "postgresql":
        return [f"json_extract(v.value, '$.{name}')" for name in given]
    return [_read(field, f"v.{connection.ops.quote_name(name)}") for name, field in given.items()]


def _constant(field: Any) -> str:
    return _read(field, f"%s::{_type(field)}") if connection.vendor == "postgresql" else "%s"


def _read(field: Any, sent: str) -> str:
    """Return the expression for a value of a column, on PostgreSQL. `sent`: the expression for it as it is sent."""
    if isinstance(field, models.BinaryField):
        return f"decode({sent}, 'hex')"
    return f"{sent}::jsonb" if isinstance(field, models.JSONField) else sent
