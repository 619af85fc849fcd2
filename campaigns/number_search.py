"""Find contacts by any of their numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.models import Contact, ContactNumber
from campaigns.newest import COMMON, met_among_newest
from tenants.db.first_keys import first_keys, these


def having(numbers: QuerySet[ContactNumber]) -> Q:
    """Return the condition that a contact has one of these further numbers.

    The keys of a few contacts are read first, so that the database can use its indexes for this and for other
    conditions. So many contacts that their keys are not read are soon met when contacts are read in their order. A
    subquery of all keys would be read again for each contact.
    """
    return these(numbers, Q(Exists(numbers.filter(contact=OuterRef("pk")))), of="contact")


def beginning(column: str, prefixes: Iterable[str]) -> Q:
    """Return the condition that a column begins like one of these."""
    found = Q(pk__in=[])
    for prefix in sorted(prefixes):
        found |= Q(**{f"{column}__startswith": prefix})
    return found


def begun(prefixes: Collection[str], organizations: Sequence[int]) -> Q:
    """Return the condition that the first number of a contact of these organizations begins like one of these.

    It has their keys, unless many of the newest are among them, or too many: these are soon met in the order of a list.
    """
    begins, rows = beginning("phone", prefixes), _whose_number_begins(prefixes, organizations)
    return begins if _soon_met(prefixes, organizations) else these(rows, begins)


def first_begun(prefixes: Collection[str], organizations: Sequence[int], most: int) -> list[int]:
    """Return the keys of at most so many contacts whose first number begins like one of these."""
    rows = _whose_number_begins(prefixes, organizations)
    if _soon_met(prefixes, organizations):
        return list(rows.order_by("-pk").values_list("pk", flat=True)[:most])
    return first_keys(rows, most)


def _whose_number_begins(prefixes: Collection[str], organizations: Sequence[int]) -> QuerySet[Contact]:
    return Contact.objects.filter(beginning("phone", prefixes), organization__in=organizations, erased_at=None)


def _soon_met(prefixes: Collection[str], organizations: Sequence[int]) -> bool:
    """Return whether many of the newest contacts have such a number: the index would collect all who have it."""
    if not prefixes or not organizations:
        return False
    likes = " OR ".join(["starts_with(newest.value, %s)"] * len(prefixes))
    [met] = met_among_newest(organizations, "phone", [(likes, list(prefixes))])
    return met >= COMMON
