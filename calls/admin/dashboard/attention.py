"""The dashboard's list "Needs attention". Each item links to the page on which it is handled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from calls.admin.setup import account_health
from calls.models import CallBack, Status
from calls.reports import account_stats
from campaigns.models import Campaign, ContactImport, Recipient
from campaigns.wording import recipients as counted
from providers.models import ProviderAccount
from tenants.backoffice.local_time import local_time
from tenants.models import Alert, Organization

SHOWN = 8  # items of each kind
COUNTED = 100
RECENT = timedelta(days=7)  # items that nobody can mark as done disappear after that


@dataclass(frozen=True)
class Item:
    title: str
    detail: str
    url: str
    colour: str = "danger"


def with_missed(organizations: Sequence[int], now: datetime) -> list[Organization]:
    """Return the organizations by name, each with `missed`: its scheduled callbacks missed lately. One query."""
    missed = CallBack.objects.filter(
        organization=OuterRef("pk"), status=CallBack.Status.MISSED, ended_at__gt=now - RECENT
    ).order_by()
    counted = Subquery(missed.values("organization").annotate(n=Count("pk")).values("n"))
    found = Organization.objects.filter(pk__in=organizations).order_by("name").only("name", "calls_stopped")
    return list(found.annotate(missed=Coalesce(counted, 0)))


def items_of(mine: Sequence[Organization], unconfirmed: int, new_alerts: int, now: datetime) -> list[Item]:
    """Return the items, the most urgent first. `mine`: from `with_missed`."""
    organizations = [row.pk for row in mine]
    found = []
    if unconfirmed:
        url = f"{reverse('admin:calls_call_changelist')}?status__exact={Status.UNCONFIRMED.value}"
        found.append(Item(_count(unconfirmed, "unconfirmed call"), "May have rung. Settle each call on its page.", url))
    found += [*_blocked(organizations, now), *_failing(organizations, now)]
    found += [*_campaigns(organizations), *_missed(mine)]
    failed = ContactImport.objects.filter(
        organization__in=organizations, status=ContactImport.Status.FAILED, created_at__gt=now - RECENT
    )
    for name, pk, error in failed.values_list("filename", "pk", "error")[:SHOWN]:
        url = reverse("admin:campaigns_contactimport_change", args=[pk])
        found.append(Item(f"The import of {name} failed", error, url))
    if new_alerts:
        title = _count(new_alerts, "new alert")
        found.append(
            Item(title, "Alerts marked as seen disappear from this page.", reverse("admin:tenants_alert_changelist"))
        )
    return found


def new_alerts(organizations: Sequence[int]) -> int:
    return Alert.objects.filter(organization__in=organizations, seen_at=None, ended_at=None)[:COUNTED].count()


def _blocked(organizations: Sequence[int], now: datetime) -> list[Item]:
    rows = ProviderAccount.objects.filter(organization__in=organizations, blocked_at__isnull=False)[:50]
    titles = dict(ProviderAccount.Block.choices)
    return [
        Item(
            f"{row.name} is blocked: {titles.get(row.blocked_code, 'blocked').lower()}",
            row.blocked_reason + (f" Until {local_time(row.blocked_until)}." if row.blocked_until else ""),
            reverse("admin:providers_provideraccount_change", args=[row.pk]),
        )
        for row in rows
        if row.blocked(now)
    ]


def _failing(organizations: Sequence[int], now: datetime) -> Iterator[Item]:
    for pk, name, ended, failed, threshold in account_stats.failing_accounts(organizations, now)[:SHOWN]:
        share = account_health.share_failed(ended, failed)
        url = reverse("admin:providers_provideraccount_change", args=[pk])
        yield Item(f"{name}: {share} failing", account_health.failed_of(ended, failed, threshold), url, "warning")


def _campaigns(organizations: Sequence[int]) -> Iterator[Item]:
    """Yield the campaigns that paused themselves, and those that hold recipients for a value. One query."""
    held = Recipient.objects.filter(Recipient.HELD, campaign=OuterRef("pk")).order_by().values("campaign")
    started = Campaign.objects.filter(organization__in=organizations, status__in=Campaign.STARTED)
    rows = started.annotate(held=Coalesce(Subquery(held.annotate(n=Count("pk")).values("n")), 0)).filter(
        Q(status=Campaign.Status.PAUSED) & ~Q(status_reason="") | Q(held__gt=0)
    )
    for name, pk, status, reason, n in rows.values_list("name", "pk", "status", "status_reason", "held")[:SHOWN]:
        url = reverse("admin:campaigns_campaign_change", args=[pk])
        if status == Campaign.Status.PAUSED and reason:
            yield Item(f"“{name}” paused itself", reason, url)
        if n:
            detail = (
                "They have a name or a variable that nobody means to speak, such as NULL. Correct the contacts, or "
                "call or skip the held recipients on the campaign's page."
            )
            yield Item(f"“{name}” holds {counted(n)}", detail, f"{url}?status={Recipient.Status.REVIEW.value}")


def _missed(mine: Sequence[Any]) -> list[Item]:
    count = sum(row.missed for row in mine)
    url = f"{reverse('admin:calls_callback_changelist')}?status__exact={CallBack.Status.MISSED.value}"
    detail = "In the last 7 days. These contacts asked for a callback and were not called in time."
    return [Item(_count(count, "missed scheduled callback"), detail, url)] if count else []


def _count(n: int, what: str) -> str:
    shown = f"{COUNTED - 1}+" if n >= COUNTED else str(n)
    return f"{shown} {what}{'' if n == 1 else 's'}"
