"""Keep what is odd about the evidence of a call: as events, and what is not believed beside the call's fields.

Each oddity of a call is kept once, however often the provider repeats it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from calls.models import Call, storable
from calls.outcomes.transitions import LockedCall
from providers.adapters.base import Remark

TOLERATED, DOUBT, CONFLICT = "tolerated", "doubt", "conflict"
MOST_DOUBTS = 50  # that a call keeps
MOST_EVENTS = 50  # about oddities, of one call
LONGEST_EVENT = 2000
NO_MORE = "Further oddities of this call are not listed."


def keep(locked: LockedCall, remarks: Sequence[Remark], conflicts: Sequence[str], source: str, raw: bytes) -> None:
    """Store events for remarks and conflicts that are new, and add new doubts to the call, which the caller saves."""
    if not remarks and not conflicts:
        return
    seen = locked.unit.details(locked.call, (TOLERATED, DOUBT, CONFLICT))
    if len(seen) > MOST_EVENTS:
        return
    text = "\n".join(seen)
    found = [
        *((CONFLICT, sentence) for sentence in conflicts if storable(sentence) not in text),
        *((TOLERATED, lines) for lines in _events(_new(remarks, text, taken=True))),
        *((DOUBT, lines) for lines in _events(_new(remarks, text, taken=False))),
    ]
    room = MOST_EVENTS - len(seen)
    for kind, detail in found[:room]:
        locked.record_event(kind, source, detail, raw=raw)
    if len(found) > room:
        locked.record_event(DOUBT, source, NO_MORE, raw=raw)
    _add_doubts(locked.call, remarks)


def _new(remarks: Iterable[Remark], text: str, *, taken: bool) -> list[Remark]:
    return [remark for remark in remarks if remark.taken is taken and _beginning(remark) not in text]


def _beginning(remark: Remark) -> str:
    """Return what makes a remark the same one again: where and why, but not what was sent."""
    return storable(f"{remark.path[:200]}: {remark.why[:300]}")


def _events(remarks: Iterable[Remark]) -> Iterator[str]:
    """Yield the remarks as texts of lines, as few as have room for them."""
    lines: list[str] = []
    for line in dict.fromkeys(storable(f"{_beginning(remark)} Sent: {remark.said[:200]}") for remark in remarks):
        if lines and sum(map(len, lines)) + len(lines) + len(line) > LONGEST_EVENT:
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    if lines:
        yield "\n".join(lines)


def _add_doubts(call: Call, remarks: Iterable[Remark]) -> None:
    doubts = list(call.doubts or [])
    known = {(doubt.get("field"), doubt.get("why")) for doubt in doubts}
    for remark in remarks:
        doubt = {
            "field": storable(remark.field or remark.path)[:200] or "message",
            "said": storable(remark.said)[:200],
            "why": storable(remark.why)[:300],
        }
        if not remark.taken and (doubt["field"], doubt["why"]) not in known:
            known.add((doubt["field"], doubt["why"]))
            doubts.append(doubt)
    call.doubts = doubts[-MOST_DOUBTS:]
