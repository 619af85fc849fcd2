"""Update or insert the rows of many objects in one statement that sends only what differs between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from django.db import connection, models

from tenants.db.bulk_statements import AS_THEY_ARE, insert, names_of, sender, update

Rows = Sequence[models.Model]


def update_rows(
    rows: Rows,
    fields: Collection[str],
    *,
    where: Mapping[str, Any] | None = None,
    guard: Mapping[str, Sequence[Any]] | None = None,
) -> set[Any]:
    """Write fields of rows that exist, as `save` does. Return the keys of the rows that were written.

    The rows have their values already. `where`: the values that columns of a row must have in the database to be
    written; the others are left alone. `guard`: the same with a value for each row, in their order.

    `bulk_update` sends a CASE with a branch for each row, and an upsert sends every column: both take several times
    longer for a thousand rows. One JSON parameter is read in half the time of an array for each column.
    """
    if not rows:
        return set()
    meta = rows[0]._meta
    columns: list[Any] = [meta.get_field(name) for name in sorted(fields)]
    expected: list[Any] = [meta.get_field(name) for name in sorted(where or {})]
    guarded: list[Any] = [meta.get_field(name) for name in sorted(guard or {})]
    cells = [[row.pk for row in rows], *(_cells(column, rows, add=False) for column in columns)]
    cells += [_sent(column, (guard or {})[column.name]) for column in guarded]
    given = {f"c{place}": column for place, column in enumerate([meta.pk, *columns, *guarded])}
    wanted = [(column, column.get_db_prep_value((where or {})[column.name], connection)) for column in expected]
    same = list(given)[1 + len(columns) :]
    ending = f"RETURNING {names_of(meta.pk)}"
    found = update(meta.model, given, _records(given, cells), same=same, expected=wanted, ending=ending)
    return {row[0] for row in found}


def insert_rows(rows: Rows, by: str) -> set[Any]:
    """Insert rows as `save` does, and give each its key. Return the values of the field `by` of those inserted.

    A row that a unique constraint refuses is left out, without an error and without a key. `by`: a unique field whose
    values the rows have already. A column with one value for all rows is sent once; `bulk_create` sends every cell.
    """
    if not rows:
        return set()
    meta = rows[0]._meta
    unique: Any = meta.get_field(by)
    returning = f"ON CONFLICT DO NOTHING RETURNING {names_of(meta.pk, unique)}"
    keys = {unique.to_python(value): key for key, value in _insert(rows, unique, returning)}
    for row in rows:
        _inserted(row, keys.get(getattr(row, by)))
    return set(keys)


def append_rows(rows: Rows) -> None:
    """Insert rows as `bulk_create` does, and give each its key. A refused row is an error.

    PostgreSQL numbers the rows in the order of the statement, so the keys in ascending order are those of the rows.
    """
    if not rows:
        return
    meta = rows[0]._meta
    if connection.vendor != "postgresql":
        meta.model._base_manager.bulk_create(rows)
        return
    found = _insert(rows, None, f"RETURNING {names_of(meta.pk)}")
    for row, key in zip(rows, sorted(key for (key,) in found), strict=True):
        _inserted(row, key)


def _inserted(row: models.Model, key: Any) -> None:
    row.pk = key
    row._state.adding, row._state.db = key is None, connection.alias


def _insert(rows: Rows, unique: Any, ending: str) -> list[Any]:
    """Insert rows in their order, and return what the statement returns. `unique`: a field that differs in any case."""
    meta = rows[0]._meta
    given: dict[str, Any] = {}
    cells, constants = [], []
    for place, column in enumerate(each for each in meta.concrete_fields if each is not meta.pk):
        values = _cells(column, rows, add=True)
        if column is unique or _differ(column, values):
            given[f"c{place}"] = column
            cells.append(values)
        else:
            constants.append((column, _constant(column, values[0])))
    records = _records(["line", *given], [range(len(rows)), *cells])
    return insert(meta.model, given, records, constants, line="line", ending=ending)


def _differ(column: Any, values: Sequence[Any]) -> bool:
    """Return whether the values of a column differ. In JSON 1, 1.0 and true do, which are equal in Python."""
    if isinstance(column, models.JSONField):
        first = repr(values[0])
        return any(repr(value) != first for value in values)
    return any(value != values[0] for value in values)


def _constant(column: Any, sent: Any) -> Any:
    """Return what is sent in JSON for a column as a parameter of its own. SQLite gets JSON as text in both cases."""
    nested = isinstance(column, models.JSONField) and sender(column) is None
    return column.get_db_prep_save(sent, connection) if nested else sent


def _records(names: Iterable[str], cells: Iterable[Iterable[Any]]) -> list[dict[str, Any]]:
    keys = list(names)
    return [dict(zip(keys, values, strict=True)) for values in zip(*cells, strict=True)]


def _cells(column: Any, rows: Rows, *, add: bool) -> list[Any]:
    """Return the values of a column as they are sent."""
    set_on_saving = getattr(column, "auto_now", False) or getattr(column, "auto_now_add", False)
    if (type(column) in AS_THEY_ARE or isinstance(column, models.JSONField)) and not set_on_saving:
        return _sent(column, list(map(attrgetter(column.attname), rows)))
    return _sent(column, [column.pre_save(row, add) for row in rows])


def _sent(column: Any, values: Sequence[Any]) -> list[Any]:
    send = sender(column)
    return list(values) if send is None else list(map(send, values))
