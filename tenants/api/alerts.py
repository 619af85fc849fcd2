"""Alerts over the API: list, read, mark as seen."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import alerts
from tenants.api.fields import PublicIdField, ScopedField
from tenants.api.serializers import StrictModelSerializer
from tenants.api.views import ReadViewSet
from tenants.models import Alert
from tenants.policy import Action


class AlertSerializer(StrictModelSerializer[Alert]):
    id = PublicIdField()
    organization = ScopedField(read_only=True)

    class Meta:
        model = Alert
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "key",
            "message",
            "subject",
            "at",
            "seen_at",
            "seen_by",
            "ended_at",
        ]
        read_only_fields = fields


class AlertFilters(django_filters.FilterSet):
    seen = django_filters.ChoiceFilter(choices=[("true", "true"), ("false", "false")], method="by_seen")

    class Meta:
        model = Alert
        fields: ClassVar[Any] = []

    def by_seen(self, queryset: QuerySet[Alert], name: str, text: str) -> QuerySet[Alert]:
        return queryset.filter(seen_at__isnull=text == "false")


class AlertViewSet(ReadViewSet[Alert]):
    queryset = Alert.objects.select_related("organization")
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    needs: ClassVar[Any] = {"list": Action.SEE, "retrieve": Action.SEE, "seen": Action.MARK_ALERT}

    @action(detail=True, methods=["post"])
    def seen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Mark the alert as seen. A repeat changes nothing."""
        alert = self.get_object()
        alerts.mark_seen(alert, self.reach.actor)
        alert.refresh_from_db()
        return Response(self.get_serializer(alert).data)
