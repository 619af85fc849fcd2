"""Lock contacts. The row of a contact is the lock for every decision about calls to its number."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from zlib import crc32

from django.db import connection

from campaigns.models import Contact
from tenants.models import Organization

STRIPES = 64  # a bounded number of locks, however many numbers a file has
LOCK_CLASS = 7_201  # tells these locks from other advisory locks


def lock_numbers(organization_id: int, phones: Iterable[str]) -> None:
    """Lock numbers until the transaction ends: who gets a number as a further one, and who lists it, take turns.

    Call it before any contact is locked. Without it a number could be listed between the moment when a contact gets it
    and the moment when that is committed, and the contact would not be locked.
    """
    if connection.vendor != "postgresql":
        return  # SQLite has one writer at a time
    stripes = sorted({crc32(f"{organization_id} {phone}".encode()) % STRIPES for phone in phones})
    with connection.cursor() as cursor:
        for stripe in stripes:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, stripe])


def lock_contact(organization: Organization, phone: str, name: str = "") -> Contact:
    """Lock the contact of a number until the transaction ends, and return it. Creates the contact if there is none."""
    while True:
        Contact.objects.bulk_create([Contact(organization=organization, phone=phone, name=name)], ignore_conflicts=True)
        locked = Contact.objects.select_for_update(no_key=True)
        found = locked.filter(organization=organization, phone=phone).order_by("pk").first()
        if found is not None:  # else it was deleted during the wait, for example by the undo of an import
            return found


def create_contacts(organization: Organization, phones: Collection[str]) -> None:
    """Create the contacts that are missing, before any of them is locked."""
    missing = [Contact(organization=organization, phone=phone) for phone in sorted(phones)]
    Contact.objects.bulk_create(missing, ignore_conflicts=True)


def lock_contacts(organization: Organization, phones: Collection[str]) -> bool:
    """Lock many contacts until the transaction ends, in the order of ids that avoids deadlocks.

    Return False if a contact is missing.
    """
    locked = Contact.objects.select_for_update(no_key=True).filter(organization=organization, phone__in=phones)
    return len(locked.order_by("pk").values_list("pk")) == len(phones)
