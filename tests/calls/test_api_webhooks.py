"""`/api/v1/webhook-endpoints/` and `/api/v1/webhook-deliveries/`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from calls.models import WebhookDelivery
from calls.webhooks import maintenance, outbox
from tenants.models import AuditEntry, Organization, WebhookEndpoint, WebhookEvent
from tests.conftest import ApiClient, KeyMaker

pytestmark = pytest.mark.django_db
ENDPOINTS, DELIVERIES = "/api/v1/webhook-endpoints/", "/api/v1/webhook-deliveries/"
URL = "https://example.org/hook"
D = WebhookDelivery.Status


def test_an_endpoint_is_made_and_shows_its_secret_once(api: ApiClient, organization: Organization) -> None:
    answer = api.post(ENDPOINTS, {"url": URL, "description": "CRM"})
    assert answer.status_code == 201
    made = answer.json()
    endpoint = WebhookEndpoint.objects.get()
    assert made == {
        "id": str(endpoint.uuid),
        "organization": str(organization.uuid),
        "url": URL,
        "events": list(WebhookEvent.values),
        "description": "CRM",
        "is_active": True,
        "disabled_reason": "",
        "secret": endpoint.secret,
        "created_at": made["created_at"],
    }
    path = f"{ENDPOINTS}{made['id']}/"
    for shown in (
        api.get(path).json(),
        api.get(ENDPOINTS).json()["results"][0],
        api.patch(path, {"description": "New"}).json(),
    ):
        assert shown["secret"] is None
    assert api.delete(path).status_code == 204
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "webhook_endpoint.added",
        "webhook_endpoint.changed",
        "webhook_endpoint.deleted",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://example.org/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://user@example.org/"}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["call.nope"]}, "events.0"),
        ({"url": URL, "events": "call.ended"}, "events"),
        ({"url": URL, "secret_": "x"}, "secret_"),
        ({"url": URL, "description": "x" * 201}, "description"),
    ],
)
def test_a_faulty_endpoint_is_refused(body: dict[str, Any], field: str, api: ApiClient, settings: Any) -> None:
    settings.ALLOW_LOOPBACK_URLS = False
    answer = api.post(ENDPOINTS, body)
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["details"]] == [field]
    assert not WebhookEndpoint.objects.exists()


def test_what_machines_write_is_not_taken_from_a_body(api: ApiClient) -> None:
    sent = {"url": URL, "secret": "whsec_mine", "disabled_reason": "x", "events": ["call.ended", "call.ended"]}
    made = api.post(ENDPOINTS, sent).json()
    assert (made["disabled_reason"], made["events"]) == ("", ["call.ended"])
    assert WebhookEndpoint.objects.get().secret not in ("", "whsec_mine")


@pytest.fixture
def endpoint(organization: Organization) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(organization=organization, url=URL)


def a_delivery(endpoint: WebhookEndpoint, **fields: Any) -> WebhookDelivery:
    made = outbox.delivery_to(endpoint, "call.ended", outbox.body_of("call.ended", {}))
    for name, value in fields.items():
        setattr(made, name, value)
    made.save()
    return made


def test_a_secret_is_replaced_with_a_day_of_overlap(api: ApiClient, endpoint: WebhookEndpoint) -> None:
    before = endpoint.secret
    answer = api.post(f"{ENDPOINTS}{endpoint.uuid}/rotate-secret/")
    assert answer.status_code == 200
    endpoint.refresh_from_db()
    assert answer.json()["secret"] == endpoint.secret != before
    assert endpoint.secrets(timezone.now()) == [endpoint.secret, before]
    assert AuditEntry.objects.get().action == "webhook_endpoint.secret_rotated"


def test_switched_off_what_waits_is_held_and_switched_on_it_can_be_replayed(
    api: ApiClient, endpoint: WebhookEndpoint
) -> None:
    waiting = a_delivery(endpoint)
    path, replay = f"{ENDPOINTS}{endpoint.uuid}/", f"{DELIVERIES}{waiting.uuid}/replay/"
    WebhookEndpoint.objects.update(disabled_reason="It answered 410 Gone.")
    assert api.patch(path, {"is_active": False}).json()["is_active"] is False
    shown = api.get(f"{DELIVERIES}{waiting.uuid}/").json()
    assert (shown["status"], shown["last_error"], shown["next_attempt_at"]) == ("held", "endpoint switched off", None)
    assert api.post(replay).status_code == 409
    assert api.post(f"{path}test/").status_code == 409
    assert api.patch(path, {"is_active": True}).json()["disabled_reason"] == ""
    shown = api.post(replay).json()
    assert (shown["status"], shown["attempts"], shown["last_error"]) == ("pending", 0, "")


def test_a_test_delivery_is_queued(api: ApiClient, endpoint: WebhookEndpoint) -> None:
    answer = api.post(f"{ENDPOINTS}{endpoint.uuid}/test/")
    assert (answer.status_code, answer.json()["event"], answer.json()["status"]) == (202, "webhook.test", "pending")
    assert api.get(f"{DELIVERIES}{answer.json()['id']}/").json() == answer.json()


def test_deliveries_are_filtered(api: ApiClient, organization: Organization, endpoint: WebhookEndpoint) -> None:
    other = WebhookEndpoint.objects.create(organization=organization, url=URL)
    first, second = a_delivery(endpoint, status=D.FAILED), a_delivery(other, event="call.placed")

    def ids(query: str) -> list[str]:
        return [row["id"] for row in api.get(f"{DELIVERIES}?{query}").json()["results"]]

    assert ids("") == [str(second.uuid), str(first.uuid)]
    assert ids(f"endpoint={endpoint.uuid}") == ids("status=failed") == ids("event=call.ended") == [str(first.uuid)]
    assert ids("status=pending&status=failed") == [str(second.uuid), str(first.uuid)]
    assert ids(f"call={endpoint.uuid}") == []
    assert api.get(f"{DELIVERIES}?host=x").status_code == 400


def test_a_range_is_replayed(
    api: ApiClient,
    endpoint: WebhookEndpoint,
    organization: Organization,
    sister: Organization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = timezone.now()
    off = WebhookEndpoint.objects.create(organization=organization, url=URL, is_active=False)
    theirs = WebhookEndpoint.objects.create(organization=sister, url=URL)
    wanted = [a_delivery(endpoint, status=D.FAILED, created_at=now - timedelta(hours=n)) for n in (2, 3)]
    for row in (
        a_delivery(endpoint, status=D.FAILED, created_at=now - timedelta(hours=9)),
        a_delivery(endpoint, status=D.FAILED, created_at=now),
        a_delivery(endpoint, status=D.DELIVERED, created_at=now - timedelta(hours=2)),
        a_delivery(off, status=D.FAILED, created_at=now - timedelta(hours=2)),
        a_delivery(theirs, status=D.FAILED, created_at=now - timedelta(hours=2)),
    ):
        assert row.status != D.PENDING
    span = {
        "created_after": (now - timedelta(hours=4)).isoformat(),
        "created_before": (now - timedelta(hours=1)).isoformat(),
    }
    answer = api.post(f"{DELIVERIES}replay/", {**span, "endpoint": str(endpoint.uuid), "status": "failed"})
    assert (answer.status_code, answer.json()) == (200, {"replayed": 2, "more": False})
    assert set(WebhookDelivery.objects.filter(status=D.PENDING)) == set(wanted)
    assert api.post(f"{DELIVERIES}replay/", span).json()["replayed"] == 0
    assert api.post(f"{DELIVERIES}replay/", {**span, "status": "delivered"}).json()["replayed"] == 1
    WebhookDelivery.objects.update(status=D.FAILED)
    monkeypatch.setattr(maintenance, "REPLAYED_AT_ONCE", 2)
    assert [api.post(f"{DELIVERIES}replay/", span).json() for _ in range(2)] == [
        {"replayed": 2, "more": True},
        {"replayed": 1, "more": False},
    ]


def test_a_range_is_looked_for_and_locked_once(endpoint: WebhookEndpoint) -> None:
    now = timezone.now()
    a_delivery(endpoint, status=D.FAILED)
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        counts = maintenance.replay_range(
            WebhookDelivery.objects.all(), [D.FAILED], now - timedelta(hours=1), now + timedelta(hours=1)
        )
    about = [each["sql"] for each in asked if "calls_webhookdelivery" in each["sql"]]
    assert counts == {endpoint.organization_id: 1} and [sql.split()[0] for sql in about] == ["SELECT", "UPDATE"]
    assert "SELECT" not in about[1]


def test_each_organization_learns_how_many_of_its_own_are_sent_again(
    organization: Organization, sister: Organization, client_for: KeyMaker
) -> None:
    api = client_for(tenant=organization.tenant)
    for home, many in ((organization, 2), (sister, 1)):
        endpoint = WebhookEndpoint.objects.create(organization=home, url=URL)
        for _ in range(many):
            a_delivery(endpoint, status=D.FAILED)
    Organization.objects.create(tenant=organization.tenant, name="Without any")
    span = {"created_after": "2020-01-01T00:00:00Z", "created_before": "2100-01-01T00:00:00Z"}
    assert [api.post(f"{DELIVERIES}replay/", span).json()["replayed"] for _ in range(2)] == [3, 0]
    entries = AuditEntry.objects.filter(action="webhookdelivery.replayed").order_by("organization")
    found = [(entry.organization_id, entry.detail["deliveries"]) for entry in entries]
    assert found == [(organization.pk, 2), (sister.pk, 1)]


def test_a_range_needs_its_ends_its_scope_and_an_endpoint_one_can_see(
    api: ApiClient, client_for: KeyMaker, organization: Organization, stranger: Organization
) -> None:
    path = f"{DELIVERIES}replay/"
    assert [fault["field"] for fault in api.post(path).json()["details"]] == ["created_after", "created_before"]
    span = {"created_after": "2026-01-01T00:00:00Z", "created_before": "2027-01-01T00:00:00Z"}
    foreign = WebhookEndpoint.objects.create(organization=stranger, url=URL)
    answer = api.post(path, {**span, "endpoint": str(foreign.uuid)})
    assert [fault["code"] for fault in answer.json()["details"]] == ["does_not_exist"]
    assert api.post(path, {**span, "status": "pending"}).status_code == 400
    assert client_for(organization, "call").post(path, span).status_code == 403
    assert ApiClient().post(path, span).status_code == 401
