"""The pages of a contact, a recipient and a call."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.models import Call, CallBack, CallEvent, ProviderCallback, Status, WebhookDelivery
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization, WebhookEndpoint
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db

BUDGET = 15
NUMBER = "+12125550150"
NOON = datetime(2026, 5, 13, 16, 0, tzinfo=UTC)  # in New York; 18:00 in Paris


@pytest.fixture
def person(organization: Organization) -> Contact:
    return Contact.objects.create(organization=organization, phone=NUMBER, name="Grace", variables={"slot": "9:30"})


def read(client: Client, name: str, pk: int) -> str:
    answer = client.get(reverse(f"admin:{name}_change", args=[pk]))
    assert answer.status_code == 200
    panel = answer.content.decode().partition('<div id="panel"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", panel)).split())


def in_campaign(number: PhoneNumber, person: Contact, **fields: Any) -> Recipient:
    made = Campaign.objects.create(
        organization=person.organization, name="Spring", assistant=number.account.assistants.get(), status="running"
    )
    return Recipient.objects.create(campaign=made, contact=person, **fields)


@pytest.mark.time_machine(NOON)
def test_the_next_call_is_told_in_both_time_zones(
    sign_in: SignIn, person: Contact, phone_number: PhoneNumber, assistant: Any
) -> None:
    client = sign_in(person.organization, "viewer")
    assert "Next call. No call is due." in read(client, "campaigns_contact", person.pk)
    recipient = in_campaign(phone_number, person, status="waiting", next_attempt_at=NOON + timedelta(hours=3))
    due = "Next call. Not before today 21:00 (15:00 EDT there): Spring."
    assert due in read(client, "campaigns_contact", person.pk)
    CallBack.objects.create(
        organization=person.organization,
        contact=person,
        recipient=recipient,
        due_at=NOON + timedelta(hours=1),
        latest_at=NOON + timedelta(hours=2),
    )
    shown = read(client, "campaigns_contact", person.pk)
    assert "Not before today 19:00 (13:00 EDT there): a callback scheduled in Spring." in shown
    queued = support.single(phone_number, NUMBER, due_at=NOON)
    assert "Next call. Due now: the queue, a single call." in read(client, "campaigns_contact", person.pk)
    support.change([queued], status=Status.RINGING, next_read_at=NOON)
    assert "Next call. A call is under way: ringing." in read(client, "campaigns_contact", person.pk)
    Campaign.objects.update(status="paused")
    Call.objects.update(status=Status.NO_ANSWER)
    CallBack.objects.update(status="kept")
    assert "No call is due." in read(client, "campaigns_contact", person.pk)


@pytest.mark.time_machine(NOON)
def test_why_nobody_calls_is_told(sign_in: SignIn, person: Contact, time_machine: Any) -> None:
    client = sign_in(person.organization, "operator")
    shown = read(client, "campaigns_contact", person.pk)
    assert "Call now" in shown and "Legal calling hours Open now" in shown and "Local time 12:00 EDT" in shown
    assert "No consent is recorded." in shown and "On no list." in shown
    entries.add(person.organization, NUMBER, reason="asked in a letter", source="api")
    person.consent_basis = "written"
    person.save()
    time_machine.move_to(NOON + timedelta(hours=14))
    shown = read(sign_in(person.organization, "manager"), "campaigns_contact", person.pk)
    entry = "On the do-not-call list. Since yesterday 18:00, added by a program. Reason: asked in a letter."
    assert entry in shown and "Call now" not in shown and "Next call." not in shown
    assert "Closed until 09:00 America/New_York" in shown or "Closed until 08:00 America/New_York" in shown
    assert "Basis written" in shown


def test_a_viewer_reads_the_page_and_changes_nothing(sign_in: SignIn, person: Contact) -> None:
    page = reverse("admin:campaigns_contact_change", args=[person.pk])
    viewer = sign_in(person.organization, "viewer").get(page).content.decode()
    assert "Call now" not in viewer and "Erase" not in viewer and 'name="name"' not in viewer
    manager = sign_in(person.organization, "manager").get(page).content.decode()
    assert "Call now" in manager and "Erase" in manager and 'name="name"' in manager


def a_call(number: PhoneNumber, person: Contact, **fields: Any) -> Call:
    given = {"status": Status.COMPLETED, "dialed_at": NOON, "created_at": NOON, "cost_price": 1, "duration_seconds": 5}
    return support.single(number, person.phone, **(given | fields))


@pytest.mark.time_machine(NOON + timedelta(hours=1))
def test_one_timeline_tells_what_happened_what_came_and_what_was_told(
    sign_in: SignIn, person: Contact, phone_number: PhoneNumber, assistant: Any
) -> None:
    call = a_call(phone_number, person)
    for n, kind in enumerate(("queued", "placing", "ended")):
        CallEvent.objects.create(call=call, at=NOON + timedelta(seconds=10 * n), type=kind, source="engine", raw=b"{}")
    ProviderCallback.objects.create(
        call=call, account=call.account, verification="unsigned", body=b"{}", received_at=NOON + timedelta(seconds=15)
    )
    WebhookDelivery.objects.create(
        organization=call.organization,
        call=call,
        endpoint=WebhookEndpoint.objects.create(organization=call.organization, url="https://example.org/x"),
        url="https://example.org/x",
        host="example.org",
        status="failed",
        attempts=10,
        last_error="No answer",
        created_at=NOON + timedelta(seconds=30),
    )
    shown = read(sign_in(person.organization, "manager"), "calls_call", call.pk)
    at = [
        shown.index(words)
        for words in ("Queued", "Sending to provider", "Provider event", "Ended Today", "Webhook failed")
        if words in shown
    ]
    assert len(at) >= 4 and at == sorted(at)
    assert "Today 18:00:15 · 12:00:15 EDT" in shown
    assert "call.ended to example.org, 10 attempts. No answer" in shown
    assert "Request to the provider" in shown and "Raw payload" in shown
    assert "sandbox-allomia" not in shown
    operator = read(sign_in(person.organization, "operator"), "calls_call", call.pk)
    assert "Raw payload" not in operator and "Request to the provider" not in operator
    assert "Provider event" in operator


def test_the_calls_before_and_after_are_those_of_the_person(
    sign_in: SignIn, person: Contact, contact: Contact, phone_number: PhoneNumber, assistant: Any
) -> None:
    client = sign_in(person.organization, "operator")
    mine = [a_call(phone_number, person), a_call(phone_number, contact), a_call(phone_number, person)]
    first = client.get(reverse("admin:calls_call_change", args=[mine[0].pk])).content.decode()
    assert 'rel="prev"' not in first
    found = re.search(r'<a rel="next"[^>]* href="([^"]+)"', first)
    assert found and found[1] == reverse("admin:calls_call_change", args=[mine[2].pk])
    last = client.get(found[1]).content.decode()
    assert f'rel="prev" class="tl-prev" href="{reverse("admin:calls_call_change", args=[mine[0].pk])}"' in last
    assert 'rel="next"' not in last
    again = re.search(r'href="([^"]+)"[^>]*><span[^>]*>add_call</span>Call again', last)
    assert again and "to_number=%2B12125550150" in again[1]


def test_both_pages_ask_a_fixed_number_of_questions(
    sign_in: SignIn, person: Contact, phone_number: PhoneNumber, assistant: Any
) -> None:
    client = sign_in(person.organization, "admin")
    counts = []
    for _ in range(3):
        recipient = in_campaign(phone_number, person, status="done")
        call = a_call(phone_number, person, recipient=recipient, campaign=recipient.campaign)
        CallEvent.objects.create(call=call, type="queued", source="engine")
        ProviderCallback.objects.create(call=call, account=call.account, verification="bad", body=b"{}")
        CallBack.objects.create(
            organization=person.organization,
            contact=person,
            recipient=recipient,
            due_at=timezone.now(),
            latest_at=timezone.now() + timedelta(hours=1),
            status="kept",
        )
        people = ContactList.objects.create(organization=person.organization, name="L")
        ContactListMember.objects.create(contact_list=people, contact=person)
        asked = []
        for name, pk in (("campaigns_contact", person.pk), ("calls_call", Call.objects.order_by("pk")[0].pk)):
            for kind in ("change", "panel"):
                with CaptureQueriesContext(connection) as queries:
                    assert client.get(reverse(f"admin:{name}_{kind}", args=[pk])).status_code == 200
                asked.append(len(queries))
        counts.append(asked)
    assert counts[1] == counts[2] and max(counts[2]) <= BUDGET, counts


@pytest.mark.time_machine(NOON)
def test_the_list_of_contacts_shows_lists_and_the_calls_before_and_after(
    sign_in: SignIn, person: Contact, contact: Contact, phone_number: PhoneNumber, assistant: Any
) -> None:
    a_call(phone_number, person, status="completed", answered_by="machine", created_at=NOON - timedelta(days=2))
    campaign = support.campaign(phone_number, support.people(person.organization, []), status="running", name="Spring")
    for name in ("B list", "A list", "C list"):
        made = ContactList.objects.create(organization=person.organization, name=name)
        ContactListMember.objects.create(contact_list=made, contact=person)
    Recipient.objects.create(
        campaign=campaign, contact=person, status="waiting", next_attempt_at=NOON + timedelta(hours=2)
    )
    client = sign_in(person.organization, "viewer")
    url = reverse("admin:campaigns_contact_changelist")
    shown = words_of(client.get(url).content.decode())
    assert "A list, B list and 1 more 11 May 18:00 Voicemail Today 20:00" in shown
    held = NOON + timedelta(days=1)
    Contact.objects.filter(pk=person.pk).update(on_hold=True, hold_until=held)
    assert "Voicemail -" in words_of(client.get(url).content.decode()), "nobody calls a contact on hold"
