"""The gate: decide whether a call may be placed now.

`decide` is pure: it reads no database and no clock. Every source of calls uses it. In doubt it does not allow the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Literal

from calls.gate.checks import CheckName
from campaigns.rules.windows import Hours, closed_zone, is_open, local_text, next_opening
from tenants.money import Money

Verdict = Literal["allow", "defer", "skip"]
# How long a call is put off when the end of a wait is unknown.
SOON = timedelta(seconds=15)
LATER = timedelta(minutes=5)
# The shortest deferral, so that a call is not asked about again and again.
SHORTEST = timedelta(seconds=1)
SHORTEST_OF_PACED = timedelta(milliseconds=50)


def with_more(used: Money, reserves: Iterable[Money]) -> Money:
    """Return what is used of a budget after more was set aside, as far as that is in its currency."""
    return sum((reserve.counted_in(used.currency) for reserve in reserves), used)


@dataclass(frozen=True)
class DailyBudget:
    """A budget for one day, which ends at `renews_at`.

    `used` is what is spent or set aside. `paid` is the part of it that is spent, so no call that ends gives it back.
    """

    check: CheckName
    limit: Money
    used: Money
    renews_at: datetime
    paid: Money

    def with_more(self, reserves: Iterable[Money]) -> DailyBudget:
        """Return the budget after more was set aside, as far as it is in its currency."""
        return replace(self, used=with_more(self.used, reserves))

    def has_room_at(self, reserves: Sequence[Money], now: datetime) -> datetime:
        """Return when a call with these reserves may be asked about again.

        That is the next day when the money is spent. It is soon when open calls may give back what is set aside.
        """
        return self.renews_at if with_more(self.paid, reserves) > self.limit else min(self.renews_at, now + LATER)


@dataclass(frozen=True)
class Facts:
    """Everything the gate looks at. A claim reads it under the contact's lock."""

    organization_active: bool
    calls_stopped: bool
    account_active: bool
    account_blocked: bool
    account_blocked_until: datetime | None
    account_blocked_reason: str
    assistant_active: bool
    number_active: bool
    campaign_status: str | None  # None: a single call
    not_before: datetime | None
    not_after: datetime | None  # of the call, or the end of the campaign
    do_not_call: bool  # the number is listed
    country: str  # "" when the number does not tell
    allowed_countries: frozenset[str]
    zones: tuple[str, ...]
    hours: tuple[Hours, ...]  # all must be open in all zones; empty: any hour is allowed
    open_call: bool  # another call to the person
    attempts: int
    max_attempts: int | None
    last_dialed_at: datetime | None
    min_gap: timedelta
    dialed_in_a_day: tuple[datetime, ...]  # oldest first
    max_per_day: int
    other_number_listed: bool = False  # of the contact, or of another who has the number of a single call
    retry_at: datetime | None = None  # the retry rule of the last outcome allows no call before
    callback_until: datetime | None = None  # another campaign promised to call the contact; the promise ends by then
    budget: Money | None = None  # the campaign's
    spent: Money | None = None  # on the campaign, in the budget's currency
    reserve: Money | None = None  # of this call, in the currency of its price
    number_open: int = 0
    number_max_open: int | None = None
    campaign_open: int = 0
    campaign_max_open: int | None = None
    hold_until: datetime | None = None
    on_hold: bool = False
    dialed_in_30_days: tuple[datetime, ...] = ()  # oldest first; empty where there is no such cap
    max_per_30_days: int | None = None
    daily_budgets: tuple[DailyBudget, ...] = ()
    campaign_next_at: datetime | None = None  # the pace allows no call before this moment
    number_last_at: datetime | None = None
    number_rest: timedelta = timedelta()
    number_in_a_day: int = 0
    number_max_in_a_day: int | None = None
    number_day_frees_at: datetime | None = None

    def but(self, **changed: Any) -> Facts:
        """Return the same facts but for these: what `dataclasses.replace` does, which takes ten times as long."""
        if not changed.keys() <= vars(self).keys():
            raise TypeError(f"There are no such facts: {sorted(changed.keys() - vars(self).keys())}")
        copy = object.__new__(Facts)
        vars(copy).update(vars(self), **changed)
        return copy


@dataclass(frozen=True)
class Check:
    """One question of the gate and its answer."""

    name: CheckName
    result: Verdict = "allow"
    detail: str = ""
    until: datetime | None = None
    zone: str = ""  # the time zone whose calling hours the call waits for

    @cached_property
    def evidence(self) -> dict[str, str]:
        """What a decision stores of it. Many decisions share it, so nobody changes it."""
        return {"name": self.name, "result": self.result, "detail": self.detail}


# Each check that allows without a detail, made once: nearly all answers are one of these.
PASSED = {name: Check(name) for name in CheckName}
ORGANIZATION, CALLS_STOPPED = PASSED[CheckName.ORGANIZATION], PASSED[CheckName.CALLS_STOPPED]
ACCOUNT, CAMPAIGN = PASSED[CheckName.ACCOUNT], PASSED[CheckName.CAMPAIGN]
DO_NOT_CALL, OPEN_CALL = PASSED[CheckName.DO_NOT_CALL], PASSED[CheckName.OPEN_CALL]
MINIMUM_GAP, CALLS_PER_DAY = PASSED[CheckName.MINIMUM_GAP], PASSED[CheckName.CALLS_PER_DAY]


@lru_cache(maxsize=4096)
def _passed(name: CheckName, detail: str) -> Check:
    """Return a check that allows, with a detail that many calls share."""
    return Check(name, detail=detail)


@dataclass(frozen=True)
class Decision:
    """The gate's answer. Only a deferral has `until`. `reason` is the check that decided."""

    verdict: Verdict
    reason: CheckName | Literal[""] = ""
    detail: str = ""
    until: datetime | None = None
    checks: Sequence[Check] = field(default_factory=tuple)
    zone: str = ""

    def failed(self, name: CheckName) -> Check | None:
        return next((check for check in self.checks if check.name == name and check.result != "allow"), None)

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Return what is stored with the call: the evidence that a dispute needs."""
        return {
            "at": now.isoformat(),
            "decision": self.verdict,
            "until": self.until.isoformat() if self.until else None,
            "checks": [check.evidence for check in self.checks],
        }


def decide(facts: Facts, now: datetime) -> Decision:
    """Ask every check and return the decision.

    All checks are asked, so that the decision can be explained. A skip outweighs deferrals; of several deferrals the
    last to end decides.
    """
    checks = tuple(check for ask in CHECKS for check in ask(facts, now))
    for check in checks:
        if check.result == "skip":
            return Decision("skip", check.name, check.detail, checks=checks)
    deferred = [check for check in checks if check.result == "defer"]
    if not deferred:
        return Decision("allow", checks=checks)
    last = max(deferred, key=lambda check: check.until or now)
    shortest = SHORTEST_OF_PACED if last.name.traits.spread_evenly else SHORTEST
    until = max(last.until or now, now + shortest)
    if facts.not_after and until >= facts.not_after:
        if last.name.traits.about_recipient:
            over = Check(_over(facts), "skip", f"{last.detail} That is after the last allowed time.")
            return Decision("skip", over.name, over.detail, checks=(*checks, over))
        until = facts.not_after
    return Decision("defer", last.name, last.detail, until, checks, last.zone)


def _defer(name: CheckName, until: datetime) -> Check:
    return Check(name, "defer", name.words, until)


def _skip(name: CheckName) -> Check:
    return Check(name, "skip", name.words)


def _switches(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.organization_active:
        yield ORGANIZATION
    else:
        yield _defer(CheckName.ORGANIZATION, now + LATER)
    if facts.calls_stopped:
        yield _defer(CheckName.CALLS_STOPPED, now + SOON)
    else:
        yield CALLS_STOPPED


def _account(facts: Facts, now: datetime) -> Iterator[Check]:
    if not facts.account_active:
        yield Check(CheckName.ACCOUNT, "defer", "The provider account is switched off.", now + LATER)
    elif facts.account_blocked:
        detail = f"The provider account is blocked: {facts.account_blocked_reason}"
        yield Check(CheckName.ACCOUNT, "defer", detail, facts.account_blocked_until or now + SOON)
    else:
        yield ACCOUNT
    if not facts.assistant_active:
        yield _defer(CheckName.ASSISTANT, now + LATER)
    if not facts.number_active:
        yield _defer(CheckName.CALLER_NUMBER, now + LATER)


def _campaign(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.campaign_status is None:
        return
    if facts.campaign_status == "running":
        yield CAMPAIGN
    elif facts.campaign_status in {"paused", "scheduled", "draft"}:
        yield Check(CheckName.CAMPAIGN, "defer", f"The campaign is {facts.campaign_status}.", now + SOON)
    else:
        yield Check(CheckName.CAMPAIGN, "skip", f"The campaign is {facts.campaign_status}.")


def _do_not_call(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.do_not_call:
        yield _skip(CheckName.DO_NOT_CALL)
    elif facts.other_number_listed:
        yield Check(CheckName.DO_NOT_CALL, "skip", "Another number of the contact is on the do-not-call list.")
    else:
        yield DO_NOT_CALL


def _country(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.country and facts.country in facts.allowed_countries:
        yield _passed(CheckName.COUNTRY, facts.country)
    else:
        yield Check(CheckName.COUNTRY, "skip", f"Numbers of {facts.country or 'an unknown country'} may not be called.")


def _period(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.not_after and now >= facts.not_after:
        yield Check(_over(facts), "skip", f"The last allowed time was {_local(facts.not_after, facts, now)}.")
    if facts.not_before and now < facts.not_before:
        yield Check(
            CheckName.NOT_BEFORE, "defer", f"Not before {_local(facts.not_before, facts, now)}.", facts.not_before
        )


def _over(facts: Facts) -> CheckName:
    """Return the check that ends a call whose last moment has passed."""
    return CheckName.NO_OPEN_WINDOW if facts.campaign_status else CheckName.TOO_LATE


def _hours(facts: Facts, now: datetime) -> Iterator[Check]:
    zones = ", ".join(facts.zones)
    if not facts.hours or is_open(facts.hours, facts.zones, now):
        yield _passed(CheckName.CALLING_HOURS, zones)
        return
    opening = next_opening(facts.hours, facts.zones, now)
    if opening is None:
        # Waiting is not ending: the hours, the holidays or the zone can be changed. The gate looks again every day.
        detail = f"No calling window opens in the next 13 months in {zones}."
        yield Check(CheckName.NO_OPENING, "defer", detail, now + timedelta(days=1))
    else:
        zone = closed_zone(facts.hours, facts.zones, now)
        yield Check(CheckName.CALLING_HOURS, "defer", outside_hours(opening, zone, now), opening, zone)


def outside_hours(until: datetime | None, zone: str, now: datetime) -> str:
    """Return the sentence for one or many recipients that wait for their calling hours."""
    return f"Outside calling hours until {local_text(until, zone, now)}." if until else CheckName.CALLING_HOURS.words


def _contact(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.on_hold:
        if facts.hold_until:
            lifted = _local(facts.hold_until, facts, now)
            yield Check(CheckName.HOLD, "defer", f"The contact is on hold until {lifted}.", facts.hold_until)
        else:
            yield _defer(CheckName.ON_HOLD, now + LATER)
    if facts.open_call:
        yield _defer(CheckName.OPEN_CALL, now + SOON)
    else:
        yield OPEN_CALL
    if facts.max_attempts is not None:
        made = f"{facts.attempts} of {facts.max_attempts} attempts made."
        if facts.attempts > facts.max_attempts == 0:  # no retry rule is for the last outcome
            made = "No attempt follows this outcome."
        elif facts.attempts > facts.max_attempts:  # since an edit, or by the rule of the last outcome
            made = f"Attempts made: {facts.attempts}; allowed: {facts.max_attempts}."
        yield Check(CheckName.ATTEMPTS, "skip" if facts.attempts >= facts.max_attempts else "allow", made)
    if facts.retry_at and facts.retry_at > now:
        detail = f"The retry rule allows the next call from {_local(facts.retry_at, facts, now)}."
        yield Check(CheckName.RETRY_WAIT, "defer", detail, facts.retry_at)
    if facts.callback_until and facts.callback_until > now:
        yield _defer(CheckName.SCHEDULED_CALLBACK, facts.callback_until)
    free_at = facts.last_dialed_at + facts.min_gap if facts.last_dialed_at else None
    if free_at and free_at > now:
        detail = f"Called a short time ago; again from {_local(free_at, facts, now)}."
        yield Check(CheckName.MINIMUM_GAP, "defer", detail, free_at)
    else:
        yield MINIMUM_GAP
    if len(facts.dialed_in_a_day) >= facts.max_per_day:
        until = facts.dialed_in_a_day[-facts.max_per_day] + timedelta(days=1) if facts.max_per_day else now + LATER
        detail = f"Called {len(facts.dialed_in_a_day)} times in 24 hours; again from {_local(until, facts, now)}."
        yield Check(CheckName.CALLS_PER_DAY, "defer", detail, until)
    else:
        yield CALLS_PER_DAY
    most = facts.max_per_30_days
    if most is not None:
        made = f"Called {len(facts.dialed_in_30_days)} of {most} times in 30 days"
        if len(facts.dialed_in_30_days) >= most:
            until = facts.dialed_in_30_days[-most] + timedelta(days=30) if most else now + timedelta(days=1)
            yield Check(CheckName.CALLS_PER_30_DAYS, "defer", f"{made}; again from {_local(until, facts, now)}.", until)
        else:
            yield Check(CheckName.CALLS_PER_30_DAYS, detail=f"{made}.")


def _limits(facts: Facts, now: datetime) -> Iterator[Check]:
    reserves = [facts.reserve] if facts.reserve else []
    if facts.budget is not None and facts.spent is not None:
        if any(reserve.currency != facts.budget.currency for reserve in reserves):
            yield _defer(CheckName.BUDGET_CURRENCY, now + LATER)
        elif with_more(facts.spent, reserves) > facts.budget:
            yield _defer(CheckName.BUDGET, now + LATER)
    for daily_budget in facts.daily_budgets:
        if daily_budget.with_more(reserves).used > daily_budget.limit:
            yield _defer(daily_budget.check, daily_budget.has_room_at(reserves, now))
    if facts.number_max_open is not None and facts.number_open >= facts.number_max_open:
        yield _defer(CheckName.CALLER_NUMBER_CAPACITY, now + SOON)
    if facts.number_max_in_a_day is not None and facts.number_in_a_day >= facts.number_max_in_a_day:
        frees_at = max(facts.number_day_frees_at or now, now + LATER)
        yield _defer(CheckName.CALLER_NUMBER_DAY, frees_at)
    if facts.number_last_at and facts.number_last_at + facts.number_rest > now:
        rested_at = facts.number_last_at + facts.number_rest
        yield _defer(CheckName.CALLER_NUMBER_REST, rested_at)
    if facts.campaign_max_open is not None and facts.campaign_open >= facts.campaign_max_open:
        yield _defer(CheckName.CAMPAIGN_CAPACITY, now + SOON)
    if facts.campaign_next_at and facts.campaign_next_at > now:
        yield _defer(CheckName.PACE, facts.campaign_next_at)


CHECKS: tuple[Callable[[Facts, datetime], Iterator[Check]], ...] = (
    _switches,
    _account,
    _campaign,
    _do_not_call,
    _country,
    _period,
    _hours,
    _contact,
    _limits,
)


def _local(moment: datetime, facts: Facts, now: datetime) -> str:
    """Return a moment for a sentence, in the first time zone that the contact may be in."""
    return local_text(moment, facts.zones[0] if facts.zones else "", now)
