"""Caller numbers that may call today after all: those who wait for one of them are asked again.

Queued calls were put off until the oldest call of a spent number is a day old; so were people whose assistant has none
but spent numbers, while another assistant of their campaign may call. It can be sooner: a call that was counted is
refused or turns out never to have been sent, or staff let the number call more often.
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
SPARE, AT_MOST = 8, 200  # people asked beyond the calls that are left, for some may not be called now; and at most
S = Recipient.Status


def wake(now: datetime) -> int:
    """Answers how many are due now. The gate decides as ever: who still has to wait is put off again."""
    left = _left(now)
    if not left:
        return 0
    campaigns = Campaign.objects.filter(status=Campaign.Status.RUNNING, phone_numbers__in=left).distinct()
    return _wake_calls(left, now) + sum(_wake_people(campaign, left, now) for campaign in campaigns)


def _left(now: datetime) -> dict[int, int]:
    """What each number with a cap may still call today, by its internal key; those with nothing left are not in it."""
    numbers = PhoneNumber.objects.filter(is_active=True, max_calls_per_day__isnull=False)
    use = facts.use_of(numbers, now)
    return {each.pk: calls for each in numbers if (calls := use.get(each.pk, facts.UNUSED).left(each))}


def _wake_calls(left: Mapping[int, int], now: datetime) -> int:
    """Those that are queued from such a number. A row that somebody else holds is left to the next time."""
    with transaction.atomic():
        queued = Call.objects.queued().filter(phone_number__in=left, status_reason=REASON, due_at__gt=now)
        locked = queued.select_for_update(skip_locked=True, of=("self",)).order_by("-priority", "due_at", "pk")
        return Call.objects.filter(pk__in=list(locked.values_list("pk", flat=True)[:AT_MOST])).update(due_at=now)


def _wake_people(campaign: Campaign, left: Mapping[int, int], now: datetime) -> int:
    numbers = campaign.phone_numbers.filter(pk__in=left).values_list("pk", "account")
    room = sum(left[number] for number, _ in numbers)
    with transaction.atomic():
        waiting = campaign.recipients.filter(
            Q(assistant=None) | Q(assistant__account__in={account for _, account in numbers}),
            status__in=(S.PENDING, S.WAITING),
            reason=REASON,
            next_attempt_at__gt=now,
        )
        locked = waiting.select_for_update(skip_locked=True, of=("self",)).order_by("next_attempt_at", "sort_key")
        found = list(locked.values_list("pk", flat=True)[: min(room + SPARE, AT_MOST)])
        return Recipient.objects.filter(pk__in=found).update(next_attempt_at=now)
