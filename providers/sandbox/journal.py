"""The journal: one entry for every call that a fake provider accepted, whatever response the client received."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.sandbox.voice import Voice
from providers.sandbox.world import Call, World


def rfc3339(moment: datetime | None) -> str | None:
    """Return UTC with microseconds, for example 2026-05-11T13:05:00.000123Z."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry(call: Call, voice: Voice) -> dict[str, Any]:
    """Return one dial as it is now. All fields describe the same moment."""
    elapsed, end = call.elapsed, call.timeline.end
    return {
        "index": call.index,
        "provider": call.provider,
        "id": call.id,
        "to_number": call.order.to_number,
        "from_number": call.order.from_number,
        "at": rfc3339(call.moment(call.timeline.points[0])),
        "reference": call.order.reference,
        "callback_url": call.order.callback_url,
        "story": call.story.digits,
        "status": voice.word(call, elapsed),
        "outcome": voice.outcome(call, elapsed),
        "ended_at": rfc3339(call.moment(end)) if end is not None and end.at <= elapsed else None,
        "rings": call.timeline.rings,
        "attempts": call.timeline.at(elapsed).attempt,
        "answered_with": call.answered_with,
        "meant": voice.meant(call, elapsed),
        "manners": sorted(call.told),
        "callbacks_sent": call.callbacks_sent,
        "callbacks_skipped": call.callbacks_skipped,
        "reads": call.reads,
    }


def dials(
    world: World, voices: Mapping[str, Voice], *, to_number: str = "", provider: str = "", after: int = 0
) -> list[dict[str, Any]]:
    """Return the matching entries, oldest first."""
    return [
        entry(call, voices[call.provider])
        for call in world.calls[max(0, after) :]
        if (not to_number or call.order.to_number == to_number) and (not provider or call.provider == provider)
    ]
