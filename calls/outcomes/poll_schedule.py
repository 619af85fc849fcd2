"""When a call is looked at again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calls.models import Call

# (younger than, interval). PolyAI asks for 2-5 s while a call is under way.
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

# Looking for an unconfirmed call in the provider's list: after so long since the dial, then hourly.
LOOKS = (timedelta(seconds=5), timedelta(seconds=35), timedelta(minutes=2), timedelta(minutes=10))


def next_read(placed_at: datetime, now: datetime) -> datetime:
    """By age, with ±20 % jitter so that calls placed together are not read together."""
    age = now - placed_at
    interval = next((step for limit, step in STEPS if age < limit), STEPS[-1][1])
    return now + interval * random.uniform(0.8, 1.2)  # noqa: S311


def after_error(now: datetime, errors: int, retention_at: datetime | None) -> datetime:
    """Full jitter, at most 300 s, and never so late that the provider could have forgotten."""
    ceiling = min(MAX_BACKOFF, 2.0 * 2 ** min(errors, 10))
    at = now + timedelta(seconds=1 + random.uniform(0, ceiling))  # noqa: S311
    if retention_at is not None and retention_at - BEFORE_RETENTION > now:
        at = min(at, retention_at - BEFORE_RETENTION)
    return at


def next_look(call: Call, now: datetime) -> datetime:
    """When an unconfirmed call is looked for again, at the latest when the doubt ends."""
    since = call.dialed_at or call.created_at
    ends = since + DOUBT_LASTS
    if not call.account.adapter.can_find_by_reference:
        return max(ends, now + timedelta(seconds=1))
    planned = next((since + look for look in LOOKS if since + look > now), now + timedelta(hours=1))
    return max(min(planned, ends), now + timedelta(seconds=1))
