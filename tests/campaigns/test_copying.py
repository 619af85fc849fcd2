"""A copy of a campaign keeps the dates that still count."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.copying import copy_of
from campaigns.models import Campaign
from tenants.models import Organization

ONE_DAY = timedelta(days=1)


@pytest.mark.django_db
@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_a_copy_keeps_a_holiday_until_it_is_over_everywhere(organization: Organization, hour: int) -> None:
    """At New Year in Paris it is still 31 December in New York. A copy must not call there on that holiday."""
    now = datetime(2026, 12, 31, hour, 30, tzinfo=UTC)
    today = {now.astimezone(zoneinfo.ZoneInfo(zone)).date() for zone in zoneinfo.available_timezones()}
    first = min(today) - ONE_DAY  # it closes the window that runs from it over midnight
    dates = [date(2026, 12, 20) + days * ONE_DAY for days in range(20)]
    given = Campaign.objects.create(organization=organization, holidays=[day.isoformat() for day in dates])
    assert copy_of(given, now).holidays == [day.isoformat() for day in dates if day >= first]
