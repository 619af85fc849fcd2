"""Decode what providers send: whole bodies into values, and single values.

The input is untrusted. An unreadable body raises `MayBeRinging`, with the start of the body as evidence, and nothing
else. A value that cannot stand as it was sent costs itself, not the body: it is null, and a remark says what was sent.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from email import message_from_bytes
from email.message import Message
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote

import defusedxml.ElementTree

from providers.adapters import json_text, ordinary_json
from providers.adapters.base import Remark
from providers.adapters.errors import MayBeRinging, Rejected
from providers.adapters.oddities import MAX_DEPTH, Odd, object_of, settle
from providers.adapters.oddities import printable as printable
from providers.adapters.oddities import said as said
from providers.adapters.oddities import storable as storable

MAX_BODY = 2 * 1024 * 1024  # bytes, also of what a compressed body holds: a status may have a transcript in it
EVIDENCE = 4096  # bytes of a body kept with an error

COMPRESSED = "The body was compressed, although Trunkline did not ask for it."
ODD_ENCODING = "The body is not in UTF-8, or begins with a byte order mark."
NOT_UTF_8 = "The body contains bytes that are not UTF-8; each was replaced."
IN_1252 = "The body is in Windows-1252, not in UTF-8."
TWO_KINDS = "The form uses it as a value and as an object."

_JOINTS = str.maketrans("", "", "-_ \t\r\n")
_E164 = re.compile(r"\+[0-9]{5,15}")
_MARKS_OF_1252 = frozenset("\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u20ac\xa0\xa1\xab\xb0\xb4\xbb\xbf")
_MARKS = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"  # byte order marks, the zeros of UTF-16 and -32, and blanks


class _Refused(ValueError):
    """The body breaks one of our limits, although it may be well-formed. Staff see the text."""


def decode_json(body: bytes, *, status: int = 0, remarks: list[Remark] | None = None) -> Any:
    """Return the value of a JSON body (UTF-8, -16 or -32). Raise MayBeRinging if it is unreadable.

    What was odd about it is added to `remarks`.
    """
    if len(body) <= MAX_BODY and (value := ordinary_json.read(body)) is not ordinary_json.UNSURE:
        return value
    return _guarded(_parse_json, body, status, "JSON", remarks)


def decode_json_or_xml(body: bytes, *, status: int = 0, remarks: list[Remark] | None = None) -> Any:
    """Return the value of a JSON or XML body, whatever its headers say. Raise MayBeRinging if it is unreadable.

    In XML every leaf is text, `<item>` children make a list (even a single one), and the root's name is dropped.
    Attributes are fields, except those of a leaf that has text.
    """
    if opened(body).lstrip(_MARKS).startswith(b"<"):
        return _guarded(_parse_xml, body, status, "XML", remarks)
    return decode_json(body, status=status, remarks=remarks)


def decode_form(body: bytes, content_type: str = "", *, remarks: list[Remark] | None = None) -> dict[str, Any]:
    """Return the fields of a urlencoded or multipart form. Raise MayBeRinging if it is unreadable.

    `a[0][b]=c` makes nested objects.
    """
    found: dict[str, Any] = _guarded(lambda raw, _: _parse_form(raw, content_type), body, 0, "a form", remarks)
    return found


def opened(body: bytes) -> bytes:
    """Return what a compressed body holds, or any other body unchanged, also one that cannot be decompressed."""
    try:
        return _opened(body)
    except (_Refused, zlib.error):
        return body


def _opened(body: bytes) -> bytes:
    """Return what a body holds that is gzip or zlib by its first bytes. Raise _Refused before it is too long."""
    if not (body.startswith(b"\x1f\x8b\x08") or _is_zlib(body)):
        return body
    plain, rest = b"", body
    while rest and (not plain or rest.startswith(b"\x1f\x8b\x08")):  # gzip may have several parts
        part = zlib.decompressobj(wbits=47)
        plain += part.decompress(rest, MAX_BODY + 1 - len(plain))
        if len(plain) > MAX_BODY:
            raise _Refused("it is too long")
        if not part.eof:
            raise _Refused("its compressed data is incomplete")
        if not plain:
            break
        rest = part.unused_data
    return plain


def _is_zlib(body: bytes) -> bool:
    return len(body) > 2 and body[0] == 0x78 and body[1] in (0x01, 0x9C, 0xDA)


def _guarded(
    parse: Callable[[bytes, list[Remark]], Any], body: bytes, status: int, kind: str, remarks: list[Remark] | None
) -> Any:
    found: list[Remark] = []
    try:
        if len(body) > MAX_BODY:
            raise _Refused("it is too long")
        plain = _opened(body)
        if plain is not body:
            found.append(Remark("", "", COMPRESSED, taken=True))
        value = settle(parse(plain, found), found)
    except _Refused as error:
        reason = str(error)
    except RecursionError:  # for example "[" twenty thousand times
        reason = "it is nested too deeply"
    except Exception:  # the parsers may raise anything else, now or in a later version
        reason = f"it is not valid {kind}"
    else:
        if remarks is not None:
            remarks += found
        return value
    raise MayBeRinging(f"The provider's response is unreadable: {reason}.", status=status, evidence=body[:EVIDENCE])


def _parse_json(body: bytes, remarks: list[Remark]) -> Any:
    encoding = json.detect_encoding(body)
    if encoding != "utf-8":
        remarks.append(Remark("", encoding, ODD_ENCODING, taken=True))
    try:
        decoded = body.decode(encoding)
    except UnicodeDecodeError:
        decoded, why = _other_text(body, encoding)
        remarks.append(Remark("", "", why, taken=True))
    return json_text.parse(decoded.lstrip("\ufeff"), remarks)


def _other_text(body: bytes, encoding: str) -> tuple[str, str]:
    """Return what a body says that is not in the encoding it seems to have, and why.

    A body whose letters beyond ASCII are letters of Windows-1252, and none of them UTF-8, is in Windows-1252. In any
    other, the bytes that cannot be read are replaced.
    """
    replaced = body.decode(encoding, errors="replace")
    if encoding == "utf-8" and all(char < "\x80" or char == "\ufffd" for char in replaced):
        with suppress(UnicodeDecodeError):
            found = body.decode("cp1252")
            if all(char < "\x80" or char.isalpha() or char in _MARKS_OF_1252 for char in found):
                return found, IN_1252
    return replaced, NOT_UTF_8


def _parse_xml(body: bytes, remarks: list[Remark]) -> Any:
    return _element(defusedxml.ElementTree.fromstring(body.lstrip(b" \t\r\n"), forbid_dtd=True))


def _element(element: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise _Refused("it is nested too deeply")
    children = [(str(child.tag).rpartition("}")[2], _element(child, depth + 1)) for child in element]
    attributes = [(name, value) for name, value in element.attrib.items() if not name.startswith("{")]
    words = (element.text or "").strip()
    if not children:
        return words if words or not attributes else object_of(attributes)
    if all(name == "item" for name, _ in children):
        return [value for _, value in children]
    named = {name for name, _ in children}
    return object_of(children + [(name, value) for name, value in attributes if name not in named])


def _parse_form(body: bytes, content_type: str) -> dict[str, Any]:
    pairs = _multipart(body, content_type) if "multipart/" in content_type.lower() else _urlencoded(body)
    if not pairs:
        raise _Refused("it is not a valid form")
    found: dict[str, Any] = {}
    for name, value in object_of(pairs).items():
        inner, *path = name.replace("]", "").split("[")
        if len(path) > MAX_DEPTH:
            raise _Refused("it is nested too deeply")
        place = found
        for step in path:
            place, inner = _object_in(place, inner), step
        place[inner] = Odd(None, said(value), TWO_KINDS) if inner in place else value
    return found


def _object_in(place: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object that a form's field holds, made if there is none yet."""
    found = place.setdefault(name, {})
    if isinstance(found, dict):
        return found
    place[name] = Odd(None, said(found), TWO_KINDS)
    return {}  # its values are lost with the contradiction; the remark names it


def _urlencoded(body: bytes) -> list[tuple[str, Any]]:
    return list(
        parse_qsl(body.decode(errors="replace"), keep_blank_values=True, strict_parsing=True, max_num_fields=1000)
    )


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


def text(value: Any, limit: int = 200) -> str:
    """Return a string or number as text of at most `limit` characters, or "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return storable(str(value)).strip()[:limit]


def mapping(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one if the provider sent something else."""
    return value if isinstance(value, dict) else {}


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
    return _folded_word(text(word))


@lru_cache(4096)  # a provider's words are few; `text` limits their length
def _folded_word(word: str) -> str:
    folded = re.sub(r"[-_\s]+", "_", word.lower())
    return "canceled" if folded == "cancelled" else folded


def folded_name(name: str) -> str:
    """Return a field's name as a lookup key: `ended_at`, `endedAt` and `Ended-At` are one name."""
    return _folded_name(name) if len(name) <= 64 else re.sub(r"[-_\s]+", "", name).lower()


@lru_cache(4096)  # a provider's names are few; a long one is not worth the memory
def _folded_name(name: str) -> str:
    return name.translate(_JOINTS).lower()
