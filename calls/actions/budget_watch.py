"""Watch budgets: alert at 50, 80 and 100 %, and pause a campaign whose budget does not allow another call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q, QuerySet

from calls.gate.budgets import ALERT_AT, ZERO, paid_for, reserve_of, spent_on, spent_today, spent_today_through
from calls.webhooks import outbox
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants import alerts, audit_log
from tenants.models import Organization


def _today(organization: Organization, now: datetime) -> str:
    return now.astimezone(ZoneInfo(organization.timezone)).date().isoformat()


@dataclass(frozen=True)
class Budget:
    """One budget and how much of it is used."""

    key: str
    name: str  # what the alert calls it: the campaign, or the account and the day
    organization: Organization
    limit: Decimal
    used: Decimal
    currency: str

    @property
    def percent(self) -> int:
        return int(self.used * 100 / self.limit) if self.limit > 0 else 100


def watch(now: datetime) -> None:
    """Alert at 50, 80 and 100 % of each budget; pause campaigns whose budget does not allow another call."""
    for campaign in _campaigns_with_budget():
        used, limit = spent_on(campaign), campaign.budget or ZERO
        key, name = f"campaign:{campaign.uuid}", f"'{campaign.name}'"
        budget = Budget(key, name, campaign.organization, limit, used, campaign.budget_currency)
        _alert(budget, str(campaign.uuid))
        if _is_spent(used, _cheapest_reserve(campaign), limit):
            pause_if_spent(campaign)
    for budget in _daily_budgets(now):
        _alert(budget, "")


def _campaigns_with_budget() -> QuerySet[Campaign]:
    running = Campaign.objects.filter(status=Campaign.Status.RUNNING, budget__isnull=False)
    return running.select_related("organization", "assistant__account")


def _daily_budgets(now: datetime) -> Iterator[Budget]:
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
        name = f"'{account.name}' for {day}"
        yield Budget(f"account:{account.uuid}:{day}", name, account.organization, limit, used, currency)


def _alert(budget: Budget, subject: str) -> None:
    """Alert for each percentage that is reached. `alerts` stores one alert for each key, so each comes once."""
    for percent in ALERT_AT:
        if budget.percent >= percent:
            key = f"budget.{percent}:{budget.key}:{budget.limit.normalize()}"
            amounts = f"{budget.used:.2f} of {budget.limit:.2f} {budget.currency}"
            message = f"{percent} % of the budget of {budget.name} is spent or reserved: {amounts}."
            alerts.tell(budget.organization, key, message, subject)


def pause_if_spent(campaign: Campaign) -> bool:
    """Pause the campaign when the budget does not allow its cheapest call. Return whether it was paused.

    Reserves do not count, nor estimates while the price is awaited, because the calls may cost less.
    """
    if campaign.budget is None:
        return False
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True, of=("self",)).filter(pk=campaign.pk)
        fresh = locked.filter(status=Campaign.Status.RUNNING).first()
        if fresh is None or fresh.budget is None:
            return False
        paid = paid_for(fresh)
        if not _is_spent(paid, _cheapest_reserve(fresh), fresh.budget):
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
        key, message = (
            f"budget.spent:{fresh.uuid}:{fresh.budget.normalize()}",
            f"'{fresh.name}' paused itself. {reason}",
        )
        alerts.tell(fresh.organization, key, message, str(fresh.uuid))
        return True


def _is_spent(paid: Decimal, reserve: Decimal, budget: Decimal) -> bool:
    return paid + reserve > budget or (not reserve and paid >= budget)


def _cheapest_reserve(campaign: Campaign) -> Decimal:
    used_by = Q(assistants__campaigns=campaign) | Q(assistants__variants__campaign=campaign)
    reserves = [reserve_of(account) for account in ProviderAccount.objects.filter(used_by).distinct()]
    return min(reserves, default=ZERO)
