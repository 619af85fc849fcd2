"""Which recipients a step of enqueueing examines: as many as capacity allows, more only if the first are deferred."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from calls.dialing import enqueueing
from calls.gate import facts as fact_sheet
from calls.models import Call
from campaigns.models import Campaign, Contact, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

pytestmark = pytest.mark.django_db
FAR = "Pacific/Kiritimati"  # at any hour the date there differs from the date in "Pacific/Niue"
NEAR = "Pacific/Niue"


@pytest.fixture
def number(callers: Organization) -> PhoneNumber:
    return support.reach(callers, "http://127.0.0.1:9", "allomia", max_open_calls=3)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of calls of each read of the facts."""
    found: list[int] = []
    read = fact_sheet.read

    def counting(calls: Sequence[Call], *args: Any) -> Any:
        found.append(len(calls))
        return read(calls, *args)

    monkeypatch.setattr(fact_sheet, "read", counting)
    return found


def running(number: PhoneNumber, zones: Sequence[str]) -> Campaign:
    """A recipient in each of these zones, due one after the other."""
    numbers = [f"+180055{50_000 + n}" for n in range(len(zones))]  # toll-free: the contact's zone counts alone
    made = support.campaign(number, support.people(number.organization, numbers))
    now = timezone.now()
    Campaign.objects.update(status=Campaign.Status.RUNNING, launched_at=now)
    for n, (contact, zone) in enumerate(zip(Contact.objects.order_by("phone"), zones, strict=True)):
        Contact.objects.filter(pk=contact.pk).update(timezone=zone)
        due = now - timedelta(hours=1) + timedelta(seconds=n)
        Recipient.objects.create(campaign=made, contact=contact, next_attempt_at=due)
    return made


def open_where_it_is_today_in(zone: str, made: Campaign) -> None:
    made.windows.update(days=[support.EVERY_DAY[timezone.now().astimezone(ZoneInfo(zone)).weekday()]])


def test_no_more_people_are_looked_at_than_there_is_room_for(number: PhoneNumber, looks: list[int]) -> None:
    made = running(number, [NEAR] * 60)
    assert enqueueing.feed(made.pk) == 3
    assert looks == [3 + enqueueing.SPARE]


def test_who_cannot_be_called_makes_place_for_who_can(number: PhoneNumber, looks: list[int]) -> None:
    """A window has just closed for many recipients: one step defers them with the reason and enqueues others."""
    made = running(number, [FAR] * 120 + [NEAR] * 30)
    open_where_it_is_today_in(NEAR, made)
    assert enqueueing.feed(made.pk) == 3
    far = made.recipients.filter(contact__timezone=FAR)
    assert set(far.values_list("status", "reason", "waits_in")) == {("pending", "calling_hours", FAR)}
    assert not far.filter(next_attempt_at__lte=timezone.now()).exists()
    assert set(made.calls.values_list("contact__timezone", flat=True)) == {NEAR}
    assert len(looks) == 3 and sum(looks) <= 150


def test_one_step_ends_however_many_cannot_be_called(number: PhoneNumber, looks: list[int]) -> None:
    made = running(number, [FAR] * 210 + [NEAR])
    open_where_it_is_today_in(NEAR, made)
    assert enqueueing.feed(made.pk) == 0
    assert sum(looks) == enqueueing.CHECKED_AT_LEAST
    assert enqueueing.feed(made.pk) == 1
