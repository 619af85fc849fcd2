"""Undo an import: remove what it created and nothing has called since, and restore what it overwrote.

It works step by step in the background. A row that stays loses its link to the import (`created_by_import` becomes
null), and a restored contact its before-image (`ImportOverwrite`). So each step takes the next rows that are left, and
an undo that dies continues after its last commit. Entries of the do-not-call list stay.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from campaigns import contact_locks
from campaigns.imports import persons
from campaigns.imports.merging import Person, inherit
from campaigns.models import Contact, ContactImport, ContactListMember, ImportOverwrite, Recipient
from campaigns.wording import contacts, counted
from tenants import audit_log

Status = ContactImport.Status
BATCH = 500
LEASE = timedelta(seconds=120)
OVER = (Status.COMPLETED, Status.FAILED, Status.CANCELED)
BEGUN = (Status.UNDOING, Status.UNDONE)


class NotOver(Exception):
    """The import is still running. The message is for the user."""


class _Interrupted(Exception):
    """Another worker has the lease: this batch must not be committed."""


@dataclass(frozen=True)
class Extent:
    """How many of the contacts that the import created an undo removes and keeps, and how many others it restores."""

    removed: int
    kept: int
    restored: int = 0


def extent(imp: ContactImport) -> Extent:
    """Count the contacts to remove, and those to keep: called, in a campaign, or on another list."""
    created = Contact.objects.filter(created_by_import=imp)
    others = ContactListMember.objects.filter(contact=OuterRef("pk")).exclude(created_by_import=imp)
    removed = created.filter(~Exists(others), calls=None, recipients=None).count()
    return Extent(removed, created.count() - removed, imp.overwrites.count())


def undo(imp: ContactImport, actor: str) -> None:
    """Mark the import for the engine to undo. Does nothing if that was done before. Raises NotOver while it runs."""
    with transaction.atomic():
        if ContactImport.objects.filter(pk=imp.pk, status__in=OVER).update(status=Status.UNDOING, lease_until=None):
            audit_log.record(
                imp.organization_id,
                actor=actor,
                action="contactimport.undo",
                subject=str(imp.uuid),
                detail={"filename": imp.filename, "created": imp.created},
            )
            return
    if not ContactImport.objects.filter(pk=imp.pk, status__in=BEGUN).exists():
        raise NotOver("This import is still running. Cancel it first, then undo it.")


def due() -> list[int]:
    """Return the ids of the imports whose undo a worker can continue now, oldest first, at most 100."""
    return list(_claimable().order_by("id").values_list("pk", flat=True)[:100])


def _claimable() -> Any:
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return ContactImport.objects.filter(free, status=Status.UNDOING)


def run_step(import_id: int, seconds: float = 8.0) -> bool:
    """Work on the undo of an import for some seconds. Return True when nothing is left to do."""
    deadline = time.monotonic() + seconds
    lease = timezone.now() + LEASE
    if not _claimable().filter(pk=import_id).update(lease_until=lease):
        return not ContactImport.objects.filter(pk=import_id, status=Status.UNDOING).exists()
    imp = ContactImport.objects.get(pk=import_id)
    held = ContactImport.objects.filter(pk=import_id, status=Status.UNDOING, lease_until=lease)
    try:
        while _remove_members(imp, held) or _remove_contacts(imp, held) or _restore(imp, held):
            if time.monotonic() >= deadline:
                held.update(lease_until=None)
                return False
    except _Interrupted:
        return False
    imp.refresh_from_db()
    held.update(status=Status.UNDONE, lease_until=None, note=f"{imp.note} {_result_note(imp)}".strip())
    return True


def _result_note(imp: ContactImport) -> str:
    kept = imp.created - imp.removed
    note = f"Undone: {contacts(imp.removed)} {'was' if imp.removed == 1 else 'were'} removed."
    if kept > 0:
        note += (
            f" {contacts(kept)} from the file {'was' if kept == 1 else 'were'} not removed: called, in a campaign, on "
            "another list, or deleted already."
        )
    if imp.restored:
        note += f" {contacts(imp.restored)} that existed before got back what the file had changed."
    if imp.listed:
        stays = "stays" if imp.listed == 1 else "stay"
        note += f" {counted(imp.listed, 'number')} that the file put on the do-not-call list {stays} there."
    return note


def _remove_members(imp: ContactImport, held: Any) -> bool:
    """Take the next contacts off the list, except contacts that were called since. Return False if none is left."""
    with transaction.atomic():
        rows = ContactListMember.objects.filter(created_by_import=imp).order_by("pk")[:BATCH]
        members = dict(rows.values_list("contact_id", "pk"))
        if not members:
            return False
        _lock(members)
        called = Q(calls__created_at__gte=imp.created_at) | Q(
            recipients__in=Recipient.objects.filter(campaign__contact_lists=imp.contact_list_id)
        )
        kept = set(Contact.objects.filter(called, pk__in=members).values_list("pk", flat=True))
        found = ContactListMember.objects.filter(pk__in=members.values())
        found.filter(contact__in=kept).update(created_by_import=None)
        found.exclude(contact__in=kept).delete()
        _keep_lease(held)
    return True


def _remove_contacts(imp: ContactImport, held: Any) -> bool:
    """Delete the next contacts that the import created, except contacts in use. Return False if none is left."""
    with transaction.atomic():
        created = Contact.objects.filter(created_by_import=imp)
        ids = list(created.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return False
        _lock(ids)
        found = Contact.objects.filter(pk__in=ids)
        unused = list(found.filter(calls=None, recipients=None, memberships=None).values_list("pk", flat=True))
        found.exclude(pk__in=unused).update(created_by_import=None)
        found.filter(pk__in=unused).delete()
        _keep_lease(held, len(unused))
    return True


def _restore(imp: ContactImport, held: Any) -> bool:
    """Give the next contacts back what the import overwrote, except what was changed since. Return False at the end."""
    with transaction.atomic():
        keys = list(imp.overwrites.order_by("pk").values_list("contact_id", flat=True)[:BATCH])
        if not keys:
            return False
        locked, changed, inherited = contact_locks.lock_keys(keys), [], []
        images = {row.contact_id: row for row in imp.overwrites.filter(contact__in=keys)}
        others = _others(imp, keys)
        numbers, tags = persons.further_numbers(keys), persons.tags(keys)
        for contact in locked:
            person = Person(contact, numbers.get(contact.pk, {}), tags.get(contact.pk, {}))
            image = images[contact.pk]
            if restored := person.restore(image.before, image.after):
                changed.append((person, restored))
            left = image.after.keys() - set(restored)
            for other in others.get(contact.pk, ()):
                if inherit(other.before, image.before, image.after, left):
                    inherited.append(other)
        persons.write(imp.organization_id, changed)
        ImportOverwrite.objects.bulk_update(inherited, ["before"], batch_size=BATCH)
        imp.overwrites.filter(pk__in=[row.pk for row in images.values()]).delete()
        _keep_lease(held, restored=len(changed))
    return True


def _others(imp: ContactImport, keys: list[int]) -> dict[int, list[ImportOverwrite]]:
    """Return what other imports overwrote in these contacts, by contact."""
    found: dict[int, list[ImportOverwrite]] = {}
    for row in ImportOverwrite.objects.filter(contact__in=keys).exclude(contact_import=imp).order_by("pk"):
        found.setdefault(row.contact_id, []).append(row)
    return found


def _lock(ids: Any) -> None:
    """Lock contacts in the order of ids, as all code does. What is read afterwards stays true until the commit."""
    list(Contact.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk").values_list("pk", flat=True))


def _keep_lease(held: Any, removed: int = 0, restored: int = 0) -> None:
    if held.update(removed=F("removed") + removed, restored=F("restored") + restored) != 1:
        raise _Interrupted
