"""When running campaigns probably end, for the dashboard: asked for after the page and kept for a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from calls.admin.campaign_figures import FORECAST_AT_ONCE
from calls.forecast import forecast
from campaigns.models import Campaign
from tenants.staff import page_of

FRESH = timedelta(minutes=1)
KEPT = 600  # seconds: an older sentence is shown while it is asked for again
ENOUGH, SETTLED = timedelta(minutes=10), 50  # of a run, before its pace says something
HORIZON = timedelta(days=400)
NOBODY_ELSE = 30  # seconds in which one request alone asks


@dataclass(frozen=True)
class Foreseen:
    sentence: str = ""
    asked_at: datetime | None = None

    def fresh(self, now: datetime) -> bool:
        return self.asked_at is not None and self.asked_at > now - FRESH


def kept_of(campaigns: Sequence[Campaign]) -> dict[int, Foreseen]:
    """What was foreseen a short time ago, by internal key. Asks no database."""
    found = cache.get_many([_key(campaign.pk) for campaign in campaigns])
    return {campaign.pk: Foreseen(*found.get(_key(campaign.pk), ())) for campaign in campaigns}


def view(request: HttpRequest, pk: int) -> HttpResponse:
    page = page_of(Campaign)
    campaign: Campaign | None = page.found(request, pk)
    if campaign is None:
        return page.not_found(request)
    return TemplateResponse(request, "trunkline/foreseen.html", {"sentence": ask(campaign, timezone.now())})


def ask(campaign: Campaign, now: datetime) -> str:
    """The forecast's end in a sentence: what is kept while it is fresh, or being asked for elsewhere."""
    if campaign.status != Campaign.Status.RUNNING:
        return ""
    kept = kept_of([campaign])[campaign.pk]
    if kept.fresh(now) or not cache.add(f"{_key(campaign.pk)}:asked", True, NOBODY_ELSE):
        return kept.sentence
    found = forecast(campaign, now, FORECAST_AT_ONCE)
    sentence = "" if found.too_many else _words(found.finishes_at, campaign.zone, now)
    cache.set(_key(campaign.pk), (sentence, now), KEPT)
    cache.delete(f"{_key(campaign.pk)}:asked")
    return sentence


def by_pace(campaign: Campaign, settled: int, left: int, now: datetime) -> str:
    """For many people: as fast as since the start, nights included."""
    ran = now - campaign.started_at if campaign.started_at else timedelta()
    if ran < ENOUGH or settled < SETTLED:
        return ""
    still = ran * left / settled
    return f"{_words(now + still, campaign.zone, now)} at the pace so far" if still < HORIZON else ""


def _words(moment: datetime | None, zone: str, now: datetime) -> str:
    if moment is None:
        return "no end can be foreseen"
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    day = "" if local.date() == today.date() else f"{local:%a} {local.day} {local:%b}, "
    return f"ends about {day}{local:%H:%M} ({zone})"


def _key(pk: int) -> str:
    return f"campaign-ends:{pk}"
