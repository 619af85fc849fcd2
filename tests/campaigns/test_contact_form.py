"""The form, page, list and search of contacts with several numbers, as a team member uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactNumber
from tenants.models import AuditEntry, Organization
from tests.test_admin import SignIn, sign_in
from tests.test_saved_unchanged import submitted

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db
LIST, ADD = "/admin/campaigns/contact/", "/admin/campaigns/contact/add/"
FIRST, WORK, HOME = "+33612345678", "+33142345678", "+33442345678"


@pytest.fixture
def manager(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization, "manager")


@pytest.fixture
def ada(organization: Organization) -> Contact:
    found = Contact.objects.create(organization=organization, phone=FIRST, phone_kind="mobile", name="Ada")
    for position, (phone, kind) in enumerate([(WORK, "work"), (HOME, "")], 1):
        ContactNumber.objects.create(
            organization=organization, contact=found, phone=phone, kind=kind, position=position
        )
    return found


def path_of(contact: Contact) -> str:
    return f"{LIST}{contact.pk}/change/"


def opened(client: Client, path: str, field: str = "_seen") -> dict[str, Any]:
    return submitted(client.get(path).content.decode(), field)


def kept(contact: Contact) -> list[tuple[int, str, str]]:
    return list(contact.further_numbers.order_by("position").values_list("position", "phone", "kind"))


def row(number: int, phone: str, kind: str = "") -> dict[str, Any]:
    return {f"further_numbers-{number}-phone": phone, f"further_numbers-{number}-kind": kind}


def test_a_contact_is_added_with_several_numbers_without_a_script(manager: Client) -> None:
    form = opened(manager, ADD, "phone") | {"phone": "06 12 34 56 78", "phone_kind": "mobile", "name": "Ada"}
    form |= row(0, "01 42 34 56 78", "work") | row(3, HOME)
    assert manager.post(ADD, form).status_code == 302
    found = Contact.objects.get()
    assert (found.phone, found.phone_kind) == (FIRST, "mobile")
    assert kept(found) == [(1, WORK, "work"), (2, HOME, "")]


def test_the_form_has_as_many_rows_as_numbers_are_allowed(manager: Client, ada: Contact) -> None:
    """Those it has, an empty one, and the others on request: by a script, or in a part that opens without scripts."""
    form = manager.get(path_of(ada)).content.decode()
    assert len(re.findall(r'name="further_numbers-\d-phone"', form)) == 4
    scripted = re.sub(r"<noscript>.*?</noscript>", "", form, flags=re.DOTALL)
    rows = ada.further_numbers.count() + 1
    assert len(re.findall(r'name="further_numbers-\d-phone"', scripted)) == rows < 4
    assert f'name="further_numbers-rows" value="{rows}"' in scripted and 'data-rows-most="4"' in scripted
    assert "Add another number" in scripted and "further_numbers-__row__" in scripted and "variables-__row__" in form
    for phone in ("+33142345670", "+33142345671")[: 4 - rows + 1]:
        ada.further_numbers.create(organization=ada.organization, phone=phone, position=ada.further_numbers.count() + 1)
    full = manager.get(path_of(ada)).content.decode()
    assert ada.further_numbers.count() == 4
    assert "Add another number" not in full and "further_numbers-__row__" not in full


def test_numbers_are_changed_put_in_order_and_removed(manager: Client, ada: Contact) -> None:
    form = opened(manager, path_of(ada)) | row(0, HOME, "home") | row(1, "01 42 34 56 78", "work")
    assert manager.post(path_of(ada), form).status_code == 302
    assert kept(ada) == [(1, HOME, "home"), (2, WORK, "work")]
    entry = AuditEntry.objects.get(action="contact.changed")
    assert entry.detail == {"fields": ["further_numbers"]}
    before, ada_now = ada.updated_at, Contact.objects.get()
    assert ada_now.updated_at > before
    manager.post(path_of(ada), opened(manager, path_of(ada)) | row(0, ""))
    assert kept(ada) == [(1, WORK, "work")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (row(2, FIRST), "give each number of a contact once"),
        (row(2, "04 42 34 56 78"), "give each number of a contact once"),
        (row(2, "12"), "12"),
        (row(2, "+4930123456"), "DE"),
        (row(2, "", "work"), "number"),
        (
            row(2, "+33142345670") | row(3, "+33142345671") | row(4, "+33142345672") | {"further_numbers-rows": "5"},
            "at most",
        ),
    ],
)
def test_what_cannot_be_a_further_number_is_refused(
    manager: Client, ada: Contact, rows: dict[str, Any], message: str
) -> None:
    before = kept(ada)
    answer = manager.post(path_of(ada), opened(manager, path_of(ada)) | rows)
    assert answer.status_code == 200
    assert message in " ".join(answer.context["adminform"].form.errors["further_numbers"])
    assert kept(ada) == before


def test_a_number_of_a_country_that_is_called_no_more_stays(manager: Client, ada: Contact) -> None:
    ContactNumber.objects.filter(phone=HOME).update(phone="+4930123456")
    assert manager.post(path_of(ada), opened(manager, path_of(ada)) | row(0, "")).status_code == 302
    assert kept(ada) == [(1, "+4930123456", "")]


def test_the_page_shows_every_number_with_its_kind_and_which_one_is_listed(
    manager: Client, ada: Contact, organization: Organization
) -> None:
    page = manager.get(path_of(ada)).content.decode()
    assert "06 12 34 56 78 (FR, mobile), +33612345678" in page
    assert "01 42 34 56 78 (FR, work), +33142345678" in page and "04 42 34 56 78 (FR), +33442345678" in page
    assert "On the do-not-call list." not in page
    entries.add(organization, HOME, source="staff")
    page = manager.get(path_of(ada)).content.decode()
    assert "On the do-not-call list." in page and "04 42 34 56 78. Since" in page


def test_the_list_finds_a_contact_by_any_number_and_says_that_it_is_not_called(
    manager: Client, ada: Contact, organization: Organization, stranger: Organization
) -> None:
    bob = Contact.objects.create(organization=organization, phone="+33612345679", name="Bob")
    theirs = Contact.objects.create(organization=stranger, phone=FIRST, name="Theirs")
    ContactNumber.objects.create(organization=stranger, contact=theirs, phone=HOME, position=1)
    entries.add(organization, WORK, source="staff")

    def found(term: str) -> list[tuple[int, bool]]:
        rows = manager.get(LIST, {"q": term}).context["cl"].result_list
        return [(each.pk, each.listed) for each in rows]

    for term in ("04 42 34 56 78", "0442", "+33442345678", "33442345678", "06 12 34 56 78", "Ada"):
        assert found(term) == [(ada.pk, True)], term
    assert found("+336") == [(bob.pk, False), (ada.pk, True)]
    assert found("+4930") == []


def test_a_viewer_reads_the_numbers(sign_in: SignIn, organization: Organization, ada: Contact) -> None:
    page = sign_in(organization, "viewer").get(path_of(ada)).content.decode()
    assert "01 42 34 56 78 (FR, work)" in page and "further_numbers-0-phone" not in page


def test_a_value_that_nobody_means_to_speak_is_saved_with_a_warning(manager: Client, ada: Contact) -> None:
    form = opened(manager, path_of(ada))
    page = manager.post(path_of(ada), form | {"name": "Ada undefined"}, follow=True).content.decode()
    ada.refresh_from_db()
    assert ada.name == "Ada undefined" and "Nobody means to speak this" in page
    page = manager.post(
        path_of(ada), opened(manager, path_of(ada)) | {"name": "Ada Null"}, follow=True
    ).content.decode()
    assert "Nobody means to speak this" not in page
