"""The statuses of a call, and the groups of them that mean something."""

from __future__ import annotations

from django.db import models


class Status(models.TextChoices):
    """The status of a call, as Trunkline stores it.

    A provider reports a `CallState`; `calls/outcomes/folding.py` maps one to the other.
    """

    QUEUED = "queued", "Queued"
    PLACING = "placing", "Being placed"
    UNCONFIRMED = "unconfirmed", "Unconfirmed"
    PLACED = "placed", "Placed"
    DIALING = "dialing", "Dialing"
    RINGING = "ringing", "Ringing"
    IN_PROGRESS = "in_progress", "In progress"
    COMPLETED = "completed", "Completed"
    NO_ANSWER = "no_answer", "No answer"
    BUSY = "busy", "Busy"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"
    EXPIRED = "expired", "Outcome expired"
    UNKNOWN = "unknown", "Outcome unknown"


FOLLOWED = (Status.PLACED, Status.DIALING, Status.RINGING, Status.IN_PROGRESS)


OPEN = (Status.PLACING, Status.UNCONFIRMED, *FOLLOWED)

# Open statuses in which a call can be overdue. A call being placed has a lease instead.
MAY_BE_OVERDUE = (Status.UNCONFIRMED, *FOLLOWED)


TERMINAL = (
    Status.COMPLETED,
    Status.NO_ANSWER,
    Status.BUSY,
    Status.FAILED,
    Status.CANCELED,
    Status.EXPIRED,
    Status.UNKNOWN,
)

# Ends of calls that were ordered from the provider, as far as known. A canceled call ends before that, as a rule.
PLACED_AND_ENDED = tuple(status for status in TERMINAL if status != Status.CANCELED)

# The `ended_reason` of a call that a team member ended, as `unknown`, or knows was never placed.
ENDED_BY_STAFF, RELEASED_BY_STAFF = "ended_by_staff", "released_by_staff"

# Terminal because no evidence came. Real evidence may still replace them, once.
UNRESOLVED = (
    Status.EXPIRED,
    Status.UNKNOWN,
)


def answered_by_voicemail(answered_by: str, ended_reason: str) -> bool:
    """Return whether these columns of a call say that a voicemail answered it."""
    return answered_by == "machine" or ended_reason == "voicemail"
