"""Calls: list, order a single one, read, cancel, say that it is over, read the transcript."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions.single_calls import Order
from calls.api.campaigns import campaign_of
from calls.api.orders import place, warnings
from calls.models import Call, Status, WebhookDelivery
from calls.outcomes import staff_decisions
from calls.reports import calls_csv, transcripts
from calls.serializers import call_rows
from calls.serializers.call import CallSerializer, CallWithEventsSerializer
from campaigns.api import NumberField, number_filter, refuse_country
from campaigns.variables_field import VariablesField
from providers.models import Assistant, PhoneNumber
from providers.urls_allowed import check_callback_url
from tenants.api.errors import Conflict, Unavailable
from tenants.api.fields import ObjectField, ScopedField, TextField, UtcDateTimeField, WordField, utc_text
from tenants.api.filters import CreatedAfter, CreatedBefore, ObjectFilter
from tenants.api.serializers import StrictSerializer, organization_for
from tenants.api.views import AnyAccept, ReadViewSet, ScopedViewSet
from tenants.db.owners import of_one
from tenants.policy import Action

RELATED = (
    "organization",
    "account",
    "assistant",
    "phone_number",
    "contact",
    "campaign",
    "recipient",
)
CALLBACK = WebhookDelivery.objects.filter(call=OuterRef("pk"), endpoint=None)


class OrderSerializer(StrictSerializer):
    to_number = NumberField(max_length=64)
    assistant = ScopedField(queryset=Assistant.objects.select_related("organization", "account"))
    phone_number = ScopedField(queryset=PhoneNumber.objects.select_related("organization", "account"))
    customer_name = WordField(required=False, allow_blank=True, max_length=200)
    dynamic_variables = VariablesField(required=False)
    metadata = ObjectField(required=False)
    callback_url = WordField(required=False, allow_blank=True, max_length=2000, validators=[check_callback_url])
    not_before = UtcDateTimeField(required=False)
    not_after = UtcDateTimeField(required=False)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            optional = {name for name, field in self.fields.items() if not field.required}
            data = {name: value for name, value in data.items() if value is not None or name not in optional}
            context: Any = self.context  # a national number is read with this organization's default region
            context["home"] = context["request"].auth.home or self._home(data)
        return super().to_internal_value(data)

    def _home(self, data: dict[str, Any]) -> Any:
        """Return the organization of the named objects, for a tenant-level key without X-Organization."""
        for name in ("assistant", "phone_number"):
            try:
                return self.fields[name].run_validation(data.get(name)).organization
            except ValidationError:
                continue
        return None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        assistant, number = attrs["assistant"], attrs["phone_number"]
        reach = self.context["request"].auth
        attrs["organization"] = organization_for(reach, None, {"assistant": assistant, "phone_number": number})
        if number.account_id != assistant.account_id:
            raise ValidationError({"phone_number": "This number belongs to another account than the assistant."})
        now, before, after = timezone.now(), attrs.get("not_before"), attrs.get("not_after")
        if after and before and after <= before:
            raise ValidationError({"not_after": "This must be after not_before."})
        if after and after <= now:
            raise ValidationError({"not_after": "This is in the past."})
        return attrs


class EndSerializer(StrictSerializer):
    reason = TextField(max_length=400)


class CallFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Status.choices, distinct=False)
    campaign = ObjectFilter(field_name="campaign")
    contact = ObjectFilter(field_name="contact")
    account = ObjectFilter(field_name="account")
    to_number = django_filters.CharFilter(method="by_number")
    overdue = django_filters.ChoiceFilter(method="by_overdue", choices=(("true", "true"), ("false", "false")))
    created_after = CreatedAfter()
    created_before = CreatedBefore()

    class Meta:
        model = Call
        fields: ClassVar[Any] = []

    def by_number(self, queryset: QuerySet[Call], name: str, text: str) -> QuerySet[Call]:
        return number_filter(queryset, name, text, self.request.auth.home)

    def by_overdue(self, queryset: QuerySet[Call], name: str, value: str) -> QuerySet[Call]:
        """Return the overdue calls, or all others."""
        overdue = Q(pk__in=Call.objects.overdue(timezone.now()).values("pk"))
        return queryset.filter(overdue if value == "true" else ~overdue)


class CallsFileFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Status.choices, distinct=False)

    class Meta:
        model = Call
        fields: ClassVar[Any] = []


class CallsFileViewSet(ScopedViewSet[Call]):
    """`calls.csv`: every call of a campaign, in the order of their creation."""

    queryset = Call.objects.all()
    filterset_class = CallsFileFilters
    content_negotiation_class = AnyAccept
    needs: ClassVar[Any] = {"calls": Action.EXPORT}

    def calls(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        campaign = campaign_of(self)
        rows = self.filter_queryset(of_one(self.get_queryset(), "campaign", campaign.pk))
        return calls_csv.download(campaign, rows, self.reach.actor)


class CallViewSet(ReadViewSet[Call]):
    queryset = Call.objects.select_related(*RELATED).annotate(callback_delivery=Subquery(CALLBACK.values("status")))
    shown_of_others = (
        *(f"{name}__uuid" for name in RELATED),
        "account__provider",
        "account__longest_call_minutes",
    )
    serializer_class = CallSerializer
    filterset_class = CallFilters
    needs: ClassVar[Any] = {
        **dict.fromkeys(("list", "retrieve"), Action.SEE),
        "create": Action.LAUNCH_CALL,
        "cancel": Action.CANCEL_CALL,
        "end": Action.END_CALL,
        "transcript": Action.SEE_TRANSCRIPT,
    }

    def get_queryset(self) -> Any:
        found = super().get_queryset()
        return found.prefetch_related("events") if self.action == "retrieve" else found

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = self.filter_queryset(self.get_queryset()).values(*call_rows.COLUMNS)
        return self.get_paginated_response(call_rows.objects(self.paginate_queryset(found) or (), timezone.now()))

    def get_serializer_class(self) -> Any:
        return CallWithEventsSerializer if self.action == "retrieve" else CallSerializer

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = OrderSerializer(data=request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        order = Order(**serializer.validated_data, created_by=self.reach.actor)
        self.reach.require(Action.LAUNCH_CALL, order.organization)
        refuse_country(order.organization, order.to_number, "to_number")
        call = place(order, number_field="to_number", variables_field="dynamic_variables")
        answer = self.get_serializer(self.as_shown(self.get_queryset()).get(pk=call.pk)).data
        return Response(answer | warnings(call), status=201)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Cancel a queued call. Any other call may be ringing already."""
        call = self.get_object()
        if not staff_decisions.cancel(call, "canceled_by_request", "Canceled by request.", actor=self.reach.actor):
            raise Conflict("Only a queued call can be canceled.")
        return Response(self.get_serializer(self.get_queryset().get(pk=call.pk)).data)

    @action(detail=True, methods=["post"])
    def end(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End an open call that is over, though its provider has not said so. A call that has ended stays as it is."""
        call = self.get_object()
        form = EndSerializer(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        try:
            staff_decisions.end(call.pk, actor=self.reach.actor, **form.validated_data)
        except staff_decisions.DecisionRefused as error:
            raise Conflict(str(error)) from error
        return Response(self.get_serializer(self.get_queryset().get(pk=call.pk)).data)

    @action(detail=True, methods=["get"])
    def transcript(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read the transcript from the provider now. It is not stored here."""
        try:
            turns = transcripts.shown_to(self.reach.actor, self.get_object())
        except transcripts.NoTranscript as error:
            raise NotFound(str(error)) from error
        except transcripts.TooMany as error:
            raise Throttled(wait=error.seconds, detail=str(error)) from error
        except transcripts.Unreadable as error:
            raise Unavailable(str(error)) from error
        found = [{"role": turn.role, "text": turn.text, "at": utc_text(turn.started_at)} for turn in turns]
        return Response({"transcript": found})
