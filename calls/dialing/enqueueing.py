"""Enqueue: turn due recipients of running campaigns into queued calls, as far as capacity for the next two seconds
reaches. So a pause takes effect at once, and no call waits in a provider's queue.

Campaigns that wait for the same provider accounts take turns by priority (`fair_share`). Each calls no faster than its
pace.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from calls.dialing.campaign_locks import campaigns_with_rules, locked_campaign
from calls.dialing.dequeueing import dequeue
from calls.gate import facts as fact_sheet
from calls.gate import fair_share
from calls.gate.capacity import AHEAD, moments, room_of, room_of_campaign, room_of_numbers
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, decide
from calls.gate.selection import (
    PERHAPS_STUCK,
    Choices,
    Selection,
    select_free,
    values_for,
    why_another_way,
)
from calls.gate.turns import contest_of, due_of, with_due_recipients
from calls.models import Call, CallEvent, Status, record_event
from campaigns.models import Campaign, Recipient
from campaigns.models.campaign import load_numbers
from campaigns.rules.spoken import Spoken
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
    running = with_due_recipients(campaigns_with_rules().filter(organization=organization_id), now)
    contest = contest_of(list(running), now)
    contenders, queued = contest.contenders, 0
    while turns := fair_share.turns(contenders, contest.rooms):
        fed = [feed(turn.campaign, turn.calls, starting_from=turn.share_used) for turn in turns]
        queued += sum(fed)
        contenders, remaining = fair_share.after(contenders, turns, fed), contenders
        if len(contenders) == len(remaining):
            break
        contest.count_rooms(now)
    return queued


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
        numbers = room_of_numbers(choices, now)
        limit = min(room_of_campaign(campaign, numbers.now, now), room if at_most is None else min(at_most, room))
        if limit <= 0:
            return 0
        fed = _feed(_Step(campaign, choices, rooms, limit, numbers.busy, now))
        changed: dict[str, Any] = {"share_used": fair_share.used(campaign, fed, starting_from)} if fed else {}
        if choices.turns.changed:
            changed["rotation"] = choices.turns.stored()
        if changed:
            Campaign.objects.filter(pk=campaign.pk).update(**changed)
        failpoints.reach("feeding.feeding")
    failpoints.reach("feeding.fed")
    return fed


def _feed(step: _Step) -> int:
    """Pass due recipients to the gate in parts: as many as there is room for, and more where the gate defers them."""
    checked: list[int] = []
    size = step.limit + SPARE
    while not step.full and len(checked) < CHECKED_AT_MOST:
        due = due_of(step.campaign, step.now).exclude(pk__in=checked).select_related("contact")
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

    def __init__(
        self,
        campaign: Campaign,
        choices: Choices,
        rooms: dict[int, int],
        limit: int,
        busy: Collection[int],
        now: datetime,
    ) -> None:
        """`busy`: caller numbers to pass over, by internal key."""
        self.campaign, self.choices, self.rooms, self.limit, self.now = campaign, choices, rooms, limit, now
        self.queued = 0
        self._moments = iter(moments(campaign, now))
        self._from_number: Counter[int] = Counter()
        self._busy = set(busy)
        self._turn_waits = False  # the assistant whose turn is next has no room

    @property
    def full(self) -> bool:
        return self.queued >= self.limit or all(room <= 0 for room in self.rooms.values())

    def take(self, recipients: Sequence[Recipient]) -> None:
        """Enqueue, defer or skip each recipient, as the gate decides."""
        load_numbers(recipients)
        calls = [self.choices.call_to(recipient) for recipient in recipients]
        batch = self.choices.read_facts(calls, self.now)
        deferred: list[tuple[Recipient, Decision]] = []
        for recipient, call in zip(recipients, calls, strict=True):
            if self.full:
                break
            if self._turn_waits and recipient.assistant_id is None:
                continue
            selected = select_free(self.choices, call, lambda each: self._judge(each, batch), self._busy)
            if selected and self._follow(call, *selected):
                deferred.append((recipient, selected[1]))
                if self._keeps_assistant(*selected):
                    recipient.assistant_id = call.assistant_id
        store_deferrals(deferred)

    def _judge(self, call: Call, batch: fact_sheet.Batch) -> Decision:
        facts, taken = batch.facts_of(call), self._from_number[call.phone_number_id]
        # The pace, and a rest that ends within AHEAD, are kept by the call's due time instead.
        rests = self.choices.rests_until(call.phone_number, self.now + AHEAD)
        adjusted = replace(
            facts,
            campaign_next_at=None,
            number_last_at=facts.number_last_at if rests else None,
            number_in_a_day=facts.number_in_a_day + taken,
            number_open=facts.number_open + taken,
        )
        return decide(adjusted, self.now)

    def _follow(self, call: Call, selection: Selection, decision: Decision) -> bool:
        """Enqueue or skip the recipient, or leave it due. Return whether the decision defers it instead."""
        assert call.recipient is not None  # noqa: S101
        if decision.verdict == "allow":
            self._queue(call, selection)
        elif decision.verdict == "defer" and decision.until:
            return True
        else:
            end_without_call(call.recipient, decision.reason)
        return False

    def _keeps_assistant(self, selection: Selection, decision: Decision) -> bool:
        """Return whether a deferred recipient waits for the assistant whose turn it took.

        It does when the assistant, or its caller numbers, cannot call now. Otherwise the turn would stay with an
        assistant that waits, and the others would not call.
        """
        traits = decision.reason.traits if decision.reason else None
        own = traits is not None and (traits.about_assistant or traits.about_number)
        return own and self.choices.keep_assistant(selection)

    def _queue(self, call: Call, selection: Selection) -> None:
        assert call.recipient is not None  # noqa: S101
        if self.rooms[call.account_id] <= 0:
            # Turns are kept: the recipient stays due, and nobody else gets the turn of its assistant.
            self._turn_waits = self._turn_waits or selection.assistant_turn is not None
            return
        spoken = values_for(self.campaign, call)
        if spoken.reason:
            bar(call.recipient, spoken)
            return
        call.customer_name, call.dynamic_variables = spoken.name, spoken.values
        rested_at = self.choices.rests_until(call.phone_number, self.now) or self.now
        call.due_at = max(next(self._moments, self.now), rested_at)
        if _queue(call):
            self.queued += 1
            self.rooms[call.account_id] -= 1
            self._from_number[call.phone_number_id] += 1
            self.choices.take(selection)
            self.choices.count(call.phone_number)
            if call.phone_number.rest_seconds:
                self._busy.add(call.phone_number_id)  # it rests until another step


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
        assistant=recipient.assistant_id if recipient.phone_number_id else call.assistant_id,
        phone_number=recipient.phone_number_id or call.phone_number_id,
    )


def store_deferrals(deferred: Iterable[tuple[Recipient, Decision]]) -> None:
    """Store until when recipients wait, and for what. A wait between two attempts keeps the outcome as its reason.

    The assistant whose turn a recipient took, and for which it waits, is stored with it.
    """
    grouped: defaultdict[tuple[datetime | None, str, str, int | None], list[int]] = defaultdict(list)
    for recipient, decision in deferred:
        reason: str = decision.reason
        if reason == CheckName.RETRY_WAIT and recipient.reason and CheckName.of(recipient.reason) is None:
            reason = recipient.reason
        grouped[decision.until, reason, decision.zone, recipient.assistant_id].append(recipient.pk)
    for (until, reason, zone, assistant), keys in grouped.items():
        found = Recipient.objects.filter(pk__in=keys)
        found.update(next_attempt_at=until, reason=reason, waits_in=zone, assistant=assistant)


def bar(recipient: Recipient, spoken: Spoken) -> None:
    """Hold or end a recipient that is not called because of its values."""
    if not spoken.held:
        end_without_call(recipient, spoken.reason)
        return
    recipient.status, recipient.reason = RecipientStatus.REVIEW, spoken.reason[:200]
    recipient.next_attempt_at, recipient.waits_in = None, ""
    recipient.save(update_fields=["status", "reason", "next_attempt_at", "waits_in"])


def end_without_call(recipient: Recipient, reason: str) -> None:
    """End a recipient without a call: done if it was called before or its time ran out, else skipped."""
    is_done = recipient.attempts > 0 or reason == CheckName.NO_OPEN_WINDOW
    recipient.status = RecipientStatus.DONE if is_done else RecipientStatus.SKIPPED
    recipient.reason, recipient.next_attempt_at, recipient.waits_in = reason[:200], None, ""
    recipient.save(update_fields=["status", "reason", "next_attempt_at", "waits_in"])


def reroute(now: datetime, limit: int = 200) -> int:
    """Dequeue calls that cannot go out as they are, where the campaign can call another way. Return how many.

    Their account is blocked or switched off, their assistant or caller number is switched off, or their assistant is a
    stand-in that is not needed any more. Nothing was sent for a queued call, so the call may end and its recipient may
    be enqueued again.
    """
    waiting = Call.objects.queued().filter(PERHAPS_STUCK, campaign__status=Campaign.Status.RUNNING, asked_for=False)
    rerouted = 0
    for campaign in campaigns_with_rules().filter(pk__in=waiting.order_by().values("campaign")):
        choices = Choices(campaign, now)
        for call in waiting.filter(campaign=campaign).select_related("account", "assistant", "phone_number")[:limit]:
            if why := why_another_way(choices, call, now):
                rerouted += dequeue(call, "rerouted", why, now)
    return rerouted
