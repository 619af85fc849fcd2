"""Read what CallingBox tells about a call: the call object, which answers, lists and events share, and the transcript.

Provider facts come from undated pages, and from the webhook schema and samples of 2026-04.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from providers.adapters.base import CallState, Reading, Remark, Segment
from providers.adapters.decoding import fold, storable
from providers.adapters.fields import Fields
from providers.adapters.messages import Found, Status, envelopes, find_call, first_text, follow, read_status, tolerate
from tenants.money import Money

IDS = ("id", "call_id")  # the transcript has the second
STATES = {
    "queued": CallState.QUEUED,
    "initiated": CallState.DIALING,
    "ringing": CallState.RINGING,
    "in_progress": CallState.IN_PROGRESS,
    "completed": CallState.COMPLETED,  # terminal at once, but the result may follow later
    "no_answer": CallState.NO_ANSWER,  # a voicemail if answered_by is "machine"
    "busy": CallState.BUSY,
    "canceled": CallState.CANCELED,
    "failed": CallState.FAILED,
}
ENDS = {f"call.{word}": state for word, state in STATES.items() if state.is_terminal}  # types of events
CURRENCY = "USD"  # of all amounts
FINAL = ("settled", "released")  # words of `reservation_status`; the third is "reserved"
REASON_NAMES = ("ended_reason", "end_reason", "hangup_cause")  # only the last, the network's own, is documented
UNKNOWN_HOLD = "It is no documented word, so the amount may be a hold."
UNKNOWN_RESULT = "It is no documented word, so the result may still follow."
SPEECH = 20_000  # characters of one turn of a transcript


@dataclass(frozen=True)
class _Amounts:
    """What a call lasted and costs. `settled`: whether these are the final figures."""

    duration: int | None
    billed: int | None
    price: Money | None
    settled: bool


def read_call(found: Found) -> Reading | None:
    """Return the reading of a call object, or None if it has neither a status nor an ID nor our reference."""
    call, reference = found.call, _reference(found.call)
    status = read_status(found, STATES) or (Status(CallState.UNRECOGNISED, "") if reference else None)
    if status is None:
        return None
    state = status.state
    answered_by = first_text((call,), ("answered_by",), into="answered_by")  # in no schema; a guide names "machine"
    error_code = call.text("error_code", into="error_code")
    amounts = _amounts(call)
    result, result_text = call.result("result")
    result_status, awaited = _result_status(call, state, empty=not (result or result_text))
    may_be_over = state.is_terminal or state is CallState.UNRECOGNISED  # a team member may know the word
    unread = any(not remark.taken and remark.field in ("price", "result") for remark in call.remarks)
    return Reading(
        state,
        provider_call_id=found.call_id,
        provider_status=status.word,
        reference=reference,
        to_number=call.text("to_number", 32, into="to_number"),
        created_at=call.moment("created_at", into="created_at"),
        started_at=call.moment("started_at", into="started_at"),
        answered_at=call.moment("answered_at", into="answered_at"),
        ended_at=call.moment("ended_at", into="ended_at"),
        duration_seconds=amounts.duration,
        billed_duration_seconds=amounts.billed,
        price=amounts.price,
        ended_reason=_ended_reason(state, answered_by, error_code),
        provider_reason=first_text((call,), REASON_NAMES, into="provider_reason"),
        answered_by=answered_by,
        error_code=error_code,
        error_message=call.text("error_message", 500, into="error_message"),
        result=result,
        result_text=result_text,
        result_status=result_status,
        settled=not (may_be_over and (awaited or unread or not amounts.settled)),
        amounts_settled=amounts.settled,
        remarks=tuple(call.remarks),
    )


def event_in(message: Fields) -> Fields | None:
    """Return the event that a message is or holds, or None: an event has a type or data."""
    events = [found for found in envelopes(message) if found.spellings("type") or "data" in found]
    with_status = [found for found in events if follow(found, "data", "call").spellings("status")]
    event = next(iter(with_status or events), None)
    if event is not None and event is not message:
        tolerate(message, event.path, "The event is inside another object than documented.")
    return event


def read_event(event: Fields) -> Reading | None:
    """Return the reading of an event, whose call is in `data.call`. None: it has neither a status nor the call's ID.

    The ID may be beside the call, as `call_id`; the `id` of an event is the event's. An event of one end with a call of
    another end is no end.
    """
    data = follow(event, "data")
    call = follow(data, "call")
    if call is event:
        return None
    found = find_call(call, IDS, generic=True)
    if call is data and not found.call.spellings("status"):
        found = replace(found, call_id="")  # the ID of something else
    if not found.call_id and not found.torn:
        found = replace(found, call_id=data.call_id("call_id") or event.call_id("call_id"))
    reading = read_call(found)
    told = ENDS.get(event.text("type").lower())
    if reading is None or told is None or not reading.state.is_terminal or reading.state is told:
        return reading
    why = f"The event says '{event.text('type')}'."
    doubt = Remark(f"{found.call.path}.status", reading.provider_status, why, taken=False, field="state")
    return replace(reading, state=CallState.UNRECOGNISED, ended_reason="", remarks=(*reading.remarks, doubt))


def read_turns(value: Any, fields: Fields) -> Sequence[Segment] | None:
    """Return the turns of a transcript in order, or None if there is none. One text is one turn."""
    if isinstance(value, str):
        spoken = storable(value).strip()
        return [Segment("", spoken[start : start + SPEECH]) for start in range(0, len(spoken), SPEECH)]
    if not isinstance(value, list):
        return None
    turns = [replace(fields, values=turn if isinstance(turn, dict) else {"text": turn}) for turn in value]
    turns.sort(key=lambda turn: turn.integer("sequence_no") or 0)
    return [
        Segment(
            turn.text("role", 40),  # CallingBox does not document the values
            turn.text("text", SPEECH),
            turn.moment("started_at"),
            turn.moment("ended_at"),
        )
        for turn in turns
    ]


def _amounts(call: Fields) -> _Amounts:
    """Return the figures of a call. A zero is a fact only once the hold on the balance is settled or released.

    Before that, the amount may be the hold, and zeros stand for "not yet known".
    """
    word = call.word("reservation_status")
    doubtful = call.doubt("reservation_status") is not None
    if word and word not in (*FINAL, "reserved"):
        call.remark("reservation_status", UNKNOWN_HOLD, taken=False, into="price")
        doubtful = True
    duration = call.seconds("duration_seconds", into="duration_seconds")
    billed = call.seconds("billed_duration_seconds", into="billed_duration_seconds")
    price = Money.known(call.milli_cents("billing_amount_milli_cents", into="price"), CURRENCY)
    if word in FINAL:
        return _Amounts(duration, billed, price, settled=True)
    held = word == "reserved" or doubtful
    settled = not held and price is None  # an amount of which nothing says that it is final may still change
    return _Amounts(duration or None, billed or None, None if held else price or None, settled)


def _result_status(call: Fields, state: CallState, *, empty: bool) -> tuple[str, bool]:
    """Return the status of the structured result, and whether the result is still awaited.

    The status stays "pending" for ever on unanswered calls, and means nothing if no result was requested.
    """
    if state not in (CallState.COMPLETED, CallState.UNRECOGNISED) or not _asked(call):
        return "", False
    word = call.word("result_status")
    if word in ("", "pending"):
        return word, True
    if word not in ("completed", "failed"):
        call.remark("result_status", UNKNOWN_RESULT, taken=False, into="result_status")
        return "pending", True
    return word, word == "completed" and empty


def _asked(call: Fields) -> bool:
    """Return whether a result was requested. Without `returns`, a message that speaks of a result may have one."""
    if call.spellings("returns"):
        return call.raw("returns") not in ({}, "{}", [], "")
    return bool(call.spellings("result") or call.spellings("result_status"))


def _reference(call: Fields) -> str:
    """Return our reference from `metadata` (generation `agent`) or `context` (generation `prompt`)."""
    return first_text((call.inside("metadata"), call.inside("context")), ("ref",), into="reference")


def _ended_reason(state: CallState, answered_by: str, error_code: str) -> str:
    if state.is_terminal and fold(answered_by) == "machine":
        return "voicemail"
    if state is CallState.FAILED:
        return "provider_error" if error_code else "failure_unspecified"
    return state.value if state in (CallState.NO_ANSWER, CallState.BUSY) else ""
