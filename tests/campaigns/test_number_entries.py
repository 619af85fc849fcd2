"""Every way in reads a number by the same function: API, do-not-call list, files of it, pages and searches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaigns.do_not_call.file import Numbers, read_file, read_text
from campaigns.models import Contact, DoNotCall
from campaigns.phones import e164_prefixes
from tenants.models import Organization
from tests.conftest import ApiClient
from tests.tables import cases

AMBIGUOUS = "4915112345678"
BOTH = ("+494915112345678", "+4915112345678")


@pytest.fixture
def german(organization: Organization) -> Organization:
    organization.default_region, organization.allowed_countries = "DE", []
    organization.save()
    return organization


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/contacts/", {"phone": AMBIGUOUS}),
        ("/api/v1/do-not-call/", {"phone": AMBIGUOUS, "reason": "asked"}),
    ],
)
def test_a_single_entry_with_two_readings_is_refused_naming_both(
    api: ApiClient, german: Organization, path: str, body: dict[str, str]
) -> None:
    answer = api.post(path, body)
    assert answer.status_code == 400
    told = json.dumps(answer.json())
    assert all(number in told for number in BOTH) and "invalid_phone" in told
    assert not Contact.objects.exists() and not DoNotCall.objects.exists()


def test_a_do_not_call_entry_in_a_former_form_is_todays_number(api: ApiClient) -> None:
    for written in ("+52 1 55 4163 7199", "5215541637199", "+525541637199", "0052 1 5541637199"):
        answer = api.post("/api/v1/do-not-call/", {"phone": written, "reason": "asked"})
        assert answer.status_code in {200, 201}, answer.content
    assert DoNotCall.objects.get().phone == "+525541637199"


def test_an_organization_of_france_takes_contacts_overseas(api: ApiClient, organization: Organization) -> None:
    answer = api.post("/api/v1/contacts/", {"phone": "0692 12 34 56"})
    assert (answer.status_code, answer.json()["phone"]) == (201, "+262692123456")
    refused = api.post("/api/v1/contacts/", {"phone": "+1 876 555 1234"})  # Jamaica, though the US is allowed
    assert refused.status_code == 422, refused.content


def test_the_filter_of_contacts_finds_both_readings(api: ApiClient, german: Organization) -> None:
    for phone in (*BOTH, "+493012345678"):
        Contact.objects.create(organization=german, phone=phone)
    found = api.get("/api/v1/contacts/", {"phone": AMBIGUOUS}).json()["results"]
    assert {row["phone"] for row in found} == set(BOTH)


@cases(
    ("term", "region", "prefix"),
    [
        (AMBIGUOUS, "DE", BOTH[0]),
        (AMBIGUOUS, "DE", BOTH[1]),
        ("0692 12 34 56", "FR", "+262692123456"),
        ("0692 12", "FR", "+26269212"),
        ("0596 51 23 45", "FR", "+33596512345"),  # as an earlier version stored it
        ("+52 1 55 4163 7199", "FR", "+525541637199"),
        ("55 4163 7199", "MX", "+525541637199"),
        ("06 12", "FR", "+33612"),
        ("06 1234", "IT", "+39061234"),
        ("0033612", "FR", "+33612"),
        ("+33612", "FR", "+33612"),
        ("tel:+33 6 12", "US", "+33612"),  # as an address of a page or an e-mail has it
        ("Tél. : 06 12 34 56 78", "FR", "+33612345678"),
        ("\u202aMobile: 06 12\u202c", "FR", "+33612"),
    ],
)
def test_a_search_on_pages_looks_for_every_reading(term: str, region: str, prefix: str) -> None:
    assert prefix in e164_prefixes(term, [region])


@pytest.mark.parametrize("term", ["M. 2000 Dupont", "Tel Aviv 1909", "tel:", "T. 12 rue Pasteur", "B2 4150"])
def test_a_label_makes_no_number_of_a_name(term: str) -> None:
    assert e164_prefixes(term, ["FR"]) == set()


def test_half_a_number_overseas_is_not_searched_in_metropolitan_france() -> None:
    assert "+3369212" not in e164_prefixes("0692 12", ["FR"])


PLUSES_LOST = ["4915112345678", "491701234567", "491622897399", "493012345678"]


@pytest.mark.parametrize("read", [lambda rows: read_text("\n".join(rows), "DE"), lambda rows: of_file(rows, "DE")])
def test_a_column_of_a_do_not_call_file_decides(read: Any) -> None:
    found: Numbers = read(PLUSES_LOST)
    assert list(found.phones) == [f"+{cell}" for cell in PLUSES_LOST] and not found.unreadable
    undecided: Numbers = read(PLUSES_LOST[:3])
    assert not undecided.phones
    assert all("can be read as" in row.reason for row in undecided.unreadable) and len(undecided.unreadable) == 3


def test_columns_of_a_do_not_call_file_are_decided_one_by_one() -> None:
    rows = [f"{lost},{national}" for lost, national in zip(PLUSES_LOST, ["030123456", "", "", ""], strict=True)]
    found = read_file(("Phone,Mobile\n" + "\n".join(rows) + "\n").encode(), "x.csv", "DE")
    assert list(found.phones) == ["+4915112345678", "+4930123456", *(f"+{cell}" for cell in PLUSES_LOST[1:])]


def test_a_file_of_ambiguous_numbers_without_a_header_is_a_file_of_numbers() -> None:
    found = read_file(("\n".join(PLUSES_LOST) + "\n").encode(), "x.csv", "DE")
    assert len(found.phones) == 4


def of_file(rows: list[str], region: str) -> Numbers:
    return read_file(("phone\n" + "\n".join(rows) + "\n").encode(), "x.csv", region)
