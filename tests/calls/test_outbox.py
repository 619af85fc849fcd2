"""The outbox: each event is written once, with the change it reports, and only for endpoints that subscribe to it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from calls.actions import campaigns
from calls.dialing import placing
from calls.models import Call, CallEvent, Status, WebhookDelivery
from calls.outcomes import circuit_breaker, recording, staff_decisions
from calls.webhooks import outbox
from campaigns.imports import job
from campaigns.models import Campaign, ContactImport, ContactList
from providers.adapters.base import CallState, Reading
from providers.adapters.errors import MayBeRinging, Misconfigured
from providers.models import Assistant, PhoneNumber, ProviderAccount
from tenants.models import Organization, WebhookEndpoint
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db
READ = CallEvent.Source.READ
DIALING = Reading(CallState.DIALING, provider_status="dialing", provider_call_id="p1")
TALKING = Reading(CallState.IN_PROGRESS, provider_status="talking", answered_at=timezone.now())
DONE = Reading(CallState.COMPLETED, provider_status="completed", answered_at=timezone.now(), duration_seconds=20)


@pytest.fixture
def endpoint(organization: Organization) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(organization=organization, url="https://example.org/hook")


@pytest.fixture
def call(assistant: Assistant, phone_number: PhoneNumber) -> Call:
    return a_call(assistant, phone_number, "+33612345678", status=Status.QUEUED)


def told() -> list[str]:
    return list(WebhookDelivery.objects.exclude(endpoint=None).order_by("pk").values_list("event", flat=True))


def last() -> dict[str, Any]:
    row = WebhookDelivery.objects.exclude(endpoint=None).latest("pk")
    found: dict[str, Any] = json.loads(row.body)
    return found


def dial(call: Call) -> placing.Claim:
    [claim] = placing.claim(call.account_id)
    return claim


@pytest.mark.django_db(transaction=True)
def test_a_call_is_told_step_by_step(call: Call, endpoint: WebhookEndpoint, api: ApiClient) -> None:
    placing.record(dial(call), DIALING)
    assert told() == ["call.placed"]
    recording.record(call.pk, DIALING, READ)
    recording.record(call.pk, TALKING, READ)
    recording.record(call.pk, TALKING, READ)
    assert told() == ["call.placed", "call.answered"]
    recording.record(call.pk, DONE, READ)
    recording.record(call.pk, DONE, READ)
    assert told() == ["call.placed", "call.answered", "call.ended"]
    found = last()
    shown = api.get(f"/api/v1/calls/{call.uuid}/").json()
    shown.pop("events")
    assert found["type"] == "call.ended" and found["timestamp"].endswith("Z")
    assert {**found["data"], "updated_at": ""} == {**shown, "updated_at": ""}


@pytest.mark.django_db(transaction=True)
def test_a_call_of_which_only_the_end_is_learned_was_answered_too(call: Call, endpoint: WebhookEndpoint) -> None:
    placing.record(dial(call), DIALING)
    recording.record(call.pk, DONE, READ)
    assert told() == ["call.placed", "call.answered", "call.ended"]


@pytest.mark.django_db(transaction=True)
def test_a_result_that_comes_after_the_end_is_told_once(call: Call, endpoint: WebhookEndpoint) -> None:
    placing.record(dial(call), DIALING)
    pending = Reading(CallState.COMPLETED, provider_status="completed", result_status="pending", settled=False)
    recording.record(call.pk, pending, READ)
    assert told() == ["call.placed", "call.ended"]
    result = Reading(
        CallState.COMPLETED, provider_status="completed", result_status="ready", result={"yes": True}, settled=True
    )
    recording.record(call.pk, result, READ)
    recording.record(call.pk, result, READ)
    assert told() == ["call.placed", "call.ended", "call.result"]
    assert last()["data"]["result"] == {"yes": True}


@pytest.mark.django_db(transaction=True)
def test_a_doubt_is_told_and_its_real_end_later_is_no_second_end(call: Call, endpoint: WebhookEndpoint) -> None:
    Call.objects.update(callback_url="https://example.org/x")
    placing.record(dial(call), MayBeRinging("No answer."))
    assert told() == ["call.unconfirmed"]
    recording.give_up(call.pk, Status.UNKNOWN, "Nobody knows.")
    assert told() == ["call.unconfirmed", "call.ended"]
    assert last()["data"]["status"] == "unknown"
    recording.record(call.pk, DONE, READ)
    assert told() == ["call.unconfirmed", "call.ended", "call.result"]
    assert last()["data"]["status"] == "completed"
    assert WebhookDelivery.objects.filter(endpoint=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_call_given_up_and_found_again_ends_once(call: Call, endpoint: WebhookEndpoint) -> None:
    placing.record(dial(call), MayBeRinging("No answer."))
    recording.give_up(call.pk, Status.UNKNOWN, "Nobody knows.")
    staff_decisions.confirm_placed(call.pk, "p7", actor="ann", reason="I saw it.")
    recording.record(call.pk, Reading(CallState.BUSY, provider_status="busy"), READ)
    assert told() == ["call.unconfirmed", "call.ended", "call.placed", "call.result"]


def test_news_is_undone_with_what_it_tells_of(call: Call, endpoint: WebhookEndpoint) -> None:
    with transaction.atomic():
        staff_decisions.cancel(call, "canceled_by_request", "Canceled.")
        assert told() == ["call.ended"]
        transaction.set_rollback(True)
    assert told() == []
    assert Call.objects.get().status == Status.QUEUED


def test_an_endpoint_hears_what_it_subscribes_to_of_its_own_organization(
    call: Call, organization: Organization, sister: Organization
) -> None:
    for owner, fields in (
        (organization, {"events": ["call.placed"]}),
        (organization, {"is_active": False, "deleted_at": timezone.now()}),
        (sister, {}),
    ):
        WebhookEndpoint.objects.create(organization=owner, url="https://example.org/", **fields)
    listening = WebhookEndpoint.objects.create(
        organization=organization, url="https://example.org/", events=["call.ended"]
    )
    staff_decisions.cancel(call, "canceled_by_request", "Canceled.")
    assert WebhookDelivery.objects.get().endpoint == listening


def test_what_an_endpoint_that_is_switched_off_would_hear_is_held(call: Call, organization: Organization) -> None:
    off = WebhookEndpoint.objects.create(organization=organization, url="https://example.org/", is_active=False)
    staff_decisions.cancel(call, "canceled_by_request", "Canceled.")
    held = WebhookDelivery.objects.get()
    assert (held.endpoint, held.event, held.status, held.attempts) == (off, "call.ended", "held", 0)
    assert json.loads(held.body)["data"]["id"] == str(call.uuid)


def test_where_nobody_listens_it_costs_one_query(call: Call, django_assert_num_queries: Any) -> None:
    before = outbox.Milestones.of(call)
    call.status = Status.BUSY
    with django_assert_num_queries(1):
        outbox.publish_call_changes([(call, before)])
    with django_assert_num_queries(0):
        outbox.publish_call_changes([(call, outbox.Milestones.of(call))])


def test_what_cannot_be_described_loses_no_outcome(
    call: Call, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(call: Call) -> Any:
        raise ValueError("a bug")

    monkeypatch.setattr(outbox, "_call_object", broken)
    assert staff_decisions.cancel(call, "canceled_by_request", "Canceled.")
    assert Call.objects.get().status == Status.CANCELED
    assert "could not be made" in caplog.text


# Campaigns.


@pytest.fixture
def campaign(organization: Organization, assistant: Assistant) -> Campaign:
    return Campaign.objects.create(organization=organization, name="C", assistant=assistant)


def test_a_campaign_is_told_at_every_change(campaign: Campaign, endpoint: WebhookEndpoint, api: ApiClient) -> None:
    Campaign.objects.update(status=Campaign.Status.SCHEDULED, starts_at=timezone.now() - timedelta(minutes=1))
    campaigns.start_scheduled()
    campaigns.start_scheduled()
    assert told() == ["campaign.started"]
    campaigns.pause(campaign, actor="ann")
    campaigns.pause(campaign, actor="ann")
    assert told() == ["campaign.started", "campaign.paused"]
    campaigns.resume(campaign, actor="ann")
    Campaign.objects.update(launched_at=timezone.now())
    campaigns.finish_where_done()
    campaigns.finish_where_done()
    assert told() == ["campaign.started", "campaign.paused", "campaign.started", "campaign.finished"]
    found = last()["data"]
    shown = api.get(f"/api/v1/campaigns/{campaign.uuid}/").json()
    assert set(found) == set(shown)
    assert (found["status"], found["progress"]["status"]) == ("finished", "finished")


def test_a_canceled_campaign_is_finished_as_canceled(campaign: Campaign, endpoint: WebhookEndpoint) -> None:
    campaigns.cancel(campaign, actor="ann")
    assert told() == ["campaign.finished"]
    assert last()["data"]["status"] == "canceled"


# Accounts.


@pytest.mark.django_db(transaction=True)
def test_a_blocked_account_is_told_once_without_its_keys_and_with_its_campaigns(
    call: Call, campaign: Campaign, endpoint: WebhookEndpoint, account: ProviderAccount
) -> None:
    Campaign.objects.update(status=Campaign.Status.RUNNING)
    placing.record(dial(call), Misconfigured("The key is wrong."))
    assert told() == ["account.blocked", "campaign.paused"]
    circuit_breaker.block(account.pk, circuit_breaker.Block.MISCONFIGURED, "The key is still wrong.")
    assert told() == ["account.blocked", "campaign.paused"]
    body = json.loads(WebhookDelivery.objects.get(event="account.blocked").body)
    assert body["data"]["id"] == str(account.uuid)
    assert body["data"]["blocked_reason"] == "The key is wrong."
    assert "credentials" not in json.dumps(body) and "sandbox-allomia" not in json.dumps(body)
    circuit_breaker.unblock(account.pk)
    circuit_breaker.block(account.pk, circuit_breaker.Block.UNREACHABLE, "Down.", timezone.now() + timedelta(minutes=1))
    assert told().count("account.blocked") == 2


# Imports.


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
def test_an_import_that_is_over_is_told_once(
    status: str, organization: Organization, endpoint: WebhookEndpoint, api: ApiClient
) -> None:
    people = ContactList.objects.create(organization=organization, name="P")
    found = ContactImport.objects.create(organization=organization, contact_list=people, filename="p.csv")
    assert outbox.publish_finished_imports() == 0
    if status == "canceled":
        job.cancel(found, "olga")
    else:
        ContactImport.objects.update(status=status)
    assert (outbox.publish_finished_imports(), outbox.publish_finished_imports()) == (1, 0)
    assert told() == ["import.finished"]
    assert last()["data"] == api.get(f"/api/v1/imports/{found.uuid}/").json()
