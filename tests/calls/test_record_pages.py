"""Lists and titles of records: provider events with their call and filters, and no page that is named by an ID."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from calls.models import Call, ProviderCallback
from providers.models import ProviderAccount
from tenants.backoffice.scoped_admin import ScopedAdmin
from tenants.models import Organization
from tests.calls.test_campaign_page import words_of
from tests.conftest import an_account
from tests.test_admin import SignIn, sign_in, world

__all__ = ["sign_in", "world"]
pytestmark = pytest.mark.django_db
LIST = "admin:calls_providercallback_changelist"
World = dict[str, models.Model]


def listed(client: Client, query: str = "") -> list[int]:
    answer: Any = client.get(f"{reverse(LIST)}{query}")
    assert answer.status_code == 200, query
    return [row.pk for row in answer.context["cl"].result_list]


def heading(page: str) -> str:
    found = re.search(r"<h1.*?</h1>", page, re.DOTALL)
    assert found
    return " ".join(unescape(strip_tags(found[0])).split())


def test_the_list_of_provider_events_has_calls_filters_and_a_count(
    sign_in: SignIn, world: World, organization: Organization, account: ProviderAccount
) -> None:
    client, now = sign_in(organization, "manager"), timezone.now()
    other = an_account(organization, name="Second")
    unread = world["providercallback"]
    assert isinstance(unread, ProviderCallback)
    read = ProviderCallback.objects.create(account=other, verification="verified", body=b"{}", processed_at=now)
    odd = ProviderCallback.objects.create(
        account=account, verification="bad", body=b"x", processed_at=now, error="No JSON.",
        received_at=now - timedelta(days=5),
    )  # fmt: skip
    for query, found in {
        "": [odd, read, unread],
        f"?account__id__exact={other.pk}": [read],
        "?signature=verified": [read],
        "?signature=bad": [odd],
        "?read=yes": [read],
        "?read=no": [unread],
        "?read=error": [odd],
        "?day=today": [read, unread],
        "?day=7days&read=error": [odd],
    }.items():
        assert listed(client, query) == [row.pk for row in found], query
    for nonsense in ("?read=x", "?signature=x"):
        assert client.get(f"{reverse(LIST)}{nonsense}").status_code == 302
    page = client.get(reverse(LIST)).content.decode()
    text = words_of(page)
    assert "3 provider events" in text
    for words in ("Verified", "Unsigned", "Wrong", "Not read yet", "No JSON."):
        assert words in text, words
    link = re.search(rf'href="{reverse("admin:calls_call_change", args=[unread.call_id])}">([^<]+)<', page)
    assert link and re.fullmatch(r"Call to 06 12 34 56 78, today \d\d:\d\d(?: UTC\+\d)?", link[1])


def test_no_page_is_named_by_an_id(sign_in: SignIn, world: World) -> None:
    """Of any row of the registry: neither the page of an object nor a confirmation has its key or UUID for a title."""
    client = sign_in(None, "superuser")
    seen = 0
    for name, row in world.items():
        pages = admin.site._registry[type(row)]
        assert isinstance(pages, ScopedAdmin)
        title = heading(client.get(pages.url("change", row.pk)).content.decode())
        public = str(getattr(row, "uuid", "no UUID"))
        assert public[:8] not in title and not re.search(rf"\b{row.pk}$", title), (name, title)
        assert public[:8] not in pages.title_of(row), name
        seen += 1
    assert seen > 15
    delivery = world["webhookdelivery"]
    assert pages_title(client, delivery).startswith("Webhook deliveries chevron_right ")
    assert " to example.org, today " in pages_title(client, delivery)


@pytest.mark.parametrize(("term", "found"), [("call.ended", 1), ("Call ended", 1), ("call ended", 1), ("call", 0)])
def test_a_delivery_is_found_by_its_event(
    sign_in: SignIn, world: World, organization: Organization, term: str, found: int
) -> None:
    client = sign_in(organization, "manager")
    answer: Any = client.get(reverse("admin:calls_webhookdelivery_changelist"), {"q": term})
    assert len(answer.context["cl"].result_list) == found
    file = b"".join(client.get(reverse("admin:calls_webhookdelivery_export")).streaming_content).decode()  # type: ignore[attr-defined]
    title, row = (line.split(",") for line in file.strip().splitlines())
    told = dict(zip(title, row, strict=True))
    assert (told["Event"], told["Event code"]) == ("Call ended", "call.ended")


def pages_title(client: Client, row: models.Model) -> str:
    pages = admin.site._registry[type(row)]
    assert isinstance(pages, ScopedAdmin)
    return heading(client.get(pages.url("change", row.pk)).content.decode())


def test_the_events_of_an_endpoint_are_words_with_their_codes(
    sign_in: SignIn, world: World, organization: Organization
) -> None:
    endpoint = world["webhookendpoint"]
    page = sign_in(organization, "admin").get(reverse("admin:tenants_webhookendpoint_change", args=[endpoint.pk]))
    assert 'Call placed <code class="tl-quiet" translate="no">call.placed</code>' in page.content.decode()


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"status": "completed", "duration_seconds": 75}, "1 min 15 s"),
        ({"status": "completed", "duration_seconds": 9, "ended_reason": "voicemail"}, "9 s"),
        ({"status": "completed", "ended_reason": "voicemail"}, "-"),
        ({"status": "completed", "duration_seconds": 9, "ended_reason": "hangup_callee"}, "9 s, the contact hung up"),
        ({"status": "no_answer", "ended_reason": "no_answer"}, "-"),
        ({"status": "failed", "ended_reason": "refused"}, "Refused by the provider"),
        ({"status": "queued", "status_reason": "next_turn"}, "Waits for its turn"),
        ({"status": "queued", "status_reason": ""}, "-"),
    ],
)
def test_the_detail_of_a_call_says_what_its_status_does_not(
    sign_in: SignIn, world: World, organization: Organization, fields: dict[str, Any], detail: str
) -> None:
    ended = {} if fields["status"] == "queued" else {"terminal_at": timezone.now(), "polling": None}
    values = {"duration_seconds": None, "dialed_at": timezone.now() if ended else None, **fields, **ended}
    Call.objects.filter(pk=world["call"].pk).update(**{"polling": None, **values})
    answer: Any = sign_in(organization, "viewer").get(reverse("admin:calls_call_changelist"))
    [row] = answer.context["cl"].result_list
    shown = answer.context["cl"].model_admin
    assert shown.outcome(row) == detail
    assert shown.state(row).lower() not in detail.lower()
