"""Budgets: what organizations, provider accounts and campaigns have spent and set aside.

What is set aside never exceeds a budget: a call is placed only if its reserve still fits, and that is decided under the
locks of organization, account and campaign. A call that costs more than its reserve can exceed a budget, so each
account says for how many minutes of a call money is set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls.models import OPEN, Call
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.clock_changes import start_of_day
from tenants.models import Organization

ALERT_AT = (50, 80, 100)  # per cent
ZERO = Decimal(0)
# The cost of a call, or its reserve while the cost is unknown.
AMOUNT = Coalesce("cost", "cost_reserved", output_field=Call._meta.get_field("cost_reserved"))


def reserve_of(account: ProviderAccount) -> Decimal:
    """Return what is set aside when the account places a call, in the account's currency. Zero without a price."""
    price = account.price_per_minute
    return price * account.reserved_minutes if price is not None else ZERO


def spent_on(campaign: Campaign) -> Decimal:
    """Return what a campaign has spent and set aside so far, in the account's currency."""
    return sums_of([campaign.pk])[campaign.pk].used


@dataclass(frozen=True)
class Sums:
    """A campaign's money: what is paid, what is set aside for open calls without a cost yet, and how many are open."""

    paid: Decimal
    reserved: Decimal
    open_calls: int
    overdue_calls: int  # of the open calls

    @property
    def used(self) -> Decimal:
        return self.paid + self.reserved


def sums_of(campaigns: Iterable[int]) -> dict[int, Sums]:
    """Return the sums by the campaign's internal key, in one query.

    Each sum reads an index only, or the few calls that are open, so it stays fast with millions of calls.
    """
    calls = Call.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    paid, open_calls = calls.filter(cost__gt=0).values(total=Sum("cost")), calls.filter(status__in=OPEN)
    reserved = open_calls.values(total=Sum("cost_reserved", filter=Q(cost=None)))
    counted = open_calls.values(n=Count("*"))
    late = Call.objects.overdue(timezone.now()).filter(campaign=OuterRef("pk"))
    overdue = late.order_by().values("campaign").values(n=Count("*"))
    rows = Campaign.objects.filter(pk__in=list(campaigns)).order_by()
    found = rows.values_list("pk", Subquery(paid), Subquery(reserved), Subquery(counted), Subquery(overdue))
    return {pk: Sums(spent or ZERO, aside or ZERO, n or 0, late or 0) for pk, spent, aside, n, late in found}


def spent_today(organization: Organization, now: datetime) -> Decimal:
    """Return what the organization's calls of today have spent and set aside.

    It counts the accounts whose price is in the currency of the organization's daily budget.
    """
    return spent_and_paid_today(organization, now)[0]


def spent_today_through(account: ProviderAccount, now: datetime) -> Decimal:
    """Return what the account's calls of today have spent and set aside."""
    return spent_and_paid_today_through(account, now)[0]


def spent_and_paid_today(organization: Organization, now: datetime) -> tuple[Decimal, Decimal]:
    """Return what the organization's calls of today have spent and set aside, and the part that is spent."""
    calls = Call.objects.filter(
        organization=organization, account__price_per_minute_currency=organization.daily_budget_currency
    )
    return _spent_since(calls, day_of(organization, now)[0])


def spent_and_paid_today_through(account: ProviderAccount, now: datetime) -> tuple[Decimal, Decimal]:
    """Return the same for the account's calls."""
    return _spent_since(Call.objects.filter(account=account), day_of(account.organization, now)[0])


def spent_today_by(organizations: Sequence[Organization], now: datetime) -> dict[int, Decimal]:
    """Return `spent_today` of several organizations, by internal key, in one query."""
    if not organizations:
        return {}
    counted = Q(pk__in=[])
    for each in organizations:
        day = Q(dialed_at__gte=day_of(each, now)[0], account__price_per_minute_currency=each.daily_budget_currency)
        counted |= day & Q(organization=each)
    rows = Call.objects.filter(counted).values_list("organization").annotate(total=Sum(AMOUNT)).order_by()
    return {pk: total or ZERO for pk, total in rows}


def day_of(organization: Organization, now: datetime) -> tuple[datetime, datetime]:
    """Return the start of the organization's day and of its next day, by its own time zone."""
    zone = ZoneInfo(organization.timezone)
    today = now.astimezone(zone).date()
    return start_of_day(today, zone), start_of_day(today + timedelta(days=1), zone)


def _spent_since(calls: QuerySet[Call], start: datetime) -> tuple[Decimal, Decimal]:
    found = calls.filter(dialed_at__gte=start).order_by().aggregate(total=Sum(AMOUNT), paid=Sum("cost"))
    return found["total"] or ZERO, found["paid"] or ZERO
