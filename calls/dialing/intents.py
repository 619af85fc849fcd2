"""Store what a claim decides about many calls, with a number of statements that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from calls.deadlines import CLUSTER_TIMING
from calls.gate import budgets
from calls.gate.checks import CheckName
from calls.gate.decision import SOON, Decision
from calls.models import Call, CallEvent, Status, event_of
from campaigns.models import Recipient
from tenants import failpoints
from tenants.db.among import Among
from tenants.db.bulk_updates import append_rows, update_rows

LEASE = timedelta(seconds=CLUSTER_TIMING.lease)
INTENT = (
    *("status", "status_reason", "lease_until", "dialed_at", "placing_attempts"),
    *("decision", "cost_reserved", "price_per_minute", "price_per_minute_currency", "campaign_version"),
)
Judged = tuple[Call, Decision]


def commit(allowed: Sequence[Judged], now: datetime) -> list[Call]:
    """Store the intents by compare-and-set. Return the calls that were claimed.

    A call that a constraint refuses is deferred alone; the others are claimed.
    """
    waited_for = {call.pk: call.status_reason for call, _ in allowed}
    for call, decision in allowed:
        call.status, call.status_reason = Status.PLACING, ""
        call.lease_until, call.dialed_at = now + LEASE, now
        call.placing_attempts += 1
        call.decision = decision.as_json(now)
        budgets.set_aside(call)
        call.campaign_version = call.campaign.version if call.campaign else None
    written, refused = _write([call for call, _ in allowed])
    committed = [call for call, _ in allowed if call.pk in written]
    if committed:
        failpoints.reach("placing.intending")
    recipients = [call.recipient_id for call in committed if call.recipient_id]
    Recipient.objects.filter(Among("pk", recipients)).update(attempts=F("attempts") + 1)
    engine, before, after = CallEvent.Source.ENGINE, Status.QUEUED, Status.PLACING
    append_rows([event_of(call, "placing", engine, f"Attempt {call.attempt}.", before, after) for call in committed])
    for call in refused:
        call.status_reason = waited_for[call.pk]
    open_call = Decision("defer", CheckName.OPEN_CALL, CheckName.OPEN_CALL.words, now + SOON)
    defer((call, open_call) for call in refused)
    return committed


def _write(calls: Sequence[Call]) -> tuple[set[int], list[Call]]:
    """Return the keys of the calls whose intent is stored, and the calls that a constraint refuses.

    A refusal is searched by halves, so that it costs only the call that it concerns.
    """
    try:
        with transaction.atomic():
            return update_rows(calls, INTENT, where={"status": Status.QUEUED}), []
    except IntegrityError:
        if len(calls) == 1:
            return set(), list(calls)
    middle = len(calls) // 2
    (left, refused), (right, more) = _write(calls[:middle]), _write(calls[middle:])
    return left | right, refused + more


def defer(deferred: Iterable[Judged]) -> None:
    """Give queued calls a later due time. It counts neither as an attempt nor for gaps."""
    judged = [(call, decision) for call, decision in deferred if decision.until]
    # One event for each reason, however often a call is deferred for it.
    new = [(call, decision.detail) for call, decision in judged if call.status_reason != decision.reason]
    for call, decision in judged:
        call.due_at, call.status_reason = decision.until, decision.reason
    calls = [call for call, _ in judged]
    written = update_rows(calls, ("due_at", "status_reason"), where={"status": Status.QUEUED})
    append_rows(
        [event_of(call, "deferred", CallEvent.Source.ENGINE, detail) for call, detail in new if call.pk in written]
    )
