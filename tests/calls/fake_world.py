"""Four providers in memory, and the record of which phones rang.

A fake provider takes a real request and returns a real response in its own format, or loses one of them on the way. Its
record is the truth with which the model compares Trunkline's. Time is the wall clock, which tests move.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from django.utils import timezone

from calls.models import Call, Status
from providers.adapters import http
from providers.adapters.base import Answer, Request
from providers.adapters.errors import MayBeRinging, NotSent
from providers.adapters.rows import split

T = TypeVar("T")

# The fates of a placing: whether a phone rings, and the response.
FATES = (
    "placed",
    "placed",
    "placed",
    "placed, answer lost",
    "placed, 500",
    "placed, unreadable",
    "lost on the way",
    "500",
    "a page",
    "not connected",
    "429",
    "refused",
    "key refused",
)
READ_FAULTS = ("", "", "", "lost", "500", "404", "429", "a page", "key refused")
OUTCOMES = ("completed", "completed", "no_answer", "busy", "failed", "voicemail")
LASTS = (8, 45, 200)  # seconds
POLYAI_FORGETS = timedelta(hours=2)
SECRET = "whsec_sandbox"

WORDS = {
    "allomia": {
        "queued": "calling",
        "dialing": "calling",
        "ringing": "calling",
        "talking": "calling",
        "no_answer": "no-answer",
        "voicemail": "completed",
    },
    "callingbox": {"dialing": "initiated", "talking": "in_progress", "voicemail": "no_answer"},
    "polyai": {
        "dialing": "calling",
        "ringing": "calling",
        "talking": "calling",
        "completed": "success",
        "voicemail": "success",
        "no_answer": "failure",
        "busy": "failure",
        "failed": "failure",
    },
    "plumvoice": {
        "ringing": "dialing",
        "talking": "connected",
        "no_answer": "noanswer",
        "voicemail": "completed",
    },
}
ENDS = {
    "completed": Status.COMPLETED,
    "voicemail": Status.COMPLETED,
    "no_answer": Status.NO_ANSWER,
    "busy": Status.BUSY,
    "failed": Status.FAILED,
}


@dataclass
class Dial:
    """A dial after which a phone rang, or is ringing."""

    call: int  # primary key of the call that was ordered
    provider: str
    provider_id: str
    reference: str
    token: str  # the token in the callback address
    number: str
    at: datetime
    claimed_at: datetime
    lasts: timedelta
    outcome: str
    excused: bool = False  # a team member wrongly released it, so later violations are not judged

    @property
    def ended_at(self) -> datetime:
        return self.at + timedelta(seconds=6) + self.lasts

    def over(self, now: datetime) -> bool:
        return now >= self.ended_at

    def where(self, now: datetime) -> str:
        """Return the present state of the call."""
        if self.over(now):
            return self.outcome
        age = (now - self.at).total_seconds()
        stages = ((2, "queued"), (4, "dialing"), (8, "ringing"), (1e9, "talking"))
        return next(name for limit, name in stages if age < limit)

    @property
    def end(self) -> Status:
        """Return its outcome as a status of Trunkline, as far as this provider reports it."""
        if self.provider == "polyai" and self.outcome in ("no_answer", "busy"):
            return Status.FAILED
        if self.provider == "callingbox" and self.outcome == "voicemail":
            return Status.NO_ANSWER
        return ENDS[self.outcome]

    def body(self, now: datetime) -> dict[str, Any]:
        """Return the call in its provider's format."""
        where, over = self.where(now), self.over(now)
        word = WORDS[self.provider].get(where, where)
        ended = self.ended_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.provider == "allomia":
            details = {"endedAt": ended, "duration": int(self.lasts.total_seconds())} if over else None
            return {"outboundCallId": self.provider_id, "status": word, "callDetails": details}
        if self.provider == "plumvoice":
            return {"call_details": {"status": word, "attempts": 1 if where != "queued" else 0, "max_attempts": 1}}
        if self.provider == "polyai":
            return {"call_sid": self.provider_id, "status": word, "reason": ""}
        body: dict[str, Any] = {
            "id": self.provider_id,
            "status": word,
            "to_number": self.number,
            "created_at": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "context": {"ref": self.reference},
            "returns": {"confirmed": "boolean"},
        }
        if where == "completed":
            pending = now - self.ended_at < timedelta(minutes=1)
            body["result_status"] = "pending" if pending else "completed"
        if over:
            body |= {"ended_at": ended, "answered_by": "machine" if self.outcome == "voicemail" else "human"}
        return body


@dataclass
class Post:
    """A status callback on its way. It may arrive late, twice, or never."""

    dial: Dial
    body: bytes
    forged: bool = False

    def headers(self, now: datetime) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self.dial.provider == "callingbox":
            stamp = str(int(now.timestamp()))
            mac = hmac.new(SECRET.encode(), stamp.encode() + b"." + self.body, hashlib.sha256).hexdigest()
            headers["callingbox-signature"] = f"t={stamp},v1={mac}"
        return headers


@dataclass
class World:
    """Return every dial."""

    dials: list[Dial] = field(default_factory=list)

    def of(self, call: int) -> Dial | None:
        return next((dial for dial in self.dials if dial.call == call), None)

    def post(self, request: Request, call: Call, fate: str, outcome: str, lasts: int, claimed_at: datetime) -> Answer:
        """Take a placing, or lose it. Raises what `http.Client.place` raises."""
        provider = call.account.provider
        if fate == "not connected":
            raise NotSent("No connection to the provider could be made; nothing was sent.")
        if fate == "lost on the way":
            raise MayBeRinging("The provider did not answer in time.")
        if fate == "429":
            return _answer(429, {"error": "slow down"}, {"retry-after": "30"})
        if fate == "refused":
            return _answer(400, {"error": "This number cannot be called"})
        if fate == "key refused":
            return _answer(401, {"error": "Invalid or missing API key"})
        if fate == "a page":
            return Answer(403, {"content-type": "text/html"}, b"<html>filtered</html>")
        if fate == "500":
            return _answer(500, {"error": "Internal server error"})
        fields: dict[str, Any] = {**(request.json or {}), **(request.form or {})}
        address = next((fields[name] for name in ("callbackUrl", "webhook_url", "result_url") if fields.get(name)), "")
        dial = Dial(
            call=call.pk,
            provider=provider,
            provider_id=f"{provider}-{len(self.dials) + 1}",
            reference=str((fields.get("context") or {}).get("ref", "")),
            token=address.rpartition("/")[2],
            number=call.to_number,
            at=timezone.now(),
            claimed_at=claimed_at,
            lasts=timedelta(seconds=lasts),
            outcome=outcome,
        )
        self.dials.append(dial)
        if fate == "placed, answer lost":
            raise MayBeRinging("The provider did not answer in time.")
        if fate == "placed, 500":
            return _answer(500, {"error": "Internal server error"})
        if fate == "placed, unreadable":
            return Answer(200, {}, b"{")
        body = {"call_id": dial.provider_id} if provider == "plumvoice" else dial.body(dial.at)
        return _answer(201, body)

    def get(self, request: Request, fault: str) -> Answer:
        """Answer a poll. Raises what `http.Client.read` raises."""
        if fault == "lost":
            raise MayBeRinging("The provider did not answer in time.")
        if fault == "500":
            return _answer(500, {"error": "Internal server error"})
        if fault == "429":
            return _answer(429, {"error": "slow down"}, {"retry-after": "20"})
        if fault == "a page":
            return Answer(404, {"content-type": "text/html"}, b"<html>not here</html>")
        if fault == "key refused":
            return _answer(401, {"error": "Invalid or missing API key"})
        now = timezone.now()
        if request.url.endswith("/v1/calls"):
            rows = [dial.body(now) for dial in reversed(self.dials) if dial.provider == "callingbox"]
            return _answer(200, {"data": rows, "has_more": False})
        parts = request.url.split("?")[0].split("/")
        asked = parts[-2] if parts[-1] == "status" else parts[-1]
        found = next((dial for dial in self.dials if dial.provider_id == asked), None)
        forgotten = found and found.provider == "polyai" and now - found.ended_at > POLYAI_FORGETS
        if fault == "404" or found is None or forgotten:
            return _answer(404, {"error": "Not found"})
        return _answer(200, found.body(now))


@dataclass
class Line:
    """One exchange with the fake providers, in place of `http.Client`."""

    world: World
    call: Call | None = None
    fate: str = ""  # the fate of a placing, or the fault of a poll
    outcome: str = ""
    lasts: int = 0
    claimed_at: datetime | None = None

    async def place(self, request: Request, *, by: float) -> Answer:
        assert by > 0 and self.call is not None and self.claimed_at is not None
        return self.world.post(request, self.call, self.fate, self.outcome, self.lasts, self.claimed_at)

    async def read(self, request: Request) -> Answer:
        return self.world.get(request, self.fate)

    async def rows(self, request: Request, take: Callable[[bytes], None]) -> Answer:
        answer = self.world.get(request, self.fate)
        return replace(answer, body=split(answer.body, take)) if answer.status == 200 else answer

    @property
    def client(self) -> http.Client:
        return cast("http.Client", self)


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that waits for nothing, without an event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("It waits for something.")


def _answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    given = {"content-type": "application/json", **(headers or {})}
    return Answer(status, given, json.dumps(body).encode())
