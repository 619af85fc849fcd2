"""Deliveries as people and programs handle them: send again, try out, switch off, clear away."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from calls.models import Call, WebhookDelivery
from calls.webhooks import outbox
from calls.webhooks.delivery import TEST_EVENT, disable
from tenants.models import WebhookEndpoint

State = WebhookDelivery.Status

DELIVERED_KEPT = timedelta(days=30)
FAILED_KEPT = timedelta(days=90)
PURGED_AT_ONCE = 1000
REPLAYED_AT_ONCE = 10_000


class NotPossible(Exception):
    """A sentence for whoever asked."""


def replay(delivery: WebhookDelivery) -> None:
    """Send one again, with the same id and the same body, as if for the first time. Raises NotPossible."""
    if delivery.endpoint and not delivery.endpoint.is_active:
        raise NotPossible("The endpoint is switched off. Switch it on first.")
    _again(WebhookDelivery.objects.filter(pk=delivery.pk))


def replay_range(
    deliveries: QuerySet[WebhookDelivery],
    status: str,
    after: datetime,
    before: datetime,
    endpoint: WebhookEndpoint | None = None,
) -> int:
    """Send again what was made in a time and is over, the oldest REPLAYED_AT_ONCE of it. Answers how many.

    What belongs to endpoints that are off stays as it is.
    """
    found = deliveries.filter(status=status, created_at__gte=after, created_at__lt=before)
    found = found.exclude(endpoint__is_active=False)
    found = found.filter(endpoint=endpoint) if endpoint else found
    return _again(found.order_by("pk")[:REPLAYED_AT_ONCE])


def _again(found: QuerySet[WebhookDelivery]) -> int:
    # What is on the wire at this moment is left alone: it is being sent.
    idle = WebhookDelivery.objects.filter(pk__in=found.values("pk"), slot=None)
    return idle.update(
        status=State.PENDING, attempts=0, next_attempt_at=timezone.now(), delivered_at=None, last_error=""
    )


def try_out(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """A delivery that tells of nothing, sent once. Raises NotPossible."""
    if not endpoint.is_active:
        raise NotPossible("The endpoint is switched off. Switch it on first.")
    body = outbox.body_of(TEST_EVENT, {"endpoint": str(endpoint.uuid)})
    made = outbox.delivery_to(endpoint, TEST_EVENT, body)
    made.save()
    return made


def follow(endpoint: WebhookEndpoint) -> None:
    """After a change of an endpoint: what waits goes where it points now, or nowhere when it is off."""
    if not endpoint.is_active:
        disable(endpoint, endpoint.disabled_reason)
    over = WebhookDelivery.objects.filter(endpoint=endpoint, slot=None).exclude(status=State.DELIVERED)
    over.exclude(url=endpoint.url).update(url=endpoint.url, host=outbox.host_of(endpoint.url))


def purge(limit: int = PURGED_AT_ONCE) -> int:
    """Delete a bounded part of what is old. How a call's callback went stays with the call."""
    now = timezone.now()
    purged = 0
    for status, kept in ((State.DELIVERED, DELIVERED_KEPT), (State.FAILED, FAILED_KEPT)):
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
