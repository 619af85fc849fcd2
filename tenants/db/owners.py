"""Rows of one owner or of each of many, in the order of their keys, read through the index of owner and key.

PostgreSQL otherwise expects an owner's rows everywhere, and reads all newer rows of others first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

from django.db import connection, models
from django.db.models import F, OuterRef, QuerySet, Subquery


class _OfOneOwner(models.QuerySet[Any]):
    """Rows of one owner, given as a range, whose order by key has the owner in front."""

    owner: ClassVar[str]

    def order_by(self, *names: Any) -> Self:
        if names in (("pk",), ("-pk",)):
            names = (f"{'-' if names == ('pk',) else ''}{self.owner}", *names)
        return super().order_by(*names)


@cache
def _class_of(queryset: Any, owner: str) -> type[models.QuerySet[Any]]:
    return type(f"{queryset.__name__}Of{owner.title()}", (_OfOneOwner, queryset), {"owner": owner})


def of_one(rows: Any, owner: str, key: int | str | OuterRef) -> Any:
    """Return the rows of one owner, for pages in the order of their keys. `owner`: a column, or a foreign key.

    There must be an index of the owner and the descending key. Do not use it together with filters that have an index
    of their own, which cannot give this order.
    """
    found = rows.filter(**{f"{owner}__gte": key, f"{owner}__lte": key})
    kind: Any = type(found)
    found.__class__ = _class_of(kind, found.model._meta.get_field(owner).attname)
    return found


class _EachKey(Subquery):
    """The keys of a subquery, each in a row of its own. Only on PostgreSQL."""

    template = "unnest(ARRAY(%(subquery)s))"
    output_field: ClassVar[Any] = models.BigIntegerField()


@dataclass(frozen=True)
class OfEach:
    """The rows of many owners.

    `rows`: without a condition about owners or about `having`. `owner`: the foreign key. `having`: a column and the
    value that all rows have. There must be an index of the owner, the column if any, and the descending key.
    """

    rows: QuerySet[Any]
    owner: str
    owners: QuerySet[Any]
    having: tuple[str, str] | None = None

    def newest(self, most: int) -> QuerySet[Any, Any]:
        """Return the keys of the newest rows, so many at most, newest first.

        They belong to the owners whose newest rows are the newest: no more owners than rows are read.
        """
        last = self.owners.annotate(last=Subquery(self._mine()[:1])).order_by(F("last").desc(nulls_last=True))
        owners = self.owners.filter(pk__in=last.values("pk")[:most])
        return self._keys(owners, most).order_by("-key")[:most]

    def some(self, most: int) -> QuerySet[Any, Any]:
        """Return the keys of so many rows at most, of one owner after another: for counting them."""
        return self._keys(self.owners, most)[:most]

    def _keys(self, owners: QuerySet[Any], most: int) -> QuerySet[Any, Any]:
        each: QuerySet[Any] = owners.order_by().annotate(key=_EachKey(self._mine()[:most]))
        return each.values_list("key", flat=True)

    def _mine(self) -> QuerySet[Any, Any]:
        """Return the keys of one owner's rows, newest first."""
        if self.having:
            mine: QuerySet[Any, Any] = of_one(self.rows.filter(**{self.owner: OuterRef("pk")}), *self.having)
        else:
            mine = of_one(self.rows, self.owner, OuterRef("pk"))
        return mine.order_by("-pk").values("pk")


def reads_each() -> bool:
    """Return whether the database can give the rows `OfEach`. SQLite has no arrays, and is not for many rows."""
    return connection.vendor == "postgresql"
