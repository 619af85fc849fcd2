"""Reconcile: search for unconfirmed calls where the provider can list its calls, and give up after 26 hours.

An unconfirmed call is never dialled again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.models import Call, CallEvent, Status
from calls.outcomes import poll_schedule, recording
from providers.adapters import http
from providers.adapters.base import Reading
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants import failpoints

logger = logging.getLogger(__name__)
BATCH = 100
MAX_PAGES = 20
BEFORE_THE_DIAL = timedelta(seconds=60)  # how far the provider's clock may be behind ours


def claim(limit: int = BATCH) -> dict[ProviderAccount, list[Call]]:
    """Lease unconfirmed calls that are due for a search, and return them by account.

    Calls whose doubt has lasted too long are given up here.
    """
    now = timezone.now()
    by_account: defaultdict[ProviderAccount, list[Call]] = defaultdict(list)
    with transaction.atomic():
        due = Call.objects.due_for_reconciling(now).select_for_update(skip_locked=True, of=("self",))
        calls = list(due.select_related("account").order_by("next_read_at")[:limit])
        Call.objects.filter(pk__in=[call.pk for call in calls]).update(next_read_at=now + poll_schedule.READ_LEASE)
        if calls:
            failpoints.reach("reconciling.claiming")
    if calls:
        failpoints.reach("reconciling.claimed")
    for call in calls:
        since = call.dialed_at or call.created_at
        if now - since >= poll_schedule.DOUBT_LASTS:
            recording.give_up(
                call.pk, Status.UNKNOWN, "26 hours without evidence that it was placed, or that it was not."
            )
        elif call.account.adapter.can_find_by_reference:
            by_account[call.account].append(call)
        else:
            _search_later(call, now)
    return by_account


async def search(client: http.Client, account: ProviderAccount, calls: Sequence[Call]) -> dict[int, Reading]:
    """Read the provider's list back to the oldest dial of these calls. Return what was found, by the call's key."""
    adapter = account.adapter
    wanted = {call.reference: call for call in calls}
    oldest = min(call.dialed_at or call.created_at for call in calls) - BEFORE_THE_DIAL
    found: dict[int, Reading] = {}
    page = ""
    try:
        for _ in range(MAX_PAGES):
            listing = adapter.read_list(await client.read(adapter.list_calls(page)))
            for reading in listing.calls:
                call = wanted.get(reading.reference)
                if call is not None and reading.to_number in ("", call.to_number):
                    found[call.pk] = reading
            moments = [reading.created_at for reading in listing.calls if reading.created_at]
            page = listing.next_page
            if not page or (moments and min(moments) < oldest) or len(found) == len(wanted):
                break
    except ProviderError as error:
        logger.warning("Account %s: its list of calls could not be read: %s", account.pk, error)
    return found


def record(calls: Sequence[Call], found: dict[int, Reading]) -> None:
    """Record the calls that were found, and search for the others again later."""
    now = timezone.now()
    failpoints.reach("reconciling.listed")
    for call in calls:
        if reading := found.get(call.pk):
            recording.record(call.pk, reading, CallEvent.Source.LISTING)
            failpoints.reach("reconciling.recorded")
        else:
            _search_later(call, now)


def _search_later(call: Call, now: datetime) -> None:
    # A call that a team member ended is `unknown`, and searched for as before.
    still = Call.objects.filter(
        pk=call.pk, status__in=(Status.UNCONFIRMED, Status.UNKNOWN), provider_call_id="", next_read_at__isnull=False
    )
    still.update(next_read_at=poll_schedule.next_search(call, now))
