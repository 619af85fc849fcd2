"""Reading what the gate looks at, for many calls at once. For a placing, only after the persons are locked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Max, Min

from calls.gate import budgets, pacing
from calls.gate.candidate import Candidate
from calls.gate.checks import CheckName
from calls.gate.decision import DailyBudget, Facts
from calls.models import OPEN, Call
from campaigns.do_not_call import entries
from campaigns.models import Campaign
from campaigns.models.campaign import min_gap_of
from campaigns.phones import country_of
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.windows import Hours, candidate_zones
from providers.models import PhoneNumber
from tenants.models import Organization

HISTORY = timedelta(days=30)
A_DAY = timedelta(days=1)
UNBOUNDED = 32_767


def load(calls: Sequence[Candidate], now: datetime) -> list[Facts]:
    """The facts of each call, in the same order. Calls need `organization`, `account`, `assistant`, `phone_number`,
    `contact`, `campaign` and `recipient` loaded; they may be unsaved (a single call about to be ordered)."""
    listed = _listed(calls, now)
    open_numbers = _open_numbers(calls)
    history = _history(calls, now)
    campaigns = {call.campaign_id: call.campaign for call in calls if call.campaign}
    hours = {pk: _campaign_hours(campaign) for pk, campaign in campaigns.items()}
    lines = _open_by("phone_number_id", {call.phone_number_id for call in calls if call.phone_number.max_open_calls})
    open_campaign = _open_by("campaign_id", {c.campaign_id for c in calls if c.campaign and c.campaign.max_open_calls})
    spent = {pk: budgets.spent_on(campaign) for pk, campaign in campaigns.items() if campaign.budget is not None}
    daily_budgets = _daily_budgets(calls, now)
    used = use_of({call.phone_number_id: call.phone_number for call in calls}.values(), now)
    return [
        _facts(
            call,
            now,
            listed=(call.organization_id, call.to_number) in listed,
            open_call=(call.organization_id, call.to_number) in open_numbers,
            dialed=history[call.contact_id],
            campaign_hours=hours.get(call.campaign_id),
            number_open=lines[call.phone_number_id],
            campaign_open=open_campaign[call.campaign_id],
            spent=spent.get(call.campaign_id, Decimal(0)),
            daily_budgets=daily_budgets[call.account_id],
            used=used.get(call.phone_number_id, UNUSED),
        )
        for call in calls
    ]


def _facts(
    call: Candidate,
    now: datetime,
    *,
    listed: bool,
    open_call: bool,
    dialed: Sequence[datetime],
    campaign_hours: Hours | None,
    number_open: int,
    campaign_open: int,
    spent: Decimal,
    daily_budgets: tuple[DailyBudget, ...],
    used: NumberUse,
) -> Facts:
    organization, account, campaign, recipient = call.organization, call.account, call.campaign, call.recipient
    on_hold = call.contact.held(now)
    ends = [moment for moment in (call.not_after, campaign.ends_at if campaign else None) if moment]
    return Facts(
        organization_active=organization.is_active,
        calls_stopped=organization.calls_stopped,
        account_active=account.is_active,
        account_blocked=account.blocked(now),
        account_blocked_until=account.blocked_until,
        account_blocked_reason=account.blocked_reason,
        assistant_active=call.assistant.is_active,
        number_active=call.phone_number.is_active,
        campaign_status=campaign.status if campaign else None,
        not_before=call.not_before,
        not_after=min(ends) if ends else None,
        do_not_call=listed,
        country=country_of(call.to_number),
        allowed_countries=organization.callable_countries,
        zones=candidate_zones(
            call.contact.timezone, call.to_number, campaign.zone if campaign else organization.timezone
        ),
        hours=hours_of(call, campaign_hours),
        open_call=open_call,
        attempts=recipient.attempts if recipient else 0,
        max_attempts=campaign.max_attempts if campaign and not call.asked_for else None,
        last_dialed_at=dialed[-1] if dialed else None,
        min_gap=timedelta() if call.asked_for else min_gap_of(organization, campaign),
        dialed_in_a_day=tuple(moment for moment in dialed if moment > now - A_DAY),
        max_per_day=UNBOUNDED if call.asked_for else organization.max_attempts_per_day,
        spent=spent,
        reserve=budgets.reserve_of(account),
        budget=campaign.budget if campaign else None,
        number_open=number_open,
        number_max_open=call.phone_number.max_open_calls,
        campaign_open=campaign_open,
        campaign_max_open=campaign.max_open_calls if campaign else None,
        hold_until=call.contact.hold_until if on_hold else None,
        on_hold=on_hold,
        dialed_in_30_days=tuple(dialed) if organization.max_attempts_per_30_days is not None else (),
        max_per_30_days=None if call.asked_for else organization.max_attempts_per_30_days,
        daily_budgets=daily_budgets,
        campaign_next_at=campaign.next_call_at if campaign and pacing.holds(call) else None,
        number_last_at=used.last,
        number_rest=timedelta(seconds=call.phone_number.rest_seconds),
        number_in_a_day=used.count,
        number_max_in_a_day=call.phone_number.max_calls_per_day,
        number_day_frees_at=used.first + A_DAY if used.first else None,
    )


@dataclass(frozen=True)
class NumberUse:
    """The calls from a caller number in the last 24 hours."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def left(self, number: PhoneNumber) -> int | None:
        """How many more the number may make; None where it has no cap."""
        return None if number.max_calls_per_day is None else max(0, number.max_calls_per_day - self.count)


UNUSED = NumberUse()


def use_of(numbers: Iterable[PhoneNumber], now: datetime) -> dict[int, NumberUse]:
    """By number; only of those that have a rest or a cap."""
    limited = [number.pk for number in numbers if number.rest_seconds or number.max_calls_per_day is not None]
    if not limited:
        return {}
    rows = Call.objects.filter(phone_number__in=limited, dialed_at__gt=now - A_DAY).values("phone_number").order_by()
    found = rows.annotate(n=Count("pk"), first=Min("dialed_at"), last=Max("dialed_at"))
    return {row["phone_number"]: NumberUse(row["n"], row["first"], row["last"]) for row in found}


def _daily_budgets(calls: Sequence[Candidate], now: datetime) -> dict[int, tuple[DailyBudget, ...]]:
    """The budgets of the day that each account's calls are paid from."""
    today: dict[int, DailyBudget] = {}
    found: dict[int, tuple[DailyBudget, ...]] = {}
    accounts = {call.account_id: (call.account, call.organization) for call in calls}
    for account_id, (account, organization) in accounts.items():
        daily_budgets = []
        tomorrow = budgets.day_of(organization, now)[1]
        if organization.daily_budget is not None and (
            organization.daily_budget_currency == account.price_per_minute_currency
        ):
            if organization.pk not in today:
                used, paid = budgets.spent_and_paid_today(organization, now)
                today[organization.pk] = DailyBudget(
                    CheckName.ORGANIZATION_BUDGET, organization.daily_budget, used, tomorrow, paid
                )
            daily_budgets.append(today[organization.pk])
        if account.daily_budget is not None:
            used, paid = budgets.spent_and_paid_today_through(account, now)
            daily_budgets.append(DailyBudget(CheckName.ACCOUNT_BUDGET, account.daily_budget, used, tomorrow, paid))
        found[account_id] = tuple(daily_budgets)
    return found


def hours_of(call: Candidate, campaign_hours: Hours | None) -> tuple[Hours, ...]:
    """The sets of hours that must all be open: the campaign's, and the law's unless it is lifted. Who asked to be
    called at a time is not held to the campaign's."""
    found = [campaign_hours] if campaign_hours is not None and not call.asked_for else []
    if call.campaign:
        lifted = bool(call.campaign.legal_override)
    else:
        lifted = call.organization.single_call_hours == Organization.SingleCallHours.ANY
    if not lifted:
        found.append(legal_hours(call.to_number))
    return tuple(found)


def _campaign_hours(campaign: Campaign) -> Hours:
    return Hours(
        windows=tuple(window.as_window() for window in campaign.windows.all()),
        holidays=frozenset(date.fromisoformat(day) for day in campaign.holidays),
    )


def _listed(calls: Sequence[Candidate], now: datetime) -> set[tuple[int, str]]:
    numbers = defaultdict(set)
    for call in calls:
        numbers[call.organization_id].add(call.to_number)
    return {(org, phone) for org, phones in numbers.items() for phone in entries.listed(org, phones, now)}


def _open_numbers(calls: Sequence[Candidate]) -> set[tuple[int, str]]:
    found = Call.objects.open().filter(
        organization_id__in={call.organization_id for call in calls}, to_number__in={call.to_number for call in calls}
    )
    return set(found.values_list("organization_id", "to_number"))


def _history(calls: Sequence[Candidate], now: datetime) -> defaultdict[int, list[datetime]]:
    """When each person was, or may have been, dialled; oldest first."""
    contacts = {call.contact_id for call in calls if call.contact_id}
    rows = Call.objects.filter(contact_id__in=contacts, dialed_at__gt=now - HISTORY).order_by("dialed_at")
    history: defaultdict[int, list[datetime]] = defaultdict(list)
    for contact_id, dialed_at in rows.values_list("contact_id", "dialed_at"):
        if dialed_at:
            history[contact_id].append(dialed_at)
    return history


def _open_by(column: str, keys: Iterable[int | None]) -> Counter[int | None]:
    rows = Call.objects.filter(**{f"{column}__in": list(keys)}, status__in=OPEN).values_list(column)
    return Counter(dict(rows.annotate(n=Count("pk")).order_by()))


def within_a_day(dials: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """Those of a person's calls that still count at a later moment."""
    return tuple(dialed for dialed in dials if dialed > moment - timedelta(days=1))


def within_a_month(dials: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    return tuple(dialed for dialed in dials if dialed > moment - timedelta(days=30))
