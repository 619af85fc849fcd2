"""Kinds of errors while answers are stored, and how soon each is tried again.

A conflict with another transaction is over within milliseconds: many short tries. An outage lasts for seconds: few long
ones. Both go on until the lease of the claim ends, because from then on the reaper decides.
"""

from __future__ import annotations

import enum
import random

from django.db import IntegrityError, InterfaceError, OperationalError

CONFLICTS = ("40001", "40P01", "55P03")  # serialization failure, deadlock, lock not available
SHORT_TRIES, SHORT_PAUSE = 20, 0.01
LONG_PAUSE, LONGEST_PAUSE = 0.5, 5.0


class Kind(enum.Enum):
    """What has to change before another try may succeed."""

    CONFLICT = enum.auto()  # the other transaction ends
    OUTAGE = enum.auto()  # the database comes back
    ANSWER = enum.auto()  # one answer cannot be stored; the others of its batch can


def kind_of(error: Exception) -> Kind:
    """Return the kind of an error. A constraint concerns one answer, and so does an error in our own code."""
    if isinstance(error, OperationalError | InterfaceError) and not isinstance(error, IntegrityError):
        return Kind.CONFLICT if getattr(error.__cause__, "sqlstate", None) in CONFLICTS else Kind.OUTAGE
    return Kind.ANSWER


def pause_after(kind: Kind, failures: int) -> float:
    """Return the seconds to wait after so many failures in a row. Jitter keeps two writers apart."""
    if kind is not Kind.OUTAGE and failures <= SHORT_TRIES:
        return SHORT_PAUSE * random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
    return min(LONG_PAUSE * failures, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
