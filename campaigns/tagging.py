"""Put tags on contacts and take them off; create, merge and delete tags.

The order of locks: numbers, then tags, then contacts by key. A tag that is put on contacts is held until the
transaction ends, so that nobody deletes, renames or merges it meanwhile. Several may hold a tag at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection, connections, router, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from campaigns import segments
from campaigns.contact_locks import lock_keys
from campaigns.models import Contact, ContactTag, Tag, TagCount
from campaigns.rules.tag_names import tag_key
from tenants import audit_changes
from tenants.db.among import Among

MOST = 1_000  # tags of an organization; two that create tags at the same moment may exceed it by a few
NO_ROOM = f"The organization would have more than {MOST:,} tags. Merge or delete tags first, or leave new ones out."
TOO_MANY = f"A contact has at most {ContactTag.MAX} tags. Take some off first."
MERGE = """
INSERT INTO {uses} (tag_id, contact_id) SELECT %s, contact_id FROM {uses} WHERE tag_id = %s
ON CONFLICT (tag_id, contact_id) DO NOTHING
"""


class NotTagged(ValueError):
    """The tags cannot be put on the contacts. The message is a sentence that says what to do."""


def named(organization_id: int, names: Iterable[str]) -> dict[str, Tag]:
    """Return the tags with these names by `tag_key`, inside a transaction. Creates and holds them.

    Tags for which the organization has no room are missing.
    """
    wanted = {tag_key(name): name for name in names}
    while True:
        found = {tag.name_key: tag for tag in _held(organization_id, Among("name_key", wanted))} if wanted else {}
        missing = sorted(wanted.keys() - found.keys())  # in one order in every transaction: no deadlock
        room = MOST - Tag.objects.filter(organization=organization_id).count() if missing else 0
        if room <= 0:
            return found
        # One that another transaction creates meanwhile is no error, and one that it deletes is created again.
        new = [Tag(organization_id=organization_id, name=wanted[key], name_key=key) for key in missing[:room]]
        Tag.objects.bulk_create(new, ignore_conflicts=True)
        wanted = {key: wanted[key] for key in (*found, *missing[:room])}


def held(organization_id: int, keys: Collection[int]) -> set[int]:
    """Hold tags by key, inside a transaction. Return those that the organization has."""
    return {tag.pk for tag in _held(organization_id, Among("pk", keys))} if keys else set()


def _held(organization_id: int, wanted: Among) -> list[Tag]:
    rows = Tag.objects.filter(wanted, organization=organization_id).order_by("pk")
    if connection.vendor != "postgresql":
        return list(rows)  # SQLite has one writer at a time
    # The lock of a foreign key, which Django does not know: whoever only puts the tag on contacts does not wait.
    query, values = rows.query.sql_with_params()
    return list(Tag.objects.raw(f"{query} FOR KEY SHARE", values))


def names_of(organization_id: int) -> dict[str, str]:
    """Return the names of the organization's tags by `tag_key`."""
    return dict(Tag.objects.filter(organization=organization_id).values_list("name_key", "name"))


def of(contacts: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return the names of the tags of contacts, in order. Contacts without tags are missing."""
    found: dict[int, tuple[str, ...]] = {}
    uses = ContactTag.objects.filter(Among("contact", contacts)).order_by("tag__name_key")
    for key, name in uses.values_list("contact_id", "tag__name"):
        found[key] = (*found.get(key, ()), name)
    return found


def _all_named(organization_id: int, names: Sequence[str]) -> dict[str, Tag]:
    """Raises NotTagged."""
    found = named(organization_id, names)
    if any(tag_key(name) not in found for name in names):
        raise NotTagged(NO_ROOM)
    return found


def check(organization_id: int, names: Sequence[str]) -> None:
    """Raise NotTagged unless a contact of the organization can have these tags. Creates none."""
    if len(names) > ContactTag.MAX:
        raise NotTagged(TOO_MANY)
    known = names_of(organization_id) if names else {}
    if len({*known, *map(tag_key, names)}) > max(MOST, len(known)):
        raise NotTagged(NO_ROOM)


def replace(contact: Contact, names: Sequence[str]) -> bool:
    """Give the contact these tags and no others, inside a transaction. Return whether that changes anything.

    Raises NotTagged. Whoever locks the contact before, in the same transaction, calls `named` first.
    """
    wanted = {tag.pk for tag in _all_named(contact.organization_id, names).values()}
    if len(wanted) > ContactTag.MAX:
        raise NotTagged(TOO_MANY)
    lock_keys([contact.pk])
    had = set(ContactTag.objects.filter(contact=contact).values_list("tag_id", flat=True))
    ContactTag.objects.filter(contact=contact, tag__in=had - wanted).delete()
    ContactTag.objects.bulk_create(ContactTag(contact=contact, tag_id=key) for key in sorted(wanted - had))
    return had != wanted


def add(organization: Any, contacts: Collection[Contact], names: Sequence[str], *, actor: str) -> int:
    """Put tags on contacts, inside a transaction. Return how many contacts did not have all of them before.

    Contacts that were erased meanwhile are left out. Raises NotTagged; then nothing is changed.
    """
    _check_home(organization, contacts)
    wanted = _all_named(organization.pk, names)
    locked = [contact.pk for contact in lock_keys([each.pk for each in contacts]) if contact.erased_at is None]
    had = _tags_of(locked)
    new = [
        ContactTag(contact_id=key, tag=tag)
        for key in locked
        for tag in wanted.values()
        if tag.pk not in had.get(key, ())
    ]
    changed = {use.contact_id for use in new}
    if any(len(had.get(key, set()) | {tag.pk for tag in wanted.values()}) > ContactTag.MAX for key in changed):
        raise NotTagged(f"Some of these contacts would have more than {ContactTag.MAX} tags. Take some off first.")
    ContactTag.objects.bulk_create(new)
    _after(organization, changed, new, wanted.values(), "contacts_added", actor)
    return len(changed)


def remove(organization: Any, contacts: Collection[Contact], tags: Collection[Tag], *, actor: str) -> int:
    """Take tags off contacts, inside a transaction. Return how many contacts had one of them."""
    _check_home(organization, contacts)
    locked = [contact.pk for contact in lock_keys([each.pk for each in contacts])]
    gone = list(ContactTag.objects.filter(Among("contact", locked), tag__in=tags))
    ContactTag.objects.filter(Among("pk", [use.pk for use in gone])).delete()
    changed = {use.contact_id for use in gone}
    _after(organization, changed, gone, tags, "contacts_removed", actor)
    return len(changed)


def merge(tags: Collection[Tag], into: Tag, *, actor: str) -> int:
    """Put a tag on every contact that has one of the others, and delete those. Return how many are deleted."""
    with transaction.atomic():
        keys = {tag.pk for tag in (*tags, into)}
        rows = list(Tag.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
        home = {tag.organization_id for tag in rows}
        if len(home) != 1 or into.pk not in {tag.pk for tag in rows}:
            raise NotTagged("A tag was deleted at the same moment. Choose the tags again.")
        gone = [tag for tag in rows if tag.pk != into.pk]
        table = connection.ops.quote_name(ContactTag._meta.db_table)
        with connections[router.db_for_write(ContactTag)].cursor() as cursor:
            for tag in gone:
                cursor.execute(MERGE.format(uses=table), [into.pk, tag.pk])
        for tag in gone:
            detail = {"into": into.name}
            audit_changes.record(into.organization, tag, actor=actor, action="tag.merged", detail=detail)
            segments.replace_tag(into.organization_id, str(tag.uuid), str(into.uuid))
        Tag.objects.filter(pk__in=[tag.pk for tag in gone]).delete()
    return len(gone)


def counts(tags: Collection[int]) -> dict[int, int]:
    """Return how many contacts have each tag, from counts that triggers keep."""
    kept = TagCount.objects.filter(tag__in=tags).values_list("tag_id").order_by()
    return dict.fromkeys(tags, 0) | dict(kept.annotate(n=Sum("contacts")))


def on(contacts: Collection[Contact]) -> QuerySet[Tag]:
    """Return the tags that at least one of the contacts has."""
    return Tag.objects.filter(pk__in=ContactTag.objects.filter(contact__in=contacts).order_by().values("tag"))


def _tags_of(contacts: Collection[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for key, tag in ContactTag.objects.filter(Among("contact", contacts)).values_list("contact_id", "tag_id"):
        found.setdefault(key, set()).add(tag)
    return found


def _check_home(organization: Any, contacts: Collection[Contact]) -> None:
    if any(contact.organization_id != organization.pk for contact in contacts):
        raise ValueError("A tag and its contacts belong to one organization.")


def _after(
    organization: Any, changed: Collection[int], uses: Iterable[ContactTag], tags: Iterable[Tag], what: str, actor: str
) -> None:
    """Note when the contacts changed, and record how many got or lost each tag."""
    Contact.objects.filter(Among("pk", changed)).update(updated_at=timezone.now())
    counted = [use.tag_id for use in uses]
    for tag in tags:
        if count := counted.count(tag.pk):
            detail = {"contacts": count}
            audit_changes.record(organization, tag, actor=actor, action=f"tag.{what}", detail=detail)
