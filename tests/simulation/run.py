"""Run the product through simulated time, from one moment at which something is due to the next."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import time_machine
from django.db.models import Min, QuerySet

from calls.actions import budget_watch, campaigns
from calls.dialing import daily_caps, enqueueing, placing
from calls.forecast import forecast
from calls.gate import budgets
from calls.gate.selection import Choices
from calls.models import Call, CallBack, CallEvent
from calls.models.costing import COST
from calls.outcomes import recording
from campaigns import launching
from campaigns.models import Campaign, Recipient
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, NotSent, ProviderError, Rejected
from tenants.money import Money
from tests.simulation import deeds, world
from tests.simulation.engine import Steps
from tests.simulation.journal import Journal, Left
from tests.simulation.plan import Deed, Organization, Plan
from tests.simulation.telephone import DOUBT_LASTS, Dial, Telephones

CROWDED_TICK = timedelta(seconds=15)  # outcomes within one tick are recorded together
TICK = timedelta(seconds=2)
MAINTENANCE = timedelta(hours=2)
MAINTENANCE_OF_A_YEAR = timedelta(hours=12)
A_SEASON = timedelta(days=60)
A_WHILE = timedelta(minutes=10)
A_BIT = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
MANY = 40  # calls claimed at once in a large plan: the sums of a claim grow with the calls of the day
WAITING = (Recipient.Status.PENDING, Recipient.Status.WAITING)


class Month:
    def __init__(self, plan: Plan, seed: int, say: Callable[[str], None] = lambda text: None) -> None:
        self.plan, self.say = plan, say
        self.telephones = Telephones(seed)
        self.journal = Journal()
        self._ends: list[tuple[datetime, int, int, Dial]] = []  # ends, and what is told after them
        self._turns = count()
        self._steps = 0
        self._retry_at: datetime | None = None
        self._many = sum(len(each.people) for home in plan.organizations for each in home.campaigns) > 5_000
        self._dial_of: dict[int, Dial] = {}
        self._engine = Steps()
        self._look_at: datetime | None = None
        # Only a number's daily cap, or a contact's budget of a day, ends by itself without a due recipient.
        capped = any(number.per_day is not None for home in plan.organizations for number in home.numbers)
        self._maintain_every = MAINTENANCE_OF_A_YEAR if plan.end - plan.begin > A_SEASON else MAINTENANCE
        self._wake_every = A_WHILE if capped else self._maintain_every

    def run(self) -> Journal:
        with time_machine.travel(self.plan.begin, tick=False) as clock:
            self.homes = world.build(self.plan)
            self._names()
            for home in self.homes:
                for name, campaign in home.campaigns.items():
                    found = forecast.forecast(Campaign.objects.get(pk=campaign.pk), self.plan.begin)
                    self.journal.forecasts[home.plan.name, name] = found.finishes_at
            for home in self.homes:
                for campaign in home.campaigns.values():
                    campaigns.start(campaign, actor="the month")
            self._deeds = [(deed.at, n, home, deed) for n, home in enumerate(self.homes) for deed in home.plan.deeds]
            self._deeds.sort(key=lambda each: each[:2])
            self._enqueue_at = {home.row.pk: self.plan.begin for home in self.homes}
            self._maintenance_at = self._wake_at = self.plan.begin
            now = self.plan.begin
            while now < self.plan.end and not self.journal.cut_short:
                clock.move_to(now)
                self._step(now)
                now = max(self._next(now), now + A_BIT)
            if self.journal.cut_short:
                self.plan = replace(
                    self.plan, end=self.plan.begin + math.ceil((now - self.plan.begin) / MINUTE) * MINUTE
                )
            clock.move_to(self.plan.end)
            self._read_recipients()
        return self.journal

    def stop(self) -> None:
        """End the month after this step. The judge then uses a plan that ends at that moment."""
        self.journal.cut_short = True

    def _names(self) -> None:
        self._home_of = {home.row.pk: home for home in self.homes}
        self._row_of = {home.plan.name: home.row.pk for home in self.homes}
        self._campaign_name = {c.pk: name for home in self.homes for name, c in home.campaigns.items()}
        self._account_name = {a.pk: name for home in self.homes for name, a in home.accounts.items()}

    def _step(self, now: datetime) -> None:
        self._steps += 1
        while self._deeds and self._deeds[0][0] <= now:
            _, _, home, deed = self._deeds.pop(0)
            self._do(home, deed, now)
        if now >= self._maintenance_at:
            self._maintain(now)
        if now >= self._wake_at:
            self._wake_at = now + self._wake_every
            if daily_caps.wake(now):
                self._enqueue_at = dict.fromkeys(self._enqueue_at, now)
        while self._ends and self._ends[0][0] <= now:
            _, _, pk, dial = heapq.heappop(self._ends)
            self._tell(pk, dial, now)
        if self._look_at and self._look_at <= now:
            self._look(now)
        for organization, at in self._enqueue_at.items():
            if at <= now:
                self._enqueue_at[organization] = self._enqueue(organization, now)
        self._place(now)

    def _next(self, now: datetime) -> datetime:
        queued: datetime | None = Call.objects.queued().filter(due_at__gt=now).aggregate(first=Min("due_at"))["first"]
        moments: list[datetime] = [
            self._maintenance_at,
            self._wake_at,
            *self._enqueue_at.values(),
            *([queued] if queued else []),
        ]
        moments += [self._ends[0][0]] if self._ends else []
        moments += [self._deeds[0][0]] if self._deeds else []
        moments += [moment for moment in (self._retry_at, self._look_at) if moment]
        return min(moments)

    # Actions of the plan.

    def _do(self, home: world.Home, deed: Deed, now: datetime) -> None:
        done = replace(deed, at=now)
        if refusal := deeds.do(home, done):
            self.journal.refused.append((home.plan.name, done, refusal))
        else:
            self.journal.deeds.append((home.plan.name, done))
        self._look_at = now
        self._enqueue_at[home.row.pk] = now

    # The engine's work, in the order of its own loops.

    def _maintain(self, now: datetime) -> None:
        campaigns.start_scheduled()
        for pk in campaigns.launching_now():
            while not launching.step(pk):
                pass
            self._enqueue_at[Campaign.objects.get(pk=pk).organization_id] = now
        campaigns.finish_where_done()
        self._watch(now)
        starts = [each.starts_at for home in self.plan.organizations for each in home.campaigns if each.starts_at]
        self._maintenance_at = min([now + self._maintain_every, *(at for at in starts if at > now)])

    def _look(self, now: datetime) -> None:
        """Let the engine see edits and callbacks, after an action and whenever a callback begins or ends."""
        self._engine.look()
        enqueueing.reroute(now)
        due = CallBack.objects.filter(status=CallBack.Status.DUE)
        begins = due.filter(due_at__gt=now).aggregate(at=Min("due_at"))["at"]
        ends = due.filter(latest_at__gt=now).aggregate(at=Min("latest_at"))["at"]
        waits = now + MINUTE if due.filter(due_at__lte=now).exists() else None
        self._look_at = min(filter(None, (begins, ends, waits)), default=None)

    def _watch(self, now: datetime) -> None:
        budget_watch.watch(now)
        known = {(organization, campaign) for organization, campaign, _ in self.journal.paused}
        for row in Campaign.objects.filter(status=Campaign.Status.PAUSED).exclude(status_reason=""):
            name = (self._home_of[row.organization_id].plan.name, row.name)
            if name not in known:
                self.journal.paused.append((*name, now))

    def _enqueue(self, organization: int, now: datetime) -> datetime:
        """Enqueue, and return when to enqueue again.

        That is soon if a recipient was queued. Otherwise it is when the next recipient is due, a campaign's pace allows
        a call, or a caller number may call again. A placed or ended call schedules the next enqueueing itself, because
        it changes the capacity.
        """
        soon = now + self._tick_of(organization)
        if self._enqueue_due(organization, now):
            return soon
        live = self._live(organization)
        later: datetime | None = live.filter(next_attempt_at__gt=now).aggregate(at=Min("next_attempt_at"))["at"]
        if not live.filter(next_attempt_at__lte=now).exists():
            return min(later or self._maintenance_at, self._maintenance_at)
        running = Campaign.objects.filter(organization=organization, status=Campaign.Status.RUNNING)
        turn: datetime | None = running.filter(next_call_at__gt=now).aggregate(at=Min("next_call_at"))["at"]
        numbers = [Choices(each, now).next_at(now) for each in running]
        moments = [now + A_WHILE, later, turn and max(turn - TICK / 2, soon), *numbers]
        return min(moment for moment in moments if moment is not None)

    def _enqueue_due(self, organization: int, now: datetime) -> bool:
        """Enqueue, and return whether a recipient was queued.

        The engine enqueues twice a second, so this repeats as long as it defers recipients.
        """
        due = self._live(organization).filter(next_attempt_at__lte=now)
        before = due.count()
        while before and not enqueueing.feed_all(organization):
            left = due.count()
            if left == before:
                return False
            before = left
        return before > 0

    def _live(self, organization: int) -> QuerySet[Recipient]:
        running = Campaign.objects.filter(organization=organization, status=Campaign.Status.RUNNING)
        return Recipient.objects.filter(campaign__in=list(running.values_list("pk", flat=True)), status__in=WAITING)

    def _tick_of(self, organization: int) -> timedelta:
        home = self._home_of[organization].plan
        return CROWDED_TICK if len(home.campaigns) > 1 and not home.ample else TICK

    def _place(self, now: datetime) -> None:
        self._retry_at = None
        for account in placing.accounts_with_work(now):
            while claims := placing.claim(account, MANY if self._many else placing.BATCH):
                for claim in claims:
                    self._ring(claim, now)
        if Call.objects.about_to_go(now).exists():
            self._retry_at = now + (TICK / 2 if self._many else TICK / 10)

    def _ring(self, claim: placing.Claim, now: datetime) -> None:
        call = claim.call
        dial = Dial(
            at=now,
            organization=self._home_of[call.organization_id].plan.name,
            campaign=self._campaign_name[call.campaign_id or 0],
            account=self._account_name[call.account_id],
            number=call.from_number,
            phone=call.to_number,
            reserved=budgets.reserve_of(call.account).amount,
            asked_for=call.asked_for,
            rate=call.account.price_per_minute,
        )
        self.telephones.ring(dial, odd=_is_odd(self._home_of[call.organization_id].plan))
        self.journal.dials.append(dial)
        soon = now + self._tick_of(call.organization_id)
        self._enqueue_at[call.organization_id] = min(self._enqueue_at[call.organization_id], soon)
        placing.record(claim, ANSWERS[dial.answer](call.pk))
        if dial.ended_at:
            seen_at = dial.ended_at + dial.manner.after + (DOUBT_LASTS if dial.answer == "doubt" else timedelta())
            if self._tick_of(call.organization_id) == CROWDED_TICK:
                seen_at = _tick_after(seen_at)
            heapq.heappush(self._ends, (seen_at, next(self._turns), call.pk, dial))
        else:
            dial.recorded_at = now
        if len(self.journal.dials) % 1000 == 0:
            self.say(f"{now:%d %b %H:%M}  {len(self.journal.dials):>7,} dials, {self._steps:,} steps")

    def _tell(self, pk: int, dial: Dial, now: datetime) -> None:
        """Record what the provider tells: the end, or what it tells after the end."""
        manner = dial.manner
        last = dial.recorded_at is not None or manner.settles_after is None
        recording.record(pk, told(pk, dial, settled=last), CallEvent.Source.READ)
        if dial.recorded_at is None:
            dial.recorded_at, self._dial_of[pk] = now, dial
            if manner.settles_after is not None:
                heapq.heappush(self._ends, (now + manner.settles_after, next(self._turns), pk, dial))
        if last:
            dial.settled_at = now
            if manner.opt_out is not None:
                self._look_at = now
        organization = self._row_of[dial.organization]
        self._enqueue_at[organization] = min(self._enqueue_at[organization], now)

    def _read_recipients(self) -> None:
        found = Recipient.objects.values_list(
            "campaign__organization", "campaign", "contact__phone", "status", "reason", "attempts", "next_attempt_at"
        )
        for organization, campaign, phone, status, reason, attempts, next_at in found.iterator():
            name = self._home_of[organization].plan.name, self._campaign_name[campaign], phone
            self.journal.left[name] = Left(status, reason, attempts, next_at)
        for pk, cost in Call.objects.values_list("pk", COST).iterator():
            if pk in self._dial_of:
                self._dial_of[pk].cost = cost or Decimal(0)


def _is_odd(home: Organization) -> bool:
    """Return whether ends are told in odd manners. The others' ends are compared with the forecast."""
    return len(home.campaigns) > 1 or bool(home.deeds)


def told(pk: int, dial: Dial, *, settled: bool) -> Reading:
    """Return the reading in which a call's provider tells its end."""
    manner = dial.manner
    zero = manner.zero_first and not settled
    fields: dict[str, Any] = dict(manner.machine) if dial.machine else {}
    if settled:
        fields |= {"price": Money.known(manner.price, "USD")}
        fields |= manner.opt_out or {}
    elif zero:
        fields |= {"price": Money(Decimal(0), "USD"), "billed_duration_seconds": 0}
    return Reading(
        state=STATES[dial.outcome],
        provider_call_id=f"c{pk}",
        ended_at=dial.ended_at + manner.clock if dial.ended_at else None,
        duration_seconds=0 if zero else dial.paid_seconds or None,
        settled=settled,
        **fields,
    )


def _tick_after(moment: datetime) -> datetime:
    seconds = CROWDED_TICK.total_seconds()
    return datetime.fromtimestamp(math.ceil(moment.timestamp() / seconds) * seconds, UTC)


STATES = {
    "completed": CallState.COMPLETED,
    "no_answer": CallState.NO_ANSWER,
    "busy": CallState.BUSY,
    "failed": CallState.FAILED,
}


def _given(error: type[ProviderError]) -> Callable[[int], ProviderError]:
    return lambda pk: error("An injected error of the simulation.")


ANSWERS: dict[str, Callable[[int], Any]] = {
    "placed": lambda pk: Reading(state=CallState.DIALING, provider_call_id=f"c{pk}"),
    "not_sent": _given(NotSent),
    "refused": _given(Rejected),
    "doubt": _given(MayBeRinging),
}
