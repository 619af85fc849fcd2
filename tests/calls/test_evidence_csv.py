"""The evidence file of the calls to one number. A spreadsheet does not execute any of its cells."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from calls.models import Call, Status
from calls.outcomes import staff_decisions
from calls.reports.evidence_csv import known_in
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactNumber, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Membership, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
NUMBER = "+33612345678"
PATH = "/api/v1/calls/evidence.csv"


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.content
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


@pytest.fixture
def call(assistant: Assistant, phone_number: PhoneNumber, organization: Organization) -> Call:
    contact = Contact.objects.create(
        organization=organization,
        phone=NUMBER,
        name="=cmd|' /C calc'!A0",
        consent_basis="opt-in",
        consent_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        consent_evidence="Form 7, @home",
    )
    campaign = Campaign.objects.create(organization=organization, name="March", assistant=assistant, version=3)
    recipient = Recipient.objects.create(campaign=campaign, contact=contact, status="done")
    return a_call(
        assistant,
        phone_number,
        NUMBER,
        campaign=campaign,
        campaign_version=3,
        recipient=recipient,
        customer_name=contact.name,
        status=Status.COMPLETED,
        provider_call_id="x1",
        dialed_at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC),
        decision={
            "at": "2026-07-01T22:30:00+00:00",
            "decision": "allow",
            "until": None,
            "checks": [{"name": "calling_hours", "result": "allow", "detail": "Europe/Paris"}],
        },
    )


def test_a_row_says_when_why_and_by_what_consent(api: ApiClient, call: Call) -> None:
    [row] = rows_of(api.get(PATH, {"to_number": NUMBER}))
    assert (row["record"], row["id"], row["to_number"], row["status"]) == ("call", str(call.uuid), NUMBER, "completed")
    assert row["dialed_at_utc"] == "2026-07-01T22:30:00.000000Z"
    assert row["dialed_at_local"] == "2026-07-02T00:30:00.000000+02:00"
    assert (row["time_zones"], row["campaign"], row["campaign_version"]) == ("Europe/Paris", "March", "3")
    assert (row["account"], row["provider"], row["provider_call_id"]) == ("AlloMia", "allomia", "x1")
    assert (row["decision"], row["decided_at_utc"]) == ("allow", "2026-07-01T22:30:00.000000Z")
    assert json.loads(row["checks"]) == call.decision["checks"]
    assert (row["consent_basis"], row["consent_at_utc"]) == ("opt-in", "2026-01-02T03:04:00.000000Z")
    assert row["consent_evidence"] == "Form 7, @home"


def test_no_cell_is_a_formula_and_numbers_stay_numbers(api: ApiClient, call: Call) -> None:
    [row] = rows_of(api.get(PATH, {"to_number": NUMBER}))
    assert row["name"] == "'=cmd|' /C calc'!A0"
    assert row["to_number"] == NUMBER
    assert not [cell for cell in row.values() if cell.startswith(("=", "-", "@", "\t", "\r"))]


def test_the_history_of_do_not_call_is_told_in_order(api: ApiClient, call: Call, organization: Organization) -> None:
    entry, _ = entries.add(organization, NUMBER, source="staff", reason="asked us")
    entries.remove(entry, "ada", "wants calls again")
    entries.add(organization, NUMBER, source="opt-out", reason="said so")
    [row] = rows_of(api.get(PATH, {"to_number": NUMBER}))
    listed, taken_off, again = row["do_not_call"].split("; ")
    assert listed.endswith("listed (staff): asked us")
    assert taken_off.endswith("removed by ada: wants calls again")
    assert again.endswith("listed (opt-out): said so")


def test_calls_ended_by_a_rule_and_people_left_out_are_there_with_the_reason(
    api: ApiClient, call: Call, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    skipped = a_call(assistant, phone_number, NUMBER, status=Status.QUEUED)
    answer = {"decision": "skip", "checks": [{"name": "do_not_call", "result": "skip", "detail": "Listed."}]}
    staff_decisions.cancel(skipped, "do_not_call", "The number is on the do-not-call list.", decision=answer)
    other = Campaign.objects.create(organization=call.organization, name="April")
    Recipient.objects.create(campaign=other, contact=call.contact, status="skipped", reason="do_not_call")
    third = Campaign.objects.create(organization=call.organization, name="May")
    Recipient.objects.create(campaign=third, contact=call.contact, status="waiting")
    rows = rows_of(api.get(PATH, {"to_number": NUMBER}))
    assert [(row["record"], row["campaign"], row["status"], row["reason"]) for row in rows] == [
        ("call", "March", "completed", ""),
        ("call", "", "canceled", "do_not_call"),
        ("no call", "April", "skipped", "do_not_call"),
    ]
    assert (rows[1]["decision"], json.loads(rows[1]["checks"])) == ("skip", answer["checks"])


@pytest.mark.parametrize("written", [NUMBER, "06 12 34 56 78", "33612345678"])
def test_the_number_may_be_written_as_people_write_it(api: ApiClient, call: Call, written: str) -> None:
    assert len(rows_of(api.get(PATH, {"to_number": written}))) == 1


@pytest.mark.parametrize("query", ["", "?to_number=", "?to_number=hello", f"?to_number=%2B{NUMBER[1:]}&from=1"])
def test_without_a_number_there_is_no_file(api: ApiClient, call: Call, query: str) -> None:
    answer = api.get(PATH + query)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] in {"to_number", "from"}


def test_a_number_never_called_has_a_header_alone(api: ApiClient, call: Call) -> None:
    assert rows_of(api.get(PATH, {"to_number": "+33612345600"})) == []


def test_another_organizations_calls_to_the_number_do_not_exist(
    api: ApiClient, call: Call, stranger: Organization, sister: Organization, client_for: KeyMaker
) -> None:
    for home in (stranger, sister):
        account = an_account(home)
        a_call(an_assistant(account), a_number(account), NUMBER, customer_name="Secret")
        entries.add(home, NUMBER, source="staff", reason="Secret")
    assert [row["id"] for row in rows_of(api.get(PATH, {"to_number": NUMBER}))] == [str(call.uuid)]
    everywhere = client_for(tenant=sister.tenant)
    assert len(rows_of(everywhere.get(PATH, {"to_number": NUMBER}))) == 2
    chosen = client_for(tenant=sister.tenant, choose=sister)
    assert [row["name"] for row in rows_of(chosen.get(PATH, {"to_number": NUMBER}))] == ["Secret"]


def test_only_organizations_that_know_the_number_record_the_export(
    api: ApiClient, call: Call, organization: Organization, sister: Organization, client_for: KeyMaker
) -> None:
    def recorded(number: str) -> list[int | None]:
        exported = AuditEntry.objects.filter(action="evidence.exported").order_by("pk")
        before = exported.count()
        assert everywhere.get(PATH, {"to_number": number}).status_code == 200
        return list(exported.values_list("organization", flat=True)[before:])

    everywhere = client_for(tenant=organization.tenant)
    assert sister.tenant_id == organization.tenant_id
    assert recorded(NUMBER) == [organization.pk]
    assert recorded("+33612345600") == [None], "the installation's"
    listed, _ = entries.add(sister, "+33612345600", source="staff")
    assert recorded("+33612345600") == [sister.pk]
    entries.remove(listed, "ada", "They asked.")
    Contact.objects.filter(organization=sister).delete()
    assert recorded("+33612345600") == [sister.pk], "it was listed once"
    holder = Contact.objects.create(organization=organization, phone="+33612345609")
    ContactNumber.objects.create(organization=organization, contact=holder, phone="+33612345601", position=2)
    assert recorded("+33612345601") == [organization.pk]


def test_which_organizations_know_the_number_is_one_row_for_each_and_not_for_each_call(
    call: Call, assistant: Assistant, phone_number: PhoneNumber, organization: Organization
) -> None:
    for _ in range(30):
        a_call(assistant, phone_number, NUMBER)
    rows: list[int] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        rows.append(context["cursor"].rowcount)
        return found

    with connection.execute_wrapper(count):
        assert known_in([organization.pk], NUMBER) == [organization.pk]
    assert max(rows) <= 1


def test_it_needs_a_key_that_may_read(call: Call, organization: Organization, client_for: KeyMaker) -> None:
    assert ApiClient().get(PATH, {"to_number": NUMBER}).status_code == 401
    assert len(rows_of(client_for(organization, "read").get(PATH, {"to_number": NUMBER}))) == 1


def test_the_back_office_exports_a_contact_of_ones_own(call: Call, stranger: Organization) -> None:
    def staff(organization: Organization) -> Client:
        user = User.objects.create(username=f"viewer-{organization.pk}", is_staff=True)
        Membership.objects.create(user=user, organization=organization, role="viewer")
        client = Client()
        client.force_login(user)
        return client

    url, mine = reverse("admin:calls_call_evidence"), staff(call.organization)
    assert [row["id"] for row in rows_of(mine.get(url, {"contact": call.contact_id}))] == [str(call.uuid)]
    assert staff(stranger).get(url, {"contact": call.contact_id}).status_code == 404
    for nonsense in ({}, {"contact": "x"}, {"contact": "9" * 30}, {"contact": "987654"}):
        assert mine.get(url, nonsense).status_code == 404
