"""Notes about a contact: who wrote what and when, on its page, on its calls' pages and over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from calls.actions import erasure
from calls.models import Call, ContactNote
from campaigns.models import Contact
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Organization
from tests.calls import support
from tests.conftest import ApiClient, KeyMaker
from tests.tenants.test_routes import staff_of

NOTES = "/api/v1/contact-notes/"
TEXT = "Prefers the afternoon.\nAsk for Grace."


@pytest.fixture
def call(phone_number: PhoneNumber, assistant: Assistant) -> Call:
    return support.single(phone_number, "+33612345601")


def test_a_program_writes_reads_and_deletes_a_note(api: ApiClient, contact: Contact, call: Call) -> None:
    of_contact = api.post(NOTES, {"contact": str(contact.uuid), "text": TEXT})
    assert of_contact.status_code == 201, of_contact.content
    of_call = api.post(NOTES, {"contact": str(call.contact.uuid), "call": str(call.uuid), "text": "Hung up."}).json()
    assert of_contact.json()["text"] == TEXT and of_contact.json()["author"] and of_contact.json()["call"] is None
    assert [row["id"] for row in api.get(f"{NOTES}?call={call.uuid}").json()["results"]] == [of_call["id"]]
    assert [row["text"] for row in api.get(f"{NOTES}?contact={contact.uuid}").json()["results"]] == [TEXT]
    assert api.delete(f"{NOTES}{of_call['id']}/").status_code == 204
    assert ContactNote.objects.count() == 1
    entries = AuditEntry.objects.filter(action__startswith="contact.note").order_by("pk")
    assert [entry.action for entry in entries] == ["contact.note_added", "contact.note_added", "contact.note_deleted"]
    assert TEXT not in str([entry.detail for entry in entries]), "the log has no second copy of what it says"


def test_a_note_is_never_changed_and_is_about_one_contact(
    api: ApiClient, contact: Contact, call: Call, stranger: Organization
) -> None:
    made = api.post(NOTES, {"contact": str(contact.uuid), "text": TEXT}).json()
    assert api.patch(f"{NOTES}{made['id']}/", {"text": "Other"}).status_code == 405
    wrong = api.post(NOTES, {"contact": str(contact.uuid), "call": str(call.uuid), "text": "x"})
    assert wrong.status_code == 400 and wrong.json()["details"][0]["field"] == "call"
    foreign = Contact.objects.create(organization=stranger, phone="+33612345609")
    assert api.post(NOTES, {"contact": str(foreign.uuid), "text": "x"}).status_code == 400
    for text in ("", "   ", "x" * 2001, 5):
        assert api.post(NOTES, {"contact": str(contact.uuid), "text": text}).status_code == 400
    assert ContactNote.objects.count() == 1


def test_a_reading_key_writes_none(organization: Organization, contact: Contact, client_for: KeyMaker) -> None:
    reader, caller = client_for(organization, "read"), client_for(organization, "call")
    assert reader.post(NOTES, {"contact": str(contact.uuid), "text": "x"}).status_code == 403
    made = caller.post(NOTES, {"contact": str(contact.uuid), "text": "x"}).json()
    assert caller.delete(f"{NOTES}{made['id']}/").status_code == 403


def test_a_clerk_writes_on_either_page_and_reads_on_both(organization: Organization, call: Call) -> None:
    clerk: Client = staff_of(organization, "operator")
    contact_page = f"/admin/campaigns/contact/{call.contact.pk}/"
    call_page = f"/admin/calls/call/{call.pk}/"
    assert clerk.post(f"{contact_page}do/note/", {"text": TEXT}).status_code == 302
    assert clerk.post(f"{call_page}do/note/", {"text": "<b>Hung up</b>"}).status_code == 302
    for page in (contact_page, call_page):
        shown = clerk.get(f"{page}change/").content.decode()
        assert "Ask for Grace." in shown and "&lt;b&gt;Hung up&lt;/b&gt;" in shown
    assert [bool(note.call) for note in ContactNote.objects.order_by("pk")] == [False, True]
    assert staff_of(organization, "viewer").post(f"{contact_page}do/note/", {"text": "x"}).status_code == 403


def test_an_erased_contact_has_no_notes_and_gets_none(api: ApiClient, contact: Contact, call: Call) -> None:
    api.post(NOTES, {"contact": str(contact.uuid), "text": TEXT})
    Call.objects.update(contact=contact, status="completed")
    erasure.erase(contact, actor="ada", reason="asked", never_again=False)
    assert not ContactNote.objects.exists()
    contact.refresh_from_db()
    assert contact.erased_at
    assert api.post(NOTES, {"contact": str(contact.uuid), "text": "x"}).status_code in (400, 409)
