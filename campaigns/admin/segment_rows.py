"""The conditions of a segment as the rows of a form, which work without a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
BETWEEN = re.compile("[;\n]")


def conditions_field() -> RowsField:
    """Return the field. Its value is what `rows_of` returns."""
    kinds = [("", "Choose"), *((" ".join(kind), label) for kind, label in LABELS.items())]
    return RowsField(
        [
            Column("kind", "The contact", "select", choices=kinds),
            Column("variable", "Variable", placeholder="city"),
            Column("value", "Value", placeholder="Recall; VIP"),
        ],
        required=True,
        label="Conditions",
    )


def rows_of(stored: Iterable[Condition]) -> list[dict[str, str]]:
    """Return checked conditions as rows."""
    found = list(stored)
    names = segments.names_in([found])
    return [
        {
            "kind": " ".join(conditions.kind_of(condition)),
            "variable": conditions.variable_of(condition),
            "value": _text_of(condition, names),
        }
        for condition in found
    ]


def read_rows(rows: Sequence[Mapping[str, str]], organization_id: int) -> list[dict[str, Any]]:
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


def _read(row: Mapping[str, str], organization_id: int) -> dict[str, Any]:
    field, _, test = row["kind"].partition(" ")
    if (field, test) not in LABELS:
        raise NotACondition("Choose what it says about the contact.")
    if field == "variables":
        if not conditions.VARIABLE.fullmatch(f"variables.{row['variable']}"):
            raise NotACondition("Write the variable's name: letters, digits and underscores.")
        field = f"variables.{row['variable']}"
    elif row["variable"]:
        raise NotACondition("Empty the field of the variable, or choose a condition about a variable.")
    given: dict[str, Any] = {"field": field, "is": test}
    if row["value"]:
        given["value"] = READERS.get(conditions.kind_of(given)[0], _same)(row["value"], organization_id)
    return conditions.read(given)


def _same(text: str, organization_id: int) -> Any:
    return text


def _tags(text: str, organization_id: int) -> list[str]:
    return segments.tag_ids(organization_id, split_tags(text))


def _lists(text: str, organization_id: int) -> list[str]:
    """Return the public ids of lists. Their names are parted by semicolons, because a name may have a comma."""
    names = [one_line(part).strip() for part in BETWEEN.split(text)]
    return segments.list_ids(organization_id, [name for name in names if name])


def _days(text: str, organization_id: int) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else text


def _moment(text: str, organization_id: int) -> str:
    day, _, clock = text.partition(" ")
    return Typed(day, clock.strip() or "00:00").moment().isoformat()


def _outcomes(text: str, organization_id: int) -> list[str]:
    known = {label: outcome for outcome, label in OUTCOMES.items()} | {outcome: outcome for outcome in OUTCOMES}
    words = [part.strip().lower() for part in re.split("[;,\n]", text)]
    if unknown := [word for word in words if word and word not in known]:
        raise NotACondition(f"There is no outcome '{unknown[0][:80]}'. Choose among: {', '.join(OUTCOMES.values())}.")
    return [known[word] for word in words if word]


READERS: Mapping[str, Callable[[str, int], Any]] = {
    "tags": _tags,
    "lists": _lists,
    "last_call": _days,
    "created_at": _moment,
    "last_outcome": _outcomes,
}


def _text_of(condition: Condition, names: Mapping[str, str]) -> str:
    field, value = condition["field"], condition.get("value", "")
    if field in {"tags", "lists"}:
        return "; ".join(sorted(names[each] for each in value if each in names))
    if field == "last_outcome":
        return "; ".join(OUTCOMES[each] for each in value)
    if field == "created_at":
        typed = Typed.of(datetime.fromisoformat(value))
        return typed.day if typed.clock == "00:00:00" else f"{typed.day} {typed.clock}"
    return str(value)
