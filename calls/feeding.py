"""Feeding: due recipients of running campaigns become queued calls, only as far as capacity for the next two seconds
reaches. So a pause is immediate, and nothing waits in a provider's queue."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls import facts as fact_sheet
from calls import gate
from calls.models import OPEN, Call, CallEvent, Status
from campaigns import variables
from campaigns.models import Campaign, Recipient
from providers.models import PhoneNumber
from tenants import failpoints

logger = logging.getLogger(__name__)
AHEAD = timedelta(seconds=2)
LOOKED_AT = 200  # recipients asked the gate in one step
S = Recipient.Status


def running() -> list[int]:
    return list(Campaign.objects.filter(status=Campaign.Status.RUNNING).values_list("pk", flat=True))


def feed(campaign_id: int) -> int:
    """Queue what can be placed next of one campaign. Answers how many recipients were settled one way or another."""
    now = timezone.now()
    with transaction.atomic():
        related = ("organization", "assistant__account")
        campaign = Campaign.objects.select_related(*related).prefetch_related("windows").get(pk=campaign_id)
        room = _room(campaign, now)
        if room <= 0:
            return 0
        recipients = _due(campaign, now)
        if not recipients:
            return 0
        fed = _feed(campaign, recipients, room, now)
        failpoints.reach("feeding.feeding")
    failpoints.reach("feeding.fed")
    return fed


def _room(campaign: Campaign, now: datetime) -> int:
    """How many more calls may be queued: nothing that could not be placed within two seconds."""
    if campaign.status != Campaign.Status.RUNNING or campaign.assistant is None:
        return 0
    account, organization = campaign.assistant.account, campaign.organization
    if organization.calls_stopped or not organization.is_active or not account.is_active or account.blocked(now):
        return 0
    queued = account.calls.queued().filter(due_at__lte=now + AHEAD).count()
    room = min(
        account.max_open_calls - account.calls.open().count(),
        math.ceil(float(account.calls_per_second) * AHEAD.total_seconds()) + 1,
    )
    room -= queued
    mine = campaign.calls.filter(status__in=(Status.QUEUED, *OPEN))
    if campaign.max_open_calls is not None:
        room = min(room, campaign.max_open_calls - mine.count())
    if campaign.calls_per_minute is not None:
        room = min(room, _pace(campaign, now))
    return room


def _pace(campaign: Campaign, now: datetime) -> int:
    """Calls per minute, spread evenly: at most what one interval allows, never a minute's worth at once."""
    assert campaign.calls_per_minute is not None  # noqa: S101
    interval = timedelta(minutes=1) / max(1, campaign.calls_per_minute)
    minute = campaign.calls.filter(created_at__gt=now - timedelta(minutes=1)).count()
    last = campaign.calls.order_by("-pk").values_list("created_at", flat=True).first()
    since = now - last if last else timedelta(minutes=1)
    return min(campaign.calls_per_minute - minute, int(since / interval), max(1, math.ceil(AHEAD / interval)))


def _due(campaign: Campaign, now: datetime) -> list[Recipient]:
    due = campaign.recipients.filter(status__in=[S.PENDING, S.WAITING], next_attempt_at__lte=now)
    due = due.select_for_update(skip_locked=True, of=("self",)).select_related("contact")
    return list(due.order_by("next_attempt_at", "sort_key")[:LOOKED_AT])


def _feed(campaign: Campaign, recipients: Sequence[Recipient], room: int, now: datetime) -> int:
    assert campaign.assistant is not None  # noqa: S101
    account = campaign.assistant.account
    numbers = list(campaign.phone_numbers.filter(account=account, is_active=True).order_by("pk"))
    if not numbers:
        return 0
    calls = [call_for(campaign, recipient, caller_for(numbers, recipient)) for recipient in recipients]
    settled = 0
    for call, facts in zip(calls, fact_sheet.load(calls, now), strict=True):
        assert call.recipient is not None  # noqa: S101
        decision = gate.decide(facts, now)
        if decision.verdict == "allow":
            if room <= 0:
                break
            values, missing = values_for(campaign, call)
            if missing:
                _skip(call.recipient, "missing_variables: " + ", ".join(missing))
            else:
                call.dynamic_variables = values
                room -= _queue(call)
        elif decision.verdict == "defer" and decision.until:
            call.recipient.next_attempt_at, call.recipient.reason = decision.until, decision.reason
            call.recipient.save(update_fields=["next_attempt_at", "reason"])
        else:
            _skip(call.recipient, decision.reason)
        settled += 1
    return settled


def call_for(campaign: Campaign, recipient: Recipient, number: PhoneNumber) -> Call:
    """The next call to a recipient, not saved and without its variables."""
    assert campaign.assistant is not None  # noqa: S101
    contact = recipient.contact
    return Call(
        organization=campaign.organization,
        campaign=campaign,
        recipient=recipient,
        contact=contact,
        account=campaign.assistant.account,
        assistant=campaign.assistant,
        phone_number=number,
        to_number=contact.phone,
        from_number=number.e164,
        customer_name=contact.name,
        attempt=recipient.attempts + 1,
        callback_url=campaign.callback_url,
        not_after=campaign.ends_at,
    )


def caller_for(numbers: Sequence[PhoneNumber], recipient: Recipient) -> PhoneNumber:
    """Spread evenly over the caller numbers, and the same one for a recipient's every attempt."""
    return numbers[recipient.contact_id % len(numbers)]


def values_for(campaign: Campaign, call: Call) -> tuple[dict[str, str], list[str]]:
    """The campaign's variables for this contact. A declared one it does not name comes from the contact's own."""
    assert campaign.assistant is not None  # noqa: S101
    declared = campaign.assistant.variables
    own = {item["name"]: call.contact.variables.get(item["name"], "") for item in declared}
    given = {name: value for name, value in own.items() if value}
    given |= variables.resolve(campaign.variables, call.contact)
    return variables.complete(declared, given)


def _queue(call: Call) -> int:
    """One recipient has at most one unfinished call, whoever feeds it twice."""
    try:
        with transaction.atomic():
            call.save()
    except IntegrityError:
        return 0
    Recipient.objects.filter(calls=call).update(status=S.CALLING, reason="", next_attempt_at=None)
    CallEvent.objects.create(
        call=call,
        type="queued",
        to_status=Status.QUEUED,
        source=CallEvent.Source.ENGINE,
        detail=f"Attempt {call.attempt} of the campaign.",
    )
    return 1


def _skip(recipient: Recipient, reason: str) -> None:
    """Not called (any more): done where it was called before, or its time ran out; skipped where a rule forbids it."""
    over = recipient.attempts > 0 or reason == "no_open_window"
    recipient.status = S.DONE if over else S.SKIPPED
    recipient.reason, recipient.next_attempt_at = reason[:200], None
    recipient.save(update_fields=["status", "reason", "next_attempt_at"])
