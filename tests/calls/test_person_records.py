"""What is kept and found about a person with several numbers: silence, search, evidence, erasure."""

from __future__ import annotations

import csv

import pytest

from calls.actions import erasure, quiescing, single_calls
from calls.dialing import placing
from calls.models import Call, Status
from calls.outcomes import recording
from calls.reports import evidence_csv, search
from campaigns import further_numbers
from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactNumber, DoNotCall
from campaigns.models.number_hash import number_hash
from providers.adapters.base import CallState, Reading
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support

ONE, TWO, THREE, OTHER = "+12125550150", "+12125550151", "+12125550152", "+12125550159"


@pytest.fixture
def holder(callers: Organization) -> Contact:
    """A person with three numbers."""
    found = Contact.objects.create(organization=callers, phone=ONE, name="Ada")
    further_numbers.replace(found, [(TWO, "home"), (THREE, "work")])
    return found


def called(number: PhoneNumber, to: str, holder: Contact | None = None) -> Call:
    """Return an ended call to the number, of this contact."""
    made = support.single(number, to, **({"contact": holder} if holder else {}))
    [claim] = placing.claim(number.account_id)
    recording.record(claim.call.pk, Reading(state=CallState.COMPLETED, provider_call_id=f"p{made.pk}"), "poll")
    support.change(Call.objects.all(), next_read_at=None)
    return Call.objects.get(pk=made.pk)


def evidence(organization: Organization, phone: str) -> list[dict[str, str]]:
    return list(csv.DictReader("".join(evidence_csv.lines([organization.pk], phone)).lstrip("\ufeff").splitlines()))


@pytest.mark.parametrize("listed", [ONE, TWO, THREE])
@pytest.mark.parametrize("rings", [ONE, TWO])
def test_listing_any_number_names_the_open_calls_to_the_person(
    number: PhoneNumber, holder: Contact, listed: str, rings: str
) -> None:
    made = support.single(number, rings, contact=holder, status=Status.RINGING, next_read_at=holder.created_at)
    support.single(number, OTHER, status=Status.RINGING, next_read_at=holder.created_at)
    entry, _ = entries.add(number.organization, listed, source="test")
    assert list(quiescing.silence_number(entry)) == [made]
    assert list(quiescing.silence_numbers(number.organization_id, ["+33612345678", listed])) == [made]


@pytest.mark.parametrize("term", [ONE, TWO, THREE, "+1 (212) 555-0152", "2125550151", "+1212555015"])
def test_search_finds_a_person_by_any_number(callers: Organization, holder: Contact, term: str) -> None:
    Contact.objects.create(organization=callers, phone="+33612345678")
    asked = search.read(term, [callers.pk], lambda: ["US"])
    assert search.contacts(asked) == [holder]
    assert search.of_numbers(asked.numbers, [callers.pk]) == [holder.pk]


def test_search_does_not_find_persons_of_other_organizations(callers: Organization, holder: Contact) -> None:
    stranger = Organization.objects.create(tenant=callers.tenant, name="Stranger")
    asked = search.read(TWO, [stranger.pk], lambda: ["US"])
    assert search.contacts(asked) == []
    assert search.of_numbers(asked.numbers, [stranger.pk]) == []


def test_erasure_deletes_the_further_numbers_and_keeps_them_listed(number: PhoneNumber, holder: Contact) -> None:
    erasure.erase(holder, actor="ada", reason="asked", never_again=True)
    assert not ContactNumber.objects.exists()
    listed = dict(DoNotCall.objects.values_list("phone_hash", "phone"))
    assert listed == {number_hash(phone): "" for phone in (ONE, TWO, THREE)}
    with pytest.raises(single_calls.Refused):
        single_calls.place_single(
            single_calls.Order(number.organization, number.account.assistants.get(), number, THREE)
        )


def test_while_calls_count_all_numbers_of_an_erased_person_are_listed(number: PhoneNumber, holder: Contact) -> None:
    called(number, TWO, holder)
    erasure.erase(holder, actor="ada", reason="asked", never_again=False)
    listed = DoNotCall.objects.exclude(expires_at=None)
    assert set(listed.values_list("phone_hash", flat=True)) == {number_hash(phone) for phone in (ONE, TWO, THREE)}


def test_the_entry_of_a_number_that_another_person_has_keeps_it(number: PhoneNumber, holder: Contact) -> None:
    Contact.objects.create(organization=number.organization, phone=TWO)
    erasure.erase(holder, actor="ada", reason="asked", never_again=True)
    assert set(DoNotCall.objects.values_list("phone", flat=True)) == {"", TWO}


@pytest.mark.parametrize("erased", [False, True])
def test_evidence_names_the_calls_to_one_number_alone(number: PhoneNumber, holder: Contact, erased: bool) -> None:
    calls = {to: called(number, to, holder) for to in (ONE, TWO)}
    if erased:
        erasure.erase(holder, actor="ada", reason="asked", never_again=False)
        assert Call.objects.get(pk=calls[TWO].pk).to_number == ""
    for to, call in calls.items():
        assert [row["id"] for row in evidence(number.organization, to)] == [str(call.uuid)]
    assert evidence(number.organization, THREE) == []
