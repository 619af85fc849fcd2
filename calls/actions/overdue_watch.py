"""Watch overdue calls: one event on each, and one alert for each provider account, for as long as it has any."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Count, Exists, OuterRef

from calls.models import Call, CallEvent, record_event
from campaigns.wording import counted
from providers.models import ProviderAccount
from tenants import alerts

OVERDUE_CALLS = "account.overdue_calls"  # the kind of the alert
OVERDUE = "overdue"  # the type of the event
AT_ONCE = 500


def watch(now: datetime) -> None:
    """Store the events of calls that have become overdue, and raise, update or end the alerts."""
    while _note(now) == AT_ONCE:
        pass
    rows = Call.objects.overdue(now).order_by().values_list("account").annotate(n=Count("pk"))
    overdue = dict(rows)
    accounts = list(ProviderAccount.objects.select_related("organization").filter(pk__in=overdue))
    for account in accounts:
        alerts.tell_while(
            account.organization, OVERDUE_CALLS, str(account.uuid), message_of(account, overdue[account.pk])
        )
    alerts.end_others(OVERDUE_CALLS, [str(account.uuid) for account in accounts])


def message_of(account: ProviderAccount, n: int) -> str:
    calls, are = counted(n, "call"), "is" if n == 1 else "are"
    return (
        f"Provider account “{account.name[:100]}”: {calls} {are} overdue. The provider has reported no end for more "
        f"than {account.longest_call_minutes:,} minutes. Overdue calls hold no line and are read less often, and their "
        "contacts are not called meanwhile. Look in the provider's dashboard. When a call is over, end it on its page."
    )


def _note(now: datetime) -> int:
    """Store the event of calls that have none yet, and return how many there were. No event is stored twice."""
    noted = CallEvent.objects.filter(call=OuterRef("pk"), type=OVERDUE)
    with transaction.atomic():
        found = Call.objects.overdue(now).filter(~Exists(noted)).select_for_update(skip_locked=True, of=("self",))
        calls = list(found.select_related("account").order_by("pk")[:AT_ONCE])
        # Read again under the locks: another worker may have stored events since the query began.
        told = set(CallEvent.objects.filter(call__in=calls, type=OVERDUE).values_list("call", flat=True))
        for call in calls:
            if call.pk not in told:
                record_event(call, OVERDUE, CallEvent.Source.ENGINE, _detail(call))
    return len(calls)


def _detail(call: Call) -> str:
    minutes = counted(call.account.longest_call_minutes, "minute")
    return f"No end was reported within {minutes}. The call holds no line any more and is read less often."
