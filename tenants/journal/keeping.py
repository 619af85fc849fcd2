"""Delete what is older than the days for which journals are kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from tenants.journal import folder as folders
from tenants.models import DialJournal, JournalFile, JournalNote


def remove_old(folder: Path, journal: DialJournal) -> None:
    """Delete old files of a folder, old notes, and the journals of hosts that have written nothing since.

    The database goes first: a file of which it knows and that is missing counts as lost.
    """
    days = settings.DIAL_JOURNAL_DAYS
    since = folders.first_day(days)
    JournalFile.objects.filter(name__lt=since.isoformat()).delete()  # a name begins with its day
    folders.remove_old(folder, days)
    before = timezone.now() - timedelta(days=days)
    JournalNote.objects.filter(at__lt=before).delete()
    DialJournal.objects.filter(files=None, created_at__lt=before).exclude(pk=journal.pk).delete()
