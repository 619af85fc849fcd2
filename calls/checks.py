"""System checks: settings on which the promises to users depend."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from calls.deadlines import CLUSTER_TIMING, LANE_TIMING
from tenants import failpoints


@register()
def deadlines_nest(**_: Any) -> list[CheckMessage]:
    """Check that each deadline is shorter than the next, and that the task queue has settings measured to be safe."""
    errors: list[CheckMessage] = []
    if not (CLUSTER_TIMING.nests and LANE_TIMING.nests):
        errors.append(Error("The deadlines in calls/deadlines.py do not nest.", id="calls.E001"))
    cluster = settings.Q_CLUSTER
    wanted = {
        "orm": "default",
        "bulk": 1,
        "max_attempts": 1,
        "ack_failures": True,
        "timeout": CLUSTER_TIMING.alarm,
        "retry": CLUSTER_TIMING.retry,
        "workers": 2,
    }
    errors += [
        Error(
            f"Q_CLUSTER['{name}'] must be {value!r}.",
            hint="Other values ran tasks twice or hung when measured; see docs/adr/0002-task-queue.md.",
            id="calls.E002",
        )
        for name, value in wanted.items()
        if cluster.get(name) != value
    ]
    if settings.DATABASES["default"].get("OPTIONS", {}).get("pool"):
        errors.append(Error("Forked workers would share the connection pool. Remove it.", id="calls.E003"))
    return errors


@register()
def no_failpoint_in_production(**_: Any) -> list[CheckMessage]:
    """Check that failpoints, which make a process die in tests, are off in production."""
    if settings.DEBUG or not failpoints.WANTED:
        return []
    return [Error("TRUNKLINE_FAILPOINT is set while DEBUG is off.", hint="Unset it.", id="calls.E004")]
