"""CallingBox's webhooks: one envelope per event, signed, tried again. Schema 2026-04."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from providers.sandbox.callbacks import Delivery, Parcel
from providers.sandbox.callingbox_calls import extracted_at
from providers.sandbox.timeline import ENDINGS
from providers.sandbox.world import Call

DEFAULT_SECRET = "whsec_sandbox"  # noqa: S105 - public by design: it guards nothing
ENDPOINT_SECRET = "whsec_sandbox_endpoint"  # noqa: S105
# The pauses after the first attempt, eight in all; each is drawn within 20 %.
RETRIES = (60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 86_400.0)
TERMINAL = {
    "answered": "call.completed",
    "voicemail": "call.no_answer",
    "no_answer": "call.no_answer",
    "busy": "call.busy",
    "canceled": "call.canceled",
}


def signature(secret: str, moment: int, body: bytes) -> str:
    """Hex HMAC-SHA256 over `<t>.<body>`. The key is the whole secret as text, its `whsec_` included."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def deliveries(call: Call, body: Callable[[Call, float], dict[str, Any]], endpoint: str) -> list[Delivery]:
    """All lifecycle events, once to the call's own address and once to the account's endpoint, if there are any.

    Exactly one is terminal; `call.completed` waits for the result. Order is not promised, and story 25 reverses it.
    """
    targets = [(call.order.callback_url, DEFAULT_SECRET), (endpoint, ENDPOINT_SECRET)]
    events = _events(call)
    if call.story.variant and events:
        last = max(at for _, at, _ in events)
        spread = 0.3 / call.speed
        events = [(name, last + spread * turn, seen) for turn, (name, _, seen) in enumerate(reversed(events))]
    return [
        Delivery(at, url, f"{name} {copy}", _composer(call, name, seen, secret, body, copy), "POST", 10.0, RETRIES)
        for url, secret in targets
        if url
        for name, at, seen in events
        for copy in range(2 if call.story.callbacks == "twice" else 1)
    ]


def _events(call: Call) -> list[tuple[str, float, float]]:
    """(type, when sent, moment of the call it shows)."""
    end = call.timeline.end
    names = {"queued": "call.queued", "ringing": "call.ringing", "talking": "call.answered"}
    events = []
    for point in call.timeline.points:
        if point.state in ENDINGS:
            continue
        if point.state in names and not (point.state == "talking" and end is not None and end.state == "voicemail"):
            events.append((names[point.state], point.at, point.at))
    if end is not None:
        shown = extracted_at(call) or end.at
        at = shown + (15.0 / call.speed if call.story.callbacks == "late" else 0.0)
        name = TERMINAL.get(end.state, "call.failed")
        call.facts["terminal_event"] = f"{name} 0"
        events.append((name, end.at if call.story.callbacks == "early" else at, shown))
    if call.story.callbacks == "foreign":
        events = events[-1:]
    return events


def _composer(
    call: Call, name: str, seen: float, secret: str, body: Callable[[Call, float], dict[str, Any]], copy: int
) -> Callable[[], Parcel]:
    """Body and headers of one delivery: the same id and body at every attempt, a fresh signature at each."""
    # A copy is the same delivery sent again: it shares the id of the first.
    identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.id} {name} {secret}"))
    made: list[bytes] = []

    def compose() -> Parcel:
        if not made:
            envelope = {
                "id": identifier,
                "type": name,
                "created": int(call.accepted_at + seen),
                "api_version": "2026-04",
                "data": {"call": body(call, seen)},
            }
            made.append(json.dumps(envelope).encode())
        moment = int(time.time())
        key = "whsec_of_somebody_else" if call.story.callbacks == "foreign" else secret
        signed = f"t={moment},v1={signature(key, moment, made[0])}"
        if copy:
            signed += f",v1={signature('whsec_before_rotation', moment, made[0])}"
        return {
            "Content-Type": "application/json",
            "CallingBox-Signature": signed,
            "CallingBox-Event-Id": identifier,
            "CallingBox-Event-Type": name,
            "X-CallingBox-Event": name,
            "X-CallingBox-Call-Id": call.id,
        }, made[0]

    return compose
