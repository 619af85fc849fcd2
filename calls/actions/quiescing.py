"""Wait until no claimed call of a set can still send: pause, do-not-call and the kill switch answer after that."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from calls.deadlines import SEND_WITHIN
from calls.models import Call, Status
from campaigns.models import DoNotCall


class IllegalNow(Exception):
    """The campaign is in a status that forbids it. A sentence."""


def silence_number(entry: DoNotCall) -> QuerySet[Call]:
    """After an entry on the do-not-call list: wait until nothing to it can be placed; answers its open calls."""
    calls = Call.objects.filter(organization=entry.organization_id, to_number=entry.phone)
    wait_for_silence(calls)
    return calls.open()


def silence_numbers(organization_id: int, phones: Collection[str]) -> QuerySet[Call]:
    """The same for many numbers. Those of open calls are few, however many are listed."""
    mine = Call.objects.filter(organization=organization_id)
    going = set(phones).intersection(mine.open().values_list("to_number", flat=True))
    calls = mine.filter(to_number__in=going)
    wait_for_silence(calls)
    return calls.open()


def wait_for_silence(calls: QuerySet[Call]) -> None:
    """Until no claim among these calls can still send its request. At most SEND_WITHIN seconds.

    A claim older than that has sent its request or never will (`placing.send`).
    """
    deadline = time.monotonic() + SEND_WITHIN + 0.5
    while time.monotonic() < deadline:
        young = timezone.now() - timedelta(seconds=SEND_WITHIN)
        if not calls.filter(status=Status.PLACING, dialed_at__gt=young).exists():
            return
        time.sleep(0.05)
