"""Fold evidence into a call: pure and monotone. For evidence that agrees, the order of arrival does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calls.models import FOLLOWED, TERMINAL, UNRESOLVED, Status
from providers.adapters.base import CallState, Reading
from providers.adapters.call_ids import same_call

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

# Evidence fills these when they are empty, and keeps them when they are set.
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
    "result_text",
)
_LENGTHS = {"ended_reason": 200, "provider_reason": 500, "answered_by": 64, "error_code": 100, "error_message": 500}


@dataclass(frozen=True)
class Fold:
    """What one piece of evidence changes."""

    changes: Mapping[str, Any]  # field -> new value; may be empty
    conflict: str = ""  # a different terminal status that came too late, or another call's id; kept as an event
    foreign: bool = False  # whether the evidence is about another call

    @property
    def status(self) -> str | None:
        """The new status, or None when the status does not change."""
        return self.changes.get("status")

    @property
    def fields(self) -> Mapping[str, Any]:
        """The changes of all other fields."""
        return {name: value for name, value in self.changes.items() if name != "status"}


def fold(call: Any, reading: Reading) -> Fold:
    """Return what one piece of evidence changes in a call (any object with the call's fields)."""
    named = reading.provider_call_id
    if named and call.provider_call_id and not same_call(named, call.provider_call_id):
        text = f"This is about another call of the provider: {reading.provider_call_id[:200]}."
        return Fold({}, conflict=text, foreign=True)
    changes: dict[str, Any] = {}
    if reading.provider_call_id and not call.provider_call_id:
        changes["provider_call_id"] = reading.provider_call_id[:200]
    status = STATUS_OF.get(reading.state)
    if status is None:
        return Fold(changes)  # an unknown word of the provider allows no conclusion
    conflict = ""
    if _supersedes(call.status, status, may_go_back=reading.may_go_back):
        changes["status"] = status
        changes["provider_status"] = reading.provider_status[:100]
    elif call.status in TERMINAL and status in TERMINAL and status != call.status:
        conflict = f"The provider now says {status}; this call ended as {call.status}."
    if not conflict:
        changes |= _filled(call, reading)
    return Fold(changes, conflict)


def _supersedes(old: str, new: Status, *, may_go_back: bool) -> bool:
    if old in UNRESOLVED:
        return new in TERMINAL and new not in UNRESOLVED
    if old in TERMINAL:
        return False
    if may_go_back and old in FOLLOWED and new in FOLLOWED:
        return new != old
    return _RANK[new] > _RANK.get(Status(old), 0)


def _filled(call: Any, reading: Reading) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(reading, name)
        if value in (None, "") or getattr(call, name) not in (None, ""):
            continue
        changes[name] = value[: _LENGTHS[name]] if name in _LENGTHS else value
    if reading.price is not None and call.cost_price is None:
        changes |= {"cost_price": reading.price, "cost_currency": reading.currency or call.cost_currency}
    # A result may come after the end, so a pending result status may still change, once.
    result_status = reading.result_status
    if result_status and call.result_status in ("", "pending") and result_status != call.result_status:
        changes["result_status"] = result_status[:16]
    return changes
