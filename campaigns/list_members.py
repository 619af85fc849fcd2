"""Add contacts to a list and remove them, outside of imports. Ongoing campaigns call new members."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from django.db import transaction

from campaigns import launching
from campaigns.contact_locks import lock_keys
from campaigns.models import Campaign, Contact, ContactList, ContactListMember
from tenants import audit_changes

AT_ONCE = 1000  # contacts that one request may add or remove


def add(contact_list: ContactList, contacts: Collection[Contact], campaigns: Sequence[Campaign], *, actor: str) -> int:
    """Add contacts to the list, inside a transaction. Return how many were not on it before.

    `campaigns`: the list's, from `launching.locked_users_of`. They are locked before any contact, as everywhere.
    Contacts that were deleted or erased meanwhile are left out. Those who are on the list already are taken in as well:
    whoever sends an addition again, because it failed halfway, makes it whole.
    """
    if any(contact.organization_id != contact_list.organization_id for contact in contacts):
        raise ValueError("A list and its contacts belong to one organization.")
    held = [contact for contact in lock_keys([contact.pk for contact in contacts]) if contact.erased_at is None]
    here = ContactListMember.objects.filter(contact_list=contact_list, contact__in=held)
    before = set(here.values_list("contact_id", flat=True))
    new = [contact for contact in held if contact.pk not in before]
    rows = (ContactListMember(contact_list=contact_list, contact=contact) for contact in new)
    ContactListMember.objects.bulk_create(rows, ignore_conflicts=True)
    members = list(here)
    launching.take_in(campaigns, members)
    _audit(contact_list, "contacts_added", len(new), actor)
    known = frozenset(campaign.pk for campaign in campaigns)
    transaction.on_commit(partial(_follow_up, contact_list.pk, [member.pk for member in members], known))
    return len(new)


def remove(contact_list: ContactList, contacts: Collection[Contact], *, actor: str) -> int:
    """Remove contacts from the list, inside a transaction. Return how many were on it.

    Recipients of campaigns that have started stay: withdraw those who must not be called.
    """
    held = lock_keys([contact.pk for contact in contacts])
    gone, _ = ContactListMember.objects.filter(contact_list=contact_list, contact__in=held).delete()
    _audit(contact_list, "contacts_removed", gone, actor)
    return gone


def _audit(contact_list: ContactList, what: str, count: int, actor: str) -> None:
    if count:
        detail = {"contacts": count}
        organization = contact_list.organization
        audit_changes.record(organization, contact_list, actor=actor, action=f"contactlist.{what}", detail=detail)


def _follow_up(contact_list_id: int, members: Sequence[int], known: frozenset[int]) -> None:
    """Take the members into campaigns that were given the list, or copied, while the addition was not committed.

    They could not be locked, and their launch may have read the list without these members.
    """
    if launching.users_of(contact_list_id).exclude(pk__in=known).filter(status__in=Campaign.STARTED).exists():
        with transaction.atomic():
            campaigns = launching.locked_users_of(contact_list_id)
            launching.take_in(campaigns, list(ContactListMember.objects.filter(pk__in=members)))
