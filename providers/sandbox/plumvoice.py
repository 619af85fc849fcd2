"""Fake Plum Voice Fuse: queue, bulk queue, status and cancelling a deployment. It reads forms and writes JSON or XML.

Written from the Fuse pages (undated; the status sample is of September 2016). Only the status of a success is
documented. The other values here are the most likely ones.
"""

from __future__ import annotations

import itertools
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from providers.sandbox import plumvoice_answers as answers
from providers.sandbox import plumvoice_forms as forms
from providers.sandbox.callbacks import Callbacks, Delivery, Parcel
from providers.sandbox.forms import Form, Refused, is_zeros, reference_in
from providers.sandbox.timeline import ENDINGS, Point
from providers.sandbox.voice import Voice, same
from providers.sandbox.world import Call, Order, World

USER, KEY = "sandbox@example.org", "sandbox-plum"
NO_DEPLOYMENT = "No deployment was found by that application id and deployment id."
NO_CALL = "No outbound call was found by that id."


class PlumVoice(Voice):
    """An outbound queue: accepted calls wait in it, and each may have several attempts."""

    slug = "plumvoice"
    phases: ClassVar[Mapping[str, str]] = {
        "queued": "queued",
        "dialing": "dialing",
        "ringing": "dialing",
        "talking": "connected",
    }
    endings: ClassVar[Mapping[str, tuple[str, str]]] = {
        "answered": ("completed", "completed"),
        "voicemail": ("completed", "completed"),
        "no_answer": ("no answer", "no_answer"),
        "busy": ("busy", "busy"),
        "failed": ("failed", "failed"),
        "canceled": ("canceled", "canceled"),
        "expired": ("expired", "expired"),
        "queue_timeout": ("failed", "failed"),
    }
    # IDs start at the current time, so that a later run never issues the same ID again.
    _ids = itertools.count(int(time.time() * 1000))

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        super().__init__(world, callbacks)
        self._turns = 0
        world.on_clear.append(self._start_over)

    def _start_over(self) -> None:
        self._turns = 0

    def routes(self) -> list[web.RouteDef]:
        deployment = "/api/apps/{app}/{deployment}"
        return [
            web.post(f"{deployment}/queue", self.place),
            web.post(f"{deployment}/bulk_queue", self._bulk),
            web.delete(f"{deployment}/cancel", self._cancel),
            web.get("/api/outbound/{id:[^/]+}", self.reading(self._status)),
        ]

    def authenticate(self, request: web.Request) -> None:
        expected = "Basic " + b64encode(f"{USER}:{KEY}".encode()).decode()
        if not same(request.headers.get("Authorization", ""), expected):
            raise Refused(401, "Invalid e-mail address or developer key.")

    def of_account(self) -> Refused:
        return Refused(409, "The user, deployment or application was deleted.")

    async def read_order(self, request: web.Request) -> Order:
        deployment = _deployment(request)
        form = Form(await forms.fields(request), forms.FIELDS)
        to_number, from_number = forms.numbers(form)
        variables: dict[str, Any] = {}
        if "variables" in form.body:
            variables = forms.json_text(form, "variables")
        options = forms.options(form)
        form.check()
        return Order(
            to_number,
            from_number,
            reference=reference_in(variables),
            extra={"deployment": deployment, "raw": form.body["phone_number"]},
            **options,
        )

    def new_id(self, order: Order, manners: frozenset[str]) -> str:
        number = next(self._ids)
        return str(number + 2**64 if "id beyond 64 bits" in manners else number)

    def accepted(self, request: web.Request, call: Call, *, with_id: bool) -> web.Response:
        body: dict[str, Any] = {}
        if with_id and not call.story.sparse:
            huge = "id beyond 64 bits" in call.manners
            body["call_id"] = int(call.id) if call.story.variant or huge else call.id
            call.told.update({"id beyond 64 bits"} & call.manners)
        telling = self.telling(call, "placing", json=not call.story.variant)
        response = answers.answer(request, telling.reword(body, 0.0), xml=call.story.variant, telling=telling)
        if with_id:
            response.headers["Link"] = f"<{request.url.origin()}/plumvoice/api/outbound/{call.id}>"
        return response

    def error(self, request: web.Request, refused: Refused) -> web.Response:
        return answers.answer(request, {"error": refused.text}, refused.status)

    async def _status(self, request: web.Request) -> web.Response:
        call = self.known(request.match_info["id"], NO_CALL)
        telling, shown = self.telling(call, "status", call.reads, json=not call.story.variant), call.shown
        body = {"call_details": telling.reword(self._details(call, shown), shown)}
        answer = answers.answer(request, body, xml=call.story.variant, telling=telling)
        return await self.shown(request, answer, call)

    def duration(self, call: Call) -> int | None:
        end = call.timeline.end
        return self._details(call, end.at).get("duration") if end else None

    def _details(self, call: Call, elapsed: float) -> dict[str, Any]:
        """Return `call_details`.

        Numbers are text, except event times and the duration. The phone number is in single quotes. The start and end
        timestamps are the times of connecting and hanging up, as in the sample; the page's table differs.
        """
        now, talk = call.timeline.at(elapsed), call.timeline.last("talking")
        connected = talk is not None and talk.at <= elapsed
        ended = now.state in ENDINGS
        details: dict[str, Any] = {
            "max_attempts": str(call.order.max_attempts),
            "attempts": str(now.attempt if any(p.state == "dialing" for p in call.timeline.until(elapsed)) else 0),
            "events": self._events(call, elapsed),
            "phone_number": f"'{call.order.extra['raw']}'",
            "status": self.word(call, elapsed),
            "queued_timestamp": _unix(call, call.timeline.points[0]),
            "start_timestamp": _unix(call, talk) if connected else None,
            "end_timestamp": _unix(call, now) if ended else None,
            "reattempt_wait": str(int(call.order.wait)) if call.order.wait else None,
            "duration": max(1, round(now.at - talk.at)) if ended and connected and talk else None,
        }
        if call.story.sparse:
            return {name: value for name, value in details.items() if value is not None}
        return details

    def _events(self, call: Call, elapsed: float) -> list[dict[str, Any]]:
        words = {"queued": "queued", "dialing": "dialing", "talking": "connected", "answered": "disconnected"}
        words["voicemail"] = "disconnected"
        return [
            {"event": words[point.state], "timestamp": int(call.accepted_at + point.at)}
            for point in call.timeline.until(elapsed)
            if point.state in words
        ]

    def deliveries(self, call: Call) -> Sequence[Delivery]:
        """Return one POST after all attempts, with the four encodings in turn.

        Every other group of four calls also gets a GET first. Neither the encoding nor the GET is documented for Fuse.
        The body has no call ID, except in story 22, where it has a wrong one.
        """
        end, url = call.timeline.end, call.order.callback_url
        if end is None or url is None:
            return ()
        turn = call.facts.setdefault("turn", self._turns)
        self._turns = max(self._turns, turn + 1)
        at = end.at + {"late": 15.0, "early": 0.0}.get(call.story.callbacks, 0.2) / call.speed

        def compose() -> Parcel:
            details = self._details(call, end.at)
            if call.story.callbacks == "foreign":
                return answers.encoded(
                    "json", details | {"call_id": str(next(self._ids)), "phone_number": "'16175550199'"}
                )
            encoding = answers.ENCODINGS[turn % len(answers.ENCODINGS)]
            telling = self.telling(call, "callback", json=encoding in ("json", "wrapped"))
            return answers.encoded(encoding, telling.reword(details, end.at), telling)

        probe = [Delivery(0.0, url, "probe", method="GET")] if turn // len(answers.ENCODINGS) % 2 else []
        copies = 2 if call.story.callbacks == "twice" else 1
        return [*probe, *(Delivery(at, url, f"result {copy}", compose) for copy in range(copies))]

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        """Accept all rows or none. The response is not documented; this one lists the IDs in the order of the rows."""
        self.world.requests["placing"] += 1
        try:
            self.authenticate(request)
            deployment = _deployment(request)
            form = Form(await forms.fields(request), ("csv", *forms.OPTIONS))
            options = forms.options(form)
            form.check()
            orders = [forms.row(row, deployment, options) for row in forms.rows(form.body.get("csv"))]
        except Refused as refused:
            return self.refuse(request, refused)
        calls = [self.dial(order, self.world.story_for(self.slug, order.to_number)) for order in orders]
        for call in calls:
            call.answered_with = "200"
        return answers.answer(request, {"call_ids": [call.id for call in calls]})

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        """Cancel all queued calls of the deployment, but not calls being dialled. Return 202 without a body."""
        try:
            self.authenticate(request)
            deployment = _deployment(request)
        except Refused as refused:
            return self.refuse(request, refused)
        for call in self.world.of(self.slug):
            elapsed = call.elapsed
            if call.order.extra["deployment"] == deployment and call.timeline.at(elapsed).state == "queued":
                call.timeline = call.timeline.cut(elapsed, "canceled")
                self.callbacks.schedule(call, self.deliveries(call))
        return web.Response(status=202)


def _deployment(request: web.Request) -> str:
    app, deployment = request.match_info["app"], request.match_info["deployment"]
    if is_zeros(app) or is_zeros(deployment):
        raise Refused(404, NO_DEPLOYMENT)
    return f"{app}/{deployment}"


def _unix(call: Call, point: Point | None) -> str | None:
    return None if point is None else str(int(call.accepted_at + point.at))
