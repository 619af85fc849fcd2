"""Add contacts to a list and remove them, outside of imports, and undo it. Ongoing campaigns call new members."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns import launching
from campaigns.contact_locks import lock_keys
from campaigns.models import (
    Campaign,
    Contact,
    ContactImport,
    ContactList,
    ContactListMember,
    Recipient,
    UndoableChange,
)
from campaigns.undoable import Undoable, supersede
from tenants import audit_changes

AT_ONCE = 1000  # contacts that one request may add or remove
LIVE = (*Recipient.WAITING_STATUSES, Recipient.Status.CALLING)
UNDONE_IMPORTS = (ContactImport.Status.UNDOING, ContactImport.Status.UNDONE)


@dataclass(frozen=True)
class Undone:
    """How many contacts an undo put on the list or took off it, and how many of them started campaigns still call."""

    contacts: int
    still_called: int = 0


@dataclass(frozen=True)
class _Joined:
    """Members of a list that were not on it before, and the recipients that the addition made: campaign, contact."""

    members: list[ContactListMember]
    recipients: set[tuple[int, int]]


def add(
    contact_list: ContactList,
    contacts: Collection[Contact],
    campaigns: Sequence[Campaign],
    *,
    actor: str,
    undoable: Undoable | None = None,
) -> int:
    """Add contacts to the list, inside a transaction. Return how many were not on it before.

    `campaigns`: the list's, from `launching.locked_users_of`. They are locked before any contact, as everywhere.
    Contacts that were deleted or erased meanwhile are left out. Those who are on the list already are taken in as well:
    whoever sends an addition again, because it failed halfway, makes it whole.
    """
    if any(contact.organization_id != contact_list.organization_id for contact in contacts):
        raise ValueError("A list and its contacts belong to one organization.")
    joined = _join(contact_list, dict.fromkeys(contact.pk for contact in contacts), campaigns)
    _audit(contact_list, "contacts_added", len(joined.members), actor)
    if undoable:
        undoable.keep([_added(contact_list, member, joined.recipients) for member in joined.members])
    return len(joined.members)


def _join(contact_list: ContactList, origins: Mapping[int, int | None], campaigns: Sequence[Campaign]) -> _Joined:
    """Put contacts on the list. `origins`: by contact, the import that counts as the origin of the membership."""
    held = [contact.pk for contact in lock_keys(origins.keys()) if contact.erased_at is None]
    supersede(about="contact", keys=held, contact_list=contact_list)
    here = ContactListMember.objects.filter(contact_list=contact_list, contact__in=held)
    before, known = set(here.values_list("contact_id", flat=True)), _recipients(campaigns, held)
    rows = (
        ContactListMember(contact_list=contact_list, contact_id=key, created_by_import_id=origins[key])
        for key in held
        if key not in before
    )
    ContactListMember.objects.bulk_create(rows, ignore_conflicts=True)
    members = list(here)
    launching.take_in(campaigns, members)
    running = frozenset(campaign.pk for campaign in campaigns)
    transaction.on_commit(partial(_follow_up, contact_list.pk, [member.pk for member in members], running))
    new = [member for member in members if member.contact_id not in before]
    return _Joined(new, _recipients(campaigns, held) - known)


def _recipients(campaigns: Sequence[Campaign], contacts: Collection[int], **chosen: object) -> set[tuple[int, int]]:
    """Return the recipients of started campaigns among these contacts: campaign and contact."""
    started = [campaign for campaign in campaigns if campaign.status in Campaign.STARTED]
    if not started:
        return set()
    found = Recipient.objects.filter(campaign__in=started, contact__in=contacts, **chosen)
    return set(found.order_by().values_list("campaign_id", "contact_id"))


def _added(contact_list: ContactList, member: ContactListMember, made: Collection[tuple[int, int]]) -> UndoableChange:
    campaigns = sorted(campaign for campaign, contact in made if contact == member.contact_id)
    return _change(contact_list, member.contact_id, after={"member": member.pk, "recipient_of": campaigns})


def remove(
    contact_list: ContactList, contacts: Collection[Contact], *, actor: str, undoable: Undoable | None = None
) -> int:
    """Remove contacts from the list, inside a transaction. Return how many were on it.

    Recipients of campaigns that have started stay: withdraw those who must not be called.
    """
    held = [contact.pk for contact in lock_keys([contact.pk for contact in contacts])]
    supersede(about="contact", keys=held, contact_list=contact_list)
    rows = ContactListMember.objects.filter(contact_list=contact_list, contact__in=held)
    if undoable:
        members = rows.values_list("contact_id", "created_by_import_id")
        undoable.keep([_change(contact_list, key, before={"created_by_import": origin}) for key, origin in members])
    gone, _ = rows.delete()
    _audit(contact_list, "contacts_removed", gone, actor)
    return gone


def _change(contact_list: ContactList, contact_id: int, **images: dict[str, object]) -> UndoableChange:
    home = contact_list.organization_id
    return UndoableChange(organization_id=home, contact_id=contact_id, contact_list=contact_list, **images)


def undo_addition(keys: Collection[int], actor: str) -> Undone:
    """Take off a list whom an addition put there, inside a transaction.

    `keys`: changes of one list. Contacts that were added again or removed since stay as they are. Recipients that the
    addition made are deleted unless a call was queued for them; the others stay, as after `remove`.
    """
    contact_list, campaigns, changes = _locked_changes(keys)
    if contact_list is None:
        return Undone(0)
    by_member = {change.after["member"]: change for change in changes}
    members = ContactListMember.objects.filter(contact_list=contact_list, pk__in=by_member)
    gone = [by_member[key] for key in members.values_list("pk", flat=True)]
    members.delete()
    _delete_recipients(gone)
    _audit(contact_list, "addition_undone", len(gone), actor)
    left = _recipients(campaigns, [change.contact_id or 0 for change in gone], status__in=LIVE)
    return Undone(len(gone), len({contact for _, contact in left}))


def _delete_recipients(gone: Sequence[UndoableChange]) -> None:
    """Delete the recipients that an addition made, unless a call refers to them or another list has the contact."""
    made = {(campaign, change.contact_id) for change in gone for campaign in change.after["recipient_of"]}
    found = Recipient.objects.filter(
        campaign__in={campaign for campaign, _ in made},
        contact__in={contact for _, contact in made},
        status=Recipient.Status.PENDING,
        attempts=0,
    )
    # A full lock: what would refer to the row waits, or is seen below.
    locked = {row.pk: (row.campaign_id, row.contact_id) for row in found.select_for_update().order_by("pk")}
    others = ContactListMember.objects.filter(contact=OuterRef("contact"), contact_list__campaigns=OuterRef("campaign"))
    unused = found.filter(~Exists(others), calls=None, call_backs=None).values_list("pk", flat=True)
    Recipient.objects.filter(pk__in=[key for key in unused if locked.get(key) in made]).delete()


def undo_removal(keys: Collection[int], actor: str) -> Undone:
    """Put contacts back on a list, inside a transaction, as `add` does: ongoing campaigns call them.

    `keys`: changes of one list. Left out are erased contacts, and members of an import that was undone since.
    """
    contact_list, campaigns, changes = _locked_changes(keys)
    if contact_list is None:
        return Undone(0)
    origins = {change.contact_id or 0: change.before["created_by_import"] for change in changes}
    imports = ContactImport.objects.filter(pk__in={*origins.values()} - {None}, status__in=UNDONE_IMPORTS)
    undone = set(imports.values_list("pk", flat=True))
    joined = _join(contact_list, {key: origin for key, origin in origins.items() if origin not in undone}, campaigns)
    _audit(contact_list, "removal_undone", len(joined.members), actor)
    return Undone(len(joined.members))


def _locked_changes(keys: Collection[int]) -> tuple[ContactList | None, list[Campaign], list[UndoableChange]]:
    """Lock campaigns, then contacts, and return the list, its campaigns, and the changes that are left."""
    changes = UndoableChange.objects.filter(pk__in=keys).order_by("pk")
    first = changes.select_related("contact_list").first()
    if first is None or first.contact_list is None:
        return None, [], []
    campaigns = launching.locked_users_of(first.contact_list.pk)
    lock_keys(list(changes.values_list("contact_id", flat=True)))
    return first.contact_list, campaigns, list(changes)


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
