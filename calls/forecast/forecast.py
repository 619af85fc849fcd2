"""Forecast a campaign: ask the gate in simulated time, once for all recipients with the same facts.

It assumes that the campaign starts now or at its `starts_at` and is not paused, that everything is switched on, that no
other campaign shares its lines, and that calls end as the organization's latest calls did (`endings_of`). Where the
campaign tries a contact's next number, as many go on as have one; their hours stay those of the number at the start.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from statistics import median_high
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models import prefetch_related_objects as prefetch

from calls.forecast import further
from calls.forecast.daily_limits import DailyLimit
from calls.forecast.outcome_mix import as_reported, endings_of
from calls.forecast.placeholder_notices import PlaceholderNotices
from calls.forecast.simulation import Simulation
from calls.gate import budgets
from calls.gate import facts as fact_sheet
from calls.gate.checks import CheckName
from calls.gate.decision import Decision, Facts, decide
from calls.gate.selection import Choices, values_for
from calls.reports import never_open
from calls.reports.never_open import ClosedPlace, closed_place
from calls.reports.problem import Problem
from campaigns import list_sizes, segments
from campaigns.models import Campaign, Contact, Recipient
from campaigns.rules.spoken import MISSING, REASON, Rule, Spoken
from campaigns.wording import recipients as counted
from tenants.money import NOTHING, Amounts, Money, not_counted

AT_ONCE = 5_000  # recipients read and judged at a time
AT_MOST = 200_000  # recipients that one request may forecast
PLAYED, MOST_PLAYS = 8_000, 8  # recipients in all further simulations of a small campaign, and how many simulations


@dataclass(frozen=True)
class Forecast:
    """The result of a forecast. None: unknown, or an end that never comes."""

    recipients: int
    callable_now: int | None = None  # at the moment of the start
    skipped: Counter[str] = field(default_factory=Counter)  # recipients, by the gate's reason
    without_end: Counter[str] = field(default_factory=Counter)  # recipients who are never called, by what they wait for
    not_reached: int = 0  # recipients for whom the campaign ends too early
    zones_never_open: tuple[str, ...] = ()  # until the campaign ends
    never_open: Mapping[ClosedPlace, int] = field(default_factory=dict)  # recipients by where they may be
    starts_at: datetime | None = None
    finishes_at: datetime | None = None
    calls: int = 0
    per_hour: tuple[tuple[datetime, int], ...] = ()  # calls by hour, UTC
    cost_low: Amounts = NOTHING  # as expected; empty: unknown
    cost_high: Amounts = NOTHING  # at most
    not_counted: Amounts = NOTHING  # of the expected cost, what the campaign's budget does not count
    budget_runs_out: bool = False
    placeholders: PlaceholderNotices = field(default_factory=lambda: PlaceholderNotices(Rule.HOLD))
    too_many: bool = False


def forecast(campaign: Campaign, now: datetime, at_most: int = AT_MOST, count_to: int | None = None) -> Forecast:
    """Return the forecast of a campaign. It reads recipients in chunks and writes nothing.

    More than `at_most` recipients are counted, up to `count_to`, and not forecast.
    """
    if campaign.launched_at is None:
        prefetch([campaign], "segments")
    recipients = _size_of(campaign, count_to)
    if recipients > at_most:
        return Forecast(recipients, too_many=True)
    choices = Choices(campaign, now, include_unusable=True)
    if not choices.usable:
        return Forecast(recipients)
    prefetch([campaign], "windows", "retry_rules")
    begin = max(now, campaign.starts_at or now)
    purse = Purse.of(campaign)
    judged = _judge(campaign, choices, begin, purse)
    shares = [(choice.account.adapter, share) for choice, share in choices.shares()]
    endings = as_reported(endings_of(campaign.organization_id, now), shares)
    simulation = Simulation(campaign, choices, endings, begin, with_number=further.shares(campaign, recipients))
    untouched = deepcopy(simulation.daily_limits)
    simulation.run(judged.waiting, judged.calling)
    low, high = simulation.cost()
    return Forecast(
        recipients=recipients,
        callable_now=judged.callable_now,
        skipped=judged.skipped + simulation.skipped,
        without_end=simulation.without_end,
        not_reached=simulation.not_reached,
        zones_never_open=tuple(sorted(judged.zones_never_open)),
        never_open=judged.never_open,
        starts_at=simulation.starts_at,
        finishes_at=_end(simulation, untouched, judged),
        calls=simulation.calls,
        per_hour=tuple(sorted(simulation.per_hour.items())),
        cost_low=purse.pays(low),
        cost_high=purse.pays(high),
        not_counted=purse.not_counted(low),
        budget_runs_out=purse.runs_out(low),
        placeholders=judged.placeholders,
    )


def _end(simulation: Simulation, daily_limits: Sequence[DailyLimit], judged: Judged) -> datetime | None:
    """Return the end of the campaign.

    With few recipients the end depends on the last of them. Then it is the median of several simulations in which
    chance draws how each call ends.
    """
    times = min(MOST_PLAYS, PLAYED // max(1, judged.waiting.total() + judged.calling.total()))
    if simulation.finishes_at is None or times < 2:
        return simulation.finishes_at
    ends = [simulation.finishes_at]
    for n in range(times - times % 2):
        played = simulation.again(daily_limits, random.Random(n))  # noqa: S311
        played.run(judged.waiting, judged.calling)
        ends += [played.finishes_at] if played.finishes_at else []
    return median_high(ends)


class Prospect:
    """A `Candidate` for a forecast: call, contact and recipient in one object, because a forecast makes 200,000."""

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
        "to_number",
        "values_approved",
        "variables",
    )

    def __init__(self, campaign: Campaign, choices: Choices, row: Sequence[Any]) -> None:
        self.campaign, self.campaign_id = campaign, campaign.pk
        self.organization, self.organization_id = campaign.organization, campaign.organization_id
        self.status, self.attempts, self.due, self.assistant_id, self.phone_number_id, *rest = row
        self.values_approved, self.to_number, *rest = rest
        self.contact_id, self.phone, self.timezone, self.on_hold, self.hold_until, *own = rest
        texts: Sequence[Any] = own or ("", "", {})
        self.name, self.external_id, self.variables = texts
        selection = choices.select(self, self.to_number)
        assert selection is not None  # noqa: S101 (a forecast of a campaign that cannot call has no prospects)
        choices.take(selection)
        choice, self.phone_number = selection.choice, selection.number
        self.assistant, self.account, self.account_id = choice.assistant, choice.account, choice.account.pk
        self.phone_number_id = self.phone_number.pk
        self.not_before, self.not_after, self.asked_for = None, campaign.ends_at, False

    @property
    def is_single(self) -> bool:
        return False

    @property
    def recipient_id(self) -> None:
        """The simulation applies the retry rules itself."""
        return None

    def held(self, now: datetime) -> bool:
        return bool(self.on_hold) and (self.hold_until is None or self.hold_until > now)

    @property
    def contact(self) -> Prospect:
        return self

    @property
    def recipient(self) -> Prospect:
        return self


@dataclass
class Judged:
    """The recipients at the start. `waiting`: by facts and due time; `calling`: with an open call, by facts."""

    placeholders: PlaceholderNotices
    callable_now: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    zones_never_open: set[str] = field(default_factory=set)
    never_open: Counter[ClosedPlace] = field(default_factory=Counter)
    waiting: Counter[tuple[Facts, datetime]] = field(default_factory=Counter)
    calling: Counter[Facts] = field(default_factory=Counter)

    def bars(self, prospect: Prospect, spoken: Spoken) -> bool:
        """Count a recipient with a value that nobody means to speak. Return whether its values keep it from a call."""
        if spoken.placeholders and (spoken.rule is Rule.EMPTY or not spoken.missing):
            self.placeholders.take(prospect.contact_id, spoken)
        if spoken.reason and not spoken.held:
            self.skipped[MISSING if spoken.missing else REASON] += 1
        return bool(spoken.reason)

    def note_if_never_open(self, prospect: Prospect, facts: Facts, decision: Decision, begin: datetime) -> None:
        if decision.failed(CheckName.NO_OPENING):
            self.zones_never_open.update(facts.zones)
            told = prospect.timezone if len(facts.zones) > 1 else ""
            self.never_open[closed_place(facts.country, facts.zones, told, facts.hours, begin)] += 1


@dataclass(frozen=True)
class Purse:
    """A campaign's budget and what is spent and set aside. The budget pays in its own currency alone."""

    limit: Money | None
    spent: Amounts = NOTHING

    @classmethod
    def of(cls, campaign: Campaign) -> Purse:
        limit = campaign.spending_limit
        return cls(limit, NOTHING if limit is None else budgets.spent_on(campaign))

    @property
    def used(self) -> Money | None:
        return None if self.limit is None else self.spent.within(self.limit.currency)

    @property
    def left(self) -> Money | None:
        return None if self.limit is None or self.used is None else (self.limit - self.used).at_least_nothing()

    def pays(self, costs: Amounts) -> Amounts:
        """Return the costs as far as the budget allows them."""
        left = self.left
        if left is None:
            return costs
        return Amounts.of(min(cost, left) if cost.currency == left.currency else cost for cost in costs)

    def runs_out(self, costs: Amounts) -> bool:
        return self.left is not None and costs.within(self.left.currency) > self.left

    def not_counted(self, costs: Amounts) -> Amounts:
        return NOTHING if self.limit is None else costs.beyond(self.limit.currency)


def _judge(campaign: Campaign, choices: Choices, begin: datetime, purse: Purse) -> Judged:
    as_running = copy(campaign)
    as_running.status, as_running.budget = Campaign.Status.RUNNING, None
    found = Judged(PlaceholderNotices(Rule(campaign.placeholder_values)))
    decisions: dict[Facts, Decision] = {}
    with_variables = _needs_variables(campaign, choices)
    rows = _rows(campaign, with_variables)
    while chunk := [Prospect(as_running, choices, row) for row in islice(rows, AT_ONCE)]:
        sheets = fact_sheet.load(chunk, begin)
        for prospect, facts in zip(chunk, sheets, strict=True):
            if prospect.status == Recipient.Status.CALLING:
                found.calling[facts] += 1
                continue
            decision = decisions.get(facts)
            if decision is None:
                decision = decisions[facts] = decide(replace(facts, budget=purse.limit, spent=purse.used), begin)
            if decision.verdict == "skip":
                found.skipped[decision.reason] += 1
                if decision.reason == CheckName.NO_OPEN_WINDOW:
                    found.zones_never_open.update(facts.zones)
                    found.note_if_never_open(prospect, facts, decision, begin)
            elif with_variables and found.bars(prospect, values_for(as_running, prospect)):
                continue
            else:
                due = max(begin, prospect.due or begin)
                found.waiting[facts, due] += 1
                found.note_if_never_open(prospect, facts, decision, begin)
                found.callable_now += due == begin and _may_be_called(decision)
    return found


def _may_be_called(decision: Decision) -> bool:
    return all(check.result == "allow" or check.name.traits.is_capacity for check in decision.checks)


def _needs_variables(campaign: Campaign, choices: Choices) -> bool:
    return campaign.placeholder_values != Rule.SEND or any(
        item.get("required") for choice in choices.all for item in choice.assistant.variables
    )


def _not_launched(campaign: Campaign) -> QuerySet[Contact]:
    """Return the contacts on the campaign's lists and in its segments that are not recipients yet, each once."""
    if campaign.launched_at or campaign.status in (Campaign.Status.FINISHED, Campaign.Status.CANCELED):
        return Contact.objects.none()
    already = Recipient.objects.filter(campaign=campaign, contact=OuterRef("pk"))
    lists = campaign.contact_lists.order_by().values("pk")
    return segments.audience(campaign.organization_id, lists, campaign.segments.all()).filter(~Exists(already))


NOT_BEGUN = (Campaign.Status.DRAFT, Campaign.Status.SCHEDULED)  # it has contacts on its lists, but no recipients yet


def _size_of(campaign: Campaign, count_to: int | None) -> int:
    if campaign.status not in NOT_BEGUN:
        return campaign.recipients.all()[:count_to].count() + _not_launched(campaign)[:count_to].count()
    lists = list_sizes.sizes_of(campaign)
    if len(lists) > 1 or campaign.segments.all():  # a contact may be on several
        return _not_launched(campaign)[:count_to].count()
    size = sum(lists.values())
    return size if count_to is None else min(size, count_to)


def _rows(campaign: Campaign, with_variables: bool) -> Iterator[Sequence[Any]]:
    """Yield a row for each recipient still to be called: status, attempts, due time, assistant, caller number, whether
    its values are approved, number called next, contact, its first number, time zone, hold, and the columns that
    variables are made of. Recipients that are held for a value are among them.
    """
    wanted = [
        "pk",
        "phone",
        "timezone",
        "on_hold",
        "hold_until",
        *(["name", "external_id", "variables"] if with_variables else []),
    ]
    going = Q(status__in=(*Recipient.WAITING_STATUSES, Recipient.Status.CALLING))
    live = campaign.recipients.filter(going | Recipient.HELD).order_by("pk")
    state = ("status", "attempts", "next_attempt_at", "assistant_id", "phone_number_id", "values_approved")
    own = live.values_list(*state, further.NUMBER, *(f"contact__{name}" for name in wanted))
    if campaign.status not in NOT_BEGUN:
        yield from own.iterator(AT_ONCE)
    for row in _not_launched(campaign).order_by("pk").values_list("phone", *wanted).iterator(AT_ONCE):
        yield (Recipient.Status.PENDING, 0, None, None, None, False, *row)


SKIPPED: Mapping[str, str] = {
    CheckName.DO_NOT_CALL: "{n} on the do-not-call list: not called.",
    CheckName.COUNTRY: "{n} with numbers of countries that may not be called.",
    MISSING: "{n} without a variable that the assistant needs: not called.",
    CheckName.ATTEMPTS: "{n} already called as often as the campaign allows.",
    CheckName.NO_OPEN_WINDOW: "{n} without an open calling window before the campaign ends, in {zones}.",
}


def warnings(found: Forecast) -> list[Problem]:
    """Return the preflight's warnings: which recipients will not be called, and why."""
    zones = _some(found.zones_never_open) or "their time zones"
    problems = [
        Problem(reason, "warning", SKIPPED.get(reason, "{n} are not called.").format(n=counted(n), zones=zones), n)
        for reason, n in sorted(found.skipped.items())
        if reason != REASON
    ]
    problems += found.placeholders.problems()
    problems += never_open.problems(found.never_open)
    if found.not_reached:
        message = f"{counted(found.not_reached)} will probably not be reached before the campaign ends."
        problems.append(Problem("not_reached", "warning", message, found.not_reached))
    if why := why_without_end(found):
        message = f"The campaign will not end by itself: {why}."
        problems.append(Problem("without_end", "warning", message, found.without_end.total()))
    if found.too_many:
        message = (
            f"{counted(found.recipients)} are too many to forecast, so it is unknown which of them will not be called."
        )
        problems.append(Problem("not_forecast", "warning", message, found.recipients))
    if found.budget_runs_out:
        problems.append(
            Problem(CheckName.BUDGET, "warning", "The budget will probably be spent before all recipients are called.")
        )
    if found.not_counted:
        message = f"The budget does not count all estimated costs: {not_counted(found.not_counted)}"
        problems.append(Problem("budget_not_counted", "warning", message))
    return problems


def why_without_end(found: Forecast) -> str:
    """Return why the campaign never ends by itself. Empty if it ends, or if that is unknown."""
    held, closed = found.without_end[CheckName.ON_HOLD], found.without_end[CheckName.NO_OPENING]
    others = found.without_end.total() - held - closed
    parts = [f"{counted(held)} on hold until a team member lifts the hold"] if held else []
    if closed:
        zones = _some(sorted(found.zones_never_open)) or "their time zones"
        parts.append(f"{counted(closed)} without a calling window in the next 13 months, in {zones}")
    return " and ".join([*parts, *([f"{counted(others)} whose turn never comes by these limits"] if others else [])])


def _some(names: Iterable[str]) -> str:
    first, rest = list(names)[:3], list(names)[3:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")
