"""Deliver webhooks: claim due rows of the outbox, send each once, store the result.

Delivery is at least once: when a worker dies between sending and storing, its lease ends and the row is sent again with
the same `webhook-id`.

Each attempt goes where the endpoint points when it is claimed, signed with the secrets of that moment. What an answer
means for the endpoint holds only for the address that gave it.

A host has at most `SLOTS` deliveries on the wire over all workers, which a constraint of the table guarantees. The
claim reads the next rows of each host, not the thousands of one host. So a slow or dead receiver delays no other.
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from standardwebhooks import Webhook

from calls.models import Call, WebhookDelivery
from calls.serializers.status_answer import status_answer
from calls.webhooks.outbox import SWITCHED_OFF, address_of
from providers import outgoing
from tenants import failpoints
from tenants.db.encrypted_fields import UndecryptableSecret
from tenants.models import WebhookEndpoint

logger = logging.getLogger(__name__)
DeliveryStatus = WebhookDelivery.Status

SLOTS = (1, 2)  # per host
LEASE = timedelta(seconds=60)
TO_SEND_AND_STORE = timedelta(seconds=2 * outgoing.DEADLINE)  # with less of the lease left, nothing is sent
HOSTS_AT_ONCE = 500
TEST_EVENT = "webhook.test"
GONE = 410
DELETED = "endpoint deleted"
UNREADABLE = "secret not readable"
FOLLOWING = ("url", "host", "status", "last_error")  # columns that follow an endpoint

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
        update(stranded, slot=None, lease_until=None)
    for _ in range(2):  # the second time, deliveries whose endpoint has moved wait under its new host
        wanted = _wanted(now, limit, cursor)
        if not wanted:
            return []
        try:
            with transaction.atomic():
                taken, put_right = _take(wanted, now)
        except IntegrityError:  # another worker has taken a slot of the same host
            return []
        if taken or not put_right:
            break
    if taken:
        failpoints.reach("webhooks.claimed")
    return [claimed for row in taken if (claimed := _signable(row, now))]


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


def _take(wanted: dict[int, int], now: datetime) -> tuple[list[WebhookDelivery], int]:
    """Lease the wanted rows. Return them, and how many were put right instead because their endpoint has changed."""
    due = WebhookDelivery.objects.filter(pk__in=wanted, status=DeliveryStatus.PENDING, slot=None)
    locked = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    named = WebhookEndpoint.objects.filter(pk__in={row.endpoint_id for row in locked if row.endpoint_id})
    endpoints: dict[int | None, WebhookEndpoint] = {endpoint.pk: endpoint for endpoint in named}
    found = [row for row in locked if _goes_there(row, endpoints.get(row.endpoint_id))]
    changed = [row for row in locked if not _goes_there(row, endpoints.get(row.endpoint_id))]
    for slot in SLOTS:
        mine = [row.pk for row in found if wanted[row.pk] == slot]
        if mine:
            due.filter(pk__in=mine).update(slot=slot, lease_until=now + LEASE, attempts=F("attempts") + 1)
    if found:
        failpoints.reach("webhooks.claiming")
    rows = WebhookDelivery.objects.filter(pk__in=[row.pk for row in found]).order_by("next_attempt_at", "pk")
    taken = list(rows.select_related("organization", "call__contact"))
    for row in taken:
        row.endpoint = endpoints.get(row.endpoint_id)
    for row in changed:
        _follow(row, endpoints[row.endpoint_id])
    WebhookDelivery.objects.bulk_update(changed, FOLLOWING)
    return taken, len(changed)


def _signable(row: WebhookDelivery, now: datetime) -> Claim | None:
    """Return the claim. Without a readable secret the delivery waits, and has used no attempt: keys can come back."""
    try:
        return _claim(row, now)
    except UndecryptableSecret:
        logger.error("Webhook %s: none of FIELD_KEYS decrypts its secret. It waits.", row.uuid)
    mine = WebhookDelivery.objects.filter(pk=row.pk, lease_until=row.lease_until)
    back = {"slot": None, "lease_until": None, "attempts": F("attempts") - 1}
    mine.update(**back, next_attempt_at=now + WAITS[1], last_error=UNREADABLE)
    return None


def _goes_there(row: WebhookDelivery, endpoint: WebhookEndpoint | None) -> bool:
    """Return whether a delivery still goes where it waits to go: a callback always does."""
    return endpoint is None or (endpoint.is_active and not endpoint.deleted_at and row.url == endpoint.url)


def _follow(row: WebhookDelivery, endpoint: WebhookEndpoint) -> None:
    """Let an undelivered row follow its endpoint, which was changed while the row was written or on the wire."""
    for name, value in address_of(endpoint).items():
        setattr(row, name, value)
    if endpoint.deleted_at:
        row.status, row.last_error = DeliveryStatus.FAILED, DELETED
    elif not endpoint.is_active:
        row.status, row.last_error = DeliveryStatus.HELD, row.last_error or SWITCHED_OFF


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
        row = mine.select_for_update(of=("self",)).first()
        if row is None:
            return
        gone = answer.status == GONE
        if gone and row.endpoint_id:
            disable(row.endpoint_id, claimed.url, "It answered 410 Gone.")
        endpoint = row.endpoint  # as it is now
        row.slot, row.lease_until, row.last_error = None, None, answer.error_text[:200]
        if endpoint and row.event != TEST_EVENT and (endpoint.url != claimed.url or not endpoint.is_active):
            _leave_to(row, endpoint, claimed.url, now)
        else:
            again = None if gone else _next_attempt(row, now)
            row.status = DeliveryStatus.PENDING if again else DeliveryStatus.FAILED
            row.next_attempt_at = again or row.next_attempt_at
        row.save(update_fields=["slot", "lease_until", "attempts", "next_attempt_at", *FOLLOWING])


def _leave_to(row: WebhookDelivery, endpoint: WebhookEndpoint, answered: str, now: datetime) -> None:
    """Let an undelivered row follow an endpoint that has changed. Attempts at another address do not count."""
    if endpoint.url != answered:
        row.attempts, row.next_attempt_at, row.last_error = 0, now, ""
    _follow(row, endpoint)


def _next_attempt(row: WebhookDelivery, now: datetime) -> datetime | None:
    if row.attempts > len(WAITS) or row.event == TEST_EVENT:
        return None
    return now + WAITS[row.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def disable(endpoint_id: int, url: str, reason: str) -> None:
    """Switch an endpoint off, if it still points to `url`. Its waiting deliveries are held."""
    pointing_there = WebhookEndpoint.objects.filter(pk=endpoint_id, is_active=True, url=url)
    if pointing_there.update(is_active=False, disabled_reason=reason):
        hold(endpoint_id)


def hold(endpoint_id: int) -> None:
    """Hold the waiting deliveries of an endpoint that is switched off. Those on the wire are held when they fail."""
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint_id, status=DeliveryStatus.PENDING, slot=None)
    update(waiting, status=DeliveryStatus.HELD, last_error=SWITCHED_OFF)


@transaction.atomic
def update(rows: QuerySet[WebhookDelivery], **values: Any) -> int:
    """Change deliveries, and return how many. They are locked by key first, as others do: nobody waits in a circle."""
    by_key = rows.order_by("pk").select_for_update().values("pk")
    return WebhookDelivery.objects.filter(pk__in=by_key).update(**values)
