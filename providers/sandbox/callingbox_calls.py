"""The objects of the fake CallingBox: the call at a given time, its transcript, an agent and a number."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from providers.sandbox import draws
from providers.sandbox.timeline import ANSWERED, ENDINGS
from providers.sandbox.world import Call, Order

MILLI_CENTS_PER_MINUTE = 5_000  # 2026-04: 0.05 USD per connected minute
SETTLING = 1.5  # seconds from the end of the call to the settled bill, divided by the speed
LATE = 40.0  # the same, of a result or a price that comes late
# The manners in which the bill stays open for long.
UNSETTLED = frozenset({"price settled late", "reserved at zero", "hold as amount", "empty result first, completed"})
OPT_OUTS = 0.15  # share of the answered calls in which a result named `opt_out` is true

OWN_NUMBER: dict[str, Any] = {
    "id": "9b1f7d52-3c44-4f0a-8a52-6d1c0e9a7b31",
    "e164": "+14155550100",
    "friendly_name": "Sandbox line",
    "country_code": "US",
    "number_type": "local",
    "status": "active",
    "monthly_cost_cents": 200,
    "purchased_at": "2026-04-01T00:00:00Z",
    "inbound_agent_id": None,
    "outbound_agent_ids": ["b2f6a0c4-8d13-4f7e-9a50-3c1d7e9b6f02"],
}
AGENT: dict[str, Any] = {
    "id": "b2f6a0c4-8d13-4f7e-9a50-3c1d7e9b6f02",
    "org_id": "1d0c5f7e-77a8-4a39-9a4e-2f64b0c8d911",
    "user_id": None,
    "name": "Sandbox agent",
    "type": "outbound",
    "persona": "A friendly caller.",
    "instructions": "Confirm the appointment.",
    "voice": "default",
    "language": "en",
    "returns": {"confirmed": "boolean", "note": "string"},
    "tools": [],
    "webhook_url": None,
    "voicemail_action": "hangup",
    "primary_number_id": OWN_NUMBER["id"],
    "archived_at": None,
    "created_at": "2026-04-01T00:00:00Z",
    "updated_at": "2026-04-01T00:00:00Z",
    "numbers": [OWN_NUMBER],
}
_SAMPLES: dict[str, Any] = {"boolean": True, "string": "Tuesday suits", "number": 2}


def extracted_at(call: Call) -> float | None:
    """Return when an answered call's result is available, in seconds after acceptance."""
    end = call.timeline.end
    if end is None or end.state != "answered":
        return None
    if not call.order.extra["returns"]:
        return end.at
    late = call.manners & {"result after the webhook", "empty result first"}
    return end.at + (LATE if late else call.story.extraction) / call.speed


def result(call: Call) -> dict[str, Any] | None:
    """Return the result of an answered call, as it is meant."""
    returns = call.order.extra["returns"]
    if not returns or call.story.extraction_fails:
        return None
    return {name: _sample(call, name, hint) for name, hint in returns.items()}


def _sample(call: Call, name: str, hint: str) -> Any:
    if name == "opt_out":
        return draws.fraction("opt-out", call.order.to_number, call.dial) < OPT_OUTS
    return _SAMPLES.get(hint)


def duration(call: Call) -> int | None:
    """Return the duration of an ended call, as it is meant."""
    end = call.timeline.end
    return _times(call, end.at)["duration_seconds"] if end else None


def price(call: Call) -> int:
    """Return the price of an ended call in thousandths of a cent, as it is meant."""
    end, talk = call.timeline.end, call.timeline.last("talking")
    if end is None or talk is None or end.state != "answered" or "free call" in call.manners:
        return 0
    return round(max(1, round(end.at - talk.at)) * MILLI_CENTS_PER_MINUTE / 60)


def call_object(call: Call, elapsed: float, word: str) -> dict[str, Any]:
    """Return the call as the API shows it `elapsed` seconds after acceptance."""
    extra, now = call.order.extra, call.timeline.at(elapsed)
    body: dict[str, Any] = {
        "id": call.id,
        "agent_id": extra.get("agent_id"),
        "to_number": call.order.to_number,
        "from_number": call.order.from_number,
        "status": word,
        "direction": "outbound",
        "prompt": extra.get("prompt"),
        "context": extra["context"],
        "returns": extra["returns"],
        "metadata": extra.get("metadata", {"language": extra["language"]}),
        "language": extra["language"],
        "webhook_url": call.order.callback_url,
        "webhook_status": call.webhook_status,
        "webhook_error": None if call.webhook_status != "failed" else "no 2xx",
        "created_at": _iso(call, 0.0),
        "updated_at": _iso(call, now.at),
        **_result(call, elapsed),
        **_times(call, elapsed),
        **_bill(call, elapsed),
        **_cause(now.state),
    }
    if "agent_id" in extra:
        body |= {"persona": AGENT["persona"], "instructions": extra["instructions"]}
    if now.state == "voicemail":
        body["answered_by"] = "machine"  # not in the schema, but mentioned in a guide
    if call.story.sparse:
        return {name: value for name, value in body.items() if value is not None}
    return body


def _result(call: Call, elapsed: float) -> dict[str, Any]:
    """Return the result, pending until extraction.

    It stays pending for ever if nobody answered (page on structured results, 2026-04).
    """
    at, end = extracted_at(call), call.timeline.end
    if at is None and end is not None and end.at <= elapsed and is_completed_voicemail(call):
        return {"result": None, "result_status": "failed", "result_error": "no conversation"}
    if at is None or elapsed < at:
        return {"result": None, "result_status": "pending", "result_error": None} | _too_early(call, elapsed)
    if call.story.extraction_fails:
        return {"result": None, "result_status": "failed", "result_error": "could not extract the result"}
    if "empty result first, completed" in call.manners and elapsed < settled_at(call):
        call.told.add("empty result first, completed")
        return {"result": {}, "result_status": "completed", "result_error": None}
    if call.manners & {"result after the webhook", "empty result first"}:
        call.told |= call.manners & {"result after the webhook", "empty result first"}
    return {"result": result(call), "result_status": "completed", "result_error": None}


def _too_early(call: Call, elapsed: float) -> dict[str, Any]:
    """Return what some calls show in place of a result that is not there yet."""
    end = call.timeline.end
    ended = end is not None and elapsed >= end.at
    return {"result": {}} if ended and "empty result first" in call.manners else {}


def _times(call: Call, elapsed: float) -> dict[str, Any]:
    passed = {point.state: point.at for point in call.timeline.until(elapsed)}
    now = call.timeline.at(elapsed)
    ended = now.state in ENDINGS
    answered = passed.get("talking") if now.state not in ("voicemail", "no_answer") else None
    started = passed.get("ringing")
    return {
        "started_at": _iso(call, started),
        "answered_at": _iso(call, answered),
        "ended_at": _iso(call, now.at) if ended else None,
        "duration_seconds": max(1, round(now.at - (started or now.at))) if ended and started else None,
    }


def _bill(call: Call, elapsed: float) -> dict[str, Any]:
    """Return the bill: connected time only, settled shortly after the end of the call."""
    end, talk = call.timeline.end, call.timeline.last("talking")
    if end is None or elapsed < end.at:
        return {"billed_duration_seconds": None, "billing_amount_milli_cents": None, "reservation_status": "reserved"}
    if end.state != "answered" or talk is None:
        return {"billed_duration_seconds": 0, "billing_amount_milli_cents": 0, "reservation_status": "released"}
    seconds = max(1, round(end.at - talk.at))
    settled = elapsed >= settled_at(call)
    call.told |= call.manners & {"price settled late", "free call"} if settled else set()
    return {
        "billed_duration_seconds": seconds if settled else None,
        "billing_amount_milli_cents": price(call) if settled else None,
        "reservation_status": "settled" if settled else "reserved",
    }


def settled_at(call: Call) -> float:
    """Return when the bill of a call that ends is settled, in seconds after acceptance."""
    end = call.timeline.end
    return (end.at if end else 0.0) + (LATE if call.manners & UNSETTLED else SETTLING) / call.speed


def is_completed_voicemail(call: Call) -> bool:
    """Return whether a voicemail is told as a completed call with a word for the machine."""
    end = call.timeline.end
    return end is not None and end.state == "voicemail" and any(name.startswith("voicemail") for name in call.manners)


def _cause(state: str) -> dict[str, Any]:
    """Return error code and cause. Both vocabularies are open: they come from CallingBox's telephony provider."""
    codes = {"failed": "invalid_destination", "queue_timeout": "queue_timeout", "expired": "expired"}
    causes = {"answered": "NORMAL_CLEARING", "busy": "USER_BUSY", "no_answer": "NO_ANSWER", "canceled": "CANCEL"}
    code = codes.get(state)
    return {
        "error_code": code,
        "error_message": f"telephony: {code.replace('_', ' ')}" if code else None,
        "hangup_cause": causes.get(state, "UNALLOCATED_NUMBER" if code else None),
    }


def transcript(call: Call, elapsed: float) -> dict[str, Any]:
    """Return the transcript, empty unless the call was answered and has ended."""
    talk, now = call.timeline.last("talking"), call.timeline.at(elapsed)
    if talk is None or now.state not in ENDINGS or now.state not in ANSWERED:
        return {"call_id": call.id, "segments": []}
    half = (now.at - talk.at) / 2
    spoken = [("assistant", "Hello, is now a good time?"), ("user", "Yes, go ahead.")]
    segments = [
        {
            "sequence_no": number,
            "role": role,
            "text": text,
            "started_at": _iso(call, talk.at + half * number),
            "ended_at": _iso(call, talk.at + half * (number + 1)),
            "duration_ms": round(half * 1000),
            "source": "realtime",
        }
        for number, (role, text) in enumerate(spoken)
    ]
    return {"call_id": call.id, "segments": segments}


def inbound() -> dict[str, Any]:
    """Return an inbound call. The list shows inbound and outbound calls together."""
    return _bare("inbound", "completed", "+14155550199", OWN_NUMBER["e164"]) | {"duration_seconds": 30}


def unplaced(order: Order) -> dict[str, Any]:
    """Return the record of a call that the telephone network did not accept."""
    body = _bare("outbound", "failed", order.from_number, order.to_number)
    return body | {
        "agent_id": order.extra.get("agent_id"),
        "context": order.extra["context"],
        "metadata": order.extra.get("metadata", {}),
        "error_code": "telephony_error",
        "error_message": "the telephony provider could not place the call",
        "reservation_status": "released",
    }


def _bare(direction: str, status: str, from_number: Any, to_number: Any) -> dict[str, Any]:
    now = _text(datetime.now(UTC))
    return {
        "id": str(uuid.uuid4()),
        "agent_id": None,
        "to_number": to_number,
        "from_number": from_number,
        "status": status,
        "direction": direction,
        "context": {},
        "returns": {},
        "metadata": {},
        "result": None,
        "result_status": "pending",
        "created_at": now,
        "updated_at": now,
        "started_at": None,
        "answered_at": None,
        "ended_at": now,
        "duration_seconds": None,
        "billed_duration_seconds": None,
        "billing_amount_milli_cents": None,
        "reservation_status": "settled",
        "error_code": None,
        "error_message": None,
        "hangup_cause": None,
    }


def _iso(call: Call, at: float | None) -> str | None:
    return None if at is None else _text(datetime.fromtimestamp(call.accepted_at + at, UTC))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
