"""Decode what providers send: strict decoders for whole bodies, tolerant readers for single fields.

The input is untrusted. An unreadable body raises `MayBeRinging`, with the start of the body as evidence, and nothing
else. An unreadable field is empty (`""` or None), because one bad field must not cost the call's ID.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes
from email.message import Message
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, quote

import defusedxml.ElementTree

from providers.adapters.base import CallState
from providers.adapters.errors import MayBeRinging, Rejected

MAX_BODY = 256 * 1024  # bytes
MAX_DEPTH = 32  # nested objects and lists
MAX_INTEGER = 2**63 - 1  # larger numbers are clamped: no database column holds them
EVIDENCE = 4096  # bytes of a body kept with an error
YEARS = range(2000, 2100)  # a time outside this range is treated as unreadable

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses NUL and lone surrogates
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NUMERIC = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_E164 = re.compile(r"\+[0-9]{5,15}")

Parsed = TypeVar("Parsed")


class _Refused(ValueError):
    """The body breaks one of our limits, although it may be well-formed. Staff see the text."""


def decode_json(body: bytes, *, status: int = 0) -> Any:
    """Return the value of a JSON body (UTF-8, -16 or -32). Raise MayBeRinging if it is unreadable."""
    return _guarded(_parse_json, body, status, "JSON")


def decode_json_or_xml(body: bytes, *, status: int = 0) -> Any:
    """Return the value of a JSON or XML body, whatever its headers say. Raise MayBeRinging if it is unreadable.

    In XML every leaf is text, `<item>` children make a list (even a single one), and the root's name is dropped.
    """
    if body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<"):
        return _guarded(_parse_xml, body, status, "XML")
    return decode_json(body, status=status)


def decode_form(body: bytes, content_type: str = "") -> dict[str, Any]:
    """Return the fields of a urlencoded or multipart form. Raise MayBeRinging if it is unreadable.

    `a[0][b]=c` makes nested objects.
    """
    return _guarded(lambda raw: _parse_form(raw, content_type), body, 0, "a form")


def _guarded(parse: Callable[[bytes], Parsed], body: bytes, status: int, kind: str) -> Parsed:
    if len(body) > MAX_BODY:
        raise _unreadable("it is too long", body, status)
    try:
        return parse(body)
    except _Refused as error:
        reason = str(error)
    except RecursionError:  # for example "[" twenty thousand times
        reason = "it is nested too deeply"
    except Exception:  # the parsers may raise anything else, now or in a later version
        reason = f"it is not valid {kind}"
    raise _unreadable(reason, body, status)


def _unreadable(reason: str, body: bytes, status: int) -> MayBeRinging:
    return MayBeRinging(f"The provider's response is unreadable: {reason}.", status=status, evidence=body[:EVIDENCE])


def _parse_json(body: bytes) -> Any:
    decoded = body.decode(json.detect_encoding(body), errors="replace")
    value = json.loads(
        decoded,
        object_pairs_hook=_object,
        parse_constant=_refuse_constant,
        parse_float=_float,
        parse_int=_integer,
    )
    return _cleaned(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        name = storable(name)
        if name in found:
            raise _Refused("it names a field twice")
        found[name] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _Refused("it contains a value that is not a number")


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _Refused("it contains a number that is too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20:
        return -MAX_INTEGER if digits.startswith("-") else MAX_INTEGER
    return max(-MAX_INTEGER, min(int(digits), MAX_INTEGER))


def _cleaned(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise _Refused("it is nested too deeply")
        if isinstance(value, dict):
            return {name: _cleaned(inner, depth + 1) for name, inner in value.items()}
        return [_cleaned(inner, depth + 1) for inner in value]
    return value


def _parse_xml(body: bytes) -> Any:
    return _element(defusedxml.ElementTree.fromstring(body, forbid_dtd=True))


def _element(element: Any, depth: int = 0) -> Any:
    if depth >= MAX_DEPTH:
        raise _Refused("it is nested too deeply")
    children = [(storable(str(child.tag).rpartition("}")[2]), _element(child, depth + 1)) for child in element]
    if not children:
        return storable((element.text or "").strip())
    if all(name == "item" for name, _ in children):
        return [value for _, value in children]
    return _object(children)


def _parse_form(body: bytes, content_type: str) -> dict[str, Any]:
    pairs = _multipart(body, content_type) if "multipart/" in content_type.lower() else _urlencoded(body)
    if not pairs:
        raise _Refused("it is not a valid form")
    found: dict[str, Any] = {}
    for name, value in _object([(name, storable(value)) for name, value in pairs]).items():
        inner, *path = name.replace("]", "").split("[")
        if len(path) > MAX_DEPTH:
            raise _Refused("it is nested too deeply")
        place = found
        for step in path:
            place = place.setdefault(inner, {})  # AttributeError: the form uses a field as value and as object
            inner = step
        place[inner] = value
    return found


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, strict_parsing=True, max_num_fields=1000)


def _multipart(body: bytes, content_type: str) -> list[tuple[str, Any]]:
    parts = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body).get_payload()
    if not isinstance(parts, list):
        raise _Refused("it is not a valid form")
    return [(_form_name(part), _form_value(part)) for part in parts if isinstance(part, Message)]


def _form_name(part: Message) -> str:
    return str(part.get_param("name", "", header="content-disposition"))


def _form_value(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def storable(value: str) -> str:
    """Return the text with NUL and lone surrogates replaced."""
    return _UNSTORABLE.sub("\ufffd", value)


def printable(value: str) -> str:
    """Return the text on one line: control characters, including line breaks, become spaces."""
    return storable(_CONTROL.sub(" ", value)).strip()


def text(value: Any, limit: int = 200) -> str:
    """Return a string or number as text of at most `limit` characters, or "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return storable(str(value)).strip()[:limit]


def said(value: Any) -> str:
    """Return any decoded value as text for staff, at most 200 characters."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return printable(shown)[:200]


def integer(value: Any, low: int = 0, high: int = 2**31 - 1) -> int | None:
    """Return a number or numeric text, clamped to low..high, or None for anything else ("" and null included)."""
    if isinstance(value, str) and _NUMERIC.fullmatch(value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(max(low, min(value, high)))


def moment(value: Any) -> datetime | None:
    """Return ISO 8601 (UTC if it names no zone) or Unix seconds as an aware UTC time, or None for anything else."""
    try:
        if isinstance(value, str) and not _NUMERIC.fullmatch(value.strip()):
            found = datetime.fromisoformat(value.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(float(value), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.year in YEARS else None


def dollars(milli_cents: Any) -> Decimal | None:
    """Return thousandths of a cent as dollars: 3333 is 0.03333."""
    amount = integer(milli_cents, high=10**12)
    return None if amount is None else Decimal(amount).scaleb(-5)


def mapping(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one if the provider sent something else."""
    return value if isinstance(value, dict) else {}


def embedded(value: Any) -> Any:
    """Return the value of JSON text inside a field, None if it is unreadable, or any other value unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return decode_json(value.encode())
    except MayBeRinging:
        return None


def call_id(value: Any) -> str:
    """Return a provider's opaque call ID, 1-128 characters that a URL can carry, or "" if it is unusable."""
    found = text(value, 129)
    return found if re.fullmatch(r"[\x21-\x7e]{1,128}", found) and found.strip(".") else ""


def segment(value: str) -> str:
    """Return an ID as one path segment. Raise Rejected if it would change the path."""
    if not value.strip("."):
        raise Rejected("The call or the assistant has no ID at the provider.")
    return quote(value, safe="")


def e164(number: str) -> str:
    """Return the number unchanged. Raise Rejected unless it is + and digits: anything else could carry instructions."""
    if not _E164.fullmatch(number):
        raise Rejected("The phone number is not in international form (+ and 5 to 15 digits).")
    return number


def fold(word: Any) -> str:
    """Return a status as a lookup key: lower case, `_` for spaces and hyphens, "canceled" with one l."""
    folded = re.sub(r"[-_\s]+", "_", text(word).lower())
    return "canceled" if folded == "cancelled" else folded


def state_of(word: Any, states: Mapping[str, CallState]) -> CallState:
    """Return the state that a status means, or UNRECOGNISED for an undocumented one."""
    return states.get(fold(word), CallState.UNRECOGNISED)
