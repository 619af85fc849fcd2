"""Copy a campaign: a new draft with the same rules and none of the results."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from campaigns.models import Campaign
from campaigns.versions import PLAIN, SETS
from tenants.clock_changes import LAST_PLACE

# A reason to call outside the legal hours, or by the campaign's own clock, is given for one campaign. A copy needs its
# own.
NOT_COPIED = frozenset({"name", "legal_override", "campaign_zone_countries", "campaign_zone_reason"})
ROWS = ("variants", "windows", "retry_rules")
ONE_DAY = timedelta(days=1)


def copy_of(campaign: Campaign, now: datetime) -> Campaign:
    """Return a saved draft with the same lists, assistants, windows and limits. Past dates are left out."""
    with transaction.atomic():
        copy = Campaign(
            organization=campaign.organization,
            name=f"Copy of {campaign.name}"[: Campaign._meta.get_field("name").max_length],
            assistant=campaign.assistant,
            budget=campaign.budget,
            budget_currency=campaign.budget_currency,
            result_fields=campaign.result_fields,
            starts_at=_if_future(campaign.starts_at, now),
            ends_at=_if_future(campaign.ends_at, now),
        )
        for name in PLAIN:
            if name not in NOT_COPIED:
                setattr(copy, name, getattr(campaign, name))
        copy.holidays = [day for day in campaign.holidays if date.fromisoformat(day) >= _oldest_date_in_force(now)]
        copy.save()
        for name in SETS:
            getattr(copy, name).set(getattr(campaign, name).all())
        for name in ROWS:
            for row in getattr(campaign, name).all():
                row.pk, row.campaign, row._state.adding = None, copy, True
                row.save()
        return copy


def _oldest_date_in_force(now: datetime) -> date:
    """Return the oldest date that still closes a window of some contact.

    A date lasts until it is over in the westernmost zone. It also closes the window of its evening past midnight.
    """
    return now.astimezone(LAST_PLACE).date() - ONE_DAY


def _if_future(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment and moment > now else None
