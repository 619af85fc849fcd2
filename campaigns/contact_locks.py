"""The lock of a person: their contact's row."""

from __future__ import annotations

from collections.abc import Collection

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


def make_people(organization: Organization, phones: Collection[str]) -> None:
    """See to it that these numbers have contacts, before any of them is locked."""
    people = [Contact(organization=organization, phone=phone) for phone in sorted(phones)]
    Contact.objects.bulk_create(people, ignore_conflicts=True)


def lock_people(organization: Organization, phones: Collection[str]) -> bool:
    """Lock many people until the transaction ends, in the order in which all do. False: one of them is gone."""
    locked = Contact.objects.select_for_update(no_key=True).filter(organization=organization, phone__in=phones)
    return len(locked.order_by("pk").values_list("pk")) == len(phones)
