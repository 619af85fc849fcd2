"""A line that its process could not write, or that it died before, is written by another one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from calls.journal import standing
from campaigns.do_not_call import entries
from campaigns.models import Campaign, DoNotCall
from tenants.journal import notes, writer
from tenants.models import JournalNote
from tests.calls.journal import backups
from tests.calls.journal.test_writing import kinds, lines

PHONES = ["+12125550198", "+12125550199"]


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def dies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(notes, "_write", lambda _: None)


def has_no_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "write", full)


@pytest.mark.parametrize("later", [standing.stay, standing.admit, standing.begin_web])
@pytest.mark.parametrize("happens", [dies, has_no_room])
def test_what_was_committed_is_in_the_journal_half_a_minute_later(
    happens: Callable[[pytest.MonkeyPatch], None],
    later: Callable[[], None],
    running: Campaign,
    journal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    standing.admit()
    backups.take(tmp_path / "backup")
    for phone in PHONES:
        with monkeypatch.context() as patch:
            happens(patch)
            entries.add(running.organization, phone, source="opt-out")
    writer.forget()
    later()
    assert "listed" not in kinds(journal), "a process that lives writes its line itself"
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=True):
        for _ in range(2):
            later()
    assert kinds(journal) == ["file", "listed", "listed"], "once"
    assert not JournalNote.objects.filter(line__isnull=False).exists()
    backups.restore(tmp_path / "backup")
    with pytest.raises(standing.Refused, match="older than the dial journal"):
        standing.admit()
    call_command("reconcile_journal")
    assert sorted(DoNotCall.objects.values_list("phone_hash", flat=True)) == sorted(
        hashed for line in lines(journal) if line["kind"] == "listed" for hashed in line["numbers"]
    )


def test_a_line_that_is_written_is_kept_nowhere_else(running: Campaign, journal: Path) -> None:
    entries.add(running.organization, PHONES[0], source="opt-out")
    assert list(JournalNote.objects.values_list("line", flat=True)) == [None]


def test_lines_stay_until_they_can_be_written(
    running: Campaign, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        has_no_room(patch)
        entries.add(running.organization, PHONES[0], source="opt-out")
        with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=True):
            notes.write_left()
    assert JournalNote.objects.filter(line__isnull=False).count() == 1
