"""Campaigns with their rules and versions."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Max, Q
from django.utils.timezone import now as utc_now

from campaigns.models.contact import ContactList
from campaigns.models.segment import Segment
from campaigns.rules import retries
from campaigns.rules.spoken import Rule
from campaigns.rules.whereabouts import ZoneRule
from campaigns.rules.windows import DAYS, Window, parse_day_names
from providers.models import Assistant, PhoneNumber
from providers.urls_allowed import check_callback_url
from tenants.db.currency_field import CurrencyField
from tenants.models import Organization, check_timezone
from tenants.models.validators import check_regions
from tenants.money import Money


def check_holidays(days: object) -> None:
    """Raise ValidationError unless the value is a list of dates like "2026-12-25"."""
    if not isinstance(days, list):
        raise ValidationError('Write a list of days, like ["2026-12-25"].', code="invalid_type")
    for day in days:
        try:
            date.fromisoformat(day)
        except (TypeError, ValueError) as error:
            raise ValidationError(f"{day!r} is not a day. Write it like 2026-12-25.", code="invalid_day") from error


class Campaign(models.Model):
    """Calls to the contacts on some lists and in some segments, within rules."""

    # `campaign_edits` records these with their reasons.
    audited_apart = frozenset({"legal_override", "campaign_zone_countries", "campaign_zone_reason"})

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        SCHEDULED = "scheduled", "Scheduled"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        CANCELED = "canceled", "Canceled"

    STARTED = (Status.RUNNING, Status.PAUSED)  # and not over
    OVER = (Status.FINISHED, Status.CANCELED)

    class NumberChoice(models.TextChoices):
        ROTATE = "rotate", "Rotate through all"
        LOCAL = "local", "Local: same area code, else same country, else any"

    class PlaceholderValues(models.TextChoices):
        HOLD = Rule.HOLD.value, "Hold the recipient until a team member decides"
        SKIP = Rule.SKIP.value, "Skip the recipient"
        EMPTY = Rule.EMPTY.value, "Call, and treat the value as missing"
        SEND = Rule.SEND.value, "Call, and send the value as it is"

    class ContactZoneRule(models.TextChoices):
        BOTH_OPEN = "both_open", "Both must be in calling hours"
        TRUST_CONTACT = "trust_contact", "Trust the contact's time zone"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="campaigns")
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=9, choices=Status, default=Status.DRAFT, editable=False)
    status_reason = models.CharField(max_length=500, blank=True, editable=False)  # why it was paused automatically
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="campaigns", null=True, blank=True)
    assistant_weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MaxValueValidator(1000)],
        help_text="The assistant's share, compared with the other assistants. 0: only if no other assistant can call.",
    )
    phone_numbers = models.ManyToManyField(PhoneNumber, related_name="campaigns", blank=True)
    number_choice = models.CharField(
        "choice of caller number",
        max_length=6,
        choices=NumberChoice,
        default=NumberChoice.ROTATE,
        help_text="Later calls to a recipient come from the number of the first call if it is still available.",
    )
    contact_lists = models.ManyToManyField(ContactList, related_name="campaigns", blank=True)
    segments = models.ManyToManyField(Segment, related_name="campaigns", blank=True)
    ongoing = models.BooleanField(
        "adds new contacts",
        default=False,
        db_default=False,
        help_text="Contacts that are added to its lists later are called too. The campaign does not finish when it has "
        "called everybody, but at its end or when a team member cancels it.",
    )
    variables = models.JSONField(default=dict, blank=True)
    placeholder_values = models.CharField(
        "values that nobody means to speak",
        max_length=5,
        choices=PlaceholderValues,
        default=PlaceholderValues.HOLD,
        help_text="For variables and names such as {{first_name}}, NULL or #N/A.",
    )
    timezone = models.CharField(
        "time zone",
        max_length=64,
        blank=True,
        validators=[check_timezone],
        help_text="For numbers without a place, such as toll-free ones. Empty: the organization's.",
    )
    contact_zone_rule = models.CharField(
        "contradicting time zones",
        max_length=13,
        choices=ContactZoneRule,
        default=ContactZoneRule.BOTH_OPEN,
        help_text="For contacts whose own time zone is none of their number's.",
    )
    campaign_zone_countries = models.JSONField(
        "countries in the campaign's time zone",
        default=list,
        blank=True,
        validators=[check_regions],
        help_text="Countries whose numbers are called by the campaign's time zone where they may be in several.",
    )
    campaign_zone_reason = models.CharField(
        "reason for the campaign's time zone",
        max_length=500,
        blank=True,
        help_text="Why these countries are called by the campaign's time zone. It is recorded.",
    )
    holidays = models.JSONField(default=list, blank=True, validators=[check_holidays])
    max_attempts = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="Calls to one contact in total."
    )
    try_next_number = models.BooleanField(
        "try the next number",
        default=False,
        help_text="After the last unanswered call to a number, call the contact's next number.",
    )
    min_gap_minutes = models.PositiveIntegerField(
        "minimum gap", null=True, blank=True, help_text="Minutes between two calls. Empty: the organization's."
    )
    max_open_calls = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no campaign limit.")
    calls_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Spread evenly over the minute. Empty: no campaign limit."
    )
    priority = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="The campaign's share of a provider account that several campaigns use: 2 gets twice the calls of 1.",
    )
    budget = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    budget_currency = CurrencyField()
    legal_override = models.CharField(
        max_length=500,
        blank=True,
        help_text="A reason here lifts the legal calling hours. It is recorded.",
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    callback_url = models.CharField(max_length=2000, blank=True, validators=[check_callback_url])
    # How its results are shown, as `rules.result_fields` stores it. None: nobody has chosen.
    result_fields = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The last step of the wizard that is done; 0: created on one page or over the API.
    drafted_through = models.PositiveSmallIntegerField(default=0, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)  # of the rules; see CampaignVersion
    next_call_at = models.DateTimeField(null=True, blank=True, editable=False)  # the pace allows no call before
    share_used = models.FloatField(default=0, editable=False)  # enqueued calls by priority: the least is next
    # Whose turn it is to make first calls, by assistant and caller number; written under the row's lock.
    rotation = models.JSONField(default=list, editable=False)
    launched_through = models.BigIntegerField(default=0, editable=False)  # list members up to this id are recipients
    # Contacts up to this id were compared with the segments.
    matched_through = models.BigIntegerField(default=0, db_default=0, editable=False)
    # All list members are recipients, and all contacts that the segments had.
    launched_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Of the rules, as the engine last saw them. After an edit, all waiting recipients are reassessed by id, from where
    # the engine is to the last one, then from the first one to `look_again_until`.
    inputs_digest = models.CharField(max_length=32, blank=True, editable=False)
    look_again_after = models.BigIntegerField(null=True, blank=True, editable=False)
    look_again_until = models.BigIntegerField(default=0, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["status"], name="campaign_status")]  # the engine's queries

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> str:
        return self.timezone or self.organization.timezone

    @property
    def zone_rule(self) -> ZoneRule:
        """Return what the campaign says about time zones, as the pure `ZoneRule`."""
        trusts = self.contact_zone_rule == self.ContactZoneRule.TRUST_CONTACT
        return ZoneRule(self.zone, trusts, frozenset(self.campaign_zone_countries))

    @property
    def spending_limit(self) -> Money | None:
        """The budget. None: no limit."""
        return Money.known(self.budget, self.budget_currency)

    @property
    def editable(self) -> bool:
        """Return whether the rules may still be changed."""
        return self.status not in self.OVER


class CampaignVariant(models.Model):
    """Another assistant of the campaign: for a share of the recipients, or if the other assistants cannot call."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="variants")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="variants")
    weight = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(1000)])  # 0: fallback only

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["campaign", "assistant"], name="one_variant_each")]

    def __str__(self) -> str:
        return f"{self.assistant} ({self.weight})"


class CampaignVersion(models.Model):
    """One version of a campaign's rules. Append-only."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(default=utc_now)
    actor = models.CharField(max_length=200)
    changes = models.JSONField(default=dict)  # {field: [before, after]}
    rules = models.JSONField(default=dict)  # all rules, in the API's format

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["campaign", "number"], name="one_version_each")]

    def __str__(self) -> str:
        return f"{self.campaign}, version {self.number}"


class CallingWindow(models.Model):
    """Hours of some weekdays in which contacts may be called, in the contact's local time."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="windows")
    days = models.JSONField(default=list, validators=[parse_day_names], help_text='Like ["mon", "tue"].')
    opens = models.PositiveSmallIntegerField(validators=[MaxValueValidator(1439)])  # minutes after midnight
    closes = models.PositiveSmallIntegerField(validators=[MaxValueValidator(1440)])  # before `opens`: on the next day

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(opens=F("closes")), name="window_has_a_length"),
        ]

    def __str__(self) -> str:
        return f"{' '.join(day for day in DAYS if day in self.days)} {self.as_window().text}"

    def as_window(self) -> Window:
        return Window(days=parse_day_names(self.days), opens=self.opens, closes=self.closes)


class RetryRule(models.Model):
    """When to retry after one kind of outcome. An outcome without a rule is not retried."""

    class Outcome(models.TextChoices):
        NO_ANSWER = "no_answer", "No answer"
        BUSY = "busy", "Busy"
        FAILED = "failed", "Failed"
        VOICEMAIL = "voicemail", "Voicemail"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="retry_rules")
    outcome = models.CharField(max_length=9, choices=Outcome)
    wait_minutes = models.PositiveIntegerField(default=60, validators=[MaxValueValidator(60 * 24 * 60)])
    max_attempts = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1), MaxValueValidator(50)])
    multiplier = models.DecimalField(
        max_digits=4,
        decimal_places=2,
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="Each wait is the previous wait times this.",
    )
    max_wait_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(60 * 24 * 60)], help_text="Empty: no upper limit."
    )
    other_time_of_day = models.BooleanField(
        default=False,
        help_text="Retry in another part of the day: morning, afternoon or evening, if the windows allow it.",
    )

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["campaign", "outcome"], name="one_rule_per_outcome")]

    def __str__(self) -> str:
        return f"{self.outcome}: again after {self.wait_minutes} min, at most {self.max_attempts} calls"


def retry_rule(rule: RetryRule) -> retries.Rule:
    """Return a stored rule as the pure `retries.Rule`."""
    return retries.Rule(
        outcome=rule.outcome,
        wait=timedelta(minutes=rule.wait_minutes),
        max_attempts=rule.max_attempts,
        multiplier=rule.multiplier,
        max_wait=None if rule.max_wait_minutes is None else timedelta(minutes=rule.max_wait_minutes),
        other_time_of_day=rule.other_time_of_day,
    )


def min_gap_of(organization: Organization, campaign: Campaign | None = None) -> timedelta:
    """Return the shortest time between two calls to a contact: the campaign's own, else the organization's."""
    if campaign is None or campaign.min_gap_minutes is None:
        return timedelta(minutes=organization.min_gap_minutes)
    return timedelta(minutes=campaign.min_gap_minutes)


def longest_min_gap_of(organization: Organization) -> timedelta:
    """Return the longest minimum gap that holds for any of the organization's calls."""
    longest = organization.campaigns.aggregate(minutes=Max("min_gap_minutes"))["minutes"] or 0
    return max(min_gap_of(organization), timedelta(minutes=longest))
