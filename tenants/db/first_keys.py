"""Keys of the first rows that meet a condition, whichever they are, read through the index of the condition.

With a limit, PostgreSQL expects to meet some of many rows soon and reads the table, or a list from its end. Where it
takes few rows for many, or where only the oldest meet the condition, it reads all of it: a quarter of a second for a
million contacts.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import BooleanField, F, Field, Func, Q, QuerySet

FEW = 1_000  # rows whose keys a condition names one by one
MANY = 20_000  # rows whose keys PostgreSQL is given at once; each takes some microseconds


def these(rows: QuerySet[Any], otherwise: Q, of: str = "pk") -> Q:
    """Return the condition that the key of a row is one of these, and no other condition is read for it.

    `otherwise`: the condition if there are too many of them. `of`: their column with the keys.
    """
    most = MANY if connections[rows.db].vendor == "postgresql" else FEW
    count, joined = _joined(rows, most + 1, of)
    if count <= FEW:
        return Q(pk__in=_read(joined))
    return Q(AmongMany(joined)) if count <= most else otherwise


def first_keys(rows: QuerySet[Any], limit: int, of: str = "pk") -> list[int]:
    """Return the keys of at most so many rows. `of`: the column of the keys."""
    return _read(_joined(rows, limit, of)[1])


def _joined(rows: QuerySet[Any], limit: int, of: str = "pk") -> tuple[int, str]:
    """Return the number and the keys of at most so many rows, as a text with commas: nobody need read thousands."""
    try:
        sql, values = rows.order_by().values(of).query.get_compiler(rows.db).as_sql()
    except EmptyResultSet:
        return 0, ""
    postgresql = connections[rows.db].vendor == "postgresql"
    joined = "string_agg(id::text, ',')" if postgresql else "group_concat(id)"
    with connections[rows.db].cursor() as cursor:
        # The limit is hidden from the planner.
        cursor.execute(
            f"WITH found (id) AS MATERIALIZED ({sql}) "  # noqa: S608 - Django's own statement
            f"SELECT count(*), {joined} FROM (SELECT id FROM found LIMIT {limit}) AS kept",
            values,
        )
        count, keys = cursor.fetchone()
        return count, keys or ""


def _read(joined: str) -> list[int]:
    return [int(key) for key in joined.split(",")] if joined else []


class AmongMany(Func):
    """Whether the key of a row is among these keys, whose number PostgreSQL's planner does not know.

    So it reads these rows and no others, in the order of the keys if asked. Otherwise it would expect to meet some of
    so many soon, at the end of the list, where none may be.
    """

    output_field: Field[Any, Any] = BooleanField()

    def __init__(self, joined: str) -> None:
        self._joined = joined
        super().__init__(F("pk"))

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> Any:
        key, _none = compiler.compile(self.get_source_expressions()[0])
        return f"{key} = ANY((SELECT string_to_array(%s, ','))::bigint[])", [self._joined]
