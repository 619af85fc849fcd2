"""The models of the providers room: provider accounts, assistants and caller numbers."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.timezone import now as utc_now

from providers.adapters import registry, words
from providers.adapters.base import AccountConfig, CallState, Provider
from providers.adapters.errors import Misconfigured
from providers.urls_allowed import check_base_url
from providers.validators import check_e164, check_opt_out_rules, check_variables
from tenants.db.currency_field import CurrencyField
from tenants.db.encrypted_fields import EncryptedJSONField, UndecryptableSecret, hint, is_readable, readable
from tenants.models import Organization
from tenants.models.validators import check_timezone
from tenants.money import Money


class ProviderAccount(models.Model):
    """An organization's account at a provider: credentials, limits, prices and health."""

    audited_apart = frozenset({"words"})  # `word_changes` records their meanings before and after

    class Block(models.TextChoices):
        UNREACHABLE = "unreachable", "Cannot be reached"
        MISCONFIGURED = "misconfigured", "Set up wrongly"
        UNCONFIRMED = "unconfirmed", "Too many unconfirmed calls"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="provider_accounts")
    provider = models.CharField(max_length=32, choices=registry.choices)
    name = models.CharField(max_length=200)
    base_url = models.CharField("address", max_length=500, validators=[check_base_url])
    credentials = EncryptedJSONField(editable=False, default=dict)
    options = models.JSONField(default=dict, blank=True)
    calls_per_second = models.DecimalField(max_digits=7, decimal_places=3, default=1)
    max_open_calls = models.PositiveIntegerField(default=10)
    reads_per_second = models.DecimalField(max_digits=7, decimal_places=3, default=5)
    max_unconfirmed = models.PositiveIntegerField(
        null=True, blank=True, default=5, help_text="More unconfirmed calls than this block the provider account."
    )
    failing_percent = models.PositiveSmallIntegerField(
        "failing from",
        null=True,
        blank=True,
        default=25,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Per cent of the calls that ended in the last hour. From this share of failed calls, pages say that "
        "the account is failing. Empty: never.",
    )
    price_per_minute = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    price_per_minute_currency = CurrencyField()
    reserved_minutes = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        default=3,
        validators=[MinValueValidator(0)],
        help_text="Budgets set aside the price of this many minutes for each call until its cost is known.",
    )
    daily_budget = models.DecimalField(
        max_digits=14,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Limit per day in the organization's time zone, in the currency of the price. Empty: no limit. "
        "Only a call whose price is not known yet can cost more than was set aside for it.",
    )
    longest_call_minutes = models.PositiveIntegerField(
        "longest call",
        default=120,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Minutes after which an open call is overdue: its line is free again, and it is read less often.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[check_timezone],
        help_text="The zone of times that the provider sends without one. Empty: such times are not shown.",
    )
    # What this account's provider means by its words: {"status" | "reason" | "answered_by": {folded word: meaning}}.
    words = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    # Only code writes these fields.
    blocked_at = models.DateTimeField(null=True, blank=True, editable=False)
    blocked_until = models.DateTimeField(null=True, blank=True, editable=False)  # null while blocked: no time limit
    blocked_code = models.CharField(max_length=16, blank=True, editable=False)
    blocked_reason = models.TextField(blank=True, editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)  # requests that were never sent
    place_tokens = models.FloatField(default=1, editable=False)
    place_tokens_at = models.DateTimeField(default=utc_now, editable=False)
    hook_token = models.CharField(max_length=64, unique=True, editable=False, default="")

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.hook_token:
            self.hook_token = secrets.token_urlsafe(32)
        super().save(*args, **kwargs)

    @property
    def price(self) -> Money | None:
        """What a minute of a call costs. None: not known."""
        return Money.known(self.price_per_minute, self.price_per_minute_currency)

    @property
    def daily_limit(self) -> Money | None:
        """The daily budget, which is in the currency of the price. None: no limit."""
        return Money.known(self.daily_budget, self.price_per_minute_currency)

    @property
    def adapter_class(self) -> type[Provider]:
        return registry.provider_class(self.provider)

    @property
    def adapter(self) -> Provider:
        """Return the provider's adapter for this account."""
        config = AccountConfig(self.base_url, Credentials(self), dict(self.options or {}), self.time_zone)
        return registry.provider(self.provider, config)

    @property
    def credentials_readable(self) -> bool:
        """Return whether one of FIELD_KEYS decrypts the credentials. Otherwise they must be entered again."""
        return is_readable(self, "credentials")

    @property
    def readable_credentials(self) -> dict[str, Any]:
        """Return the credentials, or none when they cannot be read."""
        return dict(readable(self, "credentials") or {})

    @property
    def merged_outcomes(self) -> dict[str, CallState]:
        """Return the outcomes that the provider does not tell apart, without those that an own word tells."""
        told = {meaning for table in self.words.values() for meaning in table.values()}
        told |= {"voicemail"} if "machine" in told else set()
        return {name: state for name, state in self.adapter_class.merged_outcomes.items() if name not in told}

    @property
    def unknown_words(self) -> list[SeenWord]:
        """Return the words that were seen and still have no meaning, oldest first."""
        return [seen for seen in self.seen_words.all() if not seen.is_known(self.words)]

    @property
    def credentials_hint(self) -> dict[str, str]:
        """Return the last four characters of each secret."""
        return {name: hint(str(value)) for name, value in self.readable_credentials.items()}

    def blocked(self, now: datetime) -> bool:
        """Return whether the account may place no calls.

        An unreachable account stays blocked until a read succeeds. Its `blocked_until` is the time of the next probe,
        not the end of the block.
        """
        if self.blocked_at is None:
            return False
        return self.blocked_code == self.Block.UNREACHABLE or self.blocked_until is None or self.blocked_until > now

    def clean(self) -> None:
        faults = dict(self.credential_faults(self.provider, self.credentials))
        adapter = registry.provider_class(self.provider)
        faults |= {f"options.{name}": text for name, text in adapter.check_options(self.options or {}).items()}
        if faults:
            raise ValidationError({"__all__": [f"{name}: {text}" for name, text in faults.items()]})

    @staticmethod
    def credential_faults(provider: str, given: Any) -> dict[str, str]:
        """Return faults by dotted field name, empty if the credentials are complete and valid."""
        adapter = registry.provider_class(provider)
        if not isinstance(given, dict):
            return {"credentials": "Give an object with " + ", ".join(adapter.required_credentials) + "."}
        faults = {
            f"credentials.{name}": "This credential is required."
            for name in adapter.required_credentials
            if not given.get(name)
        }
        for name, value in given.items():
            if name not in adapter.required_credentials + adapter.optional_credentials:
                faults[f"credentials.{name}"] = "This provider has no such credential."
            elif not isinstance(value, str) or not value.isprintable() or not value.isascii() or len(value) > 500:
                faults[f"credentials.{name}"] = "A credential must be printable ASCII text of at most 500 characters."
        return faults


class Credentials(Mapping[str, str]):
    """The credentials of an account, as its adapter uses them. They are decrypted when a request needs them.

    Credentials that cannot be read are a wrong set-up of the account, found before anything is sent.
    """

    UNREADABLE = (
        "The credentials cannot be read: none of FIELD_KEYS decrypts them. Enter them again on the account's page, or "
        "restore the key."
    )

    def __init__(self, account: ProviderAccount) -> None:
        self._account = account

    def __getitem__(self, name: str) -> str:
        return str(self._read()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, Any]:
        try:
            return self._account.credentials or {}
        except UndecryptableSecret as error:
            raise Misconfigured(self.UNREADABLE) from error


class ReadBucket(models.Model):
    """The token bucket of an account's reads. Its row is not the account's, because a claim of calls holds that one."""

    account = models.OneToOneField(
        ProviderAccount, on_delete=models.CASCADE, primary_key=True, related_name="read_bucket"
    )
    tokens = models.FloatField()
    tokens_at = models.DateTimeField(default=utc_now)

    def __str__(self) -> str:
        return f"Reads of account {self.pk}"


class SeenWord(models.Model):
    """A word of the provider that had no meaning when it was first seen. Only code writes it."""

    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="seen_words")
    field = models.CharField(max_length=16, choices=list(words.TITLES.items()))
    key = models.CharField(max_length=words.LONGEST)  # folded: the word as the account's table has it
    word = models.CharField(max_length=words.LONGEST)  # as it was sent, without phone numbers
    call = models.UUIDField()  # the public id of the call
    first_seen_at = models.DateTimeField(default=utc_now)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["account", "field", "key"], name="one_row_per_word")]

    def __str__(self) -> str:
        return self.word

    def is_known(self, own: Any) -> bool:
        """Return whether the account's own table or the built-in one has the word by now."""
        return bool(own.get(self.field, {}).get(self.key)) or bool(words.built_in(self.field, self.key))


class Assistant(models.Model):
    """A provider's assistant, application or prompt, and the variables it expects."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="assistants")
    account = models.ForeignKey(
        ProviderAccount, verbose_name="provider account", on_delete=models.PROTECT, related_name="assistants"
    )
    name = models.CharField(max_length=200)
    external_id = models.CharField("provider's ID", max_length=200, blank=True)
    options = models.JSONField(default=dict, blank=True)
    variables = models.JSONField(default=list, blank=True, validators=[check_variables])
    opt_out_rules = models.JSONField(
        default=list,
        blank=True,
        validators=[check_opt_out_rules],
        help_text='Ends that mean "do not call me again", like [{"field": "result.opt_out", "equals": "true"}].',
    )
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if faults := self.faults():
            raise ValidationError({"__all__": [f"{name}: {text}" for name, text in faults.items()]})

    def faults(self) -> dict[str, str]:
        """Return faults by field name, empty if the assistant can place calls."""
        if not isinstance(self.options, dict):
            return {"options": "Expected an object."}
        if self.account.organization_id != self.organization_id:
            return {"account": "This provider account belongs to another organization."}
        adapter = self.account.adapter
        faults = dict(adapter.check_assistant(self.external_id, self.options, adapter.account))
        if not adapter.carries_variables and any(item.get("required") for item in self.variables or []):
            faults["variables"] = (
                "The provider account's API generation sends no variables, so an assistant cannot require any."
            )
        return faults


class PhoneNumber(models.Model):
    """A caller number: calls come from it."""

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="phone_numbers")
    account = models.ForeignKey(
        ProviderAccount, verbose_name="provider account", on_delete=models.PROTECT, related_name="phone_numbers"
    )
    e164 = models.CharField("number", max_length=16, validators=[check_e164], help_text="Like +33123456789.")
    external_id = models.CharField("provider's ID", max_length=200, blank=True)
    label = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField("active", default=True)
    max_open_calls = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit of its own.")
    max_calls_per_day = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="In any 24 hours. A number that places too many calls is soon marked as spam. Empty: no limit.",
    )
    rest_seconds = models.PositiveIntegerField(
        "rest", default=0, help_text="Seconds between two calls from this number."
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "caller number"
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "e164"],
                name="one_number_per_account",
                violation_error_message="The provider account already has this number.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.e164} {self.label}".strip()

    def clean(self) -> None:
        if faults := self.faults():
            raise ValidationError(faults)

    def faults(self) -> dict[str, str]:
        """Return faults by field name, empty if calls can come from the number."""
        if self.account.organization_id != self.organization_id:
            return {"account": "This provider account belongs to another organization."}
        if self.account.provider == "allomia" and not self.external_id:
            return {"external_id": "AlloMia needs the ID of the caller number. Copy it from the AlloMia dashboard."}
        return {}
