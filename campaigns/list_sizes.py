"""How long lists are, without walking through long ones."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, IntegerField, OuterRef, Subquery

from campaigns.models import ContactList, ContactListMember

COUNTED = 100_000


class CountTo(Subquery):
    """How many rows a sliced query finds: no more are read than the slice is long."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def sizes(lists: Collection[int]) -> dict[int, int]:
    """The length of each list, as far as COUNTED + 1."""
    members = ContactListMember.objects.filter(contact_list=OuterRef("pk")).order_by()
    rows = ContactList.objects.filter(pk__in=lists).order_by()
    return dict(rows.annotate(n=CountTo(members.values("pk")[: COUNTED + 1])).values_list("pk", "n"))


def exact(lists: Collection[int]) -> dict[int, int]:
    """The length of each list that has any members, however long it takes: for a file, not for a page."""
    members = ContactListMember.objects.filter(contact_list__in=lists).values_list("contact_list")
    return dict(members.annotate(n=Count("pk")).order_by())


def written(count: int) -> str:
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"
