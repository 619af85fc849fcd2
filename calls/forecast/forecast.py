"""What a campaign will do: the gate asked in simulated time, once for everybody it answers alike.

What is taken for granted: the campaign starts now or at its `starts_at` and is not paused, everything is switched on,
no other campaign shares its lines, and calls end as the organization's own did of late (`endings_of`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from statistics import median_high
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models import prefetch_related_objects as prefetch

from calls.forecast.daily_limits import Ration
from calls.forecast.outcome_mix import endings_of
from calls.forecast.simulation import Course
from calls.gate import budgets
from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, Facts, decide
from calls.gate.selection import Choices, values_for
from calls.reports.preflight import Problem
from campaigns.models import Campaign, Contact, ContactListMember, Recipient
from campaigns.wording import people as people_text

AT_ONCE = 5_000  # people read and judged in one go
AT_MOST = 200_000  # people forecast while somebody waits for the page
PLAYED, MOST_PLAYS = 8_000, 8  # people in all further plays of a small campaign, and how many plays
WINDOWS = (CheckName.CALLING_HOURS, CheckName.NO_OPEN_WINDOW)  # checks that no time zone ever passes
PREFLIGHT_ERRORS = (CheckName.ASSISTANT, CheckName.CALLER_NUMBER)  # they keep the campaign from starting


@dataclass(frozen=True)
class Forecast:
    """None stands for what cannot be said, and for an end that never comes."""

    recipients: int
    callable_now: int | None = None  # at the moment of the start
    skipped: Counter[str] = field(default_factory=Counter)  # people, by the gate's reason
    without_end: Counter[str] = field(default_factory=Counter)  # people whose turn never comes, by what they wait for
    not_reached: int = 0  # the campaign ends before their turn comes
    zones_never_open: tuple[str, ...] = ()  # until the campaign ends
    starts_at: datetime | None = None
    finishes_at: datetime | None = None
    calls: int = 0
    per_hour: tuple[tuple[datetime, int], ...] = ()  # calls by hour, UTC
    cost_low: Decimal | None = None  # as expected
    cost_high: Decimal | None = None  # at most
    currency: str = ""
    budget_runs_out: bool = False
    too_many: bool = False


def forecast(campaign: Campaign, now: datetime, at_most: int = AT_MOST, count_to: int | None = None) -> Forecast:
    """Reads people in chunks, writes nothing. More than `at_most` people are counted, up to `count_to` where somebody
    waits for the page, and not forecast."""
    people = _people_of(campaign, count_to)
    if people > at_most:
        return Forecast(people, too_many=True)
    choices = Choices(campaign, now, include_unusable=True)
    if not choices.usable:
        return Forecast(people)
    prefetch([campaign], "windows", "retry_rules")
    begin = max(now, campaign.starts_at or now)
    spent = budgets.spent_on(campaign) if campaign.budget is not None else Decimal(0)
    judged = _judge(campaign, choices, begin, spent)
    course = Course(campaign, choices, endings_of(campaign.organization_id, now), begin)
    untouched = deepcopy(course.rations)
    course.run(judged.waiting, judged.under_way)
    low, high = course.cost()
    left = None if campaign.budget is None else max(campaign.budget - spent, Decimal(0))
    short = left is not None and low is not None and low > left
    if left is not None and low is not None and high is not None:
        low, high = min(low, left), min(high, left)
    return Forecast(
        recipients=people,
        callable_now=judged.callable_now,
        skipped=judged.skipped + course.skipped,
        without_end=course.without_end,
        not_reached=course.not_reached,
        zones_never_open=tuple(sorted(judged.zones_never_open)),
        starts_at=course.starts_at,
        finishes_at=_end(course, untouched, judged),
        calls=course.calls,
        per_hour=tuple(sorted(course.per_hour.items())),
        cost_low=low,
        cost_high=high,
        currency=choices.usable[0].account.price_per_minute_currency,
        budget_runs_out=short,
    )


def _end(course: Course, rations: Sequence[Ration], judged: Judged) -> datetime | None:
    """Where few people are called, the end hangs on the last of them: then it is the median of several plays in which
    chance decides how each call ends."""
    plays = min(MOST_PLAYS, PLAYED // max(1, judged.waiting.total() + judged.under_way.total()))
    if course.finishes_at is None or plays < 2:
        return course.finishes_at
    ends = [course.finishes_at]
    for n in range(plays - plays % 2):
        played = Course(course.campaign, course.choices, course.endings, course.begin, rations, random.Random(n))  # noqa: S311
        played.run(judged.waiting, judged.under_way)
        ends += [played.finishes_at] if played.finishes_at else []
    return median_high(ends)


# First: everybody is judged at the moment of the start.


class Prospect:
    """A call that could be made, as `facts` and `feeding` look at one: the call, its contact and its recipient in one
    object, because a hundred thousand of them are made."""

    __slots__ = (
        "account",
        "account_id",
        "asked_for",
        "assistant",
        "assistant_id",
        "attempts",
        "campaign",
        "campaign_id",
        "contact_id",
        "due",
        "external_id",
        "hold_until",
        "name",
        "not_after",
        "not_before",
        "on_hold",
        "organization",
        "organization_id",
        "phone",
        "phone_number",
        "phone_number_id",
        "status",
        "timezone",
        "variables",
    )

    def __init__(self, campaign: Campaign, choices: Choices, row: Sequence[Any]) -> None:
        self.campaign, self.campaign_id = campaign, campaign.pk
        self.organization, self.organization_id = campaign.organization, campaign.organization_id
        self.status, self.attempts, self.due, self.assistant_id, self.phone_number_id, *rest = row
        self.contact_id, self.phone, self.timezone, self.on_hold, self.hold_until, *own = rest
        texts: Sequence[Any] = own or ("", "", {})
        self.name, self.external_id, self.variables = texts
        choice = choices.choice_for(self) or choices.usable[0]
        self.assistant, self.account, self.account_id = choice.assistant, choice.account, choice.account.pk
        self.phone_number = choices.number_for(choice, self, self.phone)
        self.phone_number_id = self.phone_number.pk
        self.not_before, self.not_after, self.asked_for = None, campaign.ends_at, False

    def held(self, now: datetime) -> bool:
        return bool(self.on_hold) and (self.hold_until is None or self.hold_until > now)

    @property
    def to_number(self) -> str:
        return str(self.phone)

    @property
    def contact(self) -> Prospect:
        return self

    @property
    def recipient(self) -> Prospect:
        return self


@dataclass
class Judged:
    """`waiting` and `under_way`: people by what the gate looks at and when they are due."""

    callable_now: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    zones_never_open: set[str] = field(default_factory=set)
    waiting: Counter[tuple[Facts, datetime]] = field(default_factory=Counter)
    under_way: Counter[Facts] = field(default_factory=Counter)


def _judge(campaign: Campaign, choices: Choices, begin: datetime, spent: Decimal) -> Judged:
    as_running, budget = copy(campaign), campaign.budget
    as_running.status, as_running.budget = Campaign.Status.RUNNING, None
    found = Judged()
    decisions: dict[Facts, Decision] = {}
    with_variables = _needs_variables(choices)
    rows = _rows(campaign, with_variables)
    while chunk := [Prospect(as_running, choices, row) for row in islice(rows, AT_ONCE)]:
        sheets = fact_sheet.load(chunk, begin)
        for person, facts in zip(chunk, sheets, strict=True):
            if person.status == Recipient.Status.CALLING:
                found.under_way[facts] += 1
                continue
            decision = decisions.get(facts)
            if decision is None:
                decision = decisions[facts] = decide(replace(facts, budget=budget, spent=spent), begin)
            if decision.verdict == "skip":
                found.skipped[decision.reason] += 1
                if decision.reason in WINDOWS:
                    found.zones_never_open.update(facts.zones)
            elif with_variables and values_for(as_running, person)[1]:
                found.skipped["missing_variables"] += 1
            else:
                due = max(begin, person.due or begin)
                found.waiting[facts, due] += 1
                found.callable_now += due == begin and _person_may_be_called(decision)
    return found


def _person_may_be_called(decision: Decision) -> bool:
    return all(check.result == "allow" or check.name.traits.is_capacity for check in decision.checks)


def _needs_variables(choices: Choices) -> bool:
    return any(item.get("required") for choice in choices.all for item in choice.assistant.variables)


def _not_launched(campaign: Campaign) -> QuerySet[Contact]:
    """Contacts on its lists that are no recipients yet, each once."""
    if campaign.launched_at or campaign.status in (Campaign.Status.FINISHED, Campaign.Status.CANCELED):
        return Contact.objects.none()
    members = ContactListMember.objects.filter(contact_list__campaigns=campaign)
    already = Recipient.objects.filter(campaign=campaign, contact=OuterRef("pk"))
    return Contact.objects.filter(~Exists(already), pk__in=members.values("contact"))


NOT_BEGUN = (Campaign.Status.DRAFT, Campaign.Status.SCHEDULED)  # its people stand on its lists alone


def _people_of(campaign: Campaign, count_to: int | None) -> int:
    own = 0 if campaign.status in NOT_BEGUN else campaign.recipients.all()[:count_to].count()
    return own + _not_launched(campaign)[:count_to].count()


def _rows(campaign: Campaign, with_variables: bool) -> Iterator[Sequence[Any]]:
    """Status, attempts, due, assistant, caller number, contact, number, zone, hold (and what variables are made of) of
    everybody still to be called."""
    wanted = [
        "pk",
        "phone",
        "timezone",
        "on_hold",
        "hold_until",
        *(["name", "external_id", "variables"] if with_variables else []),
    ]
    live = campaign.recipients.filter(
        status__in=[Recipient.Status.PENDING, Recipient.Status.WAITING, Recipient.Status.CALLING]
    ).order_by("pk")
    state = ("status", "attempts", "next_attempt_at", "assistant_id", "phone_number_id")
    own = live.values_list(*state, *(f"contact__{name}" for name in wanted))
    if campaign.status not in NOT_BEGUN:
        yield from own.iterator(AT_ONCE)
    for row in _not_launched(campaign).order_by("pk").values_list(*wanted).iterator(AT_ONCE):
        yield (Recipient.Status.PENDING, 0, None, None, None, *row)


# What the preflight says of it.

SKIPPED: Mapping[str, str] = {
    CheckName.DO_NOT_CALL: "{n} on the do-not-call list: not called.",
    CheckName.COUNTRY: "{n} with numbers of countries that may not be called.",
    "missing_variables": "{n} without a variable that the assistant needs: not called.",
    CheckName.ATTEMPTS: "{n} called as often as the campaign allows.",
    CheckName.CALLING_HOURS: "{n} for whom no calling window opens in the next days, in {zones}.",
    CheckName.NO_OPEN_WINDOW: "{n} for whom no calling window opens before the campaign ends, in {zones}.",
}


def warnings(found: Forecast) -> list[Problem]:
    """Who will not be called, and why."""
    zones = _some(found.zones_never_open) or "their time zones"
    problems = [
        Problem(reason, "warning", SKIPPED.get(reason, "{n} are not called.").format(n=people_text(n), zones=zones), n)
        for reason, n in sorted(found.skipped.items())
        if reason not in PREFLIGHT_ERRORS
    ]
    if found.not_reached:
        message = f"{people_text(found.not_reached)} will probably not be reached before the campaign ends."
        problems.append(Problem("not_reached", "warning", message, found.not_reached))
    if why := why_without_end(found):
        message = f"The campaign will not end by itself: {why}."
        problems.append(Problem("without_end", "warning", message, found.without_end.total()))
    if found.too_many:
        message = (
            f"{people_text(found.recipients)} are too many to forecast; nothing is said of who will not be called."
        )
        problems.append(Problem("not_forecast", "warning", message, found.recipients))
    if found.budget_runs_out:
        problems.append(
            Problem(CheckName.BUDGET, "warning", "The budget is probably spent before everybody is called.")
        )
    return problems


def why_without_end(found: Forecast) -> str:
    """Empty where an end can be foreseen, or too little is known to say."""
    people = found.without_end
    held = people[CheckName.ON_HOLD]
    others = people.total() - held
    parts = [f"{people_text(held)} on hold until somebody lifts it"] if held else []
    return " and ".join(
        [*parts, *([f"{people_text(others)} whose turn never comes by these limits"] if others else [])]
    )


def _some(names: Iterable[str]) -> str:
    first, rest = list(names)[:3], list(names)[3:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")
