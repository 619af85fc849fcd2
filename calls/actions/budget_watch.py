"""Watch budgets: alert at 50, 80 and 100 %, and pause a campaign whose budget does not allow another call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from calls.gate.budgets import (
    ALERT_AT,
    paid_for,
    percent_of,
    reserve_of,
    spending_today,
    spending_today_through,
    spent_on,
)
from calls.webhooks import outbox
from campaigns.models import Campaign
from providers.models import ProviderAccount
from tenants import alerts, audit_log
from tenants.models import Organization
from tenants.money import ZERO, Amounts, Money, money_text, not_counted


def _today(organization: Organization, now: datetime) -> str:
    return now.astimezone(ZoneInfo(organization.timezone)).date().isoformat()


@dataclass(frozen=True)
class Budget:
    """One budget and how much of it is used."""

    key: str
    name: str  # what the alert calls it: the campaign, or the account and the day
    organization: Organization
    limit: Money
    spent: Amounts  # in all currencies

    @property
    def used(self) -> Money:
        return self.spent.within(self.limit.currency)

    @property
    def percent(self) -> int:
        return percent_of(self.used, self.limit)


def watch(now: datetime) -> None:
    """Alert at 50, 80 and 100 % of each budget; pause campaigns whose budget does not allow another call."""
    for campaign, budget in _campaign_budgets():
        _alert(budget, str(campaign.uuid))
        accounts = _accounts_of(campaign)
        _alert_of_currencies(campaign, accounts, budget.limit)
        if _is_spent(budget.used, _cheapest_reserve(accounts, budget.limit), budget.limit):
            pause_if_spent(campaign)
    for budget in _daily_budgets(now):
        _alert(budget, "")


def _campaign_budgets() -> Iterator[tuple[Campaign, Budget]]:
    running = Campaign.objects.filter(status=Campaign.Status.RUNNING, budget__isnull=False)
    for campaign in running.select_related("organization", "assistant__account"):
        if (limit := campaign.spending_limit) is not None:
            key, name = f"campaign:{campaign.uuid}", f"'{campaign.name}'"
            yield campaign, Budget(key, name, campaign.organization, limit, spent_on(campaign))


def _daily_budgets(now: datetime) -> Iterator[Budget]:
    busy = Organization.objects.filter(campaigns__status=Campaign.Status.RUNNING).distinct()
    for organization in busy.filter(daily_budget__isnull=False):
        day, spent = _today(organization, now), spending_today(organization, now).used
        if (limit := organization.daily_limit) is not None:
            yield Budget(f"organization:{organization.uuid}:{day}", day, organization, limit, spent)
    accounts = ProviderAccount.objects.filter(organization__in=busy, daily_budget__isnull=False, is_active=True)
    for account in accounts.select_related("organization"):
        day, spent = _today(account.organization, now), spending_today_through(account, now).used
        if (limit := account.daily_limit) is not None:
            name = f"'{account.name}' for {day}"
            yield Budget(f"account:{account.uuid}:{day}", name, account.organization, limit, spent)


def _alert(budget: Budget, subject: str) -> None:
    """Alert for each percentage that is reached. `alerts` stores one alert for each key, so each comes once."""
    for percent in ALERT_AT:
        if budget.percent >= percent:
            key = f"budget.{percent}:{budget.key}:{_key_of(budget.limit)}"
            amounts = f"{money_text(budget.used)} of {money_text(budget.limit)}"
            message = f"{percent} % of the budget of {budget.name} is spent or reserved: {amounts}."
            others = not_counted(budget.spent.beyond(budget.limit.currency))
            alerts.tell(budget.organization, key, f"{message} {others}".strip(), subject)


def _alert_of_currencies(campaign: Campaign, accounts: Sequence[ProviderAccount], budget: Money) -> None:
    """Alert for each account whose calls wait because its price is in another currency than the campaign's budget."""
    for account in accounts:
        reserve = reserve_of(account)
        if reserve and reserve.currency != budget.currency:
            key = f"budget.currency:{campaign.uuid}:{budget.currency}:{account.uuid}:{reserve.currency}"
            message = (
                f"'{campaign.name}' does not call through '{account.name}': its budget is in {budget.currency}, but "
                f"the account is priced in {reserve.currency}. Use one currency."
            )
            alerts.tell(campaign.organization, key, message, str(campaign.uuid))


def _key_of(limit: Money) -> str:
    return f"{limit.amount.normalize()} {limit.currency}"


def pause_if_spent(campaign: Campaign) -> bool:
    """Pause the campaign when the budget does not allow its cheapest call. Return whether it was paused.

    Reserves do not count, nor estimates while the price is awaited, because the calls may cost less.
    """
    if campaign.budget is None:
        return False
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True, of=("self",)).filter(pk=campaign.pk)
        fresh = locked.filter(status=Campaign.Status.RUNNING).first()
        if fresh is None or (limit := fresh.spending_limit) is None:
            return False
        paid = paid_for(fresh)
        if not _is_spent(paid, _cheapest_reserve(_accounts_of(fresh), limit), limit):
            return False
        reason = f"The budget is spent: {money_text(paid)} of {money_text(limit)}."
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
            f"budget.spent:{fresh.uuid}:{_key_of(limit)}",
            f"'{fresh.name}' paused itself. {reason}",
        )
        alerts.tell(fresh.organization, key, message, str(fresh.uuid))
        return True


def _is_spent(paid: Money, reserve: Money, budget: Money) -> bool:
    return paid + reserve > budget or (not reserve and paid >= budget)


def _cheapest_reserve(accounts: Sequence[ProviderAccount], budget: Money) -> Money:
    """Return the least that a call through one of the accounts sets aside. In another currency it is not placed."""
    reserves = map(reserve_of, accounts)
    placed = [each.counted_in(budget.currency) for each in reserves if not each or each.currency == budget.currency]
    return min(placed, default=Money(ZERO, budget.currency))


def _accounts_of(campaign: Campaign) -> list[ProviderAccount]:
    used_by = Q(assistants__campaigns=campaign) | Q(assistants__variants__campaign=campaign)
    return list(ProviderAccount.objects.filter(used_by).distinct())
