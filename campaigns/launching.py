"""Filling in the recipients of a campaign, many at a time, inside the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections, router, transaction
from django.db.models import F, Q
from django.utils import timezone

from campaigns.models import Campaign, ContactImport, ContactListMember, Recipient
from tenants import failpoints

LAUNCHABLE = (Campaign.Status.RUNNING, Campaign.Status.PAUSED)
# Rows get public ids where they are made. Django keeps a UUID as 32 hexadecimal characters where there is no such type.
NEW_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
INSERT = """
INSERT INTO {recipient} (uuid, campaign_id, contact_id, status, reason, outcome, attempts, next_attempt_at, sort_key,
    waits_in)
SELECT {new_uuid}, %(campaign)s, contact_id, %(status)s, '', '', 0, {due},
       ((id + %(campaign)s) %% 2147483647 * 1327217885) %% 2147483647, ''
FROM {member}
WHERE id > %(after)s AND id <= %(through)s
  AND contact_list_id IN (SELECT contactlist_id FROM {lists} WHERE campaign_id = %(campaign)s)
ORDER BY id
ON CONFLICT DO NOTHING
"""  # the last factor spreads neighbours of a list over the whole order


def step(campaign_id: int, limit: int = 20_000) -> bool:
    """Make recipients of the next `limit` list members. True when nothing is left to launch.

    Safe to run twice and by two workers at once: the campaign's row is locked where there are row locks, and how far
    it has come is written in the same transaction as the recipients.
    """
    using = router.db_for_write(Campaign)
    with transaction.atomic(using=using):
        campaign = (
            Campaign.objects.using(using)
            .select_for_update(no_key=True, of=("self",))
            .filter(pk=campaign_id, launched_at=None, status__in=LAUNCHABLE)
            .first()
        )
        if campaign is None:
            return True
        members = ContactListMember.objects.using(using).filter(
            contact_list__in=campaign.contact_lists.order_by().values("pk"), pk__gt=campaign.launched_through
        )
        ids = members.order_by("pk").values_list("pk", flat=True)[:limit]
        taken, through = _extent(ids)
        if taken:
            _insert(using, campaign, through)
        done = taken < limit
        advanced = (
            Campaign.objects.using(using)
            .filter(pk=campaign_id, launched_at=None, launched_through=campaign.launched_through)
            .update(
                launched_through=through if taken else F("launched_through"),
                launched_at=timezone.now() if done else None,
            )
        )
        if advanced != 1:  # only without row locks: somebody else was faster, and this work is theirs
            transaction.set_rollback(True, using=using)
            return False
        failpoints.reach("launching.launching")
    failpoints.reach("launching.launched")
    return done


def again(campaign_ids: Iterable[int]) -> None:
    """Go through the lists of started campaigns once more; who is a recipient already stays the one they are."""
    going = Campaign.objects.filter(pk__in=campaign_ids, status__in=LAUNCHABLE)
    going.update(launched_at=None, launched_through=0)


def after_import(row: ContactImport) -> None:
    """People who came into a list while a campaign took it in may have been passed over: that campaign looks again.

    A list that grows later is taken in when somebody says so: nobody is called only because a list they were put on
    had been used.
    """
    overlapping = Q(launched_at=None) | Q(launched_at__gte=row.created_at)
    lists = Campaign.contact_lists.through.objects.filter(contactlist=row.contact_list_id).values("campaign")
    again(Campaign.objects.filter(overlapping, pk__in=lists, status__in=LAUNCHABLE).values_list("pk", flat=True))


def _extent(ids: Any) -> tuple[int, int]:
    """How many of the next members there are, and the last one's id."""
    from django.db.models import Count, Max

    found = ContactListMember.objects.using(ids.db).filter(pk__in=ids).aggregate(taken=Count("pk"), through=Max("pk"))
    return found["taken"], found["through"] or 0


def _insert(using: str, campaign: Campaign, through: int) -> None:
    connection = connections[using]
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    statement = INSERT.format(
        recipient=quote(Recipient._meta.db_table),
        member=quote(ContactListMember._meta.db_table),
        lists=quote(Campaign.contact_lists.through._meta.db_table),
        new_uuid=NEW_UUID[connection.vendor],
        due="CAST(%(due)s AS timestamptz)" if connection.vendor == "postgresql" else "%(due)s",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "campaign": campaign.pk,
                "status": Recipient.Status.PENDING.value,
                "due": adapt(campaign.starts_at or timezone.now()),
                "after": campaign.launched_through,
                "through": through,
            },
        )
