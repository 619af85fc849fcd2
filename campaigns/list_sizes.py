"""Sizes of contact lists, without counting long lists to the end."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, IntegerField, OuterRef, Subquery

from campaigns.models import ContactList, ContactListMember

COUNTED = 100_000


class CountTo(Subquery):
    """Count the rows of a sliced query. The database reads no more rows than the slice has."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def sizes(lists: Collection[int]) -> dict[int, int]:
    """Return the size of each list by its id, counted to COUNTED + 1 at most."""
    members = ContactListMember.objects.filter(contact_list=OuterRef("pk")).order_by()
    rows = ContactList.objects.filter(pk__in=lists).order_by()
    return dict(rows.annotate(n=CountTo(members.values("pk")[: COUNTED + 1])).values_list("pk", "n"))


def exact(lists: Collection[int]) -> dict[int, int]:
    """Return the exact size of each list that has members, by its id. Slow: for exports, not for pages."""
    members = ContactListMember.objects.filter(contact_list__in=lists).values_list("contact_list")
    return dict(members.annotate(n=Count("pk")).order_by())


def written(count: int) -> str:
    """Return a size from `sizes` as text."""
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"
