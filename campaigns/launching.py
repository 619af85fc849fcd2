"""Create the recipients of a campaign from its lists and segments, many at a time, inside the database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from campaigns import segments
from campaigns.models import Campaign, Contact, ContactImport, ContactListMember, Recipient
from tenants import failpoints

# The database generates the UUIDs. Where it has no UUID type, Django stores a UUID as 32 hexadecimal characters.
NEW_UUID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
INSERT = """
INSERT INTO {recipient} (uuid, campaign_id, contact_id, status, reason, outcome, attempts, number_position,
    next_attempt_at, sort_key,
    waits_in)
SELECT {new_uuid}, %s, contact_id, %s, '', '', 0, 0, {due},
       ((pk + %s) %% {space} * {spread}) %% {space}, ''
FROM ({source}) AS audience
WHERE 1 = 1
ORDER BY pk
ON CONFLICT (campaign_id, contact_id) DO NOTHING
"""
# The factor of the sort key spreads neighbours on a list over the whole calling order. The named conflict makes
# PostgreSQL look up one unique index before each row; without a name it looks up all three.
SPACE, SPREAD = 2147483647, 1327217885
FROM_THE_START: dict[str, Any] = {"launched_at": None, "launched_through": 0, "matched_through": 0}
LOOK_AGAIN = timedelta(minutes=5)  # between two comparisons of all contacts with the segments of an ongoing campaign


def step(campaign_id: int, limit: int = 20_000) -> bool:
    """Create recipients from the next `limit` list members, or contacts in segments. Return True when nothing is left.

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
        reached, done = _launch(using, campaign, limit)
        advanced = (
            Campaign.objects.using(using)
            .filter(pk=campaign_id, launched_at=None, **{name: getattr(campaign, name) for name in reached})
            .update(**reached, launched_at=timezone.now() if done else None)
        )
        if advanced != 1:  # only without row locks: another worker was faster and did this work
            transaction.set_rollback(True, using=using)
            return False
        failpoints.reach("launching.launching")
    failpoints.reach("launching.launched")
    return done


def again(campaign_ids: Iterable[int]) -> None:
    """Read the lists and segments of started campaigns again. Existing recipients stay as they are."""
    with transaction.atomic():  # an update of several would lock them in any order
        started = Campaign.objects.filter(pk__in=campaign_ids, status__in=Campaign.STARTED).order_by("pk")
        locked = list(started.select_for_update(no_key=True).values_list("pk", flat=True))
        Campaign.objects.filter(pk__in=locked).update(**FROM_THE_START)


def look_again() -> None:
    """Compare the contacts with the segments of ongoing campaigns again, where the last time was a while ago.

    New contacts, and those that are in a segment now, become recipients. Nobody becomes one twice, and who is in no
    segment any more stays one.
    """
    due = Campaign.objects.filter(
        status=Campaign.Status.RUNNING, ongoing=True, launched_at__lt=timezone.now() - LOOK_AGAIN
    )
    for campaign_id in set(due.filter(segments__isnull=False).values_list("pk", flat=True)):
        due.filter(pk=campaign_id).update(launched_at=None, matched_through=0)


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


def _launch(using: str, campaign: Campaign, limit: int) -> tuple[dict[str, int], bool]:
    """Create recipients of the next members, then of the next contacts in segments.

    Return how far each was read, by the campaign's column, and whether that is all.
    """
    reached = {"launched_through": campaign.launched_through, "matched_through": campaign.matched_through}
    for column, rows, chosen in (("launched_through", *_members(campaign)), ("matched_through", *_matching(campaign))):
        ahead = rows.using(using).filter(pk__gt=reached[column]).order_by("pk")
        found = ahead[:limit].aggregate(taken=Count("pk"), through=Max("pk"))
        if found["taken"]:
            _insert(using, campaign, chosen.filter(pk__gt=reached[column], pk__lte=found["through"]))
            reached[column] = found["through"]
        if found["taken"] == limit:
            return reached, False
    return reached, True


Launched = tuple[QuerySet[Any], QuerySet[Any, Any]]  # the rows to read, and those that become recipients


def _members(campaign: Campaign) -> Launched:
    """Return the members of the campaign's lists. All of them become recipients."""
    lists = Campaign.contact_lists.through.objects.filter(campaign=campaign.pk).values("contactlist")
    members = ContactListMember.objects.filter(contact_list__in=lists)
    return members, members.values("pk", "contact_id")


def _matching(campaign: Campaign) -> Launched:
    """Return the contacts of the organization, and those that are in one of the campaign's segments.

    All contacts are read in bounded steps, also where few are in a segment: no plan of the database is relied on.
    """
    chosen = list(campaign.segments.all())
    contacts = Contact.objects.filter(organization=campaign.organization_id) if chosen else Contact.objects.none()
    return contacts, contacts.filter(segments.matching(chosen)).values("pk", contact_id=F("pk"))


def _insert(using: str, campaign: Campaign, chosen: QuerySet[Any, Any]) -> None:
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    source, values = chosen.order_by().query.get_compiler(using).as_sql()
    statement = INSERT.format(
        recipient=connection.ops.quote_name(Recipient._meta.db_table),
        source=source,
        new_uuid=NEW_UUID[connection.vendor],
        space=SPACE,
        spread=SPREAD,
        due="CAST(%s AS timestamptz)" if connection.vendor == "postgresql" else "%s",
    )
    due = adapt(campaign.starts_at or timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(statement, [campaign.pk, Recipient.Status.PENDING.value, due, campaign.pk, *values])
