"""Wait until no claimed call of a set can still send its request.

Pause, cancel, hold, withdraw, do-not-call and "Stop all calls" return only after that.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from calls.deadlines import SEND_WITHIN
from calls.gate import persons
from calls.models import Call, Status
from campaigns.models import DoNotCall


class IllegalTransition(Exception):
    """The present status of the campaign, contact or callback forbids the action. The message is a sentence."""


def silence_number(entry: DoNotCall) -> QuerySet[Call]:
    """Wait until no call to someone with the number of a new do-not-call entry can be placed. Return the open calls."""
    return silence_numbers(entry.organization_id, [entry.phone])


def silence_numbers(organization_id: int, phones: Collection[str]) -> QuerySet[Call]:
    """Do the same for many numbers. Only open calls matter, and those are few."""
    found = list(Call.objects.open().filter(organization=organization_id).select_related("contact"))
    people, listed = persons.read(found), set(phones)
    calls = Call.objects.filter(pk__in=[call.pk for call in found if not listed.isdisjoint(people.reached(call))])
    wait_for_silence(calls)
    return calls.open()


def wait_for_silence(calls: QuerySet[Call]) -> None:
    """Wait until no claim among these calls can still send its request, at most about SEND_WITHIN seconds.

    An older claim has sent its request or never will (`placing.send`).
    """
    deadline = time.monotonic() + SEND_WITHIN + 0.5
    while time.monotonic() < deadline:
        young = timezone.now() - timedelta(seconds=SEND_WITHIN)
        if not calls.filter(status=Status.PLACING, dialed_at__gt=young).exists():
            return
        time.sleep(0.05)
