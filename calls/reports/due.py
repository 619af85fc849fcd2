"""What is due in the queues of the engine: for the metrics, and for what is told of late work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django_q.models import OrmQ

from calls.models import Call, ProviderCallback, WebhookDelivery
from campaigns.models import ContactImport


def due_rows(now: datetime) -> dict[str, tuple[QuerySet[Any], str]]:
    """Return the rows that are due in each queue of the engine, and the name of the moment since when each is."""
    return {
        "placing": (Call.objects.about_to_go(now), "due_at"),
        "reading": (Call.objects.due_for_read(now), "polling__next_read_at"),
        "reconciling": (Call.objects.due_for_reconciling(now), "polling__next_read_at"),
        "callbacks": (ProviderCallback.objects.filter(processed_at=None), "received_at"),
        "webhooks": (
            WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING, next_attempt_at__lte=now),
            "next_attempt_at",
        ),
        "imports": (
            ContactImport.objects.filter(status__in=[ContactImport.Status.PENDING, ContactImport.Status.RUNNING]),
            "created_at",
        ),
        "tasks": (OrmQ.objects.filter(lock__lte=now), "lock"),
    }
