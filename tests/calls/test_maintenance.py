"""Maintenance: what the leader does for all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from calls.engine.control import Control
from calls.engine.leader import MAINTENANCE, Leadership
from calls.engine.maintenance import Maintenance
from calls.outcomes import circuit_breaker
from providers.adapters import http
from providers.adapters.errors import MayBeRinging, ProviderError
from tests.waiting import PATIENCE


async def at_once(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


class Provider:
    """An adapter, and the account that has it. Its check is answered, breaks, or hangs."""

    def __init__(self, pk: int, answer: Exception | asyncio.Event | None) -> None:
        self.pk, self.answer, self.adapter = pk, answer, self

    def check(self) -> Any:
        return self

    def read_check(self, answer: Any) -> None: ...


async def read(provider: Provider) -> None:
    if isinstance(provider.answer, Exception):
        raise provider.answer
    if provider.answer:
        await provider.answer.wait()


def test_a_probe_that_hangs_or_breaks_keeps_no_other_account_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[tuple[int, type[ProviderError] | None]] = []

    async def run() -> None:
        hangs = asyncio.Event()
        accounts = [
            Provider(1, hangs),
            Provider(2, ValueError("a bug")),
            Provider(3, MayBeRinging("502")),
            Provider(4, None),
        ]
        monkeypatch.setattr(circuit_breaker, "claim_probes", lambda now: accounts)
        monkeypatch.setattr(
            circuit_breaker, "record_probe", lambda each, error, now: recorded.append((each.pk, error and type(error)))
        )
        client = cast(http.Client, SimpleNamespace(read=read))
        maintenance = Maintenance(Control(), Leadership(MAINTENANCE, "here"), client, at_once, at_once)
        async with asyncio.timeout(PATIENCE):
            await maintenance.probe()
            while len(maintenance.in_flight) > 1:
                await asyncio.wait(maintenance.in_flight, return_when=asyncio.FIRST_COMPLETED)
            assert sorted(recorded) == [(2, ProviderError), (3, MayBeRinging), (4, None)]
            hangs.set()
            await asyncio.gather(*maintenance.in_flight)

    asyncio.run(run())
    assert recorded[-1] == (1, None)
