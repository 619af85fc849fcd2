"""Read what the gate looks at, for many calls at once.

A claim reads it after it has locked the contacts, so that the facts hold until the claim commits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Max, Min

from calls.gate import budgets, history, pacing, persons, retry_waits
from calls.gate.candidate import Candidate
from calls.gate.checks import CheckName
from calls.gate.decision import DailyBudget, Facts
from calls.gate.persons import Number
from calls.models import Call
from campaigns.do_not_call import entries
from campaigns.models import Campaign
from campaigns.models.campaign import min_gap_of
from campaigns.phones import country_of
from campaigns.rules.legal_hours import legal_hours
from campaigns.rules.whereabouts import ZoneRule, candidate_zones
from campaigns.rules.windows import Hours
from providers.models import PhoneNumber, ProviderAccount
from tenants.models import Organization
from tenants.money import Money

A_DAY = timedelta(days=1)
Accounts = Mapping[int, tuple[ProviderAccount, Organization]]  # by internal key
UNBOUNDED = 32_767  # calls a day: as many as the field can hold


def load(calls: Sequence[Candidate], now: datetime) -> list[Facts]:
    """Return the facts of each call, in the same order.

    The number of queries grows with accounts and campaigns, not with calls. Calls need `organization`,
    `account`, `assistant`, `phone_number`, `contact`, `campaign` and `recipient` loaded. They may be unsaved, such as
    a single call that is about to be created.
    """
    batch = read_as_made(calls, now)
    return [batch.facts_of(call) for call in calls]


def read_as_made(calls: Sequence[Candidate], now: datetime) -> Batch:
    """Read the facts of calls whose caller number and account are chosen."""
    numbers = {call.phone_number_id: call.phone_number for call in calls}
    accounts = {call.account_id: (call.account, call.organization) for call in calls}
    return read(calls, numbers.values(), accounts, now)


def read(
    calls: Sequence[Candidate],
    numbers: Collection[PhoneNumber],
    accounts: Accounts,
    now: datetime,
) -> Batch:
    """Read the facts of calls, each of which may be made from any of these caller numbers and accounts.

    What a call is made with may still be open.
    """
    campaigns = {call.campaign_id: call.campaign for call in calls if call.campaign}
    people = persons.read(calls)
    limited_numbers = {number.pk for number in numbers if number.max_open_calls}
    limited_campaigns = {pk for pk, campaign in campaigns.items() if campaign.max_open_calls}
    return Batch(
        now=now,
        persons=people,
        listed=_listed(calls, people, now),
        history=history.read(calls, people, now),
        zone_rules={pk: campaign.zone_rule for pk, campaign in campaigns.items()},
        campaign_hours={pk: _campaign_hours(campaign) for pk, campaign in campaigns.items()},
        open_from_number=_lines_by("phone_number_id", limited_numbers, now),
        open_in_campaign=_lines_by("campaign_id", limited_campaigns, now),
        spent=_spent(campaigns.values()),
        daily_budgets=_daily_budgets(accounts, now),
        retries=retry_waits.load(calls),
        use=use_of(numbers, now),
    )


@dataclass(frozen=True)
class Batch:
    """What is read for many calls at once. Numbers are keyed by organization and E.164, all else by internal key."""

    now: datetime
    persons: persons.Persons
    listed: set[Number]
    history: history.History
    zone_rules: Mapping[int | None, ZoneRule]  # of campaigns
    campaign_hours: Mapping[int | None, Hours]
    open_from_number: Mapping[int | None, int]
    open_in_campaign: Mapping[int | None, int]
    spent: Mapping[int, Money]  # on campaigns with a budget
    daily_budgets: Mapping[int, tuple[DailyBudget, ...]]
    retries: Mapping[int, retry_waits.Retry]  # of recipients that were called before, by internal key
    use: Mapping[int, NumberUse]

    def facts_of(self, call: Candidate) -> Facts:
        # Each relation is asked for once: that costs as much as ten attributes.
        now, organization, account, campaign = self.now, call.organization, call.account, call.campaign
        contact, number, recipient, to_number = call.contact, call.phone_number, call.recipient, call.to_number
        own, reached = self.persons.of(call, contact.phone)
        dials = self.history.dials_of(call, own)
        use = self.use.get(call.phone_number_id, UNUSED)
        on_hold = contact.held(now)
        zones = candidate_zones(contact.timezone, to_number, self._zone_rule(call))
        last_moment = _earlier(call.not_after, campaign.ends_at if campaign else None)
        hours = hours_of(call, self.campaign_hours.get(call.campaign_id))
        retry = None if call.asked_for else self.retries.get(call.recipient_id or 0)
        min_gap = timedelta() if call.asked_for else min_gap_of(organization, campaign)
        return Facts(
            organization_active=organization.is_active, calls_stopped=organization.calls_stopped,
            account_active=account.is_active, account_blocked=account.blocked(now),
            account_blocked_until=account.blocked_until, account_blocked_reason=account.blocked_reason,
            assistant_active=call.assistant.is_active, number_active=number.is_active,
            campaign_status=campaign.status if campaign else None,
            not_before=call.not_before, not_after=last_moment,
            do_not_call=(call.organization_id, to_number) in self.listed,
            other_number_listed=bool(self.listed) and any((call.organization_id, n) in self.listed for n in reached),
            country=country_of(to_number), allowed_countries=organization.callable_countries,
            zones=zones, hours=hours,
            open_call=self.history.open.any_to(call, reached),
            attempts=recipient.attempts if recipient else 0, max_attempts=self._max_attempts(call),
            retry_at=retry.earliest(min_gap, hours, zones, last_moment) if retry else None,
            callback_until=self._callback_until(call),
            last_dialed_at=dials[-1] if dials else None, min_gap=min_gap,
            dialed_in_a_day=within_a_day(dials, now),
            max_per_day=UNBOUNDED if call.asked_for else organization.max_attempts_per_day,
            spent=self.spent.get(call.campaign_id or 0),
            reserve=budgets.reserve_of(account),
            budget=campaign.spending_limit if campaign else None,
            number_open=self.open_from_number[call.phone_number_id], number_max_open=number.max_open_calls,
            campaign_open=self.open_in_campaign[call.campaign_id],
            campaign_max_open=campaign.max_open_calls if campaign else None,
            hold_until=contact.hold_until if on_hold else None,
            on_hold=on_hold,
            dialed_in_30_days=tuple(dials) if organization.max_attempts_per_30_days is not None else (),
            max_per_30_days=None if call.asked_for else organization.max_attempts_per_30_days,
            daily_budgets=self.daily_budgets[call.account_id],
            campaign_next_at=campaign.next_call_at if campaign and pacing.applies_to(call) else None,
            number_last_at=use.last,
            number_rest=timedelta(seconds=number.rest_seconds),
            number_in_a_day=use.count,
            number_max_in_a_day=number.max_calls_per_day,
            number_day_frees_at=use.first + A_DAY if use.first else None,
        )  # fmt: skip

    def _zone_rule(self, call: Candidate) -> ZoneRule:
        return self.zone_rules.get(call.campaign_id) or ZoneRule(call.organization.timezone)

    def _max_attempts(self, call: Candidate) -> int | None:
        """The campaign's maximum, or less where the retry rule that holds now allows less. None: not limited."""
        if call.campaign is None or call.asked_for:
            return None
        retry = self.retries.get(call.recipient_id or 0)
        most = call.campaign.max_attempts
        return min(retry.max_attempts, most) if retry and retry.max_attempts is not None else most

    def _callback_until(self, call: Candidate) -> datetime | None:
        """When the last promise that another campaign made to the contact ends. Only a campaign's own calls wait."""
        promised = self.history.callbacks.get(call.contact_id)
        if not promised or call.campaign is None or call.asked_for or not call.organization.callbacks_hold_campaigns:
            return None
        return max((until for recipient, until in promised.items() if recipient != call.recipient_id), default=None)


def _earlier(*moments: datetime | None) -> datetime | None:
    return min(filter(None, moments), default=None)


@dataclass(frozen=True)
class NumberUse:
    """The calls from a caller number in the last 24 hours: how many, the first and the last."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def left(self, number: PhoneNumber) -> int | None:
        """Return how many more calls the number may make today. None: it has no cap."""
        return None if number.max_calls_per_day is None else max(0, number.max_calls_per_day - self.count)


UNUSED = NumberUse()


def use_of(numbers: Iterable[PhoneNumber], now: datetime) -> dict[int, NumberUse]:
    """Return the use by the number's internal key, only for numbers with a rest or a daily cap."""
    limited = [number.pk for number in numbers if number.rest_seconds or number.max_calls_per_day is not None]
    if not limited:
        return {}
    rows = Call.objects.filter(phone_number__in=limited, dialed_at__gt=now - A_DAY).values("phone_number").order_by()
    found = rows.annotate(n=Count("pk"), first=Min("dialed_at"), last=Max("dialed_at"))
    return {row["phone_number"]: NumberUse(row["n"], row["first"], row["last"]) for row in found}


def _spent(campaigns: Iterable[Campaign]) -> dict[int, Money]:
    """Return what is spent and set aside of the budgets of campaigns, by the campaign's internal key."""
    limits = {campaign.pk: limit for campaign in campaigns if (limit := campaign.spending_limit) is not None}
    sums = budgets.sums_of(limits)
    return {pk: sums[pk].used.within(limit.currency) for pk, limit in limits.items()}


def _daily_budgets(accounts: Accounts, now: datetime) -> dict[int, tuple[DailyBudget, ...]]:
    """Return the daily budgets that pay for each account's calls, by the account's internal key."""
    today: dict[int, DailyBudget] = {}
    found: dict[int, tuple[DailyBudget, ...]] = {}
    for account_id, (account, organization) in accounts.items():
        daily_budgets = []
        tomorrow = budgets.day_of(organization, now)[1]
        limit, own_limit = organization.daily_limit, account.daily_limit
        if limit is not None and limit.currency == account.price_per_minute_currency:
            if organization.pk not in today:
                spending = budgets.spending_today(organization, now)
                today[organization.pk] = _daily_budget(CheckName.ORGANIZATION_BUDGET, limit, spending, tomorrow)
            daily_budgets.append(today[organization.pk])
        if own_limit is not None:
            spending = budgets.spending_today_through(account, now)
            daily_budgets.append(_daily_budget(CheckName.ACCOUNT_BUDGET, own_limit, spending, tomorrow))
        found[account_id] = tuple(daily_budgets)
    return found


def _daily_budget(check: CheckName, limit: Money, spending: budgets.Spending, tomorrow: datetime) -> DailyBudget:
    used, paid = (amounts.within(limit.currency) for amounts in (spending.used, spending.paid))
    return DailyBudget(check, limit, used, tomorrow, paid)


def hours_of(call: Candidate, campaign_hours: Hours | None) -> tuple[Hours, ...]:
    """Return the sets of hours that must all be open: the campaign's, and the legal hours unless they are lifted.

    The campaign's hours do not apply when the contact asked to be called at this time.
    """
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


def _listed(calls: Sequence[Candidate], people: persons.Persons, now: datetime) -> set[Number]:
    numbers: defaultdict[int, set[str]] = defaultdict(set)
    for call in calls:
        numbers[call.organization_id].update(people.reached(call))
    return {(org, phone) for org, phones in numbers.items() for phone in entries.listed(org, phones, now)}


def _lines_by(column: str, keys: Iterable[int | None], now: datetime) -> Counter[int | None]:
    """Return how many calls hold a line, by caller number or campaign."""
    rows = Call.objects.holding_a_line(now).filter(**{f"{column}__in": list(keys)}).values_list(column)
    return Counter(dict(rows.annotate(n=Count("pk")).order_by()))


def within_a_day(dials: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """Return the dials in the 24 hours before `moment`."""
    return tuple(dialed for dialed in dials if dialed > moment - A_DAY)


def within_a_month(dials: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """Return the dials in the 30 days before `moment`."""
    return tuple(dialed for dialed in dials if dialed > moment - history.HISTORY)
