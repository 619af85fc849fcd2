"""Enqueue: turn due recipients of running campaigns into queued calls, as far as capacity for the next two seconds
reaches. So a pause takes effect at once, and no call waits in a provider's queue.

Campaigns that wait for the same provider accounts take turns by priority (`fair_share`). Each calls no faster than its
pace.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from calls.dialing import fair_share
from calls.dialing.dequeueing import dequeue
from calls.gate import facts as fact_sheet
from calls.gate import pacing
from calls.gate.capacity import AHEAD, room_of, room_of_numbers
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, Facts, decide
from calls.gate.selection import PERHAPS_STUCK, Choices, can_go_on, takes_calls, unusable, values_for
from calls.models import Call, CallEvent, Status, record_event
from campaigns.models import Campaign, Recipient
from tenants import failpoints

logger = logging.getLogger(__name__)
CHECKED_AT_MOST = 200  # recipients that one step passes to the gate, when the first of them may not be called
SPARE, GROWTH = 8, 4  # recipients passed to the gate beyond the room; factor for each further part of a step
RecipientStatus = Recipient.Status


def running() -> list[int]:
    """Return the keys of the organizations with a running campaign."""
    found = Campaign.objects.filter(status=Campaign.Status.RUNNING).order_by()
    return list(found.values_list("organization_id", flat=True).distinct())


def feed_all(organization_id: int) -> int:
    """Enqueue what can be placed next of all running campaigns, in turns. Return how many calls were queued.

    Turns that a campaign cannot use, because of its own limits or because its recipients may not be called now, go to
    the other campaigns.
    """
    now = timezone.now()
    found = campaigns_with_rules().filter(organization=organization_id, status=Campaign.Status.RUNNING)
    campaigns = [campaign for campaign in found if _due(campaign, now).exists()]
    choices = {campaign.pk: Choices(campaign, now) for campaign in campaigns}
    accounts = {account.pk: account for each in choices.values() for account in each.accounts()}
    rooms = {pk: room_of(account, now) for pk, account in accounts.items()}
    contenders = [
        fair_share.Contender(
            campaign.pk,
            campaign.priority,
            campaign.share_used,
            frozenset(choice.account.pk for choice, _ in choices[campaign.pk].shares()),
            _due(campaign, now)[: sum(room for room in rooms.values() if room > 0)].count(),
        )
        for campaign in campaigns
    ]
    queued = 0
    while turns := fair_share.turns(contenders, rooms):
        fed = [feed(turn.campaign, turn.calls, starting_from=turn.share_used) for turn in turns]
        queued += sum(fed)
        contenders, remaining = fair_share.after(contenders, turns, fed), contenders
        if len(contenders) == len(remaining):
            break
        rooms = {pk: room_of(account, now) for pk, account in accounts.items()}
    return queued


def campaigns_with_rules() -> QuerySet[Campaign]:
    """Return all campaigns, loaded with what deciding about their recipients reads."""
    related = ("organization", "assistant__account")
    return Campaign.objects.select_related(*related).prefetch_related("windows").order_by("pk")


def locked_campaign(pk: int) -> Campaign:
    """Lock a campaign, then read it: what it is read with can have changed while the lock was waited for."""
    list(Campaign.objects.select_for_update(no_key=True).filter(pk=pk).values_list("pk"))
    return campaigns_with_rules().get(pk=pk)


def feed(campaign_id: int, at_most: int | None = None, *, starting_from: float | None = None) -> int:
    """Enqueue what can be placed next of one campaign. Return how many calls were queued.

    `starting_from`: the share from which its turns are counted, see `fair_share.Turn.share_used`.
    """
    now = timezone.now()
    with transaction.atomic():
        # Locked, so that no recipient is deferred by rules that an edit has just changed.
        campaign = locked_campaign(campaign_id)
        if campaign.status != Campaign.Status.RUNNING or not campaign.organization.is_active:
            return 0
        if campaign.organization.calls_stopped:
            return 0
        choices = Choices(campaign, now)
        rooms = {account.pk: room_of(account, now) for account in choices.accounts()}
        room = sum(room for room in rooms.values() if room > 0)
        limit = min(_room_of_campaign(campaign, choices, now), room if at_most is None else min(at_most, room))
        if limit <= 0:
            return 0
        fed = _feed(campaign, choices, rooms, limit, now)
        if fed:
            fair_share.used(campaign, fed, starting_from)
        failpoints.reach("feeding.feeding")
    failpoints.reach("feeding.fed")
    return fed


def _room_of_campaign(campaign: Campaign, choices: Choices, now: datetime) -> int:
    room = room_of_numbers(choices, now).now
    if campaign.max_open_calls is not None:
        room = min(room, campaign.max_open_calls - campaign.calls.open().count() - _about_to_go(campaign, now))
    if campaign.calls_per_minute is not None:
        room = min(room, len(_moments(campaign, now)))
    return room


def _moments(campaign: Campaign, now: datetime) -> list[datetime]:
    """Return when the pace lets the campaign place further calls, within AHEAD, beside those queued already."""
    if campaign.calls_per_minute is None:
        return []
    return pacing.moments(campaign, now, now + AHEAD)[_about_to_go(campaign, now) :]


def _about_to_go(campaign: Campaign, now: datetime) -> int:
    """Return how many of its queued calls are due within AHEAD. A call deferred until later does not count."""
    return campaign.calls.about_to_go(now + AHEAD).filter(asked_for=False).count()


def _due(campaign: Campaign, now: datetime) -> QuerySet[Recipient]:
    due = campaign.recipients.filter(
        status__in=[RecipientStatus.PENDING, RecipientStatus.WAITING], next_attempt_at__lte=now
    )
    return due.order_by("next_attempt_at", "sort_key")


def _feed(campaign: Campaign, choices: Choices, rooms: dict[int, int], limit: int, now: datetime) -> int:
    """Pass due recipients to the gate in parts: as many as there is room for, and more where the gate defers them."""
    step = _Step(campaign, choices, rooms, limit, now)
    checked: list[int] = []
    size = limit + SPARE
    while not step.full and len(checked) < CHECKED_AT_MOST:
        due = _due(campaign, now).exclude(pk__in=checked).select_related("contact")
        locked = due.select_for_update(skip_locked=True, of=("self",))
        recipients = list(locked[: min(size, CHECKED_AT_MOST - len(checked))])
        if not recipients:
            break
        step.take(recipients)
        checked += [recipient.pk for recipient in recipients]
        size *= GROWTH
    return step.queued


class _Step:
    """One step of one campaign: the room it has, and how much of it is used."""

    def __init__(self, campaign: Campaign, choices: Choices, rooms: dict[int, int], limit: int, now: datetime) -> None:
        self.campaign, self.choices, self.rooms, self.limit, self.now = campaign, choices, rooms, limit, now
        self.queued = 0
        self._moments = iter(_moments(campaign, now))
        self._from_number: Counter[int] = Counter()

    @property
    def full(self) -> bool:
        return self.queued >= self.limit or all(room <= 0 for room in self.rooms.values())

    def take(self, recipients: Sequence[Recipient]) -> None:
        """Enqueue, defer or skip each recipient, as the gate decides."""
        made = [self.choices.call_for(recipient) for recipient in recipients]
        calls = [call for call in made if call is not None]
        deferred: list[tuple[Recipient, Decision]] = []
        for call, facts in zip(calls, fact_sheet.load(calls, self.now), strict=True):
            if self.full:
                break
            if decision := self._decide(call, facts):
                assert call.recipient is not None  # noqa: S101
                deferred.append((call.recipient, decision))
        store_deferrals(deferred)

    def _decide(self, call: Call, facts: Facts) -> Decision | None:
        """Enqueue or skip the recipient. Return the decision when it defers the recipient instead."""
        assert call.recipient is not None  # noqa: S101
        taken = self._from_number[call.phone_number_id]
        rested_at = self.choices.rests_until(call.phone_number, self.now) or self.now
        # The pace, and a rest that ends within AHEAD, are kept by the call's due time instead.
        adjusted = replace(
            facts,
            campaign_next_at=None,
            number_last_at=None if rested_at <= self.now + AHEAD else facts.number_last_at,
            number_in_a_day=facts.number_in_a_day + taken,
            number_open=facts.number_open + taken,
        )
        decision = decide(adjusted, self.now)
        if decision.verdict == "allow":
            self._queue(call, rested_at)
        elif decision.verdict == "defer" and decision.until:
            if decision.reason != CheckName.CALLER_NUMBER_DAY or not self.choices.another_may_call(
                call, self._from_number
            ):
                return decision
            # The assistant's numbers have calls left that were meant for recipients which this step did not enqueue.
            # The recipient stays due, and the next step uses them.
        else:
            end_without_call(call.recipient, decision.reason)
        return None

    def _queue(self, call: Call, not_before: datetime) -> None:
        assert call.recipient is not None  # noqa: S101
        if self.rooms[call.account_id] <= 0:
            return
        values, missing = values_for(self.campaign, call)
        if missing:
            end_without_call(call.recipient, "missing_variables: " + ", ".join(missing))
            return
        call.dynamic_variables = values
        call.due_at = max(next(self._moments, self.now), not_before)
        if _queue(call):
            self.queued += 1
            self.rooms[call.account_id] -= 1
            self._from_number[call.phone_number_id] += 1


def _queue(call: Call) -> bool:
    """Store the call. Return False when the recipient has a queued or open call already, from another worker."""
    try:
        with transaction.atomic():
            call.save()
    except IntegrityError:
        return False
    mark_calling(call)
    record_event(
        call, "queued", CallEvent.Source.ENGINE, f"Attempt {call.attempt} of the campaign.", after=Status.QUEUED
    )
    return True


def mark_calling(call: Call) -> None:
    """Mark the call's recipient as calling. The recipient keeps the assistant and caller number of its first call."""
    recipient = call.recipient
    assert recipient is not None  # noqa: S101
    Recipient.objects.filter(pk=recipient.pk).update(
        status=RecipientStatus.CALLING,
        reason="",
        waits_in="",
        next_attempt_at=None,
        assistant=recipient.assistant_id or call.assistant_id,
        phone_number=recipient.phone_number_id or call.phone_number_id,
    )


def store_deferrals(deferred: Iterable[tuple[Recipient, Decision]]) -> None:
    """Store until when recipients wait, and for what. A wait between two attempts keeps the outcome as its reason."""
    grouped: defaultdict[tuple[datetime | None, str, str], list[int]] = defaultdict(list)
    for recipient, decision in deferred:
        reason: str = decision.reason
        if reason == CheckName.RETRY_WAIT and recipient.reason and CheckName.of(recipient.reason) is None:
            reason = recipient.reason
        grouped[decision.until, reason, decision.zone].append(recipient.pk)
    for (until, reason, zone), keys in grouped.items():
        Recipient.objects.filter(pk__in=keys).update(next_attempt_at=until, reason=reason, waits_in=zone)


def end_without_call(recipient: Recipient, reason: str) -> None:
    """End a recipient without a call: done if it was called before or its time ran out, else skipped."""
    is_done = recipient.attempts > 0 or reason == CheckName.NO_OPEN_WINDOW
    recipient.status = RecipientStatus.DONE if is_done else RecipientStatus.SKIPPED
    recipient.reason, recipient.next_attempt_at, recipient.waits_in = reason[:200], None, ""
    recipient.save(update_fields=["status", "reason", "next_attempt_at", "waits_in"])


def reroute(now: datetime, limit: int = 200) -> int:
    """Dequeue calls that cannot go out as they are, where the campaign can call another way. Return how many.

    Their account is blocked or switched off, or their assistant or caller number is switched off. Nothing was sent for
    a queued call, so the call may end and its recipient may be enqueued again.
    """
    waiting = Call.objects.queued().filter(PERHAPS_STUCK, campaign__status=Campaign.Status.RUNNING, asked_for=False)
    rerouted = 0
    for campaign in campaigns_with_rules().filter(pk__in=waiting.order_by().values("campaign")):
        if not can_go_on(campaign, now):
            continue
        for call in waiting.filter(campaign=campaign).select_related("account", "assistant", "phone_number")[:limit]:
            if not takes_calls(call, now):
                detail = f"{unusable(call, now)} takes no calls now; the campaign calls another way."
                rerouted += dequeue(call, "rerouted", detail, now)
    return rerouted
