"""A list of calls, made from columns, against the serializer that makes one call's object from its model."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from rest_framework.renderers import JSONRenderer

from calls.api.calls import CallViewSet
from calls.models import FOLLOWED, Call, Status, WebhookDelivery
from calls.serializers.call import CallSerializer
from campaigns.models import Campaign, Contact, Recipient
from providers.models import PhoneNumber
from tenants.models import Organization
from tests.conftest import ApiClient, a_number, an_account, an_assistant

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 12, 9, 30, 0, 120000, tzinfo=UTC)
PRICES: list[dict[str, Any]] = [
    {},
    {"cost_price": Decimal("0.4125"), "cost_currency": "EUR"},
    {"cost_estimate": Decimal("0.1"), "cost_currency": "EUR"},
    {"cost_price": Decimal(0), "cost_estimate": Decimal("7.000001")},
]
SAID: list[dict[str, Any]] = [
    {"result": None, "doubts": []},
    {"result": {"ok": True, "note": "é\u2028"}, "doubts": [{"field": "price"}], "metadata": {"a": [1, None]}},
    {"dynamic_variables": {"name": "Ada"}, "duration_seconds": 0, "answered_by": "human", "asked_for": True},
]


@pytest.fixture
def number(organization: Organization) -> PhoneNumber:
    account = an_account(organization)
    type(account).objects.update(price_per_minute_currency="CAD", longest_call_minutes=60)
    account.refresh_from_db()
    return a_number(account)


def many_calls(number: PhoneNumber) -> None:
    """Make a call of each status, with prices, moments, callbacks, campaigns and values in many combinations."""
    account, home = number.account, number.organization
    assistant = an_assistant(account)
    campaign = Campaign.objects.create(organization=home, name="C", assistant=assistant)
    for place, status in enumerate(status for status in Status for _ in range(5)):
        contact = Contact.objects.create(organization=home, phone=f"+33612{place:06}")
        recipient = Recipient.objects.create(campaign=campaign, contact=contact) if place % 3 == 0 else None
        dialed = NOW - timedelta(minutes=(0, 59, 60, 61, 600)[place % 5])
        moments: dict[str, Any] = {}
        if place % 2:
            moments = {"placed_at": dialed, "answered_at": dialed + timedelta(microseconds=5)}
        if status == Status.UNCONFIRMED or status in FOLLOWED:
            moments["next_read_at"] = NOW
        url = "https://example.org/hook" if place % 4 else ""
        Call.objects.create(
            organization=home, contact=contact, account=account, assistant=assistant, phone_number=number,
            to_number=contact.phone, from_number=number.e164, campaign=campaign if recipient else None,
            recipient=recipient, status=status, dialed_at=None if place % 7 == 0 else dialed, callback_url=url,
            callback_outcome="delivered" if place % 4 == 1 else "", provider_call_id=f"c{place}",
            lease_until=NOW if status == Status.PLACING else None,
            **moments, **PRICES[place % 4], **SAID[place % 3],
        )  # fmt: skip
    for call in Call.objects.exclude(callback_url="").filter(pk__gt=0)[::3]:
        WebhookDelivery.objects.create(organization=home, call=call, url=call.callback_url, status="failed")


def test_a_list_shows_what_the_serializer_shows(number: PhoneNumber, api: ApiClient) -> None:
    with time_machine.travel(NOW, tick=False):
        many_calls(number)
        found = api.get("/api/v1/calls/?limit=200").json()["results"]
        calls = CallViewSet.queryset.order_by("-pk")
        expected = [dict(CallSerializer(call).data) for call in calls]
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert found == [_as_sent(row) for row in expected]
    for name in ("overdue", "callback_status", "cost", "cost_estimate", "campaign", "result", "placed_at"):
        assert len({str(row[name]) for row in found}) > 1, name


def _as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as its JSON is read again. The values themselves are the serializer's."""
    found: dict[str, Any] = json.loads(JSONRenderer().render(row))
    return found


def test_pages_of_calls_follow_each_other(number: PhoneNumber, api: ApiClient) -> None:
    many_calls(number)
    url, seen = "/api/v1/calls/?limit=7", []
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == [str(uuid) for uuid in Call.objects.order_by("-pk").values_list("uuid", flat=True)]
