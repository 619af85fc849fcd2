"""Filters of API lists."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import ValidationError as Invalid
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from tenants.api.moments import NotAMoment, read_moment_of_address
from tenants.db.key_ranges import created_between


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


class CreatedAfter(MomentFilter):
    """Filter by the time of creation, from this moment on. The keys grow with it, so they bound what is read."""

    def filter(self, qs: Any, value: datetime | None) -> Any:
        return qs if value is None else qs.filter(created_between(qs.model, value, None))


class CreatedBefore(MomentFilter):
    """Filter by the time of creation, before this moment."""

    def filter(self, qs: Any, value: datetime | None) -> Any:
        return qs if value is None else qs.filter(created_between(qs.model, None, value))


class ObjectFilter(django_filters.UUIDFilter):
    """Filter by the public id of another object. `field_name`: the foreign key.

    The object's key is read first. PostgreSQL knows of a key how many rows have it; of a public id in another table it
    does not, and then it reads a list from its end until it has met the only row.
    """

    def filter(self, qs: Any, value: uuid.UUID | None) -> Any:
        if value is None:
            return qs
        other: Any = get_fields_from_path(qs.model, self.field_name)[-1].related_model
        keys = list(other._base_manager.filter(uuid=value).values_list("pk", flat=True))
        return qs.filter(**{f"{self.field_name}__in": keys})


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
