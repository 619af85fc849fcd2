"""Run the real engine in a test: its processes as threads of this one, against the sandbox over loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db.models import TextField, Value
from django.db.models.functions import Cast

from calls.deadlines import Pauses
from calls.dialing import reassessing
from calls.engine.service import Engine as Process
from calls.gate import rate_limits
from calls.models import Call, Heartbeat
from calls.outcomes import placement_results
from calls.outcomes.placement_results import Placement
from campaigns.models import CallingWindow, Campaign, Contact, ContactList, ContactListMember, Recipient, RetryRule
from campaigns.models.number_hash import InstallationKey, begin_number_hashes, forget_hash_key
from providers.adapters.base import Reading
from providers.adapters.errors import ProviderError
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization
from tenants.money import Amounts, Money
from tests.conftest import full_buckets
from tests.waiting import PATIENCE, eventually

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
IMPATIENT = Pauses.at_most(0.2)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def reach(organization: Organization, url: str, provider: str, **fields: Any) -> PhoneNumber:
    """Return a caller number of an account at the sandbox, with an assistant. The account's buckets are full."""
    quick = {"calls_per_second": 100, "max_open_calls": 100, "reads_per_second": 500, "max_unconfirmed": None}
    account = ProviderAccount.objects.create(
        organization=organization,
        provider=provider,
        name=provider,
        base_url=f"{url}/{provider}",
        **full_buckets({**SANDBOX_KEYS[provider], **quick, **fields}),
    )
    Assistant.objects.create(organization=organization, account=account, name=provider, **ASSISTANTS[provider])
    return PhoneNumber.objects.create(
        organization=organization,
        account=account,
        e164="+16465550100",
        external_id="0a9b8c7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d",
    )


def usd(amount: Decimal | str | int) -> Money:
    return Money(Decimal(amount), "USD")


def euros(amount: Decimal | str | int) -> Money:
    return Money(Decimal(amount), "EUR")


def dollars(found: Amounts) -> Decimal:
    """Return amounts that are all in dollars."""
    assert not found.beyond("USD")
    return found.within("USD").amount


def change(calls: Iterable[Call], **fields: Any) -> None:
    """Set fields of calls as they are stored, `next_read_at` included."""
    for call in calls:
        for name, value in fields.items():
            setattr(call, name, value)
        call.save()


def people(organization: Organization, numbers: list[str], **fields: Any) -> ContactList:
    """Return a list of contacts with these numbers."""
    found = ContactList.objects.create(organization=organization, name="People")
    contacts = [Contact(organization=organization, phone=number, **fields) for number in numbers]
    Contact.objects.bulk_create(contacts, ignore_conflicts=True)
    rows = Contact.objects.filter(organization=organization, phone__in=numbers).order_by("pk")
    ContactListMember.objects.bulk_create(ContactListMember(contact_list=found, contact=row) for row in rows)
    return found


def campaign(number: PhoneNumber, contacts: ContactList, *, retries: int = 1, **fields: Any) -> Campaign:
    """Return a running campaign with a window around the clock and immediate retries of busy and unanswered calls."""
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
    """Return a queued single call."""
    contact = fields.pop("contact", None)
    if contact is None:
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
def unreadable_list() -> Iterator[None]:
    """Have the key of the do-not-call list encrypted with a key that is not in FIELD_KEYS."""
    begin_number_hashes()
    forget_hash_key()
    rows = InstallationKey.objects.annotate(stored=Cast("value", TextField()))
    was = dict(rows.values_list("pk", "stored"))
    foreign = Fernet(Fernet.generate_key()).encrypt(b'"00ff"').decode()
    InstallationKey.objects.update(value=Value(foreign, output_field=TextField()))
    yield
    for pk, stored in was.items():
        InstallationKey.objects.filter(pk=pk).update(value=Value(stored, output_field=TextField()))
    forget_hash_key()


def answer_placing(call: Call, fence: int, answer: Reading | ProviderError) -> None:
    """Record the answer to the claim of a call with this fence."""
    placement_results.record(Placement(call.pk, call.account_id, fence, answer))


def look() -> None:
    """Do what the engine does within a second for those who wait, when something was edited."""
    reassessing.notice_edits()
    while not reassessing.reassess_contacts():
        pass
    for pk in reassessing.campaigns_to_reassess():
        while not reassessing.reassess(pk):
            pass


@dataclass(frozen=True)
class Engine:
    """The engine that runs beside a test."""

    processes: list[Process]

    def looks_again(self, times: int = 3) -> None:
        """Wait until each process has looked for calls to place, and the leader for calls to enqueue, `times` times.

        Each look counts from its beginning to its end.
        """
        before = self._looks()
        eventually(
            lambda: all(now > then + times for now, then in zip(self._looks(), before, strict=True)),
            "the engine does not look for work",
        )

    def _looks(self) -> list[int]:
        led = [lease.turns["enqueue"] for process in self.processes for lease in process.leaderships]
        return [sum(led), *(process.control.turns["placing"] for process in self.processes)]


@contextmanager
def engine(processes: int = 1) -> Iterator[Engine]:
    """Run the engine beside the test and end it with it."""
    turns = []
    for slot in range(processes):
        Heartbeat.objects.create(worker="test", slot=slot, run="starting")
        turns.append(Process("test", slot, pauses=IMPATIENT, upkeep=True))
    threads = [threading.Thread(target=turn.run, name=f"engine-{turn.slot}") for turn in turns]
    for thread in threads:
        thread.start()
    try:
        yield Engine(turns)
    finally:
        for turn in turns:
            turn.stop()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "an engine process does not end"
        Heartbeat.objects.filter(worker="test").delete()


class PlacingTokens:
    """Placing tokens that a test hands out, instead of the accounts' buckets, which fill with time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
        self._left = float(tokens)
        self._lock = threading.Lock()
        monkeypatch.setattr(rate_limits, "take_for_placing", self._take)

    def _take(self, account: ProviderAccount, wanted: int, now: datetime) -> int:
        with self._lock:
            taken = int(min(wanted, self._left))
            self._left -= taken
        return taken

    def open(self) -> None:
        """Remove the limit from now on."""
        with self._lock:
            self._left = float("inf")


def answered(ask: Callable[[], Any]) -> Any:
    """Return the answer to a request, which is asked again after each 503, as docs/api.md tells programs to.

    A slow database or a deadlock with the engine answers 503. The request must be one that may be repeated.
    """
    found = []

    def said() -> bool:
        found.append(ask())
        return bool(found[-1].status_code != 503)

    eventually(said, "every answer is a 503")
    assert found[-1].status_code < 300, (found[-1].status_code, found[-1].content)
    return found[-1]


def no_call_is_open(made: Campaign) -> bool:
    made.refresh_from_db()
    return made.status == Campaign.Status.FINISHED and not Call.objects.open().filter(campaign=made).exists()


def address_of(recipient: Recipient, action: str) -> str:
    """Return the URL of an API action on one recipient of a campaign."""
    return f"/api/v1/campaigns/{recipient.campaign.uuid}/recipients/{recipient.uuid}/{action}/"
