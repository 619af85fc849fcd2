"""Parts of admin lists that stay quick with millions of rows."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

from tenants.db.owners import OfEach

COUNT_AT_MOST = 10_000
SEARCHED_AT_MOST = 1_000
FILTER_CHOICES = 50  # at most, in a related filter


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Count to COUNT_AT_MOST and no further. A full count, or an ordered one, reads the whole table."""

    of_each: OfEach | None = None  # the same rows, where they are read through the index of their owners

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        most = COUNT_AT_MOST + 1
        rows = self.of_each.some(most) if self.of_each else rows.order_by()[:most]
        return min(int(rows.count()), COUNT_AT_MOST)

    def page(self, number: Any) -> Any:
        """Find a later page by its keys, so that the joins of the list are not made for all the rows before it."""
        found = super().page(number)
        rows: Any = self.object_list
        start = (found.number - 1) * self.per_page
        if self.of_each:
            found.object_list = rows.filter(pk__in=self.of_each.newest(start + self.per_page)[start:])
        elif found.number > 1:
            keys = list(rows.values_list("pk", flat=True)[start : start + self.per_page])
            found.object_list = rows.filter(pk__in=keys)
        return found


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Offer only objects of the user's organizations.

    There is no choice for "none": the database would read the whole table to find such rows.
    """

    include_empty_choice = False

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:
        related = model_admin.admin_site._registry[field.related_model]
        return [(row.pk, str(row)) for row in related.get_queryset(request)[:FILTER_CHOICES]]

    def has_output(self) -> bool:
        """Show a filter in use even with one choice or none. Without the filter the list would show every row."""
        return bool(self.used_parameters) or super().has_output()
