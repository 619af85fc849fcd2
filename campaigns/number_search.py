"""Find contacts by any of their numbers."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from campaigns.models import ContactNumber

FEW = 1_000


def having(numbers: QuerySet[ContactNumber]) -> Q:
    """Return the condition that a contact has one of these further numbers.

    A few keys are read first, so that the database can use its indexes for this and for other conditions. The contacts
    of many numbers are met soon when contacts are read in their order.
    """
    keys = list(numbers.order_by().values_list("contact", flat=True)[: FEW + 1])
    return Q(pk__in=keys if len(keys) <= FEW else numbers.order_by().values("contact"))
