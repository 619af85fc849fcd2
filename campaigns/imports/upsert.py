"""Write a batch of imported rows as contacts and list members, in few statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from campaigns.imports.columns import MAX_VARIABLES, ColumnMapping
from campaigns.imports.rows import MAX_VARIABLES_BYTES, ContactRow, RejectedRow
from campaigns.models import Contact, ContactImport, ContactListMember


class Upsert:
    """Creates or updates one contact for each number, also while others write. Use it inside a transaction."""

    def __init__(self, row: ContactImport, columns: ColumnMapping) -> None:
        self.row = row
        self.columns = columns
        self.updating = row.on_duplicate == ContactImport.OnDuplicate.UPDATE

    def write(self, rows: Sequence[ContactRow]) -> tuple[dict[str, int], list[RejectedRow]]:
        """Write the rows. Return the counts, and the rows rejected because of too many variables."""
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
        """Return the existing contacts by number, locked in the order of ids, as all code does."""
        found: Any = Contact.objects.select_for_update().filter(
            organization_id=self.row.organization_id, phone__in=list(phones)
        )
        known = {}
        for contact in found.order_by("id"):
            contact.created_here = False
            known[contact.phone] = contact
        return known

    def _create(self, new: Mapping[str, ContactRow]) -> dict[str, Any]:
        """Insert the missing contacts. A number that another transaction inserted meanwhile counts as existing."""
        if not new:
            return {}
        new_uuids = {phone: uuid.uuid4() for phone in new}
        Contact.objects.bulk_create(
            [
                Contact(
                    uuid=new_uuids[phone],
                    organization_id=self.row.organization_id,
                    phone=phone,
                    name=each.name,
                    external_id=each.external_id,
                    language=each.language,
                    timezone=each.timezone,
                    variables=each.variables,
                    created_by_import=self.row,
                )
                for phone, each in sorted(new.items())  # the same order in every transaction: no deadlock
            ],
            ignore_conflicts=True,
        )
        known = self._locked(new)
        for phone, contact in known.items():
            contact.created_here = contact.uuid == new_uuids[phone]
        return known

    @staticmethod
    def _state(contact: Contact) -> tuple[Any, ...]:
        return (contact.name, contact.external_id, contact.language, contact.timezone, dict(contact.variables))

    def _merge(self, contact: Contact, row: ContactRow) -> str:
        """Replace values by cells that are not empty. Return the reason if the row is rejected, else ""."""
        variables = {**(contact.variables or {}), **row.variables}
        size = sum(len(name.encode()) + len(str(value).encode()) for name, value in variables.items())
        if len(variables) > MAX_VARIABLES or size > MAX_VARIABLES_BYTES:
            return (
                f"With its existing variables this contact would have {len(variables)} variables of {size:,} bytes; "
                f"at most {MAX_VARIABLES} variables of 16 KB are allowed. Remove some first."
            )
        contact.variables = variables
        for name in ("name", "external_id", "language", "timezone"):
            if value := getattr(row, name):
                setattr(contact, name, value)
        return ""

    def _update(self, contacts: Sequence[Contact]) -> None:
        """Update the contacts in one statement: they exist and are locked, so every insert is a conflict."""
        zone = ["zone_fault"] if "timezone" in self.columns.fields else []  # its column follows from the zone
        if contacts:
            Contact.objects.bulk_create(
                contacts,
                update_conflicts=True,
                unique_fields=["organization", "phone"],
                update_fields=[*sorted(self.columns.fields), *zone, "updated_at"],
            )

    def _cells(self, row: ContactRow) -> tuple[str, ...]:
        """Rebuild the cells of the row for the file of rejected rows, from the values that were read."""
        cells = [""] * len(self.columns.header)
        cells[self.columns.phones[0].index] = row.phone
        for index in self.columns.names[:1]:
            cells[index] = row.name
        for name in ("external_id", "language", "timezone"):
            index_of = getattr(self.columns, name)
            if index_of is not None:
                cells[index_of] = getattr(row, name)
        for variable, index in self.columns.variables:
            cells[index] = row.variables.get(variable, "")
        return tuple(cells)
