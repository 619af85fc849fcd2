"""The product's import of a file, as the engine does it: stored by an upload, then done in steps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def run(path: Path, home: int, valid: int) -> None:
    """Import a file into a new list of an organization. For a process of its own, whose memory is measured."""
    from django.conf import settings

    from campaigns.imports import job, upload
    from campaigns.models import ContactList

    with tempfile.TemporaryDirectory(prefix="trunkline-uploads-") as uploads:
        settings.MEDIA_ROOT = uploads
        into = ContactList.objects.create(organization_id=home, name=f"B {ContactList.objects.count()}")
        with path.open("rb") as file:
            row: Any = upload.start_import(into, file, "people.csv")
        while not job.run_step(row.pk, 600):
            pass
        row.refresh_from_db()
        assert row.status == "completed" and row.created == valid, (row.status, row.error, row.created, valid)  # noqa: S101
