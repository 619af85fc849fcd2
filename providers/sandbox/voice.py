"""The base class of the four fake providers: how they handle placing requests and reads, and their faults."""

from __future__ import annotations

import hmac
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import web

from providers.sandbox import faults, manners, wire
from providers.sandbox.callbacks import Callbacks, Delivery
from providers.sandbox.faults import Fault, Trouble
from providers.sandbox.forms import Refused
from providers.sandbox.stories import Story
from providers.sandbox.telling import Telling
from providers.sandbox.timeline import ENDINGS
from providers.sandbox.world import Call, Order, World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Voice(ABC):
    """One fake provider's API. A subclass parses orders and renders responses; the world decides what calls do."""

    slug: ClassVar[str]
    phases: ClassVar[Mapping[str, str]]
    endings: ClassVar[Mapping[str, tuple[str, str]]]  # the provider's status, and the neutral outcome it means

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world = world
        self.callbacks = callbacks

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Return the documented endpoints under this provider's prefix."""

    @abstractmethod
    def authenticate(self, request: web.Request) -> None:
        """Raise Refused unless the request carries the fixed key."""

    @abstractmethod
    async def read_order(self, request: web.Request) -> Order:
        """Parse a placing request. Raise Refused if it is invalid."""

    @abstractmethod
    def new_id(self, order: Order, manners: frozenset[str]) -> str:
        """Return an ID that no call had before, in this or an earlier run."""

    @abstractmethod
    def accepted(self, request: web.Request, call: Call, *, with_id: bool) -> web.Response:
        """Return the documented response to a placing request. In some stories it has no ID."""

    @abstractmethod
    def error(self, request: web.Request, refused: Refused) -> web.Response:
        """Return the refusal in the provider's own error format."""

    def deliveries(self, call: Call) -> Sequence[Delivery]:
        """Return the callbacks for this call. The default is none."""
        return ()

    def of_account(self) -> Refused:
        """Return the refusal for an account that may not place calls at present."""
        return Refused(403, "Forbidden")

    def of_unplaceable(self, order: Order) -> Refused:
        """Return the refusal for a call that the telephone network did not accept."""
        return Refused(502, "Bad gateway")

    # Status

    def word(self, call: Call, elapsed: float) -> str:
        """Return this provider's status `elapsed` seconds after acceptance."""
        state = call.timeline.at(elapsed).state
        if state in ENDINGS:
            return self.endings[state][0]
        return "transferring" if call.story.strange_word else self.phases[state]

    def outcome(self, call: Call, elapsed: float) -> str | None:
        """Return the neutral outcome `elapsed` seconds after acceptance, or None while the call is open."""
        state = call.timeline.at(elapsed).state
        return self.endings[state][1] if state in ENDINGS else None

    def meant(self, call: Call, elapsed: float) -> dict[str, Any] | None:
        """Return what an ended call's answers mean, in whatever manner they are told. None while it is open.

        A value of None is one that this provider does not tell about this call. Its end is in the journal.
        """
        end = call.timeline.end
        outcome = self.outcome(call, elapsed)
        if end is None or outcome is None:
            return None
        return {
            "outcome": outcome,
            "voicemail": end.state == "voicemail" if end.state != "voicemail" or self.tells_voicemail(call) else None,
            "duration": self.duration(call),
            "result": None,
            "price": None,
            "opt_out": False,
        }

    def tells_voicemail(self, call: Call) -> bool:
        """Return whether the answers about a voicemail tell that it is one."""
        return any(name.startswith("voicemail") for name in call.manners)

    def duration(self, call: Call) -> int | None:
        """Return the seconds that the answers about an ended call mean, if the provider tells them."""
        return None

    # Telling

    def telling(self, call: Call, *occasion: object, json: bool = True) -> Telling:
        """Return the manners of one answer about a call. `json`: whether it is told in JSON."""
        names = self.manners_of_answer(call.order.to_number, call.dial, *occasion)
        return Telling(call, names if json else names - wire.JSON_ONLY)

    def manners_of_answer(self, *key: object) -> frozenset[str]:
        """Draw the manners of one answer."""
        settings = self.world.settings
        return manners.of_answer(settings.manners_rate, settings.manners, settings.seed, self.slug, *key)

    # Placing

    async def place(self, request: web.Request) -> web.StreamResponse:
        """Respond to a placing request: validate it, then apply the number's story, or else a drawn fault."""
        self.world.requests["placing"] += 1
        try:
            self.authenticate(request)
            order = await self.read_order(request)
        except Refused as refused:
            return self.refuse(request, refused)
        story, fault = self._fault(order)
        call = None
        if fault.dials:
            call = self.dial(order, story)
            call.answered_with = fault.name
        await faults.pause(fault.delay / self.world.settings.speed)
        response = self._answer(request, order, story, fault, call)
        if call is not None and fault.way == "usual":
            call.answered_with = str(response.status) if not fault.delay else f"{response.status} {fault.name}"
        return response

    def _fault(self, order: Order) -> tuple[Story, Fault]:
        attempt = (self.slug, order.to_number)
        self.world.attempts[attempt] += 1
        story = self.world.story_for(self.slug, order.to_number)
        if story.placing is not None:
            return story, story.placing
        if story.first_refused:
            return story, faults.TOO_MANY if self.world.attempts[attempt] % 2 else faults.USUAL
        settings = self.world.settings
        fault = faults.placing_fault(
            settings.placing_fault_rate, settings.seed, "placing", *attempt, self.world.attempts[attempt]
        )
        if fault is not None:
            self.world.faults["placing"][fault.name] += 1
        return story, fault or faults.USUAL

    def dial(self, order: Order, story: Story) -> Call:
        """Accept the call and schedule its callbacks."""
        manners = self.world.manners_for(self.slug, order.to_number)
        earlier = self.world.of(self.slug)
        reused = earlier[-1].id if earlier and "reused id" in manners else ""
        call = self.world.dial(self.slug, reused or self.new_id(order, manners), order, story, manners)
        if reused:
            call.told.add("reused id")
        if story.callbacks != "never":
            self.callbacks.schedule(call, self.deliveries(call))
        return call

    def _answer(
        self, request: web.Request, order: Order, story: Story, fault: Fault, call: Call | None
    ) -> web.Response:
        if fault.way == "drop":
            return faults.drop(request)
        if fault.way == "proxy":
            return faults.proxy_page()
        if fault.way == "error":
            return self.error(request, Refused(500, "Internal server error occurred"))
        if fault.way == "too_many":
            return self._too_many(request, order, story)
        if fault.way == "account":
            return self.refuse(request, self.of_account())
        if fault.way == "unplaceable":
            return self.error(request, self.of_unplaceable(order))
        if fault.way == "refusal" or call is None:
            return self.refuse(request, Refused(400, "This number cannot be called", nested=True))
        if fault.way == "cut":
            return faults.truncated(self.accepted(request, call, with_id=True))
        return self.accepted(request, call, with_id=fault.way != "no_id")

    def _too_many(self, request: web.Request, order: Order, story: Story) -> web.Response:
        """Return a 429, which no provider documents.

        Story 11 always has `Retry-After`; drawn faults have it every other time.
        """
        response = self.refuse(request, Refused(429, "Too many requests"))
        if story.first_refused or self.world.attempts[self.slug, order.to_number] % 2:
            response.headers["Retry-After"] = "1"
        return response

    def refuse(self, request: web.Request, refused: Refused) -> web.Response:
        """Count the refusal and return it in the provider's error format."""
        self.world.requests["refused"] += 1
        return self.error(request, refused)

    # Reading

    def reading(self, answer: Handler) -> Handler:
        """Wrap a read endpoint: count the request, check the key, and render refusals in the provider's format."""

        async def handler(request: web.Request) -> web.StreamResponse:
            self.world.requests["reading"] += 1
            try:
                self.authenticate(request)
                return await answer(request)
            except Refused as refused:
                return self.refuse(request, refused)

        return handler

    def known(self, identifier: str, not_found: str, retention: float | None = None) -> Call:
        """Return the call with that ID and count the read.

        Raise Refused (404) if it is unknown, still hidden, or already forgotten.
        """
        call = self.world.find(self.slug, identifier)
        if call is None:
            raise Refused(404, not_found)
        call.reads += 1
        if call.reads <= call.story.hidden_reads or call.is_forgotten(retention):
            raise Refused(404, not_found)
        return call

    async def shown(self, request: web.Request, good: web.Response, call: Call | None = None) -> web.Response:
        """Return the response to a read, or a faulty one if the call's story or a drawn fault requires it."""
        trouble = self._trouble(call)
        if trouble is None:
            return good
        if trouble == "slow":
            await faults.pause(1.0 / self.world.settings.speed)
        status = 429 if trouble == "429" else 500
        text = "Too many requests" if status == 429 else "Internal server error occurred"
        return await faults.spoil(request, trouble, good, self.error(request, Refused(status, text)))

    def _trouble(self, call: Call | None) -> Trouble | None:
        if call is not None and call.story.flapping:
            turn, even = divmod(call.reads - 1, 2)
            return None if even else faults.FLAPPING[turn % len(faults.FLAPPING)]
        settings = self.world.settings
        of = (call.order.to_number, call.dial, call.reads) if call else ("list", self.world.requests["reading"])
        fault = faults.reading_fault(settings.reading_fault_rate, settings.seed, "reading", self.slug, *of)
        if fault is not None:
            self.world.faults["reading"][fault] += 1
        return fault


def same(given: str, expected: str) -> bool:
    """Compare secrets in constant time. `given` may contain any characters, even outside ASCII."""
    return hmac.compare_digest(given.encode(), expected.encode())


def bearer(request: web.Request) -> str:
    """Return the key of an `Authorization: Bearer` header, or ""."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme == "Bearer" else ""


def answer_json(body: Any, status: int = 200, telling: Telling | None = None) -> web.Response:
    """Return a JSON response, in the manners of `telling`."""
    if telling is None:
        return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
    headers, data = telling.encode(body)
    return web.Response(status=status, body=data, headers=headers)
