"""API endpoints for provider accounts, assistants and caller numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import Model
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from providers.adapters import registry, words
from providers.models import Assistant, PhoneNumber, ProviderAccount, SeenWord
from providers.word_changes import audit_words
from tenants.api.fields import MoneyField, ObjectField, PublicIdField, ScopedField, money, utc_text
from tenants.api.permissions import crud
from tenants.api.serializers import OrganizationField, OrganizedSerializer
from tenants.api.views import CrudViewSet, retrieving
from tenants.money import Money
from tenants.policy import Action

SLOWEST = Decimal("0.001")  # the minimum rate; a rate of zero would switch the account off, which `is_active` does


def refuse(faults: dict[str, str]) -> None:
    """Raise ValidationError if there are faults. They are by field name, dotted for nested fields."""
    if faults:
        raise ValidationError({name: [text] for name, text in faults.items()})


class PriceMoneyField(MoneyField):
    """Money in the currency of the account's price. That currency is also the default."""

    def get_attribute(self, instance: ProviderAccount) -> Any:
        return money(Money.known(getattr(instance, self.column), instance.price_per_minute_currency))

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        return found if "currency" in data else {self.column: found[self.column]}


class WordsField(ObjectField):
    """The account's own table of words. Keys may be written in any way and are returned folded."""

    def to_representation(self, value: Any) -> Any:
        return {field: value.get(field, {}) for field in words.MEANINGS}


class SeenWordSerializer(serializers.ModelSerializer[SeenWord]):
    class Meta:
        model = SeenWord
        fields: ClassVar[Any] = ["field", "key", "word", "call", "first_seen_at"]
        read_only_fields = fields


class ProviderAccountSerializer(OrganizedSerializer[ProviderAccount]):
    id = PublicIdField()
    organization = OrganizationField()
    provider = serializers.ChoiceField(choices=registry.choices())
    credentials = ObjectField(write_only=True)
    options = ObjectField(required=False)
    words = WordsField(required=False)
    unknown_words = SeenWordSerializer(many=True, read_only=True)
    price_per_minute = MoneyField()
    daily_budget = PriceMoneyField()
    health = serializers.SerializerMethodField()
    blocked_until = serializers.SerializerMethodField()
    blocked_reason = serializers.SerializerMethodField()
    open_calls = serializers.SerializerMethodField()
    overdue_calls = serializers.SerializerMethodField()

    class Meta:
        model = ProviderAccount
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "provider",
            "name",
            "base_url",
            "credentials",
            "credentials_hint",
            "credentials_readable",
            "options",
            "calls_per_second",
            "max_open_calls",
            "longest_call_minutes",
            "reads_per_second",
            "max_unconfirmed",
            "failing_percent",
            "price_per_minute",
            "reserved_minutes",
            "daily_budget",
            "longest_call_minutes",
            "time_zone",
            "words",
            "unknown_words",
            "is_active",
            "health",
            "blocked_until",
            "blocked_reason",
            "open_calls",
            "overdue_calls",
        ]
        read_only_fields: ClassVar[Any] = ["credentials_hint", "credentials_readable"]
        extra_kwargs: ClassVar[Any] = {
            "base_url": {"required": False},
            "calls_per_second": {"min_value": SLOWEST},
            "reads_per_second": {"min_value": SLOWEST},
        }

    def get_health(self, account: ProviderAccount) -> str:
        if not account.is_active:
            return "inactive"
        if account.blocked(timezone.now()):
            return account.blocked_code or "blocked"
        return "failing" if account.failures_in_a_row else "ok"

    def get_blocked_until(self, account: ProviderAccount) -> str | None:
        return utc_text(account.blocked_until) if account.blocked(timezone.now()) else None

    def get_blocked_reason(self, account: ProviderAccount) -> str:
        return account.blocked_reason if account.blocked(timezone.now()) else ""

    def get_open_calls(self, account: ProviderAccount) -> int:
        """Return the count that the view in `calls` adds, or 0 for a new account."""
        return int(getattr(account, "open_calls", 0))

    def get_overdue_calls(self, account: ProviderAccount) -> int:
        """Return the count that the view in `calls` adds, or 0 for a new account."""
        return int(getattr(account, "overdue_calls", 0))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        old = self.instance if isinstance(self.instance, ProviderAccount) else None
        provider = attrs.get("provider") or (old.provider if old else "")
        adapter = registry.provider_class(provider)
        faults: dict[str, str] = {}
        if not attrs.get("base_url", old and old.base_url):
            attrs["base_url"] = adapter.default_base_url
            if not adapter.default_base_url:
                faults["base_url"] = f"{adapter.name} has several addresses. Enter the one for your region."
        if "credentials" in attrs:
            faults |= ProviderAccount.credential_faults(provider, attrs["credentials"])
        elif old:
            # A stored key must not be sent to an address set by a user who does not know the key.
            for name in ("base_url", "provider"):
                if attrs.get(name, getattr(old, name)) != getattr(old, name):
                    faults["credentials"] = f"Send the credentials again when you change {name}."
        options = attrs.get("options", old.options if old else {})
        faults |= {f"options.{name}": text for name, text in adapter.check_options(options or {}).items()}
        faults |= self._budget_faults(attrs, old)
        if "words" in attrs:
            attrs["words"], found = words.read_table(attrs["words"], adapter.statuses)
            faults |= {".".join(filter(None, ("words", name))): text for name, text in found.items()}
        refuse(faults)
        return attrs

    def _budget_faults(self, attrs: dict[str, Any], old: ProviderAccount | None) -> dict[str, str]:
        """Return the budget's faults. The budget uses the price's currency, so a new currency needs a new budget."""
        before = old.price_per_minute_currency if old else "USD"
        currency = attrs.get("price_per_minute_currency", before)
        if attrs.pop("daily_budget_currency", currency) != currency:
            return {"daily_budget.currency": f"The budget is in the currency of the price, which is {currency}."}
        if old and old.daily_budget is not None and currency != before and "daily_budget" not in attrs:
            return {"daily_budget": "The currency of the price changes. Send the daily budget again, or null."}
        return {}


class OfAccountSerializer(OrganizedSerializer[Any]):
    """Serializer of an object that belongs to a provider account, and so to the account's organization."""

    naming = ("account",)
    id = PublicIdField()
    organization = OrganizationField()
    account = ScopedField(queryset=ProviderAccount.objects.select_related("organization"))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        model: Any = self.Meta.model
        names = set(self.get_fields()) - {"id"}
        held = {name: getattr(self.instance, name) for name in names} if self.instance else {}
        refuse(model(**(held | attrs)).faults())
        return attrs


class AssistantSerializer(OfAccountSerializer):
    options = ObjectField(required=False)

    class Meta:
        model: ClassVar[type[Model]] = Assistant
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "account",
            "name",
            "external_id",
            "options",
            "variables",
            "opt_out_rules",
            "is_active",
        ]


class PhoneNumberSerializer(OfAccountSerializer):
    class Meta:
        model: ClassVar[type[Model]] = PhoneNumber
        fields: ClassVar[Any] = [
            "id",
            "organization",
            "account",
            "e164",
            "external_id",
            "label",
            "is_active",
            "max_open_calls",
            "max_calls_per_day",
            "rest_seconds",
        ]


class ProviderAccountViewSet(CrudViewSet[ProviderAccount]):
    queryset = ProviderAccount.objects.select_related("organization").prefetch_related("seen_words")
    shown_of_others = ("organization__uuid",)
    serializer_class = ProviderAccountSerializer
    needs: ClassVar[Any] = crud(Action.SEE_SETUP, Action.CHANGE_ACCOUNT)

    def perform_save(self, serializer: Any) -> None:
        before = dict(serializer.instance.words) if serializer.instance else {}
        super().perform_save(serializer)
        audit_words(serializer.instance, before, self.reach.actor)


class AssistantViewSet(CrudViewSet[Assistant]):
    queryset = Assistant.objects.select_related("organization", "account__organization")
    shown_of_others = ("organization__uuid", "account__uuid")
    compiled = retrieving(Assistant, shown_of_others)
    serializer_class = AssistantSerializer
    needs: ClassVar[Any] = crud(Action.SEE_SETUP, Action.CHANGE_ASSISTANT)


class PhoneNumberViewSet(CrudViewSet[PhoneNumber]):
    queryset = PhoneNumber.objects.select_related("organization", "account__organization")
    shown_of_others = ("organization__uuid", "account__uuid")
    compiled = retrieving(PhoneNumber, shown_of_others)
    serializer_class = PhoneNumberSerializer
    needs: ClassVar[Any] = crud(Action.SEE_SETUP, Action.CHANGE_NUMBER)
    taken = ("e164", "The provider account already has this number.")
