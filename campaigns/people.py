"""The lock of a person: their contact's row."""

from __future__ import annotations

from campaigns.models import Contact
from tenants.models import Organization


def lock_person(organization: Organization, phone: str, name: str = "") -> Contact:
    """The contact of a number, made if need be, locked until the transaction ends."""
    while True:
        Contact.objects.bulk_create([Contact(organization=organization, phone=phone, name=name)], ignore_conflicts=True)
        locked = Contact.objects.select_for_update(no_key=True)
        found = locked.filter(organization=organization, phone=phone).order_by("pk").first()
        if found is not None:  # else it was deleted while we waited for it, as an undone import does
            return found
