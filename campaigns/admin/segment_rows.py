"""The conditions of a segment as the rows of a form, which work without a script."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils import timezone

from campaigns import segments
from campaigns.rules import conditions
from campaigns.rules.conditions import OUTCOMES, Condition, NotACondition
from campaigns.rules.tag_names import NotATag, split_tags
from tenants.backoffice.forms import Column, RowsField
from tenants.backoffice.typed_times import Typed
from tenants.clock_changes import start_of_day
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
DELETED = {"tags": "Deleted tag", "lists": "Deleted list"}
OFFERED = 500  # tags and lists, by name. Others are chosen by typing their names
BETWEEN = re.compile("[;\n]")
TYPED = [("number", "begins"), ("last_call", "within_days"), ("last_call", "not_within_days")]
TYPED += [("variables", "equals"), ("variables", "contains")]
PICKED = {"tags": "tags", "lists": "lists", "outcomes": "last_outcome", "day": "created_at", "clock": "created_at"}


def conditions_field() -> RowsField:
    """Return the field. Its value is what `rows_of` returns."""
    return RowsField([], required=True, label="Conditions")


def sent(field: Any, data: Any, name: str) -> list[dict[str, Any]]:
    """Return the rows that a browser sent, as they are: nothing of them is checked."""
    field.widget.columns = _columns(dict.fromkeys(segments.MODELS, ()), [])
    found: list[dict[str, Any]] = field.widget.value_from_datadict(data, {}, name)
    return found


def offer(
    field: Any, organization_id: int, rows: Iterable[Mapping[str, Any]], stored: Iterable[Condition] = ()
) -> bool:
    """Give the field of a form what the organization can choose from. Return whether it has more tags or lists.

    `rows`: those that the form shows. What they name is offered in any case, and so is what is `stored`, also when it
    was deleted: a condition without it would have other contacts.
    """
    chosen, named = list(rows), conditions.named_ids(stored)
    choices, more = {}, []
    for name in segments.MODELS:
        also = {uid for row in chosen for uid in row.get(name) or () if _is_id(uid)} | named[name]
        choices[name] = segments.names_of(organization_id, name, also=also, most=OFFERED)
        more += [name] if len(choices[name]) >= OFFERED else []
        gone = named[name] - {uid for uid, _ in choices[name]}
        choices[name] += [(uid, DELETED[name]) for uid in sorted(gone)]
    field.widget.columns = _columns(choices, more)
    return bool(more)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


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
    """Return checked conditions as rows."""
    return [
        {
            "kind": " ".join(conditions.kind_of(condition)),
            "variable": conditions.variable_of(condition),
            **_value_of(condition),
        }
        for condition in stored
    ]


def read_rows(
    rows: Sequence[Mapping[str, Any]], organization_id: int, stored: Iterable[Condition] = ()
) -> list[dict[str, Any]]:
    """Return the conditions as they are stored. Raises ValidationError with one message for each faulty row.

    `stored`: the segment's conditions until now. What a row shows of them stays as it is: a deleted tag, and a moment
    to the second and, where clocks showed it twice, the reading that was meant.
    """
    was = list(stored)
    if len(rows) > conditions.MOST:
        raise ValidationError(f"A segment has at most {conditions.MOST} conditions.")
    found, faults = [], []
    for number, row in enumerate(rows, 1):
        try:
            found.append(_read(row, organization_id, was))
        except (NotACondition, NotATag, NotText) as error:
            faults.append(f"Condition {number}: {error}")
        except ValidationError as error:
            faults += [f"Condition {number}: {message}" for message in error.messages]
    if faults:
        raise ValidationError(faults)
    return found


def _read(row: Mapping[str, Any], organization_id: int, was: Sequence[Condition]) -> dict[str, Any]:
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
    for condition in was:
        shown = _value_of(condition)
        if "day" in shown and conditions.kind_of(condition) == (field, test) and _is_same(shown, row):
            return dict(condition)
    given: dict[str, Any] = {"field": field, "is": test}
    if any(row.get(part) for part in ("value", *PICKED)):
        given["value"] = READERS.get(conditions.kind_of(given)[0], _typed)(row, organization_id)
    found = conditions.read(given)
    segments.require(organization_id, found, but=conditions.named_ids(was))
    return found


def _is_same(shown: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Return whether a row has the day and the time of a stored moment, as the form shows them."""
    return not row.get("value") and all(shown[part] == (row.get(part) or "") for part in ("day", "clock"))


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
    day, clock = row.get("day") or day, row.get("clock") or clock.strip()
    if clock:
        return Typed(day, clock).first_moment().isoformat()
    return start_of_day(Typed(day, "12:00").local().date(), _zone()).isoformat()


def _zone() -> ZoneInfo:
    return ZoneInfo(timezone.get_current_timezone_name())


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


def _value_of(condition: Condition) -> dict[str, Any]:
    """Return the fields of a row in which the value of a checked condition stands."""
    field, value = condition["field"], condition.get("value", "")
    if field in segments.MODELS:
        return {field: list(value)}
    if field == "last_outcome":
        return {"outcomes": list(value)}
    if field == "created_at":
        moment = datetime.fromisoformat(value)
        typed = Typed.of(moment)
        begins = moment == start_of_day(timezone.localtime(moment).date(), _zone())
        return {"day": typed.day, "clock": "" if begins else typed.clock.removesuffix(":00")}
    return {"value": str(value)}
