"""What the processes of a folder tell each other and the database: no accident among them stops a worker for good."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.utils import timezone

from calls.dialing import journalled, placing
from calls.journal import standing
from calls.models import Call
from campaigns.do_not_call import entries
from campaigns.models import Campaign, DoNotCall, InstallationKey, number_hash
from providers.models import PhoneNumber
from tenants.journal import folder as folders
from tenants.journal import writer
from tenants.journal.lines import encode
from tenants.models import DialJournal, History, JournalFile
from tests.calls import support


@pytest.fixture
def number(running: Campaign, journal: Path) -> PhoneNumber:
    """A caller number with a call that waits."""
    number = running.phone_numbers.get()
    support.single(number, "+12125550177")
    return number


def name_of_today(ending: str) -> str:
    return f"{timezone.now():%F}-1-{ending}.jsonl"


def claims(number: PhoneNumber) -> int:
    Call.objects.queued().update(due_at=timezone.now())
    return len(placing.claim(number.account_id))


def torn(path: Path) -> None:
    path.write_bytes(b"0000000000000")


def of_zeros(path: Path) -> None:
    path.write_bytes(bytes(20))


def of_other_bytes(path: Path) -> None:
    path.write_bytes(b"\xff" * 20)


def of_no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.symlink_to(path.parent / "removed")


@pytest.mark.parametrize("spoilt", [torn, of_zeros, of_other_bytes, of_no_bytes, gone, Path.mkdir])
def test_what_one_process_told_can_be_unreadable(
    spoilt: Callable[[Path], None], number: PhoneNumber, journal: Path
) -> None:
    standing.admit()
    assert journalled.is_ready()
    spoilt(journal / folders.TOLD / name_of_today("ab"))
    (journal / folders.TOLD / name_of_today("cd")).write_bytes(b"%020d" % 77)
    told = folders.told(journal)
    assert (told[name_of_today("ab")], told[name_of_today("cd")]) == (0, 77)
    (journal / folders.TOLD / name_of_today("cd")).unlink()
    assert claims(number) == 1
    entries.add(number.organization, "+12125550199", source="api")
    standing.stay()


def test_a_folder_that_cannot_be_read_stops_claims_and_no_change(number: PhoneNumber, journal: Path) -> None:
    assert journalled.is_ready()
    (journal / folders.TOLD).rename(journal / "away")
    (journal / folders.TOLD).write_text("")
    with pytest.raises(writer.NotCompared, match="cannot be read: Not a directory"):
        claims(number)
    entries.add(number.organization, "+12125550199", source="api")
    assert DoNotCall.objects.count() == 1
    (journal / folders.TOLD).unlink()
    (journal / "away").rename(journal / folders.TOLD)
    assert claims(number) == 1


def test_a_journal_that_is_compared_during_a_claim_delays_it_alone(number: PhoneNumber, journal: Path) -> None:
    """Another process presents the last journal between two statements of the claim."""
    assert journalled.is_ready()
    History.objects.update(epoch=2)

    def compared_now(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        done = execute(sql, params, many, context)
        if sql.startswith('UPDATE "tenants_journalfile"'):
            DialJournal.objects.update(presented=2)
        return done

    with connection.execute_wrapper(compared_now), pytest.raises(writer.NotCompared):
        claims(number)
    DialJournal.objects.update(presented=2)  # again, because the claim was rolled back
    assert claims(number) == 1


def test_a_number_that_is_read_while_it_is_written_proves_nothing(
    number: PhoneNumber, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert journalled.is_ready()
    [name] = folders.told(journal)
    found = iter([{name: 9_999}, folders.told(journal)])
    monkeypatch.setattr(folders, "told", lambda _: next(found))
    assert claims(number) == 1


def test_a_process_that_died_before_its_row_was_made_stops_nobody(number: PhoneNumber, journal: Path) -> None:
    standing.admit()
    name, descriptor = folders.new_file(journal, timezone.now().date())
    os.close(folders.begin_telling(journal, name))
    os.write(descriptor, encode({"kind": "file"}))
    os.close(descriptor)
    assert claims(number) == 1
    standing.admit()
    assert JournalFile.objects.get(name=name).position == 0


def test_a_file_that_is_compared_while_it_is_opened_begins_at_nothing(
    number: PhoneNumber, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher that looks between the file and its row makes the row. Each claim still tells of more."""
    standing.admit()
    sync = os.fdatasync

    def watched(descriptor: int) -> None:
        sync(descriptor)
        standing.stay()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", watched)
        assert journalled.is_ready()
    assert JournalFile.objects.get().position == 0
    [path] = journal.glob("*.jsonl")
    before = path.stat().st_size
    assert claims(number) == 1
    assert JournalFile.objects.get().position == before > 0


def test_the_trouble_of_a_process_ends_with_the_next_one(
    number: PhoneNumber, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert journalled.is_ready()

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for begins in (journalled.is_ready, standing.begin_web, standing.admit):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            entries.add(number.organization, "+12125550199", source="api")
        assert "No space left" in standing.wrong()
        writer.forget()
        assert "No space left" in standing.wrong(), "of a process that has ended"
        begins()
        assert standing.wrong() == ""


def test_trouble_that_lasts_is_told_again(number: PhoneNumber, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert journalled.is_ready()
    found = writer.writer()
    assert found is not None
    monkeypatch.setattr(os, "write", lambda *_: 0)
    for _ in range(2):
        DialJournal.objects.update(trouble="")  # as another process that starts does
        with pytest.raises(writer.NotWritten):
            found.append([{"kind": "file"}])
        assert "full" in DialJournal.objects.get().trouble


def test_what_was_told_is_read_without_locks(
    number: PhoneNumber, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, within = folders.told, []

    def watched(folder: Path) -> dict[str, int]:
        within.append(connection.in_atomic_block)
        return told(folder)

    monkeypatch.setattr(folders, "told", watched)
    assert claims(number) == 1
    entries.add(number.organization, "+12125550199", source="api")
    assert set(within) == {False} and len(within) >= 2


def test_a_process_removes_what_it_told_of_a_file_when_it_has_told_of_the_next(
    number: PhoneNumber, journal: Path
) -> None:
    """Not before: what it told is all that shows another process that the database went back."""
    assert claims(number) == 1
    support.single(number, "+12125550178")
    [first] = folders.told(journal)
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=True):
        assert journalled.is_ready()
        assert len(folders.told(journal)) == 2
        assert claims(number) == 1
        [second] = folders.told(journal)
        assert second != first
        standing.admit()


def test_each_database_has_a_key_of_hashes_once_it_has_the_table(django_db_blocker: Any) -> None:
    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    connections.settings["second"] = connections.settings["default"] | memory
    try:
        with django_db_blocker.unblock():
            number_hash.begin_number_hashes(using="second")  # a migration of other tables
            with connections["second"].schema_editor() as editor:
                editor.create_model(InstallationKey)
            number_hash.begin_number_hashes(using="second")
            assert InstallationKey.objects.using("second").count() == 1
    finally:
        connections["second"].close()
        del connections["second"], connections.settings["second"]


@pytest.mark.proof
def test_tables_of_another_room_are_not_asked_for_the_key_of_hashes(tmp_path: Path) -> None:
    """`migrate` of one app, and of another database: each has its own key once it has the table."""
    script = """
import django
django.setup()
from django.core.management import call_command
from django.db import connections
from campaigns.models import InstallationKey
default = connections.settings["default"]
connections.settings["second"] = {**default, "NAME": f"{default['NAME']}2"}
call_command("migrate", "tenants", verbosity=0)
call_command("migrate", "campaigns", database="second", verbosity=0)
assert InstallationKey.objects.using("second").count() == 1
assert "campaigns_installationkey" not in connections["default"].introspection.table_names()
"""
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path}/one.sqlite3",
        "DEBUG": "true",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
