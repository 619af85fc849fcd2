"""Filters of API lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError as Invalid
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from tenants.clock_changes import in_range


class MomentField(IsoDateTimeField):
    """A moment in ISO 8601. Without an offset it is in UTC, which skips and repeats no time."""

    def to_python(self, value: Any) -> datetime | None:
        moment: datetime | None = super().to_python(value)
        if moment is not None and not in_range(moment):
            raise Invalid("This time is out of range. Give a year from 2 to 9998.", code="invalid")
        return moment


class MomentFilter(django_filters.IsoDateTimeFilter):
    field_class = MomentField


class StrictFilters(DjangoFilterBackend):
    """Apply the filters that the view names. An unknown filter and a filter without a value are a 400.

    A typo or an unset variable in a program must not widen a list.
    """

    always = frozenset({"limit", "cursor", "ordering", "format"})

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        kind = self.get_filterset_class(view, queryset)
        given = set(request.query_params) - self.always
        if unknown := sorted(given - (set(kind.base_filters) if kind else set())):
            faults = {name: ["There is no such filter."] for name in unknown}
            raise ValidationError(faults, code="unknown_filter")
        if empty := [name for name in request.query_params if not all(request.query_params.getlist(name))]:
            raise ValidationError({name: ["Give a value, or leave the filter out."] for name in empty}, code="empty")
        return super().filter_queryset(request, queryset, view) if given else queryset
