"""Maintain webhook deliveries: replay, send a test, follow a change of an endpoint, purge."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from calls.models import Call, WebhookDelivery
from calls.webhooks import outbox
from calls.webhooks.delivery import TEST_EVENT, disable
from tenants.models import WebhookEndpoint

DeliveryStatus = WebhookDelivery.Status

DELIVERED_KEPT = timedelta(days=30)
FAILED_KEPT = timedelta(days=90)
PURGED_AT_ONCE = 1000
REPLAYED_AT_ONCE = 10_000


class DeliveryRefused(Exception):
    """Nothing can be delivered to the endpoint now. The message is a sentence for people."""


def replay(delivery: WebhookDelivery) -> None:
    """Send a delivery again with the same id and body, as if for the first time. Raises DeliveryRefused."""
    if delivery.endpoint and not delivery.endpoint.is_active:
        raise DeliveryRefused("The endpoint is switched off. Switch it on first.")
    _requeue(WebhookDelivery.objects.filter(pk=delivery.pk))


def replay_range(
    deliveries: QuerySet[WebhookDelivery],
    status: str,
    after: datetime,
    before: datetime,
    endpoint: WebhookEndpoint | None = None,
) -> int:
    """Send again the deliveries with a status that were created in a time range. Return how many.

    At most REPLAYED_AT_ONCE, the oldest first. Deliveries to endpoints that are switched off are left out.
    """
    found = deliveries.filter(status=status, created_at__gte=after, created_at__lt=before)
    found = found.exclude(endpoint__is_active=False)
    found = found.filter(endpoint=endpoint) if endpoint else found
    return _requeue(found.order_by("pk")[:REPLAYED_AT_ONCE])


def _requeue(found: QuerySet[WebhookDelivery]) -> int:
    # A delivery that is on the wire now is left alone.
    idle = WebhookDelivery.objects.filter(pk__in=found.values("pk"), slot=None)
    return idle.update(
        status=DeliveryStatus.PENDING, attempts=0, next_attempt_at=timezone.now(), delivered_at=None, last_error=""
    )


def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Add a delivery of the test event, which is sent once. Raises DeliveryRefused."""
    if not endpoint.is_active:
        raise DeliveryRefused("The endpoint is switched off. Switch it on first.")
    body = outbox.body_of(TEST_EVENT, {"endpoint": str(endpoint.uuid)})
    made = outbox.delivery_to(endpoint, TEST_EVENT, body)
    made.save()
    return made


def apply_endpoint_change(endpoint: WebhookEndpoint) -> None:
    """Apply a change of an endpoint to its waiting deliveries: the new URL, or failure when it is switched off."""
    if not endpoint.is_active:
        disable(endpoint, endpoint.disabled_reason)
    over = WebhookDelivery.objects.filter(endpoint=endpoint, slot=None).exclude(status=DeliveryStatus.DELIVERED)
    over.exclude(url=endpoint.url).update(url=endpoint.url, host=outbox.host_of(endpoint.url))


def purge(limit: int = PURGED_AT_ONCE) -> int:
    """Delete old deliveries, at most `limit` of each status. Return how many.

    The result of a delivery to a call's `callback_url` is kept on the call.
    """
    now = timezone.now()
    purged = 0
    for status, kept in ((DeliveryStatus.DELIVERED, DELIVERED_KEPT), (DeliveryStatus.FAILED, FAILED_KEPT)):
        old = WebhookDelivery.objects.filter(status=status, created_at__lt=now - kept)
        ids = list(old.order_by("created_at").values_list("pk", flat=True)[:limit])
        if not ids:
            continue
        with transaction.atomic():
            gone = WebhookDelivery.objects.filter(pk__in=ids, status=status)
            callbacks = gone.filter(endpoint=None).exclude(call=None).values("call")
            Call.objects.filter(pk__in=callbacks).update(callback_outcome=status)
            purged += gone.delete()[0]
    return purged
