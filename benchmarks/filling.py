"""Fill a PostgreSQL database with millions of contacts, campaigns and calls, as after a year of use.

The rows do not pass through the engine. Statuses, times and costs are generated so that lists, filters and figures
see the same distributions as in production. Three organizations share the rows 6 : 3 : 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from benchmarks.filled_calls import insert_calls

AREAS = ("212", "312", "415", "512", "617", "702", "206", "305", "404", "816")
FIRST = ("Ada", "Ben", "Chloé", "Dora", "Émile", "Fatima", "George", "Hanna", "Ivan", "Jana", "Karim", "Lena")
LAST = ("Martin", "Bernard", "Schmidt", "Rossi", "Novak", "Smith", "Jones", "Garcia", "Nguyen", "Cohen", "Ito", "Ali")
NAMES = [f"{given} {family}" for family in LAST for given in FIRST]
RARE, RARE_EVERY = "Zebulon O'Quist", 4_999  # one contact in so many has this name
SHARES = (0.6, 0.3, 0.1)
LITTLE = 60  # campaigns with few recipients, like most campaigns


@dataclass(frozen=True)
class Filled:
    """The data that a benchmark needs from the filled database."""

    organizations: tuple[Any, ...]
    big: Any  # the campaign with half of all contacts
    calls: int


def fill(contacts: int, calls: int) -> Filled:
    """Insert all rows, then update statistics and visibility map as autovacuum does."""
    from django.db import connection, transaction

    from tenants.db import counters
    from tenants.models import Organization, Tenant

    home = Tenant.objects.create(name="B")
    names = ("Acme", "Bolt", "Cedar")
    homes = [Organization.objects.create(tenant=home, name=name, default_region="US") for name in names]
    with transaction.atomic(), connection.cursor() as cursor:
        # Skip the foreign key checks: all these rows are consistent, and the checks take long for millions of rows.
        cursor.execute("SET LOCAL session_replication_role = replica")
        _give_defaults(cursor)
        campaigns = [
            _organization(cursor, organization, int(contacts * share), int(calls * share))
            for organization, share in zip(homes, SHARES, strict=True)
        ]
        insert_calls(cursor, calls)
    for counts in counters.tables():  # no trigger ran
        counters.rebuild(counts)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM calls_call")
        made = cursor.fetchone()[0]
        cursor.execute("VACUUM ANALYZE")
    return Filled(tuple(homes), campaigns[0], made)


EMPTY = {
    "boolean": "false", "integer": "0", "bigint": "0", "smallint": "0", "numeric": "0", "double precision": "0",
    "character varying": "''", "text": "''", "jsonb": "'{}'", "uuid": "gen_random_uuid()", "bytea": "''",
    "timestamp with time zone": "now()",
}  # fmt: skip


def _give_defaults(cursor: Any) -> None:
    """Give each column that must have a value the empty one of its type. The statements name only the others."""
    cursor.execute(
        """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
            AND is_generated = 'NEVER'
        """
    )
    for table, column, kind in cursor.fetchall():
        if kind in EMPTY:
            cursor.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" SET DEFAULT {EMPTY[kind]}')


def _organization(cursor: Any, organization: Any, contacts: int, calls: int) -> Any:
    """Insert one organization's contacts, lists, provider accounts and campaigns. Return the biggest campaign."""
    from campaigns.models import ContactList

    lists = [
        ContactList.objects.create(organization=organization, name=name) for name in ("Everybody", "Customers", "Few")
    ]
    assistants, numbers = _providers(organization)
    _contacts(cursor, organization, contacts)
    sizes = (contacts * 5 // 6, contacts // 6, min(contacts, 200))
    for each, size in zip(lists, sizes, strict=True):
        cursor.execute(
            "INSERT INTO campaigns_contactlistmember (contact_list_id, contact_id) SELECT %s, id FROM campaigns_contact"
            " WHERE organization_id = %s ORDER BY id LIMIT %s",
            [each.pk, organization.pk, size],
        )
    big = _campaign(organization, "Spring reminders", "running", assistants, numbers, lists[0])
    _recipients(cursor, big, sizes[0])
    _recipients(
        cursor, _campaign(organization, "Customers", "finished", assistants[:1], numbers, lists[1]), sizes[1], over=True
    )
    paused = _campaign(organization, "Paused", "paused", assistants[:1], numbers, lists[2])
    _recipients(cursor, paused, sizes[2])
    _campaign(organization, "Draft", "draft", assistants[:1], numbers, lists[0])
    for number in range(LITTLE):
        little = _campaign(organization, f"Little {number}", "finished", assistants[:1], numbers, lists[2])
        _recipients(cursor, little, 20, over=True)
    _other_lists(cursor, organization, lists, contacts)
    return big


def _contacts(cursor: Any, organization: Any, contacts: int) -> None:
    from tenants.search_keys import name_key

    cursor.execute(
        f"""
        INSERT INTO campaigns_contact (uuid, organization_id, phone, name, name_key, external_id, language,
            timezone, variables, consent_basis, consent_evidence, on_hold, hold_reason, phone_hash, created_at,
            updated_at)
        SELECT gen_random_uuid(), %(home)s,
            '+1' || ({_array(AREAS)})[1 + g %% {len(AREAS)}] || lpad((2000000 + g / {len(AREAS)})::text, 7, '0'),
            CASE WHEN g %% {RARE_EVERY} = 0 THEN %(rare)s ELSE (%(names)s::text[])[1 + g %% {len(NAMES)}] END,
            CASE WHEN g %% {RARE_EVERY} = 0 THEN %(rare_key)s ELSE (%(keys)s::text[])[1 + g %% {len(NAMES)}] END,
            CASE WHEN g %% 3 = 0 THEN 'C-' || g ELSE '' END, '',
            CASE WHEN g %% 5 = 0 THEN 'America/Chicago' ELSE '' END,
            jsonb_build_object('slot', 'Monday at ' || g %% 12), '', '', g %% 400 = 0, '', '',
            now() - interval '40 days', now()
        FROM generate_series(1, %(contacts)s) g
        """,
        {
            "home": organization.pk,
            "contacts": contacts,
            "names": NAMES,
            "keys": [name_key(name) for name in NAMES],
            "rare": RARE,
            "rare_key": name_key(RARE),
        },
    )


def _array(words: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{word}'" for word in words) + "]"


def _providers(organization: Any) -> tuple[list[Any], list[Any]]:
    from providers.models import Assistant, PhoneNumber, ProviderAccount

    assistants: list[Any] = []
    numbers: list[Any] = []
    for provider in ("allomia", "callingbox"):
        account = ProviderAccount.objects.create(
            organization=organization, provider=provider, name=provider, base_url="https://example.org",
            price_per_minute="0.1", max_open_calls=200,
        )  # fmt: skip
        for number in range(3):
            assistants.append(
                Assistant.objects.create(
                    organization=organization, account=account, name=f"{provider} {number}", external_id=f"a{number}",
                    options={"prompt": "Confirm."}, variables=[{"name": "slot", "required": True}],
                )
            )  # fmt: skip
            e164 = f"+1212555{organization.pk % 10}{len(numbers):03d}"
            numbers.append(
                PhoneNumber.objects.create(organization=organization, account=account, e164=e164, external_id="n")
            )
    return [assistants[0], assistants[3]], numbers


def _campaign(
    organization: Any, name: str, status: str, assistants: list[Any], numbers: list[Any], members: Any
) -> Any:
    from django.utils import timezone

    from campaigns.models import CallingWindow, Campaign, CampaignVariant, CampaignVersion, RetryRule

    now = timezone.now()
    begun = None if status == "draft" else now - timedelta(days=30)
    made = Campaign.objects.create(
        organization=organization, name=name, status=status, assistant=assistants[0], budget=1_000_000,
        variables={"greeting": "Dear {{ contact.name }}"}, started_at=begun, launched_at=begun,
        finished_at=now if status == "finished" else None,
    )  # fmt: skip
    for assistant in assistants[1:]:
        CampaignVariant.objects.create(campaign=made, assistant=assistant, weight=1)
    made.phone_numbers.set(numbers)
    made.contact_lists.add(members)
    CallingWindow.objects.create(campaign=made, days=["mon", "tue", "wed", "thu", "fri"], opens=540, closes=1140)
    for outcome in ("no_answer", "busy"):
        RetryRule.objects.create(campaign=made, outcome=outcome, wait_minutes=120, max_attempts=3)
    for number in range(1, 6):
        CampaignVersion.objects.create(
            campaign=made, number=number, actor="olga", changes={"max_attempts": [number, number + 1]}
        )
    return made


def _recipients(cursor: Any, campaign: Any, people: int, *, over: bool = False) -> None:
    """Insert a campaign's recipients: most are done, some wait for a retry, some are pending."""
    assistants = [campaign.assistant_id, *campaign.variants.values_list("assistant", flat=True)]
    weights = "g %% 1000 * 59 %% 1000" if not over else "(g %% 1000 * 59 %% 1000) * 640 / 1000"
    cursor.execute(
        f"""
        INSERT INTO campaigns_recipient (uuid, campaign_id, contact_id, status, reason, outcome, attempts,
            next_attempt_at, sort_key, assistant_id, phone_number_id, waits_in)
        SELECT gen_random_uuid(), %(campaign)s, contact_id, status,
            CASE status WHEN 'skipped' THEN (ARRAY['do_not_call', 'country', 'missing_variables'])[1 + g %% 3]
                WHEN 'waiting' THEN (ARRAY['no_answer', 'busy', 'calling_hours'])[1 + g %% 3]
                WHEN 'pending' THEN CASE WHEN g %% 2 = 0 THEN 'calling_hours' ELSE '' END ELSE '' END,
            CASE status WHEN 'done' THEN
                (ARRAY['completed', 'completed', 'no_answer', 'completed', 'busy', 'no_answer', 'failed'])[1 + g %% 7]
                ELSE '' END,
            CASE status WHEN 'done' THEN 1 + g %% 2 WHEN 'waiting' THEN 1 + g %% 2 WHEN 'calling' THEN 1
                WHEN 'review' THEN 1 ELSE 0 END,
            CASE WHEN status = 'waiting' OR status = 'pending' AND g %% 2 = 0 THEN now() + interval '3 hours'
                WHEN status = 'pending' THEN now() - interval '1 minute' END,
            g, CASE WHEN status IN ('pending', 'skipped') THEN NULL
                ELSE (ARRAY[{", ".join(map(str, assistants))}])[1 + g %% {len(assistants)}] END, NULL,
            CASE WHEN status IN ('waiting', 'pending') AND g %% 6 = 0 THEN 'America/New_York' ELSE '' END
        FROM (
            SELECT contact_id, g, CASE
                WHEN %(few)s AND g <= 60 THEN 'calling' WHEN %(few)s AND g <= 80 THEN 'review'
                WHEN w < 600 THEN 'done' WHEN w < 640 THEN 'skipped' WHEN w < 650 THEN 'withdrawn'
                WHEN w < 760 THEN 'waiting' ELSE 'pending' END AS status
            FROM (
                SELECT contact_id, g, {weights} AS w FROM (
                    SELECT contact_id, row_number() OVER (ORDER BY contact_id) AS g
                    FROM campaigns_contactlistmember WHERE contact_list_id = %(members)s LIMIT %(people)s
                ) numbered
            ) weighed
        ) drawn
        """,
        {
            "campaign": campaign.pk,
            "members": campaign.contact_lists.get().pk,
            "people": people,
            "few": campaign.name == "Spring reminders",
        },
    )


def _other_lists(cursor: Any, organization: Any, lists: list[Any], contacts: int) -> None:
    """Insert do-not-call entries, imports, scheduled callbacks, alerts and audit entries."""
    _do_not_call(organization, contacts // 20)
    _imports(cursor, organization, lists[0])
    _scheduled_callbacks(cursor, organization, contacts // 50)
    cursor.execute(
        """
        INSERT INTO tenants_alert (uuid, organization_id, key, message, subject, at, seen_at, seen_by)
        SELECT gen_random_uuid(), %s, 'news-' || n, 'The campaign paused itself.', '', now() - interval '1 hour' * n,
            CASE WHEN n > 30 THEN now() END, '' FROM generate_series(1, %s) n
        """,
        [organization.pk, contacts // 50],
    )
    cursor.execute(
        """
        INSERT INTO tenants_auditentry (
            at, organization_id, actor, action, subject, detail, channel, address, commitments
        )
        SELECT now() - interval '1 minute' * (%s - n), %s, 'olga',
            (ARRAY['campaign.changed', 'contact.changed', 'call.ordered'])[1 + n %% 3], '', '{"fields": ["name"]}',
            'page', '192.0.2.1', '{}'
        FROM generate_series(1, %s) n
        """,
        [contacts // 5, organization.pk, contacts // 5],
    )


def _do_not_call(organization: Any, count: int) -> None:
    from campaigns.models import Contact, DoNotCall
    from campaigns.models.number_hash import number_hash

    numbers = Contact.objects.filter(organization=organization).order_by("pk").values_list("phone", flat=True)
    DoNotCall.objects.bulk_create(
        [
            DoNotCall(
                organization=organization, phone=phone, phone_hash=number_hash(phone), reason="asked on the phone"
            )
            for phone in numbers[:count]
        ],
        batch_size=5_000,
    )


def _imports(cursor: Any, organization: Any, contact_list: Any) -> None:
    cursor.execute(
        """
        INSERT INTO campaigns_contactimport (uuid, organization_id, contact_list_id, status, filename, file,
            rejected_file, sha256, mapping, delimiter, encoding, default_region, on_duplicate, bytes_total, bytes_read,
            rows_read, lines_read, created, updated, skipped, rejected, removed, rejected_bytes, error, note,
            created_at, end_told)
        SELECT gen_random_uuid(), %s, %s, (ARRAY['completed', 'failed', 'canceled'])[1 + n %% 3], 'people-' || n ||
            '.csv', '', '', '', '{"Phone": "phone"}', ',', 'utf-8', 'US', 'update', 1000, 1000, 100, 101, 90, 5, 3, 2,
            0, 0, '', '', now() - interval '1 hour' * n, true
        FROM generate_series(1, 400) n
        """,
        [organization.pk, contact_list.pk],
    )


def _scheduled_callbacks(cursor: Any, organization: Any, count: int) -> None:
    cursor.execute(
        """
        INSERT INTO calls_callback (uuid, organization_id, contact_id, recipient_id, due_at, latest_at, status, reason,
            note, status_before, created_by, created_at)
        SELECT gen_random_uuid(), %s, contact_id, r.id, now() + interval '1 minute' * r.id,
            now() + interval '1 minute' * (r.id + 30), (ARRAY['due', 'kept', 'missed', 'canceled'])[1 + r.id %% 4], '',
            '', '', 'olga', now()
        FROM (
            SELECT r.* FROM campaigns_recipient r JOIN campaigns_campaign c ON c.id = r.campaign_id
            WHERE c.organization_id = %s AND r.status = 'done' LIMIT %s
        ) r
        """,
        [organization.pk, organization.pk, count],
    )
