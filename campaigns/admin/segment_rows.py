"""The conditions of a segment as the rows of a form, which work without a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from campaigns import segments
from campaigns.rules import conditions
from campaigns.rules.conditions import OUTCOMES, Condition, NotACondition
from campaigns.rules.tag_names import NotATag, split_tags
from tenants.backoffice.forms import Column, RowsField
from tenants.backoffice.typed_times import Typed
from tenants.texts import NotText, one_line

LABELS: Mapping[tuple[str, str], str] = {
    ("tags", "any"): "has any of the tags",
    ("tags", "all"): "has all of the tags",
    ("tags", "none"): "has none of the tags",
    ("lists", "in"): "is on any of the lists",
    ("lists", "not_in"): "is on none of the lists",
    ("last_call", "never"): "was never called",
    ("last_call", "within_days"): "was called in the last days, at most",
    ("last_call", "not_within_days"): "was not called for days, at least",
    ("last_outcome", "in"): "last call ended as",
    ("consent", "given"): "has a recorded consent",
    ("consent", "missing"): "has no recorded consent",
    ("number", "begins"): "first number begins with",
    ("created_at", "from"): "was created on this day or later",
    ("created_at", "before"): "was created before this day",
    ("variables", "equals"): "variable is",
    ("variables", "contains"): "variable contains",
    ("variables", "empty"): "variable is empty",
}
OFFERED = 500  # tags and lists, by name. Others are chosen by typing their names
BETWEEN = re.compile("[;\n]")
TYPED = [("number", "begins"), ("last_call", "within_days"), ("last_call", "not_within_days")]
TYPED += [("variables", "equals"), ("variables", "contains")]
PICKED = {"tags": "tags", "lists": "lists", "outcomes": "last_outcome", "day": "created_at", "clock": "created_at"}


def conditions_field() -> RowsField:
    """Return the field. Its value is what `rows_of` returns."""
    return RowsField([], required=True, label="Conditions")


def offer(field: Any, organization_id: int, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Give the field of a form what the organization can choose from. Return whether it has more tags or lists.

    `rows`: those that the form shows first. What they name is offered in any case.
    """
    chosen = list(rows)
    choices, more = {}, []
    for name in segments.MODELS:
        also = [uid for row in chosen for uid in row.get(name) or ()]
        choices[name] = segments.names_of(organization_id, name, also=also, most=OFFERED)
        more += [name] if len(choices[name]) >= OFFERED else []
    field.widget.columns = _columns(choices, more)
    return bool(more)


def _columns(choices: Mapping[str, Sequence[tuple[str, str]]], more: Collection[str]) -> list[Column]:
    kinds = [("", "Choose"), *((" ".join(kind), label) for kind, label in LABELS.items())]
    typed = [*map(" ".join, TYPED), *(kind for field in more for kind in _kinds(field))]
    return [
        Column("kind", "The contact", "select", choices=kinds),
        Column("variable", "Variable", placeholder="city", heading="Value", shown_for=_kinds("variables")),
        Column("tags", "Tags", "many", choices=choices["tags"], beside=True, shown_for=_kinds("tags")),
        Column("lists", "Lists", "many", choices=choices["lists"], beside=True, shown_for=_kinds("lists")),
        Column(
            "outcomes",
            "Outcomes",
            "many",
            choices=list(OUTCOMES.items()),
            beside=True,
            shown_for=_kinds("last_outcome"),
        ),
        Column("day", "Day", "date", beside=True, shown_for=_kinds("created_at")),
        Column("clock", "Time", "time", beside=True, shown_for=_kinds("created_at")),
        Column("value", "Value", beside=True, shown_for=typed),
    ]


def _kinds(field: str) -> list[str]:
    """Return the kinds of conditions about a field, as the first select has them."""
    return [" ".join(kind) for kind in LABELS if kind[0] == field]


def rows_of(stored: Iterable[Condition]) -> list[dict[str, Any]]:
    """Return checked conditions as rows. A tag or list that was deleted is left out."""
    found = list(stored)
    names = segments.names_in([found])
    return [
        {
            "kind": " ".join(conditions.kind_of(condition)),
            "variable": conditions.variable_of(condition),
            **_value_of(condition, names),
        }
        for condition in found
    ]


def read_rows(rows: Sequence[Mapping[str, Any]], organization_id: int) -> list[dict[str, Any]]:
    """Return the conditions as they are stored. Raises ValidationError with one message for each faulty row."""
    if len(rows) > conditions.MOST:
        raise ValidationError(f"A segment has at most {conditions.MOST} conditions.")
    found, faults = [], []
    for number, row in enumerate(rows, 1):
        try:
            found.append(_read(row, organization_id))
        except (NotACondition, NotATag, NotText) as error:
            faults.append(f"Condition {number}: {error}")
        except ValidationError as error:
            faults += [f"Condition {number}: {message}" for message in error.messages]
    if faults:
        raise ValidationError(faults)
    return found


def _read(row: Mapping[str, Any], organization_id: int) -> dict[str, Any]:
    field, _, test = row["kind"].partition(" ")
    if (field, test) not in LABELS:
        raise NotACondition("Choose what it says about the contact.")
    if field == "variables":
        if not conditions.VARIABLE.fullmatch(f"variables.{row['variable']}"):
            raise NotACondition("Write the variable's name: letters, digits and underscores.")
        field = f"variables.{row['variable']}"
    elif row.get("variable"):
        raise NotACondition("Empty the field of the variable, or choose a condition about a variable.")
    if any(row.get(part) and about != field.partition(".")[0] for part, about in PICKED.items()):
        raise NotACondition("Empty the fields that are for other conditions.")
    given: dict[str, Any] = {"field": field, "is": test}
    if any(row.get(part) for part in ("value", *PICKED)):
        given["value"] = READERS.get(conditions.kind_of(given)[0], _typed)(row, organization_id)
    found = conditions.read(given)
    segments.require(organization_id, found)
    return found


def _typed(row: Mapping[str, Any], organization_id: int) -> Any:
    return row["value"]


def _tags(row: Mapping[str, Any], organization_id: int) -> list[str]:
    return [*(row.get("tags") or ()), *segments.tag_ids(organization_id, split_tags(row.get("value", "")))]


def _lists(row: Mapping[str, Any], organization_id: int) -> list[str]:
    """Return the public ids of lists. Typed names are parted by semicolons, because a name may have a comma."""
    names = [one_line(part).strip() for part in BETWEEN.split(row.get("value", ""))]
    return [*(row.get("lists") or ()), *segments.list_ids(organization_id, [name for name in names if name])]


def _days(row: Mapping[str, Any], organization_id: int) -> Any:
    text = row["value"]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text


def _moment(row: Mapping[str, Any], organization_id: int) -> str:
    day, _, clock = row.get("value", "").partition(" ")
    return Typed(row.get("day") or day, row.get("clock") or clock.strip() or "00:00").moment().isoformat()


def _outcomes(row: Mapping[str, Any], organization_id: int) -> list[str]:
    known = {label.lower(): outcome for outcome, label in OUTCOMES.items()} | {outcome: outcome for outcome in OUTCOMES}
    words = [*(row.get("outcomes") or ()), *(part.strip().lower() for part in re.split("[;,\n]", row.get("value", "")))]
    if unknown := [word for word in words if word and word not in known]:
        raise NotACondition(f"There is no outcome '{unknown[0][:80]}'. Choose among: {', '.join(OUTCOMES.values())}.")
    return [known[word] for word in words if word]


READERS: Mapping[str, Callable[[Mapping[str, Any], int], Any]] = {
    "tags": _tags,
    "lists": _lists,
    "last_call": _days,
    "created_at": _moment,
    "last_outcome": _outcomes,
}


def _value_of(condition: Condition, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a row in which the value of a checked condition stands."""
    field, value = condition["field"], condition.get("value", "")
    if field in segments.MODELS:
        return {field: [each for each in value if each in names]}
    if field == "last_outcome":
        return {"outcomes": list(value)}
    if field == "created_at":
        typed = Typed.of(datetime.fromisoformat(value))
        return {"day": typed.day, "clock": "" if typed.clock == "00:00:00" else typed.clock.removesuffix(":00")}
    return {"value": str(value)}
