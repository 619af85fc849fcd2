"""Budgets: what organizations, provider accounts and campaigns have spent and set aside.

What is set aside never exceeds a budget: a call is placed only if its reserve still fits, and that is decided under the
locks of organization, account and campaign. A call counts as its reserve at least until it has ended and its price is
known, or is not awaited any more. A call that costs more than its reserve can exceed a budget, so each account says for
how many minutes of a call money is set aside. So a budget is exceeded by calls in flight alone: placed, or ended and
not yet priced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from calls.models import OPEN, Call, CallCount
from calls.models.call import COST, NOT_PRICED
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.clock_changes import start_of_day
from tenants.models import Organization

ALERT_AT = (50, 80, 100)  # per cent
ZERO = Decimal(0)
_MONEY = Call._meta.get_field("cost_reserved")
_KNOWN = Coalesce(COST, Value(ZERO), output_field=_MONEY)
# What a call counts for in budgets: its cost as far as known, and what is set aside for it at least.
AMOUNT = Greatest(_KNOWN, "cost_reserved", output_field=_MONEY)
# Calls whose cost no report of their provider lowers any more.
_FINAL = ~NOT_PRICED | Q(cost_reserved=0)


def reserve_of(account: ProviderAccount) -> Decimal:
    """Return what is set aside when the account places a call, in the account's currency. Zero without a price."""
    price = account.price_per_minute
    return price * account.reserved_minutes if price is not None else ZERO


def spent_on(campaign: Campaign) -> Decimal:
    """Return what a campaign has spent and set aside so far, in the account's currency."""
    return sums_of([campaign.pk])[campaign.pk].used


@dataclass(frozen=True)
class Sums:
    """A campaign's money: what its calls cost as far as known, what is set aside beyond that, and how many are open."""

    priced: Decimal  # by their providers
    estimated: Decimal  # by us, where no price is known
    reserved: Decimal
    open_calls: int
    overdue_calls: int  # of the open calls

    @property
    def paid(self) -> Decimal:
        return self.priced + self.estimated

    @property
    def used(self) -> Decimal:
        return self.paid + self.reserved


def sums_of(campaigns: Iterable[int]) -> dict[int, Sums]:
    """Return the sums by the campaign's internal key, in one query.

    Each sum reads counts that triggers keep, or the few calls that are in flight, so it stays fast with millions of
    calls.
    """
    calls = Call.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    kept = CallCount.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    priced, estimated = kept.values(total=Sum("priced")), kept.values(total=Sum("estimated"))
    reserved = calls.filter(cost_reserved__gt=0).values(total=Sum(AMOUNT - _KNOWN, output_field=_MONEY))
    counted = calls.filter(status__in=OPEN).values(n=Count("*"))
    late = Call.objects.overdue(timezone.now()).filter(campaign=OuterRef("pk"))
    overdue = late.order_by().values("campaign").values(n=Count("*"))
    rows = Campaign.objects.filter(pk__in=list(campaigns)).order_by()
    amounts, counts = (Subquery(each) for each in (priced, estimated, reserved)), (Subquery(counted), Subquery(overdue))
    return {
        pk: Sums(paid or ZERO, guessed or ZERO, aside or ZERO, n or 0, late or 0)
        for pk, paid, guessed, aside, n, late in rows.values_list("pk", *amounts, *counts)
    }


def paid_for(campaign: Campaign) -> Decimal:
    """Return what the campaign's calls have cost for certain. No call that ends, and no price, gives it back."""
    return campaign.calls.filter(_FINAL).order_by().aggregate(total=Sum(COST))["total"] or ZERO


def spent_today(organization: Organization, now: datetime) -> Decimal:
    """Return what the organization's calls of today have spent and set aside.

    It counts the accounts whose price is in the currency of the organization's daily budget.
    """
    return spent_and_paid_today(organization, now)[0]


def spent_today_through(account: ProviderAccount, now: datetime) -> Decimal:
    """Return what the account's calls of today have spent and set aside."""
    return spent_and_paid_today_through(account, now)[0]


def spent_and_paid_today(organization: Organization, now: datetime) -> tuple[Decimal, Decimal]:
    """Return what the organization's calls of today have spent and set aside, and the part that is spent for certain.

    No call that ends, and no price that comes, gives that part back.
    """
    calls = Call.objects.filter(
        account__organization=organization, account__price_per_minute_currency=organization.daily_budget_currency
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
        counted |= day & Q(account__organization=each)
    rows = Call.objects.filter(counted).values_list("account__organization").annotate(total=Sum(AMOUNT)).order_by()
    return {pk: total or ZERO for pk, total in rows}


def day_of(organization: Organization, now: datetime) -> tuple[datetime, datetime]:
    """Return the start of the organization's day and of its next day, by its own time zone."""
    zone = ZoneInfo(organization.timezone)
    today = now.astimezone(zone).date()
    return start_of_day(today, zone), start_of_day(today + timedelta(days=1), zone)


def _spent_since(calls: QuerySet[Call], start: datetime) -> tuple[Decimal, Decimal]:
    found = calls.filter(dialed_at__gte=start).order_by().aggregate(total=Sum(AMOUNT), paid=Sum(COST, filter=_FINAL))
    return found["total"] or ZERO, found["paid"] or ZERO
