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
