"""An empty installation: the first steps, the sandbox with one click, and a test call to one's own phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Contact, ContactList, ContactListMember
from providers import sample
from providers.models import Assistant, PhoneNumber, ProviderAccount
from providers.sandbox import server
from tenants.models import AuditEntry, Membership, Organization
from tests.calls import support
from tests.calls.test_campaign_page import words_of
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db
CLICK = "Try it with the sandbox"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sample, "ADDRESS", NOBODY)
    return NOBODY


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with server.running(speed=20) as found:
        monkeypatch.setattr(sample, "ADDRESS", found.url)
        yield found.url


def dashboard(client: Client) -> str:
    return client.get("/admin/").content.decode()


def test_the_way_goes_on_with_what_is_there(sign_in: SignIn, organization: Organization, elsewhere: str) -> None:
    client = sign_in(organization, "manager")
    assert "Campaigns" not in words_of(dashboard(client)).partition("Steps to your first campaign")[2]
    sample.set_up(organization, sample.ALLOMIA, NOBODY)
    text = words_of(dashboard(client))
    for step in ("Add a provider account", "Add an assistant", "Add a caller number"):
        assert f"{step} Done" in text
    assert "Import contacts Import a CSV" in text
    assert "Launch a first call" in text and "Calls now" not in text
    people = ContactList.objects.create(organization=organization, name="People")
    contact = Contact.objects.create(organization=organization, phone="+33612345678")
    ContactListMember.objects.create(contact_list=people, contact=contact)
    assert "Import contacts Done" in words_of(dashboard(client))
    support.single(PhoneNumber.objects.get(), "+33612345678")
    assert "Calls now" in words_of(dashboard(client))


def test_the_way_asks_few_questions(sign_in: SignIn, organization: Organization, elsewhere: str) -> None:
    client = sign_in(organization, "manager")
    sample.set_up(organization, sample.ALLOMIA, NOBODY)
    with CaptureQueriesContext(connection) as queries:
        dashboard(client)
    assert len(queries) <= 15, [query["sql"][:120] for query in queries]


def test_one_click_makes_what_a_call_needs(sign_in: SignIn, organization: Organization, listening: str) -> None:
    client = sign_in(organization, "manager")
    page = dashboard(client)
    assert CLICK in page and f"The sandbox is running at {listening}." in page
    url = reverse("admin:calls_call_sandbox")
    answer = client.post(url, {"organization": organization.pk}, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    account = ProviderAccount.objects.get()
    assert account.organization == organization and account.base_url.startswith(listening)
    assert Assistant.objects.get().account == PhoneNumber.objects.get().account == account
    assert AuditEntry.objects.filter(organization=organization, action__endswith=".added").count() == 3
    check = reverse("admin:providers_provideraccount_step", args=[account.pk, "check"])
    assert "accepts the credentials" in client.post(check, follow=True).content.decode()
    # A second click on a page that was still open changes nothing.
    assert (
        "already has a sandbox account"
        in client.post(url, {"organization": organization.pk}, follow=True).content.decode()
    )
    assert ProviderAccount.objects.count() == 1 and f">{CLICK}<" not in dashboard(client)


def test_who_finds_no_sandbox_is_told_how_to_start_it(
    sign_in: SignIn, organization: Organization, elsewhere: str
) -> None:
    client = sign_in(organization, "manager")
    assert not sample.sandbox_answers(NOBODY)
    answer = client.post(reverse("admin:calls_call_sandbox"), {"organization": organization.pk}, follow=True)
    text = words_of(answer.content.decode())
    assert f"No sandbox is running at {NOBODY}." in text and "manage.py sandbox" in text
    assert ProviderAccount.objects.count() == 1


def test_something_else_that_listens_is_no_sandbox(live_server: Any) -> None:
    assert not sample.sandbox_answers(live_server.url)


def test_the_sandbox_is_for_managers_where_addresses_of_this_machine_are_allowed(
    sign_in: SignIn, organization: Organization, stranger: Organization, elsewhere: str, settings: Any
) -> None:
    url, operator = reverse("admin:calls_call_sandbox"), sign_in(organization, "operator")
    assert CLICK not in dashboard(operator)
    assert operator.post(url, {"organization": organization.pk}).status_code == 403
    manager = sign_in(organization, "manager")
    for given in (stranger.pk, 0, "", "x", "9" * 30):
        assert manager.post(url, {"organization": given}).status_code == 404, given
    settings.ALLOW_LOOPBACK_URLS = False
    assert CLICK not in dashboard(manager)
    assert manager.post(url, {"organization": organization.pk}).status_code == 403
    assert not ProviderAccount.objects.exists()


def test_of_several_organizations_one_is_chosen(
    sign_in: SignIn, organization: Organization, sister: Organization, stranger: Organization, elsewhere: str
) -> None:
    client = sign_in(organization, "manager")
    user = Membership.objects.get().user
    Membership.objects.create(user=user, organization=sister, role="manager")
    Membership.objects.create(user=user, organization=stranger, role="viewer")
    page = dashboard(client)
    assert "For which organization?" in page
    offered = page.partition('id="sandbox-for"')[2].partition("</select>")[0]
    assert f'value="{sister.pk}"' in offered and f'value="{stranger.pk}"' not in offered
    assert client.post(reverse("admin:calls_call_sandbox"), {"organization": stranger.pk}).status_code == 404
    client.post(reverse("admin:calls_call_sandbox"), {"organization": sister.pk})
    assert ProviderAccount.objects.get().organization == sister


# --- a test call ---


def test_a_test_call_fills_the_launch_page_in(sign_in: SignIn, assistant: Assistant, phone_number: PhoneNumber) -> None:
    assistant.variables = [
        {"name": "slot", "required": True, "example": 'Monday "9:30"'},
        {"name": "shop", "default": "Paris"},
        {"name": "note"},
    ]
    assistant.save()
    client = sign_in(assistant.organization, "operator")
    page = client.get(reverse("admin:providers_assistant_change", args=[assistant.pk]))
    assert "Test call" in page.content.decode()
    filled = page.context["filled"]
    assert filled == {
        "assistant": str(assistant.pk),
        "variable-slot": 'Monday "9:30"',
        "variable-shop": "Paris",
        "variable-note": "",
    }
    launch = client.get(page.context["launch_url"], {**filled, "to_number": "06 12 34 56 78"}).content.decode()
    for value in ("06 12 34 56 78", "Monday &quot;9:30&quot;", "Paris"):
        assert f'value="{value}"' in launch


def test_a_test_call_needs_a_caller_number(sign_in: SignIn, assistant: Assistant) -> None:
    client = sign_in(assistant.organization, "operator")
    page = client.get(reverse("admin:providers_assistant_change", args=[assistant.pk])).content.decode()
    assert "has no caller number yet" in page and 'id="test-number"' not in page


@pytest.mark.parametrize("field", ["assistant", "account", "role"])
def test_who_cannot_call_is_offered_no_test_call(
    sign_in: SignIn, assistant: Assistant, phone_number: PhoneNumber, field: str
) -> None:
    if field == "assistant":
        Assistant.objects.update(is_active=False)
    elif field == "account":
        ProviderAccount.objects.update(is_active=False)
    client = sign_in(assistant.organization, "viewer" if field == "role" else "operator")
    page = client.get(reverse("admin:providers_assistant_change", args=[assistant.pk])).content.decode()
    assert "Test call" not in page
