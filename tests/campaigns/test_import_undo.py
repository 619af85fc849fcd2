from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.imports import job, undo, upload
from campaigns.models import Campaign, Contact, ContactImport, ContactList, ContactListMember, Recipient
from providers.models import Assistant
from tenants.models import AuditEntry, Organization
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient, KeyMaker, a_number, an_account, an_assistant
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db
PHONES = [f"+3361234560{number}" for number in range(8)]


@pytest.fixture
def assistant(organization: Organization) -> Assistant:
    return an_assistant(an_account(organization))


def imported(contact_list: ContactList, *phones: str) -> ContactImport:
    text = "phone,name\n" + "".join(f"{phone},Ada\n" for phone in phones)
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv")
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    return imp


def undone(imp: ContactImport) -> ContactImport:
    undo.undo(imp, "ada@example.org")
    for _ in range(100):
        if undo.run_step(imp.pk, 0):
            break
    imp.refresh_from_db()
    return imp


def left() -> set[str]:
    return set(Contact.objects.values_list("phone", flat=True))


def test_what_the_import_created_goes_and_what_is_needed_stays(
    contact_list: ContactList, organization: Organization, assistant: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "BATCH", 2)
    before, called, recipient, elsewhere, *_ = PHONES
    old = Contact.objects.create(organization=organization, phone=before)
    imp = imported(contact_list, *PHONES)
    a_call(assistant, a_number(assistant.account), called)
    campaign = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    campaign.contact_lists.add(contact_list)
    Recipient.objects.create(campaign=campaign, contact=Contact.objects.get(phone=recipient))
    other = ContactList.objects.create(organization=organization, name="Other")
    ContactListMember.objects.create(contact_list=other, contact=Contact.objects.get(phone=elsewhere))

    assert undo.extent(imp) == undo.Extent(removed=4, kept=3)
    assert undone(imp).status == "undone"
    assert left() == {before, called, recipient, elsewhere}
    assert set(contact_list.contacts.values_list("phone", flat=True)) == {called, recipient}
    assert other.contacts.get().phone == elsewhere
    old.refresh_from_db()
    assert old.name == "Ada", "updated contacts stay"
    assert imp.removed == 4
    assert "4 contacts were removed. 3 contacts" in imp.note
    assert AuditEntry.objects.get(action="contactimport.undo").actor == "ada@example.org"


def test_a_person_called_long_before_leaves_the_list_and_stays(
    contact_list: ContactList, organization: Organization, assistant: Assistant
) -> None:
    Contact.objects.create(organization=organization, phone=PHONES[0])
    call = a_call(assistant, a_number(assistant.account), PHONES[0])
    type(call).objects.update(created_at=timezone.now() - timedelta(days=1))
    undone(imported(contact_list, *PHONES[:2]))
    assert left() == {PHONES[0]}
    assert not contact_list.contacts.exists()


def test_members_of_the_list_before_the_import_stay_on_it(contact_list: ContactList) -> None:
    first = imported(contact_list, *PHONES[:3])
    undone(imported(contact_list, *PHONES[:5]))
    assert left() == set(contact_list.contacts.values_list("phone", flat=True)) == set(PHONES[:3])
    undone(first)
    assert left() == set()


def test_undoing_again_changes_nothing(contact_list: ContactList) -> None:
    imp = undone(imported(contact_list, *PHONES))
    imported(contact_list, *PHONES)
    assert undone(imp).removed == 8
    assert left() == set(PHONES)
    assert AuditEntry.objects.filter(action="contactimport.undo").count() == 1


@pytest.mark.parametrize("status", ["pending", "running"])
def test_an_import_that_runs_is_not_undone(contact_list: ContactList, status: str) -> None:
    imp = imported(contact_list, *PHONES)
    ContactImport.objects.update(status=status)
    with pytest.raises(undo.NotOver, match="Cancel it first"):
        undo.undo(imp, "ada")
    assert undo.due() == []


def test_a_canceled_import_is_undone(contact_list: ContactList) -> None:
    imp = imported(contact_list, *PHONES)
    ContactImport.objects.update(status="canceled")
    assert undone(imp).removed == 8


def test_two_workers_never_undo_the_same_import(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    imp = imported(contact_list, *PHONES)
    undo.undo(imp, "ada")
    assert undo.due() == [imp.pk]
    real = undo._remove_members

    def slow(*given: Any) -> bool:
        assert undo.due() == []
        assert not undo.run_step(imp.pk, PATIENCE)
        ContactImport.objects.update(lease_until=timezone.now() + timedelta(seconds=60))  # taken over
        return real(*given)

    monkeypatch.setattr(undo, "_remove_members", slow)
    assert not undo.run_step(imp.pk, PATIENCE)
    assert left() == set(PHONES), "a worker whose lease was taken over removes nothing"


def test_an_interrupted_undo_goes_on(contact_list: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo, "BATCH", 3)
    imp = imported(contact_list, *PHONES)
    undo.undo(imp, "ada")
    assert not undo.run_step(imp.pk, 0)
    assert 0 < contact_list.contacts.count() < 8
    assert undone(imp).removed == 8
    assert left() == set()


def test_an_undo_is_asked_for_over_the_api(
    contact_list: ContactList, organization: Organization, client_for: KeyMaker
) -> None:
    api: ApiClient = client_for(organization)
    imp = imported(contact_list, *PHONES)
    path = f"/api/v1/imports/{imp.uuid}/undo/"
    first, again = api.post(path), api.post(path)
    assert (first.status_code, first.json()["status"]) == (202, "undoing")
    assert again.json() == first.json()
    assert undo.run_step(imp.pk, PATIENCE)
    over = api.post(path)
    assert (over.status_code, over.json()["status"]) == (200, "undone")
    assert client_for(organization, "call").post(path).status_code == 403
    ContactImport.objects.update(status="running")
    refused = api.post(path)
    assert (refused.status_code, refused.json()) == (
        409,
        {"error": "This import is still running. Cancel it first, then undo it."},
    )


def test_a_contact_deleted_while_a_transaction_waits_for_it_is_created_again(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An insert that conflicts with a row being deleted inserts nothing, and then there is no row to lock."""
    real, turns = Contact.objects.bulk_create, []

    def meets_a_row_that_goes(*given: Any, **fields: Any) -> Any:
        turns.append(1)
        return [] if len(turns) == 1 else real(*given, **fields)

    monkeypatch.setattr(Contact.objects, "bulk_create", meets_a_row_that_goes)
    entries.add(organization, PHONES[0], reason="asked", source="staff")
    assert (left(), len(turns)) == ({PHONES[0]}, 2)
