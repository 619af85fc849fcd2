"""Pages show and read times in the user's time zone; the API uses UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, strip_tags

from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.local_time import local_time, shown_in, time_in
from tenants.models import AuditEntry, Membership, Organization, StaffSettings
from tests.calls import support
from tests.conftest import ApiClient
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db

NOON = datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)
MINE = "/admin/my-settings/"


LATER = datetime(2026, 7, 1, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "shown"),
    [
        ("UTC", NOON, "today 12:00"),
        ("Europe/Paris", NOON, "today 14:00"),
        ("America/Sao_Paulo", NOON, "today 09:00"),
        ("Pacific/Kiritimati", NOON, "today 02:00"),  # the 2nd there, as now
        ("Pacific/Kiritimati", datetime(2026, 7, 1, 9, 59, tzinfo=UTC), "yesterday 23:59"),
        ("America/New_York", datetime(2026, 7, 2, 4, 0, tzinfo=UTC), "tomorrow 00:00"),
        ("America/New_York", datetime(2026, 7, 2, 3, 59, tzinfo=UTC), "today 23:59"),
        ("America/New_York", datetime(2026, 6, 30, 3, 59, tzinfo=UTC), "29 Jun 23:59"),
        ("UTC", datetime(2026, 11, 28, 17, 13, tzinfo=UTC), "28 Nov 17:13"),
        ("UTC", datetime(2025, 11, 28, 17, 13, tzinfo=UTC), "28 Nov 2025 17:13"),
        ("Asia/Tokyo", datetime(2026, 12, 31, 15, 0, tzinfo=UTC), "1 Jan 2027 00:00"),
        # Clocks in Paris go back at 3:00 on 25 October: 2:00 to 2:59 occur twice. Lord Howe's go back by half an hour.
        ("Europe/Paris", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "25 Oct 02:30 UTC+2"),
        ("Europe/Paris", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "25 Oct 02:30 UTC+1"),
        ("Europe/Paris", datetime(2026, 10, 25, 2, 0, tzinfo=UTC), "25 Oct 03:00"),
        ("America/New_York", datetime(2026, 11, 1, 6, 15, tzinfo=UTC), "1 Nov 01:15 UTC-5"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC), "5 Apr 01:45 UTC+11"),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, 15, tzinfo=UTC), "5 Apr 01:45 UTC+10:30"),
    ],
)
@pytest.mark.time_machine(LATER)
def test_a_moment_is_shown_as_people_say_it(zone: str, moment: datetime, shown: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        assert local_time(moment) == shown
        assert render(moment) == shown[:1].upper() + shown[1:]


@pytest.mark.time_machine(LATER)
def test_a_page_has_the_full_stamp_in_a_tooltip_and_a_sentence_has_plain_text() -> None:
    assert local_time(None, "never") == "never"
    with timezone.override(ZoneInfo("Europe/Paris")):
        shown = local_time(NOON)
        assert conditional_escape(shown) == (
            '<time datetime="2026-07-01T14:00:05+02:00" title="Wednesday 1 July 2026, 14:00:05, Europe/Paris (UTC+2)">'
            "Today 14:00</time>"
        )
        assert f"It lasts until {shown}." == "It lasts until today 14:00."
        assert local_time(NOON, seconds=True) == "today 14:00:05"
    assert 'title="Wednesday 1 July 2026, 12:00:05, UTC"' in conditional_escape(local_time(NOON))
    assert time_in(ZoneInfo("Asia/Tokyo"), NOON, "%H:%M:%S") == "21:00:05 JST"
    assert time_in(ZoneInfo("Asia/Tokyo"), NOON + timedelta(hours=4)) == "2 Jul 01:00 JST"
    assert time_in(ZoneInfo("America/Sao_Paulo"), NOON) == "09:00 UTC-3"  # a zone that has no letters


@pytest.mark.parametrize("name", ["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.time_machine(LATER)
def test_no_two_minutes_of_a_year_look_the_same(name: str) -> None:
    """Two moments with one text would make a person act at the wrong one of them."""
    zone, start = ZoneInfo(name), datetime(2026, 1, 1, tzinfo=UTC)
    shown = [str(shown_in(zone, start + timedelta(minutes=15 * n))) for n in range(365 * 96)]
    assert len(set(shown)) == len(shown)


def render(moment: datetime) -> str:
    return strip_tags(conditional_escape(local_time(moment)))


def an_entry(organization: Organization) -> str:
    entry = AuditEntry.objects.create(organization=organization, at=NOON, actor="a", action="b", subject="c")
    return reverse("admin:tenants_auditentry_change", args=[entry.pk])


def test_pages_are_in_the_zone_of_the_organization_until_somebody_chooses_another(
    organization: Organization, sister: Organization, sign_in: SignIn
) -> None:
    client, page = sign_in(organization, "manager"), an_entry(organization)
    assert "14:00:05, Europe/Paris (UTC+2)" in client.get(page).content.decode()
    # A second membership changes nothing.
    Membership.objects.create(user=User.objects.get(), organization=sister, role="viewer")
    assert "14:00:05, Europe/Paris (UTC+2)" in client.get(page).content.decode()
    assert client.post(MINE, {"timezone": " Asia/Kolkata "}).status_code == 302
    assert "17:30:05, Asia/Kolkata (UTC+5:30)" in client.get(page).content.decode()
    assert " 17:30</time>" in client.get(reverse("admin:tenants_auditentry_changelist")).content.decode()
    # Another team member keeps the organization's zone.
    assert "14:00:05, Europe/Paris (UTC+2)" in sign_in(organization, "admin").get(page).content.decode()
    client.post(MINE, {"timezone": ""})
    assert "14:00:05, Europe/Paris (UTC+2)" in client.get(page).content.decode()
    # A user without a membership gets UTC.
    assert "12:00:05, UTC" in sign_in().get(page).content.decode()
    assert timezone.get_current_timezone_name() == "UTC"


def test_the_settings_are_for_whoever_is_signed_in(organization: Organization, sign_in: SignIn) -> None:
    answer = Client().get(MINE)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={MINE}")
    client = sign_in(organization, "viewer")
    page = client.get(MINE).content.decode()
    assert '<option value="America/Argentina/Buenos_Aires">' in page
    assert f'href="{MINE}"' in client.get("/admin/").content.decode()
    refused = client.post(MINE, {"timezone": "Atlantis"})
    assert "is not a time zone" in refused.content.decode()
    client.post(MINE, {"timezone": "Asia/Tokyo", "user": "1"})
    assert [(row.user.username, row.timezone) for row in StaffSettings.objects.all()] == [
        (f"viewer-{organization.pk}", "Asia/Tokyo")
    ]


@pytest.mark.time_machine(NOON)
def test_what_is_typed_is_read_in_the_same_zone(organization: Organization, contact: Contact, sign_in: SignIn) -> None:
    client = sign_in(organization, "operator")
    client.post(MINE, {"timezone": "America/New_York"})
    step = reverse("admin:campaigns_contact_step", args=[contact.pk, "hold"])
    assert "Until (America/New_York)" in client.get(step).content.decode()
    client.post(step, {"until": "2026-07-02T09:30", "reason": "away"})
    contact.refresh_from_db()
    assert contact.hold_until == datetime(2026, 7, 2, 13, 30, tzinfo=UTC)
    page = client.get(reverse("admin:campaigns_contact_change", args=[contact.pk])).content.decode()
    assert "until tomorrow 09:30: away" in page
    held = AuditEntry.objects.get(action="contact.hold")
    assert held.detail["until"] == "2026-07-02T13:30:00+00:00"
    # An hour that the clocks skip is asked again, not guessed.
    contact.on_hold = False
    contact.save()
    answer = client.post(step, {"until": "2027-03-14T02:30", "reason": ""})
    assert "America/New_York" in answer.content.decode()
    contact.refresh_from_db()
    assert not contact.on_hold


def test_a_campaigns_times_are_written_and_shown_in_the_same_zone(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber, sign_in: SignIn
) -> None:
    made = support.campaign(phone_number, support.people(organization, []), status=Campaign.Status.DRAFT)
    made.starts_at = NOON + timedelta(days=1000)
    made.save()
    client = sign_in(organization, "manager")
    page = client.get(reverse("admin:campaigns_campaign_change", args=[made.pk]) + "?tab=settings").content.decode()
    assert "Starts at (Europe/Paris)" in page
    assert 'value="14:00:05"' in page


@pytest.mark.time_machine(NOON)
def test_the_rules_of_a_campaign_name_its_own_zone_whatever_zone_they_are_asked_in(
    organization: Organization, phone_number: PhoneNumber, assistant: Assistant, sign_in: SignIn
) -> None:
    """A time from a form has the user's zone: sentences must convert it."""
    made = support.campaign(phone_number, support.people(organization, ["+33612345601"]), status="running")
    made.ends_at, made.timezone = NOON + timedelta(hours=1), "Asia/Tokyo"
    made.save()
    recipient = Recipient.objects.create(campaign=made, contact=made.contact_lists.get().contacts.get())
    client = sign_in(organization, "operator")
    step = reverse("admin:campaigns_recipient_step", args=[recipient.pk, "call-back"])
    refused = client.post(step, {"at": "2026-07-01T17:00", "tolerance": "30", "note": ""}).content.decode()
    assert "The campaign ends before, at 22:00 Asia/Tokyo." in refused
    client.post(step, {"at": "2026-07-01T14:30", "tolerance": "20", "note": ""})
    assert recipient.call_backs.get().due_at == NOON + timedelta(minutes=29, seconds=55)
    assert AuditEntry.objects.get(action__contains="promise").detail["at"] == "2026-07-01T12:30:00+00:00"


def test_programs_are_told_utc(organization: Organization, api: ApiClient, sign_in: SignIn) -> None:
    entry = DoNotCall.objects.create(organization=organization, phone="+33612345601", created_at=NOON)
    client = sign_in(organization, "viewer")  # of an organization in Paris
    for program in (api, client):
        assert program.get(f"/api/v1/do-not-call/{entry.uuid}/").json()["created_at"] == "2026-07-01T12:00:05Z"
