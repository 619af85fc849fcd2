"""Fake AlloMia: placing (`POST /api/outbound`), status and call logs.

Written from its outbound pages and their samples of April 2026.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from aiohttp import web

from providers.sandbox import wire
from providers.sandbox.callbacks import Delivery, Parcel
from providers.sandbox.forms import Form, Refused, is_zeros, json_object, reference_in
from providers.sandbox.timeline import ANSWERED, ENDINGS
from providers.sandbox.voice import Voice, answer_json, bearer, same
from providers.sandbox.world import Call, Order

FIELDS = ("phoneNumber", "assistantId", "phoneNumberId", "customerName", "dynamicVariables", "callbackUrl")
KEY = "sandbox-allomia"
# 2026-04: only two reasons are documented and more may exist. The other two here are invented.
REASONS: dict[str, str] = {
    "answered": "customer-ended-call",
    "voicemail": "assistant-ended-call",
    "no_answer": "no-answer",
    "busy": "busy",
}


class AlloMia(Voice):
    """Reports `calling` from the queue to the conversation, without the states in between."""

    slug = "allomia"
    phases: ClassVar[Mapping[str, str]] = dict.fromkeys(("queued", "dialing", "ringing", "talking"), "calling")
    endings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "answered": ("completed", "completed"),
        "voicemail": ("completed", "completed"),
        "no_answer": ("no-answer", "no_answer"),
        "busy": ("busy", "busy"),
        "failed": ("failed", "failed"),
        "canceled": ("failed", "failed"),
        "expired": ("failed", "failed"),
        "queue_timeout": ("failed", "failed"),
    }

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/outbound", self.place),
            web.get("/api/outbound/{id:[^/]+}/status", self.reading(self._status)),
            web.get("/api/calls", self.reading(self._logs)),
            web.get("/api/calls/{id:[^/]+}", self.reading(self._log)),
        ]

    def authenticate(self, request: web.Request) -> None:
        key = bearer(request)
        if request.method == "POST" and same(key, f"{KEY}-readonly"):
            raise Refused(403, "Insufficient permissions")
        if request.method == "POST" and same(key, f"{KEY}-inactive"):
            raise self.of_account()
        if not any(same(key, known) for known in (KEY, f"{KEY}-readonly", f"{KEY}-inactive")):
            raise Refused(401, "Invalid or missing API key")

    def of_account(self) -> Refused:
        return Refused(409, "Organization is inactive")

    async def read_order(self, request: web.Request) -> Order:
        form = Form(await json_object(request), FIELDS)
        number = form.phone("phoneNumber", required=True, low=10, high=20)
        ids = [form.text(name, required=True, high=200) for name in ("assistantId", "phoneNumberId")]
        form.text("customerName", high=100)
        variables = form.mapping("dynamicVariables", texts_only=True)
        callback_url = form.url("callbackUrl")
        form.check("Invalid request data")
        if any(is_zeros(identifier) for identifier in ids):
            raise Refused(404, "Assistant or phone number not found")
        return Order(
            to_number=number,
            reference=reference_in(variables),
            callback_url=callback_url or None,
            extra={"assistant": ids[0], "customer": form.body.get("customerName", "")},
        )

    def new_id(self, order: Order, manners: frozenset[str]) -> str:
        return str(uuid.uuid4())

    def accepted(self, request: web.Request, call: Call, *, with_id: bool) -> web.Response:
        body = {
            "outboundCallId": call.id,
            "contactId": _contact(call),
            "status": "calling",
            "message": "Outbound call dispatched",
        }
        if not with_id:
            del body["outboundCallId"]
        telling = self.telling(call, "placing")
        return answer_json(telling.reword(body, 0.0), telling=telling)

    def error(self, request: web.Request, refused: Refused) -> web.Response:
        body: dict[str, Any] = {"error": refused.text}
        if refused.complaints:
            body["details"] = [
                {"field": complaint.field, "message": complaint.message, "code": complaint.code}
                for complaint in refused.complaints
            ]
        return answer_json(body, refused.status)

    async def _status(self, request: web.Request) -> web.Response:
        call = self.known(request.match_info["id"], "Outbound call not found")
        telling = self.telling(call, "status", call.reads)
        shown = call.shown
        answer = answer_json(telling.reword(self._body(call, shown), shown), telling=telling)
        return await self.shown(request, answer, call)

    def duration(self, call: Call) -> int | None:
        end = call.timeline.end
        return (_details(call, end.at) or {}).get("duration") if end else None

    def _body(self, call: Call, elapsed: float) -> dict[str, Any]:
        """Return the body of a status response, which is also the callback's.

        2026-04: the sample of a call in progress has a null `callDetails`.
        """
        body: dict[str, Any] = {
            "outboundCallId": call.id,
            "contactId": _contact(call),
            "status": self.word(call, elapsed),
            "callDetails": _details(call, elapsed),
        }
        if call.story.sparse and body["callDetails"] is None:
            del body["callDetails"]
        if call.story.variant:
            body |= {"channel": "voice", "revision": 2}
        return body

    def deliveries(self, call: Call) -> Sequence[Delivery]:
        """Return the callbacks: only for terminal states, one attempt each.

        AlloMia documents no signature, and not whether the callback or the status shows the end first.
        """
        end, url = call.timeline.end, call.order.callback_url
        if end is None or url is None:
            return ()
        at = end.at + {"late": 15.0, "early": 0.0}.get(call.story.callbacks, 0.2) / call.speed
        copies = 2 if call.story.callbacks == "twice" else 1

        def compose() -> Parcel:
            body = self._body(call, end.at)
            if call.story.callbacks == "foreign":
                body["outboundCallId"] = str(uuid.uuid4())
            telling = self.telling(call, "callback")
            body = telling.reword(body, end.at)
            if "callback of 70 KB" in telling.names:
                call.told.add("callback of 70 KB")
                body |= wire.PADDING
            return telling.encode(body)

        return [Delivery(at, url, f"terminal {copy}", compose) for copy in range(copies)]

    # Call logs. Their IDs differ from the outbound call IDs.

    async def _logs(self, request: web.Request) -> web.Response:
        query = request.query
        allowed = {"organizationId", "page", "limit", "callType", "agentName", "from", "to"}
        if not query.get("organizationId"):
            raise Refused(400, "organizationId is required")
        if set(query) - allowed:
            raise Refused(400, f"Unknown parameter {min(set(query) - allowed)}")
        page, limit = _number(query, "page", 1, 10**6), _number(query, "limit", 20, 20)
        kind = query.get("callType", "Outbound")
        if kind not in ("Inbound", "Outbound", "Web"):
            raise Refused(400, "Invalid callType")
        since, until = _moment(query, "from"), _moment(query, "to")
        if since and until and since > until:
            raise Refused(400, "from must not be after to")
        found = [
            log
            for log in (
                _log(call, _details(call, call.shown) or {})
                for call in reversed(self.world.of(self.slug))
                if kind == "Outbound"
            )
            if (not since or datetime.fromisoformat(log["createdAt"]) >= since)
            and (not until or datetime.fromisoformat(log["createdAt"]) <= until)
            and query.get("agentName", "").lower() in log["agentName"].lower()
        ]
        pages = -(-len(found) // limit)
        start = (page - 1) * limit
        body = {
            "calls": [log | {"organizationId": query["organizationId"]} for log in found[start : start + limit]],
            "pagination": {
                "page": page,
                "limit": limit,
                "total": len(found),
                "totalPages": pages,
                "hasNextPage": page < pages,
                "hasPreviousPage": page > 1,
            },
        }
        return await self.shown(request, answer_json(body))

    async def _log(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        call = next((call for call in self.world.of(self.slug) if _log_id(call) == wanted), None)
        if call is None:
            raise Refused(404, "Call not found")
        details = _details(call, call.shown) or {}
        log = _log(call, details) | {
            "organizationId": request.query.get("organizationId", "organization"),
            "callEndedReason": details.get("endedReason"),
            "userName": call.order.extra["customer"] or None,
            "userPrimaryIntent": "information",
            "userSentiment": "neutral",
            "callSummary": "A short scripted conversation.",
            "transcriptUrl": None,
            "recordingUrl": None,
        }
        return await self.shown(request, answer_json(log))


def _details(call: Call, elapsed: float) -> dict[str, Any] | None:
    point = call.timeline.at(elapsed)
    if point.state not in ENDINGS:
        return None
    talk = call.timeline.last("talking") if point.state in ANSWERED else None
    return {
        "startedAt": _iso(call.moment(talk)),
        "endedAt": _iso(call.moment(point)),
        "duration": max(1, round(point.at - talk.at)) if talk else None,
        "endedReason": REASONS.get(point.state, "failed"),
    }


def _log(call: Call, details: Mapping[str, Any]) -> dict[str, Any]:
    """Return one call log. 2026-04: the duration is text here, but a number in the status response."""
    started = _iso(call.moment(call.timeline.points[0]))
    return {
        "id": _log_id(call),
        "callType": "Outbound",
        "agentId": call.order.extra["assistant"],
        "agentName": "Sandbox assistant",
        "teamId": None,
        "teamName": None,
        "phoneNumber": "+15005550006",
        "callStartedAt": started,
        "callEndedAt": details.get("endedAt"),
        "callDurationSeconds": str(details.get("duration") or 0),
        "userPhoneNumber": call.order.to_number,
        "createdAt": started,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _contact(call: Call) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"contact {call.id}"))


def _log_id(call: Call) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"log {call.id}"))


def _number(query: Mapping[str, str], name: str, default: int, high: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= high:
        raise Refused(400, f"Invalid {name}")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError as error:
        raise Refused(400, f"Invalid {name}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
