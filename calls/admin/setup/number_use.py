"""The use of caller numbers in words: calls in 24 hours and the cap, the share answered by a person, and rests."""

from __future__ import annotations

from datetime import datetime, timedelta

from calls.reports.figures.caller_numbers import A_DAY, Use
from providers.models import PhoneNumber


def used(number: PhoneNumber, use: Use) -> str:
    return f"{use.today:,} of {number.max_calls_per_day:,}" if number.max_calls_per_day else f"{use.today:,}"


def answered(use: Use) -> str:
    return f"{use.share.counts} ({use.share.text})" if use.ended else "-"


def rests_until(number: PhoneNumber, use: Use, now: datetime) -> datetime | None:
    """Return when the number may call again, counted as the gate does, or None if it may call now."""
    moments = []
    if number.rest_seconds and use.last:
        moments.append(use.last + timedelta(seconds=number.rest_seconds))
    if number.max_calls_per_day is not None and use.today >= number.max_calls_per_day and use.first:
        moments.append(use.first + A_DAY)
    latest = max(moments, default=now)
    return latest if latest > now else None
