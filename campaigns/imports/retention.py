"""Delete uploaded files, and what imports overwrote, after some time: they are personal data. The results stay."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db.models import Q

from campaigns.imports import growing_files
from campaigns.models import ContactImport, ImportOverwrite

UPLOAD_KEPT = timedelta(days=7)
OVERWRITTEN_KEPT = UPLOAD_KEPT  # until then an undo restores what the import changed
REJECTED_KEPT = timedelta(days=30)  # users correct these rows and import them again
PREVIEW_KEPT = timedelta(hours=6)
PREVIEW_FOLDER = "previews"
UPLOAD_FOLDER = "imports"
AT_ONCE = 100
ROWS_AT_ONCE = 5_000


def forget(now: datetime, limit: int = AT_ONCE) -> int:
    """Delete files and overwritten values past their retention, at most `limit` files of each kind.

    Return how many were deleted.
    """
    return (
        _forget("file", now - UPLOAD_KEPT, limit)
        + _forget("rejected_file", now - REJECTED_KEPT, limit)
        + forget_previews(now, limit)
        + _forget_strays(now - UPLOAD_KEPT, limit)
        + _forget_overwritten(now - OVERWRITTEN_KEPT)
    )


def _forget(column: str, before: datetime, limit: int) -> int:
    """Delete the file first, then clear its name: if the worker dies in between, the next one repeats both."""
    rows = ContactImport.objects.filter(finished_at__lt=before).exclude(**{column: ""}).order_by("finished_at")
    found = list(rows.values_list("pk", column)[:limit])
    for pk, name in found:
        growing_files.delete(name)
        ContactImport.objects.filter(pk=pk, **{column: name}).update(**{column: ""})
    return len(found)


def _forget_overwritten(before: datetime) -> int:
    """Delete the values that old imports overwrote, except while an undo restores them."""
    old = ImportOverwrite.objects.filter(contact_import__finished_at__lt=before)
    due = old.exclude(contact_import__status=ContactImport.Status.UNDOING).order_by("pk")
    found = list(due.values_list("pk", flat=True)[:ROWS_AT_ONCE])
    ImportOverwrite.objects.filter(pk__in=found).delete()
    return len(found)


def forget_previews(now: datetime, limit: int = AT_ONCE) -> int:
    """Delete previewed files that were never imported. Return how many were deleted."""
    return _delete(_older(PREVIEW_FOLDER, now - PREVIEW_KEPT)[:limit])


def _forget_strays(before: datetime, limit: int) -> int:
    """Delete files without an import: the import was deleted, or the process died during the upload."""
    names = _older(UPLOAD_FOLDER, before)
    whole = {growing_files.whole_name(name) for name in names}
    known = ContactImport.objects.filter(Q(file__in=whole) | Q(rejected_file__in=whole))
    in_use = {name for pair in known.values_list("file", "rejected_file") for name in pair} if names else set()
    return _delete([name for name in names if growing_files.whole_name(name) not in in_use][:limit])


def _older(folder: str, before: datetime) -> list[str]:
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        stored = f"{folder}/{name}"
        try:
            if default_storage.get_modified_time(stored) < before:
                found.append(stored)
        except FileNotFoundError:  # another worker was faster
            continue
    return found[: 10 * AT_ONCE]


def _delete(names: list[str]) -> int:
    for name in names:
        default_storage.delete(name)
    return len(names)
