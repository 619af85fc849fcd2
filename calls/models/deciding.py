"""The call that decides a recipient's outcome: one rule, for files, pages and the API."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.expressions import Combinable

from calls.models.call import Call
from calls.models.statuses import PLACED_AND_ENDED, Status
from tenants.db.among import Among

# A call that was canceled after it was dialled decides only where nothing else does. One that was never dialled decides
# nothing, and an open one decides nothing yet.
_DECIDES = Q(status__in=PLACED_AND_ENDED) | Q(status=Status.CANCELED, dialed_at__isnull=False)
_CANCELED_LAST = Case(When(status=Status.CANCELED, then=Value(1)), default=Value(0))


# The same for triggers, about the row `{row}`.
_ENDS = ", ".join(f"'{status}'" for status in PLACED_AND_ENDED)
_CANCELED = f"{{row}}.status = '{Status.CANCELED}'"
DECIDES = f"({{row}}.status IN ({_ENDS}) OR {_CANCELED} AND {{row}}.dialed_at IS NOT NULL)"
CANCELED_LAST = f"CASE WHEN {_CANCELED} THEN 1 ELSE 0 END"


def deciding_call(recipient: int | Combinable) -> QuerySet[Call]:
    """Return the call that decided the recipient's outcome: the last one that ended. At most one row.

    `recipient`: an internal key, or an `OuterRef` to one. `calls/outcomes/recipient_progress.py` writes the outcome.
    """
    return Call.objects.filter(_DECIDES, recipient=recipient).order_by(_CANCELED_LAST, "-pk")[:1]


def deciding_calls(recipients: Iterable[int]) -> QuerySet[Call]:
    """Return the calls that decided the outcomes of these recipients, given by their internal keys. One query."""
    deciding = Subquery(deciding_call(OuterRef("recipient_id")).values("pk"))
    return Call.objects.filter(Among("recipient_id", recipients), pk=deciding).order_by("recipient_id")
