"""Documented answers of providers, each with one to three fields told in another manner, and what was meant.

The documented answers are written down by hand from the providers' pages (`providers/sandbox` has other ones). Nothing
here uses the code that reads answers.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

DIALED = datetime(2026, 5, 11, 13, 4, 58, tzinfo=UTC)
READ_AT = DIALED + timedelta(seconds=75)
START, ANSWER, END = (DIALED + timedelta(seconds=seconds) for seconds in (4, 10, 52))
TALK, WHOLE = 42, 48  # seconds from the answer, and from the first ring, to the end
CALL_ID = "d2a7b1f0-53c4-4e6d-9a18-7f20c4be9911"
OTHER_ID = "77e0f3a2-1b9c-4d55-8e3f-0c6a9d2b4411"
NUMBER = "+14155550123"
REFERENCE = "0123456789abcdef"
EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Raw:
    """JSON text that stands in a body as it is."""

    text: str


@dataclass(frozen=True)
class Twice:
    """A value under a name that occurs twice, with another value first."""

    first: Any
    second: Any


@dataclass(frozen=True)
class Documented:
    """One answer as a provider documents it, and what it means. Fields that the provider does not have are None."""

    provider: str
    options: dict[str, Any]
    body: dict[str, Any]
    state: str
    kinds: dict[str, str]  # what is at a path: status, id, time, seconds, money, result, reference, number, words
    voicemail: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    call_id: str = CALL_ID


@dataclass(frozen=True)
class Told:
    """An answer as it was sent: its bytes, and how each changed field was told."""

    documented: Documented
    body: bytes
    manners: tuple[tuple[str, str], ...]  # (path, manner)

    def __str__(self) -> str:
        return f"{self.documented.provider} {self.documented.state} {dict(self.manners)}"


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def allomia() -> Iterator[Documented]:
    kinds = {
        "status": "status", "outboundCallId": "id", "callDetails": "object", "callDetails.startedAt": "time",
        "callDetails.endedAt": "time", "callDetails.duration": "seconds", "callDetails.endedReason": "words",
        "contactId": "other",
    }  # fmt: skip
    rows = (
        ("completed", "completed", ANSWER, TALK, "customer-ended-call"),
        ("no-answer", "no_answer", None, None, "no-answer"),
        ("busy", "busy", None, None, "busy"),
        ("failed", "failed", None, None, "failed"),
    )
    for word, state, answered, seconds, reason in rows:
        details = {"startedAt": iso(answered), "endedAt": iso(END), "duration": seconds, "endedReason": reason}
        body = {"outboundCallId": CALL_ID, "contactId": OTHER_ID, "status": word, "callDetails": details}
        facts = {"answered_at": answered, "ended_at": END, "duration_seconds": seconds}
        yield Documented("allomia", {}, body, state, kinds, facts=facts)
    live = {"outboundCallId": CALL_ID, "contactId": OTHER_ID, "status": "calling", "callDetails": None}
    yield Documented("allomia", {}, live, "dialing", kinds)


def polyai() -> Iterator[Documented]:
    kinds = {
        **dict.fromkeys(("status",), "status"), **dict.fromkeys(("callSid", "call_sid"), "id"), "created_at": "other",
        "last_updated": "other", "reason": "words",
    }  # fmt: skip
    sid = f"OUT-{CALL_ID}"
    for word, state in (("success", "completed"), ("failure", "failed"), ("calling", "dialing"), ("queued", "queued")):
        body = {"callSid": CALL_ID, "status": word, "created_at": iso(DIALED), "last_updated": iso(END)}
        yield Documented("polyai", {"generation": "v1_trigger"}, body, state, kinds)
        reason = "call queueing: max timeout limit exceeded" if word == "failure" else ""
        yield Documented("polyai", {"generation": "v1"}, {"status": word, "reason": reason}, state, kinds)
        body = {"callSid": sid, "status": word.upper(), "reason": reason}
        yield Documented("polyai", {"generation": "agents", "agent_id": "a1"}, body, state, kinds, call_id=sid)


def plumvoice() -> Iterator[Documented]:
    names = ("attempts", "max_attempts", "queued_timestamp", "start_timestamp", "end_timestamp", "reattempt_wait")
    kinds = {
        "call_details.status": "status", "call_details.duration": "seconds", "call_details.events": "events",
        **{f"call_details.{name}": "other" for name in (*names, "phone_number")},
    }  # fmt: skip

    def at(moment: datetime) -> int:
        return round(moment.timestamp())

    ends: tuple[tuple[str, str, list[str], int | None], ...] = (
        ("completed", "completed", ["connected", "disconnected"], TALK),
        ("busy", "busy", ["disconnected"], None),
        ("no answer", "no_answer", ["disconnected"], None),
        ("failed", "failed", ["disconnected"], None),
        ("connected", "in_progress", ["connected"], None),
        ("dialing", "dialing", [], None),
    )
    times = {"connected": ANSWER, "disconnected": END}
    for word, state, happened, seconds in ends:
        events = [{"event": "queued", "timestamp": at(DIALED)}, {"event": "dialing", "timestamp": at(START)}]
        events += [{"event": name, "timestamp": at(times[name])} for name in happened]
        details: dict[str, Any] = {
            "max_attempts": "1", "attempts": "1", "events": events, "phone_number": "'4155550123'", "status": word,
            "queued_timestamp": str(at(DIALED)), "start_timestamp": str(at(ANSWER)), "end_timestamp": str(at(END)),
            "reattempt_wait": "300", "duration": seconds,
        }  # fmt: skip
        facts = {"duration_seconds": seconds, "ended_at": END if "disconnected" in happened else None}
        yield Documented("plumvoice", {}, {"call_details": details}, state, kinds, facts=facts, call_id="4711")


def callingbox() -> Iterator[Documented]:
    kinds = {
        "status": "status", "id": "id", "to_number": "number", "metadata": "reference", "context": "other",
        "started_at": "time", "answered_at": "time", "ended_at": "time", "duration_seconds": "seconds",
        "billed_duration_seconds": "seconds", "billing_amount_milli_cents": "money", "result": "result",
        **dict.fromkeys(("error_message", "created_at", "updated_at", "webhook_status", "prompt"), "other"),
        **dict.fromkeys(("hangup_cause", "error_code"), "words"),
    }  # fmt: skip
    rows: tuple[tuple[str, str, datetime | None, int, int, str | None], ...] = (
        ("completed", "NORMAL_CLEARING", ANSWER, TALK, 3500, None),
        ("no_answer", "NO_ANSWER", None, 0, 0, None),
        ("no_answer", "NORMAL_CLEARING", None, 0, 0, "machine"),
        ("busy", "USER_BUSY", None, 0, 0, None),
        ("failed", "UNALLOCATED_NUMBER", None, 0, 0, None),
        ("canceled", "CANCEL", None, 0, 0, None),
    )
    for word, cause, answered, billed, price, who in rows:
        result = {"confirmed": True, "note": "Tuesday"} if answered else None
        body: dict[str, Any] = {
            "id": CALL_ID, "to_number": NUMBER, "from_number": "+14155550100", "status": word, "direction": "outbound",
            "prompt": "Confirm.", "context": {"name": "Paula"}, "metadata": {"ref": REFERENCE},
            "returns": {"confirmed": "boolean", "note": "string"}, "result": result,
            "result_status": "completed" if answered else "pending", "result_error": None,
            "webhook_status": "pending", "created_at": iso(DIALED), "updated_at": iso(END), "started_at": iso(START),
            "answered_at": iso(answered), "ended_at": iso(END), "duration_seconds": WHOLE,
            "billed_duration_seconds": billed, "billing_amount_milli_cents": price,
            "reservation_status": "settled" if answered else "released",
            "error_code": "invalid_destination" if word == "failed" else None, "error_message": None,
            "hangup_cause": cause,
        }  # fmt: skip
        if who:
            body["answered_by"] = who
        facts = {
            "started_at": START, "answered_at": answered, "ended_at": END, "duration_seconds": WHOLE,
            "billed_duration_seconds": billed, "cost_price": Decimal(price).scaleb(-5), "result": result,
        }  # fmt: skip
        yield Documented("callingbox", {}, body, word, kinds, voicemail=who == "machine", facts=facts)


PROVIDERS: dict[str, Callable[[], Iterator[Documented]]] = {
    "allomia": allomia, "polyai": polyai, "plumvoice": plumvoice, "callingbox": callingbox,
}  # fmt: skip

ABSENT = object()
Manner = Callable[[Any, random.Random], Any]


def _at(value: Any) -> datetime:
    if isinstance(value, str) and not value.isdigit():
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return datetime.fromtimestamp(int(value), UTC)


def _naive(hours: int) -> Manner:
    return lambda value, _: (_at(value) + timedelta(hours=hours)).replace(tzinfo=None).isoformat()


ANY: dict[str, Manner] = {
    "absent": lambda value, _: ABSENT,
    "null": lambda value, _: None,
    "empty text": lambda value, _: "",
    "empty object": lambda value, _: {},
    "empty list": lambda value, _: [],
    "other type": lambda value, r: r.choice([[1], {"a": 1}, True, -3, 0.5, "nonsense", [[]], {"value": None}]),
    "NaN": lambda value, _: Raw("NaN"),
    "infinite": lambda value, _: Raw("-Infinity"),
    "huge": lambda value, _: Raw("9" * 40),
    "1e999": lambda value, _: Raw("1e999"),
    "same twice": lambda value, _: Twice(value, value),
    "two values": lambda value, r: Twice(r.choice([None, "other", 7, {}]), value),
    "NUL": lambda value, _: Raw('"a\\u0000b\\ud800"'),
}
AS_TEXT: dict[str, Manner] = {
    "as text": lambda value, _: value if isinstance(value, str) else json.dumps(value),
    "as text of text": lambda value, _: json.dumps(json.dumps(value)),
}
TIMES: dict[str, Manner] = {
    "epoch seconds": lambda value, _: round(_at(value).timestamp()),
    "epoch milliseconds": lambda value, _: round(_at(value).timestamp() * 1000),
    "epoch as text": lambda value, _: str(round(_at(value).timestamp())),
    "epoch milliseconds as text": lambda value, _: str(round(_at(value).timestamp() * 1000)),
    "with offset": lambda value, _: (_at(value) + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00",
    "with blank": lambda value, _: f"{_at(value):%Y-%m-%d %H:%M:%S}+00:00",
    "no zone": _naive(0),
    "no zone, four hours behind": _naive(-4),
    "no zone, eight hours ahead": _naive(8),
    "1999": lambda value, _: "1999-12-31T23:59:59Z",
    "tomorrow": lambda value, _: iso(_at(value) + timedelta(days=1)),
    "before the dial": lambda value, _: iso(DIALED - timedelta(hours=3)),
}
SECONDS: dict[str, Manner] = {
    "milliseconds": lambda value, _: value * 1000,
    "as a clock": lambda value, _: f"00:{value // 60:02}:{value % 60:02}",
    "as a float": lambda value, _: float(value),
    "as text": lambda value, _: str(value),
    "with unit": lambda value, _: f"{value}s",
    "ISO 8601": lambda value, _: f"PT{value}S",
    "negative": lambda value, _: -value - 1,
    "absurd": lambda value, _: 86_400 * 7,
}
MONEY: dict[str, Manner] = {
    "as text": lambda value, _: str(value),
    "as a float": lambda value, _: float(value),
    "negative": lambda value, _: -value - 1,
}
RESULTS: dict[str, Manner] = {
    **AS_TEXT,
    "as a list": lambda value, _: [{"name": name, "value": inner} for name, inner in value.items()],
    "as other list": lambda value, _: [{"key": name, "value": inner} for name, inner in value.items()],
    "in words": lambda value, _: "The customer confirmed Tuesday.",
}
STATUS: dict[str, Manner] = {
    "upper case": lambda value, _: value.upper(),
    "blanks": lambda value, _: f"  {value.replace('_', ' ').replace('-', ' ')} ",
    "unknown word": lambda value, _: "transferring",
}
IDS: dict[str, Manner] = {
    "upper case": lambda value, _: value.upper(),
    "with prefix": lambda value, _: f"OUT-{value.removeprefix('OUT-')}",
    "without prefix": lambda value, _: value.removeprefix("OUT-"),
    "in braces": lambda value, _: f"{{{value}}}",
}
NUMBERS: dict[str, Manner] = {
    "no plus": lambda value, _: value[1:],
    "formatted": lambda value, _: "+1 (415) 555-0123",
    "number": lambda value, _: int(value),
}
# The manners that leave a reader no doubt what was meant, for the fields that are facts.
CLEAR = {
    "time": {"epoch seconds", "epoch milliseconds", "epoch as text", "epoch milliseconds as text", "with offset",
             "with blank", "same twice"},
    "seconds": {"as a clock", "as a float", "as text", "with unit", "ISO 8601", "same twice"},
    "money": {"as text", "as a float", "same twice"},
    "result": {"as text", "as text of text", "as a list", "as other list", "same twice"},
}  # fmt: skip
BY_KIND: dict[str, dict[str, Manner]] = {
    "time": TIMES, "seconds": SECONDS, "money": MONEY, "result": RESULTS, "status": STATUS, "id": IDS,
    "number": NUMBERS, "reference": AS_TEXT, "object": AS_TEXT, "events": AS_TEXT,
}  # fmt: skip


def manners_of(kind: str, value: Any) -> dict[str, Manner]:
    """Return the manners in which a value of this kind can be told. An empty value has only the general ones."""
    own = BY_KIND.get(kind, {}) if value is not None and value != "" else {}
    return ANY | own


def answers(provider: str, count: int, seed: int) -> Iterator[Told]:
    """Return this many answers: first each field in each manner alone, then two or three fields at once."""
    documented = list(PROVIDERS[provider]())
    chance = random.Random(f"{provider} {seed}")
    made = 0
    for each in documented:
        yield told(each, [], chance)
        for path, kind in each.kinds.items():
            value = value_at(each.body, path)
            for manner in manners_of(kind, value) if value is not ABSENT else {}:
                yield told(each, [(path, manner)], chance)
                made += 1
    while made < count:
        each = chance.choice(documented)
        there = [path for path in each.kinds if value_at(each.body, path) is not ABSENT]
        paths = chance.sample(there, min(len(there), chance.choice((2, 2, 3))))
        paths = [path for path in paths if not any(path != one and path.startswith(f"{one}.") for one in paths)]
        chosen = [
            (path, chance.choice(list(manners_of(each.kinds[path], value_at(each.body, path))))) for path in paths
        ]
        yield told(each, chosen, chance)
        made += 1


def told(each: Documented, chosen: Sequence[tuple[str, str]], chance: random.Random) -> Told:
    body = each.body
    for path, manner in chosen:
        value = value_at(body, path)
        body = replaced(body, path.split("."), manners_of(each.kinds[path], value)[manner](value, chance))
    return Told(each, written(body).encode("utf-8", "surrogatepass"), tuple(chosen))


def value_at(body: Any, path: str) -> Any:
    """Return the value at a dotted path, or ABSENT."""
    for name in path.split("."):
        if not isinstance(body, dict) or name not in body:
            return ABSENT
        body = body[name]
    return body


def replaced(body: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return the body with another value at the path."""
    name, *rest = path
    if rest:
        return body | {name: replaced(body[name], rest, value)}
    if value is ABSENT:
        return {each: inner for each, inner in body.items() if each != name}
    return body | {name: value}


def written(value: Any) -> str:
    """Return the value as JSON text, with the oddities that `json` does not write."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(_member(name, inner) for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def _member(name: str, value: Any) -> str:
    if isinstance(value, Twice):
        return f"{_member(name, value.first)},{_member(name, value.second)}"
    return f"{json.dumps(name)}:{written(value)}"
