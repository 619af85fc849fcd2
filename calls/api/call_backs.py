"""Scheduled callbacks: list and read."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters

from calls.models import CallBack
from tenants.api.fields import PublicIdField, ScopedField, TextField
from tenants.api.filters import MomentFilter, ObjectFilter
from tenants.api.serializers import StrictModelSerializer
from tenants.api.views import ReadViewSet
from tenants.policy import Action


class CallBackSerializer(StrictModelSerializer[CallBack]):
    id = PublicIdField()
    campaign = ScopedField(source="recipient.campaign", read_only=True)
    phone = TextField(source="contact.number", read_only=True)

    class Meta:
        model = CallBack
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "campaign",
            "recipient",
            "contact",
            "phone",
            "status",
            "reason",
            "due_at",
            "latest_at",
            "note",
            "call",
            "created_by",
            "created_at",
            "ended_at",
        ]
        read_only_fields = fields


class CallBackFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=CallBack.Status.choices, distinct=False)
    contact = ObjectFilter(field_name="contact")
    campaign = ObjectFilter(field_name="recipient__campaign")
    due_before = MomentFilter(field_name="due_at", lookup_expr="lt")

    class Meta:
        model = CallBack
        fields: ClassVar[Any] = []


class CallBackViewSet(ReadViewSet[CallBack]):
    queryset = CallBack.objects.select_related("organization", "recipient__campaign", "contact", "call")
    serializer_class = CallBackSerializer
    filterset_class = CallBackFilters
    needs: ClassVar[Any] = {"list": Action.SEE, "retrieve": Action.SEE}
