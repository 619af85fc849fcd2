"""Budgets: what organizations, provider accounts and campaigns have spent and set aside.

What is set aside never exceeds a budget: a call is placed only if its reserve still fits, and that is decided under the
locks of organization, account and campaign. A call counts as its reserve at least until it has ended and its price is
known, or is not awaited any more. A call that costs more than its reserve can exceed a budget, so each account says for
how many minutes of a call money is set aside. So a budget is exceeded by calls in flight alone: placed, or ended and
not yet priced.

A budget counts what is spent and set aside in its own currency. `Amounts.beyond` of the same sums is what it does not
count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from calls.models import OPEN, Call, CallCount
from calls.models.costing import AMOUNT_FIELD, COST, COUNTED, KNOWN, NOT_PRICED, own_currency
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.clock_changes import start_of_day
from tenants.models import Organization
from tenants.money import NOTHING, ZERO, Amounts, Money

ALERT_AT = (50, 80, 100)  # per cent
# Calls whose cost no report of their provider lowers any more.
_FINAL = ~NOT_PRICED | Q(cost_reserved=0)
_CURRENCIES = ("cost_currency", "price_per_minute_currency")


def reserve_of(account: ProviderAccount) -> Money:
    """Return what is set aside when the account places a call. Zero without a price."""
    price = account.price
    return price * account.reserved_minutes if price else Money(ZERO, account.price_per_minute_currency)


def set_aside(call: Call) -> None:
    """Set money aside for a call at its claim, and keep the price of this moment for its estimate."""
    call.fix_price(call.account.price_per_minute, call.account.price_per_minute_currency)
    call.cost_reserved = reserve_of(call.account).amount


def set_aside_again(call: Call) -> None:
    """Set money aside for a call that goes on after all, at the price of its claim as far as that is known."""
    if not call.price_per_minute_currency:
        set_aside(call)
    else:
        call.cost_reserved = (call.price_per_minute or ZERO) * call.account.reserved_minutes


def percent_of(used: Money, limit: Money) -> int:
    return int(used.amount * 100 / limit.amount) if limit.amount > 0 else 100


@dataclass(frozen=True)
class Spending:
    """What some calls have spent and set aside.

    `paid`: the part that is spent for certain. No call that ends, and no price that comes, gives it back.
    """

    used: Amounts = NOTHING
    paid: Amounts = NOTHING


NO_SPENDING = Spending()


def spending_of(calls: QuerySet[Call], group: str) -> dict[Any, Spending]:
    """Return the spending of calls by the value of a column, in one query."""
    rows = calls.order_by().values_list(group, *_CURRENCIES)
    sums: Iterable[Any] = rows.annotate(
        known=Sum(COST), aside=Sum("cost_reserved"), counted=Sum(COUNTED), final=Sum(COST, filter=_FINAL)
    )
    used: defaultdict[Any, list[Money]] = defaultdict(list)
    paid: defaultdict[Any, list[Money | None]] = defaultdict(list)
    for key, currency, of_price, known, aside, counted, final in sums:
        used[key] += _used(currency, own_currency(of_price, currency), known, aside, counted)
        paid[key].append(Money.known(final, currency))
    return {key: Spending(Amounts.of(moneys), Amounts.of(paid[key])) for key, moneys in used.items()}


def _used(
    currency: str, own: str, known: Decimal | None, aside: Decimal | None, counted: Decimal | None
) -> Iterator[Money]:
    """Yield what calls count for whose costs are in one currency and whose reserves are in one, maybe another.

    In one currency, a call counts as the greater of both. In two, each counts in its own.
    """
    if currency == own:
        if known is not None or aside:
            yield Money(counted or ZERO, currency)
        return
    if known is not None:
        yield Money(known, currency)
    if aside:
        yield Money(aside, own)


def spent_on(campaign: Campaign) -> Amounts:
    """Return what a campaign has spent and set aside so far. Its budget counts what is in its own currency."""
    return spent_on_each([campaign.pk])[campaign.pk]


def spent_on_each(campaigns: Sequence[int]) -> dict[int, Amounts]:
    """Return `spent_on` of several campaigns by internal key, in two queries."""
    if not campaigns:
        return {}
    (paid, _), reserved = _paid_of(campaigns), _reserved_of(campaigns)
    return {pk: Amounts.of((*paid[pk], *reserved[pk])) for pk in campaigns}


@dataclass(frozen=True)
class Sums:
    """A campaign's money: what its calls cost as far as known, what is set aside beyond that, and how many are open."""

    paid: Amounts  # as the providers charge, else as estimated
    estimated: Amounts  # the part of it that is our estimate
    reserved: Amounts
    open_calls: int
    overdue_calls: int  # of the open calls

    @property
    def used(self) -> Amounts:
        return self.paid + self.reserved


def sums_of(campaigns: Iterable[int]) -> dict[int, Sums]:
    """Return the sums by the campaign's internal key, in three queries.

    They read counts that triggers keep, or the few calls that are in flight, so they stay fast with millions of calls.
    """
    keys = list(campaigns)
    (paid, estimated), reserved = _paid_of(keys), _reserved_of(keys)
    calls = Call.objects.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    counted = calls.filter(status__in=OPEN).values(n=Count("*"))
    late = Call.objects.overdue(timezone.now()).filter(campaign=OuterRef("pk"))
    overdue = late.order_by().values("campaign").values(n=Count("*"))
    rows = Campaign.objects.filter(pk__in=keys).order_by().values_list("pk", Subquery(counted), Subquery(overdue))
    return {
        pk: Sums(Amounts.of(paid[pk]), Amounts.of(estimated[pk]), Amounts.of(reserved[pk]), n or 0, m or 0)
        for pk, n, m in rows
    }


_ByCampaign = Mapping[int, list[Money]]


def _paid_of(campaigns: Sequence[int]) -> tuple[_ByCampaign, _ByCampaign]:
    """Return what the calls of campaigns cost, and the estimates in it, by campaign."""
    paid, estimated = defaultdict[int, list[Money]](list), defaultdict[int, list[Money]](list)
    kept = CallCount.objects.filter(campaign__in=campaigns).order_by().values_list("campaign", "currency")
    sums: Iterable[Any] = kept.annotate(Sum("costed"), Sum("priced"), Sum("estimated"))
    for campaign, currency, costed, priced, guessed in sums:
        if costed:
            paid[campaign].append(Money(priced + guessed, currency))
            estimated[campaign] += [Money(guessed, currency)] if guessed else []
    return paid, estimated


def _reserved_of(campaigns: Sequence[int]) -> _ByCampaign:
    """Return what is set aside for calls of campaigns beyond what they cost, by campaign."""
    found = defaultdict[int, list[Money]](list)
    calls = Call.objects.filter(campaign__in=campaigns, cost_reserved__gt=0).order_by()
    rows = calls.values_list("campaign", *_CURRENCIES)
    sums: Iterable[Any] = rows.annotate(Sum("cost_reserved"), beyond=Sum(COUNTED - KNOWN, output_field=AMOUNT_FIELD))
    for campaign, currency, of_price, aside, beyond in sums:
        own = own_currency(of_price, currency)
        found[campaign].append(Money(beyond if own == currency else aside, own))
    return found


def paid_for(campaign: Campaign) -> Money:
    """Return what the campaign's calls have cost for certain, in the currency of its budget.

    No call that ends, and no price that comes, gives it back.
    """
    calls = campaign.calls.filter(_FINAL, cost_currency=campaign.budget_currency).order_by()
    return Money(calls.aggregate(total=Sum(COST))["total"] or ZERO, campaign.budget_currency)


def spending_today(organization: Organization, now: datetime) -> Spending:
    """Return the spending of the organization's calls of today, through whatever account."""
    return spending_today_by([organization], now)[organization.pk]


def spending_today_by(organizations: Sequence[Organization], now: datetime) -> dict[int, Spending]:
    """Return `spending_today` of several organizations, by internal key, in one query."""
    if not organizations:
        return {}
    today = Q(pk__in=[])
    for each in organizations:
        today |= Q(account__organization=each, dialed_at__gte=day_of(each, now)[0])
    found = spending_of(Call.objects.filter(today), "account__organization")
    return {each.pk: found.get(each.pk, NO_SPENDING) for each in organizations}


def spending_today_through(account: ProviderAccount, now: datetime) -> Spending:
    """Return the spending of the account's calls of today."""
    calls = Call.objects.filter(account=account, dialed_at__gte=day_of(account.organization, now)[0])
    return spending_of(calls, "account").get(account.pk, NO_SPENDING)


def day_of(organization: Organization, now: datetime) -> tuple[datetime, datetime]:
    """Return the start of the organization's day and of its next day, by its own time zone."""
    zone = ZoneInfo(organization.timezone)
    today = now.astimezone(zone).date()
    return start_of_day(today, zone), start_of_day(today + timedelta(days=1), zone)
