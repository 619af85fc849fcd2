"""When running campaigns will probably end: foreseen once for everybody who asks, and kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from calls.forecast.forecast import AT_MOST, Forecast, forecast, why_without_end
from campaigns.models import Campaign, Recipient

FRESH = timedelta(minutes=1)
KEPT = 600  # seconds: what was foreseen before is told while it is asked for again
ALONE = 30  # seconds in which one request asks, and nobody else


@dataclass(frozen=True)
class Finish:
    """`at`: when its last call ends, None where it never does, and why. `asked_at`: None where nothing was foreseen."""

    at: datetime | None = None
    asked_at: datetime | None = None
    why: str = ""

    def fresh(self, now: datetime) -> bool:
        return self.asked_at is not None and self.asked_at > now - FRESH


UNKNOWN = Finish()


def kept_of(campaigns: Sequence[Campaign]) -> dict[int, Finish]:
    """What was foreseen a short time ago, by internal key. Asks no database."""
    found = cache.get_many([_key(campaign) for campaign in campaigns])
    return {campaign.pk: Finish(*found.get(_key(campaign), ())) for campaign in campaigns}


def finish_of(campaign: Campaign, now: datetime, at_most: int) -> Finish:
    """Of a campaign that runs: what is kept while it is fresh or being asked for elsewhere, else foreseen now.

    Unknown while it is being launched, and where more than `at_most` people are still to be called.
    """
    if campaign.status != Campaign.Status.RUNNING or campaign.launched_at is None:
        return UNKNOWN
    kept = kept_of([campaign])[campaign.pk]
    if kept.fresh(now):
        return kept
    left = campaign.recipients.filter(
        status__in=(Recipient.Status.PENDING, Recipient.Status.WAITING, Recipient.Status.CALLING)
    )
    if left[: at_most + 1].count() > at_most:
        return kept
    if not cache.add(f"{_key(campaign)}:asked", True, ALONE) and kept.asked_at:
        return kept
    found = forecast(campaign, now, AT_MOST, count_to=AT_MOST)
    cache.delete(f"{_key(campaign)}:asked")
    return keep(campaign, found, now)


def keep(campaign: Campaign, found: Forecast, now: datetime) -> Finish:
    """Whoever forecast a running campaign for more than its end tells those who ask for that alone."""
    finish = found.finishes_at, now, why_without_end(found)
    cache.set(_key(campaign), finish, KEPT)
    return Finish(*finish)


def _key(campaign: Campaign) -> str:
    return f"campaign-ends:{campaign.pk}:{campaign.version}"
