"""When a worker may start, as far as the dial journals are concerned. Each refusal is one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from calls.actions import kill_switch
from calls.dialing import placing
from calls.journal import standing
from calls.models import Call, Heartbeat, Status
from campaigns.do_not_call import entries
from campaigns.models import Campaign
from campaigns.models.number_hash import forget_hash_key
from tenants.journal import folder as folders
from tenants.journal import writer
from tenants.journal.lines import encode
from tenants.models import AuditEntry, DialJournal, History, JournalFile, JournalNote, Organization
from tests.calls import support
from tests.calls.test_supervisor import beating, database_url, worker
from tests.waiting import PATIENCE, eventually


def refusal() -> str:
    with pytest.raises(standing.Refused) as refused:
        standing.admit()
    return str(refused.value)


def forget_the_last_claim() -> None:
    """Let the database be as a backup from before the last claim of its one call has it."""
    Call.objects.update(status=Status.QUEUED, placing_attempts=0, dialed_at=None, lease_until=None, cost_reserved=0)
    JournalFile.objects.all().delete()


@pytest.fixture
def claimed(running: Campaign, journal: Path) -> Call:
    """A call that was claimed once, by a process that has ended."""
    standing.admit()
    call = support.single(running.phone_numbers.get(), "+12125550177")
    [_] = placing.claim(call.account_id)
    writer.forget()
    call.refresh_from_db()
    return call


@pytest.fixture
def other_host(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal of another host of the same database, which was compared."""
    with monkeypatch.context() as patch:
        patch.setattr(folders, "this_host", lambda: "beta")
        own, settings.DIAL_JOURNAL = settings.DIAL_JOURNAL, tmp_path / "beta"
        with suppress(standing.Refused):  # on SQLite a second folder may mean that the database was moved
            standing.admit()
        writer.forget()
        settings.DIAL_JOURNAL = own
    standing.admit()
    return tmp_path / "beta"


def test_a_new_installation_and_a_worker_that_starts_again_are_admitted(claimed: Call, journal: Path) -> None:
    for _ in range(2):
        standing.admit()
        assert standing.wrong() == ""
    assert DialJournal.objects.get().presented == History.objects.get().epoch == 1


def test_a_worker_refuses_a_database_that_is_older_than_its_journal(claimed: Call, journal: Path) -> None:
    forget_the_last_claim()
    assert refusal().startswith(f"The database is older than the dial journal in {journal}: it was restored")
    assert refusal() == standing.wrong()
    assert History.objects.get().epoch == 2, "once, however often it is asked"
    Heartbeat.objects.create(worker="w", slot=0, run="x")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["dial_journal"]["message"]) == (503, standing.wrong())
    call_command("reconcile_journal")
    claimed.refresh_from_db()
    assert claimed.status == Status.UNCONFIRMED
    standing.admit()
    assert Client().get("/readyz").status_code == 200


def test_the_command_ends_with_one_sentence(claimed: Call, journal: Path) -> None:
    forget_the_last_claim()
    environment = os.environ | {"DATABASE_URL": database_url(), "DEBUG": "true", "DIAL_JOURNAL": str(journal)}
    done = subprocess.run([sys.executable, "manage.py", "worker"], env=environment, capture_output=True, check=False)
    assert done.returncode == 3
    assert done.stderr.decode().startswith("CommandError: The database is older than the dial journal")
    assert len(done.stderr.splitlines()) == 1


def test_a_forgotten_change_is_noticed_as_well(running: Campaign, journal: Path) -> None:
    standing.admit()
    entries.add(running.organization, "+12125550199", source="api")
    kill_switch.stop_all_calls(running.organization, actor="ada")
    writer.forget()
    standing.admit()
    JournalNote.objects.all().delete()
    JournalFile.objects.all().delete()
    assert "is older than the dial journal" in refusal()


def test_a_torn_last_line_is_no_fault_and_a_damaged_one_is(claimed: Call, journal: Path) -> None:
    JournalFile.objects.update(position=0)
    [path] = journal.glob("*.jsonl")
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in (last, last + 1, last + 9, len(whole) - 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        standing.admit()
        JournalFile.objects.update(position=0)
    path.write_bytes(whole[:last] + whole[last:].replace(b'"fence":1', b'"fence":2'))
    assert "lost lines" in refusal()
    with pytest.raises(CommandError):
        call_command("reconcile_journal")
    call_command("reconcile_journal", declare_lost=[folders.this_host()])
    standing.admit()


@pytest.mark.parametrize("how", ["folder", "file", "shorter"])
def test_a_lost_journal_is_named_and_has_to_be_declared(how: str, claimed: Call, journal: Path) -> None:
    [path] = journal.glob("*.jsonl")
    JournalFile.objects.update(position=path.stat().st_size)
    if how == "folder":
        shutil.rmtree(journal)
    elif how == "file":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    host = folders.this_host()
    assert f"--declare-lost {host}" in refusal()
    with pytest.raises(CommandError):
        call_command("reconcile_journal")
    assert refusal()
    call_command("reconcile_journal", declare_lost=[host])
    standing.admit()
    entry = AuditEntry.objects.filter(action="dial_journal.reconcile").latest("pk")
    assert entry.detail["lost"] == [host]


def test_the_journal_of_another_database_is_named_as_such(claimed: Call, journal: Path) -> None:
    History.objects.update(installation=uuid4())
    assert refusal().startswith(f"The dial journal in {journal} belongs to another database.")
    with pytest.raises(CommandError, match="belongs to another database"):
        call_command("reconcile_journal")
    single = support.single(claimed.phone_number, "+12125550178")
    assert placing.claim(single.account_id) == [], "nor does a worker that runs write into it"


def test_nothing_is_written_into_a_journal_that_the_database_does_not_know(claimed: Call, journal: Path) -> None:
    """A restored database may be older. What is written before the journal is compared would hide that."""
    DialJournal.objects.all().delete()
    Call.objects.update(status=Status.QUEUED, placing_attempts=0, dialed_at=None, lease_until=None, cost_reserved=0)
    before = sorted(journal.iterdir())
    assert placing.claim(claimed.account_id) == []
    found = writer.writer()
    assert found is not None
    assert "was restored" in found.trouble
    assert sorted(journal.iterdir()) == before
    call_command("reconcile_journal")
    found._again_at = 0.0
    support.single(claimed.phone_number, "+12125550178")
    assert len(placing.claim(claimed.account_id)) == 1


def test_a_journal_that_no_worker_writes_is_compared_by_the_process_that_needs_it(
    running: Campaign, journal: Path
) -> None:
    """As of a host with web processes alone. With a folder that was moved to it, too."""
    kill_switch.stop_all_calls(running.organization, actor="ada")
    assert DialJournal.objects.get().presented == 1
    writer.forget()
    DialJournal.objects.all().delete()
    kill_switch.allow_calls(running.organization, actor="ada")
    assert DialJournal.objects.get().presented == 1
    assert [len(path.read_text().splitlines()) for path in sorted(journal.glob("*.jsonl"))] == [2, 2]


def test_web_processes_present_their_journal_when_they_start(claimed: Call, other_host: Path, journal: Path) -> None:
    """After a failover nothing is forgotten, and a host without a worker keeps none down."""
    History.objects.update(epoch=7)
    standing.begin_web()
    assert standing.awaited() == ["beta"]
    forget_the_last_claim()
    standing.begin_web()
    assert standing.awaited() == ["beta", folders.this_host()]


def test_after_a_restore_every_host_has_to_show_its_journal(claimed: Call, other_host: Path, journal: Path) -> None:
    forget_the_last_claim()
    assert refusal()
    with pytest.raises(CommandError, match="No worker starts before the dial journal of beta"):
        call_command("reconcile_journal")
    assert "the dial journal of beta was not compared" in refusal()
    call_command("reconcile_journal", journal=[other_host])
    standing.admit()


def test_a_host_that_is_gone_is_declared_lost_by_name(claimed: Call, other_host: Path, journal: Path) -> None:
    forget_the_last_claim()
    refusal()
    with pytest.raises(CommandError, match="beta"):
        call_command("reconcile_journal", declare_lost=["alpha"])
    call_command("reconcile_journal", declare_lost=["beta"])
    assert DialJournal.objects.get(host="beta").presented == History.objects.get().epoch
    standing.admit()


def test_a_worker_whose_own_journal_knows_nothing_more_notices_another_database(
    claimed: Call, other_host: Path, journal: Path
) -> None:
    """On PostgreSQL the server tells one database from another, so no host has to have written since the backup."""
    with transaction.atomic():
        standing.begin_epoch_if_restored([])
    History.objects.update(fingerprint="another")
    if connection.vendor == "postgresql":
        assert standing.fingerprint().count("/") == 3
    assert "beta was not compared" in refusal()
    assert DialJournal.objects.get(host=folders.this_host()).presented == History.objects.get().epoch


def test_without_a_journal_a_worker_says_so(settings: Any, callers: Organization) -> None:
    settings.DIAL_JOURNAL = None
    standing.admit()
    assert standing.wrong() == ""
    assert "nobody knows who was called" in standing.OFF


def test_a_dry_run_changes_nothing(claimed: Call, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forget_the_last_claim()
    call_command("reconcile_journal", dry_run=True)
    assert "to be restored" in capsys.readouterr().out
    claimed.refresh_from_db()
    assert claimed.status == Status.QUEUED
    assert History.objects.get().epoch == 1


def test_a_dry_run_after_a_refusal_names_the_journals_that_are_missing_alone(
    claimed: Call, other_host: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forget_the_last_claim()
    refusal()
    for given, missing in ({}, True), ({"journal": [journal, other_host]}, False), ({"declare_lost": ["beta"]}, False):
        call_command("reconcile_journal", dry_run=True, **given)
        said = capsys.readouterr().out
        assert "to be restored" in said and said.endswith("Nothing was changed.\n")
        assert ("the dial journal of beta is compared" in said) == missing and folders.this_host() + " is" not in said
    assert "is older than the dial journal" in refusal()


def test_without_the_keys_of_the_database_the_command_ends_with_a_sentence(
    claimed: Call, journal: Path, settings: Any
) -> None:
    forget_the_last_claim()
    forget_hash_key()
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="none of FIELD_KEYS decrypts it"):
        call_command("reconcile_journal")
    assert "is older than the dial journal" in refusal()


def test_on_sqlite_a_new_folder_may_mean_that_a_backup_was_moved(
    claimed: Call, journal: Path, settings: Any, tmp_path: Path
) -> None:
    """On a new machine the folder is empty, and the file of the database tells nothing of what came after it."""
    forget_the_last_claim()
    settings.DIAL_JOURNAL = tmp_path / "elsewhere"
    if connection.vendor == "postgresql":  # there the server tells
        with transaction.atomic():
            standing.begin_epoch_if_restored([])
        History.objects.update(fingerprint="another")
    for _ in range(2):
        assert "was not compared" in refusal()
    with pytest.raises(writer.NotCompared):
        placing.claim(claimed.account_id)
    call_command("reconcile_journal", journal=[journal])
    standing.admit()
    claimed.refresh_from_db()
    assert claimed.status == Status.UNCONFIRMED


def test_a_host_with_several_journals_is_named_with_the_folder(
    claimed: Call, journal: Path, settings: Any, tmp_path: Path
) -> None:
    settings.DIAL_JOURNAL = tmp_path / "second"
    with suppress(standing.Refused):
        standing.admit()
    History.objects.update(epoch=7)
    host = folders.this_host()
    both = sorted([f"{host}:{journal}", f"{host}:{tmp_path / 'second'}"])
    assert standing.awaited() == both
    with pytest.raises(CommandError, match=f"{host} has several dial journals. Name one: {', '.join(both)}"):
        call_command("reconcile_journal", declare_lost=[host])
    call_command("reconcile_journal", declare_lost=[f"{host}:{journal}"])
    assert standing.awaited() == []
    History.objects.update(epoch=8)
    call_command("reconcile_journal", declare_lost=[str(DialJournal.objects.get(folder=journal).uuid)])
    assert standing.awaited() == []


def test_the_loss_of_a_folder_that_cannot_be_read_can_be_declared(claimed: Call, journal: Path) -> None:
    (journal / folders.IDENTITY).write_bytes(b"{")
    forget_the_last_claim()
    assert "cannot be read" in refusal()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("reconcile_journal")
    call_command("reconcile_journal", declare_lost=[folders.this_host()])
    standing.admit()
    claimed.refresh_from_db()
    assert claimed.status == Status.UNCONFIRMED, "what can still be read of it counts"


def test_a_line_that_is_written_meanwhile_is_no_loss(
    claimed: Call, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes write while a journal is compared, and tell the database of it."""
    row, sizes = JournalFile.objects.get(), folders.sizes
    path = journal / row.name

    def busy(*given: Any) -> dict[str, int]:
        found = sizes(*given)
        with path.open("ab") as file:
            file.write(encode({"kind": "file"}))
        JournalFile.objects.update(position=path.stat().st_size)
        return found

    monkeypatch.setattr(folders, "sizes", busy)
    assert standing.wrong() == ""
    standing.admit()


@pytest.mark.slow
def test_a_worker_that_runs_ends_when_its_database_goes_back(
    claimed: Call, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIAL_JOURNAL", str(journal))
    log = tmp_path / "log"
    with worker(log) as process:
        eventually(beating, "the worker does not start")
        Call.objects.update(due_at=timezone.now() + timedelta(hours=1))
        forget_the_last_claim()
        assert process.wait(PATIENCE) == 3
    assert "The database is older than the dial journal" in log.read_text()
    assert not Heartbeat.objects.exists()


def test_a_journal_of_another_user_is_not_lost(claimed: Call, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody started a process as root once. Whoever declares the journal lost may call people twice."""

    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(folders, "identity_of", forbidden)
    told = refusal()
    assert told.endswith(f"Give the folder {journal} and its files to the user who runs the processes.")
    assert "loss" not in told
