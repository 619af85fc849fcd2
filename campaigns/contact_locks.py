"""Lock contacts. The row of a contact is the lock for every decision about calls to the person.

The order everywhere: numbers (`lock_numbers`), then contacts by key. docs/adr/0009-persons-and-numbers.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from zlib import crc32

from django.db import connection

from campaigns.models import Contact, ContactNumber
from tenants.models import Organization

STRIPES = 64  # of an organization: a bounded number of locks, however many numbers a file has
ORGANIZATIONS = 2**24  # organizations do not wait for each other
LOCK_CLASS = 7_201  # tells these locks from other advisory locks
# One by one, in the order of the arrays, so that nobody waits for who waits for them.
LOCK = """
SELECT CASE WHEN listed THEN pg_advisory_xact_lock(%(kind)s, stripe)::text
            ELSE pg_advisory_xact_lock_shared(%(kind)s, stripe)::text END
FROM unnest(%(stripes)s::int[], %(listed)s::bool[]) AS locks (stripe, listed)
"""


def lock_numbers(organization_id: int, phones: Iterable[str], *, listed: Collection[str] | None = None) -> None:
    """Lock numbers until the transaction ends: giving a number to a contact and listing the number take turns.

    Call it once, before any contact is locked, with every number that a contact gets, the first one too. Without it a
    number could be listed between the moment when a contact gets it and the moment when that is committed, and the
    contact would not be locked. `listed`: which of the numbers are listed; all of them unless it is given. Who only
    gives numbers waits for nobody who does the same.
    """
    if connection.vendor != "postgresql":
        return  # SQLite has one writer at a time
    home = organization_id % ORGANIZATIONS * STRIPES
    stripes: dict[int, bool] = {}
    for phone in phones:
        stripe = home + crc32(phone.encode()) % STRIPES
        stripes[stripe] = stripes.get(stripe, False) or listed is None or phone in listed
    keys = sorted(stripes)
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"kind": LOCK_CLASS, "stripes": keys, "listed": [stripes[key] for key in keys]})


def lock_contact(organization: Organization, phone: str, name: str = "") -> Contact:
    """Lock the contact whose first number this is, and return it. Creates the contact if there is none.

    All other contacts that have the number are locked as well: a call to it reaches them too. The locks last until the
    transaction ends. No contact may be locked before.
    """
    lock_numbers(organization.pk, [phone], listed=())
    while True:
        locked = lock_holders(organization.pk, [phone])
        if found := next((contact for contact in locked if contact.phone == phone), None):
            return found
        # Others are locked first: the new row has the highest key. An insert that meets another one is no error.
        Contact.objects.bulk_create([Contact(organization=organization, phone=phone, name=name)], ignore_conflicts=True)


def lock_everyone(organization: Organization, phones: Collection[str]) -> None:
    """Lock the numbers, then everyone who has one of them; create a contact for a number that nobody has.

    The locks last until the transaction ends. No contact may be locked before, unless all of these are.
    """
    lock_numbers(organization.pk, phones)
    while True:
        others = set(phones).difference(contact.phone for contact in lock_holders(organization.pk, phones))
        missing = sorted(_free(organization.pk, others)) if others else []
        if not missing:
            return  # else a contact is new, or was deleted during the wait, for example by the undo of an import
        new = [Contact(organization=organization, phone=phone) for phone in missing]
        Contact.objects.bulk_create(new, ignore_conflicts=True)


def _free(organization_id: int, phones: Collection[str]) -> set[str]:
    """Return the numbers that nobody has."""
    first = Contact.objects.filter(organization=organization_id, phone__in=phones).order_by()
    further = ContactNumber.objects.filter(organization=organization_id, phone__in=phones).order_by()
    return set(phones).difference(phone for (phone,) in first.values_list("phone").union(further.values_list("phone")))


def lock_holders(organization_id: int, phones: Collection[str]) -> list[Contact]:
    """Lock the contacts that have one of these numbers, as first or further one, in the order that avoids deadlocks.

    Return them by key. Call `lock_numbers` before, or another contact can get one of the numbers meanwhile.
    """
    return lock_keys(holder_keys(organization_id, phones))


def lock_keys(keys: Collection[int]) -> list[Contact]:
    """Lock contacts in the order that avoids deadlocks, and return them by key."""
    return list(Contact.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))


def holder_keys(organization_id: int, phones: Collection[str]) -> list[int]:
    """Return the keys of the contacts that have one of these numbers, as first or further one."""
    first = Contact.objects.filter(organization=organization_id, phone__in=phones).order_by()
    further = ContactNumber.objects.filter(organization=organization_id, phone__in=phones).order_by()
    return [key for (key,) in first.values_list("pk").union(further.values_list("contact_id"))]
