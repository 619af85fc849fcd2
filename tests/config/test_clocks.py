"""Clocks come from the pinned `tzdata` package, whose tables of countries the product reads as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle import zones


def test_every_clock_is_that_of_the_package() -> None:
    """The tables of the machine may be older: Vancouver's, of 2025, know nothing of a law of 2026."""
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(weeks=week) for week in range(150)]
    wrong = [
        name
        for name in sorted(zones.places())
        if any(moment.astimezone(ZoneInfo(name)).replace(tzinfo=None) != zones.wall(name, moment) for moment in moments)
    ]
    assert wrong == []
