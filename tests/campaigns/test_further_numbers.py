"""Further numbers of a contact, and who is locked when a number is listed."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from campaigns import further_numbers
from campaigns.contact_locks import lock_contact, lock_holders
from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactNumber, DoNotCall
from tenants.models import Organization

pytestmark = pytest.mark.django_db

FIRST, SECOND, THIRD, FOURTH = "+12125550150", "+12125550151", "+12125550152", "+12125550153"


@pytest.fixture
def person(organization: Organization) -> Contact:
    return Contact.objects.create(organization=organization, phone=FIRST)


def numbers_of(contact: Contact) -> list[tuple[int, str, str]]:
    return list(contact.further_numbers.values_list("position", "phone", "kind"))


def test_further_numbers_keep_their_order_and_kind(person: Contact) -> None:
    assert further_numbers.replace(person, [(THIRD, "home"), (SECOND, "")])
    assert numbers_of(person) == [(1, THIRD, "home"), (2, SECOND, "")]


def test_other_numbers_replace_them(person: Contact) -> None:
    further_numbers.replace(person, [(SECOND, "home"), (THIRD, "")])
    assert further_numbers.replace(person, [(THIRD, "work"), (SECOND, "home"), (FOURTH, "other")])
    assert numbers_of(person) == [(1, THIRD, "work"), (2, SECOND, "home"), (3, FOURTH, "other")]


def test_the_same_numbers_change_nothing(person: Contact) -> None:
    further_numbers.replace(person, [(SECOND, "home")])
    kept = list(ContactNumber.objects.values_list("pk", flat=True))
    assert not further_numbers.replace(person, [(SECOND, "home")])
    assert list(ContactNumber.objects.values_list("pk", flat=True)) == kept


@pytest.mark.parametrize(
    "numbers",
    [
        [(f"+1212555016{n}", "") for n in range(5)],
        [(SECOND, ""), (SECOND, "home")],
        [(FIRST, "")],
        [("2125550151", "")],
        [(SECOND, "fax")],
    ],
    ids=["six in all", "one twice", "the first again", "not E.164", "unknown kind"],
)
def test_what_cannot_be_further_numbers_is_refused(person: Contact, numbers: list[tuple[str, str]]) -> None:
    further_numbers.replace(person, [(FOURTH, "")])
    with pytest.raises(ValidationError):
        further_numbers.replace(person, numbers)
    assert numbers_of(person) == [(1, FOURTH, "")]


def test_four_further_numbers_are_allowed(person: Contact) -> None:
    further_numbers.replace(person, [(f"+1212555016{n}", "") for n in range(4)])
    assert person.further_numbers.count() == 4


def test_everyone_who_has_a_number_is_locked(person: Contact, organization: Organization) -> None:
    other = Contact.objects.create(organization=organization, phone=SECOND)
    further_numbers.replace(person, [(SECOND, "")])
    further_numbers.replace(other, [(THIRD, "")])
    stranger = Organization.objects.create(tenant=organization.tenant, name="Stranger")
    Contact.objects.create(organization=stranger, phone=SECOND)
    assert lock_holders(organization.pk, [SECOND]) == [person, other]
    assert lock_holders(organization.pk, [THIRD]) == [other]
    assert lock_holders(organization.pk, [FOURTH]) == []


def test_a_contact_is_made_for_a_number_that_is_only_a_further_one(person: Contact, organization: Organization) -> None:
    further_numbers.replace(person, [(SECOND, "")])
    made = lock_contact(organization, SECOND)
    assert made != person
    assert made.phone == SECOND


def test_many_numbers_are_listed_also_those_that_are_further_ones(person: Contact, organization: Organization) -> None:
    further_numbers.replace(person, [(SECOND, "")])
    assert entries.add_many(organization, [FIRST, SECOND, THIRD, THIRD], reason="", source="page") == 3
    assert set(DoNotCall.objects.values_list("phone", flat=True)) == {FIRST, SECOND, THIRD}


def test_a_former_form_beside_todays_number_is_found_as_both(organization: Organization) -> None:
    today, before = "+525541637199", "+5215541637199"
    entries.add(organization, before, source="test")
    assert entries.listed(organization.pk, [before, today, FIRST], timezone.now()) == {before, today}


@pytest.mark.parametrize("phone", ["erased7c", "", "+"])
def test_what_is_no_number_is_listed_nowhere(organization: Organization, phone: str) -> None:
    """An erased contact has no number any more."""
    assert entries.listed(organization.pk, [phone], timezone.now()) == set()
