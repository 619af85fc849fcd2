"""Campaigns: rules, actions, preflight, progress and versions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar

from django.http import Http404
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls.actions import campaign_edits, campaigns, held_recipients, quiescing
from calls.actions.held_recipients import Verdict
from calls.api.campaign_results import CampaignResults
from calls.forecast import forecast as forecasting
from calls.forecast.estimated_finish import finish_of
from calls.gate.selection import Choices
from calls.reports import preflight as preflight_module
from calls.reports.progress import progress_of
from calls.reports.variant_comparison import compare
from calls.serializers.campaign import CampaignSerializer
from campaigns.models import (
    Campaign,
    CampaignVersion,
    Contact,
    Recipient,
)
from campaigns.rules.spoken import Rule, preview
from tenants.api.errors import Conflict, RefusedByRule, detail
from tenants.api.fields import (
    WordField,
    money,
    moneys,
    utc_text,
)
from tenants.api.permissions import crud
from tenants.api.serializers import (
    StrictModelSerializer,
    StrictSerializer,
)
from tenants.api.views import ScopedViewSet, public_id
from tenants.policy import Action

CampaignStatus = Campaign.Status
FORESEEN_AT_MOST = 5_000  # recipients; with more left, an estimate takes too long for an answer that is polled


class HeldSerializer(StrictSerializer):
    """Which of the held recipients: those held for one value alone, or all."""

    variable = WordField(required=False, allow_blank=True, max_length=64)


class CampaignViewSet(CampaignResults):
    queryset = Campaign.objects.select_related("organization", "assistant__account").prefetch_related(
        "phone_numbers", "contact_lists", "segments", "windows", "retry_rules", "variants__assistant"
    )
    serializer_class = CampaignSerializer
    outside_transaction = frozenset({"pause", "cancel"})  # they wait until no call can be placed any more
    needs: ClassVar[Any] = {
        **crud(Action.SEE, Action.CHANGE_CAMPAIGN),
        **dict.fromkeys(("start", "pause", "resume", "reopen", "cancel", "refresh"), Action.RUN_CAMPAIGN),
        **dict.fromkeys(("held_send", "held_skip"), Action.STEER_RECIPIENT),
        **dict.fromkeys(("preflight", "preview", "variants", "progress"), Action.SEE),
        **CampaignResults.result_needs,
    }

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        context = {**self.get_serializer_context(), "progress": progress_of(page)}
        return self.get_paginated_response(CampaignSerializer(page, many=True, context=context).data)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer: Any = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return self._answer(serializer.instance.pk, status=201)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer: Any = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self._save(serializer)
        return self._answer(serializer.instance.pk)

    def perform_save(self, serializer: Any) -> None:
        if serializer.instance is None:
            campaign_edits.record_first_choices(serializer.save(), actor=self.reach.actor)
            return
        try:
            with campaign_edits.edit(serializer.instance, actor=self.reach.actor):
                serializer.save()
        except quiescing.IllegalTransition as error:
            raise Conflict(str(error)) from error
        except preflight_module.NotReady as error:
            raise _not_ready(error) from error

    def perform_destroy(self, instance: Campaign) -> None:
        if self.locked(instance).status != CampaignStatus.DRAFT:
            raise Conflict("Only a draft can be deleted.")
        instance.delete()

    @action(detail=True, methods=["post"])
    def start(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaigns.start)

    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaigns.pause)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaigns.resume)

    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Run a finished campaign again, with the contacts that were added to its lists since."""
        return self._act(campaigns.reopen)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaigns.cancel)

    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaign_edits.refresh)

    @action(detail=True, methods=["post"], url_path="held/send")
    def held_send(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Call the held recipients with their values as they are."""
        return self._decide_held(request, Verdict.SEND)

    @action(detail=True, methods=["post"], url_path="held/skip")
    def held_skip(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Do not call the held recipients."""
        return self._decide_held(request, Verdict.SKIP)

    def _decide_held(self, request: Request, verdict: Verdict) -> Response:
        campaign = self.get_object()
        form = HeldSerializer(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        try:
            n = held_recipients.decide_all(campaign, verdict, actor=self.reach.actor, **form.validated_data)
        except quiescing.IllegalTransition as error:
            raise Conflict(str(error)) from error
        return Response({"recipients": n})

    @action(detail=True, methods=["get"])
    def preflight(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        campaign = self.get_object()
        seen = forecasting.forecast(campaign, timezone.now())
        found = preflight_module.problems(campaign) + forecasting.warnings(seen)
        answer = {
            "ok": not any(problem.severity == "error" for problem in found),
            "problems": [
                {
                    "code": problem.code,
                    "severity": problem.severity,
                    "message": problem.message,
                    "count": problem.count,
                }
                for problem in found
            ],
            "recipients": seen.recipients,
            "callable_now": seen.callable_now,
            "skipped": dict(sorted(seen.skipped.items())),
            "placeholder_values": [
                {
                    "variable": variable,
                    "kind": kind,
                    "recipients": n,
                    "examples": [{"contact": each.contact.uuid, "value": each.value} for each in examples],
                }
                for variable, kind, n, examples in seen.placeholders.examples()
            ],
            "zones_never_open": seen.zones_never_open,
            "never_open": [
                {"country": place.country, "zones": place.zones, "cause": place.cause, "recipients": n}
                for place, n in sorted(seen.never_open.items(), key=lambda row: (-row[1], str(row[0])))
            ],
            "per_hour": [{"at": utc_text(at), "calls": calls} for at, calls in seen.per_hour],
            "estimated_start": utc_text(seen.starts_at),
            "estimated_cost": money(seen.cost_high.only()),
            "estimated_cost_low": money(seen.cost_low.only()),
            "estimated_cost_by_currency": moneys(seen.cost_high),
            "estimated_cost_low_by_currency": moneys(seen.cost_low),
            "estimated_finish": utc_text(seen.finishes_at),
        }
        return Response(answer)

    @action(detail=True, methods=["get"])
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the assistant and the variables that a call to a contact would have now."""
        campaign = self.get_object()
        try:
            wanted = uuid.UUID(request.query_params.get("contact", ""))
        except ValueError as error:
            raise ValidationError({"contact": "Name a contact: ?contact=<id>."}) from error
        contacts = self.reach.visible(Contact.objects.all()).filter(organization=campaign.organization)
        contact = contacts.filter(uuid=wanted).first()
        if contact is None:
            raise Http404
        recipient = Recipient.objects.filter(campaign=campaign, contact=contact).first()
        choices = Choices(campaign, timezone.now(), include_unusable=True)
        choice = choices.choice_for(recipient or Recipient(campaign=campaign, contact=contact))
        declared = choice.assistant.variables if choice else []
        found = preview(campaign.variables, declared, contact, Rule(campaign.placeholder_values))
        answer = {"assistant": choice.assistant.uuid if choice else None, "variables": [asdict(row) for row in found]}
        return Response(answer)

    @action(detail=True, methods=["get"])
    def variants(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Compare the assistants, and say whether the sample is large enough."""
        return Response(compare(self.get_object()).as_json())

    @action(detail=True, methods=["get"])
    def progress(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        campaign = self.get_object()
        finish = finish_of(campaign, timezone.now(), FORESEEN_AT_MOST)
        return Response(progress_of([campaign])[campaign.pk] | {"estimated_finish": utc_text(finish.at)})

    def _act(self, do: Callable[..., None]) -> Response:
        campaign = self.get_object()
        try:
            do(campaign, actor=self.reach.actor)
        except quiescing.IllegalTransition as error:
            raise Conflict(str(error)) from error
        except preflight_module.NotReady as error:
            raise _not_ready(error) from error
        return self._answer(campaign.pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        """Return the campaign as it is now, read again after the change."""
        fresh = self.get_queryset().get(pk=pk)
        return Response(self.get_serializer(fresh).data, status=status)


def _not_ready(error: preflight_module.NotReady) -> RefusedByRule:
    errors = [problem for problem in error.problems if problem.severity == "error"]
    return RefusedByRule(str(error), [detail(problem.code, problem.message, problem.code) for problem in errors])


class CampaignVersionSerializer(StrictModelSerializer[CampaignVersion]):
    class Meta:
        model = CampaignVersion
        fields: ClassVar[Any] = ["number", "at", "actor", "changes", "rules"]
        read_only_fields = fields


class CampaignVersionViewSet(ScopedViewSet[CampaignVersion]):
    """The versions of a campaign's rules, newest first."""

    queryset = CampaignVersion.objects.all()
    serializer_class = CampaignVersionSerializer
    needs: ClassVar[Any] = {"list": Action.SEE}
    organization_path = "campaign__organization"

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(campaign=campaign_of(self))


def campaign_of(view: ScopedViewSet[Any]) -> Campaign:
    """Return the campaign of the path. Raises Http404 when the caller cannot see it."""
    found = view.reach.visible(Campaign.objects.all()).filter(uuid=public_id(view.kwargs["campaign"])).first()
    if found is None:
        raise Http404
    return found
