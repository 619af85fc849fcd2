"""`/api/outbound`: the AlloMia contract over any provider, in camelCase and with AlloMia's error messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db import models
from django.http import Http404
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from calls.actions.single_calls import Order
from calls.api.orders import place
from calls.models import Call
from calls.serializers.status_answer import status_answer
from campaigns.api import NumberField, refuse_country
from campaigns.variables_field import VariablesField
from providers.models import Assistant, PhoneNumber
from providers.urls_allowed import check_callback_url
from tenants.api.access import Access
from tenants.api.fields import IdField, WordField
from tenants.api.idempotency import IdempotentPosts
from tenants.api.serializers import StrictSerializer
from tenants.api.views import public_id
from tenants.db.compiled import Compiled
from tenants.models import Organization
from tenants.policy import Action

M = TypeVar("M", bound=models.Model)
_ASSISTANT = Compiled(
    lambda uid: Assistant.objects.select_related("organization", "account").filter(uuid=uid), UUID(int=0)
)
_NUMBER = Compiled(lambda uid: PhoneNumber.objects.filter(uuid=uid), UUID(int=0))


class OutboundSerializer(StrictSerializer):
    phoneNumber = NumberField(min_length=10, max_length=20, trim_whitespace=False)
    assistantId = IdField()
    phoneNumberId = IdField()
    customerName = WordField(max_length=200, allow_blank=True, required=False)
    dynamicVariables = VariablesField(required=False)
    callbackUrl = WordField(max_length=2000, required=False, validators=[check_callback_url])

    def to_internal_value(self, data: Any) -> Any:
        """Read the body without optional fields that are null, which means the same as leaving them out."""
        if isinstance(data, Mapping):
            optional = {name for name, field in self.fields.items() if not field.required}
            data = {name: value for name, value in data.items() if value is not None or name not in optional}
        return super().to_internal_value(data)


class OutboundView(IdempotentPosts, APIView):
    """POST: order a call to one number."""

    needs: ClassVar[Any] = {"post": Action.LAUNCH_CALL}

    def post(self, request: Request) -> Response:
        reach: Access = request.auth  # type: ignore[assignment]
        body: Any = request.data
        home = _home(reach, body)
        if home is not None:
            reach.require(Action.LAUNCH_CALL, home)
        serializer = OutboundSerializer(data=body, context={"request": request, "home": home})
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        assistant = _named(reach, _ASSISTANT, given["assistantId"])
        number = _named(reach, _NUMBER, given["phoneNumberId"])  # its organization and account are the assistant's
        if assistant is None or number is None or assistant.account_id != number.account_id:
            raise NotFound("Assistant or phone number not found")
        refuse_country(assistant.organization, given["phoneNumber"], "phoneNumber")
        call = place(
            Order(
                organization=assistant.organization,
                assistant=assistant,
                phone_number=number,
                to_number=given["phoneNumber"],
                customer_name=given.get("customerName", ""),
                dynamic_variables=given.get("dynamicVariables", {}),
                callback_url=given.get("callbackUrl", ""),
                created_by=reach.actor,
            ),
            number_field="phoneNumber",
            variables_field="dynamicVariables",
        )
        answer = {
            "outboundCallId": str(call.uuid),
            "contactId": str(call.contact.uuid),
            "status": "calling",
            "message": "Outbound call dispatched",
        }
        return Response(answer, status=201)


class OutboundStatusView(APIView):
    """GET: the status of the call."""

    needs: ClassVar[Any] = {"get": Action.SEE}

    def get(self, request: Request, id: str) -> Response:
        reach: Access = request.auth  # type: ignore[assignment]
        try:
            wanted = public_id(id)
        except Http404 as error:
            raise NotFound("Outbound call not found") from error
        call = reach.visible(Call.objects.select_related("contact"), "organization").filter(uuid=wanted).first()
        if call is None:
            raise NotFound("Outbound call not found")
        return Response(status_answer(call))


def _home(reach: Access, body: Mapping[str, Any]) -> Organization | None:
    """Return the organization of the call: the key's, or for a tenant-level key that of the named objects."""
    if reach.home is not None:
        return reach.home
    for model, name in ((Assistant, "assistantId"), (PhoneNumber, "phoneNumberId")):
        try:
            found = _found(reach, model, public_id(str(body.get(name))), "organization")
        except Http404:
            continue
        if found is not None:
            organization: Organization = found.organization
            return organization
    return None


def _named(reach: Access, query: Compiled[M], uuid: Any) -> Any:
    """Return the object with this id, or None if the caller cannot see it."""
    return next(iter(reach.visible_rows(query.rows(uuid))), None)


def _found(reach: Access, model: type[M], uuid: Any, *related: str) -> Any:
    rows = model._default_manager.select_related(*related) if related else model._default_manager.all()
    return reach.visible(rows, "organization").filter(uuid=uuid).first()
