"""Sizes of contact lists, from counts that triggers keep."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Sum

from campaigns.models import MemberCount

COUNTED = 100_000  # a page says of a longer list that it has more


def sizes(lists: Collection[int]) -> dict[int, int]:
    """Return the size of each list by its id."""
    counts = MemberCount.objects.filter(contact_list__in=lists).values_list("contact_list_id")
    return dict.fromkeys(lists, 0) | dict(counts.annotate(n=Sum("members")).order_by())


def written(count: int) -> str:
    """Return a size as text for a page."""
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"
