"""Changes of an endpoint while its deliveries wait, are written or are on the wire; held deliveries; deletion.

Steps of both sides are taken one after the other, in the order that a test names, so that no race is left to chance.
"""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from calls.actions import erasure
from calls.api.webhooks import WebhookEndpointSerializer
from calls.models import WebhookDelivery
from calls.webhooks import delivery, maintenance, outbox
from providers.models import Assistant, PhoneNumber
from tenants.models import AuditEntry, Organization, WebhookEndpoint
from tests.calls.test_api_calls import a_call
from tests.calls.test_interleavings import Beside
from tests.calls.test_webhooks import an_endpoint, deliver, only, queue
from tests.conftest import ApiClient
from tests.receivers import answering, receiving
from tests.test_admin import SignIn, sign_in
from tests.waiting import PATIENCE

__all__ = ["sign_in"]
pytestmark = pytest.mark.django_db
D = WebhookDelivery.Status
ENDPOINTS, DELIVERIES = "/api/v1/webhook-endpoints/", "/api/v1/webhook-deliveries/"
OLD, NEW = "http://127.0.0.1:9001/old", "http://127.0.0.1:9002/new"


@pytest.fixture
def endpoint(organization: Organization) -> WebhookEndpoint:
    return an_endpoint(organization, OLD)


def claim() -> list[delivery.Claim]:
    return delivery.claim(10, delivery.HostCursor())


def move(endpoint: WebhookEndpoint, api: ApiClient, **change: Any) -> None:
    assert api.patch(f"{ENDPOINTS}{endpoint.uuid}/", change).status_code == 200
    endpoint.refresh_from_db()


def state(row: WebhookDelivery) -> tuple[str, str, int]:
    row.refresh_from_db()
    return row.status, row.url, row.attempts


# Every attempt goes where the endpoint points at that moment.


def test_an_attempt_that_fails_after_the_address_changed_is_repeated_at_the_new_one(
    endpoint: WebhookEndpoint, api: ApiClient
) -> None:
    for answer in (delivery.Answer(500), delivery.Answer(error="timed out"), delivery.Answer(410)):
        WebhookDelivery.objects.all().delete()
        WebhookEndpoint.objects.update(url=OLD, is_active=True)
        [row] = queue(endpoint)
        [claimed] = claim()
        move(endpoint, api, url=NEW)
        delivery.record(claimed, answer)
        assert claimed.url == OLD
        assert state(row) == (D.PENDING, NEW, 0)  # its tries begin afresh
        assert row.last_error == ""  # what the old address answered is not held against the new one
        assert endpoint.is_active and endpoint.disabled_reason == ""
        [again] = claim()  # at once
        assert (again.url, again.host, again.message_id) == (NEW, "127.0.0.1:9002", str(row.uuid))
        delivery.record(again, delivery.Answer(204))
        assert state(row) == (D.DELIVERED, NEW, 1)


def test_a_410_switches_off_what_gave_it_and_only_that(endpoint: WebhookEndpoint, api: ApiClient) -> None:
    first, second, waiting = queue(endpoint, 3)
    claims = {each.pk: each for each in claim()}
    move(endpoint, api, url=NEW)
    delivery.record(claims[first.pk], delivery.Answer(410))  # of the old address
    endpoint.refresh_from_db()
    assert endpoint.is_active
    move(endpoint, api, url=OLD)  # it comes back before the second answer
    delivery.record(claims[second.pk], delivery.Answer(410))
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "It answered 410 Gone.")
    assert {state(row)[:2] for row in (first, second, waiting)} == {(D.HELD, OLD)}


def test_a_change_that_is_not_seen_yet_wins_over_a_410(endpoint: WebhookEndpoint, api: ApiClient) -> None:
    """The change comes between the look at the endpoint and the switch: the condition of the update decides."""
    move(endpoint, api, url=NEW)
    delivery.disable(endpoint.pk, OLD, "It answered 410 Gone.")
    endpoint.refresh_from_db()
    assert endpoint.is_active


def test_a_delivery_that_was_accepted_is_delivered_where_it_went(endpoint: WebhookEndpoint, api: ApiClient) -> None:
    [row] = queue(endpoint)
    [claimed] = claim()
    move(endpoint, api, url=NEW, is_active=False)
    delivery.record(claimed, delivery.Answer(204))
    assert state(row) == (D.DELIVERED, OLD, 1)


def test_what_a_transaction_wrote_for_the_old_address_goes_to_the_new_one(
    endpoint: WebhookEndpoint, api: ApiClient
) -> None:
    stale = WebhookEndpoint.objects.get()  # read by a transaction that commits after the change
    move(endpoint, api, url=NEW)
    [row] = queue(stale)
    assert row.url == OLD
    [claimed] = claim()  # one turn of the engine is enough
    assert (claimed.url, claimed.host) == (NEW, "127.0.0.1:9002")
    assert state(row) == (D.PENDING, NEW, 1)


def test_a_host_has_two_on_the_wire_though_deliveries_come_from_another(
    organization: Organization, api: ApiClient
) -> None:
    moving, staying = an_endpoint(organization, OLD), an_endpoint(organization, NEW)
    queue(staying, 2)
    assert len(claim()) == 2
    stale = WebhookEndpoint.objects.get(pk=moving.pk)
    move(moving, api, url=NEW)
    queue(stale, 3)
    assert claim() == []
    assert set(WebhookDelivery.objects.values_list("host", flat=True)) == {"127.0.0.1:9002"}


def test_a_replay_goes_where_the_endpoint_points_now(endpoint: WebhookEndpoint, api: ApiClient) -> None:
    [row] = queue(endpoint)
    [claimed] = claim()
    delivery.record(claimed, delivery.Answer(204))
    move(endpoint, api, url=NEW)
    maintenance.replay(row)
    assert [each.url for each in claim()] == [NEW]


def test_the_secrets_are_those_of_the_claim(endpoint: WebhookEndpoint) -> None:
    queue(endpoint)
    endpoint.rotate_secret()
    endpoint.rotate_secret()
    assert [each.secrets for each in claim()] == [(endpoint.secret, endpoint.old_secret)]


@pytest.mark.parametrize("lost", ["of the endpoint", "of the organization"])
def test_a_secret_that_cannot_be_decrypted_stops_its_own_deliveries_alone(
    lost: str, endpoint: WebhookEndpoint, organization: Organization, settings: Any
) -> None:
    other = Organization.objects.create(tenant=organization.tenant, name="Other")
    [held], [sent] = queue(endpoint), queue(an_endpoint(other, NEW))
    kept, gone = settings.FIELD_KEYS, Fernet.generate_key().decode()
    settings.FIELD_KEYS = [gone]
    if lost == "of the organization":  # it signs callbacks
        WebhookDelivery.objects.filter(pk=held.pk).update(endpoint=None)
        organization.save()
    else:
        endpoint.save()
    settings.FIELD_KEYS = kept
    assert [claimed.pk for claimed in claim()] == [sent.pk]
    assert state(held) == (D.PENDING, OLD, 0), "no attempt is used"
    assert (held.slot, held.last_error) == (None, "secret not readable")
    settings.FIELD_KEYS = [*kept, gone]
    WebhookDelivery.objects.filter(pk=held.pk).update(next_attempt_at=timezone.now())
    assert [claimed.pk for claimed in claim()] == [held.pk], "the key is back"


def test_an_edit_does_not_undo_a_410_that_came_while_it_was_made(
    endpoint: WebhookEndpoint, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit read the endpoint as active; it says nothing about that, so it must not write it back."""
    real = WebhookEndpointSerializer.is_valid

    def validated(self: Any, **given: Any) -> bool:
        delivery.disable(endpoint.pk, OLD, "It answered 410 Gone.")
        return real(self, **given)

    monkeypatch.setattr(WebhookEndpointSerializer, "is_valid", validated)
    assert api.patch(f"{ENDPOINTS}{endpoint.uuid}/", {"description": "CRM"}).json()["is_active"] is False
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.description) == (False, "CRM")


def test_an_edit_does_not_bring_back_an_endpoint_that_was_deleted_meanwhile(
    endpoint: WebhookEndpoint, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = WebhookEndpointSerializer.is_valid

    def validated(self: Any, **given: Any) -> bool:
        maintenance.delete(WebhookEndpoint.objects.get())
        return real(self, **given)

    monkeypatch.setattr(WebhookEndpointSerializer, "is_valid", validated)
    assert api.patch(f"{ENDPOINTS}{endpoint.uuid}/", {"url": NEW, "is_active": True}).status_code == 404
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.url) == (False, OLD)


# Held.


def test_an_attempt_that_fails_after_the_endpoint_was_switched_off_is_held(
    endpoint: WebhookEndpoint, api: ApiClient
) -> None:
    [row] = queue(endpoint)
    [claimed] = claim()
    move(endpoint, api, url=NEW, is_active=False)
    delivery.record(claimed, delivery.Answer(500))
    assert state(row) == (D.HELD, NEW, 0)
    assert claim() == []


def test_what_was_missed_is_sent_by_hand(
    organization: Organization, api: ApiClient, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        endpoint = an_endpoint(organization, receiver.url)
        path = f"{ENDPOINTS}{endpoint.uuid}/"
        waiting = queue(endpoint)[0]
        move(endpoint, api, is_active=False)
        missed = queue(endpoint, 4)
        assert {row.status for row in WebhookDelivery.objects.all()} == {D.HELD}
        assert deliver(turns=2) == 0
        assert api.post(f"{path}replay-held/").status_code == 409
        manager = sign_in(organization, "manager")
        page = reverse("admin:tenants_webhookendpoint_change", args=[endpoint.pk])
        button = reverse("admin:tenants_webhookendpoint_step", args=[endpoint.pk, "replay-held"])
        assert "5. Events while an endpoint is switched off are held" in manager.get(page).content.decode()
        assert button not in manager.get(page).content.decode()
        move(endpoint, api, is_active=True)
        assert deliver() == 0  # nothing goes out by itself
        monkeypatch.setattr(maintenance, "REPLAYED_AT_ONCE", 2)
        assert api.post(f"{path}replay-held/").json() == {"replayed": 2, "more": True}
        assert deliver(turns=2) == 2
        arrived = {got.headers["webhook-id"] for got in receiver.received}  # two at once: in either order
        assert arrived == {str(waiting.uuid), str(missed[0].uuid)} and len(receiver.received) == 2
        assert button in manager.get(page).content.decode()
        assert sign_in(organization, "operator").post(button).status_code == 404
        assert "2 held deliveries are sent now" in manager.post(button, follow=True).content.decode()
        sent = AuditEntry.objects.filter(action="webhook_endpoint.replayed_held").order_by("pk")
        assert [(entry.channel, entry.detail["deliveries"]) for entry in sent] == [("api", 2), ("page", 2)]
        monkeypatch.setattr(maintenance, "REPLAYED_AT_ONCE", 10)
        span = {"created_after": "2020-01-01T00:00:00Z", "created_before": "2100-01-01T00:00:00Z"}
        assert api.post(f"{DELIVERIES}replay/", {**span, "status": "failed"}).json()["replayed"] == 0
        assert api.post(f"{DELIVERIES}replay/", span).json() == {"replayed": 1, "more": False}
        assert api.post(f"{path}replay-held/").json() == {"replayed": 0, "more": False}
        assert deliver(turns=3) == 3
    assert {row.status for row in WebhookDelivery.objects.all()} == {D.DELIVERED}


def test_held_deliveries_are_bounded_by_age_and_number(
    endpoint: WebhookEndpoint, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "HELD_AT_MOST", 3)
    endpoint.is_active = False
    other = an_endpoint(organization, NEW, is_active=False)
    rows, others = queue(endpoint, 8), queue(other, 2)
    WebhookDelivery.objects.filter(pk=rows[7].pk).update(created_at=timezone.now() - timedelta(days=31))
    assert maintenance.purge(limit=4) == 5  # the four oldest rows of the surplus, and one by its age
    assert maintenance.purge(limit=4) == 0
    assert set(WebhookDelivery.objects.all()) == {*rows[4:7], *others}


def test_an_erased_person_is_in_no_held_delivery_and_the_delivery_stays(
    endpoint: WebhookEndpoint, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    call = a_call(assistant, phone_number, "+33612345678", status="busy", error_message="Ada was not at home")
    endpoint.is_active = False
    body = outbox.body_of("call.ended", outbox._call_object(call))
    outbox.delivery_to(endpoint, "call.ended", body, call).save()
    assert "Ada was not at home" in only().body
    erasure.erase(call.contact, actor="", reason="Asked for it.", never_again=False)
    assert only().status == D.HELD
    assert "Ada" not in only().body and "612345678" not in only().body


# Deleted.


def test_what_a_deleted_endpoint_was_told_stays_as_long_as_the_docs_say(
    endpoint: WebhookEndpoint, organization: Organization, api: ApiClient, sign_in: SignIn
) -> None:
    endpoint.description = "Our CRM"
    endpoint.save()
    told, on_the_wire, waiting = queue(endpoint, 3)
    WebhookDelivery.objects.filter(pk=told.pk).update(status=D.DELIVERED)
    [claimed] = [each for each in claim() if each.pk == on_the_wire.pk]
    path = f"{ENDPOINTS}{endpoint.uuid}/"
    assert api.delete(path).status_code == 204
    delivery.record(claimed, delivery.Answer(500))
    late = queue(WebhookEndpoint(pk=endpoint.pk, organization=organization, url=OLD))[0]
    WebhookDelivery.objects.filter(slot__isnull=False).update(slot=None, lease_until=None)  # a worker died
    assert claim() == []
    assert [state(row)[0] for row in (told, on_the_wire, waiting, late)] == [D.DELIVERED, *[D.FAILED] * 3]
    for gone in (api.get(path), api.patch(path, {"is_active": True}), api.post(f"{path}replay-held/")):
        assert gone.status_code == 404
    assert api.get(ENDPOINTS).json()["results"] == []
    assert len(api.get(f"{DELIVERIES}?endpoint={endpoint.uuid}").json()["results"]) == 4
    assert api.post(f"{DELIVERIES}{waiting.uuid}/replay/").status_code == 409
    page = sign_in(organization, "manager").get(reverse("admin:calls_webhookdelivery_change", args=[told.pk]))
    assert "Our CRM (deleted)" in page.content.decode() and OLD in page.content.decode()
    endpoint.refresh_from_db()
    assert (endpoint.secret, endpoint.old_secret) == ("", None)
    outbox.publish(organization.pk, "call.ended", dict)
    assert WebhookDelivery.objects.count() == 4


def test_a_deleted_endpoint_goes_with_its_last_delivery(endpoint: WebhookEndpoint, organization: Organization) -> None:
    kept = an_endpoint(organization, NEW)
    [row] = queue(endpoint)
    maintenance.delete(endpoint)
    long_ago = timezone.now() - timedelta(days=91)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(deleted_at=long_ago)
    maintenance.purge()
    assert WebhookEndpoint.objects.count() == 2
    WebhookDelivery.objects.filter(pk=row.pk).update(created_at=long_ago)
    maintenance.purge()
    assert [*WebhookEndpoint.objects.all(), *WebhookDelivery.objects.all()] == [kept]


def test_an_endpoint_that_was_just_deleted_is_kept_for_transactions_that_still_name_it(
    endpoint: WebhookEndpoint,
) -> None:
    """Else the outcome of a call would be lost with the delivery that cannot be written."""
    maintenance.delete(endpoint)
    maintenance.purge()
    assert WebhookEndpoint.objects.filter(pk=endpoint.pk).exists()


def test_an_endpoint_that_is_gone_answers_nothing_more(endpoint: WebhookEndpoint) -> None:
    with receiving(answering(410)) as receiver:
        WebhookEndpoint.objects.update(url=receiver.url)
        queue(WebhookEndpoint.objects.get())
        maintenance.delete(WebhookEndpoint.objects.get())
        assert deliver(turns=2) == 0
        assert receiver.connections == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite runs one writer at a time")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["hold", "send again", "move", "delete"])
def test_many_deliveries_are_locked_by_key_so_that_two_do_not_wait_for_each_other(
    what: str, endpoint: WebhookEndpoint
) -> None:
    first, second = queue(endpoint, 2)
    if what == "send again":
        WebhookDelivery.objects.update(status=D.HELD)
    WebhookDelivery.objects.filter(pk=first.pk).update(attempts=1)  # its row lies behind the second one now
    work = {
        "hold": lambda: delivery.hold(endpoint.pk),
        "send again": lambda: maintenance.replay_held(endpoint),
        "move": lambda: maintenance.apply_endpoint_change(WebhookEndpoint(pk=endpoint.pk, url=NEW, is_active=True)),
        "delete": lambda: maintenance.delete(WebhookEndpoint.objects.get()),
    }[what]
    reached, go_on = Event(), Event()

    def lock_both() -> None:
        with transaction.atomic():
            WebhookDelivery.objects.select_for_update().get(pk=first.pk)
            reached.set()
            assert go_on.wait(PATIENCE)
            WebhookDelivery.objects.select_for_update(nowait=True).get(pk=second.pk)

    holder = Beside(lock_both)
    assert reached.wait(PATIENCE)
    beside = Beside(work)
    assert beside.waits_for_a_lock()
    go_on.set()
    holder.join()
    beside.join()
