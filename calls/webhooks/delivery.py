"""Webhooks on their way: due rows of the outbox are claimed, sent once each, and what came of it is stored.

At least once: a worker that dies between sending and storing leaves a lease behind; when it ends the row is sent again,
with the same `webhook-id`. A host has at most `SLOTS` deliveries on the wire, over all workers, which a constraint of
the table holds; and the claim asks for the next rows of each host, never through one host's thousands. So a receiver
that is slow or dead delays nobody else.
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
State = WebhookDelivery.Status

SLOTS = (1, 2)  # per host
LEASE = timedelta(seconds=60)
TO_SEND_AND_STORE = timedelta(seconds=2 * outgoing.DEADLINE)  # who has less of the lease left does not send
HOSTS_AT_ONCE = 500
TEST_EVENT = "webhook.test"
GONE = 410
SWITCHED_OFF = "endpoint switched off"

# How long after each failed attempt the next one comes, 20 % more or less. The first attempt is at once.
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
    """A delivery that is ours to send until its lease ends. The lease is also the token of this claim."""

    pk: int
    message_id: str
    url: str
    host: str
    body: str
    secrets: tuple[str, ...]
    lease_until: datetime
    refused: str = ""  # why it must not be sent at all


@dataclass(frozen=True)
class Answer:
    """What came of sending: a status, or words for why there is none."""

    status: int | None = None
    error: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def words(self) -> str:
        return self.error or f"answered {self.status}"


# Claiming.

# Each host that waits, its free slots and its next due rows. The steps from host to host are steps in an index, so this
# costs by the host, not by the row; MIN(host) would read all rows where PostgreSQL's statistics are stale. Literals,
# because SQLite uses a partial index only where it can read the condition.
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
"""  # noqa: S608 - made of our own constants


class Round:
    """Where the claiming has come to, host by host. One per engine slice, so that no host is left out."""

    after = ""


def claim(limit: int, turn: Round) -> list[Claim]:
    """Take due deliveries, at most two of a host on the wire. What another worker is taking is left to it."""
    now = timezone.now()
    if limit <= 0:
        return []
    stranded = WebhookDelivery.objects.filter(slot__isnull=False, lease_until__lt=now)
    if stranded.exists():  # whoever held these is dead or asleep
        stranded.update(slot=None, lease_until=None)
    wanted = _wanted(now, limit, turn)
    if not wanted:
        return []
    try:
        with transaction.atomic():
            taken = _take(wanted, now)
    except IntegrityError:  # two workers met at one host: the other has it
        return []
    if taken:
        failpoints.reach("webhooks.claimed")
    return [_claim(row, now) for row in taken]


def _wanted(now: datetime, limit: int, turn: Round) -> dict[int, int]:
    """The slot to put each row into. Hosts take turns when there are more of them than room."""
    with connection.cursor() as cursor:
        cursor.execute(_HOSTS, [turn.after, now, now])
        found = cursor.fetchall()
    turn.after = found[-1][0] if len(found) == HOSTS_AT_ONCE else ""
    wanted: dict[int, int] = {}
    for host, *held, first, second in found:
        free = [slot for slot, taken in zip(SLOTS, held, strict=True) if not taken]
        due = [pk for pk in (first, second) if pk is not None]
        wanted |= dict(zip(due, free, strict=False))
        if len(wanted) >= limit:
            turn.after = host
            break
    return wanted


def _take(wanted: dict[int, int], now: datetime) -> list[WebhookDelivery]:
    due = WebhookDelivery.objects.filter(pk__in=wanted, status=State.PENDING, slot=None)
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
    """What `GET /api/outbound/{id}/status` answers, byte for byte. Needs `contact` loaded."""
    return json.dumps(status_answer(call), ensure_ascii=False, separators=(",", ":"))


# Sending.


async def send(client: outgoing.Client, claimed: Claim) -> Answer | None:
    """One request, or none when too little of the lease is left. Never raises for what the other side does."""
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
    """The headers of Standard Webhooks, with a signature by each secret."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets),
    }


# Storing what came of it.


def record(claimed: Claim, answer: Answer) -> None:
    """Store it, if the row is still this claim's."""
    now = timezone.now()
    mine = WebhookDelivery.objects.filter(pk=claimed.pk, lease_until=claimed.lease_until)
    if answer.accepted:
        mine.update(status=State.DELIVERED, delivered_at=now, last_error="", slot=None, lease_until=None)
        return
    with transaction.atomic():
        row = mine.select_for_update(of=("self",)).select_related("endpoint").first()
        if row is None:
            return
        again = None if claimed.refused or answer.status == GONE else _next_attempt(row, now)
        row.slot, row.lease_until, row.last_error = None, None, answer.words[:200]
        row.status = State.PENDING if again else State.FAILED
        row.next_attempt_at = again or row.next_attempt_at
        row.save(update_fields=["slot", "lease_until", "last_error", "status", "next_attempt_at"])
        if answer.status == GONE and row.endpoint:
            disable(row.endpoint, "It answered 410 Gone.")


def _next_attempt(row: WebhookDelivery, now: datetime) -> datetime | None:
    if row.attempts > len(WAITS) or row.event == TEST_EVENT:
        return None
    return now + WAITS[row.attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


def disable(endpoint: WebhookEndpoint, reason: str) -> None:
    """Nothing more goes there; what waited is kept as failed, and may be replayed."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=True).update(is_active=False, disabled_reason=reason)
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=State.PENDING, slot=None)
    waiting.update(status=State.FAILED, last_error=SWITCHED_OFF)
