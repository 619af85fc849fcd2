"""Counts of recipients, of list members and of tagged contacts, kept by triggers (`tenants/db/counters.py`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q, QuerySet, Sum

from campaigns.models.campaign import Campaign
from campaigns.models.contact import ContactList, ContactListMember
from campaigns.models.recipient import Recipient
from campaigns.models.tag import ContactTag, Tag
from tenants.db.counters import Counted, Counts


class RecipientCount(Counts):
    """Recipients of a campaign by status, outcome and reason. `tried` of them were called at least once."""

    counted = Counted(
        Recipient._meta.db_table,
        groups={name: f"{{row}}.{name}" for name in ("campaign_id", "status", "outcome", "reason")},
        sums={
            "recipients": "1",
            "tried": "CASE WHEN {row}.attempts > 0 THEN 1 ELSE 0 END",
            "attempts": "{row}.attempts",
        },
    )
    owner = "campaign_id"

    # Without a constraint: its check would cost each writer a lookup, and counts of a deleted campaign add up to none.
    campaign = models.ForeignKey(
        Campaign, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    status = models.CharField(max_length=9)
    outcome = models.CharField(max_length=16, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    recipients = models.IntegerField()
    tried = models.IntegerField()
    attempts = models.IntegerField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["campaign"], name="recipient_count"),
            models.Index(fields=["id"], name="recipient_count_unfolded", condition=Q(folded=False)),
        ]

    @classmethod
    def of(cls, campaigns: Collection[int], *groups: str) -> QuerySet[Any, dict[str, Any]]:
        """Return the counts of these campaigns by some of the groups, as rows. Groups of no recipients are left out."""
        rows = cls._default_manager.filter(campaign__in=campaigns).values(*groups).order_by()
        sums = {"n": Sum("recipients"), "called": Sum("tried"), "calls": Sum("attempts")}
        found: QuerySet[Any, dict[str, Any]] = rows.annotate(**sums).exclude(n=0)
        return found


class MemberCount(Counts):
    """Members of a contact list."""

    counted = Counted(
        ContactListMember._meta.db_table, groups={"contact_list_id": "{row}.contact_list_id"}, sums={"members": "1"}
    )
    owner = "contact_list_id"

    contact_list = models.ForeignKey(
        ContactList, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    members = models.IntegerField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["contact_list"], name="member_count"),
            models.Index(fields=["id"], name="member_count_unfolded", condition=Q(folded=False)),
        ]


class TagCount(Counts):
    """Contacts with a tag."""

    counted = Counted(ContactTag._meta.db_table, groups={"tag_id": "{row}.tag_id"}, sums={"contacts": "1"})
    owner = "tag_id"

    tag = models.ForeignKey(Tag, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    contacts = models.IntegerField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["tag"], name="tag_count"),
            models.Index(fields=["id"], name="tag_count_unfolded", condition=Q(folded=False)),
        ]
