"""Why a running campaign is not calling, with the number of recipients: the gate's sentences for many recipients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from campaigns.models import Campaign, Recipient, RecipientCount
from campaigns.rules.spoken import REASON as PLACEHOLDERS
from providers.models import ProviderAccount

KINDS = 20  # reasons shown at most
SEEN = 2_000  # recipients that are read one by one; of more, the counts that triggers keep are used
MANY = 10_000  # due recipients that are counted
Reason = dict[str, Any]
Kept = Sequence[Mapping[str, Any]]  # rows of `RecipientCount` by status and reason


@dataclass(frozen=True)
class _Group:
    """Recipients that wait for a moment, for one reason and in one time zone."""

    reason: str
    waits_in: str
    count: int
    until: datetime | None  # the first of their moments; None if it is not among the first of the campaign's


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
    kept = list(RecipientCount.of([campaign.pk], "status", "reason"))
    waiting = [*_deferred(campaign, kept, now), *_scheduled_callbacks(campaign), *_held(kept), *due]
    return [*switches, *waiting, *_ongoing(campaign, kept)]


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


def _deferred(campaign: Campaign, kept: Kept, now: datetime) -> Iterator[Reason]:
    """Recipients that the gate put off, or that wait for their next attempt."""
    later: list[_Group] = []
    for group in _groups(campaign, kept, now)[:KINDS]:
        check, until = CheckName.of(group.reason), group.until
        if check is None or not check.traits.defers:  # the reason is the outcome of the last call
            later.append(group)
        elif check is CheckName.CALLING_HOURS and until:
            message = decision.outside_hours(until, group.waits_in or campaign.zone, now)
            yield _reason(check, message, group.count, until)
        else:
            yield _reason(check, check.words, group.count, until)
    if later:
        soonest = min((group.until for group in later if group.until), default=None)
        yield _reason("not_due", "Waiting for the next attempt.", sum(group.count for group in later), soonest)


def _groups(campaign: Campaign, kept: Kept, now: datetime) -> list[_Group]:
    """Return the recipients that wait for a moment, the largest group first.

    A campaign of a million recipients is not read for it. The first SEEN of them, in the order of the index, tell each
    reason's first moment; when there are more, the counts are those of all that wait for the reason, with those whose
    moment has just come.
    """
    rows = campaign.recipients.filter(status__in=Recipient.WAITING_STATUSES, next_attempt_at__gt=now)
    rows = rows.order_by("next_attempt_at", "sort_key")
    found = list(rows.values_list("reason", "waits_in", "next_attempt_at")[: SEEN + 1])
    seen: dict[tuple[str, str], _Group] = {}
    for reason, waits_in, at in found:
        before = seen.get((reason, waits_in)) or _Group(reason, waits_in, 0, at)
        seen[reason, waits_in] = replace(before, count=before.count + 1)
    groups = list(seen.values()) if len(found) <= SEEN else _of_many(kept, list(seen.values()))
    return sorted(groups, key=lambda group: -group.count)


def _of_many(kept: Kept, seen: Sequence[_Group]) -> list[_Group]:
    """Return one group for each reason, with the kept count, and with moment and zone of its first recipient seen."""
    first: dict[str, _Group] = {}
    for group in seen:  # in the order of their moments
        first.setdefault(group.reason, group)
    counts = Counter[str]()
    for row in kept:
        if row["status"] in Recipient.WAITING_STATUSES:
            counts[row["reason"]] += row["n"]
    counts[""] = sum(group.count for group in seen if not group.reason)  # the others without a reason are due
    return [
        replace(first.get(reason) or _Group(reason, "", 0, None), count=count)
        for reason, count in counts.items()
        if count > 0
    ]


def _scheduled_callbacks(campaign: Campaign) -> Iterator[Reason]:
    due = CallBack.objects.filter(recipient__campaign=campaign, status=CallBack.Status.DUE, call=None)
    found = due.aggregate(n=Count("pk"), until=Min("due_at"))
    if found["n"]:
        yield _reason("call_back", "Waiting for the time of a scheduled callback.", found["n"], found["until"])


def _held(kept: Kept) -> Iterator[Reason]:
    review = (row for row in kept if row["status"] == Recipient.Status.REVIEW)
    if count := sum(row["n"] for row in review if row["reason"].startswith(PLACEHOLDERS)):
        message = "Held for a value that nobody means to speak, until a team member decides."
        yield _reason(CheckName.PLACEHOLDER_VALUES, message, count)


def _ongoing(campaign: Campaign, kept: Kept) -> Iterator[Reason]:
    left = (*Recipient.WAITING_STATUSES, Recipient.Status.CALLING)
    if campaign.ongoing and campaign.launched_at and not any(row["n"] for row in kept if row["status"] in left):
        yield _reason("no_contacts_left", "Every contact on its lists is done. Contacts that are added are called.")


def _due(campaign: Campaign, choices: Choices, now: datetime) -> Iterator[Reason]:
    """Recipients that are due and wait only for a limit."""
    live = campaign.recipients.filter(status__in=Recipient.WAITING_STATUSES)
    if count := live.filter(next_attempt_at__lte=now)[: MANY + 1].count():
        code, message, until = _limit(campaign, choices, now)
        if count > MANY:
            yield _reason(code, f"{message} More than {MANY:,} recipients are due.", None, until)
        else:
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
