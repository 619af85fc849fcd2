"""Contacts, lists and imports over the API."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.imports import job
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization
from tests.calls.test_api_calls import a_call
from tests.campaigns.workbooks import workbook
from tests.conftest import ApiClient, KeyMaker
from tests.tables import cases, rolled_back
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
CONTACTS = "/api/v1/contacts/"
LISTS = "/api/v1/contact-lists/"


def faults(answer: Any) -> set[tuple[str, str]]:
    assert answer.status_code == 400, answer.content
    return {(fault["field"], fault["code"]) for fault in answer.json()["details"]}


def test_every_field_of_a_contact_is_stored_and_given_back(api: ApiClient, organization: Organization) -> None:
    given = {
        "organization": str(organization.uuid),
        "phone": "+33612345678",
        "phone_kind": "mobile",
        "further_numbers": [{"phone": "+33142345678", "kind": "work"}, {"phone": "+33442345678", "kind": ""}],
        "name": "Ada Lovelace",
        "external_id": "c-1",
        "language": "fr-FR",
        "timezone": "Europe/Paris",
        "variables": {"slot": "9:30"},
        "tags": ["Recall", "VIP"],
        "consent_basis": "contract",
        "consent_at": "2026-03-01T09:30:00Z",
        "consent_evidence": "Form 7,\nsigned on paper",
    }
    answer = api.post(CONTACTS, given)
    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert found | given == found
    holds = {"on_hold", "hold_until", "hold_reason"}
    assert set(found) == set(given) | holds | {"id", "do_not_call", "zone_fault", "created_at", "updated_at"}
    assert found["do_not_call"] is False
    assert api.get(f"{CONTACTS}{found['id']}/").json() == found


def test_a_number_is_enough_and_stored_as_e164(api: ApiClient) -> None:
    nulls = dict.fromkeys(["name", "external_id", "language", "timezone", "variables", "organization"])
    nulls |= dict.fromkeys(["phone_kind", "further_numbers", "consent_basis", "consent_at", "consent_evidence"])
    found = api.post(CONTACTS, {"phone": "06.12.34.56.78"} | nulls).json()
    assert (found["phone"], found["name"], found["variables"]) == ("+33612345678", "", {})
    assert (found["phone_kind"], found["further_numbers"], found["consent_at"]) == ("", [], None)


@cases(
    ("body", "fault"),
    [
        ({}, ("phone", "required")),
        ({"phone": "12"}, ("phone", "invalid_phone")),
        ({"phone": "+33612345678", "timezone": "Mars/Crater"}, ("timezone", "invalid")),
        ({"phone": "+33612345678", "timezone": 1}, ("timezone", "invalid_type")),
        ({"phone": "+33612345678", "name": "n" * 201}, ("name", "too_big")),
        ({"phone": "+33612345678", "variables": {"a b": "c"}}, ("variables.a b", "invalid_name")),
        ({"phone": "+33612345678", "variables": {"a": 1}}, ("variables.a", "invalid_type")),
        ({"phone": "+33612345678", "nope": 1}, ("nope", "unrecognized_keys")),
    ],
)
@rolled_back
def test_a_wrong_field_of_a_contact_is_named(api: ApiClient, body: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults(api.post(CONTACTS, body)) == {fault}


def test_a_country_that_is_not_called_is_a_422(api: ApiClient) -> None:
    answer = api.post(CONTACTS, {"phone": "+4930123456"})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "phone")


def test_one_contact_per_number(api: ApiClient, contact: Contact) -> None:
    assert faults(api.post(CONTACTS, {"phone": contact.phone})) == {("phone", "unique")}


def test_a_number_cannot_change_once_there_are_calls(
    api: ApiClient, contact: Contact, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    path = f"{CONTACTS}{contact.uuid}/"
    assert api.patch(path, {"phone": "+33612345600"}).json()["phone"] == "+33612345600"
    a_call(assistant, phone_number, "+33612345600")
    answer = api.patch(path, {"phone": "+33612345678"})
    assert (answer.status_code, set(answer.json())) == (409, {"error"})
    assert api.patch(path, {"phone": "0612345600", "name": "Same number"}).status_code == 200
    assert api.delete(path).status_code == 409


def test_do_not_call_is_shown_in_a_list_and_in_one_contact(
    api: ApiClient, organization: Organization, contact: Contact
) -> None:
    other = Contact.objects.create(organization=organization, phone="+33612345679")
    entries.add(organization, contact.phone, reason="", source="staff", expires_at=None)
    entries.add(organization, other.phone, reason="", source="staff", expires_at=timezone.now())
    told = {found["id"]: found["do_not_call"] for found in api.get(CONTACTS).json()["results"]}
    assert told == {str(contact.uuid): True, str(other.uuid): False}
    assert api.get(f"{CONTACTS}{contact.uuid}/").json()["do_not_call"] is True
    # The field is read-only.
    assert api.patch(f"{CONTACTS}{contact.uuid}/", {"do_not_call": False}).json()["do_not_call"] is True


def test_contacts_are_found(api: ApiClient, organization: Organization) -> None:
    ada = Contact.objects.create(organization=organization, phone="+33612345601", name="Ada L", external_id="7")
    bob = Contact.objects.create(organization=organization, phone="+33612345602", name="Bob", external_id="8")
    group = ContactList.objects.create(organization=organization, name="G")
    ContactListMember.objects.create(contact_list=group, contact=bob)

    def found(**query: Any) -> set[str]:
        answer = api.get(CONTACTS, query)
        assert answer.status_code == 200, answer.content
        return {row["id"] for row in answer.json()["results"]}

    assert found(phone="+33612345601") == found(phone="06 12 34 56 01") == {str(ada.uuid)}
    assert found(phone=" 33612345601") == {str(ada.uuid)}  # an unescaped plus
    assert found(external_id="8") == {str(bob.uuid)}
    assert found(list=group.uuid) == {str(bob.uuid)}
    assert found(q="ada") == {str(ada.uuid)}
    assert found(q="L") == {str(ada.uuid)} and found(q="da") == set()
    assert found(q="+3361234560") == {str(ada.uuid), str(bob.uuid)}
    assert faults(api.get(CONTACTS, {"phone": "x"})) == {("phone", "invalid")}
    assert faults(api.get(CONTACTS, {"name": "Ada"})) == {("name", "unknown_filter")}


def test_a_page_of_contacts_costs_a_fixed_number_of_queries(
    api: ApiClient, organization: Organization, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        Contact.objects.create(organization=organization, phone=f"+3361234560{number}")
    api.get(CONTACTS)
    # API key, page, further numbers, tags, do-not-call list, and its hash key, which is cached only after a commit.
    with django_assert_max_num_queries(6):
        assert len(api.get(CONTACTS).json()["results"]) == 10


# Lists.


def test_lists_count_their_contacts_in_the_same_query(
    api: ApiClient, organization: Organization, django_assert_max_num_queries: Any
) -> None:
    made = api.post(LISTS, {"name": "March"})
    assert (made.status_code, made.json()["contacts_count"]) == (201, 0)
    march = ContactList.objects.get()
    for number in range(3):
        contact = Contact.objects.create(organization=organization, phone=f"+3361234560{number}")
        ContactListMember.objects.create(contact_list=march, contact=contact)
    ContactList.objects.create(organization=organization, name="Empty")
    with django_assert_max_num_queries(2):
        counts = {found["name"]: found["contacts_count"] for found in api.get(LISTS).json()["results"]}
    assert counts == {"March": 3, "Empty": 0}
    renamed = api.patch(f"{LISTS}{march.uuid}/", {"name": "April"}).json()
    assert (renamed["name"], renamed["contacts_count"]) == ("April", 3)


def test_a_list_in_use_is_not_deleted(api: ApiClient, organization: Organization) -> None:
    group = ContactList.objects.create(organization=organization, name="G")
    campaign = Campaign.objects.create(organization=organization, name="C", status=Campaign.Status.RUNNING)
    campaign.contact_lists.add(group)
    assert api.delete(f"{LISTS}{group.uuid}/").status_code == 409
    Campaign.objects.update(status=Campaign.Status.FINISHED)
    assert api.delete(f"{LISTS}{group.uuid}/").status_code == 204


# Imports.


def csv_file(text: str = "phone,name\n+33612345678,Ada\n", name: str = "people.csv") -> io.BytesIO:
    file = io.BytesIO(text.encode())
    file.name = name
    return file


@pytest.fixture
def upload(api: ApiClient, organization: Organization) -> Any:
    group = ContactList.objects.create(organization=organization, name="G")

    def send(client: ApiClient = api, **form: Any) -> Any:
        path = f"{LISTS}{group.uuid}/imports/"
        return super(ApiClient, client).post(path, {"file": csv_file()} | form)

    return send


IMPORT_FIELDS = [
    "id",
    "list",
    "status",
    "filename",
    "bytes_total",
    "bytes_read",
    "rows_read",
    "created",
    "updated",
    "skipped",
    "rejected",
    "zones_contradicting",
    "zones_interpreted",
    "zone_examples",
    "listed",
    "numbers_left_out",
    "phone_readings",
    "removed",
    "restored",
    "mapping",
    "error",
    "started_at",
    "finished_at",
]


def test_a_file_is_uploaded_now_and_imported_later(api: ApiClient, upload: Any) -> None:
    answer = upload(mapping='{"phone": "phone", "name": ""}', on_duplicate="skip", default_region="FR", delimiter=",")
    assert answer.status_code == 202, answer.content
    found = answer.json()
    assert list(found) == IMPORT_FIELDS
    row = ContactImport.objects.get()
    assert (found["id"], found["list"]) == (str(row.uuid), str(row.contact_list.uuid))
    assert (found["status"], found["filename"], found["created"]) == ("pending", "people.csv", 0)
    assert (row.mapping, row.on_duplicate, row.default_region) == ({"phone": "phone", "name": ""}, "skip", "FR")
    assert api.get(f"/api/v1/imports/{row.uuid}/").json() == found
    assert api.get("/api/v1/imports/").json()["results"] == [found]


def test_a_workbook_is_accepted_like_a_csv_file(upload: Any) -> None:
    file = io.BytesIO(workbook([["phone", "name"], [33612345678, "Ada"]]))
    file.name = "people.xlsx"
    answer = upload(file=file)
    assert answer.status_code == 202, answer.content
    assert job.run_step(ContactImport.objects.get().pk, PATIENCE)
    assert Contact.objects.get(name="Ada").phone == "+33612345678"
    bad = io.BytesIO(workbook([["who"], ["Ada"]]))
    assert upload(file=bad).json()["details"][0]["field"] == "file"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"file": "text"}, "file"),
        ({"file": csv_file("")}, "file"),
        ({"mapping": "no json"}, "mapping"),
        ({"mapping": "[1]"}, "mapping"),
        ({"mapping": '{"phone": 1}'}, "mapping"),
        ({"mapping": '{"pho\\ud800ne": "phone"}'}, "mapping"),
        ({"mapping": '{"phone": "phone", "phone": ""}'}, "mapping"),
        ({"mapping": "[" * 100_000}, "mapping"),
        ({"on_duplicate": "burn"}, "on_duplicate"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"encoding": "klingon"}, "file"),
        ({"nope": "1"}, "nope"),
    ],
)
def test_a_form_that_cannot_be_read_is_a_400(upload: Any, form: dict[str, Any], field: str) -> None:
    answer = upload(**form)
    assert answer.status_code == 400
    assert field in {fault["field"] for fault in answer.json()["details"]}
    assert not ContactImport.objects.exists()


def test_a_file_over_the_import_limit_is_a_413(upload: Any, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 20
    answer = upload()
    assert (answer.status_code, set(answer.json())) == (413, {"error"})
    assert not ContactImport.objects.exists()
    big = upload(file=csv_file("phone\n" + "+33612345678\n" * 10_000))  # the declared size is over the limit
    assert big.status_code == 413


def test_an_import_is_a_form_and_nothing_else(api: ApiClient, organization: Organization) -> None:
    group = ContactList.objects.create(organization=organization, name="G")
    answer = api.post(f"{LISTS}{group.uuid}/imports/", {"file": "x"})
    assert (answer.status_code, set(answer.json())) == (415, {"error"})


def test_an_import_is_canceled_once(api: ApiClient, upload: Any) -> None:
    path = f"/api/v1/imports/{upload().json()['id']}/cancel/"
    answer = api.post(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert api.post(path).status_code == 409


def test_rejected_rows_come_as_csv(api: ApiClient, upload: Any, client_for: KeyMaker, stranger: Organization) -> None:
    path = f"/api/v1/imports/{upload().json()['id']}/errors.csv"
    first: Any = api.get(path, headers={"accept": "text/csv"})
    assert (first.status_code, first["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert first.content.decode().strip().endswith("line,reason")
    row = ContactImport.objects.get()
    row.rejected_file.save("x.rejected", ContentFile(b"phone,line,reason\r\n12,2,Too short\r\n"))
    answer: Any = api.get(path)
    assert b"".join(answer.streaming_content) == b"phone,line,reason\r\n12,2,Too short\r\n"
    assert "attachment" in answer["Content-Disposition"]
    assert client_for(stranger).get(path).status_code == 404
    assert ApiClient().get(path).status_code == 401


def test_imports_cannot_be_created_or_changed_at_their_own_address(api: ApiClient, upload: Any) -> None:
    path = f"/api/v1/imports/{upload().json()['id']}/"
    assert api.post("/api/v1/imports/", {}).status_code == 405
    assert api.patch(path, {"status": "completed"}).status_code == 405
    assert api.delete(path).status_code == 405
