"""What the database knows of the dial journals: so that one that is older than a journal is noticed at start."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now


class History(models.Model):
    """The history of this database: one row, made by the first migration and kept by every backup."""

    installation = models.UUIDField(default=uuid.uuid4, editable=False)
    # Raised when the database turns out to be restored. Then every journal has to be presented again.
    epoch = models.PositiveIntegerField(default=1)
    fingerprint = models.CharField(max_length=100, blank=True)  # of the server's database, when it was last looked at

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(id=1), name="one_history")]

    def __str__(self) -> str:
        return f"{self.installation}, epoch {self.epoch}"


class DialJournal(models.Model):
    """A dial journal: a folder of a host, which the processes of that host write."""

    uuid = models.UUIDField("id", unique=True, editable=False)
    host = models.CharField(max_length=200)
    folder = models.CharField(max_length=1000)
    presented = models.PositiveIntegerField(default=0)  # the last epoch in which the journal was compared
    trouble = models.CharField(max_length=300, blank=True)  # why it cannot be written, in a sentence
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.folder}"


class JournalFile(models.Model):
    """How much of a file of a journal was on the disk, in bytes, when the database was last told."""

    journal = models.ForeignKey(DialJournal, on_delete=models.CASCADE, related_name="files", db_index=False)
    name = models.CharField(max_length=100)
    position = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["journal", "name"], name="one_row_per_journal_file")]

    def __str__(self) -> str:
        return self.name


class JournalNote(models.Model):
    """A line of a journal that is no call: stored with what it tells of, so that a restored database lacks both."""

    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField(default=utc_now, db_index=True)  # the purge reads the index
    line = models.JSONField(null=True, editable=False)  # until it is written

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["at"], name="journal_note_unwritten", condition=models.Q(line__isnull=False))
        ]

    def __str__(self) -> str:
        return str(self.token)
