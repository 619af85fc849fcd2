"""Record the answer to a placing request: placed, requeued, refused or unconfirmed.

Each answer belongs to the claim of its fence. An answer to an earlier claim changes nothing; it is kept as an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from calls.models import Call, Status
from calls.outcomes import batches, circuit_breaker
from calls.outcomes.circuit_breaker import Means
from calls.outcomes.loading import Entry
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

UNANSWERED = "No answer was recorded in time; the request may have gone out."
REQUEUE_MISCONFIGURED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class Placement:
    """The answer to the placing of a call of an account, under the fence of its claim.

    Without `blames_account` neither the rate limit nor the circuit breaker of the account hears of it.
    """

    call_id: int
    account_id: int
    fence: int
    answer: Reading | ProviderError
    blames_account: bool = True

    @property
    def is_documented(self) -> bool:
        """Whether the provider answered as documented: an account that was unreachable no longer is."""
        return isinstance(self.answer, Reading | Rejected)


def record(placement: Placement) -> None:
    """Store one answer in a transaction of its own."""
    now = timezone.now()
    if placement.is_documented:
        circuit_breaker.record_success([placement.account_id])
        with_contact_lock_if_needed(placement.call_id, lambda locked: _conclude(locked, placement, now))
        return
    with transaction.atomic():
        circuit_breaker.lock([placement.account_id])  # before the call, in the order of a claim
        _conclude(lock_call(placement.call_id), placement, now)


def record_all(placements: Sequence[Placement], now: datetime) -> list[Placement]:
    """Store many answers in a few statements, and return those that could not be stored."""
    answered = {placement.account_id for placement in placements if placement.is_documented}
    blamed = {placement.account_id for placement in placements if not placement.is_documented}
    circuit_breaker.record_success(answered - blamed)

    def entry(placement: Placement) -> Entry:
        effects = placement.is_documented and placement.account_id in blamed
        return Entry(
            placement.call_id,
            lambda locked: _conclude(locked, placement, now, answered=effects),
            account_id=placement.account_id if placement.account_id in blamed else None,
            names=placement.answer.provider_call_id if isinstance(placement.answer, Reading) else "",
            recipient=not isinstance(placement.answer, Reading) or placement.answer.state.is_terminal,
        )

    return batches.record_all(placements, entry, record, now)


def _conclude(locked: LockedCall, placement: Placement, now: datetime, *, answered: bool = False) -> str:
    """Do what each class of answer means. `answered`: tell the account that its provider answered as documented."""
    answer = placement.answer
    if answered:
        locked.affect(Means.ANSWERED, now)
    if isinstance(answer, Reading):
        _placed(locked, placement.fence, answer, now)
    elif isinstance(answer, NotSent):
        _not_sent(locked, placement, answer, now)
    elif isinstance(answer, Misconfigured):
        _misconfigured(locked, placement.fence, answer, now)
    elif isinstance(answer, Rejected):
        _refused(locked, placement.fence, answer, now)
    else:
        _doubtful(locked, placement.fence, answer, now)
    return locked.call.status


def _placed(locked: LockedCall, fence: int, reading: Reading, now: datetime) -> None:
    """The provider accepted the call: a 2xx answer with a usable id."""
    if locked.call.placing_attempts != fence:
        detail = f"Answer to claim {fence}: placed as {reading.provider_call_id}."
        locked.record_event("late_answer", RESPONSE, detail)
        return
    record_locked(locked, reading, RESPONSE, now)


def _not_sent(locked: LockedCall, placement: Placement, error: NotSent, now: datetime) -> None:
    """Certainly nothing was placed: the call goes back to the queue, and the claim does not count for caps and gaps."""
    wait = timedelta(seconds=error.retry_after) if error.retry_after else REQUEUE_AFTER
    undone = undo_claim(locked, placement.fence, now + wait, "not_sent", str(error), now)
    if undone and placement.blames_account:
        if error.throttled:
            locked.affect(Means.THROTTLED, now, seconds=wait.total_seconds())
        else:
            locked.affect(Means.FAILED, now, str(error))


def _misconfigured(locked: LockedCall, fence: int, error: Misconfigured, now: datetime) -> None:
    """Every call would be refused alike: block the account, pause its campaigns, requeue the call."""
    if undo_claim(locked, fence, now + REQUEUE_MISCONFIGURED_AFTER, "misconfigured", str(error), now):
        locked.affect(Means.MISCONFIGURED, now, str(error))


def _refused(locked: LockedCall, fence: int, error: Rejected, now: datetime) -> None:
    """The provider refused this call in its documented error shape. No phone rang."""
    call = locked.call
    if not may_conclude(call, fence):
        locked.record_event("late_answer", RESPONSE, f"Answer to claim {fence}: refused.")
        return
    call.dialed_at = None
    call.error_message = str(error)[:500]
    call.ended_reason = call.ended_reason or "refused"
    finish(locked, Status.FAILED, RESPONSE, str(error), now, raw=error.evidence)
    locked.affect(Means.REFUSED, now)


def _doubtful(locked: LockedCall, fence: int, error: ProviderError, now: datetime) -> None:
    """The phone may be ringing. The call is never dialled again by itself; evidence or a team member moves it on."""
    call = locked.call
    if call.placing_attempts != fence or call.status != Status.PLACING:
        locked.record_event("late_answer", RESPONSE, str(error), raw=error.evidence)
        return
    mark_unconfirmed(locked, RESPONSE, str(error), now, raw=error.evidence)
    locked.affect(Means.FAILED, now, str(error))


def reap(now: datetime, limit: int = 200) -> int:
    """Turn claims without an answer within their lease into doubts, and do nothing else. Return how many."""
    stranded = list(Call.objects.stranded(now).order_by("lease_until").values_list("pk", "account_id")[:limit])
    reaped = 0
    for pk, account_id in stranded:
        with transaction.atomic():
            circuit_breaker.lock([account_id])
            locked = lock_call(pk)
            call = locked.call
            if call.status == Status.PLACING and call.lease_until and call.lease_until < now:
                mark_unconfirmed(locked, ENGINE, UNANSWERED, timezone.now())
                reaped += 1
                failpoints.reach("outcomes.reaping")
        failpoints.reach("outcomes.reaped")
    return reaped
