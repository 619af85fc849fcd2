"""Enqueue: turn due recipients of running campaigns into queued calls, as far as capacity for the next two seconds
reaches. So a pause takes effect at once, and no call waits in a provider's queue.

Campaigns that wait for the same provider accounts take turns by priority (`fair_share`). Each calls no faster than its
pace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from calls.dialing import fates
from calls.dialing.campaign_locks import campaigns_with_rules, locked_campaign
from calls.dialing.dequeueing import dequeue
from calls.gate import facts as fact_sheet
from calls.gate import fair_share, inputs
from calls.gate.capacity import AHEAD, moments, room_of, room_of_campaign, room_of_numbers
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
from calls.models import Call, CallEvent, Status, event_of
from campaigns.models import Campaign, Recipient
from campaigns.models.recipient import load_numbers
from tenants import failpoints
from tenants.db.among import Among
from tenants.db.bulk_updates import append_rows, insert_rows

# Recipients that one step passes to the gate at least, when the first of them may not be called, and at most.
CHECKED_AT_LEAST, CHECKED_AT_MOST = 200, 1000
ENGINE = CallEvent.Source.ENGINE
READ = (*inputs.RECIPIENT, *(f"contact__{name}" for name in inputs.CONTACT))
SPARE, GROWTH = 8, 4  # recipients passed to the gate beyond the room; factor for each further part of a step


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
    most = min(max(CHECKED_AT_LEAST, size), CHECKED_AT_MOST)
    while not step.full and len(checked) < most:
        due = due_of(step.campaign, step.now).exclude(pk__in=checked).select_related("contact").only(*READ)
        locked = due.select_for_update(skip_locked=True, of=("self",))
        recipients = list(locked[: min(size, most - len(checked))])
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
        # Of the present part, stored at its end.
        self._decided: list[Recipient] = []
        self._made: list[tuple[Call, Selection]] = []

    @property
    def full(self) -> bool:
        return self.queued >= self.limit or all(room <= 0 for room in self.rooms.values())

    def take(self, recipients: Sequence[Recipient]) -> None:
        """Enqueue, defer or skip each recipient, as the gate decides, and store all of it at once."""
        load_numbers(recipients)
        calls = [self.choices.call_to(recipient) for recipient in recipients]
        batch = self.choices.read_facts(calls, self.now)
        queued = Call.objects.queued().filter(Among("recipient", (recipient.pk for recipient in recipients))).order_by()
        has_a_call = set(queued.values_list("recipient_id", flat=True))
        for recipient, call in zip(recipients, calls, strict=True):
            if self.full:
                break
            if self._turn_waits and recipient.assistant_id is None:
                continue
            selected = select_free(self.choices, call, lambda each: self._judge(each, batch), self._busy)
            if selected and not (recipient.pk in has_a_call and selected[1].verdict == "allow"):
                self._follow(recipient, call, *selected)
        self._store()

    def _judge(self, call: Call, batch: fact_sheet.Batch) -> Decision:
        facts, taken = batch.facts_of(call), self._from_number[call.phone_number_id]
        # The pace, and a rest that ends within AHEAD, are kept by the call's due time instead.
        rests = self.choices.rests_until(call.phone_number, self.now + AHEAD)
        adjusted = facts.but(
            campaign_next_at=None,
            number_last_at=facts.number_last_at if rests else None,
            number_in_a_day=facts.number_in_a_day + taken,
            number_open=facts.number_open + taken,
        )
        return decide(adjusted, self.now)

    def _follow(self, recipient: Recipient, call: Call, selection: Selection, decision: Decision) -> None:
        """Enqueue, defer or skip the recipient, or leave it due."""
        if decision.verdict == "allow":
            self._enqueue(recipient, call, selection)
            return
        if decision.verdict == "defer" and decision.until:
            fates.put_off(recipient, decision)
            if self._keeps_assistant(selection, decision):
                recipient.assistant_id = call.assistant_id
        else:
            fates.end(recipient, decision.reason)
        self._decided.append(recipient)

    def _keeps_assistant(self, selection: Selection, decision: Decision) -> bool:
        """Return whether a deferred recipient waits for the assistant whose turn it took.

        It does when the assistant, or its caller numbers, cannot call now. Otherwise the turn would stay with an
        assistant that waits, and the others would not call.
        """
        traits = decision.reason.traits if decision.reason else None
        own = traits is not None and (traits.about_assistant or traits.about_number)
        return own and self.choices.keep_assistant(selection)

    def _enqueue(self, recipient: Recipient, call: Call, selection: Selection) -> None:
        if self.rooms[call.account_id] <= 0:
            # Turns are kept: the recipient stays due, and nobody else gets the turn of its assistant.
            self._turn_waits = self._turn_waits or selection.assistant_turn is not None
            return
        spoken = values_for(self.campaign, call)
        if spoken.reason:
            fates.bar(recipient, spoken)
            self._decided.append(recipient)
            return
        call.customer_name, call.dynamic_variables = spoken.name, spoken.values
        rested_at = self.choices.rests_until(call.phone_number, self.now) or self.now
        call.due_at = max(next(self._moments, self.now), rested_at)
        self._made.append((call, selection))
        self._count(call, 1)
        self.choices.take(selection)
        self.choices.count(call.phone_number)
        if call.phone_number.rest_seconds:
            self._busy.add(call.phone_number_id)  # it rests until another step

    def _count(self, call: Call, by: int) -> None:
        self.queued += by
        self.rooms[call.account_id] -= by
        self._from_number[call.phone_number_id] += by

    def _store(self) -> None:
        """Store the calls that were made, and what was decided about recipients."""
        stored = insert_rows([call for call, _ in self._made], by="uuid")
        for call, selection in self._made:
            # A constraint refuses a second call to the recipient, if another worker has just queued one.
            if call.recipient is None or call.uuid not in stored:
                self._count(call, -1)
                for turn in filter(None, (selection.assistant_turn, selection.number_turn)):
                    self.choices.turns.give_back(turn)
            else:
                fates.call(call)
                self._decided.append(call.recipient)
        if self._made:
            failpoints.reach("feeding.queueing")
        append_rows(
            [
                event_of(call, "queued", ENGINE, f"Attempt {call.attempt} of the campaign.", after=Status.QUEUED)
                for call, _ in self._made
                if call.uuid in stored
            ]
        )
        fates.store(self._decided)
        self._made, self._decided = [], []


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
