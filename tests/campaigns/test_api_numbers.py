"""The numbers and the consent of a contact over the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactNumber
from tenants.models import Organization
from tests.campaigns.test_api import CONTACTS, faults
from tests.conftest import ApiClient
from tests.tables import cases, rolled_back

pytestmark = pytest.mark.django_db
FIRST, WORK, HOME = "+33612345678", "+33142345678", "+33442345678"


def a_contact(api: ApiClient, **fields: Any) -> dict[str, Any]:
    answer = api.post(CONTACTS, {"phone": FIRST} | fields)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def numbers(*phones: str) -> list[dict[str, str]]:
    return [{"phone": phone, "kind": ""} for phone in phones]


def kept(found: dict[str, Any]) -> list[tuple[int, str, str]]:
    rows = ContactNumber.objects.filter(contact__uuid=found["id"]).order_by("position")
    return list(rows.values_list("position", "phone", "kind"))


def test_numbers_are_read_by_the_organizations_country_and_keep_their_order(api: ApiClient) -> None:
    given = [{"phone": "01 42 34 56 78", "kind": "work"}, {"phone": "(212) 555-0123"}, {"phone": HOME, "kind": "home"}]
    found = a_contact(api, further_numbers=[given[0], given[2]])
    assert found["further_numbers"] == [{"phone": WORK, "kind": "work"}, {"phone": HOME, "kind": "home"}]
    assert kept(found) == [(1, WORK, "work"), (2, HOME, "home")]
    path = f"{CONTACTS}{found['id']}/"
    assert faults(api.patch(path, {"further_numbers": [given[1]]})) == {("further_numbers.0.phone", "invalid_phone")}


def test_a_change_replaces_the_whole_list_and_a_body_without_it_leaves_it(api: ApiClient) -> None:
    found = a_contact(api, further_numbers=numbers(WORK, HOME))
    path = f"{CONTACTS}{found['id']}/"
    assert api.patch(path, {"name": "Ada"}).json()["further_numbers"] == numbers(WORK, HOME)
    changed = api.patch(path, {"further_numbers": numbers(HOME, WORK)}).json()
    assert changed["further_numbers"] == numbers(HOME, WORK) == api.get(path).json()["further_numbers"]
    assert changed["updated_at"] > found["updated_at"]
    assert api.patch(path, {"further_numbers": None}).json()["further_numbers"] == []
    assert kept(found) == []


@cases(
    ("fields", "fault"),
    [
        ({"further_numbers": numbers(FIRST)}, ("further_numbers", "repeated")),
        ({"further_numbers": numbers(WORK, "0142345678")}, ("further_numbers", "repeated")),
        ({"further_numbers": numbers(*(f"+3314234567{n}" for n in range(5)))}, ("further_numbers", "too_many")),
        ({"further_numbers": [{"phone": WORK, "kind": "fax"}]}, ("further_numbers.0.kind", "invalid_choice")),
        ({"further_numbers": [{"kind": "work"}]}, ("further_numbers.0.phone", "required")),
        ({"further_numbers": [{"phone": WORK, "label": "x"}]}, ("further_numbers.0.label", "unrecognized_keys")),
        ({"further_numbers": numbers(WORK, "12")}, ("further_numbers.1.phone", "invalid_phone")),
        ({"further_numbers": WORK}, ("further_numbers", "invalid_type")),
        ({"further_numbers": [WORK]}, ("further_numbers.0", "invalid")),
        ({"phone_kind": "fax"}, ("phone_kind", "invalid_choice")),
        ({"consent_at": "2026-03-01T09:30:00"}, ("consent_at", "invalid")),
        ({"consent_basis": "x" * 65}, ("consent_basis", "too_big")),
        ({"consent_evidence": "x" * 10_001}, ("consent_evidence", "too_big")),
    ],
)
@rolled_back
def test_a_wrong_number_or_consent_is_named(api: ApiClient, fields: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults(api.post(CONTACTS, {"phone": FIRST} | fields)) == {fault}
    assert not Contact.objects.exists()
    found = a_contact(api)
    assert faults(api.patch(f"{CONTACTS}{found['id']}/", fields)) == {fault}


def test_a_new_further_number_must_be_of_a_country_that_is_called(api: ApiClient, organization: Organization) -> None:
    german = "+4930123456"
    refused = api.post(CONTACTS, {"phone": FIRST, "further_numbers": numbers(WORK, german)})
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (422, "further_numbers.1.phone")
    found = a_contact(api, further_numbers=numbers(WORK))
    held = Contact.objects.get(uuid=found["id"])
    ContactNumber.objects.create(organization=organization, contact=held, phone=german, position=2)
    answer = api.patch(f"{CONTACTS}{found['id']}/", {"further_numbers": numbers(german, WORK)})
    assert answer.json()["further_numbers"] == numbers(german, WORK)


def test_the_first_number_and_a_further_one_change_places(api: ApiClient) -> None:
    found = a_contact(api, further_numbers=numbers(WORK))
    path = f"{CONTACTS}{found['id']}/"
    assert faults(api.patch(path, {"phone": WORK})) == {("phone", "repeated")}
    answer = api.patch(path, {"phone": WORK, "further_numbers": numbers(FIRST)})
    assert (answer.json()["phone"], answer.json()["further_numbers"]) == (WORK, numbers(FIRST))


def test_contacts_share_a_further_number_but_never_the_first_one(api: ApiClient) -> None:
    a_contact(api, further_numbers=numbers(HOME))
    other = a_contact(api, phone=WORK, further_numbers=numbers(HOME, FIRST))
    assert kept(other) == [(1, HOME, ""), (2, FIRST, "")]
    assert faults(api.post(CONTACTS, {"phone": FIRST})) == {("phone", "unique")}


def test_a_contact_is_found_by_any_of_its_numbers(api: ApiClient, stranger: Organization) -> None:
    ada = a_contact(api, name="Ada", further_numbers=numbers(WORK, HOME))["id"]
    bob = a_contact(api, phone=WORK, name="Bob")["id"]
    theirs = Contact.objects.create(organization=stranger, phone=FIRST)
    ContactNumber.objects.create(organization=stranger, contact=theirs, phone=HOME, position=1)

    def found(**query: str) -> list[str]:
        return [row["id"] for row in api.get(CONTACTS, query).json()["results"]]

    assert found(phone="01 42 34 56 78") == [bob, ada]
    assert found(phone=HOME) == found(phone=" 33442345678") == found(q="+33 442") == found(q="33442") == [ada]
    assert found(q="+33") == [bob, ada]
    assert found(q="ad") == [ada]
    assert found(phone="+33142345679") == found(q="+339") == []


def test_a_very_common_prefix_finds_its_contacts(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.db.first_keys.FEW", 1)
    ada = a_contact(api, further_numbers=numbers(WORK, HOME))["id"]
    bob = a_contact(api, phone="+33612345600", further_numbers=numbers(WORK))["id"]
    answer = api.get(CONTACTS, {"q": "+3314"})
    assert [row["id"] for row in answer.json()["results"]] == [bob, ada]


def test_do_not_call_on_any_number_is_shown(api: ApiClient, organization: Organization) -> None:
    ada = a_contact(api, further_numbers=numbers(HOME, WORK))["id"]
    bob = a_contact(api, phone="+33612345679", further_numbers=numbers(WORK))["id"]
    cyd = a_contact(api, phone="+33612345670", further_numbers=numbers(HOME))["id"]
    entries.add(organization, WORK, source="staff")
    entries.add(organization, HOME, source="staff", expires_at=timezone.now())
    shown = {row["id"]: row["do_not_call"] for row in api.get(CONTACTS).json()["results"]}
    assert {key: shown[key] for key in (ada, bob, cyd)} == {ada: True, bob: True, cyd: False}
    assert api.get(f"{CONTACTS}{bob}/").json()["do_not_call"] is True
