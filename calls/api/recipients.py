"""Recipients of a campaign: list, explain, withdraw, hold, schedule a callback. Also the hold of a contact."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import django_filters
from django.db.models import OuterRef, Subquery
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import UUIDField

from calls.actions import held_recipients, recipients, scheduled_callbacks
from calls.actions.held_recipients import Verdict
from calls.actions.quiescing import IllegalTransition
from calls.actions.single_calls import Refused
from calls.api.call_backs import CallBackSerializer
from calls.api.campaigns import campaign_of
from calls.models import CallBack, deciding_call
from calls.reports import results_csv as results
from calls.reports.explain import explain
from calls.reports.figures.results import results_of
from campaigns.api import ContactViewSet
from campaigns.models import Contact, Recipient
from tenants.api.errors import Conflict, RefusedByRule, detail
from tenants.api.fields import PublicIdField, TextField, UtcDateTimeField, WholeField, utc_text
from tenants.api.serializers import StrictModelSerializer, StrictSerializer
from tenants.api.views import AnyAccept, ScopedViewSet
from tenants.db.owners import of_one
from tenants.models import Organization
from tenants.policy import Action


class RecipientSerializer(StrictModelSerializer[Recipient]):
    id = PublicIdField()
    phone = TextField(source="contact.number", read_only=True)
    name = TextField(source="contact.name", read_only=True)
    next_attempt_at = UtcDateTimeField(read_only=True)
    deciding_call = UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = Recipient
        fields: ClassVar[Any] = [
            "id",
            "campaign",
            "contact",
            "phone",
            "name",
            "status",
            "reason",
            "outcome",
            "attempts",
            "next_attempt_at",
            "deciding_call",
        ]
        read_only_fields = fields


class HoldSerializer(StrictSerializer):
    until = UtcDateTimeField(required=False, allow_null=True)
    reason = TextField(required=False, allow_blank=True, max_length=200)

    def validate_until(self, until: Any) -> Any:
        if until and until <= timezone.now():
            raise ValidationError("This is in the past.")
        return until


class PromiseSerializer(StrictSerializer):
    at = UtcDateTimeField()
    note = TextField(required=False, allow_blank=True, max_length=500)
    tolerance_minutes = WholeField(required=False, min_value=1, max_value=24 * 60)


class RecipientFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Recipient.Status.choices, distinct=False)
    outcome = django_filters.CharFilter()

    class Meta:
        model = Recipient
        fields: ClassVar[Any] = []


class ResultsFilters(RecipientFilters):
    """As for recipients, and whether each result field is a column of its own, which chooses no rows."""

    results = django_filters.ChoiceFilter(choices=[("columns", "columns")], method="all_rows")

    def all_rows(self, rows: Any, name: str, value: str) -> Any:
        return rows


def _hold(view: ScopedViewSet[Any], contact: Contact, request: Request) -> None:
    form = HoldSerializer(data=request.data, context=view.get_serializer_context())
    form.is_valid(raise_exception=True)
    recipients.hold(contact, actor=view.reach.actor, **form.validated_data)


class RecipientViewSet(ScopedViewSet[Recipient]):
    queryset = Recipient.objects.select_related("campaign__organization", "contact__organization")
    serializer_class = RecipientSerializer
    filterset_class = RecipientFilters
    organization_path = "campaign__organization"
    outside_transaction = frozenset({"withdraw", "hold"})  # they wait until no call can be placed any more
    needs: ClassVar[Any] = {
        **dict.fromkeys(("list", "explain"), Action.SEE),
        **dict.fromkeys(
            ("withdraw", "hold", "unhold", "call_back", "cancel_call_back", "send_as_is", "skip"),
            Action.STEER_RECIPIENT,
        ),
    }

    def get_queryset(self) -> Any:
        mine = of_one(super().get_queryset(), "campaign", campaign_of(self).pk)
        return mine.annotate(deciding_call=Subquery(deciding_call(OuterRef("pk")).values("uuid")))

    def organization_of(self, found: Recipient) -> Organization:
        return found.campaign.organization

    @action(detail=True, methods=["get"])
    def explain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(explain(self.get_object()).as_json())

    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Withdraw the recipient. The answer comes when no further call of the campaign to it can be placed."""
        recipient = self.get_object()
        try:
            recipients.withdraw(recipient, actor=self.reach.actor)
        except IllegalTransition as error:
            raise Conflict(str(error)) from error
        return self._answer(recipient)

    @action(detail=True, methods=["post"], url_path="send-as-is")
    def send_as_is(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call a held recipient with its values as they are."""
        return self._decide(Verdict.SEND)

    @action(detail=True, methods=["post"])
    def skip(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Do not call a held recipient."""
        return self._decide(Verdict.SKIP)

    def _decide(self, verdict: Verdict) -> Response:
        recipient = self.get_object()
        try:
            held_recipients.decide(recipient, verdict, actor=self.reach.actor)
        except IllegalTransition as error:
            raise Conflict(str(error)) from error
        return self._answer(recipient)

    @action(detail=True, methods=["post"])
    def hold(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Hold the contact, in every campaign."""
        recipient = self.get_object()
        _hold(self, recipient.contact, request)
        return self._answer(recipient)

    @action(detail=True, methods=["post"])
    def unhold(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        recipient = self.get_object()
        recipients.unhold(recipient.contact, actor=self.reach.actor)
        return self._answer(recipient)

    @action(detail=True, methods=["post"], url_path="call-back")
    def call_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        recipient = self.get_object()
        form = PromiseSerializer(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        given = form.validated_data
        if "tolerance_minutes" in given:
            given["tolerance"] = timedelta(minutes=given.pop("tolerance_minutes"))
        try:
            found = scheduled_callbacks.schedule(recipient, actor=self.reach.actor, **given)
        except IllegalTransition as error:
            raise Conflict(str(error)) from error
        except Refused as error:
            message = str(error).rstrip(".")
            why = f"{message}; next allowed {utc_text(error.until)}" if error.until else message
            raise RefusedByRule(message, [detail("at", why, error.code)]) from error
        return Response(CallBackSerializer(found, context=self.get_serializer_context()).data, status=201)

    @action(detail=True, methods=["post"], url_path="cancel-call-back")
    def cancel_call_back(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = CallBack.objects.filter(recipient=self.get_object(), status=CallBack.Status.DUE).first()
        if found is None:
            raise Conflict("This recipient has no scheduled callback that is due.")
        try:
            scheduled_callbacks.cancel(found, actor=self.reach.actor)
        except IllegalTransition as error:
            raise Conflict(str(error)) from error
        return Response(CallBackSerializer(found, context=self.get_serializer_context()).data)

    def _answer(self, recipient: Recipient) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=recipient.pk)).data)


class ResultsViewSet(RecipientViewSet):
    """`results.csv`: the result of each recipient, with the filters of the recipients."""

    content_negotiation_class = AnyAccept
    filterset_class = ResultsFilters
    needs: ClassVar[Any] = {"results": Action.EXPORT}

    def results(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        rows, campaign = self.filter_queryset(self.get_queryset()), campaign_of(self)
        shown = results_of(campaign).fields if "results" in request.query_params else ()
        fields = [each.field.name for each in shown if each.field.shown]
        return results.download(campaign, rows, self.reach.actor, fields)


class CallingContactViewSet(ContactViewSet):
    """Contacts, with hold and unhold."""

    outside_transaction = frozenset({"hold"})
    needs: ClassVar[Any] = {
        **ContactViewSet.needs,
        **dict.fromkeys(("hold", "unhold"), Action.HOLD_CONTACT),
    }

    @action(detail=True, methods=["post"])
    def hold(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        contact = self.get_object()
        _hold(self, contact, request)
        return Response(self.get_serializer(contact).data)

    @action(detail=True, methods=["post"])
    def unhold(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        contact = self.get_object()
        recipients.unhold(contact, actor=self.reach.actor)
        return Response(self.get_serializer(contact).data)
