"""The answer of `/api/outbound/{id}/status`, which is also the body of a call's callback. Pure."""

from __future__ import annotations

from typing import Any

from calls.models import UNRESOLVED, Call, Status
from tenants.api.fields import utc_text

STATUSES = {
    Status.COMPLETED: "completed",
    Status.NO_ANSWER: "no-answer",
    Status.BUSY: "busy",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.EXPIRED: "failed",
    Status.UNKNOWN: "failed",
}
# Reasons that only Trunkline knows. The provider's reason would say something else.
OUR_REASONS = {
    Status.CANCELED: "canceled",
    Status.EXPIRED: "outcome-expired",
    Status.UNKNOWN: "outcome-unknown",
}
WITHOUT_REASON = {
    Status.COMPLETED: "call-ended",
    Status.NO_ANSWER: "no-answer",
    Status.BUSY: "busy",
    Status.FAILED: "failure-unspecified",
}


def status_answer(call: Call) -> dict[str, Any]:
    """Return the answer as JSON values. The call needs `contact` loaded."""
    return {
        "outboundCallId": str(call.uuid),
        "contactId": str(call.contact.uuid),
        "status": STATUSES.get(Status(call.status), "calling"),
        "callDetails": _details(call) if call.is_terminal else None,
    }


def _details(call: Call) -> dict[str, Any]:
    status = Status(call.status)
    # A call that was never placed ended when Trunkline ended it. The end of an unresolved call is unknown.
    ended_at = call.ended_at or (None if status in UNRESOLVED else call.terminal_at)
    return {
        "startedAt": utc_text(call.answered_at),
        "endedAt": utc_text(ended_at),
        "duration": call.duration_seconds,
        "endedReason": OUR_REASONS.get(status) or call.provider_reason or WITHOUT_REASON[status],
    }
