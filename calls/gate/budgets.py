"""Money: what is spent and set aside, who has spent it, and what happens when a budget is gone.

A budget is never exceeded by what is set aside: a call is placed only where its reserve still fits, asked under the
locks of its organization, account and campaign. It can be exceeded by what a call costs beyond its reserve, so accounts
say for how many minutes money is set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from calls.models import OPEN, Call
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.models import Organization

ALERT_AT = (50, 80, 100)  # per cent
ZERO = Decimal(0)
AMOUNT = Coalesce("cost", "cost_reserved", output_field=Call._meta.get_field("cost_reserved"))


def reserve_of(account: ProviderAccount) -> Decimal:
    """What is set aside when a call is placed through it."""
    price = account.price_per_minute
    return price * account.reserved_minutes if price is not None else ZERO


def spent_on(campaign: Campaign) -> Decimal:
    """What a campaign has paid and set aside so far, in the account's currency."""
    return sums_of([campaign.pk])[campaign.pk].gone


@dataclass(frozen=True)
class Sums:
    """What a campaign has paid, what is set aside for its open calls whose cost is not known yet, and how many are
    open."""

    paid: Decimal
    reserved: Decimal
    open_calls: int

    @property
    def gone(self) -> Decimal:
        return self.paid + self.reserved


def sums_of(campaigns: Iterable[int]) -> dict[int, Sums]:
    """By campaign; each sum is of an index alone, or of the few calls that are open."""
    calls = Call.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    paid, under_way = calls.filter(cost__gt=0).values(total=Sum("cost")), calls.filter(status__in=OPEN)
    reserved = under_way.values(total=Sum("cost_reserved", filter=Q(cost=None)))
    counted = under_way.values(n=Count("*"))
    rows = Campaign.objects.filter(pk__in=list(campaigns)).order_by()
    found = rows.values_list("pk", Subquery(paid), Subquery(reserved), Subquery(counted))
    return {pk: Sums(spent or ZERO, aside or ZERO, n or 0) for pk, spent, aside, n in found}


def spent_today(organization: Organization, now: datetime) -> Decimal:
    """By all calls dialled in its day, at accounts with a price in the currency of its budget."""
    return spent_and_paid_today(organization, now)[0]


def spent_today_through(account: ProviderAccount, now: datetime) -> Decimal:
    return spent_and_paid_today_through(account, now)[0]


def spent_and_paid_today(organization: Organization, now: datetime) -> tuple[Decimal, Decimal]:
    """What is paid or set aside, and what of it is paid."""
    calls = Call.objects.filter(
        organization=organization, account__price_per_minute_currency=organization.daily_budget_currency
    )
    return _spent_since(calls, day_of(organization, now)[0])


def spent_and_paid_today_through(account: ProviderAccount, now: datetime) -> tuple[Decimal, Decimal]:
    return _spent_since(Call.objects.filter(account=account), day_of(account.organization, now)[0])


def spent_today_by(organizations: Sequence[Organization], now: datetime) -> dict[int, Decimal]:
    """The same for several, by internal key, in one query."""
    if not organizations:
        return {}
    of_any = Q(pk__in=[])
    for each in organizations:
        day = Q(dialed_at__gte=day_of(each, now)[0], account__price_per_minute_currency=each.daily_budget_currency)
        of_any |= day & Q(organization=each)
    rows = Call.objects.filter(of_any).values_list("organization").annotate(total=Sum(AMOUNT)).order_by()
    return {pk: total or ZERO for pk, total in rows}


def day_of(organization: Organization, now: datetime) -> tuple[datetime, datetime]:
    """When its day began, and when the next begins, by its own clock."""
    zone = ZoneInfo(organization.timezone)
    today = now.astimezone(zone).date()
    start, end = (datetime.combine(today + timedelta(days=days), time(), tzinfo=zone) for days in (0, 1))
    return start.astimezone(UTC), end.astimezone(UTC)


def _spent_since(calls: QuerySet[Call], start: datetime) -> tuple[Decimal, Decimal]:
    return _spent(calls.filter(dialed_at__gte=start))


def _spent(calls: QuerySet[Call]) -> tuple[Decimal, Decimal]:
    """Their costs and what is set aside for those whose cost is not known yet; and the costs alone."""
    found = calls.order_by().aggregate(total=Sum(AMOUNT), paid=Sum("cost"))
    return found["total"] or ZERO, found["paid"] or ZERO


# What the engine does about it.
