"""Write what was gathered for the calls of a batch: one statement for each table, not for each call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from calls.models import FOLLOWED, Call, CallEvent, Polling, StaffDecision
from calls.outcomes import circuit_breaker
from calls.outcomes.units import Gathered
from calls.webhooks import outbox
from campaigns.models import Recipient
from tenants.db.bulk_updates import append_rows, update_rows

_COLUMNS = {field.attname: field.name for field in Call._meta.concrete_fields if not field.primary_key}
_ABSENT = object()


def as_stored(call: Call) -> dict[str, Any]:
    """Return the fields of a call, to find later what has changed."""
    return dict(call.__dict__)


def write(gathered: Sequence[Gathered], was: Mapping[int, Mapping[str, Any]], now: datetime) -> set[int]:
    """Write everything. Return the keys of calls of which nothing was written, because their row is another by now.

    `was`: the fields of each call as they were when it was locked.
    """
    if _may_be_lost(gathered, was):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
    saved = [each for each in gathered if each.saved]
    stored = _write_calls([each.call for each in saved], was)
    missed = {each.call.pk for each in saved} - stored
    gathered = [each for each in gathered if each.call.pk not in missed]
    append_rows([event for each in gathered for event in each.events])
    if decided := [each.call.pk for each in gathered if each.decided]:
        StaffDecision.objects.filter(call__in=decided, applied=False).update(applied=True)
    _write_recipients(gathered)
    outbox.add_callbacks(each.call for each in gathered if each.callback)
    outbox.publish_call_changes([(each.call, each.published) for each in gathered if each.published])
    circuit_breaker.settle([(each.call, effect) for each in gathered for effect in each.effects], now)
    return missed


def _may_be_lost(gathered: Iterable[Gathered], was: Mapping[int, Mapping[str, Any]]) -> bool:
    """Return whether a crash of the database may undo the batch: the calls go on, and are read again soon.

    The end of a call is told once, and so is the answer to a placing: that it was placed, and under which ID.
    """
    return connection.vendor == "postgresql" and all(_is_told_again(each, was[each.call.pk]) for each in gathered)


def _is_told_again(gathered: Gathered, was: Mapping[str, Any]) -> bool:
    """Return whether the next read of a call tells what is to be written for it now."""
    call = gathered.call
    if was["status"] not in FOLLOWED or call.status not in FOLLOWED or gathered.effects:
        return False
    answers = any(event.source == CallEvent.Source.RESPONSE for event in gathered.events)
    return not answers and call.provider_call_id == was["provider_call_id"]


def _write_calls(calls: Sequence[Call], was: Mapping[int, Mapping[str, Any]]) -> set[int]:
    """Store the calls, their changed columns only, and the polling rows that begin, change or end with them."""
    begun = [(call, call.polling) for call in calls if call.polling is not None and call.polling._state.adding]
    append_rows([row for _, row in begun])
    for call, row in begun:
        call.polling = row  # it has a key now
    changed: set[str] = set()
    for call in calls:
        before = was[call.pk]
        changed.update(
            name
            for name, value in call.__dict__.items()
            if value is not (old := before.get(name, _ABSENT)) and name in _COLUMNS and value != old
        )
    guard = {name: [was[call.pk][name] for call in calls] for name in ("status", "placing_attempts")}
    stored = update_rows(calls, {_COLUMNS[name] for name in changed} | {"updated_at"}, guard=guard)
    new = {row.pk for _, row in begun}
    _write_polling([call for call in calls if call.pk in stored], new)
    orphans = [row.pk for call, row in begun if call.pk not in stored]
    if orphans:
        Polling.objects.filter(pk__in=orphans).delete()
    return stored


def _write_polling(calls: Sequence[Call], new: Collection[int]) -> None:
    """Store the times of the next reads that were changed, and delete the rows of calls that are not read any more."""
    kept = [call.polling for call in calls if call.polling is not None and call.polling_id not in new]
    changed = [row for row in kept if row.has_changes()]
    ended = [pk for call in calls if (pk := call._stored_polling) is not None and pk != call.polling_id]
    if not changed and not ended:
        return
    locked = Polling.objects.select_for_update().filter(pk__in=[*(row.pk for row in changed), *ended])
    list(locked.order_by("pk").values_list("pk"))
    update_rows(changed, ["next_read_at", "retention_at"])
    if ended:
        Polling.objects.filter(pk__in=ended).delete()


def _write_recipients(gathered: Iterable[Gathered]) -> None:
    moved = [each for each in gathered if each.recipient is not None]
    rows: list[Recipient] = [each.recipient for each in moved if each.recipient is not None]
    update_rows(rows, {name for each in moved for name in each.recipient_fields})
