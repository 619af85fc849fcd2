"""Lists of the back office that stay quick with millions of rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

COUNT_AT_MOST = 10_000
SEARCHED_AT_MOST = 1_000
FILTER_CHOICES = 50


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than a person pages: a full count walks the whole table, and so does one in order."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        rows = rows.order_by()
        return min(int(rows[: COUNT_AT_MOST + 1].count()), COUNT_AT_MOST)

    def page(self, number: Any) -> Any:
        """A later page is found by its keys: what the rows show besides is not joined to all those before."""
        found = super().page(number)
        rows: Any = self.object_list
        if found.number > 1:
            start = (found.number - 1) * self.per_page
            keys = list(rows.values_list("pk", flat=True)[start : start + self.per_page])
            found.object_list = rows.filter(pk__in=keys)
        return found


def first_keys(rows: QuerySet[Any]) -> list[Any]:
    """The keys of what a search found, at most so many, in no order. They are looked up by the index of what they
    match: asked for in a list's order, the database would walk that order in the hope to meet them soon."""
    return list(rows.order_by().values_list("pk", flat=True)[:SEARCHED_AT_MOST])


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Choices of the user's own organizations alone. Nothing is offered for rows without any: they are looked for by
    walking through all."""

    include_empty_choice = False

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        related = model_admin.admin_site._registry[field.related_model]
        return [(row.pk, str(row)) for row in related.get_queryset(request)[:FILTER_CHOICES]]

    def has_output(self) -> bool:
        """Also with a single choice, or none, once it is used: what is dropped here would show every row."""
        return bool(self.used_parameters) or super().has_output()
