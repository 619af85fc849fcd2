"""The limits for which due recipients and queued calls wait, where the gate itself would let them go.

The gate decides about one call. How many calls go out, and which ones first, is decided by capacity, rates and turns:
`dialing/enqueueing.py` and `dialing/placing.py` follow them, and explanations and idle reasons say them here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet

from calls.gate import fair_share, pacing, rate_limits
from calls.gate.capacity import AHEAD, Load, lines_left, moments, room_of, room_of_campaign, room_of_numbers
from calls.gate.checks import CheckName
from calls.gate.decision import Check, Facts, decide, with_more
from calls.gate.facts import Batch
from calls.gate.selection import Choice, Choices, Selection
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


def on_queued_call(call: Call, facts: Facts, load: Load, now: datetime) -> list[Check]:
    """Return what keeps a queued call that the gate allows from being placed in the next round. Empty: nothing."""
    room = min(load.room_to_place, rate_limits.free_for_placing(call.account, now))
    earlier = Q(due_at__lt=call.due_at) | Q(due_at=call.due_at, pk__lt=call.pk)
    before = Q(priority__gt=call.priority) | (Q(priority=call.priority) & earlier)
    ahead = list(call.account.calls.about_to_go(now).filter(before).order_by()[: max(1, room)])
    if len(ahead) >= room:
        return [_rate(call.account, len(ahead))]
    if call.campaign:  # its calls through other accounts may be claimed before as well
        others = call.campaign.calls.about_to_go(now).exclude(account=call.account_id)
        ahead += others[: max(1, call.account.max_open_calls)]
    if decide(_after(ahead, call, facts, now), now).verdict == "allow":
        return []
    return [_wait(CheckName.NEXT_TURN, f"{counted(len(ahead), 'queued call')} may go first.")]


def _after(ahead: list[Call], call: Call, facts: Facts, now: datetime) -> Facts:
    """Return the facts of a call once those before it are placed, as a claim counts them."""
    from_number = sum(each.phone_number_id == call.phone_number_id for each in ahead)
    in_campaign = sum(each.campaign_id == call.campaign_id for each in ahead)
    same = any(each.to_number == call.to_number or each.contact_id == call.contact_id for each in ahead)
    paced = in_campaign and pacing.applies_to(call)
    reserves = [facts.reserve] if facts.reserve else []
    return replace(
        facts,
        open_call=facts.open_call or same,
        number_open=facts.number_open + from_number,
        number_in_a_day=facts.number_in_a_day + from_number,
        number_last_at=now if from_number else facts.number_last_at,
        campaign_open=facts.campaign_open + in_campaign,
        campaign_next_at=now + AHEAD if paced else facts.campaign_next_at,
        spent=None if facts.spent is None else with_more(facts.spent, reserves * in_campaign),
        daily_budgets=tuple(budget.with_more(reserves * len(ahead)) for budget in facts.daily_budgets),
    )


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
        given, before = sum(room for room in rooms.values() if room > 0), list[Collection[PhoneNumber]]()
        if contest := self._contest():
            turns = fair_share.turns(contest.contenders, contest.rooms)
            place = next((place for place, turn in enumerate(turns) if turn.campaign == campaign.pk), len(turns))
            given = turns[place].calls if place < len(turns) else 0
            before = [contest.choices[turn.campaign].numbers() for turn in turns[:place] for _ in range(turn.calls)]
        numbers = room_of_numbers(self.choices, now)

        def room_from(number: PhoneNumber) -> int:
            return numbers.of(number) - sum(number in calling for calling in before)

        fits = [given, room_of_campaign(campaign, numbers.now, now), rooms[self.call.account_id]]
        fits.append(room_from(self.call.phone_number))
        shares = self.choices.shares()
        if self.recipient.assistant_id is None and len(shares) > 1:
            # Whom it gets depends on those before it. They may also use up an account or caller numbers. The turn of
            # its assistant then keeps all others waiting, or it waits for an assistant that cannot call.
            batch = self.choices.read_facts([self.call], now)
            can_call = [min(rooms[each.account.pk], self._room_of(each, batch, room_from)) for each, _ in shares]
            fits.append(max(1, min(can_call)))
        return min(fits)

    def _room_of(self, choice: Choice, batch: Batch, room_from: Callable[[PhoneNumber], int]) -> int:
        """Return how many more calls an assistant may make from its caller numbers."""
        able = self.choices.able(choice, self.call.to_number)
        if not able:
            return 0
        call = copy(self.call)
        Selection(choice, able[0], None, None).put_on(call)
        checks = decide(batch.facts_of(call), self.now).checks
        if any(check.result != "allow" and check.name.traits.about_assistant for check in checks):
            return 0
        return sum(max(0, room_from(number)) for number in able)

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
