"""Why a running campaign is not calling whom it could, with counts: the sentences of the gate, said of many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone

from calls.gate import decision
from calls.gate.capacity import room_of, room_of_numbers
from calls.gate.selection import Choices
from calls.models import OPEN, CallBack
from campaigns.models import Campaign, Recipient

KINDS = 20  # reasons shown at most
Reason = dict[str, Any]
# Deferrals whose sentence names one person's own moment: of many it is said without.
OF_MANY = {
    "minimum_gap": "Called a short time ago.",
    "calls_per_day": "Called as often as allowed in 24 hours.",
    "calls_per_30_days": "Called as often as allowed in 30 days.",
    "hold": "The person is on hold.",
    "not_before": "Not before a time that was asked for.",
    "account": "The provider account takes no calls.",
}


def idle_reasons(campaign: Campaign) -> list[Reason]:
    """Code, sentence, people, until when (a datetime). Empty where nothing is waited for."""
    if campaign.status == Campaign.Status.PAUSED:
        return [_reason("campaign_paused", campaign.status_reason or "The campaign is paused.")]
    if campaign.status != Campaign.Status.RUNNING:
        return []
    now = timezone.now()
    choices = Choices(campaign, now)
    switches, due = _switches(campaign, choices, now), _due(campaign, choices, now)
    return [*switches, *_deferred(campaign, now), *_promised(campaign), *due]


def _reason(code: str, message: str, count: int | None = None, until: datetime | None = None) -> Reason:
    return {"code": code, "message": message, "count": count, "until": until}


def _switches(campaign: Campaign, choices: Choices, now: datetime) -> Iterator[Reason]:
    if not campaign.organization.is_active:
        yield _reason("organization", "The organization is inactive.")
    if campaign.organization.calls_stopped:
        yield _reason("calls_stopped", decision.WORDS["calls_stopped"])
    for account in {choice.account.pk: choice.account for choice in choices.all}.values():
        if account.blocked(now):
            message = f"The provider account is blocked: {account.blocked_reason}"
            yield _reason("account", message, until=account.blocked_until)


def _deferred(campaign: Campaign, now: datetime) -> Iterator[Reason]:
    """People whom the gate put off, or who wait for their next attempt."""
    live = campaign.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])
    groups = live.filter(next_attempt_at__gt=now).values("reason", "waits_in")
    later, soonest = 0, now
    for row in groups.annotate(n=Count("pk"), until=Min("next_attempt_at")).order_by("-n")[:KINDS]:
        code, until = row["reason"], row["until"]
        if code == "calling_hours":
            message = decision.outside_hours(until, row["waits_in"] or campaign.zone, now)
        elif code in decision.WORDS or code in OF_MANY:
            message = decision.WORDS.get(code) or OF_MANY[code]
        else:  # the reason tells how the last call ended
            later, soonest = later + row["n"], min(until, soonest) if later else until
            continue
        yield _reason(code, message, row["n"], until)
    if later:
        yield _reason("not_due", "Waiting for the next attempt.", later, soonest)


def _promised(campaign: Campaign) -> Iterator[Reason]:
    promised = CallBack.objects.filter(recipient__campaign=campaign, status=CallBack.Status.DUE, call=None)
    found = promised.aggregate(n=Count("pk"), until=Min("due_at"))
    if found["n"]:
        yield _reason("call_back", "Asked to be called back at a time of their own.", found["n"], found["until"])


def _due(campaign: Campaign, choices: Choices, now: datetime) -> Iterator[Reason]:
    """People whom nothing but our own limits keeps waiting."""
    live = campaign.recipients.filter(status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING])
    if count := live.filter(next_attempt_at__lte=now).count():
        code, message, until = _limit(campaign, choices, now)
        yield _reason(code, message, count, until)


def _limit(campaign: Campaign, choices: Choices, now: datetime) -> tuple[str, str, datetime | None]:
    if not choices.usable:
        return "account", "Waiting for an assistant whose account and caller number can call.", None
    limit = campaign.max_open_calls
    if limit is not None and campaign.calls.filter(status__in=OPEN).count() >= limit:
        return "campaign_capacity", decision.WORDS["campaign_capacity"], None
    if campaign.calls_per_minute and campaign.next_call_at and campaign.next_call_at > now:
        return "pace", decision.WORDS["pace"], campaign.next_call_at
    room = room_of_numbers(choices, now)
    if not room.today:
        return "caller_number_day", decision.WORDS["caller_number_day"], choices.next_at(now)
    if not room.lines:
        return "caller_number_capacity", decision.WORDS["caller_number_capacity"], None
    if not room.now:
        return "caller_number_rest", decision.WORDS["caller_number_rest"], choices.next_at(now)
    full = [account for account in choices.accounts() if room_of(account, now) <= 0]
    if full:
        names = ", ".join(account.name for account in full)
        return "account_capacity", f"Waiting for account capacity: {names}.", None
    return "next_turn", "Waiting for their turn.", None
