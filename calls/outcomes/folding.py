"""How evidence becomes a status: pure, monotone, and the same in any order for evidence that agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calls.models import FOLLOWED, TERMINAL, UNRESOLVED, Status
from providers.adapters.base import CallState, Snapshot

STATUS_OF: Mapping[CallState, Status] = {
    CallState.QUEUED: Status.PLACED,
    CallState.DIALING: Status.DIALING,
    CallState.RINGING: Status.RINGING,
    CallState.IN_PROGRESS: Status.IN_PROGRESS,
    CallState.COMPLETED: Status.COMPLETED,
    CallState.NO_ANSWER: Status.NO_ANSWER,
    CallState.BUSY: Status.BUSY,
    CallState.CANCELED: Status.CANCELED,
    CallState.FAILED: Status.FAILED,
    CallState.EXPIRED: Status.EXPIRED,
}
_RANK = {status: rank for rank, status in enumerate(FOLLOWED, start=1)} | dict.fromkeys(TERMINAL, 9)

# Filled when empty, kept when set.
FIELDS = (
    "started_at",
    "answered_at",
    "ended_at",
    "duration_seconds",
    "billed_duration_seconds",
    "ended_reason",
    "provider_reason",
    "answered_by",
    "error_code",
    "error_message",
    "result",
    "cost",
)
_LENGTHS = {"ended_reason": 200, "provider_reason": 500, "answered_by": 64, "error_code": 100, "error_message": 500}


@dataclass(frozen=True)
class Fold:
    """What one piece of evidence changes."""

    changes: Mapping[str, Any]  # field -> new value; may be empty
    conflict: str = ""  # a terminal word that came too late, or a foreign id; kept as an event
    foreign: bool = False  # it speaks of another call

    @property
    def status(self) -> str | None:
        """The new status, None when it stays."""
        return self.changes.get("status")


def fold(call: Any, seen: Snapshot) -> Fold:
    """Fold one piece of evidence into a call (anything with the call's fields)."""
    if seen.provider_call_id and call.provider_call_id and seen.provider_call_id != call.provider_call_id:
        text = f"This speaks of another call of the provider: {seen.provider_call_id[:200]}."
        return Fold({}, conflict=text, foreign=True)
    changes: dict[str, Any] = {}
    if seen.provider_call_id and not call.provider_call_id:
        changes["provider_call_id"] = seen.provider_call_id[:200]
    status = STATUS_OF.get(seen.state)
    if status is None:
        return Fold(changes)  # an unheard-of word: nothing is concluded from it
    conflict = ""
    if _supersedes(call.status, status, may_go_back=seen.may_go_back):
        changes["status"] = status
        changes["provider_status"] = seen.provider_status[:100]
    elif call.status in TERMINAL and status in TERMINAL and status != call.status:
        conflict = f"The provider now says {status}; this call ended as {call.status}."
    if not conflict:
        changes |= _filled(call, seen)
    return Fold(changes, conflict)


def _supersedes(old: str, new: Status, *, may_go_back: bool) -> bool:
    if old in UNRESOLVED:
        return new in TERMINAL and new not in UNRESOLVED
    if old in TERMINAL:
        return False
    if may_go_back and old in FOLLOWED and new in FOLLOWED:
        return new != old
    return _RANK[new] > _RANK.get(Status(old), 0)


def _filled(call: Any, seen: Snapshot) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(seen, name)
        if value in (None, "") or getattr(call, name) not in (None, ""):
            continue
        changes[name] = value[: _LENGTHS[name]] if name in _LENGTHS else value
    if "cost" in changes:
        changes["cost_currency"] = seen.currency or call.cost_currency
    # A result may still come after the end: `pending` gives way, once.
    if seen.result_status and call.result_status in ("", "pending") and seen.result_status != call.result_status:
        changes["result_status"] = seen.result_status[:16]
    return changes
