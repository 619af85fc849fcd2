"""What a restored database forgot becomes a doubt, and what forbids calls is done again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from calls.actions import campaigns, erasure, kill_switch, recipients
from calls.dialing import enqueueing, placing
from calls.journal import restoring, standing
from calls.models import TERMINAL, Call, Status
from calls.outcomes import recording, staff_decisions
from campaigns import launching
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, DoNotCall, Recipient
from campaigns.models.number_hash import number_hash
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, NotSent, ProviderError, Rejected
from providers.models import PhoneNumber, ProviderAccount
from tenants.journal import writer
from tenants.models import AuditEntry, JournalNote, Organization
from tests.calls import support
from tests.calls.journal import backups
from tests.conftest import ApiClient
from tests.waiting import eventually

PEOPLE = [f"+121255501{ending}" for ending in range(50, 58)]


class World:
    """A campaign, and a provider that only remembers whose phones it was asked to ring."""

    def __init__(self, number: PhoneNumber, chance: random.Random) -> None:
        self.number, self.chance = number, chance
        self.rung: Counter[str] = Counter()
        self.campaign = support.campaign(number, support.people(number.organization, PEOPLE))
        campaigns.start(self.campaign, actor="ada")
        launching.step(self.campaign.pk)

    def claim(self, limit: int) -> list[placing.Claim]:
        Call.objects.queued().update(due_at=timezone.now())
        ProviderAccount.objects.update(failures_in_a_row=0, blocked_at=None, blocked_until=None, blocked_code="")
        Campaign.objects.update(status=Campaign.Status.RUNNING)
        enqueueing.feed(self.campaign.pk)
        return placing.claim(self.number.account_id, limit)

    def send(self, claims: Iterable[placing.Claim]) -> None:
        """Send the requests, and store the answers of all but those that get lost."""
        for claim in claims:
            answer = self.answer(claim)
            if not isinstance(answer, Rejected | NotSent):
                self.rung[claim.call.to_number] += 1
            placing.record(claim, answer)

    def answer(self, claim: placing.Claim) -> Reading | ProviderError:
        placed = Reading(CallState.DIALING, provider_call_id=f"p-{claim.call.uuid}")
        errors = (MayBeRinging("lost"), NotSent("not connected"), Rejected("no such number"))
        return self.chance.choice((placed, placed, *errors))

    def to_the_end(self) -> None:
        standing.admit()
        for _ in range(30):
            self.send(self.claim(8))
            if not Call.objects.queued().exists():
                break
        assert not Call.objects.queued().exists()
        assert not self.campaign.recipients.filter(status=Recipient.Status.PENDING).exists()


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=[pytest.mark.proof] if seed else []) for seed in range(8)])
def test_wherever_backup_and_crash_come_no_number_is_asked_for_twice(
    seed: int, number: PhoneNumber, journal: Path, tmp_path: Path
) -> None:
    """A backup between any two steps, and one of a process that dies before it sends what it has written."""
    standing.admit()
    world = World(number, random.Random(seed))
    copies = []
    for turn in range(4 if connection.vendor == "sqlite" else 2):
        copies.append(tmp_path / f"{turn}-before")
        backups.take(copies[-1])
        claims = world.claim(2)
        copies.append(tmp_path / f"{turn}-claimed")
        backups.take(copies[-1])
        world.send(claims)
    rung = world.rung
    for copy in copies:
        backups.restore(copy)
        world.rung, before = Counter(rung), Call.objects.exclude(dialed_at=None).count()
        call_command("reconcile_journal")
        assert Call.objects.exclude(dialed_at=None).count() >= before
        call_command("reconcile_journal")
        world.to_the_end()
        assert max(world.rung.values()) == 1, copy.name
        check_recipients()


def check_recipients() -> None:
    """Whoever has an open call is in review or under way, and nobody counts fewer calls than were made."""
    for recipient in Recipient.objects.prefetch_related("calls"):
        dialled = [call for call in recipient.calls.all() if call.dialed_at]
        assert recipient.attempts >= len(dialled)
        if any(call.status == Status.UNCONFIRMED for call in dialled):
            assert recipient.status == Recipient.Status.REVIEW


@pytest.fixture
def backup(journal: Path, tmp_path: Path) -> Path:
    return tmp_path / "backup"


def place(number: PhoneNumber, answer: Reading | ProviderError | None = None) -> Call:
    """Claim the one call that waits, and store the answer if there is one."""
    Call.objects.queued().update(due_at=timezone.now())
    [claim] = placing.claim(number.account_id)
    if answer:
        placing.record(claim, answer)
    return claim.call


def restored(copy: Path, **options: Any) -> None:
    backups.restore(copy)
    with pytest.raises(standing.Refused, match="older than the dial journal"):
        standing.admit()
    call_command("reconcile_journal", **options)
    standing.admit()


def test_a_call_that_was_queued_is_left_as_a_crash_leaves_it(
    running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path
) -> None:
    standing.admit()
    enqueueing.feed(running.pk)
    backups.take(backup)
    call = place(number)
    restored(backup)
    call.refresh_from_db()
    recipient.refresh_from_db()
    assert (call.status, call.placing_attempts, call.status_reason) == (Status.UNCONFIRMED, 1, "placing_ambiguous")
    assert "No answer was recorded in time; the request may have gone out." in call.error_message
    assert (recipient.status, recipient.reason, recipient.attempts) == (Recipient.Status.REVIEW, "unconfirmed", 1)
    assert AuditEntry.objects.get(action="dial_journal.reconcile").detail["calls"] == {"in doubt": 1}
    staff_decisions.release(call.pk, actor="ada", reason="The dashboard does not have it.")


def test_a_call_without_a_row_is_made_anew_and_its_callback_finds_it(
    running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path
) -> None:
    standing.admit()
    backups.take(backup)
    enqueueing.feed(running.pk)
    call = place(number)
    restored(backup)
    anew = Call.objects.get()
    names = ("uuid", "reference", "callback_token", "to_number", "from_number", "recipient_id", "contact_id")
    assert [getattr(anew, name) for name in names] == [getattr(call, name) for name in names]
    assert (anew.status, anew.dialed_at, anew.cost_reserved) == (Status.UNCONFIRMED, call.dialed_at, call.cost_reserved)
    recipient.refresh_from_db()
    assert (recipient.status, recipient.attempts) == (Recipient.Status.REVIEW, 1)
    recording.record(anew.pk, Reading(CallState.NO_ANSWER, provider_call_id="p1"), "callback")
    anew.refresh_from_db()
    assert (anew.status, anew.provider_call_id) == (Status.NO_ANSWER, "p1")


def test_answers_in_the_journal_are_not_forgotten(running: Campaign, number: PhoneNumber, backup: Path) -> None:
    standing.admit()
    calls = [support.single(number, f"+1212555018{digit}") for digit in range(3)]
    backups.take(backup)
    Call.objects.update(due_at=timezone.now())
    answers: list[Any] = [Reading(CallState.DIALING, provider_call_id="p1"), NotSent("no"), Rejected("no such number")]
    for claim, answer in zip(placing.claim(number.account_id), answers, strict=True):
        placing.record(claim, answer)
    restored(backup)
    placed, unsent, refused = (Call.objects.get(pk=call.pk) for call in calls)
    assert (placed.status, placed.provider_call_id) == (Status.UNCONFIRMED, "p1")
    assert placed in Call.objects.due_for_read(timezone.now()), "the provider is asked how it went"
    assert (unsent.status, unsent.placing_attempts, unsent.dialed_at) == (Status.QUEUED, 1, None)
    assert (refused.status, refused.ended_reason, refused.dialed_at) == (Status.FAILED, "refused", None)


def test_of_several_calls_to_a_person_only_the_last_is_in_doubt(
    number: PhoneNumber, running: Campaign, recipient: Recipient, backup: Path
) -> None:
    standing.admit()
    backups.take(backup)
    for turn in range(3):
        Recipient.objects.update(next_attempt_at=timezone.now())
        enqueueing.feed(running.pk)
        call = place(number, Reading(CallState.DIALING, provider_call_id=f"p{turn}"))
        recording.record(call.pk, Reading(CallState.BUSY), "read")
    restored(backup)
    assert list(Call.objects.order_by("dialed_at").values_list("status", "provider_call_id")) == [
        (Status.UNKNOWN, "p0"),
        (Status.UNKNOWN, "p1"),
        (Status.UNCONFIRMED, "p2"),
    ]
    recipient.refresh_from_db()
    assert (recipient.status, recipient.attempts) == (Recipient.Status.REVIEW, 3)


def test_a_person_who_is_not_in_the_backup_is_not_called_when_imported_again(
    number: PhoneNumber, running: Campaign, backup: Path
) -> None:
    standing.admit()
    backups.take(backup)
    support.single(number, "+12125550188")
    place(number)
    restored(backup)
    assert not Contact.objects.filter(phone="+12125550188").exists()
    entry = DoNotCall.objects.get()
    assert (entry.phone, entry.phone_hash) == ("", number_hash("+12125550188"))
    assert entry.expires_at is not None
    assert timedelta(days=29) < entry.expires_at - timezone.now() < timedelta(days=31)
    again = support.single(number, "+12125550188")
    assert placing.claim(number.account_id) == []
    again.refresh_from_db()
    assert again.status == Status.CANCELED


def test_a_person_who_was_imported_again_before_the_reconciliation_is_found_by_number(
    number: PhoneNumber, running: Campaign, backup: Path
) -> None:
    standing.admit()
    backups.take(backup)
    call = support.single(number, "+12125550188")
    place(number)
    backups.restore(backup)
    contact = Contact.objects.create(organization=number.organization, phone="+12125550188")
    call_command("reconcile_journal")
    anew = Call.objects.get(uuid=call.uuid)
    assert (anew.contact, anew.status) == (contact, Status.UNCONFIRMED)


def test_what_forbids_calls_is_done_again(
    running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path, api: ApiClient
) -> None:
    standing.admit()
    owner = running.organization
    known, held, erased = (
        Contact.objects.create(organization=owner, phone=f"+1212555019{digit}", name="Ada") for digit in range(3)
    )
    lifted, _ = entries.add(owner, "+12125550111", source="api")
    backups.take(backup)
    until = timezone.now() + timedelta(days=3)
    entries.add(owner, known.phone, source="opt-out")
    entries.add(owner, "+12125550112", source="api", expires_at=until)
    entries.remove(entries.add(owner, "+12125550113", source="api")[0], "ada", "asked")
    entries.remove(lifted, "ada", "asked")
    recipients.hold(held, actor="ada")
    recipients.withdraw(recipient, actor="ada")
    erasure.erase(erased, actor="ada", reason="asked", never_again=False)
    campaigns.pause(running, actor="ada")
    kill_switch.stop_all_calls(owner, actor="ada")
    restored(backup)
    for row in (running, recipient, held, owner):
        row.refresh_from_db()
    assert (running.status, recipient.status, held.on_hold) == ("paused", "withdrawn", True)
    assert owner.calls_stopped
    assert not Contact.objects.filter(pk=erased.pk).exists()
    listed = {row.phone_hash: row for row in DoNotCall.objects.all()}
    assert set(listed) == {number_hash(each) for each in (known.phone, "+12125550111", "+12125550112")}
    assert (listed[number_hash(known.phone)].phone, listed[number_hash(known.phone)].source) == (known.phone, "opt-out")
    assert listed[number_hash("+12125550112")].expires_at == until
    done = AuditEntry.objects.get(action="dial_journal.reconcile").detail["notes"]
    assert done == {
        "numbers listed again": 2,
        "contacts held again": 2,  # one was erased, which begins with a hold
        "recipients withdrawn again": 1,
        "campaigns stopped again": 1,
        "organizations stopped again": 1,
        "contacts erased again": 1,
    }


def test_a_call_that_was_canceled_is_canceled_again(running: Campaign, number: PhoneNumber, backup: Path) -> None:
    standing.admit()
    ordered, kept = (support.single(number, f"+1212555018{digit}") for digit in range(2))
    backups.take(backup)
    staff_decisions.cancel(ordered, "canceled_by_request", "Canceled by request.", actor="ada")
    unknown = support.single(number, "+12125550188")
    staff_decisions.cancel(unknown, "canceled_by_request", "Canceled by request.", actor="ada")
    restored(backup)
    found = {row.pk: (row.status, row.ended_reason) for row in Call.objects.all()}
    assert found == {ordered.pk: (Status.CANCELED, "canceled_by_request"), kept.pk: (Status.QUEUED, "")}
    assert AuditEntry.objects.get(action="dial_journal.reconcile").detail["notes"]["calls canceled again"] == 1


def test_a_stop_that_was_lifted_is_not_done_again(running: Campaign, backup: Path) -> None:
    standing.admit()
    backups.take(backup)
    kill_switch.stop_all_calls(running.organization, actor="ada")
    kill_switch.allow_calls(running.organization, actor="ada")
    campaigns.pause(running, actor="ada")
    campaigns.resume(running, actor="ada")
    restored(backup, keep_running=True)
    running.refresh_from_db()
    assert running.status == "running"
    assert not Organization.objects.get(pk=running.organization_id).calls_stopped


def test_who_was_called_and_erased_since_is_erased_again_with_the_call(
    running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path
) -> None:
    standing.admit()
    enqueueing.feed(running.pk)
    backups.take(backup)
    call = place(number, Reading(CallState.DIALING, provider_call_id="p1"))
    recording.record(call.pk, Reading(CallState.NO_ANSWER), "read")
    Call.objects.update(settle_until=None, polling=None, cost_reserved=0)
    erasure.erase(recipient.contact, actor="ada", reason="asked", never_again=True)
    restored(backup)
    call.refresh_from_db()
    assert call.status in TERMINAL
    assert (call.to_number, call.to_number_hash) == ("", number_hash("+12125550150"))
    contact = Contact.objects.get(pk=recipient.contact_id)
    assert contact.erased_at is not None
    assert [entry.expires_at for entry in DoNotCall.objects.all()] == [None], "never again is no matter of days"
    assert "+12125550150" not in "".join(str(row) for row in DoNotCall.objects.values())


def test_an_import_for_some_days_over_a_permanent_entry_stays_permanent(
    running: Campaign, number: PhoneNumber, backup: Path
) -> None:
    standing.admit()
    owner = running.organization
    backups.take(backup)
    phones = ["+12125550111", "+12125550112"]
    entries.add(owner, phones[0], source="opt-out")
    until = timezone.now() + timedelta(days=1)
    entries.add_many(owner, phones, reason="", source="import", expires_at=until)
    restored(backup)
    listed = {row.phone_hash: (row.expires_at, row.source) for row in DoNotCall.objects.all()}
    assert listed == {number_hash(phones[0]): (None, "opt-out"), number_hash(phones[1]): (until, "import")}


@pytest.mark.parametrize("stop", ["cancel", "withdraw", "list"])
def test_a_stop_after_a_call_does_not_hide_how_the_call_went(
    stop: str, running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path
) -> None:
    """In the backup the call is queued, and a stop cancels what is queued."""
    standing.admit()
    enqueueing.feed(running.pk)
    backups.take(backup)
    call = place(number, Reading(CallState.DIALING, provider_call_id="p1"))
    recording.record(call.pk, Reading(CallState.NO_ANSWER), "read")
    Recipient.objects.update(status=Recipient.Status.WAITING)
    if stop == "cancel":
        campaigns.cancel(running, actor="ada")
    elif stop == "withdraw":
        recipient.refresh_from_db()
        recipients.withdraw(recipient, actor="ada")
    else:
        entries.add(running.organization, call.to_number, source="opt-out")
    restored(backup)
    call.refresh_from_db()
    recipient.refresh_from_db()
    running.refresh_from_db()
    assert (call.status, call.provider_call_id, call.placing_attempts) == (Status.UNCONFIRMED, "p1", 1)
    assert call in Call.objects.due_for_read(timezone.now())
    assert recipient.attempts == 1
    if stop == "withdraw":
        assert recipient.status == Recipient.Status.WITHDRAWN
    if stop == "cancel":
        assert running.status == Campaign.Status.CANCELED


def test_a_call_that_somebody_canceled_before_the_reconciliation_was_dialled_all_the_same(
    running: Campaign, recipient: Recipient, number: PhoneNumber, backup: Path
) -> None:
    standing.admit()
    enqueueing.feed(running.pk)
    backups.take(backup)
    call = place(number, Reading(CallState.DIALING, provider_call_id="p1"))
    backups.restore(backup)
    staff_decisions.cancel(Call.objects.get(), "canceled", "Not wanted.")
    call_command("reconcile_journal")
    anew = Call.objects.get()
    recipient.refresh_from_db()
    assert (anew.status, anew.provider_call_id, anew.placing_attempts) == (Status.CANCELED, "p1", 1)
    assert (anew.dialed_at, recipient.attempts) == (call.dialed_at, 1)
    assert anew in Call.objects.due_for_read(timezone.now())


def test_what_the_database_was_told_of_is_not_done_again_when_its_notes_are_purged(
    running: Campaign, backup: Path, settings: Any
) -> None:
    """A stop of the first day that is kept, which was lifted since."""
    days, owner = settings.DIAL_JOURNAL_DAYS, running.organization
    noon = timezone.now().replace(hour=12)
    with time_machine.travel(noon - timedelta(days=days, hours=2), tick=True):
        standing.admit()
        kill_switch.stop_all_calls(owner, actor="ada")
    with time_machine.travel(noon - timedelta(days=days - 1), tick=True):
        kill_switch.allow_calls(owner, actor="ada")
    writer.forget()
    with time_machine.travel(noon, tick=True):
        standing.admit()
        JournalNote.objects.filter(at__lt=noon - timedelta(days=days - 1, hours=3)).delete()  # even so
        call_command("reconcile_journal")
    owner.refresh_from_db()
    assert not owner.calls_stopped


def test_a_reconciliation_that_was_interrupted_is_resumed(
    number: PhoneNumber, running: Campaign, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing.admit()
    calls = [support.single(number, f"+1212555018{digit}") for digit in range(4)]
    backups.take(backup)
    Call.objects.update(due_at=timezone.now())
    placing.claim(number.account_id)
    backups.restore(backup)
    work = restoring.restore
    done: list[Any] = []

    def interrupted(*given: Any) -> str:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given)
        return work(*given)

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "restore", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call_command("reconcile_journal")
    with pytest.raises(standing.Refused):
        standing.admit()
    call_command("reconcile_journal")
    standing.admit()
    assert set(Call.objects.values_list("status", flat=True)) == {Status.UNCONFIRMED}
    for call in calls:
        assert call.events.filter(type="unconfirmed").count() == 1


def test_the_engine_learns_the_end_of_a_restored_call_from_the_provider(
    callers: Organization, sandbox: Any, backup: Path
) -> None:
    standing.admit()
    number = support.reach(callers, sandbox.url, "allomia")
    call = support.single(number, "+12125550141")
    backups.take(backup)
    with support.engine():
        eventually(lambda: Call.objects.filter(status__in=TERMINAL).exists())
    restored(backup)
    with support.engine():
        eventually(lambda: Call.objects.filter(status__in=TERMINAL).exists(), seconds=60)
    [dial] = sandbox.journal()
    call.refresh_from_db()
    assert (call.status, call.provider_call_id) == (dial["outcome"], dial["id"])
