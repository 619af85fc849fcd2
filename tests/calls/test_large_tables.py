"""What pages and lists read does not grow with the tables: plans of their statements, and statements they do not send.

Each kind of statement once; `make bench-pages` measures all pages.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.admin.records import webhooks
from calls.models import Call, CallBack, ContactNote, WebhookDelivery
from calls.reports import idle_reasons as idling
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, DoNotCall, Recipient
from tenants.models import Alert, AuditEntry, Organization, WebhookEndpoint
from tests.calls import support
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture

pytestmark = pytest.mark.django_db
MANY = 4_000
READ = 300  # rows at most, for a page of 50
LISTS = ("campaigns_contact", "campaigns_recipient", "campaigns_donotcall", "tenants_auditentry", "calls_callback")


def rows_read(client: Any, address: str) -> dict[str, int]:
    """Request the address. Return how many rows PostgreSQL reads for each of its statements."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    found: dict[str, int] = {}
    for query in queries:
        if query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
            found[plan] = sum(rows_of(node) for node in re.split(r"\n *->", plan))
    return found


def rows_of(node: str) -> int:
    """Return how many rows a node of a plan reads in a table or index. The plan states them for one of its loops."""
    passed = re.search(r"Scan .*actual rows=(\d+) loops=(\d+)", node)
    if passed is None:
        return 0
    removed = sum(map(int, re.findall(r"Rows Removed by (?:Filter|Index Recheck): (\d+)", node)))
    return (int(passed[1]) + removed) * int(passed[2])


def plan_anew() -> None:
    """Let triggers and checks of foreign keys look at the tables as they are.

    Their plans live as long as the connection. Those made by earlier tests, in small tables, would read the tables of
    this test whole for each row.
    """
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE campaigns_contact, campaigns_campaign, campaigns_recipient")
        cursor.execute("DISCARD PLANS")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans of PostgreSQL")
def test_an_old_organization_does_not_read_the_rows_of_others(
    organization: Organization, sister: Organization, api: Any, sign_in: SignIn
) -> None:
    """Lists are in the order of the keys. The rows of this organization are all older than those of the other one."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    for home in (organization, sister):
        numbers = [f"+336{home.pk % 10}0{place:05}" for place in range(MANY)]
        made = Contact.objects.bulk_create(Contact(organization=home, phone=phone) for phone in numbers)
        plan_anew()
        DoNotCall.objects.bulk_create(
            DoNotCall(organization=home, phone=phone, phone_hash=f"{home.pk}{phone}") for phone in numbers
        )
        Alert.objects.bulk_create(Alert(organization=home, key=phone, message="News.") for phone in numbers)
        AuditEntry.objects.bulk_create(AuditEntry(organization=home, action="contact.changed") for _ in numbers)
        ContactNote.objects.bulk_create(ContactNote(organization=home, contact=contact, text="A") for contact in made)
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(organization=home, url="https://a.example", host="a.example") for _ in numbers
        )
        campaign = Campaign.objects.create(organization=home, name="C")
        people = Recipient.objects.bulk_create(Recipient(campaign=campaign, contact=contact) for contact in made)
        plan_anew()
        now = timezone.now()
        CallBack.objects.bulk_create(
            CallBack(
                organization=home, contact_id=person.contact_id, recipient=person, due_at=now,
                latest_at=now + timedelta(minutes=1), status="kept",
            )
            for person in people
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = on")
        cursor.execute("ANALYZE")
    first = Campaign.objects.get(organization=organization).uuid
    lists = ("contacts/", "do-not-call/", "alerts/", "call-backs/", "contact-notes/", "webhook-deliveries/")
    for path in (*lists, f"campaigns/{first}/recipients/"):
        for query in ("", "?ordering=created_at"):
            for plan, rows in rows_read(api, f"/api/v1/{path}{query}").items():
                assert rows < READ, (path, query, rows, plan)
    client = sign_in(organization, "admin")
    pages = [reverse(f"admin:{name}_changelist") for name in LISTS]
    recipients = reverse("admin:campaigns_recipient_changelist")
    for page in (*pages, f"{recipients}?status__exact=pending"):
        for plan, rows in rows_read(client, page).items():
            own = MANY if plan.startswith("Aggregate") else 0  # the count reads the rows that it counts
            assert rows < own + READ, (page, rows, plan)


@pytest.mark.long
@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans of PostgreSQL")
def test_a_list_of_one_thing_reads_what_it_finds(organization: Organization, sign_in: SignIn, api: Any) -> None:
    """The only row of a line, a contact and a campaign is the oldest: a list that is read from its end reads all."""
    for provider, status, count in (("allomia", "failed", 1), ("callingbox", "completed", MANY)):
        line, phone = support.reach(organization, "http://127.0.0.1:9", provider), f"+12125551{count:03}"[:12]
        campaign = support.campaign(line, support.people(organization, [phone]), name=provider)
        of_line: dict[str, Any] = {
            "organization": organization, "account": line.account, "assistant": campaign.assistant,
            "campaign": campaign, "phone_number": line, "contact": Contact.objects.get(phone=phone),
            "to_number": phone, "status": status,
        }  # fmt: skip
        made = Call.objects.bulk_create(Call(**of_line) for _ in range(count))
        endpoint = WebhookEndpoint.objects.create(organization=organization, url=f"https://{provider}.example")
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(organization=organization, url="", host="a", endpoint=endpoint, call=call) for call in made
        )
        ContactNote.objects.bulk_create(
            ContactNote(organization=organization, contact=call.contact, call=call, text="A") for call in made
        )
    Call.objects.filter(campaign__name="allomia").update(created_at=timezone.now() - timedelta(days=9))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    old = Call.objects.order_by("pk")[0]
    page, client = reverse("admin:calls_call_changelist"), sign_in(organization, "manager")
    related = ("assistant", "account", "phone_number", "campaign", "contact")
    for name in related:
        address = f"{page}?{name}__id__exact={getattr(old, f'{name}_id')}"
        for plan, rows in rows_read(client, address).items():
            assert rows < READ, (address, rows, plan)
    first: Any = WebhookDelivery.objects.order_by("pk")[0]
    week_ago = (timezone.now() - timedelta(days=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for path in (
        *(f"calls/?{name}={getattr(old, name).uuid}" for name in ("account", "campaign", "contact")),
        f"calls/?account={old.account.uuid}&ordering=created_at",
        f"calls/?account={old.account.uuid}&status=completed",
        *(f"calls/?{status}" for status in ("status=failed", "status=failed&status=ringing")),
        f"calls/?created_before={week_ago}",
        f"webhook-deliveries/?endpoint={first.endpoint.uuid}",
        f"webhook-deliveries/?call={old.uuid}",
        f"contact-notes/?contact={old.contact.uuid}",
        f"contact-notes/?call={old.uuid}",
    ):
        for plan, rows in rows_read(api, f"/api/v1/{path}").items():
            assert rows < READ, (path, rows, plan)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans of PostgreSQL")
def test_a_search_of_the_audit_log_reads_what_it_finds(organization: Organization, sign_in: SignIn) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(organization=organization, actor=f"staff{place % 50}", action="contact.changed", subject=f"s{place}")
        for place in range(MANY)
    )
    AuditEntry.objects.create(organization=organization, actor="Ada", action="campaign.exported", subject="one")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tenants_auditentry")
    client: Any = sign_in(organization, "manager")
    page = reverse("admin:tenants_auditentry_changelist")
    for term, count in {
        "zzz": 0,
        "Ad": 1,
        "campaign.e": 1,
        "CAMPAIGN.EX": 1,
        "one": 1,
        "s17": 1,
        "staff17": 80,
    }.items():
        found = client.get(page, {"q": term}).context_data["cl"]
        assert found.result_count == count, term
        for plan, rows in rows_read(client, f"{page}?q={term}").items():
            assert rows < READ, (term, rows, plan)


@pytest.fixture
def made(organization: Organization) -> Campaign:
    """A campaign whose recipients wait for many reasons, with a list of seven contacts."""
    line = support.reach(organization, "http://127.0.0.1:9", "allomia")
    everybody = support.people(organization, [f"+1212555{n:04d}" for n in range(1200, 1215)])
    campaign = support.campaign(line, everybody, status=Campaign.Status.RUNNING)
    few = ContactList.objects.create(organization=organization, name="Few")
    now, people = timezone.now(), list(Contact.objects.order_by("pk"))
    ContactListMember.objects.bulk_create(ContactListMember(contact_list=few, contact=one) for one in people[:7])
    waiting = [("calling_hours", 60, "America/New_York")] * 3 + [("calling_hours", 90, "America/Chicago")] * 2
    waiting += [("no_answer", 30, "")] * 2 + [("on_hold", 300, "")] * 2 + [("", -1, "")] * 3
    for contact, (reason, minutes, zone) in zip(people, waiting, strict=False):
        Recipient.objects.create(
            campaign=campaign, contact=contact, status="waiting" if reason == "no_answer" else "pending", reason=reason,
            waits_in=zone, next_attempt_at=now + timedelta(minutes=minutes),
        )  # fmt: skip
    return campaign


def told(campaign: Campaign) -> dict[str, list[tuple[int | None, int | None]]]:
    """Return the count of each reason, and in how many minutes it ends."""
    found: dict[str, list[tuple[int | None, int | None]]] = {}
    for reason in idling.idle_reasons(campaign):
        left = reason["until"] and round((reason["until"] - timezone.now()).total_seconds() / 60)
        found.setdefault(reason["code"], []).append((reason["count"], left))
    return found


def test_many_waiting_recipients_are_not_read_for_their_reasons(
    made: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts below are those of the rows in the fixture."""
    few = told(made)
    assert few["calling_hours"] == [(3, 60), (2, 90)]
    assert (few["not_due"], few["on_hold"]) == ([(2, 30)], [(2, 300)])
    assert 3 in [count for groups in few.values() for count, _ in groups]  # those that are due
    monkeypatch.setattr(idling, "SEEN", 4)  # two after a call without an answer, and two of New York
    monkeypatch.setattr(idling, "MANY", 2)
    with CaptureQueriesContext(connection) as queries:
        many = told(made)
    assert many["calling_hours"] == [(5, 60)]
    assert (many["not_due"], many["on_hold"]) == ([(2, 30)], [(2, None)])
    assert "More than 2 recipients are due." in " ".join(row["message"] for row in idling.idle_reasons(made))
    read = [query["sql"] for query in queries if 'FROM "campaigns_recipient"' in query["sql"]]
    assert read and all("LIMIT" in sql for sql in read)


def test_lists_of_recipients_and_contacts_take_kept_counts(made: Campaign, sign_in: SignIn) -> None:
    client: Any = sign_in(made.organization, "manager")
    recipients, contacts = (reverse(f"admin:campaigns_{name}_changelist") for name in ("recipient", "contact"))
    few = ContactList.objects.get(name="Few").pk
    for address, count, kept in (
        (recipients, 12, True),
        (f"{recipients}?reason=calling_hours", 5, True),
        (f"{recipients}?reason=calling_hours&status__exact=pending&p=1", 5, True),
        (f"{recipients}?status__exact=waiting", 2, True),
        (f"{recipients}?outcome__exact=busy", 0, True),
        (f"{recipients}?campaign__id__exact={made.pk}", 12, True),
        (f"{recipients}?campaign__id__exact={made.pk + 1}", 0, True),
        (f"{recipients}?q=%2B12125551203", 1, False),
        (f"{recipients}?q=%2B12125551203&status__exact=waiting", 0, False),
        (f"{contacts}?lists__id__exact={few}", 7, True),
        (f"{contacts}?lists__id__exact={few + 10}", 0, True),
        (f"{contacts}?lists__id__exact={few}&q=%2B12125551203", 1, True),  # one page: nothing is counted
    ):
        with CaptureQueriesContext(connection) as queries:
            found = client.get(address).context_data["cl"]
        assert (found.result_count, len(found.result_list)) == (count, count), address
        counted = [
            query["sql"]
            for query in queries
            if re.search(r'COUNT\(.*FROM "campaigns_(recipient|contact)"', query["sql"])
            and "LIMIT 10001" in query["sql"]
        ]
        assert bool(counted) is (not kept and count > 0), (address, counted)


def test_a_search_by_event_reads_the_latest_deliveries(
    organization: Organization, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = ["call.ended"] * 3 + ["call.placed"] * 4 + ["call.ended"]
    for event in events:
        WebhookDelivery.objects.create(
            organization=organization, url="https://a.example", host="a.example", event=event
        )
    client: Any = sign_in(organization, "manager")
    page = reverse("admin:calls_webhookdelivery_changelist")

    def count(term: str) -> int:
        return int(client.get(page, {"q": term}).context_data["cl"].result_count)

    assert [count(term) for term in ("call.ended", "call.placed", "call.", "zzz")] == [4, 4, 0, 0]
    monkeypatch.setattr(webhooks, "SEARCHED_LATEST", 6)
    assert [count(term) for term in ("call.ended", "call.placed")] == [2, 4]
