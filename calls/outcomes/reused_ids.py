"""One provider ID for two calls of an account: both are named to a person, and nothing certain is read from it.

A provider may reuse an ID, or answer a second request with the first request's call. Then the phone of the later call
may or may not have rung. So the later call is unconfirmed and never dialled again by itself, and the earlier one keeps
the ID. From then on a reading under this ID is evidence about one of the two only if it proves about which: by our
reference in it, or by its number where the two calls have different ones. Any other reading is kept as an event and
changes nothing, so a call that nothing proves ends as `unknown`, or by a team member's decision.
"""

from __future__ import annotations

from datetime import datetime

from calls.models import Call, Status, record_event
from calls.outcomes import poll_schedule
from calls.outcomes.plausibility import is_another_number
from calls.outcomes.transitions import RESPONSE, LockedCall, mark_unconfirmed
from calls.outcomes.units import Unit
from providers.adapters.base import Reading
from providers.adapters.call_ids import same_call
from tenants import alerts

EVENT = "reused_id"


def other_call(unit: Unit, call: Call, reading: Reading) -> Call | None:
    """Return the call with which this one shares the ID that the reading names, or None."""
    if call.id_shared_with:
        return Call.objects.filter(uuid=call.id_shared_with).first()
    named = reading.provider_call_id
    return unit.holder_of(call, named) if named and not call.provider_call_id else None


def has_the_reference_of_another(call: Call, reading: Reading) -> bool:
    """Return whether the reading is about another call of the account by our reference, as a mixed-up callback is.

    A reading under this call's own ID is about this call all the same: its reference was mixed up. Two calls with one
    ID are told apart by `is_proven`.
    """
    if reading.reference in ("", call.reference) or call.id_shared_with:
        return False
    if same_call(reading.provider_call_id, call.provider_call_id):
        return False
    return Call.objects.filter(account=call.account_id, reference=reading.reference).exists()


def is_proven(call: Call, other: Call, reading: Reading) -> bool:
    """Return whether the reading can only be about `call`, and not about the other call with the same ID."""
    if reading.reference:
        return reading.reference == call.reference
    said = reading.to_number
    if not said or is_another_number(said, call.to_number):
        return False
    return bool(other.to_number) and is_another_number(said, other.to_number)


def tell(locked: LockedCall, other: Call, reading: Reading, source: str, now: datetime, raw: bytes) -> None:
    """Store on both calls that they share an ID, once, and tell the team. A call that is placed becomes unconfirmed."""
    call = locked.call
    if not call.id_shared_with:
        named = (reading.provider_call_id or call.provider_call_id)[:200]
        call.id_shared_with = other.uuid
        # Of several calls with its ID, the earlier one remembers one whose number tells nothing.
        if not other.id_shared_with or not is_another_number(call.to_number, other.to_number):
            Call.objects.filter(pk=other.pk).update(id_shared_with=call.uuid)
        detail = f"The provider gave the ID {named} to this call too, which call {other.uuid} has already."
        locked.record_event(EVENT, source, detail, raw=raw)
        detail = f"The provider gave this call's ID {named} to call {call.uuid} too."
        record_event(other, EVENT, source, f"{detail} What it says under this ID may be about either.", raw=raw)
        message = (
            f"Provider account “{call.account.name}” gave the ID {named} to two calls, {other.uuid} and {call.uuid}. "
            "Look both up at the provider, and settle the unconfirmed one on its page."
        )
        alerts.tell(call.organization, f"account.{EVENT}:{call.uuid}", message, str(call.account.uuid))
    if call.status == Status.PLACING:
        detail = f"The provider's ID {reading.provider_call_id[:200]} is that of call {other.uuid}."
        mark_unconfirmed(locked, RESPONSE, detail, now, raw=raw)
        return
    if call.status == Status.UNCONFIRMED and not call.provider_call_id:
        call.next_read_at = poll_schedule.next_search(call, now)
    locked.save()
