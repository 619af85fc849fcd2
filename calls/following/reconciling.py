"""Reconcile: search for unconfirmed calls where the provider can list its calls, and give up after 26 hours.

An unconfirmed call is never dialled again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.following import rescheduling
from calls.following.rescheduling import NextRead
from calls.models import Call, CallEvent, Polling, Status, record_event
from calls.outcomes import poll_schedule, recording
from calls.outcomes.plausibility import is_another_number
from providers.adapters import http
from providers.adapters.base import Provider, Reading, Remark
from providers.adapters.call_ids import same_call
from providers.adapters.errors import ProviderError
from providers.models import ProviderAccount
from tenants import alerts, failpoints

logger = logging.getLogger(__name__)
BATCH = 100
MAX_PAGES = 20
LONGEST_SEARCH = 60.0  # seconds for all pages; the calls are leased for longer
FOUND_TWICE = "found_twice"  # the type of the event
OTHER_NUMBER = "The call with our reference is to another number."
BEFORE_THE_DIAL = timedelta(seconds=60)  # how far the provider's clock may be behind ours

Found = dict[int, list[Reading]]  # the call's key -> the provider's calls with its reference


def claim(limit: int = BATCH) -> dict[ProviderAccount, list[Call]]:
    """Lease unconfirmed calls that are due for a search, and return them by account.

    Calls whose doubt has lasted too long are given up here.
    """
    now = timezone.now()
    by_account: defaultdict[ProviderAccount, list[Call]] = defaultdict(list)
    with transaction.atomic():
        due = Polling.objects.filter(calls__in=Call.objects.due_for_reconciling(now)).order_by("next_read_at")
        rows = list(due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:limit])
        Polling.objects.filter(pk__in=rows).update(next_read_at=now + poll_schedule.READ_LEASE)
        related = ("account", "organization", "polling")
        calls = list(Call.objects.filter(polling__in=rows).select_related(*related).order_by("pk"))
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


class _Page:
    """The rows of one page of a provider's list, and which of them are wanted."""

    def __init__(self, adapter: Provider, wanted: Mapping[str, Call], found: Found) -> None:
        self._adapter = adapter
        self._wanted = wanted
        self._found = found
        self._times: list[datetime | None] = []
        self.last_row = b""

    def take(self, row: bytes) -> None:
        """Read one row. A row that cannot be read costs itself."""
        try:
            reading = self._adapter.read_row(row)
        except ProviderError:
            self._times.append(None)
            return
        self.last_row = row
        if reading is not None:
            self.add(reading)

    def add(self, reading: Reading) -> None:
        """Keep the reading if it has a wanted reference: that alone is proof, whatever is beside it."""
        self._times.append(reading.created_at)
        call = self._wanted.get(reading.reference.strip().lower())
        if call is None:
            return
        if is_another_number(reading.to_number, call.to_number):
            doubt = Remark("to_number", reading.to_number, OTHER_NUMBER, taken=False, field="to_number")
            reading = replace(reading, to_number="", remarks=(*reading.remarks, doubt))
        others = self._found.setdefault(call.pk, [])
        same = [other for other in others if _are_one(other, reading)]
        if not same:
            others.append(reading)
        elif not same[0].provider_call_id:
            others[others.index(same[0])] = reading

    def is_before(self, moment: datetime) -> bool:
        """Return whether all rows say that they are older. An unreadable time, or none at all, proves nothing.

        Neither does a page with the oldest row first: then the later pages are newer.
        """
        times = [at for at in self._times if at is not None]
        if not times or len(times) < len(self._times) or times[0] < times[-1]:
            return False
        return max(times) < moment


def _are_one(one: Reading, other: Reading) -> bool:
    """Return whether two rows with one reference are one call: a page may come twice, and a row may lack its ID."""
    ids = one.provider_call_id, other.provider_call_id
    return not all(ids) or same_call(*ids)


async def search(client: http.Client, account: ProviderAccount, calls: Sequence[Call]) -> Found:
    """Read the provider's list back to the oldest dial of these calls. Return what was found, by the call's key.

    The list is read on when all calls are found, because the provider may have dialled one of them twice.
    """
    adapter = account.adapter
    wanted = {call.reference.lower(): call for call in calls}
    oldest = min(call.dialed_at or call.created_at for call in calls) - BEFORE_THE_DIAL
    found: Found = {}
    pages = [""]
    try:
        async with asyncio.timeout(LONGEST_SEARCH):
            for _ in range(MAX_PAGES):
                page = _Page(adapter, wanted, found)
                envelope = await client.rows(adapter.list_calls(pages[-1]), page.take)
                listing = adapter.read_list(envelope, page.last_row)
                for reading in listing.calls:
                    page.add(reading)
                if listing.next_page in ("", *pages) or page.is_before(oldest):
                    break
                pages.append(listing.next_page)
    except TimeoutError:
        logger.warning("Account %s: its list of calls was not read to the end: it took too long", account.pk)
    except ProviderError as error:
        logger.warning("Account %s: its list of calls could not be read: %s", account.pk, type(error).__name__)
    return found


async def search_and_record(
    client: http.Client, db: Callable[..., Awaitable[None]], account: ProviderAccount, calls: Sequence[Call]
) -> None:
    """Search for these calls of one account and record what is found. `db` runs a function beside the event loop.

    Accounts are searched at the same time, so that a provider whose list is slow delays no other.
    """
    try:
        await db(record, calls, await search(client, account, calls))
    except Exception:  # when their lease ends, they are searched for again
        logger.exception("Account %s: the search for its calls failed", account.pk)


def record(calls: Sequence[Call], found: Found) -> None:
    """Record the calls that were found, and search for the others again later."""
    now = timezone.now()
    failpoints.reach("reconciling.listed")
    for call in calls:
        readings = found.get(call.pk, ())
        if len(readings) == 1:
            recording.record(call.pk, readings[0], CallEvent.Source.LISTING)
            failpoints.reach("reconciling.recorded")
        elif readings:
            _found_twice(call, readings, now)
        else:
            _search_later(call, now)


def _found_twice(call: Call, readings: Sequence[Reading], now: datetime) -> None:
    """Tell a person, once: the provider has several calls with our reference. It dialled twice, or copied one."""
    ids = ", ".join(sorted(reading.provider_call_id for reading in readings))
    detail = f"The provider lists {len(readings)} calls with this call's reference: {ids}."
    if not call.events.filter(type=FOUND_TWICE, detail=detail).exists():
        record_event(call, FOUND_TWICE, CallEvent.Source.LISTING, detail)
        message = (
            f"Provider account “{call.account.name}” lists {len(readings)} calls for call {call.uuid}: {ids}. Look "
            "them up at the provider, and settle the call on its page."
        )
        alerts.tell(call.organization, f"account.{FOUND_TWICE}:{call.uuid}", message, str(call.account.uuid))
    _search_later(call, now)


def _search_later(call: Call, now: datetime) -> None:
    """Search for an unconfirmed call again later, unless evidence that came meanwhile has set another time, or none.

    So for a call that a team member ended, which is `unknown`. A followed call keeps its lease: its ID may come soon.
    """
    if call.polling and call.status in (Status.UNCONFIRMED, Status.UNKNOWN):
        rescheduling.store([NextRead.postponed(call.polling, poll_schedule.next_search(call, now))])
