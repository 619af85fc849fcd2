"""Fake PolyAI: three generations of outbound calling, distinguished by their paths. None of them sends callbacks.

Written from the pages of 24 March 2026 (`v1_trigger`), their latest revision (`v1`), and 29 June 2026 (`agents`).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from aiohttp import web

from providers.sandbox.callbacks import Callbacks
from providers.sandbox.forms import Form, Refused, is_zeros, json_object, reference_in
from providers.sandbox.voice import Voice, answer_json, same
from providers.sandbox.world import Call, Order, World, bare

KEY = "sandbox-polyai"
METADATA_LIMIT = 26_000  # bytes of base64
ENCRYPTIONS = ("TLS/SRTP", "TLS/RTP", "UDP/SRTP", "UDP/RTP")
SID = re.compile(r"(OUT-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FIELDS = {
    "v1_trigger": ("to_number",),
    "v1": ("to_number", "country_code", "metadata", "encryption"),
    "agents": ("toNumber", "environment", "countryCode", "variantId", "encryption", "metadata"),
}


class PolyAI(Voice):
    """Reports success or failure. No answer, busy and technical faults are all failures."""

    slug = "polyai"
    phases: ClassVar[Mapping[str, str]] = {
        "queued": "queued",
        "dialing": "calling",
        "ringing": "calling",
        "talking": "calling",
    }
    endings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "answered": ("success", "completed"),
        "voicemail": ("success", "completed"),
        "no_answer": ("failure", "failed"),
        "busy": ("failure", "failed"),
        "failed": ("failure", "failed"),
        "canceled": ("failure", "failed"),
        "expired": ("failure", "failed"),
        "queue_timeout": ("failure", "failed"),
    }
    reasons: ClassVar[Mapping[str, str]] = {
        "no_answer": "call was not answered",
        "busy": "user busy",
        "canceled": "call was canceled",
        "queue_timeout": "call queueing: max timeout limit exceeded",
    }

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        super().__init__(world, callbacks)
        self._errors = 0
        world.on_clear.append(self._start_over)

    def _start_over(self) -> None:
        self._errors = 0

    def routes(self) -> list[web.RouteDef]:
        old, agents = "/v1/outbound-calling", "/v1/agents/{agent}/telephony/outbound-calls"
        return [
            web.post(f"{old}/trigger", self.place),
            web.post(old, self.place),
            web.get(f"{old}/{{id:[^/]+}}/status", self.reading(self._status)),
            web.post(agents, self.place),
            web.get(f"{agents}/{{id:[^/]+}}/status", self.reading(self._status)),
        ]

    def authenticate(self, request: web.Request) -> None:
        header = "X-API-KEY" if "agent" in request.match_info else "X-PolyAi-Auth-Token"
        if not same(request.headers.get(header, ""), KEY):
            raise Refused(401, "Unauthorized")

    def of_account(self) -> Refused:
        return Refused(401, "The connector is not set up for outbound calling")

    async def read_order(self, request: web.Request) -> Order:
        agent = request.match_info.get("agent")
        generation = "agents" if agent else "v1_trigger" if request.path.endswith("/trigger") else "v1"
        form = Form(await json_object(request), FIELDS[generation])
        number = form.phone("toNumber" if agent else "to_number", required=True)
        country = form.text("countryCode" if agent else "country_code")
        if country and not re.fullmatch(r"[A-Z]{2}", country):
            form.complain("country_code", "must be an ISO 3166-1 alpha-2 code")
        metadata = form.mapping("metadata", texts_only=True)
        if 4 * -(-len(_compact(metadata)) // 3) >= METADATA_LIMIT:
            form.complain("metadata", "metadata is too large")
        form.text("encryption", choices=() if agent else ENCRYPTIONS)
        variant, environment = form.text("variantId"), ""
        if agent:
            environment = form.text("environment", required=True, choices=("sandbox", "pre-release", "live"))
        form.check()
        if (agent and is_zeros(agent)) or (variant and is_zeros(variant)):
            raise Refused(404, "Agent not found")
        return Order(
            to_number=number,
            reference=reference_in(metadata),
            extra={"generation": generation, "agent": agent, "environment": environment},
        )

    def new_id(self, order: Order, manners: frozenset[str]) -> str:
        return ("" if order.extra["generation"] == "v1_trigger" else "OUT-") + str(uuid.uuid4())

    def accepted(self, request: web.Request, call: Call, *, with_id: bool) -> web.Response:
        generation = call.order.extra["generation"]
        body = {"call_sid" if generation == "v1" else "callSid": call.id} if with_id else {}
        if generation == "agents":
            body["status"] = "QUEUED"
        telling = self.telling(call, "placing")
        return answer_json(telling.reword(body, 0.0), 202 if call.story.sparse else 200, telling)

    def error(self, request: web.Request, refused: Refused) -> web.Response:
        """Return JSON and plain text in turn, because no page shows the format of an error."""
        self._errors += 1
        if self._errors % 2:
            return answer_json({"error": refused.text}, refused.status)
        return web.Response(status=refused.status, text=refused.text)

    async def _status(self, request: web.Request) -> web.Response:
        identifier, agent = request.match_info["id"], request.match_info.get("agent")
        if not SID.fullmatch(bare(identifier)):
            raise Refused(400, "Malformed call SID")
        if agent and not request.query.get("environment"):
            raise Refused(400, "environment is required")
        known = self.world.find(self.slug, identifier)
        if known is not None and (
            known.order.extra["agent"] != agent
            or (agent and known.order.extra["environment"] != request.query["environment"])
        ):
            raise Refused(404, "Call not found")
        call = self.known(identifier, "Call not found", self.world.settings.retention_seconds)
        telling, shown = self.telling(call, "status", call.reads), call.shown
        answer = answer_json(telling.reword(self._body(call, shown), shown), telling=telling)
        return await self.shown(request, answer, call)

    def _body(self, call: Call, elapsed: float) -> dict[str, Any]:
        word, point = self.word(call, elapsed), call.timeline.at(elapsed)
        generation = call.order.extra["generation"]
        if (generation == "agents") != call.story.variant:
            word = word.upper()
        if generation == "v1_trigger":
            return {
                "callSid": call.id,
                "status": word,
                "created_at": _iso(call.moment(call.timeline.points[0])),
                "last_updated": _iso(call.moment(point)),
            }
        reason = self.reasons.get(point.state, "call failed") if word.lower() == "failure" else ""
        body = {"status": word, "reason": reason}
        return {"callSid": call.id, **body} if generation == "agents" else body


def _compact(metadata: dict[str, Any]) -> bytes:
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
