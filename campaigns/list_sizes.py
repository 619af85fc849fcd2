"""Sizes of contact lists, from counts that triggers keep."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Sum

from campaigns.models import Campaign, MemberCount

COUNTED = 100_000  # a page says of a longer list that it has more


def sizes(lists: Collection[int]) -> dict[int, int]:
    """Return the size of each list by its id."""
    return dict.fromkeys(lists, 0) | _sizes(contact_list__in=lists)


def sizes_of(campaign: Campaign) -> dict[int, int]:
    """Return the size of each of a campaign's lists that has members, by its id."""
    return _sizes(contact_list__campaigns=campaign)


def _sizes(**chosen: Any) -> dict[int, int]:
    counts = MemberCount.objects.filter(**chosen).values_list("contact_list_id").order_by()
    return dict(counts.annotate(n=Sum("members")).exclude(n=0))


def written(count: int) -> str:
    """Return a size as text for a page."""
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"
