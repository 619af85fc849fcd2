"""Delete what is older than the days for which journals are kept."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

from django.conf import settings

from tenants.journal import folder as folders
from tenants.models import DialJournal, JournalFile, JournalNote

AT_ONCE = 10_000  # notes that are deleted in one go


def remove_old(folder: Path, journal: DialJournal) -> None:
    """Delete old files of a folder, what the database knows of them, and old notes. Not while a claim waits for it.

    The database goes first: a file of which it knows and that is missing counts as lost. Its notes go last: a line
    that is kept and whose note is gone would count as forgotten.
    """
    days = settings.DIAL_JOURNAL_DAYS
    since = folders.first_day(days)
    JournalFile.objects.filter(journal=journal, name__lt=since.isoformat()).delete()  # a name begins with its day
    folders.remove_old(folder, days)
    midnight = datetime.combine(since, time(), UTC)
    old = JournalNote.objects.filter(at__lt=midnight).order_by("at").values_list("pk", flat=True)[:AT_ONCE]
    JournalNote.objects.filter(pk__in=list(old)).delete()
