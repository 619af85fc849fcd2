"""The engine's event loop tells the same truth about what was sent as Python's own, for which `test_http.py` asks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from providers.adapters.base import Answer, Request
from providers.adapters.errors import MayBeRinging, NotSent
from providers.adapters.http import Client
from tenants.egress.event_loop import new_event_loop
from tests.providers.wire import AMBIGUOUS, DRIBBLE, SILENCE, Wire, answer, closed_port
from tests.waiting import PATIENCE


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def place(url: str, deadline: float) -> Answer:
    async def send() -> Answer:
        async with Client(deadline=deadline) as client:
            return await client.place(Request("POST", url, {}, json={"to": "+14165550133"}))

    found: Answer = run(send())
    return found


def test_what_a_server_does_means_the_same_as_on_pythons_own_loop() -> None:
    with pytest.raises(NotSent):
        place(f"http://127.0.0.1:{closed_port()}/", PATIENCE)
    for behaviour in AMBIGUOUS:
        if "gzip" in behaviour.name:  # an answer, which the decoder reads
            continue
        with Wire() as wire:
            wire.play(behaviour)
            with pytest.raises(MayBeRinging):  # what hangs, hangs for any deadline
                place(wire.url, 0.3 if behaviour in (SILENCE, DRIBBLE) else PATIENCE)
            assert len(wire.requests) <= 1, behaviour
    with Wire() as wire:
        wire.play(answer(201, b'{"id": "a"}'))
        assert place(wire.url, PATIENCE).body == b'{"id": "a"}'
