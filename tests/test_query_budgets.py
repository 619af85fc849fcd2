"""Every page of the back office makes at most fifteen queries, independent of the number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from calls.admin.campaigns.tabs import ALONE, LOADED, PAGES, Tab
from calls.models import Call, CallEvent
from campaigns.models import Campaign, CampaignVariant, Contact, ContactListMember, Recipient
from providers.models import Assistant, PhoneNumber
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Membership, Organization
from tests.conftest import undone
from tests.test_admin import world

__all__ = ["world"]  # a fixture
pytestmark = pytest.mark.django_db
MOST = 15
World = dict[str, Any]


@pytest.fixture
def manager(organization: Organization, sister: Organization) -> Client:
    """A member of two organizations, so that lists show the organization."""
    user = User.objects.create(username="mona", is_staff=True)
    for mine in (organization, sister):
        Membership.objects.create(user=user, organization=mine, role="admin")
    client = Client()
    client.force_login(user)
    return client


def more(world: World, organization: Organization, people: int) -> None:
    """Contacts on the campaign's list, half of them called, with a second assistant."""
    campaign, account = world["campaign"], world["provideraccount"]
    now = timezone.now()
    assert isinstance(campaign, Campaign)
    name = f"Assistant {people}"
    other = Assistant.objects.create(organization=organization, account=account, name=name, external_id=name)
    CampaignVariant.objects.create(campaign=campaign, assistant=other, weight=1)
    number = PhoneNumber.objects.create(organization=organization, account=account, e164=f"+3314200{people:04d}")
    campaign.phone_numbers.add(number)
    for n in range(people):
        contact = Contact.objects.create(organization=organization, phone=f"+33612{people:03d}{n:03d}", name="Ada")
        ContactListMember.objects.create(contact_list=world["contactlist"], contact=contact)
        status = ("done", "waiting", "pending", "skipped")[n % 4]
        recipient = Recipient.objects.create(campaign=campaign, contact=contact, status=status, attempts=n % 2)
        call = Call.objects.create(
            organization=organization, contact=contact, account=account, assistant=other, phone_number=number,
            to_number=contact.phone, from_number=number.e164, campaign=campaign, recipient=recipient,
            status="completed", dialed_at=now, terminal_at=now,
        )  # fmt: skip
        CallEvent.objects.create(call=call, type="ended", source="read")


# What the status of a campaign changes.
OF_CAMPAIGNS = {"campaign", "recipient", "contact", "call", "callback"}


def pages(world: World, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        row = world[name]
        pages_of = admin.site._registry[type(row)]
        assert isinstance(pages_of, ScopedAdmin), name
        prefix = f"admin:{row._meta.app_label}_{row._meta.model_name}"
        yield reverse(f"{prefix}_changelist")
        if pages_of.get_search_fields(None):  # type: ignore[arg-type]
            yield f"{reverse(f'{prefix}_changelist')}?q=%2B33612"
        yield reverse(f"{prefix}_change", args=[row.pk])
        yield reverse(f"{prefix}_panel", args=[row.pk])
        for step in pages_of.steps:
            yield reverse(f"{prefix}_step", args=[row.pk, step.name])
    for part in LOADED:
        url = reverse(f"admin:campaigns_campaign_{part}", args=[world["campaign"].pk])
        yield from (url, f"{url}?{ALONE}") if part in PAGES else (url,)
    for tab in Tab:
        query = f"?tab={tab.slug}"
        yield reverse("admin:campaigns_campaign_change", args=[world["campaign"].pk]) + query
        yield reverse("admin:campaigns_campaign_panel", args=[world["campaign"].pk]) + query
    yield reverse("admin:campaigns_recipient_explain", args=[world["recipient"].pk])
    yield reverse("admin:calls_call_launch")
    yield reverse("admin:calls_call_legal_hours")


def asked(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(url)
    assert answer.status_code in (200, 302), url
    # A process caches the installation's key once it is committed, which never happens in a test.
    return [query["sql"] for query in queries if "installationkey" not in query["sql"]]


@pytest.mark.parametrize(
    ("status", "every", "part"),
    [
        pytest.param("running", True, slice(0, None, 2), id="running, every second page"),
        pytest.param("running", True, slice(1, None, 2), id="running, the others", marks=pytest.mark.long),
        pytest.param("draft", False, slice(None), id="draft, of campaigns"),
        *(
            pytest.param(status, True, slice(None), id=status, marks=pytest.mark.proof)
            for status in ("draft", "paused", "finished")
        ),
    ],
)
def test_every_page_asks_fifteen_questions_at_most(
    manager: Client, world: World, organization: Organization, status: str, every: bool, part: slice
) -> None:
    """Visit every page of a running campaign, and of a draft the pages that depend on the state."""
    begun = None if status == "draft" else timezone.now()
    Campaign.objects.update(status=status, budget=10, launched_at=begun, started_at=begun)
    urls = list(pages(world, world if every else OF_CAMPAIGNS))[part]
    more(world, organization, 4)

    def with_more(asking: list[str]) -> dict[str, list[str]]:
        with undone():
            more(world, organization, 12)
            return {url: asked(manager, url) for url in asking}

    first = with_more(urls)  # this also fills what each process caches once
    few = {url: asked(manager, url) for url in urls}
    many = with_more([url for url in urls if len(first[url]) > min(MOST, len(few[url]))])
    over = {url: (len(queries), [sql[:160] for sql in queries]) for url, queries in many.items() if len(queries) > MOST}
    assert not over
    grown = {url: (len(few[url]), len(many[url])) for url in many if len(many[url]) > len(few[url])}
    assert not grown


def test_the_dashboard_asks_no_more(manager: Client, world: Any) -> None:
    manager.get(reverse("admin:index"))  # fills what each process caches once
    assert len(asked(manager, reverse("admin:index"))) <= MOST


def test_a_later_page_of_a_list_asks_once_more(manager: Client, organization: Organization) -> None:
    rows = [Contact(organization=organization, phone=f"+336120{n:05d}", name="Ada") for n in range(120)]
    Contact.objects.bulk_create(rows)
    url = reverse("admin:campaigns_contact_changelist")
    answers: list[Any] = [manager.get(url, {"p": page}) for page in (1, 2, 3)]
    shown = [answer.context_data["cl"].result_list for answer in answers]
    pks = [row.pk for page in shown for row in page]
    assert len(pks) == 120 and pks == sorted(pks, reverse=True)
    assert len(asked(manager, f"{url}?p=3")) <= MOST
