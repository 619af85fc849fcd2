"""The sandbox's state: settings, calls and counters. It lives in memory, and only one event loop accesses it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from providers.sandbox import manners, stories, timeline
from providers.sandbox.settings import Settings
from providers.sandbox.stories import Story
from providers.sandbox.timeline import Point, Timeline


@dataclass(frozen=True)
class Order:
    """A valid placing request in provider-neutral terms."""

    to_number: str  # E.164
    from_number: str | None = None
    reference: str | None = None
    callback_url: str | None = None
    max_attempts: int = 1
    wait: float = 0.0  # seconds between the provider's own attempts
    start_at: float | None = None  # Unix time
    end_at: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Call:
    """One call that the provider accepted."""

    id: str
    index: int  # place in the journal, from 1
    provider: str
    order: Order
    story: Story
    dial: int  # counts this provider's calls to this number, from 1
    accepted_at: float
    timeline: Timeline
    speed: float
    manners: frozenset[str] = frozenset()  # those that stay with the call
    told: set[str] = field(default_factory=set)  # the manners in which anything was told so far
    answered_with: str = ""
    reads: int = 0
    callbacks_sent: int = 0
    callbacks_skipped: int = 0
    webhook_status: str = "pending"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def elapsed(self) -> float:
        """Return the seconds since acceptance."""
        return time.time() - self.accepted_at

    @property
    def shown(self) -> float:
        """Return the elapsed seconds that the status response shows. Some stories show the end late."""
        end, elapsed = self.timeline.end, self.elapsed
        if end is not None and end.at <= elapsed < end.at + self.story.status_lag / self.speed:
            return end.at - 1e-6
        return elapsed

    def is_forgotten(self, retention: float | None) -> bool:
        """Return whether the provider no longer knows the call. `retention` is in real seconds after the end."""
        end = self.timeline.end
        if end is None:
            return False
        since = self.elapsed - end.at
        scripted = self.story.forgotten_after
        return (scripted is not None and since >= scripted / self.speed) or (
            retention is not None and since >= retention
        )

    def moment(self, point: Point | None) -> datetime | None:
        """Return the time of that point."""
        return None if point is None else datetime.fromtimestamp(self.accepted_at + point.at, UTC)


class World:
    """All state of one sandbox."""

    def __init__(self, settings: Settings) -> None:
        self._at_start = settings
        self.settings = settings
        self.calls: list[Call] = []
        self.requests: Counter[str] = Counter()
        self.faults: dict[str, Counter[str]] = {}
        self.told: set[str] = set()  # the manners of answers about many calls
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.dials: Counter[tuple[str, str]] = Counter()
        self.on_clear: list[Callable[[], None]] = []
        self._by_id: dict[tuple[str, str], Call] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything and restore the initial settings."""
        self.settings = self._at_start
        self.calls.clear()
        self.requests = Counter(placing=0, reading=0, refused=0)
        self.faults = {"placing": Counter(), "reading": Counter(), "callbacks": Counter()}
        self.told.clear()
        self.attempts.clear()
        self.dials.clear()
        self._by_id.clear()
        for clear in self.on_clear:
            clear()

    def story_for(self, provider: str, number: str) -> Story:
        """Return the story of this provider's next call to this number."""
        return stories.choose(self.settings.seed, provider, number, self.dials[provider, number] + 1)

    def manners_for(self, provider: str, number: str) -> frozenset[str]:
        """Return the manners that stay with this provider's next call to this number."""
        settings, dial = self.settings, self.dials[provider, number] + 1
        return manners.of_call(settings.manners_rate, settings.manners, settings.seed, provider, number, dial)

    def dial(
        self, provider: str, identifier: str, order: Order, story: Story, manners: frozenset[str] = frozenset()
    ) -> Call:
        """Accept the call. From now on the phone rings as the story says, whatever response the client receives."""
        self.dials[provider, order.to_number] += 1
        dial, now = self.dials[provider, order.to_number], time.time()
        call = Call(
            id=identifier, index=len(self.calls) + 1, provider=provider, order=order, story=story, dial=dial,
            accepted_at=now, timeline=self._timeline(provider, order, story, dial, now), speed=self.settings.speed,
            manners=manners,
        )  # fmt: skip
        self.calls.append(call)
        self._by_id[provider, bare(identifier)] = call
        return call

    def _timeline(self, provider: str, order: Order, story: Story, dial: int, now: float) -> Timeline:
        hold = max(0.0, (order.start_at or now) - now)
        if order.end_at is not None and order.end_at <= now + hold:
            return Timeline((Point(0.0, "queued"), Point(hold + timeline.QUEUED / self.settings.speed, "expired")))
        return timeline.build(
            [story.ending(dial + attempt) for attempt in range(order.max_attempts)],
            key=(self.settings.seed, provider, order.to_number, dial),
            speed=self.settings.speed,
            talk=story.talk,
            stuck=story.stuck,
            hurried=story.hurried,
            wait=order.wait,
            hold=hold,
        )

    def find(self, provider: str, identifier: str) -> Call | None:
        """Return the call with that ID, in any form in which IDs are told. None: this provider never accepted it."""
        return self._by_id.get((provider, bare(identifier)))

    def of(self, provider: str) -> list[Call]:
        """Return all calls of a provider, oldest first."""
        return [call for call in self.calls if call.provider == provider]


def bare(identifier: str) -> str:
    """Return an ID without its forms: the same text for all forms of one ID."""
    return identifier.strip("{}").lower().removeprefix("out-")
