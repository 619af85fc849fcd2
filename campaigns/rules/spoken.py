"""What a call is made with: the customer's name and the variables, by the campaign's rule for placeholders. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from campaigns.rules import variables
from campaigns.rules.placeholders import NAME, Placeholder, find, shown
from campaigns.rules.variables import HasVariables

REASON = "placeholder_values"  # of recipients and forecasts; the names of the values follow it
MISSING = "missing_variables"


class Rule(StrEnum):
    """What happens with a recipient who has a value that nobody means to speak."""

    HOLD = "hold"  # not called until a team member decides
    SKIP = "skip"  # not called
    EMPTY = "empty"  # called; the value counts as missing
    SEND = "send"  # called with the value as it is


@dataclass(frozen=True)
class Spoken:
    """What a call would be made with.

    `missing`: required variables without a value. `placeholders`: values that nobody means to speak, also where the
    rule sends an empty text instead.
    """

    name: str
    values: dict[str, str]
    missing: list[str]
    placeholders: tuple[Placeholder, ...]
    rule: Rule

    @property
    def held(self) -> bool:
        """Return whether a team member has to decide before the call."""
        return self.rule is Rule.HOLD and bool(self.placeholders) and not self.missing

    @property
    def reason(self) -> str:
        """Return why the call is not made: a code and the names of the values. Empty: it may be made."""
        if self.missing:
            return f"{MISSING}: {', '.join(self.missing)}"
        if self.placeholders and self.rule in (Rule.HOLD, Rule.SKIP):
            return f"{REASON}: {', '.join(sorted({each.variable for each in self.placeholders}))}"
        return ""

    @property
    def sentence(self) -> str:
        """Return why the call is not made, for a team member. Empty: it may be made."""
        if self.missing:
            return f"The assistant needs {', '.join(self.missing)}."
        return sentence(self.placeholders) if self.reason else ""


def sentence(placeholders: Sequence[Placeholder], *, quoted: bool = True) -> str:
    """Return which values nobody means to speak, and why. `quoted`: with the values, which can be of a person."""
    parts = [
        f"{shown([each.variable])} is {each.kind.words}" + (f" (“{each.value[:60]}”)" if quoted else "")
        for each in placeholders
    ]
    return f"Nobody means to speak this: {'; '.join(parts)}."


@dataclass(frozen=True)
class _Cleaned:
    """A contact without the values that nobody means to speak."""

    name: str
    phone: str
    external_id: str
    variables: Mapping[str, str]


def speak(templates: Mapping[str, str], declared: list[dict[str, Any]], contact: HasVariables, rule: Rule) -> Spoken:
    """Return what a call to a contact is made with.

    Only what the call would carry counts: the name, the declared variables, and what the templates use. The campaign's
    own texts and the assistant's defaults count too.
    """
    values, missing = variables.values_for(templates, declared, contact)
    if rule is Rule.SEND:
        return Spoken(contact.name, values, missing, (), rule)
    given = _given(templates, declared, contact)
    found = find(given, contact.name)
    cleaned = _without(contact, {each.variable for each in found}) if found else contact
    clean, _ = variables.values_for(templates, declared, cleaned) if found else (values, missing)
    texts = find({name: value for name, value in clean.items() if given.get(name) != value})
    if rule is Rule.EMPTY and (found or texts):
        values = clean | dict.fromkeys((each.variable for each in texts), "")
        required = [item["name"] for item in declared if item.get("required")]
        missing = [name for name in required if not values.get(name, "").strip()]
    return Spoken(cleaned.name if rule is Rule.EMPTY else contact.name, values, missing, (*found, *texts), rule)


def _given(templates: Mapping[str, str], declared: list[dict[str, Any]], contact: HasVariables) -> dict[str, str]:
    """Return the contact's own values that a call would carry, besides its name."""
    sources = variables.sources(tuple(templates.values()))
    names = {item["name"] for item in declared if item["name"] not in templates} | {name for _, name in sources if name}
    own = contact.variables or {}
    found = {name: str(own[name]) for name in names if own.get(name)}
    if ("external_id", "") in sources:
        found["external_id"] = contact.external_id
    return found


def _without(contact: HasVariables, names: set[str]) -> _Cleaned:
    return _Cleaned(
        name="" if NAME in names else contact.name,
        phone=contact.phone,
        external_id="" if "external_id" in names else contact.external_id,
        variables={name: value for name, value in (contact.variables or {}).items() if name not in names},
    )


@dataclass(frozen=True)
class Preview:
    """One variable as a call to a contact would carry it."""

    name: str
    value: str
    source: str  # "campaign", "contact", "default", or "" without a value
    required: bool
    missing: bool
    placeholder: str  # why nobody means to speak the value; "" if it may be spoken

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def preview(
    templates: Mapping[str, str], declared: list[dict[str, Any]], contact: HasVariables, rule: Rule
) -> list[Preview]:
    """Return every variable of a call to a contact, with the source of its value. Uses the same code as the call."""
    spoken = speak(templates, declared, contact, rule)
    kinds = {each.variable: each.kind for each in spoken.placeholders}
    rendered, own = variables.resolve(templates, contact), contact.variables or {}
    wanted = {item["name"]: bool(item.get("required")) for item in declared}
    found = []
    for name in sorted({*wanted, *spoken.values}):
        value = spoken.values.get(name, "")
        if not value.strip():
            source = ""
        elif name in templates:
            source = "campaign" if rendered[name].strip() else "default"
        else:
            source = "contact" if own.get(name) == value else "default"
        uses = {name} | {used for _, used in variables.sources((templates.get(name, ""),)) if used}
        kind = next((kinds[each] for each in sorted(uses) if each in kinds), "")
        found.append(Preview(name, value, source, wanted.get(name, False), name in spoken.missing, str(kind)))
    return found
