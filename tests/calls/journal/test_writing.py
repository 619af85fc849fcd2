"""The dial journal is on the disk before a request, and the files say what happened and to nobody's number."""

from __future__ import annotations

import errno
import json
import os
import stat
import zlib
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.utils import timezone

from calls.actions import campaigns, erasure, kill_switch, recipients
from calls.dialing import enqueueing, journalled, placing
from calls.journal import standing
from calls.models import Call, Heartbeat, Status
from calls.outcomes import placement_results
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Recipient
from campaigns.models.number_hash import number_hash
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, NotSent
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.journal import writer
from tenants.models import DialJournal, History, JournalFile, JournalNote, Organization
from tests.calls import support
from tests.calls.journal import backups


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what is written, read by hand: eight hexadecimal digits of CRC-32, a space, JSON, a newline."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            assert int(line[:8], 16) == zlib.crc32(line[9:].encode())
            found.append(json.loads(line[9:]))
    return found


def kinds(folder: Path) -> list[str]:
    return [line["kind"] for line in lines(folder)]


def test_a_claim_is_on_the_disk_before_it_is_returned(
    running: Campaign, recipient: Recipient, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    write, sync = os.write, os.fdatasync

    def watched(name: str, real: Any) -> Any:
        def call(*given: Any) -> Any:
            order.append(name)
            return real(*given)

        return call

    monkeypatch.setattr(os, "write", watched("write", write))
    monkeypatch.setattr(os, "fdatasync", watched("sync", sync))
    account = running.phone_numbers.get().account
    enqueueing.feed(running.pk)
    [claim] = placing.claim(account.pk)
    assert order == ["write", "sync"] * 2, "the file's first line, then the batch and one wait for the disk"
    [first, line] = lines(journal)
    assert first["kind"] == "file"
    call = claim.call
    assert line == {
        "kind": "intent",
        "at": call.dialed_at.isoformat() if call.dialed_at else None,
        "organization": str(running.organization.uuid),
        "call": str(call.uuid),
        "campaign": str(running.uuid),
        "contact": str(recipient.contact.uuid),
        "number": number_hash(call.to_number),
        "account": str(account.uuid),
        "assistant": str(call.assistant.uuid),
        "caller": str(call.phone_number.uuid),
        "attempt": 1,
        "fence": 1,
        "reference": call.reference,
        "address": call.callback_token,
    }
    for path in (*journal.glob("*.json*"), *journal.glob("told/*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("fails", ["write", "fdatasync", "short", "key"])
def test_a_claim_that_cannot_be_written_is_not_sent_and_given_back(
    fails: str, running: Campaign, recipient: Recipient, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = support.single(running.phone_numbers.get(), "+12125550177")
    write = os.write
    assert journalled.is_ready()

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def unreadable(*_: Any) -> Any:
        raise UndecryptableSecret

    with monkeypatch.context() as patch:
        if fails == "short":
            patch.setattr(os, "write", lambda descriptor, words: write(descriptor, words[:20]))
        elif fails == "key":
            patch.setattr(journalled, "number_hashes", unreadable)
        else:
            patch.setattr(os, fails, full)
        assert placing.claim(call.account_id) == []
        call.refresh_from_db()
        assert (call.status, call.dialed_at, call.status_reason) == (Status.QUEUED, None, "not_sent")
        if fails == "key":
            return
        Call.objects.update(due_at=timezone.now())
        assert placing.claim(call.account_id) == [], "not even claimed, while it is known that it cannot be written"
        call.refresh_from_db()
        assert call.placing_attempts == 1
    found = writer.writer()
    assert found is not None
    assert "No space left" in found.trouble or "full" in found.trouble
    found._again_at = 0.0
    [claim] = placing.claim(call.account_id)
    assert (claim.call.pk, found.trouble) == (call.pk, "")


def test_readiness_says_that_the_journal_cannot_be_written(
    running: Campaign, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing.admit()
    support.single(running.phone_numbers.get(), "+12125550177")
    call = Call.objects.get()
    [claim] = placing.claim(call.account_id)
    support.single(running.phone_numbers.get(), "+12125550178")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only file system")))
        assert placing.claim(call.account_id) == []
    Heartbeat.objects.create(worker="w", slot=0, run="x")
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["dial_journal"]["message"].endswith("cannot be written: Read-only file system.")
    found = writer.writer()
    assert found is not None
    found._again_at = 0.0
    assert found.ready()
    assert Client().get("/readyz").status_code == 200
    assert claim.fence == 1


def test_what_became_of_a_request_is_written_without_waiting(
    running: Campaign, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = running.phone_numbers.get()
    calls = [support.single(number, f"+1212555018{digit}") for digit in range(3)]
    claims = placing.claim(number.account_id)
    monkeypatch.setattr(os, "fdatasync", None)
    answers: list[Any] = [Reading(CallState.DIALING, provider_call_id="x1"), NotSent("no"), MayBeRinging("lost")]
    assert placing.record_all(list(zip(claims, answers, strict=True))) == []
    told = [line for line in lines(journal) if line["kind"] not in ("file", "intent")]
    assert told == [
        {"kind": "placed", "call": str(calls[0].uuid), "fence": 1, "id": "x1"},
        {"kind": "unsent", "call": str(calls[1].uuid), "fence": 1},
    ]


def test_the_database_is_told_what_is_on_the_disk_with_the_next_claim(running: Campaign, journal: Path) -> None:
    number = running.phone_numbers.get()
    assert journalled.is_ready()
    for digit in range(2):
        support.single(number, f"+1212555018{digit}")
        size = sum(path.stat().st_size for path in journal.glob("*.jsonl"))
        [_] = placing.claim(number.account_id)
        assert JournalFile.objects.get().position == size


def test_a_database_that_goes_back_under_a_worker_is_noticed(running: Campaign, journal: Path) -> None:
    number = running.phone_numbers.get()
    for digit in range(3):
        support.single(number, f"+1212555018{digit}")
        if digit < 2:
            placing.claim(number.account_id)
    JournalFile.objects.update(position=0)  # as the backup has it
    with pytest.raises(writer.DatabaseIsOlder):
        placing.claim(number.account_id)
    assert Call.objects.queued().count() == 1


def restored_under(writers: list[writer.Writer], journal: Path, copy: Path) -> None:
    """Restore a backup, and let these be the files of a process that went on meanwhile."""
    held = writer._held.pop(journal)
    backups.restore(copy)
    writer._held[journal] = writers[0] if writers else held
    Call.objects.queued().update(due_at=timezone.now(), not_after=None)


def refuses(account: int) -> bool:
    try:
        placing.claim(account)
    except writer.DatabaseIsOlder:
        return True
    return False


@pytest.mark.parametrize("who", ["claimed", "opened", "fresh", "told before"])
def test_no_process_of_a_host_claims_once_the_database_went_back(
    who: str, running: Campaign, journal: Path, tmp_path: Path
) -> None:
    """The one whose claim is forgotten, and those that claimed nothing since the backup, or nothing at all."""
    number, copy = running.phone_numbers.get(), tmp_path / "backup"
    standing.admit()
    for digit in range(4):
        support.single(number, f"+1212555018{digit}")
    other = writer.Writer(journal)
    if who == "opened":
        assert other.ready()
    if who == "told before":
        own = writer.writer()
        assert own is not None
        for each in (other, own):
            writer._held[journal] = each
            assert len(placing.claim(number.account_id, 1)) == 1
        standing.admit()  # as of another worker, which reads their files to the end
    backups.take(copy)
    assert len(placing.claim(number.account_id, 1)) == 1
    restored_under([] if who == "claimed" else [other], journal, copy)
    forgotten = Call.objects.queued().count()
    assert refuses(number.account_id)
    assert Call.objects.queued().count() == forgotten
    tomorrow = timezone.now() + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=True):
        entries.add(running.organization, "+12125550199", source="opt-out")  # a note opens no file, either
        Call.objects.queued().update(due_at=timezone.now(), not_after=None)
        assert refuses(number.account_id), "until the process ends"
    assert JournalFile.objects.filter(name__gte=f"{tomorrow:%F}").count() == 0
    with pytest.raises(standing.Refused):
        standing.stay()


def test_a_file_that_is_left_at_midnight_is_told_of_to_its_end(running: Campaign, journal: Path) -> None:
    number = running.phone_numbers.get()
    call = support.single(number, "+12125550181")
    assert len(placing.claim(call.account_id)) == 1
    [path] = journal.glob("*.jsonl")
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        assert journalled.is_ready()
        assert JournalFile.objects.get(name=path.name).position == path.stat().st_size
        assert JournalFile.objects.count() == 2


def test_nothing_is_claimed_while_a_journal_has_to_be_compared(running: Campaign, journal: Path) -> None:
    number = running.phone_numbers.get()
    support.single(number, "+12125550181")
    assert journalled.is_ready()
    History.objects.update(epoch=2)
    with pytest.raises(writer.NotCompared):
        placing.claim(number.account_id)
    standing.stay()
    assert len(placing.claim(number.account_id)) == 1, "it was, and nothing was forgotten"


def test_the_log_says_what_becomes_of_calls_that_cannot_be_given_back(
    running: Campaign, journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call = support.single(running.phone_numbers.get(), "+12125550177")
    assert journalled.is_ready()

    def unreadable(*_: Any) -> Any:
        raise UndecryptableSecret

    monkeypatch.setattr(journalled, "number_hashes", unreadable)
    monkeypatch.setattr(placement_results, "record_all", lambda placements, now: list(placements))
    assert placing.claim(call.account_id) == []
    assert "1 of them cannot be given back. They become unconfirmed when their leases end." in caplog.text


def test_what_forbids_calls_is_written_when_it_is_committed(
    running: Campaign, recipient: Recipient, journal: Path
) -> None:
    owner, contact = running.organization, recipient.contact
    entry, _ = entries.add(owner, "+12125550199", source="api")
    entries.add_many(owner, ["+12125550198", "+12125550197"], reason="", source="import")
    recipients.hold(contact, actor="ada")
    recipients.unhold(contact, actor="ada")
    recipients.withdraw(recipient, actor="ada")
    campaigns.pause(running, actor="ada")
    campaigns.resume(running, actor="ada")
    kill_switch.stop_all_calls(owner, actor="ada")
    kill_switch.allow_calls(owner, actor="ada")
    entries.remove(entry, "ada", "asked")
    erasure.erase(contact, actor="ada", reason="asked", never_again=False)
    expected = ["file", "listed", "listed", "held", "unheld", "withdrawn", "campaign", "campaign"]
    expected += ["calls_stopped", "calls_allowed", "unlisted", "held", "erased"]
    assert kinds(journal) == expected
    written = "".join(path.read_text() for path in journal.glob("*.jsonl"))
    assert "+1212" not in written and "12125550" not in written
    assert JournalNote.objects.count() == len(expected) - 1
    assert {line["token"] for line in lines(journal)[1:]} == {str(note.token) for note in JournalNote.objects.all()}


def test_a_change_that_is_rolled_back_is_not_written(callers: Organization, journal: Path) -> None:
    with transaction.atomic():
        entries.add(callers, "+12125550199", source="api")
        transaction.set_rollback(True)
    assert lines(journal) == []


def test_old_files_and_notes_are_deleted(running: Campaign, journal: Path, settings: Any) -> None:
    standing.admit()
    entries.add(running.organization, "+12125550199", source="api")
    [path] = journal.glob("*.jsonl")
    today, row = datetime.now(UTC).date(), DialJournal.objects.get()
    for age in (settings.DIAL_JOURNAL_DAYS, settings.DIAL_JOURNAL_DAYS + 1):
        name = f"{today - timedelta(days=age)}{path.name[10:]}"
        (journal / name).write_bytes(path.read_bytes())
        JournalFile.objects.create(journal=row, name=name, position=path.stat().st_size)
    JournalNote.objects.create(at=timezone.now() - timedelta(days=36))
    writer.forget()
    JournalNote.objects.create(at=datetime.combine(today - timedelta(days=35), time(0, 1), UTC))  # its line is kept
    other = DialJournal.objects.create(uuid=uuid4(), host="beta", presented=1)
    JournalFile.objects.create(journal=other, name=f"{today - timedelta(days=60)}-1-00.jsonl", position=1)
    standing.tidy()
    kept = {path.name, f"{today - timedelta(days=35)}{path.name[10:]}"}
    assert {found.name for found in journal.glob("*.jsonl")} == kept
    assert set(row.files.values_list("name", flat=True)) == kept
    assert JournalNote.objects.count() == 2
    assert other.files.count() == 1, "its host may keep files for longer"


def test_a_process_that_is_forked_writes_a_file_of_its_own(running: Campaign, journal: Path) -> None:
    found = writer.writer()
    assert found is not None and found is writer.writer()
    found.pid += 1  # as a child finds it
    assert writer.writer() is not found
