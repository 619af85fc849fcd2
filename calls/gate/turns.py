"""Whose turn it is: which of an organization's campaigns enqueue calls now, and which of their recipients are due.

Enqueueing follows it, and explanations say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from calls.gate import fair_share
from calls.gate.capacity import room_of
from calls.gate.selection import Choices
from campaigns.models import Campaign, Recipient
from providers.models import ProviderAccount


def due_of(campaign: Campaign, now: datetime) -> QuerySet[Recipient]:
    """Return the recipients that the gate decides about now, in the order in which they are called."""
    return _due(campaign.recipients.all(), now).order_by("next_attempt_at", "sort_key")


def with_due_recipients(campaigns: QuerySet[Campaign], now: datetime) -> QuerySet[Campaign]:
    """Return the running ones of these campaigns that have a due recipient."""
    due = _due(Recipient.objects.filter(campaign=OuterRef("pk")), now)
    return campaigns.filter(Exists(due), status=Campaign.Status.RUNNING)


def _due(recipients: QuerySet[Recipient], now: datetime) -> QuerySet[Recipient]:
    return recipients.filter(status__in=Recipient.WAITING_STATUSES, next_attempt_at__lte=now)


@dataclass(frozen=True)
class Contest:
    """The campaigns that may enqueue calls now, what each can call with, and the accounts that they share."""

    contenders: list[fair_share.Contender]
    choices: dict[int, Choices]  # by the campaign's internal key
    accounts: dict[int, ProviderAccount]
    rooms: dict[int, int]  # how many more calls may be queued at each account

    def count_rooms(self, now: datetime) -> None:
        """Count the rooms again."""
        self.rooms.update({pk: room_of(account, now) for pk, account in self.accounts.items()})


def contest_of(campaigns: Sequence[Campaign], now: datetime) -> Contest:
    """Return the contest of running campaigns that have due recipients."""
    choices = {campaign.pk: Choices(campaign, now) for campaign in campaigns}
    accounts = {account.pk: account for each in choices.values() for account in each.accounts()}
    rooms = {pk: room_of(account, now) for pk, account in accounts.items()}
    most = sum(room for room in rooms.values() if room > 0)
    contenders = [
        fair_share.Contender(
            campaign.pk,
            campaign.priority,
            campaign.share_used,
            frozenset(choice.account.pk for choice, _ in choices[campaign.pk].shares()),
            due_of(campaign, now)[:most].count(),
        )
        for campaign in campaigns
    ]
    return Contest(contenders, choices, accounts, rooms)
