from __future__ import annotations

import io
import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns import further_numbers
from campaigns.do_not_call import entries
from campaigns.imports import job, retention, undo, upload
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.rows import ContactRow, FurtherNumber
from campaigns.imports.upsert import Upsert
from campaigns.models import (
    Campaign,
    Contact,
    ContactImport,
    ContactList,
    ContactListMember,
    ImportOverwrite,
    Recipient,
)
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
    old = Contact.objects.create(organization=organization, phone=before, name="Zoé")
    imp = imported(contact_list, *PHONES)
    a_call(assistant, a_number(assistant.account), called)
    campaign = Campaign.objects.create(organization=organization, name="C", assistant=assistant)
    campaign.contact_lists.add(contact_list)
    Recipient.objects.create(campaign=campaign, contact=Contact.objects.get(phone=recipient))
    other = ContactList.objects.create(organization=organization, name="Other")
    ContactListMember.objects.create(contact_list=other, contact=Contact.objects.get(phone=elsewhere))

    assert undo.extent(imp) == undo.Extent(removed=4, kept=3, restored=1)
    assert undone(imp).status == "undone"
    assert left() == {before, called, recipient, elsewhere}
    assert set(contact_list.contacts.values_list("phone", flat=True)) == {called, recipient}
    assert other.contacts.get().phone == elsewhere
    old.refresh_from_db()
    assert old.name == "Zoé", "an updated contact stays, with the name that it had"
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


def a_file(contact_list: ContactList, text: str) -> ContactImport:
    imp = upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv")
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    return imp


def test_an_undo_restores_what_the_file_changed_except_what_somebody_changed_since(
    contact_list: ContactList, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo, "BATCH", 1)
    for phone in PHONES[:2]:
        Contact.objects.create(
            organization=organization, phone=phone, name="Old", timezone="Asia/Tokyo", variables={"city": "Lyon"}
        )
    imp = a_file(
        contact_list,
        "phone,name,external_id,timezone,city,age\n"
        + "".join(f"{phone},New,7,Europe/Paris,Nice,40\n" for phone in PHONES[:3]),
    )
    edited = Contact.objects.get(phone=PHONES[1])
    edited.name, edited.variables = "Edited", {"city": "Nice", "age": "41"}
    edited.save()
    undone(imp)
    first, second = Contact.objects.order_by("phone")
    assert (first.name, first.external_id, first.timezone, first.variables) == (
        "Old",
        "",
        "Asia/Tokyo",
        {"city": "Lyon"},
    )
    assert first.zone_fault == "contradicts", "it follows from the zone"
    assert (second.name, second.external_id, second.timezone, second.variables) == (
        "Edited",
        "",
        "Asia/Tokyo",
        {"city": "Lyon", "age": "41"},
    )
    assert (imp.restored, imp.removed) == (2, 1)
    assert "2 contacts that existed before got back" in imp.note
    assert not ImportOverwrite.objects.exists()


def test_an_undo_takes_away_the_numbers_that_the_import_added(
    contact_list: ContactList, organization: Organization
) -> None:
    contact = Contact.objects.create(organization=organization, phone=PHONES[0], name="Old")
    further_numbers.replace(contact, [(PHONES[1], "home")])
    imp = imported(contact_list, PHONES[0])
    rows = [
        ContactRow(
            line=2,
            phone=PHONES[0],
            name="New",
            external_id="",
            language="",
            timezone="",
            variables={},
            further_numbers=(FurtherNumber(PHONES[2], "work"), FurtherNumber(PHONES[1], "mobile")),
        )
    ]
    with transaction.atomic():
        Upsert(imp, ColumnMapping.of(["phone"], {"phone": "phone"})).write(rows)
    numbers = contact.further_numbers.order_by("position").values_list("position", "phone", "kind")
    assert list(numbers.all()) == [(1, PHONES[1], "mobile"), (2, PHONES[2], "work")]
    undone(imp)
    assert list(numbers.all()) == [(1, PHONES[1], "home")]


def test_numbers_that_the_file_put_on_the_do_not_call_list_stay_there(
    contact_list: ContactList, organization: Organization
) -> None:
    imp = imported(contact_list, PHONES[0])
    row = ContactRow(2, PHONES[1], "", "", "", "", {}, do_not_call=True)
    with transaction.atomic():
        Upsert(imp, ColumnMapping.of(["phone"], {"phone": "phone"})).write([row])
    ContactImport.objects.filter(pk=imp.pk).update(listed=1)
    imp = undone(imp)
    assert left() == set()
    assert entries.listed(organization.pk, PHONES, timezone.now()) == {PHONES[1]}
    assert "1 number that the file put on the do-not-call list stays there" in imp.note


def test_two_imports_undone_in_either_order_give_back_the_first_value_in_the_end(
    contact_list: ContactList, organization: Organization
) -> None:
    """The newer first: each gives back what it overwrote. The older first: the newer value is somebody's edit."""
    for newer_first, name in ((True, "Old"), (False, "Second")):
        Contact.objects.all().delete()
        Contact.objects.create(organization=organization, phone=PHONES[0], name="Old")
        imports = [a_file(contact_list, f"phone,name\n{PHONES[0]},{each}\n") for each in ("First", "Second")]
        for imp in reversed(imports) if newer_first else imports[:1]:
            undone(imp)
        assert Contact.objects.get().name == name


def test_what_imports_overwrote_is_kept_no_longer_than_their_files(
    contact_list: ContactList, organization: Organization
) -> None:
    Contact.objects.create(organization=organization, phone=PHONES[0], name="Old")
    fresh, old, being_undone = (a_file(contact_list, f"phone,name\n{PHONES[0]},{name}\n") for name in "ABC")
    now = timezone.now()
    for imp, days, status in ((fresh, 6, "completed"), (old, 8, "completed"), (being_undone, 8, "undoing")):
        ContactImport.objects.filter(pk=imp.pk).update(finished_at=now - timedelta(days=days), status=status)
    retention.forget(now)
    assert set(ImportOverwrite.objects.values_list("contact_import", flat=True)) == {fresh.pk, being_undone.pk}
    assert undo.extent(old).restored == 0


def facts(organization: Organization) -> dict[str, Any]:
    contact = Contact.objects.get(organization=organization)
    return {
        "name": contact.name,
        "consent": contact.consent_basis,
        **contact.variables,
        "numbers": dict(contact.further_numbers.values_list("phone", "kind")),
    }


FILES = (
    f"phone,name,city,phone 2\n{PHONES[0]},One,Lyon,{PHONES[1]}\n",
    f"phone,name,city,street\n{PHONES[0]},Two,,Rue A\n",
    f"phone,name,street,phone.home,consent basis\n{PHONES[0]},Three,Rue B,{PHONES[1]},contract\n",
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_imports_undone_in_any_order_leave_what_was_before_them(
    contact_list: ContactList, organization: Organization, order: tuple[int, ...]
) -> None:
    Contact.objects.create(organization=organization, phone=PHONES[0], name="Old", variables={"city": "Paris"})
    before, done = facts(organization), []
    for text in FILES:
        done.append(upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv"))
        assert job.run_step(done[-1].pk, PATIENCE)
    for place in order:
        undone(ContactImport.objects.get(pk=done[place].pk))
    assert facts(organization) == before


def test_what_a_person_wrote_between_two_imports_comes_back(
    contact_list: ContactList, organization: Organization
) -> None:
    Contact.objects.create(organization=organization, phone=PHONES[0], name="Old")
    done = []
    for text in FILES[:2]:
        done.append(upload.start_import(contact_list, io.BytesIO(text.encode()), "list.csv"))
        assert job.run_step(done[-1].pk, PATIENCE)
        if len(done) == 1:
            Contact.objects.update(name="By hand")
    for each in done:
        undone(ContactImport.objects.get(pk=each.pk))
    assert facts(organization)["name"] == "By hand"
