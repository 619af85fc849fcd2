"""When running campaigns probably end, in words for the dashboard: asked for after the page."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from calls.admin.campaigns.figures import FORECAST_AT_ONCE
from calls.forecast.estimated_finish import Finish, finish_of
from campaigns.models import Campaign
from tenants.backoffice.scoped_admin import page_of

ENOUGH, SETTLED = timedelta(minutes=10), 50  # of a run, before its pace says something
HORIZON = timedelta(days=400)


def view(request: HttpRequest, pk: int) -> HttpResponse:
    page, now = page_of(Campaign), timezone.now()
    campaign: Campaign | None = page.found(request, pk)
    if campaign is None:
        return page.not_found(request)
    found = finish_of(campaign, now, FORECAST_AT_ONCE)
    return TemplateResponse(request, "trunkline/foreseen.html", {"sentence": in_words(found, campaign, now)})


def in_words(finish: Finish, campaign: Campaign, now: datetime) -> str:
    """Nothing where nothing was foreseen."""
    if finish.asked_at and finish.at is None:
        return f"no end: {finish.why}" if finish.why else "no end can be foreseen"
    return _words(finish.at, campaign.zone, now) if finish.at else ""


def by_pace(campaign: Campaign, settled: int, left: int, now: datetime) -> str:
    """For many people: as fast as since the start, nights included."""
    ran = now - campaign.started_at if campaign.started_at else timedelta()
    if ran < ENOUGH or settled < SETTLED:
        return ""
    still = ran * left / settled
    return f"{_words(now + still, campaign.zone, now)} at the pace so far" if still < HORIZON else ""


def _words(moment: datetime, zone: str, now: datetime) -> str:
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    day = "" if local.date() == today.date() else f"{local:%a} {local.day} {local:%b}, "
    return f"ends about {day}{local:%H:%M} ({zone})"
