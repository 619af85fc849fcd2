"""Webhooks in the back office: roles that may read them, and a manager who sends again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from calls.admin.records import webhooks
from calls.models import WebhookDelivery
from calls.webhooks import outbox
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Membership, Organization, WebhookEndpoint
from tests.calls.test_api_calls import a_call
from tests.test_admin import SignIn, sign_in

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db
D = WebhookDelivery.Status


@pytest.fixture
def delivery(organization: Organization, assistant: Assistant, phone_number: PhoneNumber) -> WebhookDelivery:
    call = a_call(assistant, phone_number, "+33612345678", callback_url="https://theirs.example.org/ended")
    outbox.add_callbacks([call])
    endpoint = WebhookEndpoint.objects.create(organization=organization, url="https://crm.example.org/hook")
    made = outbox.delivery_to(endpoint, "call.ended", outbox.body_of("call.ended", {}), call)
    made.status, made.last_error, made.attempts = D.FAILED, "answered 500", 10
    made.save()
    return made


def test_a_manager_sends_one_again_and_an_operator_does_not(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization, stranger: Organization
) -> None:
    path = reverse("admin:calls_webhookdelivery_step", args=[delivery.pk, "replay"])
    assert sign_in(organization, "operator").post(path).status_code == 404
    assert sign_in(stranger, "admin").post(path).status_code == 404
    delivery.refresh_from_db()
    assert delivery.status == D.FAILED
    assert sign_in(organization, "manager").post(path).status_code == 302
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.last_error) == (D.PENDING, 0, "")
    assert AuditEntry.objects.get().action == "webhookdelivery.replayed"


def test_an_endpoint_that_is_off_is_told_nothing_and_the_page_says_so(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization
) -> None:
    WebhookEndpoint.objects.update(is_active=False)
    path = reverse("admin:calls_webhookdelivery_step", args=[delivery.pk, "replay"])
    answer = sign_in(organization, "manager").post(path, follow=True)
    assert "The endpoint is switched off. Switch it on first." in answer.content.decode()
    delivery.refresh_from_db()
    assert delivery.status == D.FAILED


def test_a_manager_sends_a_test(sign_in: SignIn, delivery: WebhookDelivery, organization: Organization) -> None:
    path = reverse("admin:tenants_webhookendpoint_step", args=[delivery.endpoint_id, "test"])
    assert sign_in(organization, "manager").post(path).status_code == 302
    assert WebhookDelivery.objects.latest("pk").event == "webhook.test"


def test_the_page_of_a_call_shows_what_was_told_of_it(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization
) -> None:
    page = reverse("admin:calls_call_change", args=[delivery.call_id])
    link = reverse("admin:calls_webhookdelivery_change", args=[delivery.pk])
    text = sign_in(organization, "manager").get(page).content.decode()
    for shown in ("https://theirs.example.org/ended", "https://crm.example.org/hook", "answered 500", link):
        assert shown in text
    assert link not in sign_in(organization, "viewer").get(page).content.decode()


def test_no_page_shows_an_endpoints_secret(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization
) -> None:
    client = sign_in(organization, "admin")
    endpoint = WebhookEndpoint.objects.get()
    for name, args in (("changelist", []), ("change", [endpoint.pk])):
        answer = client.get(reverse(f"admin:tenants_webhookendpoint_{name}", args=args))
        assert answer.status_code == 200
        assert "https://crm.example.org/hook" in answer.content.decode()
        assert endpoint.secret not in answer.content.decode()


def test_a_search_reads_the_latest_deliveries_of_ones_own_organizations(
    sign_in: SignIn, organization: Organization, stranger: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "SEARCHED_LATEST", 3)
    for home, event in (
        *[(organization, "call.ended")] * 2,
        *[(organization, "call.placed")] * 2,
        *[(stranger, "call.ended")] * 9,
    ):
        WebhookDelivery.objects.create(organization=home, url="https://a.example", host="a.example", event=event)
    page = reverse("admin:calls_webhookdelivery_changelist")

    def count(client: Any, term: str) -> int:
        return int(client.get(page, {"q": term}).context_data["cl"].result_count)

    own = sign_in(organization, "manager")
    assert [count(own, term) for term in ("call.ended", "call.placed")] == [1, 2]
    Membership.objects.create(user=User.objects.get(), organization=stranger, role="manager")
    assert [count(own, term) for term in ("call.ended", "call.placed")] == [4, 2]
    assert [count(sign_in(), "call.ended")] == [3]


def endpoint_page(name: str, *args: Any) -> str:
    return reverse(f"admin:tenants_webhookendpoint_{name}", args=args)


def test_an_admin_adds_an_endpoint_and_sees_its_secret_once(sign_in: SignIn, organization: Organization) -> None:
    values = {"url": "https://crm.example.org/hook", "description": "CRM", "events": ["call.ended", "call.answered"]}
    assert sign_in(organization, "manager").post(endpoint_page("add"), values).status_code == 403
    client = sign_in(organization, "admin")
    answer = client.post(endpoint_page("add"), values)
    made = WebhookEndpoint.objects.get()
    assert (made.organization, made.url, made.description) == (organization, values["url"], "CRM")
    assert (made.events, made.is_active) == (["call.answered", "call.ended"], True)
    assert made.secret in answer.content.decode() and "no-store" in answer["Cache-Control"]
    assert made.secret not in client.get(endpoint_page("change", made.pk)).content.decode()
    assert [entry.action for entry in AuditEntry.objects.all()] == ["webhook_endpoint.added"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("url", "ftp://crm.example.org/", "https://"),
        ("url", "https://user:word@crm.example.org/", "must not contain a user name"),
        ("events", [], "Choose at least one event."),
        ("events", ["call.imagined"], "call.imagined is not one of the available choices"),
    ],
)
def test_a_form_of_an_endpoint_says_what_to_change(
    sign_in: SignIn, organization: Organization, field: str, value: Any, sentence: str
) -> None:
    values = {"url": "https://crm.example.org/hook", "events": ["call.ended"], field: value}
    answer = sign_in(organization, "admin").post(endpoint_page("add"), values)
    assert sentence in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_a_change_reaches_what_waits_as_over_the_api(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization
) -> None:
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status=D.PENDING)
    endpoint = WebhookEndpoint.objects.get()
    page, secret = endpoint_page("change", endpoint.pk), endpoint.secret
    client = sign_in(organization, "admin")
    kept = {"description": "", "events": endpoint.events}
    client.post(page, {**kept, "url": "https://new.example.org/hook", "is_active": "on"})
    delivery.refresh_from_db()
    assert (delivery.url, delivery.status) == ("https://new.example.org/hook", D.PENDING)
    client.post(page, {**kept, "url": "https://new.example.org/hook"})
    delivery.refresh_from_db()
    assert delivery.status == D.HELD
    WebhookEndpoint.objects.update(disabled_reason="It answered 410.")
    client.post(page, {**kept, "url": "https://new.example.org/hook", "is_active": "on"})
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_active, endpoint.disabled_reason, endpoint.secret) == (True, "", secret)
    delivery.refresh_from_db()
    assert delivery.status == D.HELD  # until somebody sends it
    changed = AuditEntry.objects.order_by("pk").values_list("detail__fields", flat=True)
    assert list(changed) == [["url"], ["is_active"], ["is_active"]]


def test_a_form_that_was_open_does_not_switch_an_endpoint_on_again(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization
) -> None:
    client, endpoint = sign_in(organization, "admin"), WebhookEndpoint.objects.get()
    page = endpoint_page("change", endpoint.pk)
    shown: Any = client.get(page)
    seen = shown.context_data["adminform"].form.seen
    WebhookEndpoint.objects.update(is_active=False, disabled_reason="It answered 410.")
    sent = {"url": endpoint.url, "events": endpoint.events, "is_active": "on", "description": "CRM", "_seen": seen}
    assert "Changed since you opened this page" in client.post(page, sent).content.decode()
    assert not WebhookEndpoint.objects.get().is_active


def test_an_admin_replaces_the_secret_and_deletes_an_endpoint(
    sign_in: SignIn, delivery: WebhookDelivery, organization: Organization, stranger: Organization
) -> None:
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status=D.PENDING)
    endpoint = WebhookEndpoint.objects.get()
    client, manager, other = (
        sign_in(organization, "admin"),
        sign_in(organization, "manager"),
        sign_in(stranger, "admin"),
    )
    for step in ("rotate-secret", "remove"):
        path = endpoint_page("step", endpoint.pk, step)
        assert (manager.post(path).status_code, other.post(path).status_code) == (403, 404)
    shown = client.post(endpoint_page("step", endpoint.pk, "rotate-secret")).content.decode()
    rotated = WebhookEndpoint.objects.get()
    assert rotated.secret != endpoint.secret and rotated.secret in shown
    assert rotated.old_secret == endpoint.secret
    client.post(endpoint_page("step", endpoint.pk, "remove"))
    gone = WebhookEndpoint.objects.get()
    assert (gone.is_active, gone.secret, gone.old_secret) == (False, "", None) and gone.deleted_at
    delivery.refresh_from_db()
    assert delivery.status == D.FAILED
    sent = {"url": endpoint.url, "events": endpoint.events, "is_active": "on"}
    assert client.post(endpoint_page("change", endpoint.pk), sent).status_code == 403
    assert "Deleted" in client.get(endpoint_page("change", endpoint.pk)).content.decode()
