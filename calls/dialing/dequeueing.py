"""Dequeue: end a queued call that must not be placed as it is, and make its recipient due for another call."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from calls.dialing import turns
from calls.models import Call, CallBack
from calls.outcomes import staff_decisions
from campaigns.models import Recipient

RecipientStatus = Recipient.Status


def follow_number(call: Call, number: str, now: datetime) -> None:
    """Follow a change of the contact's numbers: the recipient of this queued call is called at another one now.

    The call of a scheduled callback goes to the new number; another call replaces any other.
    """
    if call.asked_for:
        Call.objects.queued().filter(pk=call.pk).update(to_number=number)
    else:
        dequeue(call, "number_changed", "The contact's numbers were changed; another call replaces this one.", now)


def dequeue(call: Call, reason: str, detail: str, now: datetime) -> bool:
    """End a queued call of a campaign; its recipient is due now. Return False when the call is not queued any more.

    The turns of a first call are given back, so that assistants and caller numbers stay equally used. The call's
    `callback_url` gets no delivery, because the call that replaces it has the same one. Endpoints get the
    end as always.
    """
    with transaction.atomic():
        queued = Call.objects.queued().filter(pk=call.pk)
        if not queued.update(callback_url=""):
            return False
        before = Recipient.objects.get(calls=call)
        staff_decisions.cancel(call, reason, detail)
        if before.status != RecipientStatus.WITHDRAWN:
            # A recipient keeps the assistant and the number of its first call; a call that was never placed sets none.
            kept = {} if before.attempts else {"assistant": None, "phone_number": None}
            if not before.attempts:
                turns.give_back(before, call.to_number, now)
            Recipient.objects.filter(pk=before.pk).update(
                status=RecipientStatus.WAITING if before.attempts else RecipientStatus.PENDING,
                reason="",
                outcome=before.outcome,
                next_attempt_at=now,
                **kept,
            )
    return True


def take_back(call: Call, reason: str, detail: str, now: datetime) -> bool:
    """Dequeue a call; if a scheduled callback waits for it, the callback is queued again at once.

    The caller holds the locks of the call and of its campaign. Return False when the call is not queued any more.
    """
    with transaction.atomic():
        if not dequeue(call, reason, detail, now):
            return False
        callbacks = CallBack.objects.filter(call=call, status=CallBack.Status.DUE)
        for recipient in list(callbacks.values_list("recipient", flat=True)):
            callbacks.update(call=None)
            mine = Recipient.objects.filter(pk=recipient).exclude(status=RecipientStatus.WITHDRAWN)
            mine.update(status=RecipientStatus.WAITING, reason="call_back", next_attempt_at=None)
    return True
