"""Webhook deliveries: requests, retries, and endpoints that do not delay each other. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from calls.models import Call, Status, WebhookDelivery
from calls.webhooks import delivery, maintenance, outbox
from providers import outgoing
from providers.models import Assistant, PhoneNumber
from tenants.models import Organization, WebhookEndpoint
from tests.calls import support
from tests.calls.test_api_calls import a_call
from tests.conftest import ApiClient
from tests.receivers import Receiver, answer, answering, receiving
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.django_db
D = WebhookDelivery.Status
EVENTS = ["call.ended"]


def an_endpoint(organization: Organization, url: str, **fields: Any) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(organization=organization, url=url, **fields)


def queue(endpoint: WebhookEndpoint, count: int = 1) -> list[WebhookDelivery]:
    """Return deliveries of an event to one endpoint."""
    body = outbox.body_of("call.ended", {"n": 1})
    rows = [outbox.delivery_to(endpoint, "call.ended", body) for _ in range(count)]
    return WebhookDelivery.objects.bulk_create(rows)


def deliver(turns: int = 1, **client: Any) -> int:
    """Claim, send and store as the engine does. Return the number of deliveries sent."""
    turn, sent = delivery.HostCursor(), 0

    async def send(claims: list[delivery.Claim]) -> list[delivery.Answer | None]:
        async with outgoing.Client(**client) as found:
            return list(await asyncio.gather(*(delivery.send(found, each) for each in claims)))

    for _ in range(turns):
        claims = delivery.claim(100, turn)
        for claimed, answered in zip(claims, asyncio.run(send(claims)), strict=True):
            assert answered is not None
            delivery.record(claimed, answered)
        sent += len(claims)
    return sent


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


# Requests.


def test_a_callback_is_the_status_answer_signed_with_the_organizations_secret(
    api: ApiClient, organization: Organization, assistant: Assistant, phone_number: PhoneNumber
) -> None:
    with receiving() as receiver:
        call = a_call(assistant, phone_number, "+33612345678", callback_url=receiver.url, status=Status.BUSY)
        outbox.add_callbacks([call])
        outbox.add_callbacks([call])
        assert deliver(turns=2) == 1
        [got] = receiver.received
    assert got.body == api.get(f"/api/outbound/{call.uuid}/status").content
    assert got.headers["content-type"] == "application/json"
    row = only()
    assert (row.status, row.attempts, row.slot, row.last_error) == (D.DELIVERED, 1, None, "")
    assert got.headers["webhook-id"] == str(row.uuid)
    assert Webhook(organization.webhook_secret).verify(got.body, got.headers)["status"] == "busy"
    with pytest.raises(WebhookVerificationError):
        Webhook(Organization().webhook_secret).verify(got.body, got.headers)


def test_while_a_secret_is_replaced_both_sign(organization: Organization) -> None:
    with receiving() as receiver:
        endpoint = an_endpoint(organization, receiver.url)
        old = endpoint.secret
        endpoint.rotate_secret()
        queue(endpoint)
        deliver()
        with time_machine.travel(timezone.now() + timedelta(hours=25)):
            queue(endpoint)
            deliver()
            first, second = receiver.received
            Webhook(endpoint.secret).verify(second.body, second.headers)
            with pytest.raises(WebhookVerificationError):
                Webhook(old).verify(second.body, second.headers)
        Webhook(endpoint.secret).verify(first.body, first.headers)
        Webhook(old).verify(first.body, first.headers)


def test_an_organizations_old_secret_signs_for_a_day(organization: Organization) -> None:
    old = organization.webhook_secret
    organization.rotate_webhook_secret()
    assert organization.webhook_secrets(timezone.now()) == [organization.webhook_secret, old]
    assert organization.webhook_secrets(timezone.now() + timedelta(hours=25)) == [organization.webhook_secret]


# Retries.


def test_a_receiver_that_fails_for_days_is_tried_ten_times_and_then_listed(organization: Organization) -> None:
    """0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each 20 % more or less; always the same id."""
    hours = [0, 5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    random.seed(11)
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving(answering(500)) as receiver:
        queue(an_endpoint(organization, receiver.url))
        waited = []
        before = timezone.now()
        while only().status == D.PENDING:
            clock.move_to(max(timezone.now(), only().next_attempt_at))
            waited.append((timezone.now() - before) / timedelta(hours=1))
            before = timezone.now()
            assert deliver() == 1
            assert deliver() == 0
    assert len(waited) == 10
    for found, wanted in zip(waited, hours, strict=True):
        assert wanted * 0.79 <= found <= wanted * 1.21
    assert len({round(found / wanted, 3) for found, wanted in zip(waited[1:], hours[1:], strict=True)}) > 3
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1
    assert len({got.body for got in receiver.received}) == 1
    row = only()
    assert (row.status, row.attempts, row.last_error) == (D.FAILED, 10, "answered 500")


def test_after_a_bad_day_everything_is_delivered(organization: Organization) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock, receiving(answering(500)) as receiver:
        queue(an_endpoint(organization, receiver.url), 3)
        for _ in range(24):
            deliver(turns=3)
            clock.shift(timedelta(hours=1))
        assert {row.status for row in WebhookDelivery.objects.all()} == {D.PENDING}
        receiver.act = answering(200)
        clock.shift(timedelta(hours=20))
        deliver(turns=3)
    assert {row.status for row in WebhookDelivery.objects.all()} == {D.DELIVERED}


def test_a_redirect_is_no_delivery_and_is_not_followed(organization: Organization) -> None:
    with receiving() as inside, receiving(answering(302, {"Location": inside.url})) as receiver:
        queue(an_endpoint(organization, receiver.url))
        deliver()
        assert inside.connections == 0
    assert (only().status, only().last_error) == (D.PENDING, "answered 302")


def test_410_switches_the_endpoint_off_and_keeps_what_waited(organization: Organization) -> None:
    with receiving(answering(410)) as receiver:
        endpoint = an_endpoint(organization, receiver.url)
        queue(endpoint, 5)
        deliver(turns=3)
        endpoint.refresh_from_db()
        assert (endpoint.is_active, endpoint.disabled_reason) == (False, "It answered 410 Gone.")
        assert {row.status for row in WebhookDelivery.objects.all()} == {D.HELD}
        assert {row.last_error for row in WebhookDelivery.objects.all()} == {"answered 410", "endpoint switched off"}
        endpoint.is_active = True
        late = queue(endpoint)[0]  # written by a transaction that did not see the change
        had = len(receiver.received)
        deliver()
        late.refresh_from_db()
        assert (late.status, late.last_error, len(receiver.received)) == (D.HELD, "endpoint switched off", had)


def test_410_ends_a_callback(assistant: Assistant, phone_number: PhoneNumber) -> None:
    with receiving(answering(410)) as receiver:
        outbox.add_callbacks(
            [a_call(assistant, phone_number, "+33612345678", callback_url=receiver.url, status="busy")]
        )
        deliver()
    assert (only().status, only().last_error) == (D.FAILED, "answered 410")


def test_a_name_that_has_moved_inside_since_it_was_saved_is_not_contacted(
    organization: Organization, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK_URLS = False
    with receiving() as receiver:
        queue(an_endpoint(organization, f"https://rebinding.example.org:{receiver.port}/"))
        deliver(lookup=lambda host, port, **_: [(2, 1, 0, "", ("127.0.0.1", port))])
        assert receiver.connections == 0
    assert (only().status, only().last_error) == (D.PENDING, "address not public")


# At least once, and never twice at the same time.


def test_a_crash_between_sending_and_storing_sends_the_same_id_again(organization: Organization) -> None:
    with receiving() as receiver, time_machine.travel(timezone.now(), tick=False) as clock:
        queue(an_endpoint(organization, receiver.url))
        [lost] = delivery.claim(10, delivery.HostCursor())

        async def send() -> delivery.Answer | None:
            async with outgoing.Client() as client:
                return await delivery.send(client, lost)

        answered = asyncio.run(send())
        assert deliver() == 0  # it is leased
        clock.shift(delivery.LEASE + timedelta(seconds=1))
        assert deliver() == 1
        first, second = receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        done = only()
        assert answered is not None
        delivery.record(lost, delivery.Answer(500))  # the sleeping process wakes too late to store a result
        assert (only().status, only().delivered_at) == (D.DELIVERED, done.delivered_at)


def test_who_has_overslept_does_not_send(organization: Organization) -> None:
    with receiving() as receiver, time_machine.travel(timezone.now(), tick=False) as clock:
        queue(an_endpoint(organization, receiver.url))
        [claimed] = delivery.claim(10, delivery.HostCursor())
        clock.shift(timedelta(seconds=45))

        async def send() -> delivery.Answer | None:
            async with outgoing.Client() as client:
                return await delivery.send(client, claimed)

        assert asyncio.run(send()) is None
        assert receiver.connections == 0


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_take_one_delivery_twice(organization: Organization) -> None:
    for port in range(20):
        queue(an_endpoint(organization, f"http://127.0.0.1:{9000 + port}/"), 10)
    taken: list[delivery.Claim] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            turn = delivery.HostCursor()
            barrier.wait()
            for _ in range(5):
                taken.extend(delivery.claim(100, turn))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert max(Counter(each.pk for each in taken).values()) == 1
    assert Counter(each.host for each in taken) == {f"127.0.0.1:{9000 + port}": 2 for port in range(20)}


# Slow endpoints do not delay others.


def test_a_host_has_two_on_the_wire_at_most(organization: Organization) -> None:
    queue(an_endpoint(organization, "http://127.0.0.1:9001/a"), 10)
    queue(an_endpoint(organization, "http://127.0.0.1:9001/b"), 10)
    turn = delivery.HostCursor()
    assert len(delivery.claim(100, turn)) == 2
    assert delivery.claim(100, turn) == []


def test_thousands_of_due_rows_of_one_host_do_not_stand_before_another(organization: Organization) -> None:
    queue(an_endpoint(organization, "http://127.0.0.1:9001/"), 3000)
    queue(an_endpoint(organization, "http://127.0.0.1:9002/"), 1)
    claims = delivery.claim(100, delivery.HostCursor())
    assert Counter(each.host for each in claims) == {"127.0.0.1:9001": 2, "127.0.0.1:9002": 1}


def test_the_claim_asks_an_index_and_not_the_rows(organization: Organization) -> None:
    for port in range(5):
        queue(an_endpoint(organization, f"http://127.0.0.1:{9000 + port}/"), 400)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE calls_webhookdelivery")
            cursor.execute("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
        cursor.execute(explain + delivery._HOSTS, ["", timezone.now(), timezone.now()])
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "webhook_due" in plan
    assert "Seq Scan on calls_webhookdelivery" not in plan and "SCAN d" not in plan


def test_when_there_are_more_hosts_than_room_they_take_turns(organization: Organization) -> None:
    for port in range(10):
        queue(an_endpoint(organization, f"http://127.0.0.1:{9000 + port}/"), 2)
    turn = delivery.HostCursor()
    hosts = [{each.host for each in delivery.claim(4, turn)} for _ in range(5)]
    assert len(set.union(*hosts)) == 10


def test_a_dead_and_a_slow_receiver_delay_nobody_else(callers: Organization) -> None:
    """With the engine: slow endpoints hold their two slots, and the others finish long before."""
    release = threading.Event()

    def never(handler: Any) -> None:
        release.wait(PATIENCE)
        answer(handler, 200)

    with receiving(never) as dead, receiving() as lively, receiving() as other:
        for receiver in (dead, lively, other):
            queue(an_endpoint(callers, receiver.url), 40)
        with support.engine():
            eventually(lambda: len(lively.received) == len(other.received) == 40)
            assert dead.at_once == len(dead.received) == 2
            eventually(lambda: WebhookDelivery.objects.filter(status=D.DELIVERED).count() == 80)
            release.set()
    assert lively.at_once <= 2


def test_the_engine_tells_of_a_call_that_ended(callers: Organization, sandbox: Any) -> None:
    """From order to receiver: the call's callback and the endpoint's events of one answered call."""
    with receiving() as theirs, receiving() as events:
        an_endpoint(callers, events.url, events=["call.placed", "call.answered", "call.ended"])
        number = support.reach(callers, sandbox.url, "allomia")
        call = support.single(number, "+12125550100", callback_url=theirs.url)
        with support.engine():
            eventually(lambda: len(theirs.received) == 1 and len(events.received) == 3)
    told = [json.loads(got.body) for got in events.received]
    assert sorted(each["type"] for each in told) == ["call.answered", "call.ended", "call.placed"]
    assert {each["data"]["id"] for each in told} == {str(call.uuid)}
    assert json.loads(theirs.received[0].body)["status"] == "completed"
    assert Call.objects.get().status == Status.COMPLETED


# Sending again, and clean-up.


def test_replayed_it_has_the_same_id(organization: Organization, receiver: Receiver) -> None:
    row = queue(an_endpoint(organization, receiver.url))[0]
    deliver()
    maintenance.replay(row)
    deliver()
    assert [got.headers["webhook-id"] for got in receiver.received] == [str(row.uuid)] * 2


@pytest.fixture
def receiver() -> Any:
    with receiving() as found:
        yield found


def test_what_is_on_the_wire_is_not_replayed(organization: Organization, receiver: Receiver) -> None:
    row = queue(an_endpoint(organization, receiver.url))[0]
    [claimed] = delivery.claim(10, delivery.HostCursor())
    maintenance.replay(row)
    delivery.record(claimed, delivery.Answer(204))
    assert (only().status, only().attempts) == (D.DELIVERED, 1)


def test_a_test_is_sent_once(organization: Organization) -> None:
    with receiving(answering(500)) as receiver:
        maintenance.send_test(an_endpoint(organization, receiver.url))
        deliver()
        assert json.loads(receiver.received[0].body)["type"] == "webhook.test"
    assert (only().status, only().attempts) == (D.FAILED, 1)


def test_what_waits_goes_where_the_endpoint_points_now(organization: Organization, receiver: Receiver) -> None:
    endpoint = an_endpoint(organization, "http://127.0.0.1:9/")
    queue(endpoint)
    endpoint.url = receiver.url
    endpoint.save()
    maintenance.apply_endpoint_change(endpoint)
    deliver()
    assert (only().status, only().host) == (D.DELIVERED, f"127.0.0.1:{receiver.port}")


def test_what_is_replayed_goes_where_the_endpoint_points_now(organization: Organization, receiver: Receiver) -> None:
    """A change leaves what has failed or is held alone: it may be very much, and it follows when it is replayed."""
    old = "http://127.0.0.1:9/"
    endpoint = an_endpoint(organization, old)
    for row, status in zip(queue(endpoint, 2), (D.FAILED, D.HELD), strict=True):
        WebhookDelivery.objects.filter(pk=row.pk).update(status=status)
    endpoint.url = receiver.url
    endpoint.save()
    maintenance.apply_endpoint_change(endpoint)
    assert set(WebhookDelivery.objects.values_list("url", flat=True)) == {old}
    for row in WebhookDelivery.objects.all():
        maintenance.replay(row)
    deliver(3)
    assert set(WebhookDelivery.objects.values_list("status", "url")) == {(D.DELIVERED, receiver.url)}
    assert len(receiver.received) == 2


def test_the_purge_takes_what_is_old_in_bounded_parts_and_forgets_no_callback(
    organization: Organization, assistant: Assistant, phone_number: PhoneNumber, api: ApiClient
) -> None:
    endpoint = an_endpoint(organization, "http://127.0.0.1:9/")
    call = a_call(assistant, phone_number, "+33612345678", callback_url="https://example.org/x", status="busy")
    outbox.add_callbacks([call])
    queue(endpoint, 12)
    now = timezone.now()
    ages = {D.DELIVERED: 31, D.FAILED: 91, D.PENDING: 400}
    rows = list(WebhookDelivery.objects.order_by("pk"))
    for row, status in zip(rows, [D.DELIVERED] * 5 + [D.FAILED] * 5 + [D.PENDING] * 3, strict=True):
        WebhookDelivery.objects.filter(pk=row.pk).update(status=status, created_at=now - timedelta(days=ages[status]))
    WebhookDelivery.objects.filter(pk=rows[4].pk).update(created_at=now - timedelta(days=29))
    WebhookDelivery.objects.filter(pk=rows[9].pk).update(created_at=now - timedelta(days=89))
    assert maintenance.purge(limit=3) == 6
    assert maintenance.purge(limit=3) == 2
    assert maintenance.purge(limit=3) == 0
    assert WebhookDelivery.objects.count() == 5
    assert api.get(f"/api/v1/calls/{call.uuid}/").json()["callback_status"] == "delivered"
