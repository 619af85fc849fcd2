"""The timeline of one call: all its state changes, fixed when the call is accepted.

The module is pure. The state of a call follows from the seconds since acceptance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from providers.sandbox import draws

Phase = Literal["queued", "dialing", "ringing", "talking"]
Ending = Literal["answered", "voicemail", "no_answer", "busy", "failed", "canceled", "expired", "queue_timeout"]
State = Phase | Ending

ENDINGS: frozenset[str] = frozenset(get_args(Ending))
ANSWERED: frozenset[str] = frozenset({"answered", "voicemail"})
NEVER_RINGS: frozenset[str] = frozenset({"canceled", "expired", "queue_timeout"})

# Real seconds at speed 1. Calls are short, so that a demo of two hundred calls ends within a minute.
QUEUED, DIALING, RINGING_OUT, ENGAGED = 0.3, 0.2, 3.0, 0.5


@dataclass(frozen=True)
class Point:
    """From `at` seconds after acceptance, the call is in `state`, in the provider's `attempt`-th attempt."""

    at: float
    state: State
    attempt: int = 1


@dataclass(frozen=True)
class Timeline:
    """The state changes of one call, in order. The first is at 0. If the last is an ending, nothing follows it."""

    points: tuple[Point, ...]

    def at(self, elapsed: float) -> Point:
        """Return the call's point `elapsed` seconds after acceptance."""
        current = self.points[0]
        for point in self.points:
            if point.at <= elapsed:
                current = point
        return current

    @property
    def end(self) -> Point | None:
        """Return the ending, or None for a call that never ends."""
        return self.points[-1] if self.points[-1].state in ENDINGS else None

    def until(self, elapsed: float) -> tuple[Point, ...]:
        """Return the points reached within `elapsed` seconds."""
        return tuple(point for point in self.points if point.at <= elapsed)

    def last(self, state: State) -> Point | None:
        """Return the last point in that state."""
        return next((point for point in reversed(self.points) if point.state == state), None)

    @property
    def rings(self) -> bool:
        """Return whether a phone rings at any time."""
        return any(point.state in ("dialing", "ringing") for point in self.points)

    def cut(self, elapsed: float, ending: Ending) -> Timeline:
        """Return the timeline with this ending at `elapsed` seconds."""
        passed = self.until(elapsed)
        return Timeline((*passed, Point(elapsed, ending, passed[-1].attempt)))


def build(
    endings: Sequence[Ending],
    *,
    key: tuple[object, ...],
    speed: float,
    talk: float | None = None,
    stuck: Phase | None = None,
    hurried: bool = False,
    wait: float = 0.0,
    hold: float = 0.0,
) -> Timeline:
    """Return the timeline of the attempts in sequence. `endings` has one entry per attempt.

    `wait` is the provider's pause between its attempts. `hold` is the number of real seconds before the first attempt
    (a scheduled start, not divided by the speed). With `stuck`, the call enters that phase and stays there for ever.
    """
    points = [Point(0.0, "queued")]
    at = hold + (0.02 if hurried else QUEUED) / speed
    for attempt, ending in enumerate(endings, 1):
        if attempt > 1:
            points.append(Point(at, "queued", attempt - 1))
            at += wait / speed
        for state, seconds in _steps(ending, (*key, attempt), talk, hurried):
            if points[-1].state == stuck:
                return Timeline(tuple(points))
            points.append(Point(at, state, attempt))
            at += seconds / speed
        if stuck is None:
            points.append(Point(at, ending, attempt))
        if ending in ANSWERED:
            break
    return Timeline(tuple(_last_ending_only(points)))


def _last_ending_only(points: list[Point]) -> list[Point]:
    return [point for index, point in enumerate(points) if point.state not in ENDINGS or index == len(points) - 1]


def _steps(ending: Ending, key: tuple[object, ...], talk: float | None, hurried: bool) -> list[tuple[Phase, float]]:
    """Return the phases of one attempt with their durations at speed 1."""
    if ending in NEVER_RINGS:
        return []
    if hurried:
        return [("dialing", 0.02), ("ringing", 0.02), ("talking", 0.1)]
    if ending == "failed":
        return [("dialing", ENGAGED)]
    if ending == "busy":
        return [("dialing", DIALING), ("ringing", ENGAGED)]
    if ending == "no_answer":
        return [("dialing", DIALING), ("ringing", RINGING_OUT)]
    if ending == "voicemail":
        return [("dialing", DIALING), ("ringing", 2.0), ("talking", 2.0)]
    ringing = draws.between(1.0, 2.0, *key, "ringing")
    return [("dialing", DIALING), ("ringing", ringing), ("talking", talk or draws.between(2.0, 6.0, *key, "talking"))]
