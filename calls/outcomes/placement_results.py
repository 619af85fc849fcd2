"""Record the answer to a placing request: placed, requeued, refused or unconfirmed.

Each function takes the call's key and the fence of the claim. An answer to an earlier claim changes nothing; it is kept
as an event.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.gate import rate_limits
from calls.models import Call, Status, record_event
from calls.outcomes import circuit_breaker
from calls.outcomes.recording import record_locked, with_contact_lock_if_needed
from calls.outcomes.transitions import (
    ENGINE,
    RESPONSE,
    LockedCall,
    finish,
    lock_call,
    mark_unconfirmed,
    may_conclude,
    undo_claim,
)
from providers.adapters.base import Reading
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from tenants import failpoints

REQUEUE_AFTER = timedelta(seconds=10)

REQUEUE_MISCONFIGURED_AFTER = timedelta(minutes=1)


def placed(pk: int, fence: int, reading: Reading) -> None:
    """The provider accepted the call: a 2xx answer with a usable id."""
    circuit_breaker.record_success(pk)

    def conclude(locked: LockedCall) -> str:
        call = locked.call
        if call.placing_attempts != fence:
            detail = f"Answer to claim {fence}: placed as {reading.provider_call_id}."
            record_event(call, "late_answer", RESPONSE, detail)
            return call.status
        return record_locked(locked, reading, RESPONSE)

    with_contact_lock_if_needed(pk, conclude)


def requeue(pk: int, fence: int, error: NotSent, *, blames_account: bool = True) -> None:
    """Certainly nothing was placed: the call goes back to the queue, and the claim does not count for caps and gaps.

    Without `blames_account` neither the rate limit nor the circuit breaker of the account hears of it.
    """
    now = timezone.now()
    wait = timedelta(seconds=error.retry_after) if error.retry_after else REQUEUE_AFTER
    with transaction.atomic():
        locked = lock_call(pk)
        account_id = locked.call.account_id
        if undo_claim(locked, fence, now + wait, "not_sent", str(error)) and blames_account:
            if error.throttled:
                rate_limits.close_for_placing(account_id, wait.total_seconds(), now)
            else:
                circuit_breaker.record_failure(account_id, str(error), now)


def misconfigured(pk: int, fence: int, error: Misconfigured) -> None:
    """Every call would be refused alike: block the account, pause its campaigns, requeue the call."""
    now = timezone.now()
    with transaction.atomic():
        locked = lock_call(pk)
        if undo_claim(locked, fence, now + REQUEUE_MISCONFIGURED_AFTER, "misconfigured", str(error)):
            circuit_breaker.block(locked.call.account_id, circuit_breaker.Block.MISCONFIGURED, str(error))


def refuse(pk: int, fence: int, error: Rejected) -> None:
    """The provider refused this call in its documented error shape. No phone rang."""
    circuit_breaker.record_success(pk)
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if not may_conclude(call, fence):
            record_event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: refused.")
            return
        call.dialed_at = None
        call.error_message = str(error)[:500]
        call.ended_reason = call.ended_reason or "refused"
        finish(locked, Status.FAILED, RESPONSE, str(error), raw=error.evidence)
        if call.campaign_id:
            circuit_breaker.pause_if_refused_alike(call)


def doubt(pk: int, fence: int, error: ProviderError) -> None:
    """The phone may be ringing. The call is never dialled again by itself; evidence or a team member moves it on."""
    with transaction.atomic():
        locked = lock_call(pk)
        call = locked.call
        if call.placing_attempts != fence or call.status != Status.PLACING:
            record_event(call, "late_answer", RESPONSE, str(error), raw=error.evidence)
            return
        mark_unconfirmed(locked, RESPONSE, str(error), raw=error.evidence)
        circuit_breaker.record_failure(call.account_id, str(error), timezone.now())


def reap(now: datetime, limit: int = 200) -> int:
    """Turn claims without an answer within their lease into doubts, and do nothing else. Return how many."""
    stranded = list(Call.objects.stranded(now).order_by("lease_until").values_list("pk", flat=True)[:limit])
    reaped = 0
    for pk in stranded:
        with transaction.atomic():
            locked = lock_call(pk)
            call = locked.call
            if call.status == Status.PLACING and call.lease_until and call.lease_until < now:
                mark_unconfirmed(locked, ENGINE, "No answer was recorded in time; the request may have gone out.")
                reaped += 1
                failpoints.reach("outcomes.reaping")
        failpoints.reach("outcomes.reaped")
    return reaped
