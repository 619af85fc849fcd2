"""The webhooks of the fake CallingBox: one signed envelope per event, with retries. Schema 2026-04."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Callable
from typing import Any

from providers.sandbox import wire
from providers.sandbox.callbacks import Delivery, Parcel
from providers.sandbox.callingbox_calls import extracted_at, is_completed_voicemail
from providers.sandbox.telling import Telling
from providers.sandbox.timeline import ENDINGS
from providers.sandbox.world import Call

DEFAULT_SECRET = "whsec_sandbox"  # noqa: S105 - public by design: it protects nothing
ENDPOINT_SECRET = "whsec_sandbox_endpoint"  # noqa: S105
# Seconds before each attempt after the first: eight attempts in all. Each pause varies by up to 20 %.
RETRIES = (60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 86_400.0)
EARLY = frozenset({"result after the webhook", "empty result first"})  # their webhook does not wait for the result
TERMINAL = {
    "answered": "call.completed",
    "voicemail": "call.no_answer",
    "no_answer": "call.no_answer",
    "busy": "call.busy",
    "canceled": "call.canceled",
}


def signature(secret: str, moment: int, body: bytes) -> str:
    """Return the hex HMAC-SHA256 over `<t>.<body>`. The key is the whole secret as text, with `whsec_`."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


Body = Callable[[Call, float], dict[str, Any]]
Tell = Callable[..., Telling]  # of a call and an occasion


def deliveries(call: Call, body: Body, tell: Tell, endpoint: str) -> list[Delivery]:
    """Return all lifecycle events, once for the call's own URL and once for the account's endpoint, where set.

    Exactly one event is terminal, and `call.completed` waits for the result. CallingBox does not promise an order, so
    story 25 reverses it.
    """
    targets = [(call.order.callback_url, DEFAULT_SECRET), (endpoint, ENDPOINT_SECRET)]
    events = _events(call)
    if call.story.variant and events:
        last = max(at for _, at, _ in events)
        spread = 0.3 / call.speed
        events = [(name, last + spread * turn, seen) for turn, (name, _, seen) in enumerate(reversed(events))]
    return [
        Delivery(
            at, url, f"{name} {copy}", _composer(call, name, seen, secret, body, tell, copy), "POST", 10.0, RETRIES
        )
        for url, secret in targets
        if url
        for name, at, seen in events
        for copy in range(2 if call.story.callbacks == "twice" else 1)
    ]


def _events(call: Call) -> list[tuple[str, float, float]]:
    """Return (type, when to send it, the moment of the call that it shows), in order of the call's states."""
    end = call.timeline.end
    names = {"queued": "call.queued", "ringing": "call.ringing", "talking": "call.answered"}
    events = []
    for point in call.timeline.points:
        if point.state in ENDINGS:
            continue
        if point.state in names and not (point.state == "talking" and end is not None and end.state == "voicemail"):
            events.append((names[point.state], point.at, point.at))
    if end is not None:
        shown = end.at if call.manners & EARLY else extracted_at(call) or end.at
        at = shown + (15.0 / call.speed if call.story.callbacks == "late" else 0.0)
        name = "call.completed" if is_completed_voicemail(call) else TERMINAL.get(end.state, "call.failed")
        call.facts["terminal_event"] = f"{name} 0"
        events.append((name, end.at if call.story.callbacks == "early" else at, shown))
    if call.story.callbacks == "foreign":
        events = events[-1:]
    return events


def _composer(
    call: Call, name: str, seen: float, secret: str, body: Body, tell: Tell, copy: int
) -> Callable[[], Parcel]:
    """Return a function that composes one delivery: all attempts share ID and body, each has a new signature."""
    # A copy is the same delivery sent again, so it has the ID of the first.
    identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.id} {name} {secret}"))
    made: list[tuple[dict[str, str], bytes]] = []

    def compose() -> Parcel:
        telling = tell(call, "callback", name)
        if not made:
            envelope = {
                "id": identifier,
                "type": name,
                "created": int(call.accepted_at + seen),
                "api_version": "2026-04",
                "data": {"call": telling.reword(body(call, seen), seen)},
            }
            if "callback of 70 KB" in telling.names:
                call.told.add("callback of 70 KB")
                envelope |= wire.PADDING
            made.append(telling.encode(envelope))
        (headers, data), moment = made[0], int(time.time())
        key = "whsec_of_somebody_else" if call.story.callbacks == "foreign" else secret
        given = signature(key, moment, data)
        if "signature in capitals" in telling.names:
            call.told.add("signature in capitals")
            given = given.upper()
        signed = f"t={moment},v1={given}"
        if copy:
            signed += f",v1={signature('whsec_before_rotation', moment, data)}"
        return headers | {
            "CallingBox-Signature": signed,
            "CallingBox-Event-Id": identifier,
            "CallingBox-Event-Type": name,
            "X-CallingBox-Event": name,
            "X-CallingBox-Call-Id": call.id,
        }, data

    return compose
