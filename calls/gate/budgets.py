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

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import CharField, Count, IntegerField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from calls.models import Call, CallCount
from calls.models.call import is_overdue
from calls.models.costing import AMOUNT_FIELD, COST, COUNTED, KNOWN, NOT_PRICED
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants.clock_changes import start_of_day
from tenants.models import Organization
from tenants.money import NOTHING, ZERO, Amounts, Money

ALERT_AT = (50, 80, 100)  # per cent
# Calls whose cost no report of their provider lowers any more.
_FINAL = ~NOT_PRICED | Q(cost_reserved=0)
# Of the reserve: that of the price at the claim. A call that an earlier version claimed has only its account's.
_OF_RESERVE = Coalesce(
    NullIf("price_per_minute_currency", Value("")), "account__price_per_minute_currency", output_field=CharField()
)


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
    calls: int = 0


NO_SPENDING = Spending()


def spending_of(calls: QuerySet[Call], group: str) -> dict[Any, Spending]:
    """Return the spending of calls by the value of a column, in one query."""
    rows = calls.order_by().annotate(own=_OF_RESERVE).values_list(group, "cost_currency", "own")
    sums: Iterable[Any] = rows.annotate(
        known=Sum(COST), aside=Sum("cost_reserved"), counted=Sum(COUNTED), final=Sum(COST, filter=_FINAL), n=Count("pk")
    )
    used: defaultdict[Any, list[Money]] = defaultdict(list)
    paid: defaultdict[Any, list[Money | None]] = defaultdict(list)
    numbers = Counter[Any]()
    for key, currency, own, known, aside, counted, final, n in sums:
        numbers[key] += n
        used[key] += _used(currency, own, known, aside, counted)
        paid[key].append(Money.known(final, currency))
    return {key: Spending(Amounts.of(moneys), Amounts.of(paid[key]), numbers[key]) for key, moneys in used.items()}


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
    return sums_of([campaign.pk])[campaign.pk].used


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
    """Return the sums by the campaign's internal key, in one query.

    It reads counts that triggers keep, or the few calls that are in flight, so it stays fast with millions of calls.
    """
    keys = list(campaigns)
    if not keys:
        return {}
    paid, estimated, reserved = (defaultdict[int, list[Money]](list) for _ in range(3))
    counts: dict[int, tuple[int, int]] = {}
    for pk, currency, own, costed, priced, guessed, aside, beyond, opened, overdue in _rows_of(keys):
        if opened:
            counts[pk] = opened, overdue
        if costed:
            paid[pk].append(Money(priced + guessed, currency))
            estimated[pk] += [Money(guessed, currency)] if guessed else []
        if aside:
            reserved[pk].append(Money(beyond if own == currency else aside, own))
    return {
        pk: Sums(Amounts.of(paid[pk]), Amounts.of(estimated[pk]), Amounts.of(reserved[pk]), *counts.get(pk, (0, 0)))
        for pk in keys
    }


def _rows_of(campaigns: Sequence[int]) -> Iterable[Any]:
    """Return rows of what calls cost by currency, of what is set aside by currencies, and of how many are open."""
    text = Value("", output_field=CharField())
    nothing, none = Value(ZERO, output_field=AMOUNT_FIELD), Value(0, output_field=IntegerField())
    no_reserve, no_count = {"aside": nothing, "beyond": nothing}, {"opened": none, "overdue": none}
    no_cost = {"costs": none, "prices": nothing, "estimates": nothing}
    kept = CallCount.objects.filter(campaign__in=campaigns).order_by().values_list("campaign", "currency")
    costs = {"costs": Sum("costed"), "prices": Sum("priced"), "estimates": Sum("estimated")}
    calls = Call.objects.filter(campaign__in=campaigns).order_by()
    aside = {"aside": Sum("cost_reserved"), "beyond": Sum(COUNTED - KNOWN, output_field=AMOUNT_FIELD)}
    reserving = calls.filter(cost_reserved__gt=0).annotate(own=_OF_RESERVE)
    late = Count("pk", filter=is_overdue(timezone.now()))
    return kept.annotate(own=text, **costs, **no_reserve, **no_count).union(
        reserving.values_list("campaign", "cost_currency", "own").annotate(**no_cost, **aside, **no_count),
        calls.open()
        .values_list("campaign")
        .annotate(currency=text, own=text, **no_cost, **no_reserve, opened=Count("*"), overdue=late),
        all=True,
    )


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
