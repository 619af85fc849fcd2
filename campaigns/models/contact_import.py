"""Imports of contacts from a file."""

from __future__ import annotations

import re
import uuid
from pathlib import PurePath
from typing import ClassVar

from django.db import models
from django.utils.timezone import now as utc_now

from campaigns.models.contact import Contact, ContactList
from tenants.models import Organization

NEXT_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def upload_path(instance: ContactImport, filename: str) -> str:
    """Return a random path outside the web root. The name that the user gave the file never reaches the disk."""
    return f"imports/{uuid.uuid4().hex}{PurePath(filename).suffix[:8] if filename.endswith('.rejected') else ''}"


class ContactImport(models.Model):
    """An uploaded file: how to read it, the progress, the counts and the rejected rows."""

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        RUNNING = "running", "Running"
        COMPLETED = "completed", "Completed"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    class OnDuplicate(models.TextChoices):
        UPDATE = "update", "Update the contact"
        SKIP = "skip", "Leave the contact as it is"

    class OnTags(models.TextChoices):
        ADD = "add", "Add them to the contact's tags"
        REPLACE = "replace", "Put them in the place of the contact's tags"

    uuid = models.UUIDField("id", default=uuid.uuid4, unique=True, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="contact_imports")
    contact_list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="imports")
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    filename = models.CharField(max_length=255)
    file = models.FileField(upload_to=upload_path)
    rejected_file = models.FileField(upload_to=upload_path, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    mapping = models.JSONField(default=dict, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    encoding = models.CharField(max_length=32, blank=True)
    default_region = models.CharField(max_length=2, blank=True)
    on_duplicate = models.CharField(max_length=6, choices=OnDuplicate, default=OnDuplicate.UPDATE)
    on_tags = models.CharField(max_length=7, choices=OnTags, default=OnTags.ADD, db_default=OnTags.ADD)

    bytes_total = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)  # the next step continues here
    rows_read = models.BigIntegerField(default=0)
    lines_read = models.BigIntegerField(default=0)  # as a spreadsheet counts lines, header included
    created = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    # Imported rows whose time zone is none of the number's, or another word in the file; and the first of each kind.
    zones_contradicting = models.BigIntegerField(default=0)
    zones_interpreted = models.BigIntegerField(default=0)
    zone_examples = models.JSONField(default=dict, blank=True)
    listed = models.BigIntegerField(default=0)  # numbers that a column of the file put on the do-not-call list
    phone_readings = models.JSONField(default=dict, blank=True, editable=False)  # by column: how its digits are read
    numbers_left_out = models.BigIntegerField(default=0)  # a contact has five numbers at most
    removed = models.BigIntegerField(default=0)  # contacts removed by an undo
    restored = models.BigIntegerField(default=0)  # contacts to which an undo gave back what the file had changed
    rejected_bytes = models.BigIntegerField(default=0, editable=False)  # committed size of the rejected file
    error = models.TextField(blank=True)
    note = models.TextField(blank=True)  # information for the user that is no error
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    end_told = models.BooleanField(default=False, editable=False)  # the engine has sent webhooks and alerts about it

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "import"
        # The engine: finished imports that it has not reported yet.
        indexes: ClassVar = [models.Index(fields=["id"], name="import_untold", condition=models.Q(end_told=False))]

    def __str__(self) -> str:
        return f"{self.filename} into {self.contact_list}"

    @property
    def why_failed(self) -> str:
        """The first sentence of the reason for a failure; "" if it did not fail."""
        return NEXT_SENTENCE.split(self.error, maxsplit=1)[0] if self.status == self.Status.FAILED else ""


class ImportOverwrite(models.Model):
    """What an import overwrote in a contact, for the undo: the values before the first update by this import."""

    contact_import = models.ForeignKey(
        ContactImport, on_delete=models.CASCADE, related_name="overwrites", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    before = models.JSONField()
    after = models.JSONField()  # a value that was changed again since stays as it is

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contact_import", "contact"], name="one_overwrite_per_contact")
        ]

    def __str__(self) -> str:
        return f"{self.contact} before {self.contact_import}"
