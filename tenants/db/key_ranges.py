"""Rows of a time range found by their keys, in tables whose keys grow with the time of creation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Q

# Transactions that run side by side may commit a later key with an earlier time.
SKEW = timedelta(hours=1)
# Each step halves the range of keys; a probe reads the next row by its primary key. So a table of a billion rows takes
# thirty steps, in one statement.
_SEARCH = """
WITH RECURSIVE search(low, high) AS (
  SELECT COALESCE((SELECT MIN(id) FROM {table}), 0), COALESCE((SELECT MAX(id) FROM {table}), 0) + 1
  UNION ALL
  SELECT
    CASE WHEN (SELECT {column} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < %s
      THEN (low + high) / 2 + 1 ELSE low END,
    CASE WHEN (SELECT {column} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < %s
      THEN high ELSE (low + high) / 2 END
  FROM search WHERE low < high
)
SELECT MAX(low) FROM search
"""


def created_between(
    model: type[models.Model], start: datetime | None, end: datetime | None, column: str = "created_at"
) -> Q:
    """Return the condition that a row was created from `start` on and before `end`. None leaves that side open.

    The table needs no index of the `column`: the condition bounds the key, too, which every list is ordered by.
    """
    found = Q()
    if start is not None:
        found &= Q(**{f"{column}__gte": start}, pk__gte=first_key(model, start - SKEW, column))
    if end is not None:
        found &= Q(**{f"{column}__lt": end}, pk__lt=first_key(model, end + SKEW, column))
    return found


def first_key(model: type[models.Model], moment: datetime, column: str = "created_at") -> int:
    """Return the lowest key of the rows created at this moment or later, or the key after the last."""
    table = connection.ops.quote_name(model._meta.db_table)
    value: Any = connection.ops.adapt_datetimefield_value(moment)
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH.format(table=table, column=connection.ops.quote_name(column)), [value, value])
        return int(cursor.fetchone()[0])
