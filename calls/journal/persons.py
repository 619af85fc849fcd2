"""Find whom a line of the journal is about, though it names no number: by the contact's ID, or by the number's hash."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from campaigns.do_not_call import entries
from campaigns.models import Contact, ContactNumber
from campaigns.models.number_hash import number_hashes
from tenants.models import Organization

SOURCE = "dial journal"
AT_ONCE = 5_000


class Numbers:
    """The numbers of an organization's contacts by their hash, as far as they are wanted."""

    def __init__(self, organization: Organization, wanted: Collection[str]) -> None:
        self._phones: dict[str, str] = {}
        left = set(wanted)
        for some in _in_parts(organization):
            hashes = number_hashes(some)
            self._phones |= {hashed: hashes[hashed] for hashed in left & hashes.keys()}
            if len(self._phones) == len(left):
                break

    def phone(self, hashed: str) -> str:
        """Return the number with this hash, or "" if no contact has it."""
        return self._phones.get(hashed, "")


def _in_parts(organization: Organization) -> Iterator[list[str]]:
    for model in (Contact, ContactNumber):
        rows = model._default_manager.filter(organization=organization).order_by("pk")
        last = 0
        while page := list(rows.filter(pk__gt=last).values_list("pk", "phone")[:AT_ONCE]):
            last = page[-1][0]
            yield [phone for _, phone in page]


def list_number(
    organization: Organization, hashed: str, phone: str, *, reason: str, source: str, until: datetime | None
) -> bool:
    """Keep a number from calls. Without the number, its hash does. Return whether it was not listed before."""
    if phone:
        return entries.add(organization, phone, reason=reason, source=source, expires_at=until)[1]
    return entries.add_hash(organization, hashed, reason=reason, source=source, expires_at=until)[1]
