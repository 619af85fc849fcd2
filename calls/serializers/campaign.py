"""The campaign object of the API and of webhooks, and the validation of a campaign that a program sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from calls.reports.progress import progress_of
from campaigns import versions
from campaigns.models import CallingWindow, Campaign, CampaignVariant, ContactList, RetryRule, Segment
from campaigns.rules import variables
from campaigns.rules.whereabouts import choice_faults
from campaigns.rules.windows import clock, parse_clock, parse_day_names
from providers.models import Assistant, PhoneNumber
from tenants.api.fields import FlagField, MoneyField, ObjectField, PublicIdField, RateField, ScopedField, WholeField
from tenants.api.serializers import OrganizationField, OrganizedSerializer, ReplacedList, StrictSerializer

LISTS: dict[str, Any] = {"windows": CallingWindow, "retry_rules": RetryRule, "variants": CampaignVariant}


class ClockField(serializers.Field[Any, Any, Any, Any]):
    """A time of day such as "09:00", stored as minutes after midnight."""

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
    """A number, or a number as text: a JSON number such as 1.1 loses precision in some programs."""

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
    naming = ("assistant", "phone_numbers", "contact_lists", "segments")
    id = PublicIdField()
    organization = OrganizationField()
    assistant = ScopedField(
        queryset=Assistant.objects.select_related("organization", "account"), required=False, allow_null=True
    )
    phone_numbers = ScopedField(queryset=PhoneNumber.objects.select_related("organization"), many=True, required=False)
    contact_lists = ScopedField(queryset=ContactList.objects.select_related("organization"), many=True, required=False)
    segments = ScopedField(queryset=Segment.objects.select_related("organization"), many=True, required=False)
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
            "segments",
            "ongoing",
            "variables",
            "placeholder_values",
            "timezone",
            "contact_zone_rule",
            "campaign_zone_countries",
            "campaign_zone_reason",
            "windows",
            "holidays",
            "retry_rules",
            "max_attempts",
            "try_next_number",
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
            raise ValidationError("Each outcome can have one rule.")
        return rules

    def validate_campaign_zone_countries(self, countries: list[str]) -> list[str]:
        return sorted(set(countries))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        old = self.instance if isinstance(self.instance, Campaign) else None
        starts, ends = (attrs.get(name, getattr(old, name, None)) for name in ("starts_at", "ends_at"))
        if starts and ends and ends <= starts:
            raise ValidationError({"ends_at": "This must be after starts_at."})
        countries, reason = (
            attrs.get(name, getattr(old, name, empty))
            for name, empty in (("campaign_zone_countries", []), ("campaign_zone_reason", ""))
        )
        if faults := choice_faults(countries, reason):
            raise ValidationError({name: [text] for name, text in faults.items()})
        assistant = attrs.get("assistant", getattr(old, "assistant", None))
        others = self._variants(attrs, old, assistant)
        numbers = attrs.get("phone_numbers", list(old.phone_numbers.all()) if old else [])
        accounts = {one.account_id for one in (assistant, *others) if one}
        if accounts and any(number.account_id not in accounts for number in numbers):
            message = "Every caller number must belong to the provider account of one of the campaign's assistants."
            raise ValidationError({"phone_numbers": message})
        return attrs

    def _variants(self, attrs: dict[str, Any], old: Campaign | None, assistant: Assistant | None) -> list[Assistant]:
        """Return the assistants of the variants. Raises ValidationError with the faults by position."""
        if "variants" in attrs:
            found = [row["assistant"] for row in attrs["variants"]]
        else:
            found = [row.assistant for row in old.variants.select_related("assistant")] if old else []
        home = old.organization if old else attrs["organization"]
        faults: dict[str, Any] = {}
        for position, one in enumerate(found):
            if one.organization_id != home.pk:
                faults[str(position)] = {"assistant": ["This belongs to another organization."]}
            elif one == assistant or one in found[:position]:
                faults[str(position)] = {"assistant": ["The campaign already has this assistant."]}
            elif "variants" in attrs and not one.account.is_active:
                faults[str(position)] = {"assistant": ["This assistant's provider account is switched off."]}
        if faults:
            raise ValidationError({"variants": faults})
        return found

    def create(self, validated_data: dict[str, Any]) -> Campaign:
        lists = {name: validated_data.pop(name, []) for name in LISTS}
        sets = {name: validated_data.pop(name, []) for name in versions.SETS}
        campaign = Campaign.objects.create(**validated_data)
        for name, members in sets.items():
            getattr(campaign, name).set(members)
        return self._with_lists(campaign, lists)

    def update(self, instance: Campaign, validated_data: dict[str, Any]) -> Campaign:
        lists = {name: validated_data.pop(name) for name in LISTS if name in validated_data}
        return self._with_lists(super().update(instance, validated_data), lists)

    def _with_lists(self, campaign: Campaign, lists: dict[str, Any]) -> Campaign:
        """Replace windows, retry rules and variants as a whole."""
        for name, items in lists.items():
            getattr(campaign, name).all().delete()
            LISTS[name].objects.bulk_create(LISTS[name](campaign=campaign, **item) for item in items)
        return campaign
