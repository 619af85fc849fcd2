"""Filters of API lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError as Invalid
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from tenants.api.moments import NotAMoment, read_moment_of_address


class MomentField(forms.CharField):
    """A moment in RFC 3339."""

    def to_python(self, value: Any) -> datetime | None:  # type: ignore[override]
        if value in self.empty_values:
            return None
        try:
            return read_moment_of_address(str(value))
        except NotAMoment as error:
            raise Invalid(str(error), code="invalid") from error


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
