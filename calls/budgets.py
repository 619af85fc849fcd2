"""Money: what is spent and set aside, who has spent it, and what happens when a budget is gone.

A budget is never exceeded by what is set aside: a call is placed only where its reserve still fits, asked under the
locks of its organization, account and campaign. It can be exceeded by what a call costs beyond its reserve, so accounts
say for how many minutes money is set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from calls import outbox
from calls.models import OPEN, Call
from campaigns.models import Campaign, Recipient
from providers.models import ProviderAccount
from tenants import alerts
from tenants.models import AuditEntry, Organization

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


def _today(organization: Organization, now: datetime) -> str:
    return now.astimezone(ZoneInfo(organization.timezone)).date().isoformat()


def _spent_since(calls: QuerySet[Call], start: datetime) -> tuple[Decimal, Decimal]:
    return _spent(calls.filter(dialed_at__gte=start))


def _spent(calls: QuerySet[Call]) -> tuple[Decimal, Decimal]:
    """Their costs and what is set aside for those whose cost is not known yet; and the costs alone."""
    found = calls.order_by().aggregate(total=Sum(AMOUNT), paid=Sum("cost"))
    return found["total"] or ZERO, found["paid"] or ZERO


def look_again(organization: Organization) -> None:
    """Its budgets of the day may have changed: whoever waits for one is asked again at once."""
    now, waiting = timezone.now(), ("organization_budget", "account_budget")
    live = (Recipient.Status.PENDING, Recipient.Status.WAITING)
    mine = Recipient.objects.filter(campaign__organization=organization, status__in=live, reason__in=waiting)
    mine.filter(campaign__status=Campaign.Status.RUNNING, next_attempt_at__gt=now).update(next_attempt_at=now)
    queued = Call.objects.queued().filter(organization=organization, status_reason__in=waiting)
    queued.filter(due_at__gt=now).update(due_at=now)


# What the engine does about it.


@dataclass(frozen=True)
class Budget:
    """One budget and how much of it is gone."""

    key: str
    whose: str
    organization: Organization
    limit: Decimal
    used: Decimal
    currency: str

    @property
    def percent(self) -> int:
        return int(self.used * 100 / self.limit) if self.limit > 0 else 100


def watch(now: datetime) -> None:
    """Tell who should know at 50, 80 and 100 per cent; pause a campaign whose budget leaves room for no other call."""
    for campaign in _campaigns_with_budget():
        used, limit = spent_on(campaign), campaign.budget or ZERO
        key, whose = f"campaign:{campaign.uuid}", f"'{campaign.name}'"
        budget = Budget(key, whose, campaign.organization, limit, used, campaign.budget_currency)
        _tell(budget, str(campaign.uuid))
        if _gone(used, _cheapest(campaign), limit):
            pause_if_spent(campaign)
    for budget in _budgets_of_the_day(now):
        _tell(budget, "")


def _campaigns_with_budget() -> QuerySet[Campaign]:
    running = Campaign.objects.filter(status=Campaign.Status.RUNNING, budget__isnull=False)
    return running.select_related("organization", "assistant__account")


def _budgets_of_the_day(now: datetime) -> Iterator[Budget]:
    busy = Organization.objects.filter(campaigns__status=Campaign.Status.RUNNING).distinct()
    for organization in busy.filter(daily_budget__isnull=False):
        day = _today(organization, now)
        limit, currency = organization.daily_budget or ZERO, organization.daily_budget_currency
        used = spent_today(organization, now)
        yield Budget(f"organization:{organization.uuid}:{day}", f"{day}", organization, limit, used, currency)
    accounts = ProviderAccount.objects.filter(organization__in=busy, daily_budget__isnull=False, is_active=True)
    for account in accounts.select_related("organization"):
        day = _today(account.organization, now)
        limit, currency = account.daily_budget or ZERO, account.price_per_minute_currency
        used = spent_today_through(account, now)
        whose = f"'{account.name}' for {day}"
        yield Budget(f"account:{account.uuid}:{day}", whose, account.organization, limit, used, currency)


def _tell(budget: Budget, subject: str) -> None:
    for percent in ALERT_AT:
        if budget.percent >= percent:
            key = f"budget.{percent}:{budget.key}:{budget.limit.normalize()}"
            amounts = f"{budget.used:.2f} of {budget.limit:.2f} {budget.currency}"
            words = f"{percent} % of the budget of {budget.whose} is spent or set aside: {amounts}."
            alerts.tell(budget.organization, key, words, subject)


def pause_if_spent(campaign: Campaign) -> bool:
    """Pause it when not even the cheapest call fits, whatever becomes of the calls that are open."""
    if campaign.budget is None:
        return False
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True, of=("self",)).filter(pk=campaign.pk)
        fresh = locked.filter(status=Campaign.Status.RUNNING).first()
        if fresh is None or fresh.budget is None:
            return False
        paid = fresh.calls.order_by().aggregate(total=Sum("cost"))["total"] or ZERO
        if not _gone(paid, _cheapest(fresh), fresh.budget):
            return False
        reason = f"The budget is spent: {paid:.2f} of {fresh.budget:.2f} {fresh.budget_currency}."
        running = Campaign.objects.filter(pk=fresh.pk, status=Campaign.Status.RUNNING)
        outbox.move_campaigns(running, Campaign.Status.PAUSED, status_reason=reason)
        AuditEntry.objects.create(
            organization=fresh.organization,
            actor="Trunkline",
            action="campaign.paused",
            subject=str(fresh.uuid),
            detail={"reason": reason},
        )
        words = f"'{fresh.name}' paused itself. {reason}"
        alerts.tell(fresh.organization, f"budget.spent:{fresh.uuid}:{fresh.budget.normalize()}", words, str(fresh.uuid))
        return True


def _gone(paid: Decimal, reserve: Decimal, budget: Decimal) -> bool:
    return paid + reserve > budget or (not reserve and paid >= budget)


def _cheapest(campaign: Campaign) -> Decimal:
    used_by = Q(assistants__campaigns=campaign) | Q(assistants__variants__campaign=campaign)
    reserves = [reserve_of(account) for account in ProviderAccount.objects.filter(used_by).distinct()]
    return min(reserves, default=ZERO)
