"""CSV exports of lists: the filtered rows in order, safe from formulas, in constant memory, of one organization."""

from __future__ import annotations

import csv
import io
import re
import weakref
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from calls.models import Call, Heartbeat
from campaigns.do_not_call import entries
from campaigns.models import Campaign, Contact, ContactList, ContactListMember, Recipient
from providers.models import Assistant
from tenants.backoffice import exports
from tenants.backoffice.scoped_admin import page_of
from tenants.models import Alert, AuditEntry, Membership, Organization
from tests.tables import cases, rolled_back
from tests.test_admin import CANARY, SignIn, sign_in, world

__all__ = ["sign_in", "world"]  # fixtures
pytestmark = pytest.mark.django_db

FORMULAS = ["=1+1", "+1-1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", '=HYPERLINK("http://x")', "=cmd|' /C'!A0"]
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def rows_of(client: Client, model: str, query: str = "") -> list[dict[str, str]]:
    answer = client.get(reverse(f"admin:{model}_export") + query)
    assert answer.status_code == 200 and answer.streaming, answer.status_code
    text = answer.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_file_has_what_the_list_shows_in_words(sign_in: SignIn, organization: Organization, contact: Contact) -> None:
    Contact.objects.create(organization=organization, phone="+12125550123", external_id="c-2")
    entries.add(organization, "+12125550123", source="test")
    client = sign_in(organization)
    url = reverse("admin:campaigns_contact_export")
    assert (
        f'href="{url}?q=Ada"'
        in client.get(reverse("admin:campaigns_contact_changelist"), {"q": "Ada"}).content.decode()
    )
    second, first = rows_of(client, "campaigns_contact")
    assert first == {
        "Phone number": "06 12 34 56 78",
        "Name": "Ada",
        "May be called": "Yes",
        "External ID": "",
        "Time zone": "from the number",
        "Number (E.164)": "+33612345678",
        "Id": str(contact.uuid),
    }
    assert (second["Phone number"], second["Number (E.164)"]) == ("(212) 555-0123", "+12125550123")
    assert (second["May be called"], second["External ID"]) == ("No", "c-2")
    answer = client.get(url)
    assert answer["Content-Disposition"].startswith('attachment; filename="contacts-')
    assert "no-store" in answer["Cache-Control"] and answer["Content-Type"] == "text/csv; charset=utf-8"


def test_filters_search_and_order_are_those_of_the_list(
    sign_in: SignIn, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 3)
    people = [Contact(organization=organization, phone=f"+3361234560{n}", name=f"N{n % 2}") for n in range(10)]
    Contact.objects.bulk_create(people)
    december = ContactList.objects.create(organization=organization, name="December")
    members = list(Contact.objects.order_by("pk")[:7])
    ContactListMember.objects.bulk_create([ContactListMember(contact_list=december, contact=each) for each in members])
    client = sign_in(organization)
    newest_first = [f"+3361234560{n}" for n in reversed(range(10))]

    def numbers(query: str) -> list[str]:
        return [row["Number (E.164)"] for row in rows_of(client, "campaigns_contact", query)]

    assert numbers("") == newest_first
    assert numbers("?p=2&all=") == newest_first, "a page of the list is no filter"
    assert numbers(f"?lists__id__exact={december.pk}") == newest_first[3:]
    assert numbers("?q=N1") == newest_first[::2]
    assert numbers("?q=06+12+34+56+04") == ["+33612345604"]
    assert numbers("?o=1") == [f"+3361234560{n}" for n in (8, 6, 4, 2, 0, 9, 7, 5, 3, 1)]
    # A filter that cannot be understood leads back to the list; one that is not offered is refused as there.
    answer = client.get(reverse("admin:campaigns_contact_export") + "?lists__id__exact=x")
    assert answer.status_code == 302 and answer["Location"] == f"{reverse('admin:campaigns_contact_changelist')}?e=1"
    assert client.get(reverse("admin:campaigns_contact_export") + "?phone__startswith=%2B3").status_code == 400
    # A list whose order is not that of its keys.
    for number in range(7):
        seen = {"seen_at": "2026-11-01T00:00:00Z"} if number % 2 else {}
        Alert.objects.create(organization=organization, key=str(number), message=f"A{number}", **seen)
    assert [row["Message"] for row in rows_of(client, "tenants_alert")] == ["A6", "A4", "A2", "A0", "A5", "A3", "A1"]


def test_no_cell_is_a_formula(sign_in: SignIn, organization: Organization, world: dict[str, Any]) -> None:
    for number, text in enumerate(FORMULAS):
        person = Contact.objects.create(organization=organization, phone=f"+336123450{number:02}", name=text)
        Recipient.objects.create(campaign=world["campaign"], contact=person)
        ContactList.objects.create(organization=organization, name=text)
        Campaign.objects.create(organization=organization, name=text, assistant=world["assistant"])
        Alert.objects.create(organization=organization, key=text, message=text)
        entries.add(organization, person.phone, reason=text, source="test")
        Assistant.objects.create(
            organization=organization, account=world["provideraccount"], name=text, external_id=f"a{number}"
        )
    Call.objects.update(customer_name=FORMULAS[0])
    client = sign_in(organization, "admin")
    guarded = 0
    for model in ("contact", "contactlist", "campaign", "recipient", "donotcall"):
        guarded += check_cells(rows_of(client, f"campaigns_{model}"))
    for name in ("tenants_alert", "providers_assistant", "calls_call"):
        guarded += check_cells(rows_of(client, name))
    assert guarded >= 7 * len(FORMULAS) + 1


def check_cells(rows: list[dict[str, str]]) -> int:
    for row in rows:
        for title, cell in row.items():
            plain_number = re.fullmatch(r"\+\d{7,15}", cell)
            assert plain_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), (title, cell)
    return sum(cell.startswith("'") for row in rows for cell in row.values())


def test_markup_is_neither_run_nor_lost(sign_in: SignIn, organization: Organization) -> None:
    hostile = '<script>alert("1")</script> & <b>Bob</b>'
    contact = Contact.objects.create(organization=organization, phone="+33612345678", name=hostile)
    assert rows_of(sign_in(organization), "campaigns_contact")[0]["Name"] == contact.name


OURS = [
    model for model in admin.site._registry if model._meta.app_label in {"tenants", "providers", "campaigns", "calls"}
]


@cases("model", OURS)
@rolled_back
def test_every_list_is_a_file_without_secrets(
    model: type[models.Model], sign_in: SignIn, world: dict[str, models.Model], organization: Organization
) -> None:
    Heartbeat.objects.create(worker="w", slot=1)
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    client = sign_in()
    page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
    assert reverse(f"admin:{name}_export") in page and ">Export<" in page.replace("</span>Export", ">Export")
    rows = rows_of(client, name)
    assert rows
    text = " ".join(cell or "" for row in rows for cell in row.values())
    for secret in (CANARY, "token-that-nobody-may-see", "whsec_"):
        assert secret not in text
    assert "<" not in text and "…" not in text.replace(f"{world['apikey'].prefix}…", "")  # type: ignore[attr-defined]
    for title, cell in rows[0].items():
        assert not title.endswith("(UTC)") or not cell or ISO.fullmatch(cell), (title, cell)
        assert not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d.*", cell), f"{title} is a moment without ISO: {cell}"
    if hasattr(world.get(str(model._meta.model_name)), "uuid"):
        assert str(world[str(model._meta.model_name)].uuid) in {row["Id"] for row in rows}  # type: ignore[attr-defined]


def test_a_list_says_how_many_people_are_on_it(
    sign_in: SignIn, world: dict[str, Any], organization: Organization
) -> None:
    assert rows_of(sign_in(organization), "campaigns_contactlist")[0]["Contacts"] == "1"


def test_nothing_of_another_organization_goes_out(
    sign_in: SignIn, organization: Organization, sister: Organization, stranger: Organization
) -> None:
    for number, home in enumerate((organization, sister, stranger)):
        Contact.objects.create(organization=home, phone=f"+3361234567{number}", name=home.name)
    client = sign_in(organization)
    assert [row["Name"] for row in rows_of(client, "campaigns_contact")] == ["Acme"]
    assert rows_of(client, "campaigns_contact", "?q=Stranger") == []
    theirs = ContactList.objects.create(organization=stranger, name="Theirs")
    assert rows_of(client, "campaigns_contact", f"?lists__id__exact={theirs.pk}") == []
    # A member of two organizations exports both, and the audit log of each records it.
    user = User.objects.get()
    Membership.objects.create(user=user, organization=sister, role="viewer")
    assert [row["Name"] for row in rows_of(client, "campaigns_contact", "?q=Ac")] == ["Acme Two", "Acme"]
    told = AuditEntry.objects.filter(action="contact.exported").order_by("pk")
    assert [entry.organization_id for entry in told] == [organization.pk, sister.pk, organization.pk]
    last = told.last()
    assert last is not None and last.actor.endswith(user.username) and last.detail == {"filters": ["q"]}


def test_a_user_who_may_not_see_a_list_cannot_export_it(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization, "viewer")
    for name in ("tenants_auditentry", "tenants_apikey", "auth_user", "calls_webhookdelivery"):
        assert client.get(reverse(f"admin:{name}_export")).status_code == 403
    assert not AuditEntry.objects.exists()


def test_an_empty_list_offers_no_file(sign_in: SignIn, organization: Organization) -> None:
    page = sign_in(organization).get(reverse("admin:campaigns_contact_changelist")).content.decode()
    assert "export.csv" not in page


def many(organization: Organization, count: int) -> None:
    Contact.objects.bulk_create(
        [Contact(organization=organization, phone=f"+33{600000000 + number}", name="N") for number in range(count)],
        batch_size=1_000,
    )


def test_a_longer_list_asks_no_more_than_each_piece(sign_in: SignIn, organization: Organization) -> None:
    client = sign_in(organization)
    many(organization, 500)
    rows_of(client, "campaigns_contact")  # creates the installation's key
    with CaptureQueriesContext(connection) as short:
        assert len(rows_of(client, "campaigns_contact")) == 500
    Contact.objects.all().delete()
    many(organization, 3_500)
    with CaptureQueriesContext(connection) as long:
        assert len(rows_of(client, "campaigns_contact")) == 3_500
    # Five for each thousand rows, and one more for the columns in use, which are looked for in 2,000 at a time.
    assert len(short) <= 12 and len(long) == len(short) + 3 * 5 + 1
    assert not any("COUNT(" in query["sql"] for query in (*short.captured_queries, *long.captured_queries))


@pytest.mark.parametrize(
    ("count", "chunk"), [(2_000, 40), pytest.param(50_000, exports.CHUNK, marks=[pytest.mark.slow, pytest.mark.proof])]
)
def test_of_fifty_chunks_never_more_than_two_are_held(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, count: int, chunk: int
) -> None:
    monkeypatch.setattr(exports, "CHUNK", chunk)
    many(organization, count)
    request = RequestFactory().get("/")
    request.user = User.objects.create(username="super", is_staff=True, is_superuser=True)
    page = page_of(Contact)
    seen: list[weakref.ref[Any]] = []

    def prepare(_: Any, rows: Any) -> None:
        seen.extend(map(weakref.ref, rows))
        assert sum(row() is not None for row in seen[-3 * chunk :]) <= 2 * chunk

    monkeypatch.setattr(page, "prepare_export", prepare)
    rows = largest = 0
    for piece in page.export_view(request).streaming_content:  # type: ignore[attr-defined]
        rows += piece.count(b"\r\n")
        largest = max(largest, len(piece))
    assert (rows, len(seen)) == (count + 1, count)
    assert largest < 40_000
    assert sum(row() is not None for row in seen) <= chunk
