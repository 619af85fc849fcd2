"""Deliver webhooks: claim due rows of the outbox, send each once, store the result.

Delivery is at least once: when a worker dies between sending and storing, its lease ends and the row is sent again with
the same `webhook-id`.

A host has at most `SLOTS` deliveries on the wire over all workers, which a constraint of the table guarantees. The
claim reads the next rows of each host, not the thousands of one host. So a slow or dead receiver delays no other.
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from standardwebhooks import Webhook

from calls.models import Call, WebhookDelivery
from calls.serializers.status_answer import status_answer
from providers import outgoing
from tenants import failpoints
from tenants.models import WebhookEndpoint

logger = logging.getLogger(__name__)
DeliveryStatus = WebhookDelivery.Status

SLOTS = (1, 2)  # per host
LEASE = timedelta(seconds=60)
TO_SEND_AND_STORE = timedelta(seconds=2 * outgoing.DEADLINE)  # with less of the lease left, nothing is sent
HOSTS_AT_ONCE = 500
TEST_EVENT = "webhook.test"
GONE = 410
SWITCHED_OFF = "endpoint switched off"

# Wait after each failed attempt, 20 % more or less. The first attempt comes at once.
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS = (
    timedelta(seconds=5),
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
JITTER = 0.2


@dataclass(frozen=True)
class Claim:
    """A delivery that this worker alone sends until the lease ends. The lease also identifies the claim."""

    pk: int
    message_id: str
    url: str
    host: str
    body: str
    secrets: tuple[str, ...]
    lease_until: datetime
    refused: str = ""  # why the delivery must not be sent at all


@dataclass(frozen=True)
class Answer:
    """The result of sending: an HTTP status, or the reason why there is none."""

    status: int | None = None
    error: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def error_text(self) -> str:
        return self.error or f"answered {self.status}"


# Claiming.

# Each waiting host with its held slots and its next two due rows. The query goes from host to host in an index, so its
# cost grows with the hosts, not with the rows. MIN(host) would read all rows when PostgreSQL's statistics are stale.
# The conditions are literals, because SQLite uses a partial index only when it can read the condition.
_WAITING = "FROM calls_webhookdelivery d WHERE d.status = 'pending' AND d.slot IS NULL"
_NEXT_DUE = f"SELECT d.id {_WAITING} AND d.host = h.host AND d.next_attempt_at <= %s ORDER BY d.next_attempt_at, d.id"
_HELD = "EXISTS (SELECT 1 FROM calls_webhookdelivery d WHERE d.host = h.host AND d.slot = {})"
_HOSTS = f"""
WITH RECURSIVE h (host, n) AS (
    SELECT (SELECT d.host {_WAITING} AND d.host > %s ORDER BY d.host LIMIT 1), 1
    UNION ALL
    SELECT (SELECT d.host {_WAITING} AND d.host > h.host ORDER BY d.host LIMIT 1), h.n + 1
    FROM h WHERE h.host IS NOT NULL AND h.n < {HOSTS_AT_ONCE}
)
SELECT h.host, {_HELD.format(1)}, {_HELD.format(2)}, ({_NEXT_DUE} LIMIT 1), ({_NEXT_DUE} LIMIT 1 OFFSET 1)
FROM h WHERE h.host IS NOT NULL
"""  # noqa: S608 - built from our own constants


class HostCursor:
    """The host after which the next claim begins. Each engine process has one, so that no host is left out."""

    after = ""


def claim(limit: int, cursor: HostCursor) -> list[Claim]:
    """Lease up to `limit` due deliveries, at most two of a host on the wire. Skip what another worker is claiming."""
    now = timezone.now()
    if limit <= 0:
        return []
    stranded = WebhookDelivery.objects.filter(slot__isnull=False, lease_until__lt=now)
    if stranded.exists():  # the workers that held these are dead or stopped
        stranded.update(slot=None, lease_until=None)
    wanted = _wanted(now, limit, cursor)
    if not wanted:
        return []
    try:
        with transaction.atomic():
            taken = _take(wanted, now)
    except IntegrityError:  # another worker has taken a slot of the same host
        return []
    if taken:
        failpoints.reach("webhooks.claimed")
    return [_claim(row, now) for row in taken]


def _wanted(now: datetime, limit: int, cursor: HostCursor) -> dict[int, int]:
    """Return the slot for each row to claim. Hosts take turns when the limit does not reach for all of them."""
    with connection.cursor() as sql:
        sql.execute(_HOSTS, [cursor.after, now, now])
        found = sql.fetchall()
    cursor.after = found[-1][0] if len(found) == HOSTS_AT_ONCE else ""
    wanted: dict[int, int] = {}
    for host, *held, first, second in found:
        free = [slot for slot, taken in zip(SLOTS, held, strict=True) if not taken]
        due = [pk for pk in (first, second) if pk is not None]
        wanted |= dict(zip(due, free, strict=False))
        if len(wanted) >= limit:
            cursor.after = host
            break
    return wanted


def _take(wanted: dict[int, int], now: datetime) -> list[WebhookDelivery]:
    due = WebhookDelivery.objects.filter(pk__in=wanted, status=DeliveryStatus.PENDING, slot=None)
    related = ("endpoint", "organization", "call__contact")
    found = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    for slot in SLOTS:
        mine = [row.pk for row in found if wanted[row.pk] == slot]
        if mine:
            due.filter(pk__in=mine).update(slot=slot, lease_until=now + LEASE, attempts=F("attempts") + 1)
    if found:
        failpoints.reach("webhooks.claiming")
    taken = WebhookDelivery.objects.filter(pk__in=[row.pk for row in found]).select_related(*related)
    return list(taken.order_by("next_attempt_at", "pk"))


def _claim(row: WebhookDelivery, now: datetime) -> Claim:
    assert row.lease_until is not None  # noqa: S101
    endpoint = row.endpoint
    secrets = endpoint.secrets(now) if endpoint else row.organization.webhook_secrets(now)
    return Claim(
        pk=row.pk,
        message_id=str(row.uuid),
        url=row.url,
        host=row.host,
        body=row.body if endpoint or row.call is None else callback_body(row.call),
        secrets=tuple(secrets),
        lease_until=row.lease_until,
        refused=SWITCHED_OFF if endpoint and not endpoint.is_active else "",
    )


def callback_body(call: Call) -> str:
    """Return the answer of `GET /api/outbound/{id}/status`, byte for byte. Needs `contact` loaded."""
    return json.dumps(status_answer(call), ensure_ascii=False, separators=(",", ":"))


# Sending.


async def send(client: outgoing.Client, claimed: Claim) -> Answer | None:
    """Send one request. Return None, without a request, when too little of the lease is left.

    A failure of the receiver is returned as an answer, never raised.
    """
    now = timezone.now()
    if claimed.refused:
        return Answer(error=claimed.refused)
    if now > claimed.lease_until - TO_SEND_AND_STORE:
        return None
    failpoints.reach("webhooks.sending")
    try:
        headers = signed(claimed.message_id, claimed.body, claimed.secrets, now)
        status = await client.post(claimed.url, claimed.body.encode(), headers)
    except outgoing.Undelivered as error:
        return Answer(error=str(error))
    return Answer(status)


def signed(message_id: str, body: str, secrets: tuple[str, ...], now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks, with one signature for each secret."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets),
    }


# Storing the result.


def record(claimed: Claim, answer: Answer) -> None:
    """Store the result, unless another claim has taken the row."""
    now = timezone.now()
    mine = WebhookDelivery.objects.filter(pk=claimed.pk, lease_until=claimed.lease_until)
    if answer.accepted:
        mine.update(status=DeliveryStatus.DELIVERED, delivered_at=now, last_error="", slot=None, lease_until=None)
        return
    with transaction.atomic():
        row = mine.select_for_update(of=("self",)).select_related("endpoint").first()
        if row is None:
            return
        again = None if claimed.refused or answer.status == GONE else _next_attempt(row, now)
        row.slot, row.lease_until, row.last_error = None, None, answer.error_text[:200]
        row.status = DeliveryStatus.PENDING if again else DeliveryStatus.FAILED
        row.next_attempt_at = again or row.next_attempt_at
        row.save(update_fields=["slot", "lease_until", "last_error", "status", "next_attempt_at"])
        if answer.status == GONE and row.endpoint:
            disable(row.endpoint, "It answered 410 Gone.")


def _next_attempt(row: WebhookDelivery, now: datetime) -> datetime | None:
    if row.attempts > len(WAITS) or row.event == TEST_EVENT:
        return None
    return now + WAITS[row.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def disable(endpoint: WebhookEndpoint, reason: str) -> None:
    """Disable an endpoint. Its waiting deliveries become failed and can be replayed."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=True).update(is_active=False, disabled_reason=reason)
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.PENDING, slot=None)
    waiting.update(status=DeliveryStatus.FAILED, last_error=SWITCHED_OFF)
