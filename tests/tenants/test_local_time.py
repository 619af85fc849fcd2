"""Pages show and read times in the user's time zone; the API uses UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.local_time import local_minute, local_time, time_in
from tenants.models import AuditEntry, Membership, Organization, StaffSettings
from tests.calls import support
from tests.conftest import ApiClient
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db

NOON = datetime(2026, 7, 1, 12, 0, 5, tzinfo=UTC)
MINE = "/admin/my-settings/"


def test_a_moment_is_always_shown_with_its_zone() -> None:
    assert local_time(None, "never") == "never"
    assert local_time(NOON) == "2026-07-01 12:00:05 UTC"
    with timezone.override(ZoneInfo("Europe/Paris")):
        assert local_time(NOON) == "2026-07-01 14:00:05 CEST"
    with timezone.override(ZoneInfo("America/Sao_Paulo")):
        assert local_time(NOON) == "2026-07-01 09:00:05 UTC-03"  # a zone that has no letters
    assert local_minute(NOON) == "2026-07-01 12:00 UTC"
    assert time_in(ZoneInfo("Asia/Tokyo"), NOON, "%H:%M:%S") == "21:00:05 JST"
    assert time_in(ZoneInfo("Asia/Tokyo"), NOON + timedelta(hours=4)) == "2026-07-02 01:00 JST"


def an_entry(organization: Organization) -> str:
    entry = AuditEntry.objects.create(organization=organization, at=NOON, actor="a", action="b", subject="c")
    return reverse("admin:tenants_auditentry_change", args=[entry.pk])


def test_pages_are_in_the_zone_of_the_organization_until_somebody_chooses_another(
    organization: Organization, sister: Organization, sign_in: SignIn
) -> None:
    client, page = sign_in(organization, "manager"), an_entry(organization)
    assert "2026-07-01 14:00:05 CEST" in client.get(page).content.decode()
    # A second membership changes nothing.
    Membership.objects.create(user=User.objects.get(), organization=sister, role="viewer")
    assert "2026-07-01 14:00:05 CEST" in client.get(page).content.decode()
    assert client.post(MINE, {"timezone": " Asia/Kolkata "}).status_code == 302
    assert "2026-07-01 17:30:05 IST" in client.get(page).content.decode()
    assert "17:30 IST" in client.get(reverse("admin:tenants_auditentry_changelist")).content.decode()
    # Another team member keeps the organization's zone.
    assert "2026-07-01 14:00:05 CEST" in sign_in(organization, "admin").get(page).content.decode()
    client.post(MINE, {"timezone": ""})
    assert "2026-07-01 14:00:05 CEST" in client.get(page).content.decode()
    # A user without a membership gets UTC.
    assert "2026-07-01 12:00:05 UTC" in sign_in().get(page).content.decode()
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
    assert "until 2026-07-02 09:30:00 EDT: away" in page
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
