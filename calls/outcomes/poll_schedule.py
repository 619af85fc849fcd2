"""When a call is polled, and when an unconfirmed call is searched for again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from calls.models import Call, Status

# (younger than, interval). PolyAI asks for 2-5 s while a call is open.
STEPS = (
    (timedelta(minutes=2), timedelta(seconds=3)),
    (timedelta(minutes=15), timedelta(seconds=15)),
    (timedelta(hours=1), timedelta(seconds=60)),
    (timedelta(hours=6), timedelta(minutes=5)),
    (timedelta(hours=24), timedelta(minutes=20)),
)
READ_LEASE = timedelta(seconds=90)
SETTLING = timedelta(seconds=10)
FOLLOWED_FOR = timedelta(hours=24)
DOUBT_LASTS = timedelta(hours=26)
MAX_BACKOFF = 300.0
BEFORE_RETENTION = timedelta(minutes=20)
OVERDUE_INTERVAL = timedelta(minutes=20)  # at least, between two reads of a call that should have ended

# An unconfirmed call is searched for in the provider's list at these times after the dial, then hourly.
SEARCHES = (timedelta(seconds=5), timedelta(seconds=35), timedelta(minutes=2), timedelta(minutes=10))


def next_read(placed_at: datetime, now: datetime) -> datetime:
    """Return the next read by the call's age, with ±20 % jitter to spread calls that were placed together."""
    age = now - placed_at
    interval = next((step for limit, step in STEPS if age < limit), STEPS[-1][1])
    return now + interval * random.uniform(0.8, 1.2)  # noqa: S311


def after_error(now: datetime, errors: int, retention_at: datetime | None) -> datetime:
    """Return the next read after failed ones in a row: exponential backoff with full jitter, at most 300 s.

    The read is never later than 20 minutes before `retention_at`, when the provider may forget the call.
    """
    ceiling = min(MAX_BACKOFF, 2.0 * 2 ** min(errors, 10))
    at = now + timedelta(seconds=1 + random.uniform(0, ceiling))  # noqa: S311
    return _before(retention_at, at, now)


def less_often(call: Call, at: datetime, now: datetime, retention_at: datetime | None) -> datetime:
    """Return `at`, the next read of a call, or a later one when the call is overdue or a team member ended it.

    The read is never put off until the provider may forget the call.
    """
    if not call.is_overdue(now) and call.status != Status.UNKNOWN:
        return at
    slower = now + OVERDUE_INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311
    return max(at, _before(retention_at, slower, now))


def _before(retention_at: datetime | None, at: datetime, now: datetime) -> datetime:
    if retention_at is not None and retention_at - BEFORE_RETENTION > now:
        return min(at, retention_at - BEFORE_RETENTION)
    return at


def next_search(call: Call, now: datetime) -> datetime:
    """Return when to search for an unconfirmed call again, at the latest when the doubt ends."""
    since = call.dialed_at or call.created_at
    ends = since + DOUBT_LASTS
    if not call.account.adapter.can_find_by_reference:
        return max(ends, now + timedelta(seconds=1))
    planned = next((since + wait for wait in SEARCHES if since + wait > now), now + timedelta(hours=1))
    return max(min(planned, ends), now + timedelta(seconds=1))
