"""One task for each call: place it, read it, save it. The HTTP client is shared within a process."""

from __future__ import annotations

from functools import cache

import httpx
from django.utils import timezone

from benchmarks.naive.models import NaiveCall


@cache
def client() -> httpx.Client:
    return httpx.Client(trust_env=False)


def call(pk: int, address: str) -> None:
    row = NaiveCall.objects.get(pk=pk)
    row.provider_call_id = (
        client().post(f"{address}/api/outbound", json={"phoneNumber": row.phone}).json()["outboundCallId"]
    )
    row.status = "placed"
    row.save()
    row.raw = client().get(f"{address}/api/outbound/{row.provider_call_id}/status").json()
    row.status, row.done_at = row.raw["status"], timezone.now()
    row.save()
