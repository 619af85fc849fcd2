from __future__ import annotations

import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from campaigns.imports import job, retention, upload
from campaigns.models import ContactImport, ContactList
from tests.conftest import KeyMaker
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def imported(contact_list: ContactList, days_ago: float) -> ContactImport:
    file = io.BytesIO(b"phone\n+33612345678\n0612\n")
    imp = upload.start_import(contact_list, file, "list.csv")
    assert job.run_step(imp.pk, PATIENCE)
    ContactImport.objects.filter(pk=imp.pk).update(finished_at=timezone.now() - timedelta(days=days_ago))
    imp.refresh_from_db()
    return imp


def test_a_file_is_deleted_after_its_time_and_its_numbers_stay(
    contact_list: ContactList, settings: Any, client_for: KeyMaker
) -> None:
    fresh, old, ancient = (imported(contact_list, days) for days in (6.9, 7.1, 30.1))
    retention.forget(timezone.now())
    kept = {path.name for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()}
    assert kept == {Path(str(name)).name for name in (fresh.file, fresh.rejected_file, old.rejected_file)}
    for imp in (fresh, old, ancient):
        imp.refresh_from_db()
        assert (imp.rows_read, imp.created + imp.updated, imp.rejected, imp.status) == (2, 1, 1, "completed")
    assert (bool(old.file), bool(old.rejected_file), bool(ancient.rejected_file)) == (False, True, False)
    api = client_for(contact_list.organization)
    kept_rows: Any = api.get(f"/api/v1/imports/{old.uuid}/errors.csv")
    assert b"0612" in b"".join(kept_rows.streaming_content)
    gone = api.get(f"/api/v1/imports/{ancient.uuid}/errors.csv")
    assert (gone.status_code, gone.json()) == (
        404,
        {"error": "The rejected rows of this import have been deleted."},
    )


def test_an_import_that_is_not_over_keeps_its_file(contact_list: ContactList) -> None:
    imp = upload.start_import(contact_list, io.BytesIO(b"phone\n+33612345678\n"), "list.csv")
    ContactImport.objects.update(created_at=timezone.now() - timedelta(days=90))
    old = (timezone.now() - timedelta(days=90)).timestamp()
    os.utime(default_storage.path(str(imp.file.name)), (old, old))
    assert retention.forget(timezone.now()) == 0
    assert job.run_step(imp.pk, PATIENCE)
    imp.refresh_from_db()
    assert imp.status == "completed"


def test_files_without_an_import_are_deleted_too(db: None) -> None:
    for name, hours in (("imports/a", 169), ("imports/b", 100), ("previews/c", 7), ("previews/d", 5)):
        default_storage.save(name, ContentFile(b"phone\n"))
        then = (timezone.now() - timedelta(hours=hours)).timestamp()
        os.utime(default_storage.path(name), (then, then))
    assert retention.forget(timezone.now()) == 2
    assert [default_storage.exists(name) for name in ("imports/a", "imports/b", "previews/c", "previews/d")] == [
        False,
        True,
        False,
        True,
    ]


def test_a_step_deletes_a_limited_number_of_files(contact_list: ContactList) -> None:
    for _ in range(5):
        imported(contact_list, 8)
    assert [retention.forget(timezone.now(), limit=2) for _ in range(4)] == [2, 2, 1, 0]
