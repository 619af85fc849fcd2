"""Stored time zones that are no places or contradict the number: found, listed, told, and ended when corrected."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from calls.actions import opening_watch
from campaigns import zone_check
from campaigns.models import Contact
from campaigns.rules.whereabouts import zone_fault
from tenants.models import Alert, Organization
from tests.calls.test_campaign_page import words_of
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
# By hand: the number, its stored zone, what is wrong with it.
ROWS = [
    ("+12125550101", "EST", "no_place"),
    ("+12125550102", "Etc/GMT-5", "no_place"),
    ("+12125550103", "Nowhere/Land", "no_place"),
    ("+12125550104", "Asia/Tokyo", "contradicts"),
    ("+33612345678", "America/New_York", "contradicts"),
    ("+12125550105", "America/New_York", ""),
    ("+12125550106", "America/Detroit", ""),
    ("+12195550107", "America/Chicago", ""),
    ("+18005550108", "Asia/Tokyo", ""),
    ("+12125550109", "", ""),
]


def stored_before(organization: Organization) -> None:
    """Rows as they were stored before anybody judged zones."""
    for phone, zone, _ in ROWS:
        Contact.objects.create(organization=organization, phone=phone)
        Contact.objects.filter(phone=phone).update(timezone=zone, zone_fault="")


def faults() -> dict[str, str]:
    return dict(Contact.objects.values_list("phone", "zone_fault"))


EXPECTED = {phone: fault for phone, _, fault in ROWS}


def check() -> str:
    out = io.StringIO()
    call_command("check_zones", stdout=out)
    return out.getvalue()


def test_a_zone_is_judged_whenever_a_contact_is_written(organization: Organization) -> None:
    for phone, zone, _ in ROWS[:5]:
        Contact.objects.create(organization=organization, phone=phone, timezone=zone)
    Contact.objects.bulk_create(
        Contact(organization=organization, phone=phone, timezone=zone) for phone, zone, _ in ROWS[5:]
    )
    assert faults() == EXPECTED
    row = Contact.objects.get(phone="+12125550104")
    row.timezone = "America/New_York"
    row.save(update_fields=["timezone"])
    assert faults()["+12125550104"] == ""
    row.timezone = "Asia/Tokyo"
    row.save()
    assert faults()["+12125550104"] == "contradicts"


def test_the_command_finds_rows_of_before_and_changes_no_zone(organization: Organization, sister: Organization) -> None:
    stored_before(organization)
    told = check()
    assert faults() == EXPECTED
    assert dict(Contact.objects.values_list("phone", "timezone")) == {phone: zone for phone, zone, _ in ROWS}
    assert f"{organization.name}: 3 contacts with a time zone that is no place" in told
    assert "5 contacts were judged anew" in told and "0 contacts were judged anew" in check()
    alert = Alert.objects.get()
    assert (alert.organization, alert.subject) == (organization, str(organization.uuid))
    assert "3 contacts with a time zone that is no place" in alert.message
    assert "2 contacts with a time zone that is none of the number's" in alert.message


def test_a_contact_that_is_edited_meanwhile_keeps_what_its_edit_found(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_before(organization)
    judged = zone_fault

    def edited_meanwhile(zone: str, phone: str) -> str:
        Contact.objects.filter(phone="+12125550101").update(timezone="America/New_York")
        return judged(zone, phone)

    monkeypatch.setattr("campaigns.zone_check.zone_fault", edited_meanwhile)
    zone_check.judge_all()
    assert faults() == EXPECTED | {"+12125550101": ""}


def test_rows_are_read_a_bounded_part_at_a_time(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_check, "AT_ONCE", 2)
    stored_before(organization)
    check()
    assert faults() == EXPECTED


def test_the_alert_ends_when_the_contacts_are_corrected(organization: Organization) -> None:
    stored_before(organization)
    check()
    Contact.objects.filter(zone_fault="no_place").delete()
    opening_watch.watch()
    assert "no place" not in Alert.objects.get().message
    for row in Contact.objects.exclude(zone_fault=""):
        row.timezone = ""
        row.save()
    opening_watch.watch()
    assert Alert.objects.get().ended_at is not None
    check()
    assert Alert.objects.count() == 1


def test_the_watch_asks_one_question_where_nothing_is_wrong(organization: Organization) -> None:
    with CaptureQueriesContext(connection) as asked:
        zone_check.report_again()
    assert len(asked) == 1


def test_the_alert_leads_to_the_contacts_and_their_list_has_the_filter(
    organization: Organization, sister: Organization, admin_client: Client
) -> None:
    stored_before(organization)
    Contact.objects.create(organization=sister, phone="+12125550199", timezone="EST")
    check()
    alert = Alert.objects.get(organization=organization)
    page = admin_client.get(f"/admin/tenants/alert/{alert.pk}/change/")
    link = f"/admin/campaigns/contact/?zone_fault=any&amp;organization__id__exact={organization.pk}"
    assert link in page.content.decode()

    def listed(query: str) -> set[str]:
        answer: Any = admin_client.get(f"/admin/campaigns/contact/?{query}")
        return {row.phone for row in answer.context["cl"].result_list}

    wrong = {phone for phone, fault in EXPECTED.items() if fault}
    assert listed(link.partition("?")[2].replace("&amp;", "&")) == wrong
    assert listed("zone_fault=contradicts") == {"+12125550104", "+33612345678"}
    assert "+12125550199" in listed("zone_fault=no_place")
    assert admin_client.get("/admin/campaigns/contact/?zone_fault=x").status_code == 302
    row = Contact.objects.get(phone="+12125550102")
    shown = words_of(admin_client.get(f"/admin/campaigns/contact/{row.pk}/change/").content.decode())
    assert "The stored time zone “Etc/GMT-5” is no place and counts for nothing" in shown


def test_the_api_filters_by_the_fault(api: ApiClient, organization: Organization) -> None:
    stored_before(organization)
    zone_check.judge_all()
    rows = api.get("/api/v1/contacts/?zone_fault=contradicts").json()["results"]
    assert {(row["phone"], row["zone_fault"]) for row in rows} == {
        ("+12125550104", "contradicts"),
        ("+33612345678", "contradicts"),
    }
    assert api.get("/api/v1/contacts/?zone_fault=x").status_code == 400
    made = api.post("/api/v1/contacts/", {"phone": "+33612345699", "timezone": "Asia/Tokyo"})
    assert made.json()["zone_fault"] == "contradicts"
