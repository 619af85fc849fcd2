"""What the answer to a placing request means for its call: placed, requeued, refused or unconfirmed."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.gate import rate_limits
from calls.models import Call, Status, record_event
from calls.outcomes import circuit_breaker
from calls.outcomes.recording import record_locked, with_contact_lock_if_needed
from calls.outcomes.transitions import ENGINE, RESPONSE, finish, locked_call, mark_unconfirmed, may_conclude, undo_claim
from providers.adapters.base import Snapshot
from providers.adapters.errors import Misconfigured, NotSent, ProviderError, Rejected
from tenants import failpoints

REQUEUE_AFTER = timedelta(seconds=10)

REQUEUE_MISCONFIGURED_AFTER = timedelta(minutes=1)


def placed(pk: int, fence: int, seen: Snapshot) -> None:
    """A 2xx with a usable id."""
    circuit_breaker.reached(pk)

    def answered(call: Call, person_locked: bool) -> str:
        if call.placing_attempts != fence:
            record_event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: placed as {seen.provider_call_id}.")
            return call.status
        return record_locked(call, seen, RESPONSE, person_locked=person_locked)

    with_contact_lock_if_needed(pk, answered)


def requeue(pk: int, fence: int, error: NotSent, *, blames_account: bool = True) -> None:
    """Certainly nothing was placed: back to the queue, later. It never happened for caps and gaps."""
    now = timezone.now()
    wait = timedelta(seconds=error.retry_after) if error.retry_after else REQUEUE_AFTER
    with transaction.atomic():
        call = locked_call(pk)
        if undo_claim(call, fence, now + wait, "not_sent", str(error)) and blames_account:
            if error.throttled:
                rate_limits.close_for_placing(call.account_id, wait.total_seconds(), now)
            else:
                circuit_breaker.not_reached(call.account_id, str(error), now)


def misconfigured(pk: int, fence: int, error: Misconfigured) -> None:
    """Every call would be refused alike: the account is blocked, its campaigns pause, the call waits."""
    now = timezone.now()
    with transaction.atomic():
        call = locked_call(pk)
        if undo_claim(call, fence, now + REQUEUE_MISCONFIGURED_AFTER, "misconfigured", str(error)):
            circuit_breaker.block(call.account_id, circuit_breaker.Block.MISCONFIGURED, str(error))


def refuse(pk: int, fence: int, error: Rejected) -> None:
    """The provider refused this call in its own words. It rang nobody."""
    circuit_breaker.reached(pk)
    with transaction.atomic():
        call = locked_call(pk)
        if not may_conclude(call, fence):
            record_event(call, "late_answer", RESPONSE, f"Answer to claim {fence}: refused.")
            return
        call.dialed_at = None
        call.error_message = str(error)[:500]
        call.ended_reason = call.ended_reason or "refused"
        finish(call, Status.FAILED, RESPONSE, str(error), raw=error.evidence)
        if call.campaign_id:
            circuit_breaker.pause_if_refused_alike(call)


def doubt(pk: int, fence: int, error: ProviderError) -> None:
    """It may be ringing. It is never dialled again by itself; evidence or a person moves it on."""
    with transaction.atomic():
        call = locked_call(pk)
        if call.placing_attempts != fence or call.status != Status.PLACING:
            record_event(call, "late_answer", RESPONSE, str(error), raw=error.evidence)
            return
        mark_unconfirmed(call, RESPONSE, str(error), raw=error.evidence)
        circuit_breaker.not_reached(call.account_id, str(error), timezone.now())


def reap(now: datetime, limit: int = 200) -> int:
    """Claims without an answer within their lease become doubts, and nothing else."""
    stranded = list(Call.objects.stranded(now).order_by("lease_until").values_list("pk", flat=True)[:limit])
    reaped = 0
    for pk in stranded:
        with transaction.atomic():
            call = locked_call(pk)
            if call.status == Status.PLACING and call.lease_until and call.lease_until < now:
                mark_unconfirmed(call, ENGINE, "No answer was recorded in time; the request may have gone out.")
                reaped += 1
                failpoints.reach("outcomes.reaping")
        failpoints.reach("outcomes.reaped")
    return reaped
