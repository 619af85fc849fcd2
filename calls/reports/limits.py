"""The limits for which due recipients and queued calls wait, where the gate itself would let them go.

The gate decides about one call. How many calls go out, and which ones first, is decided by capacity, rates and turns:
`dialing/enqueueing.py` and `dialing/placing.py` follow them, and explanations and idle reasons say them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from calls.gate import fair_share, rate_limits
from calls.gate.capacity import Load, lines_left, moments, room_of, room_of_campaign, room_of_numbers
from calls.gate.checks import CheckName
from calls.gate.decision import Check
from calls.gate.selection import Choices
from calls.gate.turns import Contest, contest_of, due_of, with_due_recipients
from calls.models import Call
from campaigns.models import Campaign, Recipient
from campaigns.wording import counted
from providers.models import PhoneNumber, ProviderAccount


def of_account(load: Load, now: datetime) -> list[Check]:
    """Return whether an account can place any call now: its lines, its failures and the provider's 429."""
    account, taken = load.account, _lines(load)
    capacity, rate = Check(CheckName.ACCOUNT_CAPACITY, detail=taken), Check(CheckName.ACCOUNT_RATE)
    if load.lines >= account.max_open_calls:
        capacity = _wait(CheckName.ACCOUNT_CAPACITY, taken)
    elif load.room_to_place <= 0:
        why = "fails" if account.failures_in_a_row else "has many unconfirmed calls"
        capacity = _wait(CheckName.ACCOUNT_CAPACITY, f"“{account.name}” {why}: its calls are placed one by one.")
    if rate_limits.closed_for_placing(account, now):
        detail = f"The provider asked “{account.name}” to call more slowly."
        rate = _wait(CheckName.ACCOUNT_RATE, detail, account.place_tokens_at)
    return [capacity, rate]


def of_queue(load: Load, now: datetime) -> Check | None:
    """Return what keeps further calls out of an account's queue: too few free lines, or its rate. None: nothing."""
    if load.room(now) > 0:
        return None
    queued = load.queued
    if load.lines + queued >= load.account.max_open_calls:
        first = f" {counted(queued, 'queued call')} go{'es' if queued == 1 else ''} first." if queued else ""
        return _wait(CheckName.ACCOUNT_CAPACITY, _lines(load) + first)
    return _rate(load.account, queued)


def of_campaign(choices: Choices, now: datetime) -> Check | None:
    """Return the limit of the campaign or its caller numbers that lets it enqueue nobody now. None: there is none."""
    campaign = choices.campaign
    left = lines_left(campaign, now)
    if left is not None and left <= 0:
        return _wait(CheckName.CAMPAIGN_CAPACITY)
    if campaign.calls_per_minute is not None and not moments(campaign, now):
        return _wait(CheckName.PACE, until=campaign.next_call_at)
    room = room_of_numbers(choices, now)
    if room.today <= 0:
        return _wait(CheckName.CALLER_NUMBER_DAY, until=choices.next_at(now))
    if room.lines <= 0:
        return _wait(CheckName.CALLER_NUMBER_CAPACITY)
    if room.now <= 0:
        return _wait(CheckName.CALLER_NUMBER_REST, until=choices.next_at(now))
    return None


def on_queued_call(call: Call, load: Load, now: datetime) -> list[Check]:
    """Return what keeps a queued call that the gate allows from being placed in the next round. Empty: nothing."""
    room = min(load.room_to_place, rate_limits.free_for_placing(call.account, now))
    earlier = Q(due_at__lt=call.due_at) | Q(due_at=call.due_at, pk__lt=call.pk)
    before = Q(priority__gt=call.priority) | (Q(priority=call.priority) & earlier)
    ahead = call.account.calls.about_to_go(now).filter(before)[: max(1, room)].count()
    return [] if ahead < room else [_rate(call.account, ahead)]


def on_recipient(recipient: Recipient, call: Call, choices: Choices, load: Load, now: datetime) -> list[Check]:
    """Return what keeps a due recipient that the gate allows from being enqueued in the next round. Empty: nothing.

    `call`: its next call, with what it would be made with. `load`: of the call's account. A recipient for which
    something is named may be enqueued all the same, when those before it turn out not to be called.
    """
    limits = [limit for limit in (of_queue(load, now), of_campaign(choices, now)) if limit]
    if limits or recipient.next_attempt_at is None:
        return limits
    turn = _Turn(recipient, call, choices, load, now).check()
    return [turn] if turn else []


@dataclass(frozen=True)
class _Turn:
    """Whether others are called before a recipient, in its campaign and in others of the organization."""

    recipient: Recipient
    call: Call
    choices: Choices
    load: Load
    now: datetime

    def check(self) -> Check | None:
        most = self._most()
        if most <= 0:
            return _wait(CheckName.NEXT_TURN, "Other campaigns call first.")
        ahead = self._ahead()[:most].count()
        if ahead < most:
            return None
        return _wait(CheckName.NEXT_TURN, f"At least {counted(ahead, 'recipient')} of the campaign come first.")

    def _most(self) -> int:
        """Return how many recipients of the campaign are enqueued in the next round for certain, in their order."""
        campaign, now = self.choices.campaign, self.now
        rooms = {self.load.account.pk: self.load.room(now)}
        rooms |= {account.pk: room_of(account, now) for account in self.choices.accounts() if account.pk not in rooms}
        given, from_the_number = sum(room for room in rooms.values() if room > 0), 0
        if contest := self._contest():
            turns = fair_share.turns(contest.contenders, contest.rooms)
            place = next((place for place, turn in enumerate(turns) if turn.campaign == campaign.pk), len(turns))
            given = turns[place].calls if place < len(turns) else 0
            before = [turn for turn in turns[:place] if self._number in contest.choices[turn.campaign].numbers()]
            from_the_number = sum(turn.calls for turn in before)
        numbers = room_of_numbers(self.choices, now)
        fits = [given, room_of_campaign(campaign, numbers.now, now), rooms[self.call.account_id]]
        fits.append(numbers.of(self._number) - from_the_number)
        if self.recipient.assistant_id is None:
            # Those before it may use up an account. The turn of its assistant then keeps all others waiting.
            fits.append(max(1, min(rooms[choice.account.pk] for choice, _ in self.choices.shares())))
        return min(fits)

    @property
    def _number(self) -> PhoneNumber:
        return self.call.phone_number

    def _contest(self) -> Contest | None:
        """Return the contest of the organization's campaigns. None: the campaign has no rival."""
        campaign = self.choices.campaign
        running = with_due_recipients(Campaign.objects.filter(organization=campaign.organization_id), self.now)
        if not running.exclude(pk=campaign.pk).exists():
            return None
        return contest_of(list(running.select_related("organization", "assistant__account").order_by("pk")), self.now)

    def _ahead(self) -> QuerySet[Recipient]:
        mine = self.recipient
        due_at = mine.next_attempt_at or self.now
        earlier = Q(next_attempt_at__lt=due_at) | Q(next_attempt_at=due_at, sort_key__lte=mine.sort_key)
        return due_of(self.choices.campaign, self.now).filter(earlier).exclude(pk=mine.pk)


def _lines(load: Load) -> str:
    lines, taken, name = load.account.max_open_calls, load.lines, load.account.name
    every = taken >= lines > 1
    shown = f"All {lines:,} lines" if every else f"{taken:,} of {counted(lines, 'line')}"
    more = f" {counted(load.overdue, 'overdue call')} hold{'s' if load.overdue == 1 else ''} no line."
    return f"{shown} of “{name}” {'is' if taken == 1 else 'are'} taken.{more if load.overdue else ''}"


def _rate(account: ProviderAccount, queued: int) -> Check:
    calls = f"{account.calls_per_second.normalize():f}"
    first = f", and {counted(queued, 'queued call')} go{'es' if queued == 1 else ''} first" if queued else ""
    return _wait(CheckName.ACCOUNT_RATE, f"“{account.name}” places at most {calls} calls a second{first}.")


def _wait(name: CheckName, detail: str = "", until: datetime | None = None) -> Check:
    return Check(name, "defer", detail or name.words, until)
