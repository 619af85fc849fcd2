"""The call: one dial attempt, with its order, its status and the constraints that keep it consistent."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Lower, NullIf
from django.utils.timezone import now as utc_now

from calls.models.costing import Costed
from calls.models.polling import Polled
from calls.models.statuses import (
    FOLLOWED,
    MAY_BE_OVERDUE,
    OPEN,
    TERMINAL,
    Status,
    answered_by_voicemail,
)
from campaigns.models import Campaign, Contact, Recipient
from providers.adapters.base import CallHandle, CallOrder
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization


def new_token() -> str:
    return secrets.token_urlsafe(32)


def new_reference() -> str:
    """Return the reference that goes to the provider. It is no secret, because a voice could read it out."""
    return secrets.token_hex(8)


ID_IN_LOWER_CASE = NullIf(Lower("provider_call_id"), models.Value(""))


def _dialed_before(now: datetime) -> Combinable:
    """Return the moment before which a call was dialled that is overdue now, by the longest call of its account."""
    # SQLite multiplies a duration by a plain integer only.
    minutes = ExpressionWrapper(F("account__longest_call_minutes"), output_field=models.IntegerField())
    longest = ExpressionWrapper(minutes * Value(timedelta(minutes=1)), output_field=DurationField())
    return ExpressionWrapper(Value(now) - longest, output_field=DateTimeField())


def holds_a_line(now: datetime) -> Q:
    """Return the condition for open calls that take a line of their account, caller number and campaign."""
    return Q(status=Status.PLACING) | Q(dialed_at=None) | Q(dialed_at__gt=_dialed_before(now))


def is_overdue(now: datetime) -> Q:
    """Return the condition for open calls that were dialled longer ago than the longest call of their account."""
    return Q(status__in=MAY_BE_OVERDUE, dialed_at__lte=_dialed_before(now))


class CallQuerySet(models.QuerySet["Call"]):
    def open(self) -> CallQuerySet:
        """Return calls whose phone may be ringing, overdue ones as well: nobody else calls the same person."""
        return self.filter(status__in=OPEN)

    def overdue(self, now: datetime) -> CallQuerySet:
        """Return open calls that were dialled longer ago than the longest call of their account lasts."""
        return self.filter(is_overdue(now))

    def holding_a_line(self, now: datetime) -> CallQuerySet:
        """Return the open calls that take a line: all but the overdue ones."""
        return self.open().filter(holds_a_line(now))

    def queued(self) -> CallQuerySet:
        return self.filter(status=Status.QUEUED)

    def about_to_go(self, by: datetime) -> CallQuerySet:
        """Return queued calls that are due by `by`, without the calls of paused campaigns, which keep waiting."""
        return self.queued().filter(due_at__lte=by).exclude(campaign__status=Campaign.Status.PAUSED)

    def stranded(self, now: datetime) -> CallQuerySet:
        """Return claimed calls without an answer within their lease."""
        return self.filter(status=Status.PLACING, lease_until__lt=now)

    def due_for_read(self, now: datetime) -> CallQuerySet:
        """Return calls to read now that have a provider ID: open ones, and ended ones whose result is awaited.

        So is the real end of a call that a team member ended.
        """
        return self.filter(polling__next_read_at__lte=now).exclude(provider_call_id="")

    def due_for_reconciling(self, now: datetime) -> CallQuerySet:
        """Return calls to search for now, because their provider ID is not known.

        They are open, or a team member ended them.
        """
        sought = (Status.UNCONFIRMED, *FOLLOWED, Status.UNKNOWN)
        return self.filter(status__in=sought, polling__next_read_at__lte=now, provider_call_id="")


class Call(Costed, Polled):
    """One dial attempt. The order is frozen at creation; after the claim, `outcomes` alone writes the rest."""

    PRIORITY_BULK = 0
    PRIORITY_SCHEDULED_CALLBACK = 50
    PRIORITY_SINGLE = 100

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    # Foreign keys without an index of their own: one of those below begins with the column, for deletions too.
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="calls", db_index=False)
    recipient = models.ForeignKey(Recipient, on_delete=models.PROTECT, null=True, blank=True, related_name="calls")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, null=True, blank=True, related_name="calls", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="calls", db_index=False)
    account = models.ForeignKey(ProviderAccount, on_delete=models.PROTECT, related_name="calls", db_index=False)
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="calls", db_index=False)
    phone_number = models.ForeignKey(PhoneNumber, on_delete=models.PROTECT, related_name="calls", db_index=False)
    to_number = models.CharField(max_length=16)
    # Of the number, after it is erased, for disputes.
    to_number_hash = models.CharField(max_length=64, blank=True, editable=False)
    from_number = models.CharField(max_length=16)
    customer_name = models.CharField(max_length=200, blank=True)
    dynamic_variables = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    attempt = models.PositiveSmallIntegerField(default=1)  # number of the recipient's attempt
    campaign_version = models.PositiveIntegerField(null=True, blank=True)  # the rules in force at the claim
    asked_for = models.BooleanField(default=False)  # the call of a scheduled callback
    reference = models.CharField(max_length=32, default=new_reference, editable=False)
    callback_token = models.CharField(max_length=64, default=new_token, editable=False)
    callback_url = models.CharField(max_length=2000, blank=True)
    callback_outcome = models.CharField(max_length=9, blank=True)  # status of its webhook delivery, after the purge
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    status = models.CharField(max_length=11, choices=Status, default=Status.QUEUED)
    status_reason = models.CharField(max_length=200, blank=True)  # why the call waits, or why it was not placed
    priority = models.SmallIntegerField(default=PRIORITY_BULK)
    due_at = models.DateTimeField(null=True, blank=True, default=utc_now)
    not_before = models.DateTimeField(null=True, blank=True)
    not_after = models.DateTimeField(null=True, blank=True)
    placing_attempts = models.PositiveSmallIntegerField(default=0)  # the fence: the claim an answer belongs to
    lease_until = models.DateTimeField(null=True, blank=True)
    # When our request went out, or may have; empty again when it certainly placed nothing. Gaps and caps count these.
    dialed_at = models.DateTimeField(null=True, blank=True)
    decision = models.JSONField(default=dict, blank=True)  # the gate's checks at the last claim

    provider_call_id = models.CharField(max_length=200, blank=True)
    # The public ID of another call of the account to which the provider gave the same ID.
    id_shared_with = models.UUIDField(null=True, blank=True, editable=False)
    provider_status = models.CharField(max_length=100, blank=True)
    placed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)  # ringing
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(null=True, blank=True)
    billed_duration_seconds = models.PositiveIntegerField(null=True, blank=True)
    ended_reason = models.CharField(max_length=200, blank=True)
    provider_reason = models.CharField(max_length=500, blank=True)
    answered_by = models.CharField(max_length=64, blank=True)
    error_code = models.CharField(max_length=100, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    result = models.JSONField(null=True, blank=True)
    result_text = models.TextField(blank=True)  # a result without one structured meaning, as it came
    result_status = models.CharField(max_length=16, blank=True)
    # What the provider said and is not believed, newest last: [{"field", "said", "why"}].
    doubts = models.JSONField(default=list, blank=True)
    terminal_at = models.DateTimeField(null=True, blank=True)  # when the end was stored, by our clock

    settle_until = models.DateTimeField(null=True, blank=True)  # until then an ended call is read for its result

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # Not `unique=True`, which makes a second index for searches by prefix: whoever has these has all of them.
            models.UniqueConstraint(fields=["reference"], name="one_call_per_reference"),
            models.UniqueConstraint(fields=["callback_token"], name="one_call_per_token"),
            # Two campaigns cannot call one phone number at once.
            models.UniqueConstraint(
                fields=["organization", "to_number"], name="one_open_call_per_number", condition=Q(status__in=OPEN)
            ),
            # An ID in another case is the same call. Also read by `provider_ids`. Calls without an ID are NULL, because
            # PostgreSQL 15 uses no statistics of an expression in a partial index.
            models.UniqueConstraint("account", ID_IN_LOWER_CASE, name="one_call_per_provider_id"),
            # One single call may be queued for a number, beside one of each campaign.
            models.UniqueConstraint(
                fields=["organization", "to_number"],
                name="one_queued_single_call",
                condition=Q(status=Status.QUEUED, recipient=None),
            ),
            # A recipient has at most one queued or open call, even if two workers enqueue it.
            models.UniqueConstraint(
                fields=["recipient"],
                name="one_call_under_way",
                condition=Q(status__in=(Status.QUEUED, *OPEN)),
            ),
            # Polling: the call of a due row. The database also looks for it before it deletes such a row.
            models.UniqueConstraint(
                fields=["polling"], name="one_call_per_polling", condition=Q(polling__isnull=False)
            ),
            # No call can be stuck: each status before the end has a time at which the engine takes the call up again.
            models.CheckConstraint(
                condition=(
                    (Q(status=Status.QUEUED) & Q(due_at__isnull=False))
                    | (Q(status=Status.PLACING) & Q(lease_until__isnull=False))
                    | (Q(status__in=(Status.UNCONFIRMED, *FOLLOWED)) & Q(polling__isnull=False))
                    | Q(status__in=TERMINAL)
                ),
                name="somebody_looks_again",
            ),
            # No reserve is kept by mistake: an ended call that is not read any more sets nothing aside.
            models.CheckConstraint(
                condition=~Q(status__in=TERMINAL) | Q(polling__isnull=False) | Q(cost_reserved=0),
                name="reserve_released",
            ),
        ]
        indexes: ClassVar = [
            # Placing: the next due calls of a provider account.
            models.Index(
                fields=["account", "-priority", "due_at", "id"],
                name="call_queue",
                condition=Q(status=Status.QUEUED),
            ),
            # Capacity: the open calls of a provider account, and which of them are overdue. Also the reaper, which
            # looks for those being placed among all that are open.
            models.Index(
                fields=["account", "status", "dialed_at"], name="call_open_account", condition=Q(status__in=OPEN)
            ),
            # Searching: the calls without a provider ID.
            models.Index(
                fields=["polling"], name="call_sought", condition=Q(polling__isnull=False, provider_call_id="")
            ),
            # The gap and the caps of a contact; also the contact's page.
            models.Index(fields=["contact", "-id"], name="call_contact"),
            # Also for searches by the beginning of a number, for which PostgreSQL needs this operator class.
            models.Index(
                fields=["organization", "to_number", "-id"],
                name="call_to_number",
                opclasses=["int8_ops", "varchar_pattern_ops", "int8_ops"],
            ),
            # Evidence about a number whose owner was erased.
            models.Index(
                fields=["organization", "to_number_hash"], name="call_erased", condition=~Q(to_number_hash="")
            ),
            # Lists.
            models.Index(fields=["organization", "-id"], name="call_list"),
            models.Index(fields=["organization", "status", "-id"], name="call_list_status"),
            models.Index(fields=["campaign", "-id"], name="call_list_campaign"),
            models.Index(fields=["assistant", "-id"], name="call_list_assistant"),
            models.Index(fields=["campaign", "status", "-id"], name="call_campaign_status"),
            # What a campaign has set aside.
            models.Index(fields=["campaign"], name="call_reserved", condition=Q(cost_reserved__gt=0)),
            # Spent today through an account, and by an organization through its accounts; the calls of a caller number
            # within a day.
            models.Index(
                fields=["account", "dialed_at"], name="call_dialed_account", condition=Q(dialed_at__isnull=False)
            ),
            models.Index(fields=["phone_number", "dialed_at"], name="call_dialed_number"),
            # Today's figures on the dashboard.
            models.Index(
                fields=["organization", "terminal_at"], name="call_ended", condition=Q(terminal_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Call {str(self.uuid)[:8]}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def overdue_at(self) -> datetime | None:
        """When an open call is overdue, by the longest call of its account. None: it cannot be."""
        if self.status not in MAY_BE_OVERDUE or self.dialed_at is None:
            return None
        return self.dialed_at + timedelta(minutes=self.account.longest_call_minutes)

    def is_overdue(self, now: datetime) -> bool:
        """Return whether the call should have ended by now: it holds no line, and is still the one call of its person.

        `CallQuerySet.overdue` is the same rule for rows.
        """
        at = self.overdue_at
        return at is not None and at <= now

    @property
    def is_single(self) -> bool:
        """Whether a team member or a program ordered it by number. Calls of campaigns go to a person."""
        return self.recipient_id is None and self.campaign_id is None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_voicemail(self) -> bool:
        return answered_by_voicemail(self.answered_by, self.ended_reason)

    def as_order(self) -> CallOrder:
        """Return the order for the provider. Needs `assistant`, `phone_number` and `account` loaded."""
        return CallOrder(
            reference=self.reference,
            to_number=self.to_number,
            from_number=self.from_number,
            from_external_id=self.phone_number.external_id,
            assistant_external_id=self.assistant.external_id,
            assistant_options=self.assistant.options,
            customer_name=self.customer_name,
            dynamic_variables=self.dynamic_variables,
            callback_url=self.hook_url,
        )

    def as_handle(self) -> CallHandle:
        """Return what a provider needs to find the call again. Needs `assistant` loaded."""
        return CallHandle(
            provider_call_id=self.provider_call_id,
            reference=self.reference,
            to_number=self.to_number,
            assistant_external_id=self.assistant.external_id,
            assistant_options=self.assistant.options,
            placed_at=self.placed_at,
        )

    @property
    def hook_url(self) -> str:
        """The URL for status callbacks; "" when the provider sends none or Trunkline has no public address."""
        if not settings.PUBLIC_BASE_URL or not self.account.adapter.has_callbacks:
            return ""
        return f"{settings.PUBLIC_BASE_URL}/hooks/{self.account.provider}/{self.callback_token}"


def log_keys(call: Call) -> dict[str, object]:
    """Return the `extra` of a log line about a call: its campaign, if that was loaded.

    No query may be needed for a log line: it is written by event loops, and while the database is away.
    """
    return {"campaign": vars(call).get("campaign_id")}
