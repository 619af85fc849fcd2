"""Filters of lists: ranges of dates in the viewer's zone, keys found by time, and chips."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Contact
from tenants.backoffice.scoped_lists import WITHOUT_FILTERS
from tenants.db.key_ranges import created_between, first_key
from tenants.models import Organization, StaffSettings
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
CONTACTS = "admin:campaigns_contact_changelist"


@pytest.fixture
def contacts(organization: Organization) -> list[Contact]:
    """One contact every seven hours, whose keys have gaps."""
    made = []
    for n in range(60):
        at = START + timedelta(hours=7 * n)
        made.append(Contact.objects.create(organization=organization, phone=f"+3361234{n:04d}", created_at=at))
    Contact.objects.filter(pk__in=[row.pk for row in made[5:20:3]]).delete()
    return list(Contact.objects.order_by("pk"))


@pytest.mark.parametrize("hours", [-1, 0, 1, 7, 8, 100, 210, 413, 414, 1000])
def test_the_first_key_of_a_moment_is_the_one_that_a_scan_finds(contacts: list[Contact], hours: int) -> None:
    moment = START + timedelta(hours=hours)
    later = [row.pk for row in contacts if row.created_at >= moment]
    found = first_key(Contact, moment)
    assert [row.pk for row in contacts if row.pk >= found] == later
    within = Contact.objects.filter(created_between(Contact, moment, None)).order_by("pk")
    assert list(within.values_list("pk", flat=True)) == later


def test_an_empty_table_has_no_first_key(organization: Organization) -> None:
    assert not Contact.objects.filter(created_between(Contact, START, START + timedelta(days=1))).exists()


def shown(client: Client, **asked: str) -> set[str]:
    answer: Any = client.get(reverse(CONTACTS), asked)
    assert answer.status_code == 200
    return {row.phone for row in answer.context["cl"].result_list}


# 23:30 on 10 March in New York is 03:30 on the 11th in UTC.
@pytest.mark.time_machine(datetime(2026, 3, 11, 3, 30, tzinfo=UTC))
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"day": "today"}, "2026-03-10 04:00", "2026-03-11 04:00"),
        ({"day": "yesterday"}, "2026-03-09 04:00", "2026-03-10 04:00"),
        ({"day": "7days"}, "2026-03-04 05:00", "2026-03-11 04:00"),  # clocks changed on the 8th
        ({"from": "2026-03-08", "to": "2026-03-08"}, "2026-03-08 05:00", "2026-03-09 04:00"),
        ({"from": "2026-03-09"}, "2026-03-09 04:00", "2027-01-01 00:00"),
        ({"to": "2026-03-04"}, "2020-01-01 00:00", "2026-03-05 05:00"),
    ],
)
def test_days_are_those_of_the_viewer(
    contacts: list[Contact], organization: Organization, sign_in: SignIn, asked: dict[str, str], first: str, last: str
) -> None:
    client = sign_in(organization, "manager")
    StaffSettings.objects.create(user_id=int(client.session["_auth_user_id"]), timezone="America/New_York")
    since, until = (datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) for text in (first, last))
    expected = {row.phone for row in contacts if since <= row.created_at < until}
    assert shown(client, **asked) == expected and expected


@pytest.mark.parametrize("asked", [{"day": "never"}, {"from": "soon"}, {"to": "0001-01-01"}, {"from": "9999-12-31"}])
def test_a_range_that_is_none_is_refused(organization: Organization, sign_in: SignIn, asked: dict[str, str]) -> None:
    Contact.objects.create(organization=organization, phone="+33612345678")
    client = sign_in(organization, "manager")
    for address in (reverse(CONTACTS), reverse("admin:campaigns_contact_export")):
        answer: Any = client.get(address, asked, follow=True)
        assert answer.redirect_chain == [(f"{reverse(CONTACTS)}?e=1", 302)]
        assert WITHOUT_FILTERS in answer.content.decode(), "a list that is wider than asked for says so"
    assert WITHOUT_FILTERS not in client.get(reverse(CONTACTS), {"day": "today"}).content.decode()


def test_each_filter_in_use_is_a_chip_that_removes_it_alone(organization: Organization, sign_in: SignIn) -> None:
    Contact.objects.create(organization=organization, phone="+33612345678", created_at=timezone.now())
    page = sign_in(organization, "manager").get(reverse(CONTACTS), {"day": "today", "zone_fault": "any", "q": "+336"})
    chips = re.findall(r'<a class="tl-chip tl-on" href="([^"]*)"[^>]*>(.*?):\s*<b>(.*?)</b>', page.content.decode())
    assert {(title, label) for _, title, label in chips} == {("Date", "Today"), ("Time zone to correct", "Any")}
    left = {title: unescape(address) for address, title, _ in chips}
    assert "zone_fault=any" in left["Date"] and "day=" not in left["Date"] and "q=" in left["Date"]
