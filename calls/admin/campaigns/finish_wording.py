"""The estimated finish of running campaigns in words, for the dashboard. It loads after the page."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from calls.admin.campaigns.figures import FORECAST_AT_ONCE
from calls.forecast.estimated_finish import Finish, finish_of
from campaigns.models import Campaign
from tenants.backoffice.scoped_admin import page_of
from tenants.clock_changes import zone_name

MINIMUM_RUN, MINIMUM_DONE = timedelta(minutes=10), 50  # a shorter run gives no usable pace
HORIZON = timedelta(days=400)


def view(request: HttpRequest, pk: int) -> HttpResponse:
    page, now = page_of(Campaign), timezone.now()
    campaign: Campaign | None = page.found(request, pk)
    if campaign is None:
        return page.not_found(request)
    found = finish_of(campaign, now, FORECAST_AT_ONCE)
    return TemplateResponse(request, "trunkline/foreseen.html", {"sentence": in_words(found, now)})


def in_words(finish: Finish, now: datetime) -> str:
    """Return the estimated finish in words, or an empty string if there is no estimate yet."""
    if finish.asked_at and finish.at is None:
        return f"no end: {finish.why}" if finish.why else "no estimated finish"
    return _words(finish.at, now) if finish.at else ""


def by_pace(campaign: Campaign, done: int, left: int, now: datetime) -> str:
    """Return the finish of a large campaign at its pace since the start, nights included; empty if unknown."""
    ran = now - campaign.started_at if campaign.started_at else timedelta()
    if ran < MINIMUM_RUN or done < MINIMUM_DONE:
        return ""
    remaining = ran * left / done
    return f"{_words(now + remaining, now)} at the pace so far" if remaining < HORIZON else ""


def _words(moment: datetime, now: datetime) -> str:
    local, today = timezone.localtime(moment), timezone.localtime(now)
    day = "" if local.date() == today.date() else f"{local:%a} {local.day} {local:%b}, "
    return f"ends about {day}{local:%H:%M} {zone_name(local)}"
