"""Notes about contacts: list, read, write and delete."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions import notes
from calls.actions.quiescing import IllegalTransition
from calls.models import Call, ContactNote
from calls.models.contact_note import LONGEST
from tenants.api.errors import Conflict
from tenants.api.fields import LongTextField, PublicIdField
from tenants.api.filters import ObjectFilter
from tenants.api.permissions import READS
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import ReadViewSet
from tenants.policy import Action


class ContactNoteSerializer(OrganizedSerializer[ContactNote]):
    id = PublicIdField()
    organization = OrganizationField()
    text = LongTextField(max_length=LONGEST)
    naming = ("contact", "call")

    class Meta:
        model = ContactNote
        fields: ClassVar[Any] = ["id", "organization", "contact", "call", "text", "author", "created_at"]
        read_only_fields: ClassVar[Any] = ["author", "created_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        call = attrs.get("call")
        if call is not None and call.contact_id != attrs["contact"].pk:
            raise ValidationError({"call": [ErrorDetail("This call is to another contact.", "invalid")]})
        return attrs


class ContactNoteFilters(django_filters.FilterSet):
    contact = ObjectFilter(field_name="contact")
    call = django_filters.UUIDFilter(method="by_call")

    class Meta:
        model = ContactNote
        fields: ClassVar[Any] = []

    def by_call(self, queryset: QuerySet[ContactNote], name: str, value: uuid.UUID) -> QuerySet[ContactNote]:
        """Return the notes of a call. They are among those of its contact, which have an index."""
        calls = list(Call.objects.filter(uuid=value).values_list("pk", "contact"))
        return queryset.filter(call__in=[pk for pk, _ in calls], contact__in=[contact for _, contact in calls])


class ContactNoteViewSet(ReadViewSet[ContactNote]):
    queryset = ContactNote.objects.select_related("organization", "contact", "call")
    serializer_class = ContactNoteSerializer
    filterset_class = ContactNoteFilters
    needs: ClassVar[Any] = {
        **dict.fromkeys(READS, Action.SEE),
        "create": Action.WRITE_NOTE,
        "destroy": Action.DELETE_NOTE,
    }

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer: Any = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        try:
            made = notes.write(given["contact"], given["text"], actor=self.reach.actor, call=given.get("call"))
        except IllegalTransition as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(made).data, status=201)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            notes.delete(self.locked(self.get_object()), actor=self.reach.actor)
        return Response(status=204)
