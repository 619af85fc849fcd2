"""Why a running campaign is not calling, with the number of recipients: the gate's sentences for many recipients."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone

from calls.gate import decision
from calls.gate.capacity import load_of
from calls.gate.checks import CheckName
from calls.gate.decision import Check
from calls.gate.selection import Choices
from calls.models import CallBack
from calls.reports import limits
from campaigns.models import Campaign, Recipient
from providers.models import ProviderAccount

KINDS = 20  # reasons shown at most
Reason = dict[str, Any]


def idle_reasons(campaign: Campaign) -> list[Reason]:
    """Return the idle reasons of a campaign: code, message, count of recipients, and until when (a datetime).

    Empty when nothing is waited for. `count` and `until` can be None.
    """
    if campaign.status == Campaign.Status.PAUSED:
        return [_reason("campaign_paused", campaign.status_reason or "The campaign is paused.")]
    if campaign.status != Campaign.Status.RUNNING:
        return []
    now = timezone.now()
    choices = Choices(campaign, now)
    switches, due = _switches(campaign, choices, now), _due(campaign, choices, now)
    return [*switches, *_deferred(campaign, now), *_scheduled_callbacks(campaign), *_held(campaign), *due]


def _reason(code: str, message: str, count: int | None = None, until: datetime | None = None) -> Reason:
    return {"code": code, "message": message, "count": count, "until": until}


def _switches(campaign: Campaign, choices: Choices, now: datetime) -> Iterator[Reason]:
    if not campaign.organization.is_active:
        yield _reason(CheckName.ORGANIZATION, CheckName.ORGANIZATION.words)
    if campaign.organization.calls_stopped:
        yield _reason(CheckName.CALLS_STOPPED, CheckName.CALLS_STOPPED.words)
    for account in {choice.account.pk: choice.account for choice in choices.all}.values():
        if account.blocked(now):
            message = f"The provider account is blocked: {account.blocked_reason}"
            yield _reason(CheckName.ACCOUNT, message, until=account.blocked_until)


def _deferred(campaign: Campaign, now: datetime) -> Iterator[Reason]:
    """Recipients that the gate put off, or that wait for their next attempt."""
    live = campaign.recipients.filter(status__in=Recipient.WAITING_STATUSES)
    groups = live.filter(next_attempt_at__gt=now).values("reason", "waits_in")
    later, soonest = 0, now
    for row in groups.annotate(n=Count("pk"), until=Min("next_attempt_at")).order_by("-n")[:KINDS]:
        check, until = CheckName.of(row["reason"]), row["until"]
        if check is None or not check.traits.defers:  # the reason is the outcome of the last call
            later, soonest = later + row["n"], min(until, soonest) if later else until
        elif check is CheckName.CALLING_HOURS:
            message = decision.outside_hours(until, row["waits_in"] or campaign.zone, now)
            yield _reason(check, message, row["n"], until)
        else:
            yield _reason(check, check.words, row["n"], until)
    if later:
        yield _reason("not_due", "Waiting for the next attempt.", later, soonest)


def _scheduled_callbacks(campaign: Campaign) -> Iterator[Reason]:
    due = CallBack.objects.filter(recipient__campaign=campaign, status=CallBack.Status.DUE, call=None)
    found = due.aggregate(n=Count("pk"), until=Min("due_at"))
    if found["n"]:
        yield _reason("call_back", "Waiting for the time of a scheduled callback.", found["n"], found["until"])


def _held(campaign: Campaign) -> Iterator[Reason]:
    if count := campaign.recipients.filter(Recipient.HELD).count():
        message = "Held for a value that nobody means to speak, until a team member decides."
        yield _reason(CheckName.PLACEHOLDER_VALUES, message, count)


def _due(campaign: Campaign, choices: Choices, now: datetime) -> Iterator[Reason]:
    """Recipients that are due and wait only for a limit."""
    live = campaign.recipients.filter(status__in=Recipient.WAITING_STATUSES)
    if count := live.filter(next_attempt_at__lte=now).count():
        code, message, until = _limit(campaign, choices, now)
        yield _reason(code, message, count, until)


def _limit(campaign: Campaign, choices: Choices, now: datetime) -> tuple[str, str, datetime | None]:
    if not choices.usable:
        return CheckName.ACCOUNT, "Waiting for an assistant whose provider account and caller number can call.", None
    if found := limits.of_campaign(choices, now):
        return found.name, found.detail, found.until
    full = {account.name: limit for account in choices.accounts() if (limit := _of_account(account, now))}
    if not full:
        return CheckName.NEXT_TURN, CheckName.NEXT_TURN.words, None
    first = next(iter(full.values()))
    if first.name is CheckName.ACCOUNT_CAPACITY:
        return first.name, f"Waiting for account capacity: {', '.join(full)}.", None
    return first.name, first.detail, first.until


def _of_account(account: ProviderAccount, now: datetime) -> Check | None:
    """Return what keeps an account from placing calls, else what keeps further ones out of its queue."""
    load = load_of(account, now)
    closed = next((limit for limit in limits.of_account(load, now) if limit.result != "allow"), None)
    return closed or limits.of_queue(load, now)
