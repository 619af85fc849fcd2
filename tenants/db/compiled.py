"""Queries that are compiled once. Django needs several times as long to build a short query as PostgreSQL to run it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connections, models
from django.db.models.query import ModelIterable

M = TypeVar("M", bound=models.Model)


class Compiled(Generic[M]):
    """The rows of a queryset whose parameters are the only thing that changes.

    `make` builds the queryset from values; `samples` are values of the same types that occur nowhere else in it. They
    mark the places of the parameters. So a value may change what is compared, but not the statement: an empty list, or
    a None, would. Parts that Django reads with further queries (`prefetch_related`) are not read.
    """

    def __init__(self, make: Callable[..., models.QuerySet[M]], *samples: Any) -> None:
        self._make = make
        self._samples = samples
        self._of_thread = threading.local()  # as connections are

    def first(self, *values: Any) -> M | None:
        """Return the first row, or None."""
        return next(iter(self.rows(*values)), None)

    def rows(self, *values: Any) -> list[M]:
        """Return the rows, with one query."""
        statement: _Statement | None = getattr(self._of_thread, "statement", None)
        if statement is None:
            statement = self._of_thread.statement = _Statement(self._make(*self._samples), self._samples)
        found: list[M] = statement.run(values)
        return found


class _Statement:
    def __init__(self, queryset: models.QuerySet[Any], samples: tuple[Any, ...]) -> None:
        self.queryset, self.using = queryset, queryset.db
        self.compiler = queryset.query.get_compiler(using=self.using)
        self.sql, parameters = self.compiler.as_sql()
        marks = [_prepared(sample, self.using) for sample in samples]
        # Each parameter: the place of its value among those given, or None and the value that it always has.
        self.parameters = [(marks.index(one), None) if one in marks else (None, one) for one in parameters]
        if {place for place, _ in self.parameters if place is not None} != set(range(len(samples))):
            raise ValueError("A sample is not among the parameters of the query.")
        queryset.query.get_compiler = lambda *_, **__: self.compiler  # type: ignore[method-assign]

    def run(self, values: tuple[Any, ...]) -> list[Any]:
        given = [_prepared(value, self.using) for value in values]
        bound = tuple(fixed if place is None else given[place] for place, fixed in self.parameters)
        self.compiler.connection = connections[self.using]
        self.compiler.as_sql = lambda *_, **__: (self.sql, bound)
        return list(ModelIterable(self.queryset))


def _prepared(value: Any, using: str) -> Any:
    """Return the value as a parameter. Text and whole numbers are their own."""
    connection = connections[using]
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    return value
