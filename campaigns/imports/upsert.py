"""Write a batch of imported rows as contacts, list members and do-not-call entries, in few statements.

The order of locks is that of all code: numbers, then contacts by key. docs/adr/0009-persons-and-numbers.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from campaigns import contact_locks
from campaigns.do_not_call import entries
from campaigns.imports import persons
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.merging import Change, Person, asked, joined, match, new_contact, phones_of
from campaigns.imports.rows import ContactRow
from campaigns.models import Contact, ContactImport, ContactListMember, ImportOverwrite

SOURCE = "import"  # of do-not-call entries
REASON_LENGTH = 500


@dataclass
class Written:
    """What became of a batch. `counts` has the names of the import's counters."""

    counts: dict[str, int] = field(
        default_factory=lambda: {"created": 0, "updated": 0, "skipped": 0, "listed": 0, "numbers_left_out": 0}
    )
    refused: dict[int, str] = field(default_factory=dict)  # line and reason: a contact got too many variables


class Upsert:
    """Creates or updates the contact of each row, also while others write. Use it inside a transaction."""

    def __init__(self, row: ContactImport, columns: ColumnMapping) -> None:
        self.row = row
        self.columns = columns
        self.updating = row.on_duplicate == ContactImport.OnDuplicate.UPDATE

    def write(self, rows: Sequence[ContactRow], also_listed: Iterable[str] = ()) -> Written:
        """Write the rows, and put their marked numbers on the do-not-call list, with those of rejected rows.

        Return the counts, and the rows rejected because of too many variables.
        """
        found = Written()
        asking = [asked(row) for row in rows if row.do_not_call] + [{phone} for phone in also_listed]
        listed = persons.to_list(self.row.organization_id, asking, self.columns)
        if not rows and not listed:
            return found
        phones = phones_of(rows)
        contact_locks.lock_numbers(self.row.organization_id, phones | listed, listed=listed)
        targets, known = self._locked_persons(rows, phones, listed)
        for row, phone in zip(rows, targets, strict=True):
            self._take(row, known[phone], found)
            if row.line not in found.refused:
                found.counts["numbers_left_out"] += len(row.beyond) + len(row.unusable)
        self._save(list(known.values()), found)
        if listed:
            found.counts["listed"] += entries.add_locked(
                self.row.organization, listed, reason=self._reason(), source=SOURCE
            )
        self._join_list(list(known.values()))
        return found

    def _reason(self) -> str:
        """Return why the file's numbers are on the do-not-call list."""
        names = [self.columns.header[index] for index in (*self.columns.do_not_call, *self.columns.may_call)]
        if not names:
            return f"A row of {self.row.filename} asks not to call"[:REASON_LENGTH]
        column = "column" if len(names) == 1 else "columns"
        return f"{column.capitalize()} “{'”, “'.join(names)}” of {self.row.filename}"[:REASON_LENGTH]

    def _locked_persons(
        self, rows: Sequence[ContactRow], phones: set[str], listed: set[str]
    ) -> tuple[list[str], dict[str, Person]]:
        """Lock the contacts of the rows, created if they are missing, and whoever else has a listed number.

        Return the first number of each row's contact, and the contacts by first number.
        """
        contacts = self._locked(phones, listed)
        targets = match(rows, contacts.values())
        first_rows = dict(zip(reversed(targets), reversed(rows), strict=True))
        made: dict[str, Contact] = {}
        while new := {phone: row for phone, row in first_rows.items() if phone not in contacts}:
            inserted = self._create(new)
            made |= inserted
            contacts |= self._locked_new(inserted)  # again if another transaction deleted one meanwhile
        here = {phone for phone, contact in made.items() if contacts[phone] is contact}
        numbers: Mapping[int, dict[str, str]] = {}
        if any(row.further_numbers for row in rows):
            numbers = persons.further_numbers(contacts[phone].pk for phone in first_rows if phone not in here)
        return targets, {
            phone: Person(contacts[phone], numbers.get(contacts[phone].pk, {}), new=phone in here)
            for phone in first_rows
        }

    def _locked(self, phones: Iterable[str], listed: Collection[str]) -> dict[str, Contact]:
        """Lock the contacts with these first numbers, and all that have a listed number. Return them by first number.

        New contacts have the highest keys, so those that are locked after them are still locked in the order of keys.
        """
        wanted = Q(organization=self.row.organization_id, phone__in=list(phones))
        if listed:
            wanted |= Q(pk__in=contact_locks.holder_keys(self.row.organization_id, listed))
        locked = Contact.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
        return {contact.phone: contact for contact in locked}

    def _locked_new(self, made: Mapping[str, Contact]) -> dict[str, Contact]:
        """Lock contacts after `_create`, and return them by first number. Of those inserted only the key is read.

        A number that another transaction inserted meanwhile was not inserted again: its contact has another id.
        """
        rows = Contact.objects.select_for_update(no_key=True).order_by("pk")
        found, others = dict[str, Contact](), list[str]()
        ours = rows.filter(organization=self.row.organization_id, phone__in=list(made))
        for key, phone, public_id in ours.values_list("pk", "phone", "uuid"):
            if made[phone].uuid == public_id:
                found[phone] = made[phone]
                found[phone].pk = key
            else:
                others.append(phone)
        return found | self._locked(others, ()) if others else found

    def _create(self, new: Mapping[str, ContactRow]) -> dict[str, Contact]:
        """Insert the missing contacts, without what only a merge may add. Return them by number, without their keys."""
        home, ours = self.row.organization_id, self.row.pk
        # In one order in every transaction: no deadlock.
        made = {phone: new_contact(new[phone], home, created_by_import_id=ours) for phone in sorted(new)}
        Contact.objects.bulk_create(made.values(), ignore_conflicts=True)
        return made

    def _take(self, row: ContactRow, person: Person, found: Written) -> None:
        """Merge a row into its contact, and count it."""
        if person.new and not person.rows:
            person.begin(row)
            found.counts["created"] += 1
        elif not self.updating:
            found.counts["skipped"] += 1
        elif reason := person.take(row):
            found.refused[row.line] = reason
        else:
            found.counts["updated"] += 1

    def _save(self, known: Sequence[Person], found: Written) -> None:
        images: dict[int, Change] = {}
        changed = []
        for person in known:
            found.counts["numbers_left_out"] += person.left_out
            before, after = person.changes()
            if after:
                changed.append((person, after))
                if person.contact.created_by_import_id != self.row.pk:
                    images[person.contact.pk] = (before, after)
        persons.write(changed)
        self._keep(images)

    def _keep(self, images: dict[int, Change]) -> None:
        """Keep what the contacts had, for the undo. What an earlier batch kept stays the value to restore."""
        if not images:
            return
        for known in ImportOverwrite.objects.filter(contact_import=self.row, contact__in=images):
            images[known.contact_id] = joined((known.before, known.after), images[known.contact_id])
        ImportOverwrite.objects.bulk_create(
            [
                ImportOverwrite(contact_import=self.row, contact_id=key, before=before, after=after)
                for key, (before, after) in images.items()
            ],
            update_conflicts=True,
            unique_fields=["contact_import", "contact"],
            update_fields=["before", "after"],
        )

    def _join_list(self, known: Sequence[Person]) -> None:
        """Put the contacts on the list. What is on it already is only read, which is quicker than a failed insert."""
        members = ContactListMember.objects.filter(contact_list=self.row.contact_list_id)
        old = [person.contact.pk for person in known if not person.new]
        there = set(members.filter(contact__in=old).values_list("contact_id", flat=True)) if old else set()
        ContactListMember.objects.bulk_create(
            [
                ContactListMember(
                    contact_list_id=self.row.contact_list_id,
                    contact_id=person.contact.pk,
                    created_by_import_id=self.row.pk,
                )
                for person in known
                if person.contact.pk not in there
            ],
            ignore_conflicts=True,
        )
