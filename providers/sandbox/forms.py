"""Strict validation of placing requests: collects every error, including undocumented fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

E164 = re.compile(r"\+[1-9]\d{6,14}")
ZEROS = re.compile(r"[0-]+")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")


@dataclass(frozen=True)
class Complaint:
    """An error in one field, with a code like those of AlloMia's validation errors."""

    field: str
    message: str
    code: str = "invalid"


class Refused(Exception):
    """The request is refused. Each fake provider renders the refusal in its own format."""

    def __init__(self, status: int, text: str, complaints: Iterable[Complaint] = (), nested: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.complaints = tuple(complaints)
        self.nested = nested


def is_zeros(identifier: str) -> bool:
    """Return whether the ID consists of zeros. Such IDs stand for objects that do not exist."""
    return ZEROS.fullmatch(identifier) is not None


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the body as a JSON object. Raise Refused (400) for anything else, a wrong content type included."""
    if request.content_type != "application/json":
        raise Refused(400, "Content-Type must be application/json")
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise Refused(400, "The body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object")
    return body


class Form:
    """Validates one body. Each field method returns the usable value and collects the field's errors."""

    def __init__(self, body: Mapping[str, Any], allowed: Iterable[str]) -> None:
        self.body = body
        self.complaints: list[Complaint] = [
            Complaint(name, f"Unrecognized field '{name}'", "unrecognized_keys") for name in body if name not in allowed
        ]

    def complain(self, field: str, message: str, code: str = "invalid") -> None:
        """Add an error."""
        self.complaints.append(Complaint(field, message, code))

    def text(
        self, name: str, *, required: bool = False, low: int = 0, high: int = 32_000, choices: Iterable[str] = ()
    ) -> str:
        """Return a string of `low` to `high` characters, or "" if the field is absent."""
        value = self.body.get(name)
        if name not in self.body:
            if required:
                self.complain(name, "Required", "invalid_type")
            return ""
        if not isinstance(value, str):
            self.complain(name, f"Expected string, received {type(value).__name__}", "invalid_type")
            return ""
        if len(value) < max(low, 1 if required else 0):
            self.complain(name, f"String must contain at least {max(low, 1)} character(s)", "too_small")
        elif len(value) > high:
            self.complain(name, f"String must contain at most {high} character(s)", "too_big")
        elif choices and value not in choices:
            self.complain(name, f"Must be one of {', '.join(choices)}", "invalid_enum_value")
        return value

    def phone(self, name: str, *, required: bool = False, low: int = 0, high: int = 20) -> str:
        """Return a phone number in E.164."""
        before = len(self.complaints)
        value = self.text(name, required=required, low=low, high=high)
        if value and len(self.complaints) == before and not E164.fullmatch(value):
            self.complain(name, "Phone number must be in E.164 format", "invalid_string")
        return value

    def url(self, name: str) -> str:
        """Return an http or https URL of at most 2,000 characters."""
        value = self.text(name, high=2000)
        if name in self.body and value and not _URL.fullmatch(value):
            self.complain(name, "Invalid url", "invalid_string")
        return value

    def mapping(self, name: str, *, texts_only: bool = False) -> dict[str, Any]:
        """Return an object. With `texts_only` every value must be a string."""
        value = self.body.get(name, {})
        if not isinstance(value, dict):
            self.complain(name, f"Expected object, received {type(value).__name__}", "invalid_type")
            return {}
        for key, inner in value.items() if texts_only else ():
            if not isinstance(inner, str):
                self.complain(f"{name}.{key}", f"Expected string, received {type(inner).__name__}", "invalid_type")
        return value

    def check(self, text: str = "") -> None:
        """Raise Refused (400) with all errors, if there are any. Its text is `text`, or else the first error."""
        if self.complaints:
            first = self.complaints[0]
            raise Refused(400, text or f"{first.field}: {first.message}", self.complaints)


def reference_in(*places: Mapping[str, Any]) -> str | None:
    """Return the client's own reference from the first of these objects that has one."""
    for place in places:
        for name in ("ref", "reference"):
            if isinstance(place.get(name), str):
                return str(place[name])
    return None
