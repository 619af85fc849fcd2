"""Campaigns: their rules, their actions, how far they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from calls import campaign_actions
from calls import forecast as forecasting
from calls.explain import explain
from calls.progress import progress_of
from campaigns import variables
from campaigns.models import CallingWindow, Campaign, ContactList, Recipient, RetryRule
from campaigns.windows import clock, parse_clock, parse_day_names
from providers.models import Assistant, PhoneNumber
from tenants.errors import Conflict, RefusedByRule, detail
from tenants.models import AuditEntry, Organization, Scope
from tenants.rest import (
    CrudViewSet,
    MoneyField,
    ObjectField,
    OrganizationField,
    OrganizedSerializer,
    PublicIdField,
    ReplacedList,
    ScopedField,
    ScopedViewSet,
    StrictModelSerializer,
    StrictSerializer,
    TextField,
    UtcDateTimeField,
    WholeField,
    money,
    public_id,
    utc_text,
)

S = Campaign.Status
OVER = (S.FINISHED, S.CANCELED)
# What may change while calls are being placed. Whom and with what is changed in a pause.
WHILE_RUNNING = frozenset(
    {
        "name",
        "max_attempts",
        "min_gap_minutes",
        "max_open_calls",
        "calls_per_minute",
        "budget",
        "budget_currency",
        "ends_at",
        "callback_url",
    }
)
LISTS = ("windows", "retry_rules")


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


class RetryRuleSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(choices=RetryRule.Outcome.choices)
    wait_minutes = WholeField(min_value=0, max_value=60 * 24 * 60, default=60)
    max_attempts = WholeField(min_value=1, max_value=50, default=3)


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
            "phone_numbers",
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
            "budget",
            "legal_override",
            "starts_at",
            "ends_at",
            "callback_url",
            "progress",
            "created_at",
        ]
        read_only_fields: ClassVar[Any] = ["status", "created_at"]

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
        numbers = attrs.get("phone_numbers", list(old.phone_numbers.all()) if old else [])
        if assistant and any(number.account_id != assistant.account_id for number in numbers):
            raise ValidationError({"phone_numbers": "Every number must be of the assistant's account."})
        return attrs

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
        models: dict[str, Any] = {"windows": CallingWindow, "retry_rules": RetryRule}
        for name, items in lists.items():
            getattr(campaign, name).all().delete()
            models[name].objects.bulk_create(models[name](campaign=campaign, **item) for item in items)
        return campaign


class CampaignViewSet(CrudViewSet[Campaign]):
    queryset = Campaign.objects.select_related("organization", "assistant__account").prefetch_related(
        "phone_numbers", "contact_lists", "windows", "retry_rules"
    )
    serializer_class = CampaignSerializer
    action_scopes: ClassVar[dict[str, Scope]] = dict.fromkeys(("start", "pause", "resume", "cancel"), Scope.CALL)

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
        campaign, given = serializer.instance, serializer.validated_data
        before = ""
        if campaign is not None:
            now = self.locked(campaign)  # the engine may have moved it on meanwhile
            _refuse_changes(now, {name for name, value in given.items() if _differs(campaign, name, value)})
            before = now.legal_override
        campaign = serializer.save()
        if campaign.legal_override != before:
            AuditEntry.objects.create(
                organization=campaign.organization,
                actor=self.reach.actor,
                action="campaign.legal_override",
                subject=str(campaign.uuid),
                detail={"reason": campaign.legal_override},
            )

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
    def progress(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        campaign = self.get_object()
        return Response(progress_of([campaign])[campaign.pk])

    def _act(self, do: Callable[..., None]) -> Response:
        campaign = self.get_object()
        try:
            do(campaign, actor=self.reach.actor)
        except campaign_actions.IllegalNow as error:
            raise Conflict(str(error)) from error
        except campaign_actions.NotReady as error:
            errors = [problem for problem in error.problems if problem.severity == "error"]
            raise RefusedByRule(
                str(error), [detail(problem.code, problem.message, problem.code) for problem in errors]
            ) from error
        return self._answer(campaign.pk)

    def _answer(self, pk: int, status: int = 200) -> Response:
        """The campaign as it is now: what was read before a change is out of date."""
        fresh = self.get_queryset().get(pk=pk)
        return Response(self.get_serializer(fresh).data, status=status)


def _refuse_changes(campaign: Campaign, changed: set[str]) -> None:
    if campaign.status in OVER and changed:
        raise Conflict(f"A {campaign.status} campaign cannot be changed.")
    if campaign.status == S.RUNNING and (held := sorted(changed - WHILE_RUNNING)):
        raise Conflict(f"Pause the campaign to change {', '.join(held)}.")


def _differs(campaign: Campaign, name: str, value: Any) -> bool:
    held = getattr(campaign, name)
    if name in LISTS:
        fields = ("days", "opens", "closes") if name == "windows" else ("outcome", "wait_minutes", "max_attempts")
        return [{field: getattr(row, field) for field in fields} for row in held.all()] != list(map(dict, value))
    if name in ("phone_numbers", "contact_lists"):
        return {row.pk for row in held.all()} != {row.pk for row in value}
    return bool(held != value)


class RecipientSerializer(StrictModelSerializer[Recipient]):
    id = PublicIdField()
    phone = TextField(source="contact.phone", read_only=True)
    name = TextField(source="contact.name", read_only=True)
    next_attempt_at = UtcDateTimeField(read_only=True)

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
        ]
        read_only_fields = fields


class RecipientFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Recipient.Status.choices)
    outcome = django_filters.CharFilter()

    class Meta:
        model = Recipient
        fields: ClassVar[Any] = []


class RecipientViewSet(ScopedViewSet[Recipient]):
    queryset = Recipient.objects.select_related("campaign__organization", "contact")
    serializer_class = RecipientSerializer
    filterset_class = RecipientFilters
    organization_path = "campaign__organization"

    def get_queryset(self) -> Any:
        campaign = self.reach.visible(Campaign.objects.all()).filter(uuid=public_id(self.kwargs["campaign"])).first()
        if campaign is None:
            raise Http404
        return super().get_queryset().filter(campaign=campaign)

    def organization_of(self, found: Recipient) -> Organization:
        return found.campaign.organization

    @action(detail=True, methods=["get"])
    def explain(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(explain(self.get_object()).as_json())
