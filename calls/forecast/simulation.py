"""A campaign in simulated time. The gate is asked at each moment, once for all recipients with the same facts."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from calls.forecast.daily_limits import DailyLimit, daily_limits_of
from calls.forecast.outcome_mix import Ending
from calls.gate.checks import CheckName
from calls.gate.decision import LATER, Facts, decide
from calls.gate.facts import within_a_day, within_a_month
from calls.gate.selection import Choice, Choices
from calls.models import Status
from campaigns.models import Campaign
from campaigns.models.campaign import min_gap_of, retry_rule
from campaigns.rules import retries
from tenants.money import NOTHING, Amounts, rounded

HORIZON = timedelta(days=400)
PATIENCE = 100  # deferrals in a row after which a recipient counts as never called
PARTS = 500  # into how many parts time and recipients are divided


@dataclass(slots=True)
class Cohort:
    """Recipients for whom the gate decides alike. `dials`: when they were called, oldest first."""

    facts: Facts
    attempts: int
    dials: tuple[datetime, ...]
    size: int
    batch: int = 0
    deferred: int = 0
    place: int = 0  # which of their numbers is called
    others: int = 0  # attempts at the numbers before it

    @property
    def counted(self) -> int:
        """Return how many attempts the retry rules count."""
        return self.attempts - self.others

    def facts_at(self, moment: datetime) -> Facts:
        last = self.dials[-1] if self.dials else None
        return replace(
            self.facts,
            attempts=self.attempts,
            last_dialed_at=last,
            dialed_in_a_day=within_a_day(self.dials, moment),
            dialed_in_30_days=within_a_month(self.dials, moment) if self.facts.max_per_30_days is not None else (),
        )


class Simulation:
    """The simulation: recipients are called in the order in which they are due, as fast as the limits allow."""

    def __init__(
        self,
        campaign: Campaign,
        choices: Choices,
        endings: Sequence[Ending],
        begin: datetime,
        daily_limits: Sequence[DailyLimit] | None = None,
        chance: random.Random | None = None,
        with_number: Sequence[float] = (),
    ) -> None:
        """`daily_limits`: those of an earlier simulation, instead of reading them again.

        `with_number`: which share of the recipients has a first further number, a second one and so on.

        `chance` draws how each call ends. Without it, calls end in exactly the shares of `endings`.
        """
        self.campaign, self.choices, self.endings, self.begin = campaign, choices, endings, begin
        self.chance, self.with_number = chance, (1.0, *with_number)
        self._owed_next: defaultdict[int, float] = defaultdict(float)
        self.rules = [retry_rule(rule) for rule in campaign.retry_rules.all()]
        self.gap = min_gap_of(campaign.organization, campaign)
        self.per_second = _calls_per_second(campaign, choices, endings)
        billed = sum((ending.billed * ending.share for ending in endings), timedelta())
        self.daily_limits = (
            daily_limits_of(campaign, choices, billed, begin) if daily_limits is None else deepcopy(daily_limits)
        )
        self.skipped: Counter[str] = Counter()
        self.per_hour: Counter[datetime] = Counter()
        self.calls = self.not_reached = 0
        self.paid = timedelta()
        self.starts_at: datetime | None = None
        self.last_end: datetime | None = None
        self.without_end: Counter[str] = Counter()  # recipients who are never called, by what they wait for
        self._queue: list[tuple[datetime, int, Cohort]] = []
        self._waiting: dict[tuple[Any, ...], tuple[Cohort, int]] = {}
        self._turns = count()
        self._alike: dict[Facts, Facts] = {}
        self._closed: dict[tuple[Any, ...], tuple[datetime, datetime]] = {}
        self._owed: defaultdict[int, list[float]] = defaultdict(lambda: [0.0] * len(endings))
        self._grain = timedelta(seconds=1)
        self._total = 1

    def again(self, daily_limits: Sequence[DailyLimit], chance: random.Random) -> Simulation:
        """Return a new simulation of the same campaign in which `chance` draws how each call ends."""
        with_number = self.with_number[1:]
        return Simulation(self.campaign, self.choices, self.endings, self.begin, daily_limits, chance, with_number)

    @property
    def finishes_at(self) -> datetime | None:
        return None if self.without_end else self.last_end

    def run(self, waiting: Counter[tuple[Facts, datetime]], calling: Counter[Facts]) -> None:
        """Simulate the campaign to its end.

        `waiting`: recipients by their facts and due time. `calling`: recipients with an open call, by their facts.
        """
        self._total = max(1, waiting.total() + calling.total())
        if self.per_second <= 0:
            self.without_end += Counter(capacity=waiting.total())  # a Counter's += drops zeros
            return
        self._grain = max(self._grain, timedelta(seconds=self._total / self.per_second / PARTS))
        for facts, size in calling.items():
            dials = _dials_of(facts)
            self._end(Cohort(self._template(facts), max(1, facts.attempts), dials, size), size, self.begin)
        for (facts, due), size in waiting.items():
            dials = _dials_of(facts)
            self._wait(due, Cohort(self._template(facts), facts.attempts, dials, size))
        clock = self.begin
        while self._queue:
            due, turn, cohort = heapq.heappop(self._queue)
            self._forget(due, turn, cohort)
            moment = max(clock, due)
            if self._may_be_called(cohort, due, moment):
                room, renews_at = self._room(moment)
                if room > 0:
                    clock = self._call(cohort, due, moment, room)
                elif renews_at > self.begin + HORIZON:
                    self.without_end["limits"] += cohort.size
                else:
                    clock = renews_at
                    heapq.heappush(self._queue, (due, next(self._turns), cohort))

    def _room(self, moment: datetime) -> tuple[int, datetime]:
        """Return how many calls the daily limits allow, and when they allow calls again if that is none."""
        rooms = [daily_limit.room(moment) for daily_limit in self.daily_limits]
        closed = [renews_at for room, renews_at in rooms if room <= 0]
        return min((room for room, _ in rooms), default=self._total), max(closed, default=moment)

    def _may_be_called(self, cohort: Cohort, due: datetime, moment: datetime) -> bool:
        """Ask the gate. Put the cohort off if it has to wait, drop it if it is skipped."""
        reason: str = CheckName.CALLING_HOURS
        until = self._known_to_be_closed(cohort, moment)
        if until is None:
            decision = decide(cohort.facts_at(moment), moment)
            if decision.verdict == "allow":
                return True
            if decision.verdict == "skip":
                self._drop(cohort, decision.reason)
                return False
            until, reason = decision.until or moment + LATER, decision.reason
            if (hours := decision.failed(CheckName.CALLING_HOURS)) and hours.until:
                self._closed[cohort.facts.zones, cohort.facts.hours] = (moment, hours.until)
        if reason == CheckName.NO_OPENING or cohort.deferred >= PATIENCE or until > self.begin + HORIZON:
            self.without_end[reason] += cohort.size
        else:
            self._put_off(cohort, due, until)
        return False

    def _put_off(self, cohort: Cohort, due: datetime, until: datetime) -> None:
        """Put off the part of the cohort whose turn it is.

        The rest is not asked yet and keeps its place. When it may be called, it goes before the part that was put off.
        """
        cohort.batch = cohort.batch or self._batch(cohort.size)
        size = min(cohort.size, cohort.batch)
        self._wait(until, replace(cohort, size=size, deferred=cohort.deferred + 1))
        if cohort.size > size:
            cohort.size -= size
            heapq.heappush(self._queue, (due, next(self._turns), cohort))

    def _known_to_be_closed(self, cohort: Cohort, moment: datetime) -> datetime | None:
        """Return the end of the closed hours if the gate has said so for the same zones and hours."""
        since, until = self._closed.get((cohort.facts.zones, cohort.facts.hours), (moment, moment))
        return until if since <= moment < until else None

    def _drop(self, cohort: Cohort, reason: str) -> None:
        if cohort.attempts == 0 and reason == CheckName.NO_OPEN_WINDOW:
            self.not_reached += cohort.size
        elif cohort.attempts == 0:
            self.skipped[reason] += cohort.size

    def _call(self, cohort: Cohort, due: datetime, moment: datetime, room: int) -> datetime:
        """Call a part of the cohort; the rest keeps its place. Return when the next call can go out."""
        cohort.batch = cohort.batch or self._batch(cohort.size)
        size = min(cohort.size, cohort.batch, room)
        for daily_limit in self.daily_limits:
            daily_limit.take(size, moment)
        takes = timedelta(seconds=size / self.per_second)
        self.calls += size
        self.starts_at = min(self.starts_at or moment, moment)
        self.per_hour[moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)] += size
        dialed_at = moment + takes / 2
        remembered = max(1, cohort.facts.max_per_day, cohort.facts.max_per_30_days or 0)
        dials = (*cohort.dials, dialed_at)[-remembered:]
        called = replace(cohort, attempts=cohort.attempts + 1, dials=dials, size=size, batch=0, deferred=0)
        self._end(called, size, dialed_at)
        if cohort.size > size:
            cohort.size, cohort.deferred = cohort.size - size, 0
            heapq.heappush(self._queue, (due, next(self._turns), cohort))
        return moment + takes

    def _batch(self, size: int) -> int:
        """Return how many of a cohort are called in one turn, so that cohorts due together take turns by size."""
        if size <= self._total // PARTS:
            return size
        return math.ceil(size / max(100, 4 * PARTS // max(1, len(self._alike))))

    def _end(self, called: Cohort, size: int, dialed_at: datetime) -> None:
        for ending, number in zip(self.endings, self._split(size, called.attempts), strict=True):
            if not number:
                continue
            ended = dialed_at + ending.held
            self.last_end = max(self.last_end or ended, ended)
            self.paid += ending.billed * number
            again = retries.next_attempt(
                self.rules,
                ending.status,
                ending.voicemail,
                called.counted,
                self.campaign.max_attempts - called.others,
                ended,
                self.gap,
            )
            if again:
                again = self._at_another_time(called, ending, dialed_at, again)
                self._wait(again, replace(called, size=number))
            elif ending.status == Status.NO_ANSWER and not ending.voicemail:
                self._try_next_number(replace(called, size=number), ending, dialed_at)

    def _try_next_number(self, called: Cohort, ending: Ending, dialed_at: datetime) -> None:
        """Let as many of a cohort that was not answered go on as have a further number."""
        place = called.place + 1
        if place >= len(self.with_number) or called.attempts >= self.campaign.max_attempts:
            return
        due = self._owed_next[place] + called.size * self.with_number[place] / self.with_number[called.place]
        self._owed_next[place] = due - (size := min(called.size, math.floor(due)))
        if not size:
            return
        ended, rule = dialed_at + ending.held, retries.rule_after(self.rules, ending.status, ending.voicemail)
        again = rule.earliest(1, ended, self.gap) if rule else ended + self.gap
        again = self._at_another_time(called, ending, dialed_at, again)
        self._wait(again, replace(called, size=size, place=place, others=called.attempts))

    def _at_another_time(self, called: Cohort, ending: Ending, dialed_at: datetime, again: datetime) -> datetime:
        """Return the retry's moment, at another time of day than the last call if the rule says so."""
        rule = retries.rule_after(self.rules, ending.status, ending.voicemail)
        if rule is None or not rule.other_time_of_day:
            return again
        facts, seed = called.facts, next(self._turns)
        return retries.at_another_time_of_day(again, dialed_at, facts.hours, facts.zones, facts.not_after, seed)

    def _split(self, size: int, attempts: int) -> list[int]:
        """Split `size` calls into whole numbers by ending.

        The rounding error is carried to the next calls of the same attempt.
        """
        if self.chance:
            drawn = Counter(self.chance.choices(range(len(self.endings)), [e.share for e in self.endings], k=size))
            return [drawn[n] for n in range(len(self.endings))]
        owed = self._owed[attempts]
        due = [debt + size * ending.share for debt, ending in zip(owed, self.endings, strict=True)]
        taken = [max(0, math.floor(share)) for share in due]
        while (rest := size - sum(taken)) != 0:
            step = 1 if rest > 0 else -1
            worst = max(range(len(due)), key=lambda i: (taken[i] + step >= 0, step * (due[i] - taken[i])))
            taken[worst] += step
        self._owed[attempts] = [share - number for share, number in zip(due, taken, strict=True)]
        return taken

    # Cohorts that wait for about the same moment, and were called in the same hours, are merged.

    def _template(self, facts: Facts) -> Facts:
        """Return the facts without what differs between called recipients, and without what passes by itself."""
        plain = replace(
            facts,
            organization_active=True,
            calls_stopped=False,
            account_active=True,
            account_blocked=False,
            open_call=False,
            attempts=0,
            last_dialed_at=None,
            dialed_in_a_day=(),
            dialed_in_30_days=(),
            reserve=None,
            budget=None,
            daily_budgets=(),
            number_open=0,
            campaign_open=0,
            campaign_next_at=None,
            number_last_at=None,
            number_in_a_day=0,
            number_day_frees_at=None,
        )
        return self._alike.setdefault(plain, plain)

    def _key(self, due: datetime, cohort: Cohort) -> tuple[Any, ...]:
        hours = tuple(int(dialed.timestamp()) // 3600 for dialed in cohort.dials)
        return id(cohort.facts), cohort.attempts, cohort.place, cohort.others, (due - self.begin) // self._grain, hours

    def _wait(self, due: datetime, cohort: Cohort) -> None:
        key = self._key(due, cohort)
        if key in self._waiting:
            other, _ = self._waiting[key]
            other.size += cohort.size
            other.batch, other.dials = 0, tuple(map(max, other.dials, cohort.dials))
            return
        turn = next(self._turns)
        self._waiting[key] = (cohort, turn)
        cohort.batch = 0
        heapq.heappush(self._queue, (due, turn, cohort))

    def _forget(self, due: datetime, turn: int, cohort: Cohort) -> None:
        key = self._key(due, cohort)
        if self._waiting.get(key, (None, -1))[1] == turn:
            del self._waiting[key]

    def cost(self) -> tuple[Amounts, Amounts]:
        """Return the expected cost and the highest cost, by currency. Empty: an account has no price.

        At the highest cost every call is answered. It lasts as long as money is set aside for, or as long as the
        organization's answered calls if that is longer.
        """
        shares = self.choices.shares()
        if any(choice.account.price_per_minute is None for choice, _ in shares):
            return NOTHING, NOTHING
        prices = Amounts.of(price * Decimal(share) for choice, share in shares if (price := choice.account.price))
        longest = max(ending.billed for ending in self.endings) / timedelta(minutes=1)
        reserved = max(choice.account.reserved_minutes for choice, _ in shares)
        minutes = max(reserved, Decimal(str(round(longest, 4))))
        paid = Decimal(str(round(self.paid / timedelta(minutes=1), 4)))
        low = Amounts.of(rounded(price * paid) for price in prices)
        return low, Amounts.of(rounded(price * max(paid, minutes * self.calls)) for price in prices)


def _dials_of(facts: Facts) -> tuple[datetime, ...]:
    known = facts.dialed_in_30_days or facts.dialed_in_a_day
    return known or ((facts.last_dialed_at,) if facts.last_dialed_at else ())


def _calls_per_second(campaign: Campaign, choices: Choices, endings: Sequence[Ending]) -> float:
    """Return the lowest rate of the campaign.

    The rates are its pace, its limit of open calls over the mean duration, and each assistant's rate over its share.
    """
    held = sum(ending.share * ending.held.total_seconds() for ending in endings)
    found = [_rate_of(choice, held) / share for choice, share in choices.shares()]
    if campaign.max_open_calls is not None:
        found.append(campaign.max_open_calls / held)
    if campaign.calls_per_minute is not None:
        found.append(campaign.calls_per_minute / 60)
    return min(found)


def _rate_of(choice: Choice, held: float) -> float:
    """Return the lowest rate of one assistant: by its account's limits, or its caller numbers' limits and rests."""
    account, numbers = choice.account, choice.numbers
    lines = [account.max_open_calls]
    if all(number.max_open_calls for number in numbers):
        lines.append(sum(number.max_open_calls or 0 for number in numbers))
    found = [float(account.calls_per_second), min(lines) / held]
    if all(number.rest_seconds for number in numbers):
        found.append(sum(1 / number.rest_seconds for number in numbers))
    return min(found)
