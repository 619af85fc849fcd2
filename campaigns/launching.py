"""Create the recipients of a campaign from its lists, many at a time, inside the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connections, router, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from campaigns.models import Campaign, ContactImport, ContactListMember, Recipient
from tenants import failpoints

# The database generates the UUIDs. Where it has no UUID type, Django stores a UUID as 32 hexadecimal characters.
NEW_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
INSERT = """
INSERT INTO {recipient} (uuid, campaign_id, contact_id, status, reason, outcome, attempts, number_position,
    next_attempt_at, sort_key,
    waits_in)
SELECT {new_uuid}, %(campaign)s, contact_id, %(status)s, '', '', 0, 0, {due},
       ((id + %(campaign)s) %% {space} * {spread}) %% {space}, ''
FROM {member}
WHERE id > %(after)s AND id <= %(through)s
  AND contact_list_id IN (SELECT contactlist_id FROM {lists} WHERE campaign_id = %(campaign)s)
ORDER BY id
ON CONFLICT (campaign_id, contact_id) DO NOTHING
"""
# The factor of the sort key spreads neighbours on a list over the whole calling order. The named conflict makes
# PostgreSQL look up one unique index before each row; without a name it looks up all three.
SPACE, SPREAD = 2147483647, 1327217885


def step(campaign_id: int, limit: int = 20_000) -> bool:
    """Create recipients from the next `limit` list members. Return True when nothing is left to launch.

    Safe to run twice, and in two workers at once: it locks the campaign's row where the database has row locks, and
    saves its position in the same transaction as the recipients.
    """
    using = router.db_for_write(Campaign)
    with transaction.atomic(using=using):
        campaign = (
            Campaign.objects.using(using)
            .select_for_update(no_key=True, of=("self",))
            .filter(pk=campaign_id, launched_at=None, status__in=Campaign.STARTED)
            .first()
        )
        if campaign is None:
            return True
        taken, through = _extent(using, campaign, limit)
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
        if advanced != 1:  # only without row locks: another worker was faster and did this work
            transaction.set_rollback(True, using=using)
            return False
        failpoints.reach("launching.launching")
    failpoints.reach("launching.launched")
    return done


def again(campaign_ids: Iterable[int]) -> None:
    """Read the lists of started campaigns again. Existing recipients stay as they are."""
    with transaction.atomic():  # an update of several would lock them in any order
        started = Campaign.objects.filter(pk__in=campaign_ids, status__in=Campaign.STARTED).order_by("pk")
        locked = list(started.select_for_update(no_key=True).values_list("pk", flat=True))
        Campaign.objects.filter(pk__in=locked).update(launched_at=None, launched_through=0)


def after_import(row: ContactImport) -> None:
    """Launch again the campaigns that take this import's contacts.

    These are ongoing campaigns, and those that read the list while the import wrote to it: they may have missed
    contacts. Any other campaign takes contacts added after its launch only when a user asks for it. A contact is never
    called only because its list was used before.
    """
    overlapping = Q(ongoing=True) | Q(launched_at=None) | Q(launched_at__gte=row.created_at)
    again(users_of(row.contact_list_id).filter(overlapping, status__in=Campaign.STARTED).values_list("pk", flat=True))


def users_of(contact_list_id: int) -> QuerySet[Campaign]:
    """Return the campaigns with this list."""
    lists = Campaign.contact_lists.through.objects.filter(contactlist=contact_list_id).values("campaign")
    return Campaign.objects.filter(pk__in=lists)


def locked_users_of(contact_list_id: int) -> list[Campaign]:
    """Return the campaigns with this list that are not over, locked by key.

    A campaign that starts meanwhile waits for the lock, and its launch reads what was committed before.
    """
    used = users_of(contact_list_id).exclude(status__in=Campaign.OVER).order_by("pk")
    return list(used.select_for_update(no_key=True, of=("self",)))


def take_in(campaigns: Iterable[Campaign], members: Sequence[ContactListMember]) -> None:
    """Make members of a list recipients of these campaigns, as far as they are ongoing and started.

    Safe to run twice. Call it with the campaigns locked. An import adds far more members and uses `again`.
    """
    now = timezone.now()
    Recipient.objects.bulk_create(
        (
            Recipient(
                campaign=campaign,
                contact_id=member.contact_id,
                next_attempt_at=max(now, campaign.starts_at or now),
                sort_key=(member.pk + campaign.pk) % SPACE * SPREAD % SPACE,
            )
            for campaign in campaigns
            if campaign.ongoing and campaign.status in Campaign.STARTED
            for member in members
        ),
        ignore_conflicts=True,
    )


def _extent(using: str, campaign: Campaign, limit: int) -> tuple[int, int]:
    """Return the number of the next `limit` list members and the last one's id (0 if there are none)."""
    lists = campaign.contact_lists.order_by().values("pk")
    members = ContactListMember.objects.using(using).filter(contact_list__in=lists, pk__gt=campaign.launched_through)
    found = members.order_by("pk")[:limit].aggregate(taken=Count("pk"), through=Max("pk"))
    return found["taken"], found["through"] or 0


def _insert(using: str, campaign: Campaign, through: int) -> None:
    connection = connections[using]
    quote, adapt = connection.ops.quote_name, connection.ops.adapt_datetimefield_value
    statement = INSERT.format(
        recipient=quote(Recipient._meta.db_table),
        member=quote(ContactListMember._meta.db_table),
        lists=quote(Campaign.contact_lists.through._meta.db_table),
        new_uuid=NEW_UUID[connection.vendor],
        space=SPACE,
        spread=SPREAD,
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
