"""Write a batch of imported rows as contacts, list members and do-not-call entries, in few statements.

The order of locks is that of all code: numbers, then contacts by key. docs/adr/0009-persons-and-numbers.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from campaigns import contact_locks, tagging
from campaigns.do_not_call import entries
from campaigns.imports import persons
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.merging import Change, Held, Person, asked, match, phones_of
from campaigns.imports.rows import ContactRow
from campaigns.models import ContactImport
from campaigns.rules.tag_names import tag_key
from tenants.db.among import Among

SOURCE = "import"  # of do-not-call entries
REASON_LENGTH = 500
NOT_STORED = "The database refuses this row; type its cells again, without unusual characters."


@dataclass
class Written:
    """What became of a batch. `counts` has the names of the import's counters."""

    counts: dict[str, int] = field(
        default_factory=lambda: {"created": 0, "updated": 0, "skipped": 0, "listed": 0, "numbers_left_out": 0}
    )
    refused: dict[int, str] = field(default_factory=dict)  # line and reason: too many variables, or not stored

    def __add__(self, other: Written) -> Written:
        counts = {name: count + other.counts[name] for name, count in self.counts.items()}
        return Written(counts, self.refused | other.refused)


@dataclass
class People:
    """The contacts of a batch, locked, by first number. `targets` has that of each row's contact."""

    targets: list[str]
    made: dict[str, int]  # the keys of the new ones
    known: dict[str, Person]  # those that were there, and the new ones with which something is merged
    begun: dict[str, ContactRow] = field(default_factory=dict)  # the only row so far of each other new one


class Upsert:
    """Creates or updates the contact of each row, also while others write. Use it inside a transaction."""

    def __init__(self, row: ContactImport, columns: ColumnMapping) -> None:
        self.row = row
        self.columns = columns
        self.updating = row.on_duplicate == ContactImport.OnDuplicate.UPDATE
        self.replacing_tags = row.on_tags == ContactImport.OnTags.REPLACE

    def write(self, rows: Sequence[ContactRow], also_listed: Iterable[str] = ()) -> Written:
        """Write the rows, and put their marked numbers on the do-not-call list, with those of rejected rows.

        Return the counts, and the rows rejected because of too many variables or because the database refuses them.
        """
        asking = [asked(row) for row in rows if row.do_not_call] + [{phone} for phone in also_listed]
        listed = persons.to_list(self.row.organization_id, asking, self.columns)
        if not rows and not listed:
            return Written()
        phones = phones_of(rows)
        contact_locks.lock_numbers(self.row.organization_id, phones | listed, listed=listed)
        rows, refused = self._with_tags(rows)
        try:
            with transaction.atomic():
                found = self._write(rows, listed)
        except (DataError, IntegrityError):
            self._locked(phones, listed)  # in the order of keys, which the parts of the batch are not
            found = self._apart(rows)
        found.refused |= refused
        if listed:
            found.counts["listed"] += entries.add_locked(
                self.row.organization, listed, reason=self._reason(), source=SOURCE
            )
        return found

    def _with_tags(self, rows: Sequence[ContactRow]) -> tuple[Sequence[ContactRow], dict[int, str]]:
        """Return the rows with the keys of their tags, which are created and held, and those that cannot have them."""
        names = [name for row in rows for name in row.tags]
        if not names:
            return rows, {}
        keys = {key: str(tag.pk) for key, tag in tagging.named(self.row.organization_id, names).items()}
        known = {name: keys.get(tag_key(name), "") for name in set(names)}
        fitting: list[ContactRow] = []
        refused: dict[int, str] = {}
        for row in rows:
            tags = tuple(known[name] for name in row.tags)
            if all(tags):
                fitting.append(row._replace(tags=tags) if tags else row)
            else:
                refused[row.line] = tagging.NO_ROOM
        return fitting, refused

    def _apart(self, rows: Sequence[ContactRow]) -> Written:
        """Write rows of which the database refuses some: each half for itself, down to the row that is refused."""
        half = len(rows) // 2
        found = Written()
        for part in (rows[:half], rows[half:]) if half else (rows,):
            try:
                with transaction.atomic():
                    found += self._write(part, ())
            except (DataError, IntegrityError):
                found += self._apart(part) if len(part) > 1 else Written(refused={part[0].line: NOT_STORED})
        return found

    def _write(self, rows: Sequence[ContactRow], listed: Collection[str]) -> Written:
        """Write the rows as contacts and members. The contacts that have a listed number are locked as well."""
        found = Written()
        people = self._locked_people(rows, phones_of(rows), listed)
        for row, phone in zip(rows, people.targets, strict=True):
            self._take(row, phone, people, found)
            if row.line not in found.refused:
                found.counts["numbers_left_out"] += len(row.beyond) + len(row.unusable)
        self._save(list(people.known.values()), found)
        alone = ((people.made[phone], row) for phone, row in people.begun.items() if phone not in people.known)
        persons.put_tags([(key, int(tag)) for key, row in alone for tag in row.tags])
        persons.join_list(
            self.row, people.made.values(), [each.contact.pk for each in people.known.values() if not each.new]
        )
        return found

    def _reason(self) -> str:
        """Return why the file's numbers are on the do-not-call list."""
        names = [self.columns.header[index] for index in (*self.columns.do_not_call, *self.columns.may_call)]
        if not names:
            return f"A row of {self.row.filename} asks not to call"[:REASON_LENGTH]
        column = "column" if len(names) == 1 else "columns"
        return f"{column.capitalize()} “{'”, “'.join(names)}” of {self.row.filename}"[:REASON_LENGTH]

    def _locked_people(self, rows: Sequence[ContactRow], phones: set[str], listed: Collection[str]) -> People:
        """Lock the contacts of the rows, created if they are missing, and whoever else has a listed number."""
        held = self._locked(phones, listed)
        targets = match(rows, held.values())
        first_rows = dict(zip(reversed(targets), reversed(rows), strict=True))
        made: dict[str, int] = {}
        while new := {phone: row for phone, row in first_rows.items() if phone not in held and phone not in made}:
            made |= persons.create(self.row, new)
            # Another transaction had inserted some. If one was deleted meanwhile it is created after all.
            if others := [phone for phone in new if phone not in made]:
                held |= self._locked(others, ())
        numbers: Mapping[int, dict[str, str]] = {}
        if any(row.further_numbers for row in rows):
            numbers = persons.further_numbers(held[phone].pk for phone in first_rows if phone in held)
        tags: Mapping[int, dict[str, str]] = {}
        if any(row.tags for row in rows):
            tags = persons.tags(held[phone].pk for phone in first_rows if phone in held)
        known = {
            phone: Person(
                held[phone], numbers.get(held[phone].pk, {}), tags.get(held[phone].pk, {}), self.replacing_tags
            )
            for phone in first_rows
            if phone in held
        }
        return People(targets, made, known)

    def _locked(self, phones: Iterable[str], listed: Collection[str]) -> dict[str, Held]:
        """Lock the contacts with these first numbers, and all that have a listed number. Return them by first number.

        New contacts have the highest keys, so those that are locked after them are still locked in the order of keys.
        """
        wanted = Q(Among("phone", phones), organization=self.row.organization_id)
        if listed:  # by key: the database would read every contact to find those with one of two properties
            keys = {*persons.keys(wanted), *contact_locks.holder_keys(self.row.organization_id, listed)}
            wanted = Q(Among("pk", keys))
        return {each.phone: each for each in persons.locked(wanted)}

    def _take(self, row: ContactRow, phone: str, people: People, found: Written) -> None:
        """Merge a row into its contact, and count it."""
        person = people.known.get(phone)
        if person is None and phone not in people.begun and not row.further_numbers:
            people.begun[phone] = row  # a new contact, which holds all that the row says
            found.counts["created"] += 1
            return
        if person is None:
            person = people.known[phone] = self._new_person(row, phone, people)
        if person.new and not person.rows:
            person.begin(row)
            found.counts["created"] += 1
        elif not self.updating:
            found.counts["skipped"] += 1
        elif reason := person.take(row):
            found.refused[row.line] = reason
        else:
            found.counts["updated"] += 1

    def _new_person(self, row: ContactRow, phone: str, people: People) -> Person:
        """Return a new contact with which another row is merged, or the further numbers of its first one."""
        first = people.begun.get(phone)
        held = Held.of(first or row, people.made[phone], self.row.pk)
        person = Person(held, replacing_tags=self.replacing_tags, new=True)
        if first:
            person.begin(first)
        return person

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
        persons.write(self.row.organization_id, changed)
        persons.keep(self.row, images)
