"""Read and write the contacts that an import or its undo changes, with their further numbers, in few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from campaigns import tagging
from campaigns.do_not_call import entries
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.merging import FIELDS, Change, Held, Person, fields_of, joined
from campaigns.imports.rows import ContactRow
from campaigns.models import Contact, ContactImport, ContactListMember, ContactNumber, ContactTag, ImportOverwrite
from campaigns.rules.whereabouts import zone_fault
from campaigns.undoable import supersede
from tenants.db.among import Among
from tenants.db.bulk_values import insert_values, update_values
from tenants.db.copying import can_copy, copy_new
from tenants.search_keys import name_key

GIVEN = ("phone", *FIELDS, "variables")  # what a row says about a new contact
_values_of = attrgetter(*GIVEN)


def further_numbers(of: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the further numbers of contacts, with their kinds, in the order of calling."""
    found: dict[int, dict[str, str]] = {}
    rows = ContactNumber.objects.filter(Among("contact", of)).order_by("contact", "position")
    for key, phone, kind in rows.values_list("contact_id", "phone", "kind"):
        found.setdefault(key, {})[phone] = kind
    return found


def tags(of: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the tags of contacts by their keys, as `Person` has them."""
    found: dict[int, dict[str, str]] = {}
    for contact, key in ContactTag.objects.filter(Among("contact", of)).values_list("contact_id", "tag_id"):
        found.setdefault(contact, {})[str(key)] = str(key)
    return found


def to_list(organization_id: int, asking: Sequence[set[str]], columns: ColumnMapping) -> set[str]:
    """Return the numbers to put on the do-not-call list, of those who ask for it.

    Our own file of contacts repeats who is on the list: those entries keep their reason and their last day.
    """
    numbers = set().union(*asking)
    if not (columns.ours and numbers):
        return numbers
    known = entries.listed(organization_id, numbers, timezone.now())
    return set().union(*(each for each in asking if known.isdisjoint(each)))


def keys(wanted: Q) -> list[int]:
    """Return the keys of contacts, without locking them."""
    return list(Contact.objects.filter(wanted).order_by().values_list("pk", flat=True))


def locked(wanted: Q) -> list[Held]:
    """Lock contacts in the order that avoids deadlocks, and return them by key."""
    rows = Contact.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
    columns = ("pk", "phone", Cast("variables", TextField()), "created_by_import_id", *FIELDS)
    return [
        Held(key, phone, orjson.loads(variables), created_by, *fields)
        for key, phone, variables, created_by, *fields in rows.values_list(*columns)
    ]


def create(imp: ContactImport, new: Mapping[str, ContactRow]) -> dict[str, int]:
    """Insert contacts by number, each as its row says, without further numbers. Return their keys by number.

    A number that another transaction has inserted meanwhile is not among them. What is returned is locked: nobody else
    sees it before this transaction ends.
    """
    # In one order in every transaction: no deadlock.
    columns = zip(*(_values_of(new[phone]) for phone in sorted(new)), strict=True)
    given = {name: values for name, values in zip(GIVEN, columns, strict=True) if any(values)}
    if "timezone" in given:
        given["zone_fault"] = tuple(map(zone_fault, given["timezone"], given["phone"]))
    if "name" in given:
        given["name_key"] = tuple(map(name_key, given["name"]))
    same: dict[str, Any] = {
        "organization_id": imp.organization_id,
        "created_by_import_id": imp.pk,
        **_moments(created=True),
    }
    if "name" not in given:
        same["name_key"] = ""
    if can_copy():
        with suppress(IntegrityError), transaction.atomic():  # another transaction has inserted one meanwhile
            return dict(zip(given["phone"], copy_new(Contact, given, same), strict=True))
    rows = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
    return dict(insert_values(Contact, rows, same, on_conflict="DO NOTHING", returning=("phone", "id")))


def _moments(*, created: bool) -> dict[str, datetime]:
    now = timezone.now()
    return {"created_at": now, "updated_at": now} if created else {"updated_at": now}


def write(organization_id: int, changed: Sequence[tuple[Person, Collection[str]]]) -> None:
    """Write changed persons, each with the keys of the values that changed. Their contacts exist and are locked."""
    fields = fields_of(key for _, keys in changed for key in keys)
    contacts = [person.contact for person, keys in changed if fields_of(keys) or not person.new]
    rows = [{"pk": contact.pk, **{name: getattr(contact, name) for name in fields}} for contact in contacts]
    if "timezone" in fields:
        fields.add("zone_fault")  # its column follows from the zone
        for row, contact in zip(rows, contacts, strict=True):
            row["zone_fault"] = zone_fault(contact.timezone, contact.phone)
    if "name" in fields:
        fields.add("name_key")
        for row in rows:
            row["name_key"] = name_key(row["name"])
    update_values(Contact, rows, fields, _moments(created=False))
    _write_numbers([person for person, _ in changed if person.numbers_changed], organization_id)
    _write_tags([person for person, _ in changed if person.tags_before != set(person.tags)], organization_id)


def _write_numbers(persons: Sequence[Person], organization_id: int) -> None:
    """Write the further numbers of persons anew, in their order."""
    if before := [person.contact.pk for person in persons if person.had_numbers]:
        ContactNumber.objects.filter(contact__in=before).delete()
    rows = [
        {"contact_id": person.contact.pk, "phone": phone, "kind": kind, "position": position}
        for person in persons
        for position, (phone, kind) in enumerate(person.numbers.items(), start=1)
    ]
    insert_values(ContactNumber, rows, {"organization_id": organization_id})


def _write_tags(persons: Sequence[Person], organization_id: int) -> None:
    """Take tags off persons, and put others on: those that nobody has deleted since an import took them off."""
    lost = {person.contact.pk: person.tags_before - set(person.tags) for person in persons}
    gained = {person.contact.pk: set(person.tags) - person.tags_before for person in persons}
    if any(lost.values()):
        pairs = ContactTag.objects.filter(Among("contact", [key for key, gone in lost.items() if gone]))
        rows = pairs.values_list("pk", "contact_id", "tag_id")
        ContactTag.objects.filter(Among("pk", [pk for pk, key, tag in rows if str(tag) in lost[key]])).delete()
    there = tagging.held(organization_id, {int(tag) for each in gained.values() for tag in each})
    put_tags([(key, tag) for key, each in gained.items() for tag in map(int, each) if tag in there])


def put_tags(pairs: Sequence[tuple[int, int]]) -> None:
    """Put tags on contacts that do not have them: keys of both. The tags are held, the contacts are locked."""
    if pairs and can_copy():
        contacts, keys = zip(*pairs, strict=True)
        copy_new(ContactTag, {"contact_id": contacts, "tag_id": keys}, {})
    else:
        insert_values(ContactTag, [{"contact_id": contact, "tag_id": tag} for contact, tag in pairs], {})


def keep(imp: ContactImport, images: dict[int, Change]) -> None:
    """Keep what contacts had, for the undo. What an earlier batch kept stays the value to restore."""
    if not images:
        return
    for known in ImportOverwrite.objects.filter(Among("contact", images), contact_import=imp):
        images[known.contact_id] = joined((known.before, known.after), images[known.contact_id])
    insert_values(
        ImportOverwrite,
        [{"contact_id": key, "before": before, "after": after} for key, (before, after) in images.items()],
        {"contact_import_id": imp.pk},
        on_conflict="(contact_import_id, contact_id) DO UPDATE SET before = EXCLUDED.before, after = EXCLUDED.after",
    )


def join_list(imp: ContactImport, new: Collection[int], old: Collection[int]) -> None:
    """Put contacts on the list. Of those that are not new, the members are read: quicker than a failed insert."""
    same = {"contact_list_id": imp.contact_list_id, "created_by_import_id": imp.pk}
    if new and can_copy():
        copy_new(ContactListMember, {"contact_id": list(new)}, same)  # nobody else knows these contacts
        new = ()
    there: set[int] = set()
    if old:
        supersede(about="contact", keys=old, contact_list=imp.contact_list_id)
        members = ContactListMember.objects.filter(Among("contact", old), contact_list=imp.contact_list_id)
        there.update(members.values_list("contact_id", flat=True))
    insert_values(
        ContactListMember,
        [{"contact_id": key} for key in (*new, *(key for key in old if key not in there))],
        same,
        on_conflict="DO NOTHING",
    )
