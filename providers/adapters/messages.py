"""Find the call in a provider's message: the object about it, its ID and its state. Shared by all adapters. Pure.

Public reports show answers in an envelope that no page documents (`{"data": {...}}`, a list with one object), a field
twice in two spellings, and a status that is an object. They are read where exactly one reading is left, with a remark.
What could mean two things is doubtful: the state is unrecognised, so that the call is read again, or the ID is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from providers.adapters.base import CallState, Reading, Remark
from providers.adapters.call_ids import same_call
from providers.adapters.decoding import fold, folded_name, said, text
from providers.adapters.fields import OTHER_SPELLING, SPELLED_TWICE, Fields
from providers.adapters.oddities import NAMED_TWICE

STATUS_NAMES = ("status", "call_status", "call_state")  # every provider documents "status"
DEPTH = 3  # envelopes around a call
MOST_NAMES = 100  # of a message in which an object of any name may hold the call's ID
TWO_CALLS = "It names two different calls, so that it names none."
NO_STATUS = "The message has no status."
ABOUT_A_REQUEST = "The message does not name the call, so the status may be that of the request."
_RESULT = "result"  # a structured result of the customer's own may have this name, and any field inside
_ENVELOPES = {
    *("data", "call", "outboundcall", "calldetails", "response", "payload", "body", "item", "object", "record"),
    *("attributes", "message", _RESULT),
}  # folded
# Folded names of what an API says about a request, not about a call; and of what it answers, even if that is empty.
_ABOUT_A_REQUEST = {"error", "errors", "message", "msg", "detail", "details", "statuscode", "httpstatus"}
_ANSWERED = {"data", "response", "payload", "body"}
_PARTS_OF_A_STATUS = {"value", "name", "code", "status", "state", "current", "text", "label"}


@dataclass(frozen=True)
class Found:
    """The object about the call, its ID ("": none), and the objects around it.

    `torn`: the message names two different calls. `enveloped`: the objects around it have names of envelopes.
    """

    call: Fields
    call_id: str
    around: Sequence[Fields] = ()
    torn: bool = False
    enveloped: bool = True


@dataclass(frozen=True)
class Status:
    """A call's state and the provider's word for it."""

    state: CallState
    word: str


def follow(message: Fields, *names: str) -> Fields:
    """Return the object at the end of a documented path, or the last object on the way to it."""
    for name in names:
        inner = _object(message, name)
        if inner is None:
            break
        message = inner
    return message


def envelopes(message: Fields) -> Iterator[Fields]:
    """Return the message and the objects in which a message is known to be wrapped, the outermost first."""
    yield message
    yield from (found.call for found in _inside(message, results=True))


def find_call(message: Fields, ids: Sequence[str], known: str = "", *, generic: bool = False) -> Found:
    """Return the object that tells of the call. `ids`: the names of its ID. `known`: the ID that was asked for.

    An object inside is taken only if the message itself does not tell of the call, and exactly one such object is left.
    `generic`: the names are not the provider's own, and `result` may be a structured result. Otherwise an object of any
    name may hold the ID.
    """
    own, torn = _read_id(message, ids)
    told = _has_status(message)
    itself = Found(message, own, torn=torn)
    ours = bool(own) and (not known or same_call(own, known))
    if torn or (ours and told):
        return itself
    inner = [
        replace(found, call_id=found_id, torn=two)
        for found in _inside(message, results=not (generic and (own or told)), anywhere=not generic)
        for found_id, two in [_read_id(found.call, ids)]
    ]
    named = [found for found in inner if found.call_id and (not known or same_call(found.call_id, known))]
    with_status = [found for found in inner if _has_status(found.call) and found.enveloped]
    if ours:
        named = [found for found in with_status if found.call_id in ("", own)]
    elif not named and not own and not told:
        named = with_status
    named = [found for found in named if _has_status(found.call)] or named
    if len(named) != 1:
        return itself
    tolerate(message, named[0].call.path, "The call is inside another object than documented.")
    return replace(named[0], call_id=named[0].call_id or own)


def placed_call(message: Fields, ids: Sequence[str], *, generic: bool = False) -> Found:
    """Return the call that an answer to a placing names. Two different IDs name none. `generic`: see `find_call`."""
    own, torn = _read_id(message, ids)
    itself = Found(message, own, torn=torn)
    if torn:
        return itself
    inner = [
        replace(found, call_id=found_id, torn=two)
        for found in _inside(message, results=not (generic and own), anywhere=not generic)
        for found_id, two in [_read_id(found.call, ids)]
        if found_id or two
    ]
    if any(found.torn or not same_call(found.call_id, (own or inner[0].call_id)) for found in inner):
        names = said([call_id for call_id in (own, *(found.call_id for found in inner)) if call_id])
        message.remarks.append(Remark(inner[0].call.path, names, TWO_CALLS, taken=False, field="provider_call_id"))
        return replace(itself, call_id="", torn=True)
    if own or not inner:
        return itself
    tolerate(message, inner[0].call.path, "The ID is inside another object than documented.")
    return inner[0]


def read_status(found: Found, states: Mapping[str, CallState], key: Callable[[Any], str] = fold) -> Status | None:
    """Return the state that the message reports. None: it has neither a status nor the call's ID.

    A status that could mean two states, that is missing beside the call's ID, or that may be the request's own, is
    UNRECOGNISED and doubtful, so that the call is read again.
    """
    status = _status(found, states, key)
    if status is None and found.call_id:
        _doubt(found.call, STATUS_NAMES[0], NO_STATUS)
        return Status(CallState.UNRECOGNISED, "")
    if status is not None and status.state.is_terminal and not found.call_id and _is_about_a_request(found.call):
        _doubt(found.call, _status_names(found.call)[0], ABOUT_A_REQUEST)
        return Status(CallState.UNRECOGNISED, "")
    return status


def _is_about_a_request(call: Fields) -> bool:
    """Return whether a message without an ID says what only an answer about a request says.

    For example {"status": "failed", "message": "…"}, {"status": "success", "data": null}, or another status inside.
    """
    names = {folded_name(name): value for name, value in call.values.items()}
    if not _ANSWERED.isdisjoint(names) or any(names.get(name) for name in _ABOUT_A_REQUEST):
        return True
    return any(_has_status(found.call) for found in _inside(call, results=True, depth=1))


def placed_reading(found: Found, states: Mapping[str, CallState]) -> Reading:
    """Return what an answer to a placing claims, if the provider answers before it dials.

    A call that has an ID is queued at the least. A word like "success" is about the request, so it ends no call.
    """
    status = _status(found, states, fold) or Status(CallState.QUEUED, "")
    return not_ended_yet(found, Reading(status.state, provider_call_id=found.call_id, provider_status=status.word))


def not_ended_yet(found: Found, reading: Reading) -> Reading:
    """Return the reading of an answer to a placing without an end: the provider answers before it dials."""
    state = reading.state
    if state.is_terminal:
        _doubt(found.call, STATUS_NAMES[0], "The provider answers before it dials, so this is not the call's end.")
    if state.is_terminal or state is CallState.UNRECOGNISED:
        state = CallState.QUEUED
    remarks = tuple(remark for remark in found.call.remarks if remark.why != NO_STATUS)  # it need not say one yet
    return replace(reading, state=state, remarks=remarks)


def _status(found: Found, states: Mapping[str, CallState], key: Callable[[Any], str]) -> Status | None:
    call = found.call
    given = [(name, call.values[name]) for name in _status_names(call)]
    unsaid = STATUS_NAMES[:1] if given else STATUS_NAMES  # a doubtful name beside the documented one costs itself
    doubt = next((remark for name in unsaid if (remark := call.doubt(name))), None)
    if doubt is not None:
        call.remarks[call.remarks.index(doubt)] = replace(doubt, field="state")
        return Status(CallState.UNRECOGNISED, doubt.said)
    if found.torn and given:
        return _unclear(call, given[0][0], "The message names two different calls.", given)
    if not given:
        return None
    words = [word for _, value in given for word in _words(value)]
    numbers = [value for _, value in given if not isinstance(value, str | dict | list)]
    meant = {states[key(word)] for word in words if key(word) in states}
    name, first = given[0]
    plain = len(given) == 1 and isinstance(first, str)
    one_object = len(given) == 1 and isinstance(first, dict)  # its other words may be codes and texts for people
    if not words or numbers or len(meant if one_object else {key(word) for word in words}) > 1:
        why = "The status is no word." if numbers or not words else "The status could mean more than one state."
        return _unclear(call, name, why, given)
    if not meant:
        return Status(CallState.UNRECOGNISED, words[0])
    state = meant.pop()
    if state.is_terminal and (other := _other_state(found.around, states, key, state)):
        return _unclear(call, name, f"The object around the call says '{other}'.", given)
    if not plain or folded_name(name) != STATUS_NAMES[0]:
        call.remark(name, "The status is in another form than documented.", taken=True, into="state")
    return Status(state, next(word for word in words if key(word) in states))


def _unclear(call: Fields, name: str, why: str, given: Sequence[tuple[str, Any]]) -> Status:
    _doubt(call, name, why)
    return Status(CallState.UNRECOGNISED, _said(given))


def first_text(holders: Iterable[Fields], names: Sequence[str], into: str, limit: int = 200) -> str:
    """Return the first of these fields that has a text, or ""."""
    for fields in holders:
        for name in names:
            if found := fields.text(name, limit, into=into):
                return found
    return ""


def _inside(message: Fields, *, results: bool, anywhere: bool = False, depth: int = DEPTH) -> Iterator[Found]:
    """Return the objects in the message's envelopes. `results`: also in one that may be a structured result."""
    anywhere = anywhere and len(message.values) <= MOST_NAMES
    for name in message.values:
        folded = folded_name(name)
        enveloped = folded in _ENVELOPES or len(message.values) == 1
        if not enveloped and not anywhere:
            continue
        if folded == _RESULT and not results:
            continue
        inner = _object(message, name)
        if inner is None:
            continue
        yield Found(inner, "", (message,), enveloped=enveloped)
        if depth > 1:
            for found in _inside(inner, results=results, depth=depth - 1):
                yield replace(found, around=(message, *found.around), enveloped=enveloped and found.enveloped)


def _object(message: Fields, name: str) -> Fields | None:
    """Return the object in a field, also one that is JSON text or alone in a list. None: there is none."""
    value = message.raw(name)
    if isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{")):
        inner = message.inside(name)
        return inner if inner.values else None
    if isinstance(value, list) and len(value) == 1:
        rows = message.rows(name)
        return rows[0] if rows else None
    return None


def _read_id(fields: Fields, ids: Sequence[str]) -> tuple[str, bool]:
    """Return the ID that an object has, and whether it has two that differ. Earlier names win over later ones."""
    for name in ids:
        doubt = fields.doubt(name)
        repeated = doubt is not None and doubt.why in (NAMED_TWICE, SPELLED_TWICE)
        spelled = [(spelling, fields.call_id(spelling)) for spelling in fields.spellings(name)]
        found = [(spelling, call_id) for spelling, call_id in spelled if call_id]
        if repeated or any(not same_call(call_id, found[0][1]) for _, call_id in found):
            _doubt(fields, name, TWO_CALLS, into="provider_call_id")
            return "", True
        if found and found[0][0] not in ids:
            fields.remark(found[0][0], OTHER_SPELLING, taken=True)
        if found:
            return found[0][1], False
    return "", False


def _has_status(fields: Fields) -> bool:
    return bool(_status_names(fields)) or any(fields.doubt(name) for name in STATUS_NAMES)


def _status_names(fields: Fields) -> list[str]:
    spelled = [spelling for name in STATUS_NAMES for spelling in fields.spellings(name)]
    values = [(name, fields.values[name]) for name in spelled]
    return [name for name, value in values if text(value) or isinstance(value, bool | dict | list)]


def _words(value: Any) -> list[str]:
    """Return the words of a status: a text or number, or those in an object or a list."""
    if isinstance(value, dict):
        parts = [inner for name, inner in value.items() if folded_name(name) in _PARTS_OF_A_STATUS]
        return [word for inner in parts if isinstance(inner, str) for word in _words(inner)]
    if isinstance(value, list):
        return [word for inner in value[:10] if not isinstance(inner, list) for word in _words(inner)]
    return [word] if (word := text(value)) else []


def _other_state(
    around: Sequence[Fields], states: Mapping[str, CallState], key: Callable[[Any], str], state: CallState
) -> str:
    """Return the word by which an object around the call reports another state, or ""."""
    words = (word for fields in around for name in _status_names(fields) for word in _words(fields.values[name]))
    return next((word for word in words if states.get(key(word), state) is not state), "")


def _said(given: Sequence[tuple[str, Any]]) -> str:
    return said(given[0][1] if len(given) == 1 else dict(given))


def tolerate(message: Fields, path: str, why: str) -> None:
    """Remember once that an object was read in another place than documented."""
    remark = Remark(path, "", why, taken=True)
    if remark not in message.remarks:
        message.remarks.append(remark)


def _doubt(fields: Fields, name: str, why: str, into: str = "state") -> None:
    """Remember a doubt about a field, once."""
    if fields.doubt(name) is None:
        fields.remark(name, why, taken=False, into=into)
