"""The search: any spelling of a number, any id, the beginning of a name, in the user's organizations only."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from calls.models import Call, Status
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactList
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.calls import support
from tests.conftest import a_number, an_account, an_assistant
from tests.tables import cases, rolled_back
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]  # a fixture
pytestmark = pytest.mark.django_db

NUMBER = "+33612345678"
BUDGET = 18  # on PostgreSQL; two of them choose how names are searched for


def hits(client: Client, term: str) -> dict[str, list[str]]:
    """Return the results by kind, each as one text of title, detail and state."""
    answer = client.get("/admin/search/", {"s": term})
    assert answer.status_code == 200
    page = answer.content.decode()
    found: dict[str, list[str]] = {}
    for group in page.split('role="group" aria-label="')[1:]:
        kind, _, rest = group.partition('"')
        texts = re.findall(r'<span class="tl-hit-text">(.*?)</a>', rest, re.S)
        found[kind] = [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in texts]
    return found


@pytest.fixture
def call(phone_number: PhoneNumber, assistant: Any, contact: Contact) -> Call:
    return support.single(
        phone_number, NUMBER, customer_name="Ada", status=Status.COMPLETED, provider_call_id="oc_7Gh2", due_at=None
    )


@pytest.fixture
def viewer(sign_in: SignIn, organization: Organization) -> Client:
    return sign_in(organization, "viewer")


@cases(
    "written",
    [
        "+33612345678",
        "+33 6 12 34 56 78",
        "0033 612345678",
        "0612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "(06) 12-34-56-78",
        "612345678",
        "33612345678",
        " 06 12 ",
        "+336123",
    ],
)
@rolled_back
def test_a_number_is_found_however_it_is_written(viewer: Client, call: Call, written: str) -> None:
    found = hits(viewer, written)
    assert found["Contacts"] == ["Ada 06 12 34 56 78 (FR)"]
    [told] = found["Calls"]
    assert told.startswith("Ada, 06 12 34 56 78 (FR)") and told.endswith(", single call Answered")


@pytest.mark.parametrize("written", ["+33612345679", "0712345678", "061", "06 12 34 56 78 90", "abc"])
def test_another_number_finds_nobody(viewer: Client, call: Call, written: str) -> None:
    assert hits(viewer, written) == {}


def test_a_name_is_found_by_how_it_begins(viewer: Client, call: Call, organization: Organization) -> None:
    Campaign.objects.create(organization=organization, name="Spring adagio")
    ContactList.objects.create(organization=organization, name="Adagio people")
    found = hits(viewer, "aDa")
    assert found["Contacts"] == ["Ada 06 12 34 56 78 (FR)"]
    assert found["Calls"][0].startswith("Ada,")
    assert found["Campaigns"][0].startswith("Spring adagio") and found["Campaigns"][0].endswith("Draft")
    assert found["Lists"] == ["Adagio people"]
    assert "Contacts" not in hits(viewer, "da")
    assert hits(viewer, "50%") == {}
    assert set(hits(viewer, "_da")) == {"Campaigns", "Lists"}  # marks between words do not count


def test_ids_of_ours_and_theirs_are_found_whole_or_by_their_first_letters(
    viewer: Client, call: Call, organization: Organization
) -> None:
    Contact.objects.update(external_id="crm-4411")
    made = Campaign.objects.create(organization=organization, name="Spring")
    assert hits(viewer, "crm-4411")["Contacts"] == ["Ada 06 12 34 56 78 (FR)"]
    assert "Contacts" not in hits(viewer, "crm-441")
    for term in ("oc_7Gh2", str(call.uuid), call.uuid.hex, str(call.uuid)[:8], str(call)):
        assert len(hits(viewer, term)["Calls"]) == 1, term
    assert "Calls" not in hits(viewer, "oc_7gh2 or")
    assert hits(viewer, str(call.contact.uuid))["Contacts"]
    assert hits(viewer, str(made.uuid))["Campaigns"][0].startswith("Spring")


def test_what_may_not_be_called_is_said(viewer: Client, contact: Contact, organization: Organization) -> None:
    Contact.objects.create(organization=organization, phone="+33612345699", name="Adam", on_hold=True)
    entries.add(organization, NUMBER, source="staff")
    assert hits(viewer, "ada")["Contacts"] == [
        "Ada 06 12 34 56 78 (FR) On the do-not-call list",
        "Adam 06 12 34 56 99 (FR) On hold",
    ]


def test_nothing_of_another_organization_is_found(
    sign_in: SignIn, call: Call, stranger: Organization, sister: Organization, organization: Organization
) -> None:
    Contact.objects.update(external_id="crm-4411")
    Campaign.objects.create(organization=organization, name="Ada in spring")
    terms = ("0612345678", "ada", "oc_7Gh2", str(call.uuid), str(call.uuid)[:8], "crm-4411", "AlloMia", "Reminder")
    for home in (stranger, sister):
        client = sign_in(home, "admin")
        assert [hits(client, term) for term in terms] == [{}] * len(terms)
    superuser = sign_in()
    assert all(hits(superuser, term) for term in terms[:6]), "a superuser finds everything"


def test_pages_are_found_by_those_who_may_open_them(sign_in: SignIn, organization: Organization) -> None:
    viewer = sign_in(organization, "viewer")
    assert hits(viewer, "audit") == {}
    assert hits(viewer, "my se") == {"Pages": ["My settings"]}
    assert hits(sign_in(organization, "manager"), "audit") == {"Pages": ["Audit log"]}
    assert Client().get("/admin/search/", {"s": "a"}).status_code == 302


def test_eight_of_every_kind_cost_no_more_questions(
    sign_in: SignIn, organization: Organization, phone_number: PhoneNumber, assistant: Any
) -> None:
    for n in range(12):
        support.single(phone_number, f"+3361234560{n % 10}" if n < 10 else f"+336123457{n}", customer_name=f"Ada {n}")
        Campaign.objects.create(organization=organization, name=f"Ada {n}")
        ContactList.objects.create(organization=organization, name=f"Ada {n}")
        account = an_account(organization, name=f"Ada {n}")
        an_assistant(account, name=f"Ada {n}")
        a_number(account, e164=f"+3361234561{n % 10}", external_id=f"x{n}", label=f"Ada {n}")
    Contact.objects.update(name="Ada")
    entries.add(organization, "+33612345600", source="staff")  # the first hash creates the installation's key
    client = sign_in(organization, "manager")
    for term in ("ada", "06123456"):
        with CaptureQueriesContext(connection) as queries:
            found = hits(client, term)
        assert len(queries) <= BUDGET, "\n".join(
            re.sub("SELECT.*? FROM", "FROM", query["sql"])[:150] for query in queries
        )
        assert len(found["Contacts"]) == 9 and found["Contacts"][-1] == "All contacts that match"
        assert len(found["Calls"]) >= 8 and len(found["Caller numbers"]) == 8
    assert len(hits(client, "ada")["Campaigns"]) == 9
    assert client.get(reverse("admin:campaigns_contact_changelist"), {"q": "ada"}).status_code == 200


def test_strange_terms_are_only_text(viewer: Client, call: Call) -> None:
    for term in ("", " ", "%", "\\", "'", "x" * 5000, "\x00", "<script>alert(1)</script>", "٠٦١٢٣٤٥٦٧٨", "😀😀"):
        answer = viewer.get("/admin/search/", {"s": term})
        assert answer.status_code == 200
        assert "<script>alert(1)" not in answer.content.decode()


@pytest.mark.long
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite serves small tables")
def test_big_tables_are_asked_through_an_index(
    sign_in: SignIn, organization: Organization, phone_number: PhoneNumber, assistant: Any
) -> None:
    people = Contact.objects.bulk_create(
        Contact(organization=organization, phone=f"+3361{n:07}", name=f"Name{n:05} Family", external_id=f"e{n}")
        for n in range(20_000)  # of fewer the planner now and then reads all, whatever it may not do
    )
    Call.objects.bulk_create(
        Call(
            organization=organization,
            contact=person,
            account=phone_number.account,
            assistant=assistant,
            phone_number=phone_number,
            to_number=person.phone,
            from_number="+33142000001",
            status=Status.COMPLETED,
            provider_call_id=f"p{person.pk}",
        )
        for person in people
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('contact_name_words')")
        cursor.execute("ANALYZE campaigns_contact; ANALYZE calls_call")
    client = sign_in(organization, "viewer")
    last = Call.objects.latest("pk")
    calls = reverse("admin:calls_call_changelist")
    for url, terms in {
        "/admin/search/": {
            "s": ["name00017", "06 10 01 23 4", "e777", last.provider_call_id, str(last.uuid), str(last.uuid)[:8]]
        },
        calls: {"q": ["06 10 01 23 4", last.provider_call_id, str(last.uuid)]},
    }.items():
        [(parameter, values)] = terms.items()
        for value in values:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(url, {parameter: value}).status_code == 200
            for query in queries:
                if not re.search(r'FROM "(campaigns_contact|calls_call)"', query["sql"]):
                    continue
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {query['sql']}")
                    plan = "\n".join(row[0] for row in cursor.fetchall())
                walked = [int(n) for n in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
                assert sum(walked) < 100, (value, query["sql"], plan)
