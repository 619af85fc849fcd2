"""Read one object of a provider's message field by field, tolerantly, and remember what was odd.

A value is read in every form that leaves one meaning; each form but the documented one adds a remark. A value that
could mean two things, or nothing, is left empty with a remark. A field that is absent or null adds none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from zoneinfo import ZoneInfo

from providers.adapters import decoding
from providers.adapters.base import Remark


@dataclass(frozen=True)
class Fields:
    """One object of a message. Objects inside it share its remarks.

    `name` is the provider's name of a field. `into` is the field of `Reading` for which the value is meant; remarks
    carry it, so that the fold knows what is doubtful.
    """

    values: Mapping[str, Any]
    path: str = ""
    zone: ZoneInfo | None = None  # of times that name none; None: such times are doubtful
    remarks: list[Remark] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def raw(self, name: str) -> Any:
        """Return the value as it was decoded. None: absent, null, or not readable."""
        return self.values.get(name)

    def text(self, name: str, limit: int = 200, into: str = "") -> str:
        """Return a text or number as text, cut to `limit` characters, or "" for anything else."""
        return decoding.text(self.values.get(name), limit)

    def word(self, name: str) -> str:
        """Return a text as a lookup key: lower case, `_` for spaces and hyphens."""
        return decoding.fold(self.values.get(name))

    def call_id(self, name: str) -> str:
        """Return an ID as text, whatever its type, exact to the last digit, or "" if it is unusable."""
        return decoding.call_id(self.values.get(name))

    def flag(self, name: str) -> bool | None:
        """Return a boolean, also one written as text or number (true, "yes", 1), or None."""
        value = self.values.get(name)
        return value if isinstance(value, bool) else None

    def integer(self, name: str, into: str = "", low: int = 0, high: int = 2**31 - 1) -> int | None:
        """Return a whole number within the limits. Outside of them the value is doubtful."""
        return decoding.integer(self.values.get(name), low, high)

    def seconds(self, name: str, into: str) -> int | None:
        """Return a duration in seconds: a number, "42", "42s", "00:00:42", "PT42S"."""
        return decoding.integer(self.values.get(name))

    def milli_cents(self, name: str, into: str) -> Decimal | None:
        """Return thousandths of a cent as dollars: 3333 is 0.03333."""
        return decoding.dollars(self.values.get(name))

    def moment(self, name: str, into: str = "") -> datetime | None:
        """Return ISO 8601 or a Unix time in seconds, milliseconds or microseconds as an aware UTC time.

        A time without a zone is in `zone`, or doubtful where the account states none.
        """
        return decoding.moment(self.values.get(name))

    def inside(self, name: str) -> Self:
        """Return the object in a field, also one that is JSON text. Empty if there is none."""
        value = decoding.mapping(decoding.embedded(self.values.get(name)))
        return type(self)(value, self._path(name), self.zone, self.remarks)

    def rows(self, name: str) -> Sequence[Self] | None:
        """Return the objects of a list, also of one that is JSON text. None: there is no list."""
        value = decoding.embedded(self.values.get(name))
        if not isinstance(value, list):
            return None
        return [
            type(self)(row, f"{self._path(name)}[{place}]", self.zone, self.remarks)
            for place, row in enumerate(value)
            if isinstance(row, dict)
        ]

    def result(self, name: str) -> tuple[Mapping[str, Any] | None, str]:
        """Return a structured result, and the text of one without a single structured meaning.

        An object, JSON text of one, and a list of names and values give an object.
        """
        value = self.values.get(name)
        return (value, "") if isinstance(value, dict) else (None, "")

    def remark(self, name: str, why: str, *, taken: bool, into: str = "") -> None:
        """Remember what was odd about a field."""
        said = self.values.get(name)
        self.remarks.append(Remark(self._path(name), decoding.said(said), why, taken, into))

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def read_message(body: bytes, *, status: int = 0, time_zone: str = "") -> Fields:
    """Return the object of a JSON body as fields. Raise MayBeRinging if the body is unreadable.

    `time_zone`: the account's stated zone, by its IANA name. What the decoder finds odd anywhere in the body (a value
    that is not a number, a repeated name with different values) is null and among the remarks.
    """
    value = decoding.decode_json(body, status=status)
    return Fields(decoding.mapping(value), zone=ZoneInfo(time_zone) if time_zone else None)
