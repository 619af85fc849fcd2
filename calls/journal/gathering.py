"""Gather from folders of the dial journal what the database forgot, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from calls.journal.comparing import MARGIN, Comparison, positions, unknown
from tenants.journal import folder as folders
from tenants.journal.lines import Line


@dataclass(frozen=True)
class Intent:
    """A claim: what the journal tells of a call whose request may have been sent."""

    at: datetime
    organization: UUID
    call: UUID
    campaign: UUID | None
    contact: UUID
    number: str  # its keyed hash
    account: UUID
    assistant: UUID
    caller: UUID
    attempt: int
    fence: int
    reference: str
    address: str  # the token of the address of its status callbacks

    @classmethod
    def of(cls, line: Line) -> Intent:
        """Return the intent of a line. Raises KeyError, ValueError if the line is not one of ours."""
        ids = ("organization", "call", "contact", "account", "assistant", "caller")
        given: dict[str, Any] = {name: UUID(line[name]) for name in ids}
        given |= {name: line[name] for name in ("number", "attempt", "fence", "reference", "address")}
        campaign = UUID(line["campaign"]) if line["campaign"] else None
        return cls(at=datetime.fromisoformat(line["at"]), campaign=campaign, **given)


@dataclass(frozen=True)
class Answer:
    """What certainly became of a request."""

    kind: str  # placed, unsent, refused
    provider_call_id: str = ""


@dataclass
class Forgotten:
    """What the database does not know, and the answers that may help with what it does know."""

    intents: dict[UUID, Intent] = field(default_factory=dict)  # the last one of each call
    answers: dict[tuple[UUID, int], Answer] = field(default_factory=dict)  # by call and fence
    notes: list[Line] = field(default_factory=list)

    def in_order(self) -> list[Intent]:
        return sorted(self.intents.values(), key=lambda intent: (intent.at, intent.fence))

    def answer(self, intent: Intent) -> Answer | None:
        return self.answers.get((intent.call, intent.fence))


def gather(compared: Iterable[Comparison], days: int) -> Forgotten:
    """Read the journals once more, whole lines only: what the database was not told of, and answers from before."""
    found = Forgotten()
    for each in compared:
        known = positions(each.journal)
        for name in folders.sizes(each.folder, days):
            path, start = each.folder / name, known.get(name, 0)
            for part in folders.parts(path, max(0, start - MARGIN)):
                _take_answers(found, part.lines)
            for part in folders.parts(path, start):
                _take(found, part.lines)
                each.ends[name] = max(each.ends.get(name, 0), part.end)
    found.notes.sort(key=lambda line: str(line["at"]))
    return found


def _take(found: Forgotten, lines: list[Line]) -> None:
    for line in unknown(lines):
        if line["kind"] != "intent":
            found.notes.append(line)
            continue
        intent = Intent.of(line)
        known = found.intents.get(intent.call)
        if known is None or known.fence <= intent.fence:
            found.intents[intent.call] = intent


def _take_answers(found: Forgotten, lines: list[Line]) -> None:
    for line in lines:
        if line["kind"] in ("placed", "unsent", "refused"):
            key = UUID(line["call"]), int(line["fence"])
            found.answers[key] = Answer(line["kind"], line.get("id", ""))
