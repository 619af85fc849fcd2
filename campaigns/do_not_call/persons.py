"""Which contacts may not be called, because one of their numbers is on the do-not-call list."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from campaigns.do_not_call import entries
from campaigns.models import Contact


def listed(contacts: Iterable[Contact]) -> set[int]:
    """Return the keys of the contacts with a number on the do-not-call list. One query for each organization.

    `further_numbers` should be prefetched.
    """
    rows = list(contacts)
    now = timezone.now()
    found: set[int] = set()
    for home in {contact.organization_id for contact in rows}:
        own = {contact.pk: contact.numbers for contact in rows if contact.organization_id == home}
        blocked = entries.listed(home, {phone for phones in own.values() for phone in phones}, now)
        found |= {key for key, phones in own.items() if not blocked.isdisjoint(phones)}
    return found
