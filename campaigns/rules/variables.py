"""Variables of a call: templates with a few placeholders, filled in from the contact. Nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
PLACEHOLDER = re.compile(
    r"\{\{\s*contact\.(?:(?P<field>name|phone|external_id)|variables\.(?P<variable>[A-Za-z_][A-Za-z0-9_]{0,63}))"
    r'\s*(?:\|\s*default\s*:\s*"(?P<default>[^"]*)"\s*)?\}\}'
)
ALLOWED = (
    "Allowed are {{ contact.name }}, {{ contact.phone }}, {{ contact.external_id }} and "
    '{{ contact.variables.NAME }}, each with an optional |default:"text".'
)
MAX_TEMPLATES = 64
MAX_LENGTH = 4096


class HasVariables(Protocol):
    """A contact, or an object with the same attributes."""

    @property
    def name(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def external_id(self) -> str: ...
    @property
    def variables(self) -> Mapping[str, str]: ...


def faults(templates: Any) -> dict[str, str]:
    """Return the error of each faulty variable; the key "variables" is for the whole object. Empty if there is none."""
    if not isinstance(templates, dict):
        return {"variables": 'Write an object like {"slot": "{{ contact.variables.slot }}"}.'}
    if len(templates) > MAX_TEMPLATES:
        return {"variables": f"There are {len(templates)} variables; at most {MAX_TEMPLATES} are allowed."}
    found = {str(name): _fault(name, template) for name, template in templates.items()}
    return {name: text for name, text in found.items() if text}


def _fault(name: Any, template: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return f"{str(name)[:80]!r} is not a variable name: use letters, digits and _, at most 64."
    if not isinstance(template, str):
        return f"'{name}' must be text; write it in quotes."
    if len(template) > MAX_LENGTH:
        return f"'{name}' is longer than {MAX_LENGTH} characters; shorten it."
    for part in _parts(template):
        if isinstance(part, str) and "{{" in part:
            start = part.index("{{")
            end = part.find("}}", start)
            shown = part[start : end + 2] if end >= 0 else part[start : start + 60]
            return f"'{name}' contains {shown[:80]}, which is not understood. {ALLOWED}"
    return ""


def _parts(template: str) -> Iterator[str | re.Match[str]]:
    """Yield the text and the placeholders, in order."""
    position = 0
    for found in PLACEHOLDER.finditer(template):
        yield template[position : found.start()]
        yield found
        position = found.end()
    yield template[position:]


def used(templates: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the contact's variables that the templates use."""
    return frozenset(name for field, name in sources(tuple(templates.values())) if not field)


@lru_cache(maxsize=256)  # of campaigns
def sources(templates: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return what of a contact the templates use: pairs of a field and "", or "" and the name of a variable."""
    found = (part for template in templates for part in _parts(template) if not isinstance(part, str))
    return frozenset((match["field"] or "", match["variable"] or "") for match in found)


def resolve(templates: Mapping[str, str], contact: HasVariables) -> dict[str, str]:
    """Return the text of each variable for one contact. A missing value becomes its default, else an empty text."""
    return {
        name: "".join(part if isinstance(part, str) else _value(part, contact) for part in _parts(template))
        for name, template in templates.items()
    }


def _value(placeholder: re.Match[str], contact: HasVariables) -> str:
    if placeholder["field"]:
        value = getattr(contact, placeholder["field"])
    else:
        value = (contact.variables or {}).get(placeholder["variable"], "")
    text = "" if value is None else str(value)
    return text if text.strip() else placeholder["default"] or ""


def values_for(
    templates: Mapping[str, str], declared: list[dict[str, Any]], contact: HasVariables
) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a call to one contact, and the required names that are missing or empty.

    A declared variable that the campaign does not set has the contact's own value, else its default.
    """
    own = {item["name"]: str((contact.variables or {}).get(item["name"]) or "") for item in declared}
    given = {name: value for name, value in own.items() if value}
    return complete(declared, given | resolve(templates, contact))


def complete(declared: list[dict[str, Any]], given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return `given` with the assistant's declared defaults, and the required names that are missing or empty."""
    full = dict(given)
    missing = []
    for item in declared:
        name = item["name"]
        if not full.get(name, "").strip() and item.get("default"):
            full[name] = item["default"]
        if item.get("required") and not full.get(name, "").strip():
            missing.append(name)
    return full, missing
