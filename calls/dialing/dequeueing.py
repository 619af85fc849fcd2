"""Calls that wait in the queue and shall not be placed as they stand: their recipients are called by another one."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from calls.models import Call
from calls.outcomes import staff_decisions
from campaigns.models import Recipient

S = Recipient.Status


def take_back(call: Call, reason: str, detail: str, now: datetime) -> bool:
    """End a queued call of a campaign; its recipient is due as before. False when it is queued no more.

    Its callback address is not told of its end, for the call that replaces it has one; endpoints are, as of any end.
    """
    with transaction.atomic():
        queued = Call.objects.queued().filter(pk=call.pk)
        if not queued.update(callback_url=""):
            return False
        before = Recipient.objects.get(calls=call)
        staff_decisions.cancel(call, reason, detail)
        if before.status != S.WITHDRAWN:
            # Who was not called yet is not bound to the assistant and the number of a call that never was.
            kept = {} if before.attempts else {"assistant": None, "phone_number": None}
            Recipient.objects.filter(pk=before.pk).update(
                status=S.WAITING if before.attempts else S.PENDING,
                reason="",
                outcome=before.outcome,
                next_attempt_at=now,
                **kept,
            )
    return True
