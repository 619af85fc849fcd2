"""Overdue calls: their end is not reported in time. They hold no line, and nobody else calls their contact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from calls.models import Call, Status
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # a Wednesday, noon in New York
LATER = NOW + timedelta(days=2)
TICK = timedelta(microseconds=1)


@pytest.fixture
def line(organization: Organization) -> PhoneNumber:
    """A caller number of an account with two lines, whose calls last two hours at most."""
    organization.allowed_countries = ["US"]
    organization.save()
    return support.reach(organization, "http://127.0.0.1:9", "allomia", max_open_calls=2)


PEOPLE = count(1000)


def a_call(line: PhoneNumber, status: Status, age: timedelta | None, **fields: Any) -> Call:
    """Return a call that was dialled so long ago."""
    dialed_at = None if age is None else NOW - age
    looked_at = {"due_at": NOW, "lease_until": LATER, "next_read_at": LATER}
    named = {"provider_call_id": f"call-{next(PEOPLE)}"} if "provider_call_id" not in fields else {}
    number = f"+1212555{next(PEOPLE):04d}"
    return support.single(line, number, status=status, dialed_at=dialed_at, **{**looked_at, **named, **fields})


def test_a_call_is_overdue_from_the_longest_call_of_its_account_on(line: PhoneNumber, subtests: Any) -> None:
    """Rows and objects give one answer, whatever the status, the age and the account's longest call."""
    followed = {"unconfirmed", "placed", "dialing", "ringing", "in_progress"}
    for longest in (1, 120, 1440):
        line.account.longest_call_minutes = longest
        line.account.save()
        limit = timedelta(minutes=longest)
        for age in (timedelta(0), limit - TICK, limit, limit + TICK, 3 * limit, None):
            for status in Status:
                call = a_call(line, status, age)
                overdue = status.value in followed and age is not None and age >= limit
                is_open = status.value in followed | {"placing"}
                one = Call.objects.filter(pk=call.pk)
                with subtests.test(longest=longest, age=age, status=status):
                    assert one.overdue(NOW).exists() == overdue
                    assert one.holding_a_line(NOW).exists() == (is_open and not overdue)
                    assert one.select_related("account").get().is_overdue(NOW) == overdue
                    assert one.open().exists() == is_open
                call.delete()
