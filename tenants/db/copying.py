"""Insert many new rows by COPY, which costs PostgreSQL half of an INSERT. Only PostgreSQL has it.

Values come by column, as texts that are joined and sent at once. There is no model and no statement for a row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from django.db import connection, models

from tenants.db.bulk_statements import column, left_out

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"
# What `json` refuses of dates and objects, the quick way refuses too. No column is given a UUID or NaN within JSON.
_AS_JSON_DOES = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
# The bits of a random UUID (RFC 9562, 5.4) that are not random.
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def can_copy() -> bool:
    return connection.vendor == "postgresql"


def copy_new(model: type[models.Model], columns: Mapping[str, Sequence[Any]], same: Mapping[str, Any]) -> list[int]:
    """Insert rows and return their keys, in their order. Raises IntegrityError, and inserts none, if one exists.

    `columns` has the values of each attribute, `same` those that all rows have; what neither has gets the field's
    default. Values of JSON columns are not encoded.
    """
    count = len(next(iter(columns.values())))
    keys = _next_keys(model, count)
    random, constants = left_out(model, columns, same)
    key: Any = model._meta.pk
    given: dict[str, Sequence[str] | str] = {key.column: [str(each) for each in keys]}
    for name, values in columns.items():
        field = column(model, name)
        given[field.column] = _texts(field, values)
    given |= {field.column: _random_uuids(count) for field in random}
    given |= {field.column: _texts(field, [value])[0] for field, value in constants}
    lines = _lines(given)
    quote = connection.ops.quote_name
    into = f"COPY {quote(model._meta.db_table)} ({', '.join(map(quote, given))}) FROM STDIN"
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(into) as rows:
        rows.write(lines)
    return keys


def _next_keys(model: type[models.Model], count: int) -> list[int]:
    """Return keys that no other row gets, in order."""
    key: Any = model._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [model._meta.db_table, key.column, count],
        )
        return [found for (found,) in cursor.fetchall()]


def _lines(given: Mapping[str, Sequence[str] | str]) -> str:
    """Return the rows as COPY reads them. A column that is one text has it in all rows."""
    columns = [texts for texts in given.values() if not isinstance(texts, str)]
    pattern = "\t".join(text.replace("%", "%%") if isinstance(text, str) else "%s" for text in given.values())
    return "\n".join([pattern % texts for texts in zip(*columns, strict=True)]) + "\n"


def _texts(field: Any, values: Sequence[Any]) -> list[str]:
    """Return the values of a column as COPY reads them."""
    texts = _quick_texts(field, values)
    if texts is None:
        here: Any = connection
        driver = here.Database  # not imported where the database is SQLite
        dumper = partial(driver.adapt.Transformer(connection.connection).get_dumper, format=driver.adapt.PyFormat.TEXT)
        return [_text(field.get_db_prep_save(value, connection), dumper) for value in values]
    found = "".join(texts)
    if "\\" in found or "\t" in found or "\n" in found or "\r" in found:
        texts = [text.translate(_ESCAPES) for text in texts]
    return texts


def _is_plain_text(field: Any) -> bool:
    """Return whether the column has the texts as they are. A column that is computed from others may."""
    kind = type(field)
    return (
        isinstance(field, (models.CharField, models.TextField))
        and kind.get_db_prep_save is models.Field.get_db_prep_save
        and kind.get_db_prep_value is models.Field.get_db_prep_value
        and kind.get_prep_value in (models.CharField.get_prep_value, models.TextField.get_prep_value)
        and kind.to_python in (models.CharField.to_python, models.TextField.to_python)
    )


def _quick_texts(field: Any, values: Sequence[Any]) -> list[str] | None:
    """Return the values as texts, where that needs no work by the value. None: it does."""
    if type(field) is models.JSONField and field.encoder is None and None not in values:
        with suppress(TypeError):  # as of an integer with more than 64 bits
            return [orjson.dumps(value, option=_AS_JSON_DOES).decode() for value in values]
    elif _is_plain_text(field) and {*map(type, values)} == {str}:
        return list(values)
    return None


def _text(value: Any, dumper: Callable[[Any], Any]) -> str:
    """Return a value as the driver would send it to the server in a statement, for COPY."""
    if value is None:
        return _NULL
    text = value if isinstance(value, str) else bytes(dumper(value).dump(value)).decode()
    return text.translate(_ESCAPES)


def _random_uuids(count: int) -> list[str]:
    """Return random UUIDs, as hexadecimal digits."""
    data = bytearray(os.urandom(16 * count))
    data[6::16] = data[6::16].translate(_VERSION)
    data[8::16] = data[8::16].translate(_VARIANT)
    digits = data.hex()
    return [digits[at : at + 32] for at in range(0, 32 * count, 32)]
