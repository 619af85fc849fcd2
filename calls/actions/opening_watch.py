"""Watch recipients whose calling hours never open: one alert for each campaign, for as long as any of them waits.

The alerts about contacts' time zones, one cause of it, are brought up to date as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Count

from calls.gate.checks import CheckName
from campaigns import zone_check
from campaigns.models import Campaign, Recipient
from campaigns.wording import recipients as counted
from tenants import alerts

NO_OPENING = "campaign.no_opening"  # the kind of the alert


def watch() -> None:
    """Raise, update or end the alerts about recipients that wait for an opening that never comes."""
    waiting = _waiting()
    for campaign in Campaign.objects.select_related("organization").filter(pk__in=waiting):
        alerts.tell_while(
            campaign.organization, NO_OPENING, str(campaign.uuid), message_of(campaign.name, waiting[campaign.pk])
        )
    lasting = Campaign.objects.filter(pk__in=waiting).values_list("uuid", flat=True)
    alerts.end_others(NO_OPENING, [str(uuid) for uuid in lasting])
    zone_check.report_again()


def _waiting() -> Mapping[int, int]:
    """Return how many recipients wait for an opening, by the internal key of the started campaign."""
    live = Recipient.objects.filter(status__in=Recipient.WAITING_STATUSES)
    rows = live.filter(reason=CheckName.NO_OPENING, campaign__status__in=Campaign.STARTED).values("campaign").order_by()
    return dict(rows.annotate(n=Count("pk")).values_list("campaign", "n"))


def message_of(name: str, n: int) -> str:
    waits = "waits" if n == 1 else "wait"
    return (
        f"“{name[:100]}”: {counted(n)} {waits} for calling hours that do not open in the next 13 months. The forecast "
        "on the campaign's page says where they are. Enter the contacts' time zones, change the campaign's windows and "
        "holidays, or have these countries called by the campaign's time zone."
    )
