"""May this call be placed now? One pure function, used by every source of calls. In doubt it says no."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from campaigns.windows import Hours, is_open, next_opening

Verdict = Literal["allow", "defer", "skip"]
SOON = timedelta(seconds=15)  # when nobody can say when a limit will have room
LATER = timedelta(minutes=5)


@dataclass(frozen=True)
class Facts:
    """Everything the gate looks at, read under the person's lock."""

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
    do_not_call: bool
    country: str  # "" when the number tells none
    allowed_countries: frozenset[str]
    zones: tuple[str, ...]
    hours: tuple[Hours, ...]  # all must be open in all zones; empty: any hour
    open_call: bool  # another call to this number
    attempts: int
    max_attempts: int | None
    last_dialed_at: datetime | None
    min_gap: timedelta
    dialed_in_a_day: tuple[datetime, ...]  # oldest first
    max_per_day: int
    spent: Decimal = Decimal(0)
    reserve: Decimal = Decimal(0)
    budget: Decimal | None = None
    number_open: int = 0
    number_max_open: int | None = None
    campaign_open: int = 0
    campaign_max_open: int | None = None


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    result: Verdict = "allow"
    detail: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """`until` is set for a deferral alone; `reason` is the name of the check that decided."""

    verdict: Verdict
    reason: str = ""
    detail: str = ""
    until: datetime | None = None
    checks: Sequence[Check] = field(default_factory=tuple)

    def failed(self, name: str) -> Check | None:
        return next((check for check in self.checks if check.name == name and check.result != "allow"), None)

    def as_json(self, now: datetime) -> dict[str, Any]:
        """What is stored with the dial: the evidence a dispute needs."""
        return {
            "at": now.isoformat(),
            "decision": self.verdict,
            "until": self.until.isoformat() if self.until else None,
            "checks": [{"name": c.name, "result": c.result, "detail": c.detail} for c in self.checks],
        }


def decide(facts: Facts, now: datetime) -> Decision:
    """Every check is asked, so that the answer can be explained. A skip outweighs deferrals; the last to end wins."""
    checks = tuple(check for ask in CHECKS for check in ask(facts, now))
    for check in checks:
        if check.result == "skip":
            return Decision("skip", check.name, check.detail, checks=checks)
    deferred = [check for check in checks if check.result == "defer"]
    if not deferred:
        return Decision("allow", checks=checks)
    last = max(deferred, key=lambda check: check.until or now)
    until = max(last.until or now, now + timedelta(seconds=1))
    if facts.not_after and until >= facts.not_after:
        # A person's rule outlasts the call; a limit of ours may still find room.
        if last.name in {"calling_hours", "minimum_gap", "calls_per_day", "not_before"}:
            name = "no_open_window" if facts.campaign_status else "too_late"
            return Decision("skip", name, f"{last.detail} That is after the last moment allowed.", checks=checks)
        until = facts.not_after
    return Decision("defer", last.name, last.detail, until, checks)


def _switches(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.organization_active:
        yield Check("organization")
    else:
        yield Check("organization", "defer", "The organization is inactive.", now + LATER)
    if facts.calls_stopped:
        yield Check("calls_stopped", "defer", "All calls of the organization are stopped.", now + SOON)
    else:
        yield Check("calls_stopped")


def _account(facts: Facts, now: datetime) -> Iterator[Check]:
    if not facts.account_active:
        yield Check("account", "defer", "The provider account is switched off.", now + LATER)
    elif facts.account_blocked:
        detail = f"The provider account is blocked: {facts.account_blocked_reason}"
        yield Check("account", "defer", detail, facts.account_blocked_until or now + SOON)
    else:
        yield Check("account")
    if not facts.assistant_active:
        yield Check("assistant", "skip", "The assistant is switched off.")
    if not facts.number_active:
        yield Check("caller_number", "skip", "The caller number is switched off.")


def _campaign(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.campaign_status is None:
        return
    if facts.campaign_status == "running":
        yield Check("campaign")
    elif facts.campaign_status in {"paused", "scheduled", "draft"}:
        yield Check("campaign", "defer", f"The campaign is {facts.campaign_status}.", now + SOON)
    else:
        yield Check("campaign", "skip", f"The campaign is {facts.campaign_status}.")


def _do_not_call(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.do_not_call:
        yield Check("do_not_call", "skip", "The number is on the do-not-call list.")
    else:
        yield Check("do_not_call")


def _country(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.country and facts.country in facts.allowed_countries:
        yield Check("country", detail=facts.country)
    else:
        yield Check("country", "skip", f"Numbers of {facts.country or 'an unknown country'} may not be called.")


def _period(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.not_after and now >= facts.not_after:
        name = "no_open_window" if facts.campaign_status else "too_late"
        yield Check(name, "skip", f"The last moment allowed was {_utc(facts.not_after)}.")
    if facts.not_before and now < facts.not_before:
        yield Check("not_before", "defer", f"Not before {_utc(facts.not_before)}.", facts.not_before)


def _hours(facts: Facts, now: datetime) -> Iterator[Check]:
    where = ", ".join(facts.zones)
    if not facts.hours or is_open(facts.hours, facts.zones, now):
        yield Check("calling_hours", detail=where)
        return
    opening = next_opening(facts.hours, facts.zones, now)
    if opening is None:
        yield Check("calling_hours", "skip", f"No calling window opens in the next days in {where}.")
    else:
        text = f"Outside calling hours in {where} until {_utc(opening)}."
        yield Check("calling_hours", "defer", text, opening)


def _person(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.open_call:
        yield Check("open_call", "defer", "Another call to this number is open.", now + SOON)
    else:
        yield Check("open_call")
    if facts.max_attempts is not None:
        done = f"{facts.attempts} of {facts.max_attempts} calls made."
        yield Check("attempts", "skip" if facts.attempts >= facts.max_attempts else "allow", done)
    free_at = facts.last_dialed_at + facts.min_gap if facts.last_dialed_at else None
    if free_at and free_at > now:
        yield Check("minimum_gap", "defer", f"Called a short time ago; again from {_utc(free_at)}.", free_at)
    else:
        yield Check("minimum_gap")
    if len(facts.dialed_in_a_day) >= facts.max_per_day:
        until = facts.dialed_in_a_day[-facts.max_per_day] + timedelta(days=1) if facts.max_per_day else now + LATER
        detail = f"Called {len(facts.dialed_in_a_day)} times in 24 hours; again from {_utc(until)}."
        yield Check("calls_per_day", "defer", detail, until)
    else:
        yield Check("calls_per_day")


def _limits(facts: Facts, now: datetime) -> Iterator[Check]:
    if facts.budget is not None and facts.spent + facts.reserve > facts.budget:
        yield Check("budget", "defer", f"{facts.spent} of {facts.budget} are spent or reserved.", now + LATER)
    if facts.number_max_open is not None and facts.number_open >= facts.number_max_open:
        yield Check("caller_number_capacity", "defer", "The caller number has no line free.", now + SOON)
    if facts.campaign_max_open is not None and facts.campaign_open >= facts.campaign_max_open:
        yield Check("campaign_capacity", "defer", "The campaign has as many open calls as it may.", now + SOON)


CHECKS: tuple[Callable[[Facts, datetime], Iterator[Check]], ...] = (
    _switches,
    _account,
    _campaign,
    _do_not_call,
    _country,
    _period,
    _hours,
    _person,
    _limits,
)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
