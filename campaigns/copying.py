"""A campaign once more: the same rules for a new draft, nothing of what became of the old one."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction

from campaigns.models import Campaign
from campaigns.versions import PLAIN, SETS

# Lifting the legal hours is decided for one campaign, by somebody who says why.
NOT_COPIED = frozenset({"name", "legal_override"})
ROWS = ("variants", "windows", "retry_rules")


def copy_of(campaign: Campaign, now: datetime) -> Campaign:
    """A draft with the same lists, assistants, windows and limits; without moments and holidays that have passed."""
    with transaction.atomic():
        made = Campaign(
            organization=campaign.organization,
            name=f"Copy of {campaign.name}"[: Campaign._meta.get_field("name").max_length],
            assistant=campaign.assistant,
            budget=campaign.budget,
            budget_currency=campaign.budget_currency,
            starts_at=_to_come(campaign.starts_at, now),
            ends_at=_to_come(campaign.ends_at, now),
        )
        for name in PLAIN:
            if name not in NOT_COPIED:
                setattr(made, name, getattr(campaign, name))
        made.holidays = [day for day in campaign.holidays if date.fromisoformat(day) >= now.date()]
        made.save()
        for name in SETS:
            getattr(made, name).set(getattr(campaign, name).all())
        for name in ROWS:
            for row in getattr(campaign, name).all():
                row.pk, row.campaign, row._state.adding = None, made, True
                row.save()
        return made


def _to_come(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment and moment > now else None
