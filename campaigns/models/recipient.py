"""The progress of each recipient of a campaign."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import ClassVar

from django.db import models
from django.db.models import Q

from campaigns.models.campaign import Campaign
from campaigns.models.contact import Contact
from campaigns.rules.spoken import REASON as PLACEHOLDER_REASON
from providers.models import Assistant, PhoneNumber
from tenants.db.loaded import LoadedQuickly


class Recipient(LoadedQuickly):
    """One contact in one campaign."""

    class Status(models.TextChoices):
        PENDING = "pending", "Not called yet"
        CALLING = "calling", "Call under way"
        WAITING = "waiting", "Waiting for another call"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Not called"
        REVIEW = "review", "Needs attention"
        WITHDRAWN = "withdrawn", "Withdrawn"

    WAITING_STATUSES = (Status.PENDING, Status.WAITING)  # the gate decides about them when they are due
    # Held for a value that nobody means to speak: they wait for a team member, or for an edit of the contact or rules.
    HELD = Q(status=Status.REVIEW, reason__startswith=PLACEHOLDER_REASON)

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="recipients", db_index=False)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="recipients")
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=16, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    number_position = models.PositiveSmallIntegerField(default=0)  # which of the contact's numbers is called
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    sort_key = models.IntegerField(default=0)
    # Set by the first call, and kept for later calls. Without indexes: only the rare deletion of an assistant or of a
    # caller number would read them, and each call would write them.
    assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    # A team member said that the values nobody seems to mean may be spoken. The launch inserts rows without it.
    values_approved = models.BooleanField(default=False, db_default=False, editable=False)
    waits_in = models.CharField(max_length=64, blank=True)  # the time zone whose calling hours the recipient waits for

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["campaign", "contact"], name="once_per_campaign")]
        indexes: ClassVar = [
            # Enqueueing: the next due recipients of a running campaign.
            models.Index(
                fields=["campaign", "next_attempt_at", "sort_key"],
                name="recipient_due",
                condition=Q(status__in=["pending", "waiting"]),
            ),
            # No index has `attempts`, so that a claim, which counts one, changes no index (a HOT update).
            # The list of a campaign's recipients with one reason.
            models.Index(fields=["campaign", "reason", "-id"], name="recipient_reason", condition=~Q(reason="")),
            # The alert about recipients whose calling hours never open.
            models.Index(fields=["campaign"], name="recipient_no_opening", condition=Q(reason="no_opening")),
            # The list of a campaign's recipients, whole and by status.
            models.Index(fields=["campaign", "-id"], name="recipient_list"),
            models.Index(fields=["campaign", "status", "-id"], name="recipient_list_status"),
        ]

    def __str__(self) -> str:
        return f"{self.contact} in {self.campaign}"

    @property
    def held(self) -> bool:
        """Return whether the recipient is held for a value that nobody means to speak."""
        return self.status == self.Status.REVIEW and self.reason.startswith(PLACEHOLDER_REASON)

    @property
    def number(self) -> str:
        """Return the number that the next call goes to: the first one where the contact has none in that place.

        Only another number than the first needs a query, unless `load_numbers` read it.
        """
        if not self.number_position:
            return self.contact.phone
        numbers = self.contact.numbers
        return numbers[self.number_position] if self.number_position < len(numbers) else numbers[0]


def load_numbers(recipients: Iterable[Recipient]) -> None:
    """Read the further numbers of the recipients that are not called at the first one, with one query at most."""
    later = [recipient.contact for recipient in recipients if recipient.number_position]
    models.prefetch_related_objects(later, "further_numbers")
