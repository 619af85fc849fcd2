"""Estimate when running campaigns will end. An estimate is cached, so that many requests share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from calls.forecast.forecast import AT_MOST, Forecast, forecast, why_without_end
from campaigns.models import Campaign, Recipient

FRESH = timedelta(minutes=1)
KEPT = 600  # seconds: an old estimate is returned while a new one is computed
ALONE = 30  # seconds in which only one request computes the estimate


@dataclass(frozen=True)
class Finish:
    """An estimate. `at`: when the last call ends; None if it never does, and `why` says why.

    `asked_at`: when it was made; None if there is no estimate.
    """

    at: datetime | None = None
    asked_at: datetime | None = None
    why: str = ""

    def fresh(self, now: datetime) -> bool:
        return self.asked_at is not None and self.asked_at > now - FRESH


UNKNOWN = Finish()


def kept_of(campaigns: Sequence[Campaign]) -> dict[int, Finish]:
    """Return cached estimates by the campaign's internal key. It reads no database."""
    found = cache.get_many([_key(campaign) for campaign in campaigns])
    return {campaign.pk: Finish(*found.get(_key(campaign), ())) for campaign in campaigns}


def finish_of(campaign: Campaign, now: datetime, at_most: int) -> Finish:
    """Return the estimate for a running campaign: the cached one if it is fresh or being renewed, else a new one.

    It is UNKNOWN while the campaign is being launched. With more than `at_most` recipients left, it is only read from
    the cache.
    """
    if campaign.status != Campaign.Status.RUNNING or campaign.launched_at is None:
        return UNKNOWN
    kept = kept_of([campaign])[campaign.pk]
    if kept.fresh(now):
        return kept
    left = campaign.recipients.filter(status__in=(*Recipient.WAITING_STATUSES, Recipient.Status.CALLING))
    if left[: at_most + 1].count() > at_most:
        return kept
    if not cache.add(f"{_key(campaign)}:asked", True, ALONE) and kept.asked_at:
        return kept
    found = forecast(campaign, now, AT_MOST, count_to=AT_MOST)
    cache.delete(f"{_key(campaign)}:asked")
    return keep(campaign, found, now)


def keep(campaign: Campaign, found: Forecast, now: datetime) -> Finish:
    """Cache the end of a forecast that was made for other figures too, and return it."""
    finish = found.finishes_at, now, why_without_end(found)
    cache.set(_key(campaign), finish, KEPT)
    return Finish(*finish)


def _key(campaign: Campaign) -> str:
    return f"campaign-ends:{campaign.pk}:{campaign.version}"
