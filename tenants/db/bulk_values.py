"""Insert and update many rows of plain values in one statement. There is no object of a model for each row."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models

from tenants.db.bulk_statements import column, insert, left_out, names_of, sender, update

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
    given = {name: column(model, name) for name in rows[0]}
    random, constants = left_out(model, given, same)
    if random and connection.vendor == "sqlite":
        rows = [{**row, **{field.attname: uuid.uuid4() for field in random}} for row in rows]
        given, random = given | {field.attname: field for field in random}, []
    ending = f"ON CONFLICT {on_conflict} " if on_conflict else ""
    if returning:
        ending += f"RETURNING {names_of(*(column(model, name) for name in returning))}"
    generated = [(field, "gen_random_uuid()") for field in random]
    return insert(model, given, _sent(rows, given), _prepared(constants), generated, ending=ending)


def update_values(
    model: type[models.Model], rows: Sequence[Values], fields: Collection[str], same: Values | None = None
) -> None:
    """Update rows that exist, found by their `pk`, to the values of `fields`, and to `same` in all rows."""
    if not rows:
        return
    given = {"pk": model._meta.pk} | {name: column(model, name) for name in sorted(fields)}
    constants = [(column(model, name), value) for name, value in (same or {}).items()]
    needed = [{name: row[name] for name in given} for row in rows]
    update(model, given, _sent(needed, given), _prepared(constants))


def _prepared(constants: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [(field, field.get_db_prep_save(value, connection)) for field, value in constants]


def _sent(rows: Sequence[Values], given: Mapping[str, Any]) -> Sequence[Values]:
    """Return the rows as they are sent."""
    senders = {name: send for name, field in given.items() if (send := sender(field)) is not None}
    if not senders:
        return rows
    return [{**row, **{name: send(row[name]) for name, send in senders.items()}} for row in rows]
