"""Wake calls and recipients that wait for the daily cap of a caller number, once the number may call again.

They were deferred until the oldest call of the number is a day old. The number may be free sooner: a counted call is
refused or turns out never to have been sent, or a team member raises the cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from calls.gate import facts
from calls.gate.checks import CheckName
from calls.models import Call
from campaigns.models import Campaign, Recipient
from providers.models import PhoneNumber

REASON = CheckName.CALLER_NUMBER_DAY
SPARE = 8  # recipients woken beyond the calls that are left, because the gate may defer some of them again
AT_MOST = 200


def wake(now: datetime) -> int:
    """Make calls and recipients due that wait for a number with calls left. Return how many.

    The gate still decides: what has to wait longer is deferred again.
    """
    left = _calls_left(now)
    if not left:
        return 0
    campaigns = Campaign.objects.filter(status=Campaign.Status.RUNNING, phone_numbers__in=left).distinct()
    return _wake_calls(left, now) + sum(_wake_recipients(campaign, left, now) for campaign in campaigns)


def _calls_left(now: datetime) -> dict[int, int]:
    """Return how often each capped number may still call now, by its key, without the numbers that may not."""
    numbers = PhoneNumber.objects.filter(is_active=True, max_calls_per_day__isnull=False)
    use = facts.use_of(numbers, now)
    return {each.pk: calls for each in numbers if (calls := use.get(each.pk, facts.UNUSED).left(each))}


def _wake_calls(left: Mapping[int, int], now: datetime) -> int:
    """Wake the queued calls from these numbers. A row that another worker holds is left to the next time."""
    with transaction.atomic():
        queued = Call.objects.queued().filter(phone_number__in=left, status_reason=REASON, due_at__gt=now)
        locked = queued.select_for_update(skip_locked=True, of=("self",)).order_by("-priority", "due_at", "pk")
        return Call.objects.filter(pk__in=list(locked.values_list("pk", flat=True)[:AT_MOST])).update(due_at=now)


def _wake_recipients(campaign: Campaign, left: Mapping[int, int], now: datetime) -> int:
    """Wake as many recipients as the campaign's numbers have calls left, and a few more."""
    numbers = campaign.phone_numbers.filter(pk__in=left).values_list("pk", "account")
    room = sum(left[number] for number, _ in numbers)
    with transaction.atomic():
        waiting = campaign.recipients.filter(
            Q(assistant=None) | Q(assistant__account__in={account for _, account in numbers}),
            status__in=Recipient.WAITING_STATUSES,
            reason=REASON,
            next_attempt_at__gt=now,
        )
        locked = waiting.select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at", "sort_key")
        found = list(locked.values_list("pk", flat=True)[: min(room + SPARE, AT_MOST)])
        return Recipient.objects.filter(pk__in=found).update(next_attempt_at=now)
