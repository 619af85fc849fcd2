"""Read many rows in parts without an open cursor: behind a pooler, each statement may reach another connection of the
database. By key it takes constant memory, in another order a few bytes for each row.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from django.db.models import QuerySet

KEYS_AT_ONCE = 10_000


def by_key(
    rows: QuerySet[Any, Any], size: int, key: Callable[[Any], int] = attrgetter("pk"), *, falling: bool = False
) -> Iterator[list[Any]]:
    """Yield the rows in the order of their keys, `size` at a time. `key` returns the key of a row."""
    rows = rows.order_by("-pk" if falling else "pk")
    chunk = list(rows[:size])
    while chunk:
        yield chunk
        last = key(chunk[-1])
        beyond = {"pk__lt": last} if falling else {"pk__gt": last}
        chunk = list(rows.filter(**beyond)[:size]) if len(chunk) == size else []


def in_order(rows: QuerySet[Any], size: int) -> Iterator[list[Any]]:
    """Yield the rows in their own order, `size` at a time. The keys are read first, eight bytes for each.

    Behind a pooler the driver holds all keys at once while they are read, some hundred bytes for each.
    """
    keys = array("q", rows.prefetch_related(None).values_list("pk", flat=True).iterator(KEYS_AT_ONCE))
    for start in range(0, len(keys), size):
        wanted = keys[start : start + size]
        found = rows.order_by().in_bulk(wanted)
        yield [found[key] for key in wanted if key in found]
