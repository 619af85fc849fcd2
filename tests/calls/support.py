"""Running the real engine in a test: slices in this process, against the sandbox over loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from calls.engine.slice import Slice
from calls.models import Call, Heartbeat
from campaigns.models import CallingWindow, Campaign, Contact, ContactList, ContactListMember, Recipient, RetryRule
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization

SANDBOX_KEYS: dict[str, dict[str, Any]] = {
    "allomia": {"credentials": {"api_key": "sandbox-allomia"}},
    "polyai": {"credentials": {"auth_token": "sandbox-polyai"}, "options": {"generation": "v1"}},
    "plumvoice": {"credentials": {"email": "sandbox@example.org", "developer_key": "sandbox-plum"}},
    "callingbox": {"credentials": {"api_key": "sk_sandbox", "webhook_secret": "whsec_sandbox"}},
}
ASSISTANTS: dict[str, dict[str, Any]] = {
    "allomia": {"external_id": "6f1c2d3e-4a5b-4c6d-8e7f-901a2b3c4d5e"},
    "polyai": {},
    "plumvoice": {"options": {"application_id": "4410", "deployment_id": "9021"}},
    "callingbox": {"options": {"prompt": "Confirm the delivery.", "returns": {"confirmed": "boolean"}}},
}
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def reach(organization: Organization, url: str, provider: str, **fields: Any) -> PhoneNumber:
    """An account at the sandbox with an assistant and a caller number; the number knows the rest."""
    quick = {"calls_per_second": 100, "max_open_calls": 100, "reads_per_second": 500, "max_unconfirmed": None}
    account = ProviderAccount.objects.create(
        organization=organization,
        provider=provider,
        name=provider,
        base_url=f"{url}/{provider}",
        **{**SANDBOX_KEYS[provider], **quick, **fields},
    )
    Assistant.objects.create(organization=organization, account=account, name=provider, **ASSISTANTS[provider])
    return PhoneNumber.objects.create(
        organization=organization,
        account=account,
        e164="+16465550100",
        external_id="0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d",
    )


def people(organization: Organization, numbers: list[str], **fields: Any) -> ContactList:
    """A list of contacts with these numbers."""
    found = ContactList.objects.create(organization=organization, name="People")
    contacts = [Contact(organization=organization, phone=number, **fields) for number in numbers]
    Contact.objects.bulk_create(contacts, ignore_conflicts=True)
    rows = Contact.objects.filter(organization=organization, phone__in=numbers).order_by("pk")
    ContactListMember.objects.bulk_create(ContactListMember(contact_list=found, contact=row) for row in rows)
    return found


def campaign(number: PhoneNumber, contacts: ContactList, *, retries: int = 1, **fields: Any) -> Campaign:
    """A running campaign around the clock, with immediate retries of busy and unanswered calls."""
    made = Campaign.objects.create(
        organization=number.organization,
        assistant=number.account.assistants.get(),
        **{"name": "Campaign", "max_attempts": retries, "min_gap_minutes": 0, "legal_override": "test", **fields},
    )
    made.phone_numbers.add(number)
    made.contact_lists.add(contacts)
    CallingWindow.objects.create(campaign=made, days=EVERY_DAY, opens=0, closes=1440)
    for outcome in ("no_answer", "busy", "failed"):
        RetryRule.objects.create(campaign=made, outcome=outcome, wait_minutes=0, max_attempts=retries)
    return made


def single(number: PhoneNumber, to: str, **fields: Any) -> Call:
    """One queued single call."""
    contact, _ = Contact.objects.get_or_create(organization=number.organization, phone=to)
    return Call.objects.create(
        organization=number.organization,
        contact=contact,
        account=number.account,
        assistant=number.account.assistants.get(),
        phone_number=number,
        to_number=to,
        from_number=number.e164,
        **{"priority": Call.PRIORITY_SINGLE, **fields},
    )


@contextmanager
def engine(slices: int = 1, seconds: float = 120) -> Iterator[None]:
    """Engine slices running beside the test, ended with it."""
    turns = []
    for slot in range(slices):
        Heartbeat.objects.create(worker="test", slot=slot, run="starting")
        turns.append(Slice("test", slot, claim_for=seconds))
    threads = [threading.Thread(target=turn.run, name=f"slice-{turn.slot}") for turn in turns]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        Heartbeat.objects.filter(worker="test").delete()  # a slice that lost its slot only finishes what it took
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a slice does not end"


def wait_until(true: Callable[[], object], seconds: float = 60, what: str = "") -> None:
    """Wait for something the engine does. Fails with `what` when it does not happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what or "it did not happen in time"
        time.sleep(0.05)
        if connection.vendor == "sqlite":
            time.sleep(0.05)


def no_call_is_open(made: Campaign) -> bool:
    made.refresh_from_db()
    return made.status == Campaign.Status.FINISHED and not Call.objects.open().filter(campaign=made).exists()


def address_of(recipient: Recipient, action: str) -> str:
    """Where the API does something about one person of a campaign."""
    return f"/api/v1/campaigns/{recipient.campaign.uuid}/recipients/{recipient.uuid}/{action}/"
