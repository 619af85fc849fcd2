"""The API of segments and of the contacts that they have now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import segments
from campaigns.api import ContactSerializer
from campaigns.do_not_call import persons
from campaigns.models import Segment
from campaigns.rules import conditions
from tenants.api.errors import Conflict
from tenants.api.fields import PublicIdField
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import CrudViewSet
from tenants.models import Organization
from tenants.policy import Action


class ConditionsField(serializers.JSONField):
    """The conditions of a segment, all of which a contact meets. Tags are written by name, lists by id."""

    def to_internal_value(self, data: Any) -> Any:
        home: Organization | None = self.context.get("home")
        if not isinstance(data, list) or not 1 <= len(data) <= conditions.MOST:
            raise ValidationError(f"Give a list of 1 to {conditions.MOST} conditions.", code="invalid_type")
        found, faults = [], {}
        for place, given in enumerate(data):
            try:
                found.append(self._read(given, home))
            except conditions.NotACondition as error:
                faults[str(place)] = [ErrorDetail(str(error), "invalid")]
        if faults:
            raise ValidationError(faults)
        return found

    def _read(self, given: Any, home: Organization | None) -> dict[str, Any]:
        """Raises NotACondition."""
        field, value = (given.get("field"), given.get("value")) if isinstance(given, dict) else (None, None)
        if field == "tags" and isinstance(value, list) and home:
            if not all(isinstance(name, str) for name in value):
                raise conditions.NotACondition("Give the names of tags.")
            given = {**given, "value": segments.tag_ids(home.pk, value)}
        read = conditions.read(given)
        if field == "lists" and home:
            segments.require(home.pk, read)
        return read

    def to_representation(self, value: Any) -> Any:
        names = _names(self.context, value)
        return [_shown(condition, names) for condition in value]


def _names(context: Mapping[str, Any], stored: Any) -> Mapping[str, str]:
    """Return the names of tags and lists: those of a whole page, if they were read."""
    known: Mapping[str, str] | None = context.get("names")
    return segments.names_in([stored]) if known is None else known


def _shown(condition: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the condition as it is written. A tag that was deleted is left out."""
    if condition["field"] != "tags":
        return condition
    return {**condition, "value": sorted(names[each] for each in condition["value"] if each in names)}


class SegmentSerializer(OrganizedSerializer[Segment]):
    id = PublicIdField()
    organization = OrganizationField()
    conditions = ConditionsField()
    description = serializers.SerializerMethodField()

    class Meta:
        model = Segment
        fields: ClassVar[Any] = ["id", "organization", "name", "conditions", "description", "created_at"]
        read_only_fields: ClassVar[Any] = ["created_at"]

    def get_description(self, found: Segment) -> str:
        return conditions.sentence(found.conditions, _names(self.context, found.conditions))


class SegmentViewSet(CrudViewSet[Segment]):
    queryset = Segment.objects.select_related("organization")
    shown_of_others = ("organization__uuid",)
    serializer_class = SegmentSerializer
    needs: ClassVar[Any] = {
        **crud(Action.SEE, Action.CHANGE_LIST),
        "destroy": Action.DELETE_LIST,
        "contacts": Action.SEE,
    }

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        context = {**self.get_serializer_context(), "names": segments.names_in(row.conditions for row in page)}
        return self.get_paginated_response(SegmentSerializer(page, many=True, context=context).data)

    @action(detail=True, methods=["get"])
    def contacts(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the contacts that meet the conditions now."""
        found = segments.contacts_of(self.get_object())
        shown: Any = found.select_related("organization").prefetch_related("further_numbers", "tags")
        page: Any = self.paginate_queryset(shown)
        context = {**self.get_serializer_context(), "listed": persons.listed(page)}
        return self.get_paginated_response(ContactSerializer(page, many=True, context=context).data)

    def perform_destroy(self, instance: Segment) -> None:
        if segments.unfinished_of(instance).exists():
            raise Conflict("A campaign that is not over uses this segment.")
        instance.delete()
