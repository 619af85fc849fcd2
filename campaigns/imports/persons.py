"""Read and write the contacts that an import or its undo changes, with their further numbers, in few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.imports.columns import ColumnMapping
from campaigns.imports.merging import Person, fields_of
from campaigns.models import ContactNumber
from tenants.db.bulk_updates import update_rows


def further_numbers(keys: Iterable[int]) -> dict[int, dict[str, str]]:
    """Return the further numbers of contacts, with their kinds, in the order of calling."""
    found: dict[int, dict[str, str]] = {}
    rows = ContactNumber.objects.filter(contact__in=list(keys)).order_by("contact", "position")
    for key, phone, kind in rows.values_list("contact_id", "phone", "kind"):
        found.setdefault(key, {})[phone] = kind
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


def write(changed: Sequence[tuple[Person, Collection[str]]]) -> None:
    """Write changed persons, each with the keys of the values that changed. Their contacts exist and are locked."""
    fields = fields_of(key for _, keys in changed for key in keys)
    if "timezone" in fields:
        fields.add("zone_fault")  # its column follows from the zone
    contacts = [person.contact for person, keys in changed if fields_of(keys) or not person.new]
    update_rows(contacts, fields | {"updated_at"})
    _write_numbers([person for person, _ in changed if person.numbers_changed])


def _write_numbers(persons: Sequence[Person]) -> None:
    """Write the further numbers of persons anew, in their order."""
    if before := [person.contact.pk for person in persons if person.had_numbers]:
        ContactNumber.objects.filter(contact__in=before).delete()
    ContactNumber.objects.bulk_create(
        ContactNumber(
            organization_id=person.contact.organization_id,
            contact=person.contact,
            phone=phone,
            kind=kind,
            position=position,
        )
        for person in persons
        for position, (phone, kind) in enumerate(person.numbers.items(), start=1)
    )
