"""How one answer about a call is worded: its values, in the manners drawn for it. Pure.

`Places` says where a provider's answer has each fact. A manner whose fact is not in the answer changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from providers.sandbox import draws, wire
from providers.sandbox.timeline import ENDINGS
from providers.sandbox.world import Call

STRANGE = ("transferring", "Amd Running", "early_media", "in-conversation")
ABSURD = (-7, 86_400 * 4_000, 10**15)  # a duration of none of these is possible, nor a thousandth of it
SENTENCE = "; "


@dataclass(frozen=True)
class Places:
    """The names of a provider's fields. The names after `inside` are in the object of that name, if there is one."""

    ids: tuple[str, ...]
    status: str = "status"
    inside: str = ""
    times: tuple[str, ...] = ()
    between: tuple[str, str] = ("", "")  # the beginning and the end of the conversation
    events: str = ""
    durations: tuple[str, ...] = ()
    price: str = ""
    result: str = ""
    reason: str = ""
    answered_by: str = ""


PLACES: Mapping[str, Places] = {
    "allomia": Places(
        ("outboundCallId",),
        inside="callDetails",
        times=("startedAt", "endedAt"),
        between=("startedAt", "endedAt"),
        durations=("duration",),
        reason="endedReason",
        answered_by="answeredBy",
    ),
    "polyai": Places(
        ("callSid", "call_sid"), times=("created_at", "last_updated"), reason="reason", answered_by="answered_by"
    ),
    "plumvoice": Places(
        ("call_id",),
        times=("queued_timestamp", "start_timestamp", "end_timestamp"),
        between=("start_timestamp", "end_timestamp"),
        events="events",
        durations=("duration",),
    ),
    "callingbox": Places(
        ("id",),
        times=("created_at", "updated_at", "started_at", "answered_at", "ended_at"),
        between=("answered_at", "ended_at"),
        durations=("duration_seconds", "billed_duration_seconds"),
        price="billing_amount_milli_cents",
        result="result",
        answered_by="answered_by",
    ),
}


@dataclass
class Telling:
    """One answer about a call. The manners that changed something are added to the call's `told`."""

    call: Call
    names: frozenset[str]
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.names |= self.call.manners
        self.places = PLACES[self.call.provider]

    def reword(self, body: dict[str, Any], elapsed: float) -> dict[str, Any]:
        """Return the object that describes the call, worded in these manners."""
        body = json.loads(json.dumps(body))
        ended = self.call.timeline.at(elapsed).state in ENDINGS
        inner = body.get(self.places.inside) if self.places.inside else body
        inner = inner if isinstance(inner, dict) else {}
        for name, change in _CHANGES.items():
            if name in self.names and change(self, body, inner, ended):
                self.call.told.add(name)
        return body

    def encode(self, body: Any) -> tuple[dict[str, str], bytes]:
        """Return headers and bytes of a JSON answer, in the manners of shape and wire."""
        if "answer in data" in self.names:
            self.call.told.add("answer in data")
            body = {"data": body}
        headers, data, used = wire.encode(body, self.names)
        self.call.told.update(used)
        return headers, data

    def fate(self, *key: object) -> tuple[object, ...]:
        """Return the key of a draw that belongs to this call."""
        return (self.call.provider, self.call.order.to_number, self.call.dial, *key)


Change = Callable[[Telling, dict[str, Any], dict[str, Any], bool], bool]
_CHANGES: dict[str, Change] = {}


def _manner(*names: str) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """Register a change under each of these names. It returns whether it changed anything."""

    def register(change: Callable[..., bool]) -> Callable[..., bool]:
        for name in names:
            _CHANGES[name] = lambda *given, name=name: change(name, *given)
        return change

    return register


Values = dict[str, Any]


@_manner("voicemail as reason", "voicemail as machine_end_beep", "voicemail as Answering Machine")
def _voicemail(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    end = told.call.timeline.end
    if not ended or end is None or end.state != "voicemail":
        return False
    word = name.removeprefix("voicemail as ")
    if word == "reason":
        inner[told.places.reason] = "voicemail"
    else:
        inner[told.places.answered_by] = word
    return True


@_manner("id in capitals", "id in braces", "id with a prefix", "id without its prefix", "id as a number")
def _id(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    changed = False
    for place in told.places.ids:
        before = body.get(place)
        if isinstance(before, str):
            body[place] = reworded_id(before, name)
            changed |= body[place] != before
    return changed


def reworded_id(identifier: str, name: str) -> str | int:
    """Return an ID in one of the manners of IDs."""
    if name == "id in capitals":
        return identifier.upper()
    if name == "id in braces":
        return "{" + identifier + "}"
    if name == "id with a prefix":
        return identifier if identifier.startswith("OUT-") else f"OUT-{identifier}"
    if name == "id without its prefix":
        return identifier.removeprefix("OUT-")
    return int(identifier) if identifier.isdecimal() else identifier


@_manner("unknown word before the end")
def _word(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    if ended or told.places.status not in body:
        return False
    body[told.places.status] = draws.pick(STRANGE, *told.fate(name))
    return True


@_manner("status in capitals", "status in blanks", "status with other separators")
def _status(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    word = body.get(told.places.status)
    if not isinstance(word, str):
        return False
    if name == "status in capitals":
        told_as = word.upper()
    elif name == "status in blanks":
        told_as = f"  {word.title()}\n"
    else:
        told_as = word.translate(str.maketrans("-_ ", " -_"))
    body[told.places.status] = told_as
    return told_as != word


@_manner("duration in milliseconds", "duration as a clock", "duration as text", "absurd duration")
@_manner("duration NaN", "duration twice")
def _duration(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    changed = False
    for place in told.places.durations:
        seconds = inner.get(place)
        if isinstance(seconds, int) and seconds > 0:
            inner[place] = _as(name, seconds, told)
            changed = True
    return changed


def _as(name: str, seconds: int, told: Telling) -> Any:
    minutes, rest = divmod(seconds, 60)
    return {
        "duration in milliseconds": seconds * 1000,
        "duration as a clock": f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}",
        "duration as text": str(seconds),
        "absurd duration": draws.pick(ABSURD, *told.fate(name)),
        "duration NaN": wire.literal("NaN"),
        "duration twice": wire.twice(seconds, seconds + 4_000),
    }[name]


@_manner("reserved at zero", "hold as amount")
def _hold(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    """Show an unsettled bill as zero, or as the amount that is held. Neither is the price."""
    if not ended or body.get("reservation_status") != "reserved":
        return False
    zero = name == "reserved at zero"
    body[told.places.price] = 0 if zero else 25_000
    if zero:
        body |= dict.fromkeys(told.places.durations, 0)
    return True


@_manner("price as text")
def _price(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    amount = body.get(told.places.price)
    if not isinstance(amount, int):
        return False
    body[told.places.price] = str(amount)
    return True


@_manner("end before start", "year 1999")
@_manner("local time four hours behind", "local time eight hours ahead")
@_manner("epoch seconds", "epoch milliseconds", "mail date")
def _times(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    if name == "end before start":
        return _swapped(told.places, inner)
    changed = False
    for holder, key in _stamps(told.places, inner):
        at = _moment(holder[key])
        if at is not None:
            holder[key] = _written(name, at)
            changed = True
    return changed


def _stamps(places: Places, inner: Values) -> Iterator[tuple[Values, str]]:
    yield from ((inner, name) for name in places.times if inner.get(name) is not None)
    yield from ((event, "timestamp") for event in inner.get(places.events) or () if isinstance(event, dict))


def _swapped(places: Places, inner: Values) -> bool:
    begin, end = places.between
    events = {event["event"]: event for event in inner.get(places.events) or ()}
    if {"connected", "disconnected"} <= set(events):
        first, last = events["connected"], events["disconnected"]
        first["timestamp"], last["timestamp"] = last["timestamp"] + 1, first["timestamp"]
    if inner.get(begin) is None or inner.get(end) is None:
        return False
    inner[begin], inner[end] = inner[end], inner[begin]
    return True


def _moment(value: Any) -> datetime | None:
    """Return the time of a field in one of the providers' documented forms: ISO 8601, or Unix seconds."""
    text = str(value)
    return datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)


def _written(name: str, at: datetime) -> str | int:
    if name == "epoch seconds":
        return int(at.timestamp())
    if name == "epoch milliseconds":
        return int(at.timestamp() * 1000)
    if name == "mail date":
        return format_datetime(at, usegmt=True)
    if name == "year 1999":
        return at.replace(year=1999, day=min(at.day, 28)).isoformat().replace("+00:00", "Z")
    away = timedelta(hours=-4 if name.endswith("behind") else 8)
    return (at + away).replace(tzinfo=None).isoformat(timespec="seconds")


@_manner("result as JSON text", "result encoded twice", "result as a list")
@_manner("result as a sentence", "result names respelled", "result values as text")
def _result(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    result = body.get(told.places.result)
    if not isinstance(result, dict) or not result:
        return False
    body[told.places.result] = reworded_result(result, name)
    return True


def reworded_result(result: Mapping[str, Any], name: str) -> Any:
    """Return a structured result in one of the manners of results."""
    if name == "result as JSON text":
        return json.dumps(result)
    if name == "result encoded twice":
        return json.dumps(json.dumps(result))
    if name == "result as a list":
        return [{"name": key, "value": value} for key, value in result.items()]
    if name == "result as a sentence":
        return SENTENCE.join(f"{key}: {_said(value)}" for key, value in result.items())
    if name == "result names respelled":
        return {"".join([key.split("_")[0], *map(str.title, key.split("_")[1:])]): v for key, v in result.items()}
    return {key: _said(value) for key, value in result.items()}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@_manner("number without +", "number formatted")
def _number(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    number = body.get("to_number")
    if not isinstance(number, str):
        return False
    digits = number.removeprefix("+")
    body["to_number"] = digits if name == "number without +" else f"({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    return True


@_manner("context as JSON text")
def _context(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    places = [place for place in ("context", "metadata") if isinstance(body.get(place), dict)]
    body |= {place: json.dumps(body[place]) for place in places}
    return bool(places)


@_manner("names in another case")
def _names(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    """Write the provider's names in snake case for camel case, and the reverse; not those of results and variables."""
    for values in {id(each): each for each in (inner, body)}.values():
        respelled = {_other_case(key): value for key, value in values.items()}
        values.clear()
        values.update(respelled)
    return True


def _other_case(name: str) -> str:
    if "_" in name:
        first, *rest = name.split("_")
        return first + "".join(map(str.title, rest))
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@_manner("extra fields", "long transcript")
def _more(name: str, told: Telling, body: Values, inner: Values, ended: bool) -> bool:
    body |= wire.TRANSCRIPT if name == "long transcript" else wire.EXTRA
    return True
