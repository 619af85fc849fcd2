"""Lock contacts. The row of a contact is the lock for every decision about calls to its number."""

from __future__ import annotations

from collections.abc import Collection

from campaigns.models import Contact
from tenants.models import Organization


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
