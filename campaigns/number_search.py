"""Find contacts by any of their numbers."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.models import ContactNumber

FEW = 1_000


def having(numbers: QuerySet[ContactNumber]) -> Q:
    """Return the condition that a contact has one of these further numbers.

    The keys of a few contacts are read first, so that the database can use its indexes for this and for other
    conditions. So many contacts that their keys are not read are soon met when contacts are read in their order. A
    subquery of all keys would be read again for each contact.
    """
    keys = keys_of(numbers, FEW + 1)
    return Q(pk__in=keys) if len(keys) <= FEW else Q(Exists(numbers.filter(contact=OuterRef("pk"))))


def keys_of(numbers: QuerySet[ContactNumber], limit: int) -> list[int]:
    """Return the keys of at most so many contacts that have one of these further numbers."""
    return list(numbers.order_by().values_list("contact", flat=True)[:limit])
