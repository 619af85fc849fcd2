"""Watch budgets: alert at 50, 80 and 100 per cent, pause a campaign whose budget leaves no room for another call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from calls.gate.budgets import ALERT_AT, ZERO, reserve_of, spent_on, spent_today, spent_today_through
from calls.gate.checks import CheckName
from calls.models import Call
from calls.webhooks import outbox
from campaigns.models import Campaign, Recipient
from providers.models import ProviderAccount
from tenants import alerts, audit_log
from tenants.models import Organization


def _today(organization: Organization, now: datetime) -> str:
    return now.astimezone(ZoneInfo(organization.timezone)).date().isoformat()


def look_again(organization: Organization) -> None:
    """Its budgets of the day may have changed: whoever waits for one is asked again at once."""
    now, waiting = timezone.now(), [name for name in CheckName if name.traits.woken_by_daily_budget]
    live = (Recipient.Status.PENDING, Recipient.Status.WAITING)
    mine = Recipient.objects.filter(campaign__organization=organization, status__in=live, reason__in=waiting)
    mine.filter(campaign__status=Campaign.Status.RUNNING, next_attempt_at__gt=now).update(next_attempt_at=now)
    queued = Call.objects.queued().filter(organization=organization, status_reason__in=waiting)
    queued.filter(due_at__gt=now).update(due_at=now)


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
        audit_log.record(
            fresh.organization,
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
