"""Fates of recipients about whom the gate decided: called, put off, held or ended. `store` writes many at once.

The other functions change objects alone. The caller holds the locks of their rows, so nothing newer is overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence

from calls.gate.checks import CheckName
from calls.gate.decision import Decision
from calls.models import Call
from campaigns.models import Recipient
from campaigns.rules.spoken import Spoken
from tenants.db.bulk_updates import update_rows

FATE = ("status", "reason", "waits_in", "next_attempt_at", "assistant", "phone_number")
Status = Recipient.Status


def store(recipients: Sequence[Recipient]) -> None:
    """Write what was decided about recipients, with one statement."""
    update_rows(recipients, FATE)


def call(queued: Call) -> None:
    """Mark the call's recipient as calling. The recipient keeps the assistant and caller number of its first call."""
    recipient = queued.recipient
    assert recipient is not None  # noqa: S101
    recipient.status, recipient.reason = Status.CALLING, ""
    recipient.waits_in, recipient.next_attempt_at = "", None
    if recipient.phone_number_id is None:
        recipient.assistant_id, recipient.phone_number_id = queued.assistant_id, queued.phone_number_id


def put_off(recipient: Recipient, decision: Decision) -> None:
    """Let a recipient wait, and say for what. A wait between two attempts keeps the outcome as its reason."""
    keeps = decision.reason == CheckName.RETRY_WAIT and recipient.reason and CheckName.of(recipient.reason) is None
    if not keeps:
        recipient.reason = decision.reason
    recipient.next_attempt_at, recipient.waits_in = decision.until, decision.zone


def bar(recipient: Recipient, spoken: Spoken) -> None:
    """Hold or end a recipient that is not called because of its values."""
    if not spoken.held:
        end(recipient, spoken.reason)
        return
    recipient.status, recipient.reason = Status.REVIEW, spoken.reason[:200]
    recipient.next_attempt_at, recipient.waits_in = None, ""


def end(recipient: Recipient, reason: str) -> None:
    """End a recipient without a call: done if it was called before or its time ran out, else skipped."""
    is_done = recipient.attempts > 0 or reason == CheckName.NO_OPEN_WINDOW
    recipient.status = Status.DONE if is_done else Status.SKIPPED
    recipient.reason, recipient.next_attempt_at, recipient.waits_in = reason[:200], None, ""
