"""A campaign's calls per minute, spread evenly: one call after each interval, never a minute's worth at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from calls.gate.candidate import Candidate
from calls.models import Call
from campaigns.models import Campaign

CATCH_UP = timedelta(milliseconds=250)  # how late the engine may look without losing a turn


def interval_of(campaign: Campaign) -> timedelta:
    return timedelta(minutes=1) / max(1, campaign.calls_per_minute or 1)


def next_moment(campaign: Campaign, allowed_from: datetime | None, now: datetime) -> datetime:
    """When the call after one placed `now` may go out. A turn missed by a little is made up for, hours are not."""
    interval = interval_of(campaign)
    return max(allowed_from or now, now - max(interval, CATCH_UP)) + interval


def holds(call: Candidate) -> bool:
    """Whether the pace of its campaign is asked for this call."""
    return bool(call.campaign and call.campaign.calls_per_minute and not call.asked_for)


def went_out(committed: Iterable[Call], now: datetime) -> None:
    """Write down when the next calls of their campaigns may go out. The campaigns are locked."""
    next_at: dict[int, datetime] = {}
    for call in committed:
        if call.campaign and holds(call):
            before = next_at.get(call.campaign.pk, call.campaign.next_call_at)
            next_at[call.campaign.pk] = next_moment(call.campaign, before, now)
    for campaign, moment in next_at.items():
        Campaign.objects.filter(pk=campaign).update(next_call_at=moment)


def moments(campaign: Campaign, now: datetime, until: datetime) -> list[datetime]:
    """When its next calls may go out, before `until`."""
    interval, moment = interval_of(campaign), max(now, campaign.next_call_at or now)
    found = []
    while moment < until:
        found.append(moment)
        moment += interval
    return found
