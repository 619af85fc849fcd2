"""Fake CallingBox: both documented bodies of `POST /v1/calls`, reads, lists, transcripts, numbers and agents.

Written from undated pages; the webhook schema is named 2026-04. A body with `agent_id` is of the agent generation.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from providers.sandbox import callingbox_calls as calls
from providers.sandbox import callingbox_orders as orders
from providers.sandbox import wire
from providers.sandbox.callbacks import Callbacks, Delivery
from providers.sandbox.callingbox_events import deliveries
from providers.sandbox.forms import Refused, json_object
from providers.sandbox.voice import Voice, answer_json, bearer, same
from providers.sandbox.world import Call, Order, World, bare

KEY = "sk_sandbox"
BROKE = "sk_sandbox_broke"
SIZE_LIMIT = 32_768


class CallingBox(Voice):
    """The only provider that lists calls and signs webhooks."""

    slug = "callingbox"
    phases: ClassVar[Mapping[str, str]] = {
        "queued": "queued",
        "dialing": "initiated",
        "ringing": "ringing",
        "talking": "in_progress",
    }
    endings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "answered": ("completed", "completed"),
        "voicemail": ("no_answer", "no_answer"),  # distinguished by answered_by: machine
        "no_answer": ("no_answer", "no_answer"),
        "busy": ("busy", "busy"),
        "failed": ("failed", "failed"),
        "canceled": ("canceled", "canceled"),
        "expired": ("failed", "failed"),
        "queue_timeout": ("failed", "failed"),
    }

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        super().__init__(world, callbacks)
        self._others: list[tuple[datetime, dict[str, Any]]] = []  # in the list, but not dials
        world.on_clear.append(self._others.clear)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/calls", self.place),
            web.get("/v1/calls", self.reading(self._list)),
            web.get("/v1/calls/{id:[^/]+}", self.reading(self._one)),
            web.get("/v1/calls/{id:[^/]+}/transcript", self.reading(self._transcript)),
            web.get("/v1/numbers", self.reading(self._numbers)),
            web.get("/v1/agents", self.reading(self._agents)),
        ]

    def authenticate(self, request: web.Request) -> None:
        if not any(same(bearer(request), known) for known in (KEY, BROKE)):
            raise Refused(401, "invalid or missing API key")

    def of_account(self) -> Refused:
        """Return the refusal. 2026-04: the start of the text is documented, the status is not."""
        return Refused(402, "Calls paused. Your balance is $0.12, below the amount held for a call.")

    def of_unplaceable(self, order: Order) -> Refused:
        """Return the refusal, which is documented for placing only, and keep a failed record.

        The pages do not say whether a record remains. Here one does, although no phone rang.
        """
        record = calls.unplaced(order)
        self._others.append((datetime.now(UTC), record))
        return Refused(502, "telephony provider could not place the call")

    async def read_order(self, request: web.Request) -> Order:
        body = await json_object(request)
        if same(bearer(request), BROKE):
            raise self.of_account()
        if len(await request.read()) > SIZE_LIMIT:
            raise Refused(400, "request body is too large")
        by_agent = "agent_id" in body
        spoken = self.world.settings.callingbox_generations
        if by_agent and "agent" not in spoken:
            raise Refused(400, "unknown field: agent_id")
        if not by_agent and "prompt" not in spoken:
            raise Refused(400, "agent_id is required")
        return orders.agent_order(body) if by_agent else orders.prompt_order(body)

    def new_id(self, order: Order, manners: frozenset[str]) -> str:
        return str(uuid.uuid4())

    def dial(self, order: Order, story: Any) -> Call:
        call = super().dial(order, story)
        if call.index % 3 == 1:
            self._others.append((datetime.now(UTC), calls.inbound()))
        return call

    def accepted(self, request: web.Request, call: Call, *, with_id: bool) -> web.Response:
        body = self.body(call, 0.0)
        if call.story.sparse:
            body["status"] = "initiated"  # as in the SDK's readme; the schema says `queued`
        if not with_id:
            del body["id"]
        telling = self.telling(call, "placing")
        return answer_json(telling.reword(body, 0.0), 201, telling)

    def body(self, call: Call, elapsed: float) -> dict[str, Any]:
        """Return the call object `elapsed` seconds after acceptance."""
        return calls.call_object(call, elapsed, self.word(call, elapsed))

    def error(self, request: web.Request, refused: Refused) -> web.Response:
        nested = refused.nested or self.world.settings.callingbox_error_shape == "nested"
        return answer_json({"error": {"message": refused.text} if nested else refused.text}, refused.status)

    def deliveries(self, call: Call) -> list[Delivery]:
        return deliveries(call, self.body, self.telling, self.world.settings.callingbox_endpoint_url)

    def word(self, call: Call, elapsed: float) -> str:
        word = super().word(call, elapsed)
        ended = call.timeline.at(elapsed).state == "voicemail"
        return "completed" if ended and calls.is_completed_voicemail(call) else word

    def outcome(self, call: Call, elapsed: float) -> str | None:
        outcome = super().outcome(call, elapsed)
        return "completed" if outcome and calls.is_completed_voicemail(call) else outcome

    def tells_voicemail(self, call: Call) -> bool:
        return True

    def duration(self, call: Call) -> int | None:
        return calls.duration(call)

    def meant(self, call: Call, elapsed: float) -> dict[str, Any] | None:
        meant = super().meant(call, elapsed)
        if meant is None or call.timeline.end is None:
            return None
        result = calls.result(call) if call.timeline.end.state == "answered" else None
        price = Decimal(calls.price(call)) / 100_000
        return meant | {"result": result, "price": str(price), "opt_out": (result or {}).get("opt_out") is True}

    # Reads

    async def _one(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        other = next((record for _, record in self._others if record["id"] == wanted), None)
        if other is not None:
            return answer_json(other)
        call = self.known(wanted, f"call {wanted} not found")
        telling, shown = self.telling(call, "status", call.reads), call.shown
        answer = answer_json(telling.reword(self.body(call, shown), shown), telling=telling)
        return await self.shown(request, answer, call)

    async def _transcript(self, request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        call = self.known(wanted, f"call {wanted} not found")
        return await self.shown(request, answer_json(calls.transcript(call, call.shown)), call)

    async def _list(self, request: web.Request) -> web.Response:
        """Return calls newest first, inbound calls included.

        One documentation page shows a bare array; the SDK reads a page with `has_more`.
        """
        query = request.query
        if set(query) - {"limit", "starting_after", "ending_before"}:
            raise Refused(400, f"unknown parameter: {min(set(query))}")
        limit = query.get("limit", "20")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise Refused(400, "limit must be between 1 and 100")
        found = self._listed()
        ids = [record["id"] for record in found]
        page = found[: int(limit)]
        if "starting_after" in query:
            found = found[_position(ids, query["starting_after"]) + 1 :]
            page = found[: int(limit)]
        elif "ending_before" in query:
            found = found[: _position(ids, query["ending_before"])]
            page = found[-int(limit) :]  # the calls next to the cursor, still newest first
        as_page = self.world.settings.callingbox_list_shape == "page"
        names = self.manners_of_answer("list", self.world.requests["reading"])
        data, used = wire.listed(page, names, page=as_page, more=len(found) > len(page))
        self.world.told.update(used)
        return await self.shown(request, web.Response(body=data, content_type="application/json"))

    def _listed(self) -> list[dict[str, Any]]:
        ours = [
            (datetime.fromtimestamp(call.accepted_at, UTC), self._row(call))
            for call in self.world.of(self.slug)
            if not call.is_forgotten(None)
        ]
        return [record for _, record in sorted([*ours, *self._others], key=lambda pair: pair[0], reverse=True)]

    def _row(self, call: Call) -> dict[str, Any]:
        shown = call.shown
        return self.telling(call, "row", self.world.requests["reading"]).reword(self.body(call, shown), shown)

    async def _numbers(self, request: web.Request) -> web.Response:
        return await self.shown(request, answer_json([calls.OWN_NUMBER]))

    async def _agents(self, request: web.Request) -> web.Response:
        kind = request.query.get("type", "outbound")
        if kind not in ("inbound", "outbound"):
            raise Refused(400, "type must be inbound or outbound")
        return await self.shown(request, answer_json({"data": [calls.AGENT] if kind == "outbound" else []}))


def _position(ids: list[str], wanted: str) -> int:
    known = [bare(identifier) for identifier in ids]
    if bare(wanted) not in known:
        raise Refused(400, "unknown cursor")
    return known.index(bare(wanted))
