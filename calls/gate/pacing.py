"""Spread a campaign's calls per minute evenly: one call in each interval, never a minute's calls at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from calls.gate.candidate import Candidate
from calls.models import Call
from campaigns.models import Campaign

CATCH_UP = timedelta(milliseconds=250)  # how late the engine may be without losing a call


def interval_of(campaign: Campaign) -> timedelta:
    return timedelta(minutes=1) / max(1, campaign.calls_per_minute or 1)


def next_moment(campaign: Campaign, allowed_from: datetime | None, now: datetime) -> datetime:
    """Return when the campaign may place the next call, after one placed `now`.

    A delay of up to CATCH_UP is made up for; a longer one is not, or calls would go out in a burst.
    """
    interval = interval_of(campaign)
    return max(allowed_from or now, now - max(interval, CATCH_UP)) + interval


def applies_to(call: Candidate) -> bool:
    """Return whether the pace of its campaign applies to the call. A scheduled callback goes out at its own time."""
    return bool(call.campaign and call.campaign.calls_per_minute and not call.asked_for)


def record_placed(committed: Iterable[Call], now: datetime) -> None:
    """Store when the campaigns of these calls may place their next ones. The caller has locked the campaigns."""
    next_at: dict[int, datetime] = {}
    for call in committed:
        if call.campaign and applies_to(call):
            before = next_at.get(call.campaign.pk, call.campaign.next_call_at)
            next_at[call.campaign.pk] = next_moment(call.campaign, before, now)
    for campaign, moment in next_at.items():
        Campaign.objects.filter(pk=campaign).update(next_call_at=moment)


def moments(campaign: Campaign, now: datetime, until: datetime) -> list[datetime]:
    """Return the moments before `until` at which the campaign may place its next calls."""
    interval, moment = interval_of(campaign), max(now, campaign.next_call_at or now)
    found = []
    while moment < until:
        found.append(moment)
        moment += interval
    return found
