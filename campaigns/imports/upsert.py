"""Imports, the contacts: a batch of rows becomes contacts and memberships in a handful of statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from campaigns.imports.columns import MAX_VARIABLES, ColumnMapping
from campaigns.imports.rows import MAX_VARIABLES_BYTES, ContactRow, RejectedRow
from campaigns.models import Contact, ContactImport, ContactListMember


class Upsert:
    """One contact per number, whoever else is writing. Inside a transaction."""

    def __init__(self, row: ContactImport, columns: ColumnMapping) -> None:
        self.row = row
        self.columns = columns
        self.updating = row.on_duplicate == ContactImport.OnDuplicate.UPDATE

    def write(self, rows: Sequence[ContactRow]) -> tuple[dict[str, int], list[RejectedRow]]:
        """What became of the rows, and those refused after all because the contact would grow too large."""
        counts = {"created": 0, "updated": 0, "skipped": 0}
        if not rows:
            return counts, []
        by_phone: dict[str, list[ContactRow]] = {}
        for each in rows:
            by_phone.setdefault(each.phone, []).append(each)
        known = self._locked(by_phone)
        known |= self._create({phone: each[0] for phone, each in by_phone.items() if phone not in known})
        refused: list[RejectedRow] = []
        changed: list[Contact] = []
        for phone, repeated in by_phone.items():
            contact = known[phone]
            if contact.created_here:
                counts["created"] += 1
                repeated = repeated[1:]
            before = self._state(contact)
            for each in repeated:
                if not self.updating:
                    counts["skipped"] += 1
                elif reason := self._merge(contact, each):
                    refused.append(RejectedRow(each.line, self._cells(each), reason))
                else:
                    counts["updated"] += 1
            if self._state(contact) != before:
                changed.append(contact)
        self._update(changed)
        ContactListMember.objects.bulk_create(
            [
                ContactListMember(
                    contact_list_id=self.row.contact_list_id, contact=known[phone], created_by_import=self.row
                )
                for phone in by_phone
            ],
            ignore_conflicts=True,
        )
        return counts, refused

    def _locked(self, phones: Iterable[str]) -> dict[str, Any]:
        """The contacts that exist, locked in the order in which everybody locks them."""
        found: Any = Contact.objects.select_for_update().filter(
            organization_id=self.row.organization_id, phone__in=list(phones)
        )
        known = {}
        for contact in found.order_by("id"):
            contact.created_here = False
            known[contact.phone] = contact
        return known

    def _create(self, new: Mapping[str, ContactRow]) -> dict[str, Any]:
        """Insert what is not there. A number that somebody else inserted meanwhile is theirs."""
        if not new:
            return {}
        mine = {phone: uuid.uuid4() for phone in new}
        Contact.objects.bulk_create(
            [
                Contact(
                    uuid=mine[phone],
                    organization_id=self.row.organization_id,
                    phone=phone,
                    name=each.name,
                    external_id=each.external_id,
                    language=each.language,
                    timezone=each.timezone,
                    variables=each.variables,
                    created_by_import=self.row,
                )
                for phone, each in sorted(new.items())  # one order for everybody: no deadlock
            ],
            ignore_conflicts=True,
        )
        known = self._locked(new)
        for phone, contact in known.items():
            contact.created_here = contact.uuid == mine[phone]
        return known

    @staticmethod
    def _state(contact: Contact) -> tuple[Any, ...]:
        return (contact.name, contact.external_id, contact.language, contact.timezone, dict(contact.variables))

    def _merge(self, contact: Contact, row: ContactRow) -> str:
        """Cells with something in them replace; empty ones leave what is there. Returns why not, else ""."""
        variables = {**(contact.variables or {}), **row.variables}
        size = sum(len(name.encode()) + len(str(value).encode()) for name, value in variables.items())
        if len(variables) > MAX_VARIABLES or size > MAX_VARIABLES_BYTES:
            return (
                f"With the variables it has already this contact would have {len(variables)} of {size:,} bytes; "
                f"at most {MAX_VARIABLES} of 16 KB are kept. Remove some first."
            )
        contact.variables = variables
        for name in ("name", "external_id", "language", "timezone"):
            if value := getattr(row, name):
                setattr(contact, name, value)
        return ""

    def _update(self, contacts: Sequence[Contact]) -> None:
        """All of them in one statement: they exist and are locked, so every insert is a conflict."""
        if contacts:
            Contact.objects.bulk_create(
                contacts,
                update_conflicts=True,
                unique_fields=["organization", "phone"],
                update_fields=[*sorted(self.columns.fields), "updated_at"],
            )

    def _cells(self, row: ContactRow) -> tuple[str, ...]:
        """The row's own cells as far as they are known here."""
        cells = [""] * len(self.columns.header)
        cells[self.columns.phone] = row.phone
        for index in self.columns.names[:1]:
            cells[index] = row.name
        for name in ("external_id", "language", "timezone"):
            index_of = getattr(self.columns, name)
            if index_of is not None:
                cells[index_of] = getattr(row, name)
        for variable, index in self.columns.variables:
            cells[index] = row.variables.get(variable, "")
        return tuple(cells)
