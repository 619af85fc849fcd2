"""Which contact a row of a file belongs to, and what the row changes in it. Pure: reads and writes no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from campaigns.imports.rows import ContactRow
from campaigns.models import Contact, ContactNumber, ContactTag
from campaigns.models.contact import MAX_VARIABLES, MAX_VARIABLES_BYTES

# What a file may say about a contact, one value each. A cell with a value replaces it.
FIELDS = (
    "name",
    "external_id",
    "language",
    "timezone",
    "phone_kind",
    "consent_basis",
    "consent_at",
    "consent_evidence",
)
# Prefixes of keys: variables.city, numbers.+33612345678, tags.17.
VARIABLE, NUMBER, TAG = "variables", "numbers", "tags"

_fields_of = attrgetter(*FIELDS)

# The values of a contact as JSON, by key. What a contact does not have is missing, or None in an image.
Values = dict[str, Any]
Change = tuple[Values, Values]  # before and after
# FIELDS, variables, further numbers with their kinds, tags.
State = tuple[tuple[Any, ...], dict[str, Any], dict[str, str], dict[str, str]]


@dataclass(slots=True)
class Held:
    """What an import reads and changes of a contact. A model of Django would take as long to make as all else.

    `pk` is 0 where nothing is written. The last fields are in the order of FIELDS.
    """

    pk: int
    phone: str
    variables: dict[str, Any]
    created_by_import_id: int | None
    name: str
    external_id: str
    language: str
    timezone: str
    phone_kind: str
    consent_basis: str
    consent_at: datetime | None
    consent_evidence: str

    @classmethod
    def of(cls, row: ContactRow, pk: int = 0, created_by_import_id: int | None = None) -> Held:
        """Return a new contact with what the row says about it, except its further numbers."""
        return cls(pk, row.phone, row.variables, created_by_import_id, *_fields_of(row))


@dataclass(frozen=True)
class Identity:
    """What tells two contacts apart that share a number."""

    name: str
    external_id: str

    def differs(self, row: ContactRow) -> bool:
        """Return whether the row is about somebody else: another external ID, or another name."""
        if self.external_id and row.external_id:
            return self.external_id != row.external_id
        return bool(self.name and row.name) and _letters(self.name) != _letters(row.name)


NOBODY = Identity("", "")


def _letters(name: str) -> list[str]:
    """Return the words of a name in one order: files write them in either."""
    return sorted("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def match(rows: Sequence[ContactRow], contacts: Iterable[Contact | Held]) -> list[str]:
    """Return, for each row, the first number of the contact that it belongs to: an existing one, or a new one.

    `contacts` are all whose first number is any number of the rows. A row belongs to the contact of its first
    number. If there is none, it belongs to the only contact that has another of its numbers as the first one, unless
    its name or external ID is another: so a file with the columns in another order finds the same contact, and members
    of a household who share a number stay apart.
    """
    if not any(row.further_numbers for row in rows):
        return [row.phone for row in rows]
    first = {contact.phone: Identity(contact.name, contact.external_id) for contact in contacts}
    found = []
    for row in rows:
        phone = row.phone
        if phone not in first:
            others = [each.phone for each in row.further_numbers if each.phone in first]
            if len(others) == 1 and not first[others[0]].differs(row):
                phone = others[0]
        was = first.get(phone, NOBODY)
        first[phone] = Identity(row.name or was.name, row.external_id or was.external_id)
        found.append(phone)
    return found


@dataclass
class Person:
    """A contact with its further numbers (number and kind, in the order of calling), and what it was before.

    `tags`: each tag by what tells it from others, as the rows name it: its key, or its name where nothing is written.
    """

    contact: Contact | Held
    numbers: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    replacing_tags: bool = False  # by those of a row that has any
    new: bool = False  # made from the first of its rows
    rows: int = 0  # merged so far
    left_out: int = 0  # numbers of rows for which there was no room
    before: State | None = None  # None: nothing was merged

    @property
    def had_numbers(self) -> bool:
        return bool(self.before and self.before[2])

    @property
    def numbers_changed(self) -> bool:
        return self.before is not None and self.numbers != self.before[2]

    @property
    def tags_before(self) -> set[str]:
        return set(self.before[3]) if self.before else set(self.tags)

    def state(self) -> State:
        """Return a copy of what an import can change."""
        return _fields_of(self.contact), dict(self.contact.variables or {}), dict(self.numbers), dict(self.tags)

    def changes(self) -> Change:
        """Return what the contact had, and what it has now, where these differ."""
        return difference(self.before, self.state()) if self.before else ({}, {})

    def begin(self, row: ContactRow) -> None:
        """Take the row of which the new contact was made: only its further numbers and its tags are missing."""
        self.rows += 1
        if row.further_numbers or row.tags:
            self.before = self.state()
            self.tags = dict(zip(row.tags, row.tags, strict=True))
            self._add_numbers(row)

    def take(self, row: ContactRow) -> str:
        """Replace values by those of the row. Return the reason if the row is rejected, else ""."""
        self.rows += 1
        variables = {**(self.contact.variables or {}), **row.variables}
        tags = self._tags_with(row)
        if reason := _too_many(variables) or _too_many_tags(tags):
            return reason
        if not row.further_numbers and tags == self.tags and self._says_the_same(row, variables):
            return ""
        self.before = self.before or self.state()
        self.contact.variables, self.tags = variables, tags
        for name in FIELDS:
            if name != "phone_kind" and (value := getattr(row, name)):
                setattr(self.contact, name, value)
        self._add_numbers(row)
        return ""

    def _says_the_same(self, row: ContactRow, variables: dict[str, Any]) -> bool:
        """Return whether a row with one number changes nothing. `variables`: with those of the row."""
        contact = self.contact
        if row.phone != contact.phone or variables != contact.variables:
            return False
        return all(not value or value == had for value, had in zip(_fields_of(row), _fields_of(contact), strict=True))

    def _tags_with(self, row: ContactRow) -> dict[str, str]:
        """Return the tags after the row."""
        kept = {} if row.tags and self.replacing_tags else self.tags
        return kept | dict(zip(row.tags, row.tags, strict=True))

    def _add_numbers(self, row: ContactRow) -> None:
        """Add numbers after the others. The kind of a number that is there already is replaced by another one."""
        for phone, kind in all_numbers(row):
            if phone == self.contact.phone:
                self.contact.phone_kind = kind or self.contact.phone_kind
            elif phone in self.numbers or len(self.numbers) < ContactNumber.MAX:
                self.numbers[phone] = kind or self.numbers.get(phone, "")
            else:
                self.left_out += 1

    def restore(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
        """Undo a change, except where the present value is not the one that it left. Return the keys that change."""
        self.before = self.state()
        present = as_json(*self.before)
        keys = [key for key in after if present.get(key) == after[key] and before.get(key) != after[key]]
        variables = dict(self.contact.variables or {})
        for key in keys:
            kind, _, name = key.partition(".")
            value = before.get(key)
            if kind == VARIABLE:
                _set(variables, name, value)
            elif kind == NUMBER:
                _set(self.numbers, name, value)
            elif kind == TAG:
                _set(self.tags, name, value)
            elif kind == "consent_at":
                self.contact.consent_at = datetime.fromisoformat(value) if value else None
            else:
                setattr(self.contact, kind, value or "")
        self.contact.variables = variables
        return keys


def _set(values: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


def all_numbers(row: ContactRow) -> list[tuple[str, str]]:
    """Return all numbers of the row with their kinds, the one that is called first."""
    return [(row.phone, row.phone_kind), *((each.phone, each.kind) for each in row.further_numbers)]


def as_json(
    fields: Sequence[Any], variables: Mapping[str, Any], numbers: Mapping[str, str], tags: Mapping[str, str]
) -> Values:
    """Return what an import can change in a contact, as JSON. `fields` are in the order of FIELDS."""
    found: Values = {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in zip(FIELDS, fields, strict=True)
        if value
    }
    found |= {f"{VARIABLE}.{name}": value for name, value in variables.items()}
    found |= {f"{NUMBER}.{phone}": kind for phone, kind in numbers.items()}
    return found | {f"{TAG}.{tag}": shown for tag, shown in tags.items()}


def difference(before: State, after: State) -> Change:
    """Return the values that differ, as they were and as they are."""
    if before == after:
        return {}, {}
    old, new = as_json(*before), as_json(*after)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return {key: old.get(key) for key in keys}, {key: new.get(key) for key in keys}


def fields_of(keys: Iterable[str]) -> set[str]:
    """Return the columns of the contact's table that hold these values."""
    return {key.partition(".")[0] for key in keys} - {NUMBER, TAG}


def joined(earlier: Change, later: Change) -> Change:
    """Return two changes as one. Where the value was changed again in between, only the later change counts."""
    before, after = dict(later[0]), {**earlier[1], **later[1]}
    for key, value in earlier[0].items():
        if key not in before or before[key] == earlier[1].get(key):
            before[key] = value
    return before, after


def inherit(
    before: Values, before_undone: Mapping[str, Any], after_undone: Mapping[str, Any], keys: Iterable[str]
) -> bool:
    """Let an import that overwrote values of an undone one restore what was there before both. Return if it changes."""
    taken = {key: before_undone.get(key) for key in keys if key in before and before[key] == after_undone[key]}
    before.update(taken)
    return bool(taken)


def _too_many(variables: Mapping[str, Any]) -> str:
    size = sum(len(name.encode()) + len(str(value).encode()) for name, value in variables.items())
    if len(variables) <= MAX_VARIABLES and size <= MAX_VARIABLES_BYTES:
        return ""
    return (
        f"With its existing variables this contact would have {len(variables)} variables of {size:,} bytes; "
        f"at most {MAX_VARIABLES} variables of 16 KB are allowed. Remove some first."
    )


def _too_many_tags(tags: Collection[str]) -> str:
    if len(tags) <= ContactTag.MAX:
        return ""
    return f"With this row the contact would have {len(tags)} tags; at most {ContactTag.MAX} are allowed. Remove some."


def phones_of(rows: Iterable[ContactRow]) -> set[str]:
    """Return all numbers of the rows."""
    found = {row.phone for row in rows}
    found.update(each.phone for row in rows if row.further_numbers for each in row.further_numbers)
    return found


def asked(row: ContactRow) -> set[str]:
    """Return the numbers that are listed because of a row that asks not to call."""
    return {*phones_of([row]), *row.beyond, *row.listed}
