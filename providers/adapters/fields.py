"""Read one object of a provider's message field by field, tolerantly, and remember what was odd.

A value is read in every form that leaves one meaning; each form but the documented one adds a remark. A value that
could mean two things, or nothing, is left empty with a remark. A field that is absent, null or "" adds none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Self, TypeVar
from zoneinfo import ZoneInfo

from providers.adapters import decoding, json_text, objects, oddities, values
from providers.adapters.base import Remark

NO_TEXT = "It is not a text."
NO_ID = "It cannot be an ID: 1 to 128 characters without blanks are expected."
NO_OBJECT = "It is not an object."
NO_LIST = "It is not a list."
ONE_WITHOUT_LIST = "One object was sent instead of a list."
NUMBERED = "An object with numbered fields was read as a list."
OTHER_SPELLING = "The name is spelled differently than documented."
SPELLED_TWICE = "Its name comes in two spellings with different values, so neither was believed."
RESULT_AS_TEXT = "It is not an object, so it was kept as text."
TOO_MANY_ROWS = "It is a list of more than 2,000 rows; only the last ones were read."
NO_TEXT_ID = "An ID was sent as a number with a decimal point."

FEW_NAMES = 64  # of an object, and characters of each
MOST_ROWS = 2000  # of a list: the calls of a page, or the events of a call

T = TypeVar("T")


@dataclass(frozen=True)
class Fields:
    """One object of a message. Objects inside it share its remarks.

    `name` is the provider's name of a field; another spelling of it (outbound_call_id for outboundCallId) is found too.
    `into` is the field of `Reading` for which the value is meant; remarks carry it, so that the fold knows what is
    doubtful.
    """

    values: Mapping[str, Any]
    path: str = ""
    zone: ZoneInfo | None = None  # of times that name none; None: such times are doubtful
    remarks: list[Remark] = field(default_factory=list)
    quoted: bool = False  # whether numbers as text, and times as Unix seconds, are documented: then they are not odd
    _spellings: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def spellings(self, name: str) -> Sequence[str]:
        """Return the names under which the message has this field, the documented spelling first."""
        if not self._spellings:
            self._spellings.update(_spellings(self.values))
        found = self._spellings.get(decoding.folded_name(name), ())
        return sorted(found, key=lambda spelled: spelled != name) if len(found) > 1 else found

    def doubt(self, name: str) -> Remark | None:
        """Return the remark that says why this field, in any spelling, is not believed. None: there is no doubt."""
        if not self.remarks:
            return None
        path = decoding.folded_name(self._path(name))
        doubts = (remark for remark in self.remarks if not remark.taken)
        return next((remark for remark in doubts if decoding.folded_name(remark.path) == path), None)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def raw(self, name: str) -> Any:
        """Return the value as it was decoded. None: absent, null, or not readable."""
        return self._find(name)

    def text(self, name: str, limit: int = 200, into: str = "") -> str:
        """Return a text or number as text, cut to `limit` characters, or "" for anything else."""
        return self._read(name, into, _text, "")[:limit].strip()

    def word(self, name: str) -> str:
        """Return a text as a lookup key: lower case, `_` for spaces and hyphens."""
        return decoding.fold(self.text(name))

    def call_id(self, name: str) -> str:
        """Return an ID as text, whatever its type, exact to the last digit, or "" if it is unusable."""
        return self._read(name, "provider_call_id", _call_id, "")

    def flag(self, name: str) -> bool | None:
        """Return a boolean, also one written as text or number (true, "yes", 1), or None."""
        return self._read(name, "", values.flag, None)

    def integer(self, name: str, into: str = "", low: int = 0, high: int = 2**31 - 1) -> int | None:
        """Return a whole number within the limits. Outside of them the value is doubtful."""
        return self._read(name, into, lambda value: values.integer(value, low, high), None)

    def seconds(self, name: str, into: str) -> int | None:
        """Return a duration in seconds: a number, "42", "42s", "00:00:42", "PT42S"."""
        return self._read(name, into, values.seconds, None)

    def milli_cents(self, name: str, into: str) -> Decimal | None:
        """Return thousandths of a cent as dollars: 3333 is 0.03333."""
        return self._read(name, into, values.milli_cents, None)

    def moment(self, name: str, into: str = "") -> datetime | None:
        """Return ISO 8601 or a Unix time in seconds, milliseconds or microseconds as an aware UTC time.

        A time without a zone is in `zone`, or doubtful where the account states none.
        """
        return self._read(name, into, lambda value: values.moment(value, self.zone), None)

    def inside(self, name: str) -> Self:
        """Return the object in a field, also one that is JSON text. Empty if there is none."""
        value = self._opened(name)
        found, why = objects.object_in(value)
        if why and found is not None:
            self.remark(name, why, taken=True)
        elif found is None and value not in (None, "", []):
            self.remark(name, NO_OBJECT, taken=False)
        return self._at(found or {}, self._path(name))

    def rows(self, name: str) -> Sequence[Self] | None:
        """Return the objects of a list, also of one that is JSON text. None: there is no list."""
        value = self._opened(name)
        if isinstance(value, dict) and value:
            numbered = all(re.fullmatch("[0-9]{1,6}", key) for key in value)
            self.remark(name, NUMBERED if numbered else ONE_WITHOUT_LIST, taken=True)
            value = [value[key] for key in sorted(value, key=int)] if numbered else [value]
        if not isinstance(value, list):
            if value not in (None, "", {}):
                self.remark(name, NO_LIST, taken=False)
            return None
        if len(value) > MOST_ROWS:
            self.remark(name, TOO_MANY_ROWS, taken=False)
        rows = [self._row(row, f"{self._path(name)}[{place}]") for place, row in enumerate(value[-MOST_ROWS:])]
        return [row for row in rows if row is not None]

    def result(self, name: str) -> tuple[Mapping[str, Any] | None, str]:
        """Return a structured result, and the text of one without a single structured meaning.

        An object, JSON text of one, and a list of names and values give an object. Where a part of it is doubtful, the
        text holds what was sent, because a rule about opt-outs must see it.
        """
        sent = self._find(name)
        if sent in (None, "", []):
            return None, ""
        value = self._opened(name)
        found, why = objects.object_in(value)
        if found is None:
            self.remark(name, RESULT_AS_TEXT, taken=True, into="result_text")
            return None, _as_text(sent)
        if why:
            self.remark(name, why, taken=True, into="result")
        return found, self._doubtful_text(name, sent)

    def remark(self, name: str, why: str, *, taken: bool, into: str = "") -> None:
        """Remember what was odd about a field."""
        self._note(Remark(self._path(name), oddities.said(self._find(name)), why, taken, into))

    def _find(self, name: str) -> Any:
        """Return the value of a field, also one whose name is spelled in another way."""
        value = self.values.get(name)
        if value is not None or not self.values:
            return value
        others = [other for other in self.spellings(name) if self.values[other] is not None]
        if not others:
            return None
        sent = [self.values[other] for other in others]
        if not all(oddities.alike(other, sent[0]) for other in sent):
            self._note(Remark(self._path(name), oddities.said(sent), SPELLED_TWICE, taken=False))
            return None
        self._note(Remark(self._path(name), others[0], OTHER_SPELLING, taken=True))
        return sent[0]

    def _read(self, name: str, into: str, reader: Callable[[Any], tuple[T, str]], empty: T) -> T:
        """Return the value that `reader` finds, with a remark if it was odd, and `empty` with one if it is doubtful."""
        sent = self._find(name)
        if sent is None or (isinstance(sent, str) and not sent.strip()):
            self._say_what_for(name, into)
            return empty
        try:
            value, why = reader(sent)
        except values.Doubtful as error:
            self._note(Remark(self._path(name), oddities.said(sent), str(error), taken=False, field=into))
            return empty
        if why and not (self.quoted and _is_documented(why, sent)):
            self._note(Remark(self._path(name), oddities.said(sent), why, taken=True, field=into))
        return value

    def _say_what_for(self, name: str, into: str) -> None:
        """Name the reading's field in the remark about a value that the decoder could not keep."""
        if not into or not self.remarks:
            return
        path = decoding.folded_name(self._path(name))
        for place, remark in enumerate(self.remarks):
            if not remark.taken and not remark.field and decoding.folded_name(remark.path) == path:
                self.remarks[place] = replace(remark, field=into)

    def _opened(self, name: str) -> Any:
        """Return the value of a field, of JSON text what it holds."""
        inner: list[Remark] = []
        value = objects.opened_text(self._find(name), inner)
        for remark in inner:
            path = remark.path if remark.path.startswith("[") or not remark.path else f".{remark.path}"
            text = remark.said or oddities.said(self._find(name))
            self._note(replace(remark, path=self._path(name) + path, said=text))
        return value

    def _row(self, row: Any, path: str) -> Self | None:
        found, _ = objects.object_in(objects.opened_text(row, self.remarks))
        if found is None and row is not None:
            self._note(Remark(path, oddities.said(row), NO_OBJECT, taken=False))
        return None if found is None else self._at(found, path)

    def _doubtful_text(self, name: str, sent: Any) -> str:
        """Return what was sent as a result if a part of it was not believed, else ""."""
        path = self._path(name)
        inside = [remark for remark in self.remarks if re.match(re.escape(path) + r"(?:[.\[]|$)", remark.path)]
        lost = [remark for remark in inside if not remark.taken or remark.why == json_text.FOLLOWED_BY_TEXT]
        doubts = [f"{remark.path}: {remark.said}" for remark in lost]
        if not doubts:
            return ""
        return _as_text(sent) if isinstance(sent, str) else "\n".join(doubts)

    def _at(self, found: Mapping[str, Any], path: str) -> Self:
        return type(self)(found, path, self.zone, self.remarks, self.quoted)

    def _note(self, remark: Remark) -> None:
        oddities.note(remark, self.remarks)

    def _path(self, name: str) -> str:
        return oddities.inside(self.path, name)


def _spellings(names: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Return the spellings of each name, by the folded name, in the message's order."""
    if len(names) <= FEW_NAMES and max(map(len, names), default=0) <= FEW_NAMES:
        return _few_spellings(tuple(names))
    return _all_spellings(names)


@lru_cache(1024)  # a provider's objects have few sets of names; a large one is not worth the memory
def _few_spellings(names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    return _all_spellings(names)


def _all_spellings(names: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for spelled in names:
        folded = decoding.folded_name(spelled)
        found[folded] = (*found.get(folded, ()), spelled)
    return found


def _text(value: Any) -> tuple[str, str]:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise values.Doubtful(NO_TEXT)
    return oddities.storable(str(value)).strip(), ""


def _call_id(value: Any) -> tuple[str, str]:
    why = ""
    if isinstance(value, float) and value.is_integer():
        value, why = int(value), NO_TEXT_ID
    found = decoding.call_id(value)
    if not found:
        raise values.Doubtful(NO_ID)
    return found, why


def _is_documented(why: str, sent: Any) -> bool:
    return why == values.AS_TEXT or (why == values.UNIX_TIME and values.number(sent)[0] < 10**11)


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return oddities.storable(text)


def read_message(body: bytes, *, status: int = 0, time_zone: str = "") -> Fields:
    """Return the object of a JSON body as fields. Raise MayBeRinging if the body is unreadable.

    `time_zone`: the account's stated zone, by its IANA name. What the decoder finds odd anywhere in the body (a value
    that is not a number, a repeated name with different values) is null and among the remarks.
    """
    remarks: list[Remark] = []
    return _message(decoding.decode_json(body, status=status, remarks=remarks), remarks, time_zone)


def read_json_or_xml(body: bytes, *, status: int = 0, time_zone: str = "") -> Fields:
    """Return the object of a JSON or XML body as `read_message` does. Numbers as text are no oddity."""
    remarks: list[Remark] = []
    value = decoding.decode_json_or_xml(body, status=status, remarks=remarks)
    return replace(_message(value, remarks, time_zone), quoted=True)


def read_form(body: bytes, content_type: str = "", *, time_zone: str = "") -> Fields:
    """Return the fields of a form as `read_message` does. Numbers as text are no oddity."""
    remarks: list[Remark] = []
    return replace(_message(decoding.decode_form(body, content_type, remarks=remarks), remarks, time_zone), quoted=True)


def _message(value: Any, remarks: list[Remark], time_zone: str) -> Fields:
    """Return a body's object, also one that is JSON text or alone in a list."""
    found = objects.opened_text(value, remarks)
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict):
        remarks.append(Remark("", oddities.said(found), objects.ONE_IN_A_LIST, taken=True))
        found = found[0]
    if not isinstance(found, dict):
        remarks.append(Remark("", oddities.said(found), NO_OBJECT, taken=False))
        found = {}
    return Fields(found, zone=ZoneInfo(time_zone) if time_zone else None, remarks=remarks)
