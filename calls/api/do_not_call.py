"""The do-not-call list. It is here and not in `campaigns`, because its answers name open calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions import quiescing
from campaigns.api import NumberField
from campaigns.do_not_call import entries
from campaigns.models import DoNotCall
from tenants import audit_log
from tenants.api.fields import PublicIdField, TextField
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import CrudViewSet
from tenants.policy import Action


class DoNotCallSerializer(OrganizedSerializer[DoNotCall]):
    id = PublicIdField()
    organization = OrganizationField()
    phone = NumberField(max_length=64)
    reason = TextField(required=False, allow_blank=True, max_length=500)

    class Meta:
        model = DoNotCall
        fields: ClassVar[Any] = ["id", "organization", "phone", "reason", "source", "expires_at", "created_at"]
        read_only_fields: ClassVar[Any] = ["source", "created_at"]

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise ValidationError("This is in the past. To lift an entry, delete it.")
        return moment

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if isinstance(self.instance, DoNotCall) and attrs.pop("phone", self.instance.phone) != self.instance.phone:
            raise ValidationError({"phone": "An entry keeps its number. Add the other number instead."})
        return attrs


class DoNotCallViewSet(CrudViewSet[DoNotCall]):
    queryset = DoNotCall.objects.select_related("organization")
    shown_of_others = ("organization__uuid",)
    serializer_class = DoNotCallSerializer
    needs: ClassVar[Any] = crud(Action.SEE, Action.UNBAR_NUMBER) | {"create": Action.BAR_NUMBER}
    audited_as = None
    outside_transaction = frozenset({"create"})  # it waits until no call to the number can be placed any more

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Add a number. The answer comes when no call to it can be placed any more, and names the open calls."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        entry, created = entries.add(
            given["organization"],
            given["phone"],
            reason=given.get("reason", ""),
            source="api",
            expires_at=given.get("expires_at"),
            actor=self.reach.actor,
        )
        if created:
            entries.record_added(entry, self.reach.actor)
        open_calls = [
            {"id": str(call.uuid), "status": call.status, "to_number": call.to_number}
            for call in quiescing.silence_number(entry)
        ]
        answer = {**self.get_serializer(entry).data, "open_calls": open_calls}
        return Response(answer, status=201 if created else 200)

    def perform_save(self, serializer: Any) -> None:
        entry: DoNotCall = serializer.instance
        before = entries.audited_fields(entry)
        serializer.save()
        audit_log.record_many(entries.change_records(entry, before, self.reach.actor))
        entries.note_changed(entry)

    def perform_destroy(self, instance: DoNotCall) -> None:
        with transaction.atomic():
            entries.remove(instance, self.reach.actor, "Removed over the API.")
