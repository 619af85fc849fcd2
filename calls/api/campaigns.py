"""Campaigns: their rules, their actions, how far they are."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls import campaign_actions, live_edits
from calls import forecast as forecasting
from calls.choosing import Choices
from calls.comparison import compare
from calls.finish import finish_of
from calls.progress import progress_of
from campaigns import variables
from campaigns.models import (
    CallingWindow,
    Campaign,
    CampaignVariant,
    CampaignVersion,
    Contact,
    ContactList,
    Recipient,
    RetryRule,
)
from campaigns.windows import clock, parse_clock, parse_day_names
from providers.models import Assistant, PhoneNumber
from tenants.api_fields import (
    FlagField,
    MoneyField,
    ObjectField,
    PublicIdField,
    RateField,
    ScopedField,
    WholeField,
    money,
    utc_text,
)
from tenants.api_serializers import (
    OrganizationField,
    OrganizedSerializer,
    ReplacedList,
    StrictModelSerializer,
    StrictSerializer,
)
from tenants.api_views import CrudViewSet, ScopedViewSet, public_id
from tenants.errors import Conflict, RefusedByRule, detail
from tenants.models import AuditEntry, Scope

S = Campaign.Status
FORESEEN_AT_MOST = 5_000  # people still to be called; more take too long for an answer that is asked for often
LISTS: dict[str, Any] = {"windows": CallingWindow, "retry_rules": RetryRule, "variants": CampaignVariant}


class ClockField(serializers.Field[Any, Any, Any, Any]):
    """ "09:00" over minutes after midnight."""

    def to_internal_value(self, data: Any) -> int:
        try:
            return parse_clock(data)
        except ModelValidationError as error:
            raise ValidationError(error.messages) from error

    def to_representation(self, value: int) -> str:
        return clock(value)


class WindowSerializer(StrictSerializer):
    days = serializers.JSONField()
    opens = ClockField()
    closes = ClockField()

    def validate_days(self, days: Any) -> Any:
        parse_day_names(days)
        return days

    def validate_opens(self, opens: int) -> int:
        if opens == 24 * 60:
            raise ValidationError("A window opens at 23:59 at the latest.")
        return opens

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["opens"] == attrs["closes"]:
            raise ValidationError({"closes": "This must differ from opens; a whole day is 00:00 to 24:00."})
        return attrs


class MultiplierField(RateField):
    """A number, also written as text: 1.1 is no number that every program keeps."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, str):
            return serializers.DecimalField.to_internal_value(self, data)
        return super().to_internal_value(data)


class RetryRuleSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(choices=RetryRule.Outcome.choices)
    wait_minutes = WholeField(min_value=0, max_value=60 * 24 * 60, default=60)
    max_attempts = WholeField(min_value=1, max_value=50, default=3)
    multiplier = MultiplierField(max_digits=4, decimal_places=2, min_value=1, max_value=10, default=Decimal(1))
    max_wait_minutes = WholeField(min_value=0, max_value=60 * 24 * 60, default=None, allow_null=True)
    other_time_of_day = FlagField(default=False)


class VariantSerializer(StrictSerializer):
    assistant = ScopedField(queryset=Assistant.objects.select_related("organization", "account"))
    weight = WholeField(min_value=0, max_value=1000, default=0)


class CampaignSerializer(OrganizedSerializer[Campaign]):
    naming = ("assistant", "phone_numbers", "contact_lists")
    id = PublicIdField()
    organization = OrganizationField()
    assistant = ScopedField(
        queryset=Assistant.objects.select_related("organization", "account"), required=False, allow_null=True
    )
    phone_numbers = ScopedField(queryset=PhoneNumber.objects.select_related("organization"), many=True, required=False)
    contact_lists = ScopedField(queryset=ContactList.objects.select_related("organization"), many=True, required=False)
    variables = ObjectField(required=False)
    windows = ReplacedList(WindowSerializer)
    retry_rules = ReplacedList(RetryRuleSerializer)
    variants = ReplacedList(VariantSerializer)
    budget = MoneyField()
    progress = serializers.SerializerMethodField()

    class Meta:
        model = Campaign
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "name",
            "status",
            "assistant",
            "assistant_weight",
            "variants",
            "phone_numbers",
            "number_choice",
            "contact_lists",
            "variables",
            "timezone",
            "windows",
            "holidays",
            "retry_rules",
            "max_attempts",
            "min_gap_minutes",
            "max_open_calls",
            "calls_per_minute",
            "priority",
            "budget",
            "legal_override",
            "starts_at",
            "ends_at",
            "callback_url",
            "version",
            "progress",
            "created_at",
        ]
        read_only_fields: ClassVar[Any] = ["status", "version", "created_at"]

    def get_progress(self, campaign: Campaign) -> dict[str, Any]:
        known = self.context.get("progress") or progress_of([campaign])
        found: dict[str, Any] = known[campaign.pk]
        return found

    def validate_variables(self, templates: Any) -> Any:
        if faults := variables.faults(templates):
            whole = faults.pop("variables", None)
            named: dict[str, Any] = {name: [text] for name, text in faults.items()}
            raise ValidationError(named | ({"non_field_errors": [whole]} if whole else {}))
        return templates

    def validate_retry_rules(self, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        outcomes = [rule["outcome"] for rule in rules]
        if len(set(outcomes)) != len(outcomes):
            raise ValidationError("An outcome has one rule at most.")
        return rules

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        old = self.instance if isinstance(self.instance, Campaign) else None
        starts, ends = (attrs.get(name, getattr(old, name, None)) for name in ("starts_at", "ends_at"))
        if starts and ends and ends <= starts:
            raise ValidationError({"ends_at": "This must be after starts_at."})
        assistant = attrs.get("assistant", getattr(old, "assistant", None))
        others = self._variants(attrs, old, assistant)
        numbers = attrs.get("phone_numbers", list(old.phone_numbers.all()) if old else [])
        accounts = {one.account_id for one in (assistant, *others) if one}
        if accounts and any(number.account_id not in accounts for number in numbers):
            raise ValidationError({"phone_numbers": "Every number must be of the account of one of its assistants."})
        return attrs

    def _variants(self, attrs: dict[str, Any], old: Campaign | None, assistant: Assistant | None) -> list[Assistant]:
        """The assistants beside the first. Raises ValidationError by position."""
        if "variants" in attrs:
            found = [row["assistant"] for row in attrs["variants"]]
        else:
            found = [row.assistant for row in old.variants.select_related("assistant")] if old else []
        home = old.organization if old else attrs["organization"]
        faults: dict[str, Any] = {}
        for place, one in enumerate(found):
            if one.organization_id != home.pk:
                faults[str(place)] = {"assistant": ["This belongs to another organization."]}
            elif one == assistant or one in found[:place]:
                faults[str(place)] = {"assistant": ["The campaign has this assistant already."]}
            elif "variants" in attrs and not one.account.is_active:
                faults[str(place)] = {"assistant": ["This assistant's account is switched off."]}
        if faults:
            raise ValidationError({"variants": faults})
        return found

    def create(self, validated_data: dict[str, Any]) -> Campaign:
        lists = {name: validated_data.pop(name, []) for name in LISTS}
        sets = {name: validated_data.pop(name, []) for name in ("phone_numbers", "contact_lists")}
        campaign = Campaign.objects.create(**validated_data)
        for name, members in sets.items():
            getattr(campaign, name).set(members)
        return self._with_lists(campaign, lists)

    def update(self, instance: Campaign, validated_data: dict[str, Any]) -> Campaign:
        lists = {name: validated_data.pop(name) for name in LISTS if name in validated_data}
        return self._with_lists(super().update(instance, validated_data), lists)

    def _with_lists(self, campaign: Campaign, lists: dict[str, Any]) -> Campaign:
        """Windows and rules are replaced as a whole."""
        for name, items in lists.items():
            getattr(campaign, name).all().delete()
            LISTS[name].objects.bulk_create(LISTS[name](campaign=campaign, **item) for item in items)
        return campaign


class CampaignViewSet(CrudViewSet[Campaign]):
    queryset = Campaign.objects.select_related("organization", "assistant__account").prefetch_related(
        "phone_numbers", "contact_lists", "windows", "retry_rules", "variants__assistant"
    )
    serializer_class = CampaignSerializer
    outside_transaction = frozenset({"pause", "cancel"})  # they wait until the engine has seen it
    action_scopes: ClassVar[dict[str, Scope]] = dict.fromkeys(
        ("start", "pause", "resume", "cancel", "refresh"), Scope.CALL
    )

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
            campaign = serializer.save()
            if campaign.legal_override:
                AuditEntry.objects.create(
                    organization=campaign.organization,
                    actor=self.reach.actor,
                    action="campaign.legal_override",
                    subject=str(campaign.uuid),
                    detail={"reason": campaign.legal_override},
                )
            return
        try:
            with live_edits.edit(serializer.instance, actor=self.reach.actor):
                serializer.save()
        except campaign_actions.IllegalNow as error:
            raise Conflict(str(error)) from error
        except campaign_actions.NotReady as error:
            raise _not_ready(error) from error

    def perform_destroy(self, instance: Campaign) -> None:
        if self.locked(instance).status != S.DRAFT:
            raise Conflict("Only a draft can be deleted.")
        instance.delete()

    @action(detail=True, methods=["post"])
    def start(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaign_actions.start)

    @action(detail=True, methods=["post"])
    def pause(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaign_actions.pause)

    @action(detail=True, methods=["post"])
    def resume(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaign_actions.resume)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(campaign_actions.cancel)

    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._act(live_edits.refresh)

    @action(detail=True, methods=["get"])
    def preflight(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        campaign = self.get_object()
        seen = forecasting.forecast(campaign, timezone.now())
        found = campaign_actions.problems(campaign) + forecasting.warnings(seen)
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
            "zones_never_open": seen.zones_never_open,
            "per_hour": [{"at": utc_text(at), "calls": calls} for at, calls in seen.per_hour],
            "estimated_start": utc_text(seen.starts_at),
            "estimated_cost": money(seen.cost_high, seen.currency),
            "estimated_cost_low": money(seen.cost_low, seen.currency),
            "estimated_finish": utc_text(seen.finishes_at),
        }
        return Response(answer)

    @action(detail=True, methods=["get"])
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a contact's call would carry, variable by variable, with whom they would be called by."""
        campaign = self.get_object()
        try:
            wanted = uuid.UUID(request.query_params.get("contact", ""))
        except ValueError as error:
            raise ValidationError({"contact": "Name a contact: ?contact=<id>."}) from error
        people = self.reach.visible(Contact.objects.all()).filter(organization=campaign.organization)
        person = people.filter(uuid=wanted).first()
        if person is None:
            raise Http404
        kept = Recipient.objects.filter(campaign=campaign, contact=person).first()
        choices = Choices(campaign, timezone.now(), whatever_their_state=True)
        choice = choices.choice_for(kept or Recipient(campaign=campaign, contact=person))
        declared = choice.assistant.variables if choice else []
        found = variables.preview(campaign.variables, declared, person)
        answer = {"assistant": choice.assistant.uuid if choice else None, "variables": [asdict(row) for row in found]}
        return Response(answer)

    @action(detail=True, methods=["get"])
    def variants(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How the assistants compare, and whether the sample says anything yet."""
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
        except campaign_actions.IllegalNow as error:
            raise Conflict(str(error)) from error
        except campaign_actions.NotReady as error:
            raise _not_ready(error) from error
        return self._answer(campaign.pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        """The campaign as it is now: what was read before a change is out of date."""
        fresh = self.get_queryset().get(pk=pk)
        return Response(self.get_serializer(fresh).data, status=status)


def _not_ready(error: campaign_actions.NotReady) -> RefusedByRule:
    errors = [problem for problem in error.problems if problem.severity == "error"]
    return RefusedByRule(str(error), [detail(problem.code, problem.message, problem.code) for problem in errors])


class CampaignVersionSerializer(StrictModelSerializer[CampaignVersion]):
    class Meta:
        model = CampaignVersion
        fields: ClassVar[Any] = ["number", "at", "actor", "changes", "rules"]
        read_only_fields = fields


class CampaignVersionViewSet(ScopedViewSet[CampaignVersion]):
    """The rules of a campaign as they changed, newest first."""

    queryset = CampaignVersion.objects.all()
    serializer_class = CampaignVersionSerializer
    organization_path = "campaign__organization"

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(campaign=campaign_of(self))


def campaign_of(view: ScopedViewSet[Any]) -> Campaign:
    """The campaign of the path. Raises Http404 for one that the caller cannot see."""
    found = view.reach.visible(Campaign.objects.all()).filter(uuid=public_id(view.kwargs["campaign"])).first()
    if found is None:
        raise Http404
    return found
