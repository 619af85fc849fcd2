"""Erasing a contact removes its data everywhere. The calls and the do-not-call entry stay."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from calls.actions import erasure, recipients, scheduled_callbacks, single_calls
from calls.actions.quiescing import IllegalTransition
from calls.dialing import enqueueing, placing
from calls.gate import facts as fact_sheet
from calls.models import Call, CallBack, CallEvent, ProviderCallback, Status, WebhookDelivery
from calls.outcomes import recording, staff_decisions
from calls.reports import evidence_csv, transcripts
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactImport, ContactList, DoNotCall, ImportOverwrite, Recipient
from campaigns.models.number_hash import number_hash
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging
from providers.models import PhoneNumber
from tenants.models import Alert, AuditEntry, Membership, Organization, WebhookEndpoint
from tests.calls import support
from tests.calls.test_interleavings import Beside, held
from tests.conftest import ApiClient
from tests.waiting import PATIENCE

connection = connection  # named in a condition below
NUMBER = "+12125550150"
NAME = "Canaria Quillfeather"
SECRETS = (NUMBER, NAME, "Quillfeather", "canary-slot", "canary-id", "canary-said")


def erase(contact: Contact, **given: Any) -> None:
    erasure.erase(contact, **{"actor": "olga", "reason": "Asked by letter.", "never_again": False, **given})


def everything_kept() -> str:
    """Return every value of every row of the database as text."""
    found = []
    for model in apps.get_models():
        for row in model._default_manager.values():
            found += [
                f"{model.__name__}.{name}: {bytes(value) if isinstance(value, memoryview) else value!r}"
                for name, value in row.items()
            ]
    return "\n".join(found)


@pytest.fixture
def person(recipient: Recipient, number: PhoneNumber) -> Contact:
    """A contact with calls and a transcript, and with data in every table."""
    Contact.objects.filter(pk=recipient.contact_id).update(
        name=NAME, external_id="canary-id", variables={"slot": "canary-slot"}, consent_basis="written"
    )
    recipient.contact.refresh_from_db()
    Campaign.objects.update(variables={"slot": "{{ contact.variables.slot }}"})
    User.objects.create(username="olga")
    LogEntry.objects.create(
        user=User.objects.get(),
        content_type=ContentType.objects.get_for_model(Contact),
        object_id=str(recipient.contact_id),
        object_repr=str(recipient.contact),
        action_flag=CHANGE,
    )
    endpoint = WebhookEndpoint.objects.create(organization=number.organization, url="https://example.org/hook")
    enqueueing.feed(recipient.campaign_id)
    [claim] = placing.claim(number.account_id)
    placing.record(claim, Reading(CallState.RINGING, provider_call_id="x1"))
    ended = Reading(CallState.NO_ANSWER, result={"said": "canary-said"})
    recording.record(claim.call.pk, ended, "read", NAME.encode())
    call = Call.objects.get()
    CallEvent.objects.create(call=call, type="read_failed", source="read", detail=f"About {NUMBER}", raw=b"canary-said")
    ProviderCallback.objects.create(call=call, account=call.account, verification="unsigned", body=NAME.encode())
    WebhookDelivery.objects.all().update(status="delivered", body=f'{{"to": "{NUMBER}"}}', endpoint=endpoint)
    recipient.refresh_from_db()
    promised = scheduled_callbacks.schedule(
        recipient, timezone.now() + timedelta(minutes=1), actor="olga", note=f"{NAME} asked for it"
    )
    CallBack.objects.filter(pk=promised.pk).update(latest_at=timezone.now(), due_at=timezone.now() - timedelta(hours=1))
    scheduled_callbacks.step(timezone.now())
    assert NAME in Alert.objects.get().message
    into = ContactList.objects.create(organization=number.organization, name="Imported")
    imp = ContactImport.objects.create(
        organization=number.organization, contact_list=into, filename="crm.csv", file="x"
    )
    ImportOverwrite.objects.create(
        contact_import=imp, contact=recipient.contact, before={"name": NAME}, after={f"numbers.{NUMBER}": ""}
    )
    recipients.hold(recipient.contact, actor="olga", reason=f"{NAME} is away")
    recipients.unhold(recipient.contact, actor="olga")
    return recipient.contact


def test_who_is_erased_is_found_in_no_table(person: Contact) -> None:
    before = everything_kept()
    assert [word for word in SECRETS if word not in before] == []
    erase(person)
    kept = everything_kept()
    assert {word: [line for line in kept.splitlines() if word in line] for word in SECRETS if word in kept} == {}


def test_what_somebody_wrote_about_a_call_is_erased(recipient: Recipient, number: PhoneNumber) -> None:
    enqueueing.feed(recipient.campaign_id)
    [claim] = placing.claim(number.account_id)
    placing.record(claim, MayBeRinging("?"))
    staff_decisions.release(claim.call.pk, actor="olga", reason=f"{NAME} told me")
    kept = everything_kept()
    for table in ("AuditPersonal.value", "StaffDecision.reason", "CallEvent.detail"):
        assert [line for line in kept.splitlines() if line.startswith(table) and NAME in line], table
    assert not [line for line in kept.splitlines() if line.startswith("AuditEntry.") and NAME in line]
    Call.objects.update(polling=None)  # nothing is awaited any more
    erase(recipient.contact)
    assert NAME not in everything_kept()
    assert CallEvent.objects.filter(detail="olga: it was not placed. ").count() == 1
    assert "reason" in AuditEntry.objects.get(action="call.release").commitments


def test_systems_are_told_how_it_ended_and_not_of_whom(recipient: Recipient, number: PhoneNumber) -> None:
    WebhookEndpoint.objects.create(organization=number.organization, url="https://example.org/hook")
    support.single(number, NUMBER, customer_name=NAME, created_by="olga", callback_url="https://example.org/call")
    erase(recipient.contact)
    told = [json.loads(row.body)["data"] for row in WebhookDelivery.objects.exclude(body="")]
    assert [(each["status"], each["to_number"], each["customer_name"]) for each in told] == [("canceled", "", "")]
    assert WebhookDelivery.objects.filter(endpoint=None, status="pending").count() == 1
    assert NUMBER not in everything_kept() and NAME not in everything_kept()


def test_that_calls_were_made_stays_and_answers_a_dispute(person: Contact, program: ApiClient) -> None:
    erase(person)
    call = Call.objects.first()
    assert call and (call.to_number, call.customer_name, call.result) == ("", "", None)
    assert call.decision["checks"] and call.dialed_at
    [told, *_] = [
        row
        for row in csv.DictReader(io.StringIO("".join(evidence_csv.lines([person.organization_id], NUMBER))))
        if row["provider_call_id"] == "x1"
    ]
    assert (told["status"], told["name"], told["consent_basis"]) == ("no_answer", "", "written")
    assert "calling_hours" in told["checks"]
    # The API does not show the empty contact that the calls refer to.
    assert program.get(f"/api/v1/contacts/{person.uuid}/").status_code == 404
    assert program.get("/api/v1/contacts/").json()["results"] == []
    shown = program.get(f"/api/v1/calls/{call.uuid}/").json()
    assert (shown["to_number"], shown["customer_name"], shown["dynamic_variables"]) == ("", "", {})
    [row] = program.get(f"/api/v1/campaigns/{call.campaign.uuid}/recipients/").json()["results"]  # type: ignore[union-attr]
    assert row["phone"] == ""
    with pytest.raises(transcripts.NoTranscript):
        transcripts.read(call)
    entry = AuditEntry.objects.get(action="contact.erase")
    assert (entry.actor, entry.detail, entry.subject) == ("olga", {"reason": "Asked by letter."}, str(person.uuid))


def test_a_provider_that_calls_back_later_is_not_listened_to(person: Contact, client: Client) -> None:
    call = Call.objects.get(provider_call_id="x1")
    address = f"/hooks/allomia/{call.callback_token}"
    assert client.post(address, {}, content_type="application/json").status_code == 200
    erase(person)
    assert client.post(address, {"phone": NUMBER}, content_type="application/json").status_code == 404


def test_a_do_not_call_entry_outlives_the_person(person: Contact) -> None:
    entries.add(person.organization, NUMBER, reason="asked", source="staff")
    erase(person)
    entry = DoNotCall.objects.get()
    assert (entry.phone, entry.phone_hash, entry.reason) == ("", number_hash(NUMBER), "asked")
    assert entries.listed(person.organization_id, [NUMBER], timezone.now()) == {NUMBER}


def test_the_number_can_be_listed_as_the_person_goes(person: Contact) -> None:
    erase(person, never_again=True)
    assert entries.listed(person.organization_id, [NUMBER], timezone.now()) == {NUMBER}
    assert NUMBER not in everything_kept()


@pytest.mark.parametrize(
    ("a_month", "gap", "rests"),
    [(None, 240, timedelta(days=1)), (9, 240, timedelta(days=30)), (None, 3000, timedelta(minutes=3000))],
)
def test_a_number_imported_again_is_not_called_sooner_than_before(
    person: Contact, a_month: int | None, gap: int, rests: timedelta
) -> None:
    Organization.objects.update(max_attempts_per_30_days=a_month)
    Campaign.objects.update(min_gap_minutes=gap)
    person.organization.refresh_from_db()
    dialed = Call.objects.get().dialed_at
    assert dialed is not None
    erase(person)
    assert NUMBER not in everything_kept()
    assert entries.listed(person.organization_id, [NUMBER], dialed + rests - timedelta(seconds=1)) == {NUMBER}
    assert not entries.listed(person.organization_id, [NUMBER], dialed + rests)


def test_an_erasure_that_is_refused_lists_nothing(person: Contact, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(contact: Contact) -> None:
        raise IllegalTransition("A call was queued at the same moment.")

    monkeypatch.setattr(erasure, "_forget_texts", busy)  # among the last things done
    with pytest.raises(IllegalTransition):
        erase(person)
    assert not DoNotCall.objects.exists()


def test_a_number_called_long_ago_does_not_rest(person: Contact) -> None:
    Call.objects.update(dialed_at=timezone.now() - timedelta(days=2))
    erase(person)
    assert not DoNotCall.objects.exists()


def test_whoever_was_never_called_is_deleted_whole(organization: Organization, contact: Contact) -> None:
    erase(contact)
    assert not Contact.objects.exists()
    assert AuditEntry.objects.filter(action="contact.erase").count() == 1


def test_queued_calls_are_taken_back_and_nothing_can_follow(recipient: Recipient, number: PhoneNumber) -> None:
    enqueueing.feed(recipient.campaign_id)
    single = support.single(number, NUMBER, created_by="olga")
    erase(recipient.contact)
    assert set(Call.objects.values_list("status", "ended_reason")) == {
        (Status.CANCELED, "withdrawn"),
        (Status.CANCELED, "erased"),
    }
    single.refresh_from_db()
    assert single.to_number == ""
    recipient.refresh_from_db()
    assert recipient.status == Recipient.Status.WITHDRAWN
    assert not recipient.contact.memberships.exists()
    assert enqueueing.feed(recipient.campaign_id) == 0
    assert launching.step(recipient.campaign_id) is not None
    assert placing.claim(number.account_id) == []


def test_a_shell_that_a_launch_met_half_way_is_never_rung(recipient: Recipient, number: PhoneNumber) -> None:
    """A list row that was read before the erasure may still become a recipient after it."""
    support.single(number, NUMBER).delete()
    Call.objects.create(
        organization=number.organization,
        contact=recipient.contact,
        account=number.account,
        assistant=number.account.assistants.get(),
        phone_number=number,
        to_number=NUMBER,
        from_number=number.e164,
        status=Status.COMPLETED,
    )
    erase(recipient.contact)
    Recipient.objects.update(status="pending", next_attempt_at=timezone.now())
    Contact.objects.update(on_hold=False)
    enqueueing.feed(recipient.campaign_id)
    assert placing.claim(number.account_id) == []
    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == ("skipped", "country")


@pytest.mark.parametrize("status", [Status.RINGING, Status.UNCONFIRMED, Status.PLACING])
def test_nobody_is_erased_while_a_call_is_under_way(recipient: Recipient, number: PhoneNumber, status: str) -> None:
    later = timezone.now() + timedelta(minutes=1)
    call = support.single(number, NUMBER)
    support.change([call], status=status, next_read_at=later, lease_until=later, dialed_at=timezone.now())
    with pytest.raises(IllegalTransition):
        erase(recipient.contact)
    found = Contact.objects.get()
    assert (found.phone, found.on_hold, found.erased_at) == (NUMBER, False, None)
    # A call whose result is still awaited has not ended either.
    Call.objects.filter(pk=call.pk).update(status=Status.COMPLETED)
    with pytest.raises(IllegalTransition, match="awaited"):
        erase(recipient.contact)
    support.change(Call.objects.all(), next_read_at=None)
    erase(recipient.contact)
    assert Contact.objects.get().erased_at


def test_the_same_number_is_a_new_person_afterwards(person: Contact, number: PhoneNumber) -> None:
    erase(person)
    assert number.account.assistants.get().account_id == number.account_id
    order = single_calls.Order(
        organization=number.organization,
        assistant=number.account.assistants.get(),
        phone_number=number,
        to_number=NUMBER,
    )
    with pytest.raises(single_calls.Refused, match="do-not-call"):
        single_calls.place_single(order)
    DoNotCall.objects.update(expires_at=timezone.now())  # the entry has expired
    assert single_calls.place_single(order).contact_id != person.pk


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite runs one writer at a time")
def test_a_claim_that_met_the_erasure_wins_or_never_sends(
    recipient: Recipient, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueueing.feed(recipient.campaign_id)
    with held(monkeypatch, fact_sheet, "read", after=True) as (reached, go_on):
        claiming = Beside(lambda: placing.claim(number.account_id))
        assert reached.wait(PATIENCE)
        erasing_ = Beside(lambda: erase(recipient.contact))
        assert erasing_.waits_for_a_lock(), "it must wait for the contact's lock"
        go_on.set()
        [claim] = claiming.join()
        placing.record(claim, Reading(CallState.RINGING, provider_call_id="x1"))
        with pytest.raises(IllegalTransition):
            erasing_.join()
    found = Contact.objects.get()
    assert (found.phone, found.on_hold) == (NUMBER, False)


# The page.


def test_a_manager_erases_with_a_reason(person: Contact, number: PhoneNumber) -> None:
    user = User.objects.create(username="manager", is_staff=True)
    Membership.objects.create(user=user, organization=number.organization, role="manager")
    client = Client()
    client.force_login(user)
    step = reverse("admin:campaigns_contact_step", args=[person.pk, "erase"])
    asked = client.get(step).content.decode()
    assert "You cannot undo this." in asked and "checked" in asked
    assert "This field is required" in client.post(step, {"reason": " "}).content.decode()
    answer = client.post(step, {"reason": "By letter", "never_again": "on"}, follow=True)
    assert f"{NAME} {NUMBER} is erased." in answer.content.decode()
    assert DoNotCall.objects.get().phone == ""
    assert client.get(reverse("admin:campaigns_contact_change", args=[person.pk])).status_code == 404
    for page in (
        reverse("admin:campaigns_contact_changelist"),
        reverse("admin:calls_call_changelist"),
        reverse("admin:campaigns_recipient_changelist"),
        reverse("admin:campaigns_donotcall_changelist"),
        *[reverse("admin:calls_call_change", args=[call.pk]) for call in Call.objects.all()],
        *[reverse("admin:campaigns_recipient_change", args=[row.pk]) for row in Recipient.objects.all()],
        reverse("admin:campaigns_donotcall_change", args=[DoNotCall.objects.get().pk]),
        reverse("admin:calls_callback_changelist"),
    ):
        shown = client.get(page)
        text = shown.content.decode().replace(f"{NAME} {NUMBER} is erased.", "")
        assert shown.status_code == 200, page
        assert not any(word in text for word in SECRETS), page
        assert "erased2" not in text and f"erased{person.pk:x}" not in text, page
