"""Maintain webhook deliveries: replay, send a test, follow a change or the end of an endpoint, purge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone

from calls.models import Call, WebhookDelivery
from calls.webhooks import outbox
from calls.webhooks.delivery import DELETED, TEST_EVENT, hold, update
from tenants.models import WebhookEndpoint

DeliveryStatus = WebhookDelivery.Status

DELIVERED_KEPT = timedelta(days=30)
FAILED_KEPT = timedelta(days=90)
HELD_KEPT = timedelta(days=30)
DELETED_KEPT = timedelta(days=1)  # endpoints: a transaction that is open now may still write a delivery to one
HELD_AT_MOST = 100_000  # of an endpoint: the newest
PURGED_AT_ONCE = 1000
REPLAYED_AT_ONCE = 10_000


class DeliveryRefused(Exception):
    """Nothing can be delivered to the endpoint now. The message is a sentence for people."""


def replay(delivery: WebhookDelivery) -> None:
    """Send a delivery again with the same id and body, as if for the first time. Raises DeliveryRefused."""
    if delivery.endpoint:
        _require_active(delivery.endpoint)
    _requeue(WebhookDelivery.objects.filter(pk=delivery.pk))


def replay_range(
    deliveries: QuerySet[WebhookDelivery],
    statuses: Collection[str],
    after: datetime,
    before: datetime,
    endpoint: WebhookEndpoint | None = None,
) -> Mapping[int, int]:
    """Send again the deliveries with one of these statuses that were created in a time range, in a transaction.

    Return how many of each organization, by its key, where there are any. At most REPLAYED_AT_ONCE, the oldest first.
    Deliveries to endpoints that are switched off are left out.
    """
    found = deliveries.filter(status__in=statuses, created_at__gte=after, created_at__lt=before)
    found = found.exclude(endpoint__is_active=False)
    found = found.filter(endpoint=endpoint) if endpoint else found
    chosen = _idle(found.order_by("pk")[:REPLAYED_AT_ONCE]).order_by("pk").select_for_update()
    homes = dict(chosen.values_list("pk", "organization"))
    WebhookDelivery.objects.filter(pk__in=homes).update(**_afresh())  # they are locked
    return Counter(homes.values())


def replay_held(endpoint: WebhookEndpoint) -> int:
    """Send what was held while the endpoint was switched off. Return how many: at most REPLAYED_AT_ONCE, the oldest.

    Raises DeliveryRefused.
    """
    _require_active(endpoint)
    return _requeue(held_of(endpoint).order_by("pk")[:REPLAYED_AT_ONCE])


def held_of(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.HELD)


def _require_active(endpoint: WebhookEndpoint) -> None:
    if endpoint.deleted_at:
        raise DeliveryRefused("The endpoint was deleted.")
    if not endpoint.is_active:
        raise DeliveryRefused("The endpoint is switched off. Switch it on first.")


def _requeue(found: QuerySet[WebhookDelivery]) -> int:
    return update(_idle(found), **_afresh())


def _afresh() -> dict[str, Any]:
    """Return the values of a delivery that was not tried yet."""
    again = {"status": DeliveryStatus.PENDING, "attempts": 0, "next_attempt_at": timezone.now()}
    return {**again, "delivered_at": None, "last_error": ""}


def _idle(found: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
    """Leave out what is on the wire now."""
    return WebhookDelivery.objects.filter(pk__in=found.values("pk"), slot=None)


def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Add a delivery of the test event, which is sent once. Raises DeliveryRefused."""
    _require_active(endpoint)
    body = outbox.body_of(TEST_EVENT, {"endpoint": str(endpoint.uuid)})
    made = outbox.delivery_to(endpoint, TEST_EVENT, body)
    made.save()
    return made


def apply_endpoint_change(endpoint: WebhookEndpoint) -> None:
    """Apply a saved change of an endpoint, whose row is locked, to its pending deliveries.

    They go to the new URL, or are held while it is switched off. An endpoint that is on has no reason to be off.

    Deliveries on the wire, and those that are being written now, follow when they are claimed or answered. So do those
    that have failed or are held: there may be very many, and they are claimed only when they are replayed.
    """
    if endpoint.is_active and endpoint.disabled_reason:
        endpoint.disabled_reason = ""
        endpoint.save(update_fields=["disabled_reason"])
    if not endpoint.is_active:
        hold(endpoint.pk)
    pending = WebhookDelivery.objects.filter(endpoint=endpoint, slot=None, status=DeliveryStatus.PENDING)
    update(pending.exclude(url=endpoint.url), **outbox.address_of(endpoint))


def delete(endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint: it gets nothing more. What it was sent stays listed until the purge, which takes the row."""
    endpoint.is_active, endpoint.deleted_at, endpoint.disabled_reason = False, timezone.now(), ""
    endpoint.secret, endpoint.old_secret = "", None
    endpoint.save()
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, slot=None)
    waiting = waiting.filter(status__in=[DeliveryStatus.PENDING, DeliveryStatus.HELD])
    update(waiting, status=DeliveryStatus.FAILED, last_error=DELETED)


def purge(limit: int = PURGED_AT_ONCE) -> int:
    """Delete old deliveries, at most `limit` of each status, and deleted endpoints without any. Return how many.

    The result of a delivery to a call's `callback_url` is kept on the call.
    """
    now = timezone.now()
    purged = _trim_held(limit)
    for status, kept in (
        (DeliveryStatus.DELIVERED, DELIVERED_KEPT),
        (DeliveryStatus.FAILED, FAILED_KEPT),
        (DeliveryStatus.HELD, HELD_KEPT),
    ):
        old = WebhookDelivery.objects.filter(status=status, created_at__lt=now - kept)
        ids = list(old.order_by("created_at").values_list("pk", flat=True)[:limit])
        if not ids:
            continue
        with transaction.atomic():
            gone = WebhookDelivery.objects.filter(pk__in=ids, status=status)
            callbacks = gone.filter(endpoint=None).exclude(call=None).values("call")
            Call.objects.filter(pk__in=callbacks).update(callback_outcome=status)
            purged += gone.delete()[0]
    named = Exists(WebhookDelivery.objects.filter(endpoint=OuterRef("pk")))
    WebhookEndpoint.objects.filter(~named, deleted_at__lt=now - DELETED_KEPT).delete()
    return purged


def _trim_held(limit: int) -> int:
    """Delete held deliveries beyond the newest HELD_AT_MOST of each endpoint, at most `limit` of each."""
    held = WebhookDelivery.objects.filter(status=DeliveryStatus.HELD)
    counts = held.order_by().values("endpoint").annotate(n=Count("*")).values_list("endpoint", "n")
    trimmed = 0
    for endpoint, count in counts.filter(n__gt=HELD_AT_MOST):
        oldest = held.filter(endpoint=endpoint).order_by("pk").values_list("pk", flat=True)
        surplus = list(oldest[: min(count - HELD_AT_MOST, limit)])
        trimmed += held.filter(pk__in=surplus).delete()[0]
    return trimmed
