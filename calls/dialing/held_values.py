"""Recipients that are held for a value that nobody means to speak: who is taken up again, and when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, QuerySet, Value, When

from calls.dialing import fates
from calls.gate.selection import Choices, values_for
from campaigns.models import Recipient

WAITING_AGAIN = Case(
    When(attempts=0, then=Value(Recipient.Status.PENDING)), default=Value(Recipient.Status.WAITING.value)
)


def release(recipients: QuerySet[Recipient], now: datetime, **fields: Any) -> int:
    """Make the held ones among recipients due: the gate decides about them again. Return how many.

    The caller holds the campaign's lock.
    """
    held = recipients.filter(Recipient.HELD)
    return held.update(status=WAITING_AGAIN, reason="", next_attempt_at=now, waits_in="", **fields)


def decide_again(choices: Choices, held: Sequence[Recipient], now: datetime) -> None:
    """Look at the values of held recipients again: each is due, held still, or skipped by the campaign's rule.

    A recipient for which nothing can call is due. Enqueueing looks at its values.
    """
    due: list[int] = []
    barred: list[Recipient] = []
    for recipient in held:
        call = choices.call_to(recipient)
        selection = choices.select(recipient, call.to_number)
        if selection is None:
            due.append(recipient.pk)
            continue
        selection.put_on(call)
        spoken = values_for(choices.campaign, call)
        if not spoken.reason:
            due.append(recipient.pk)
        elif not spoken.held or recipient.reason != spoken.reason[:200]:
            fates.bar(recipient, spoken)
            barred.append(recipient)
    fates.store(barred)
    release(Recipient.objects.filter(pk__in=due), now)
