"""Undoing an import: what it created and nothing has called since goes, step by step in the background.

Rows that stay are let go of (`created_by_import` is emptied), so each step takes the next rows that are still the
import's, and an undo that dies goes on where its last commit left it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from campaigns.models import Contact, ContactImport, ContactListMember, Recipient
from campaigns.wording import people
from tenants import audit_log

S = ContactImport.Status
BATCH = 500
LEASE = timedelta(seconds=120)
OVER = (S.COMPLETED, S.FAILED, S.CANCELED)
BEGUN = (S.UNDOING, S.UNDONE)


class NotOver(Exception):
    """The import still runs. A sentence for the person."""


class _Interrupted(Exception):
    """Another worker has it: this batch must not be committed."""


@dataclass(frozen=True)
class Extent:
    """What an undo would do to the people whom the import created."""

    going: int
    staying: int


def extent(imp: ContactImport) -> Extent:
    """People who would go, and people who stay because they were called or stand on something else too."""
    created = Contact.objects.filter(created_by_import=imp)
    others = ContactListMember.objects.filter(contact=OuterRef("pk")).exclude(created_by_import=imp)
    going = created.filter(~Exists(others), calls=None, recipients=None).count()
    return Extent(going, created.count() - going)


def undo(imp: ContactImport, actor: str) -> None:
    """Have the engine remove what this import created. Raises NotOver while it runs; once begun, changes nothing."""
    with transaction.atomic():
        if ContactImport.objects.filter(pk=imp.pk, status__in=OVER).update(status=S.UNDOING, lease_until=None):
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
    """The undoings that somebody should work on now, oldest first."""
    return list(_claimable().order_by("id").values_list("pk", flat=True)[:100])


def _claimable() -> Any:
    free = Q(lease_until=None) | Q(lease_until__lt=timezone.now())
    return ContactImport.objects.filter(free, status=S.UNDOING)


def run_step(import_id: int, seconds: float = 8.0) -> bool:
    """Work on an undoing for a while. True when there is nothing left to do."""
    deadline = time.monotonic() + seconds
    lease = timezone.now() + LEASE
    if not _claimable().filter(pk=import_id).update(lease_until=lease):
        return not ContactImport.objects.filter(pk=import_id, status=S.UNDOING).exists()
    imp = ContactImport.objects.get(pk=import_id)
    mine = ContactImport.objects.filter(pk=import_id, status=S.UNDOING, lease_until=lease)
    try:
        while _remove_members(imp, mine) or _remove_contacts(imp, mine):
            if time.monotonic() >= deadline:
                mine.update(lease_until=None)
                return False
    except _Interrupted:
        return False
    imp.refresh_from_db()
    mine.update(status=S.UNDONE, lease_until=None, note=f"{imp.note} {_closing_words(imp)}".strip())
    return True


def _closing_words(imp: ContactImport) -> str:
    stayed = imp.created - imp.removed
    words = f"Undone: {people(imp.removed)} {'was' if imp.removed == 1 else 'were'} removed."
    if stayed > 0:
        words += (
            f" {people(stayed)} whom the file had brought {'stays' if stayed == 1 else 'stay'}: called, part of a "
            "campaign, on another list, or deleted already."
        )
    return words


def _remove_members(imp: ContactImport, mine: Any) -> bool:
    """Take the next people off the list, those excepted who were called since. False: nobody is left to look at."""
    with transaction.atomic():
        rows = ContactListMember.objects.filter(created_by_import=imp).order_by("pk")[:BATCH]
        people = dict(rows.values_list("contact_id", "pk"))
        if not people:
            return False
        _lock(people)
        called = Q(calls__created_at__gte=imp.created_at) | Q(
            recipients__in=Recipient.objects.filter(campaign__contact_lists=imp.contact_list_id)
        )
        staying = set(Contact.objects.filter(called, pk__in=people).values_list("pk", flat=True))
        found = ContactListMember.objects.filter(pk__in=people.values())
        found.filter(contact__in=staying).update(created_by_import=None)
        found.exclude(contact__in=staying).delete()
        _hold(mine, 0)
    return True


def _remove_contacts(imp: ContactImport, mine: Any) -> bool:
    """Remove the next people whom the import created, those excepted who are needed elsewhere."""
    with transaction.atomic():
        people = list(Contact.objects.filter(created_by_import=imp).order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not people:
            return False
        _lock(people)
        found = Contact.objects.filter(pk__in=people)
        going = list(found.filter(calls=None, recipients=None, memberships=None).values_list("pk", flat=True))
        found.exclude(pk__in=going).update(created_by_import=None)
        found.filter(pk__in=going).delete()
        _hold(mine, len(going))
    return True


def _lock(people: Any) -> None:
    """Everybody locks in the order of ids; what is read afterwards stays true until the commit."""
    list(Contact.objects.select_for_update().filter(pk__in=list(people)).order_by("pk").values_list("pk", flat=True))


def _hold(mine: Any, removed: int) -> None:
    if mine.update(removed=F("removed") + removed) != 1:
        raise _Interrupted
