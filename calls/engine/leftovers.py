"""The purge of rows that nothing needs any more, and that no other module deletes.

`tests/calls/test_leftovers.py` names every table with what becomes of its rows in the years.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.db.models import QuerySet
from django_q.models import OrmQ, Task

from calls.models import Heartbeat
from campaigns import undoable
from campaigns.models import UndoableAction
from tenants.models import RequestBudget
from tenants.sign_in.sessions import expired

ATTEMPTS_KEPT = timedelta(days=1)  # of wrong passwords; they close an address for 15 minutes
TASKS_KEPT = timedelta(days=7)
HEARTBEATS_KEPT = timedelta(hours=1)  # a living process beats every few seconds
BUDGETS_KEPT = timedelta(days=1)  # an older row says the same as none: the caller has rested
PURGED_AT_ONCE = 1_000


def purge(now: datetime, limit: int = PURGED_AT_ONCE) -> int:
    """Delete what nothing needs any more, at most `limit` rows of a table. Return how many."""
    return sum(_delete(rows, limit) for rows in due(now))


def of_ended_workers(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    """Return heartbeats of workers that were killed long ago, then the queues of workers without a heartbeat."""
    alive = Heartbeat.objects.values("worker")
    return [
        Heartbeat.objects.filter(beaten_at__lt=now - HEARTBEATS_KEPT),
        OrmQ.objects.filter(key__startswith="trunkline-").exclude(key__in=alive),
    ]


def due(now: datetime) -> list[QuerySet]:  # type: ignore[type-arg]
    """Return the rows that are purged here, in the order of their purge."""
    return [
        *of_ended_workers(now),
        expired(now),
        AccessAttempt.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        AccessLog.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        AccessFailureLog.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        Task.objects.filter(stopped__lt=now - TASKS_KEPT),
        UndoableAction.objects.filter(done_at__lt=now - undoable.KEPT),
        RequestBudget.objects.filter(spent_until__lt=(now - BUDGETS_KEPT).timestamp()),
    ]


def _delete(rows: QuerySet, limit: int) -> int:  # type: ignore[type-arg]
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    rows.filter(pk__in=keys).delete()  # still due: another request may use the row meanwhile
    return len(keys)
