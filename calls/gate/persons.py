"""Which numbers count for a call, because they ring the same person.

A campaign calls a person: every number of the contact counts. A single call names a number and no person, so everyone
who has the number counts too, for the checks that must not fail: the do-not-call list and open calls.
docs/adr/0009-persons-and-numbers.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from calls.gate.candidate import Candidate
from campaigns.models import Contact, ContactNumber
from tenants.db.among import Among

Number = tuple[int, str]  # organization and E.164


@dataclass(frozen=True)
class Persons:
    """The numbers of the persons whom some calls reach."""

    _further: Mapping[int, Sequence[str]]  # of each contact, by internal key
    _shared: Mapping[Number, set[str]]  # the numbers of all who have the number that a single call names

    def has(self, call: Candidate) -> bool:
        """Return whether the call goes to a number of its contact."""
        return call.to_number == call.contact.phone or call.to_number in self._further.get(call.contact_id, ())

    def of(self, call: Candidate, first: str) -> tuple[Collection[str], Collection[str]]:
        """Return the numbers of the contact with the call's, and those of everyone whom the call may reach.

        Gaps and caps count the calls to the former. None of the latter may be listed, or be called at the moment.
        `first`: the contact's first number.
        """
        number, further = call.to_number, self._further.get(call.contact_id)
        numbers: Collection[str] = (number,) if number == first else (number, first)
        if further is not None:
            numbers = {number, first, *further}
        shared = self._shared.get((call.organization_id, number)) if call.is_single else None
        return numbers, shared.union(numbers) if shared else numbers

    def reached(self, call: Candidate) -> Collection[str]:
        """Return the numbers of everyone whom the call may reach."""
        return self.of(call, call.contact.phone)[1]


def read(calls: Sequence[Candidate]) -> Persons:
    """Read the numbers with one query, and with two more where a single call names a number that others have too."""
    contacts = {call.contact_id for call in calls if call.contact_id}
    further = _further(contacts)
    singles = {(call.organization_id, call.to_number) for call in calls if call.is_single}
    return Persons(further, _shared(singles))


def _further(contacts: Collection[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    rows = ContactNumber.objects.filter(Among("contact", contacts)).order_by()
    for contact_id, phone in rows.values_list("contact_id", "phone"):
        found.setdefault(contact_id, []).append(phone)
    return found


def _shared(numbers: Collection[Number]) -> dict[Number, set[str]]:
    """Return all numbers of everyone who has one of these as a further number."""
    if not numbers:
        return {}
    named = {"organization__in": {number[0] for number in numbers}, "phone__in": {number[1] for number in numbers}}
    rows = ContactNumber.objects.filter(**named).order_by().values_list("organization_id", "phone", "contact_id")
    holders = [((org, phone), contact_id) for org, phone, contact_id in rows if (org, phone) in numbers]
    if not holders:
        return {}
    keys = {contact_id for _, contact_id in holders}
    further, first = _further(keys), dict(Contact.objects.filter(pk__in=keys).values_list("pk", "phone"))
    found: defaultdict[Number, set[str]] = defaultdict(set)
    for number, contact_id in holders:
        found[number] |= {number[1], *further.get(contact_id, ())}
        if contact_id in first:  # else it was deleted in between
            found[number].add(first[contact_id])
    return found
