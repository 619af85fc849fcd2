"""The conditions of a segment as they are stored, checked, and told in a sentence. Pure.

A condition is `{"field": ..., "is": ..., "value": ...}`. A contact must meet all conditions. Tags and lists are named
by their public ids, so that a new name changes no segment.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tenants.api.moments import NotAMoment, read_moment
from tenants.texts import NotText, one_line

MOST = 20  # conditions of a segment
MOST_NAMES = 50  # tags or lists of a condition
LONGEST_TEXT = 200
LONGEST_DAYS = 3_650
OUTCOMES = {"completed": "Answered", "no_answer": "No answer", "busy": "Busy", "failed": "Failed"}
VARIABLE = re.compile(r"variables\.([A-Za-z_][A-Za-z0-9_]{0,63})")
NUMBER = re.compile(r"\+[1-9]\d{0,14}")

Condition = Mapping[str, Any]
Names = Mapping[str, str]  # of tags and lists, by public id


class NotACondition(ValueError):
    """A condition cannot be used. The message is a sentence that says what to do."""


def _ids(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_NAMES:
        raise NotACondition(f"Give a list of 1 to {MOST_NAMES}.")
    try:
        return list(dict.fromkeys(str(uuid.UUID(each)) for each in value))
    except (ValueError, TypeError, AttributeError) as error:
        raise NotACondition("Expected ids.") from error


def _days(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_DAYS:
        raise NotACondition(f"Give a whole number of days from 1 to {LONGEST_DAYS:,}.")
    return value


def _moment(value: Any) -> str:
    try:
        return read_moment(value if isinstance(value, str) else "").isoformat().replace("+00:00", "Z")
    except NotAMoment as error:
        raise NotACondition(str(error)) from error


def _outcomes(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or any(each not in OUTCOMES for each in value):
        raise NotACondition(f"Give a list of these: {', '.join(OUTCOMES)}.")
    return [each for each in OUTCOMES if each in value]


def _number(value: Any) -> str:
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise NotACondition("Give the beginning of a number with its plus, like +336.")
    return value


def _text(value: Any) -> str:
    try:
        text = one_line(value) if isinstance(value, str) else ""
    except NotText as error:
        raise NotACondition(str(error)) from error
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise NotACondition(f"Give a text of 1 to {LONGEST_TEXT} characters.")
    return text


# Field and `is` -> how the value is read (None: there is none), and the words. A variable is the field `variables`.
KINDS: Mapping[tuple[str, str], tuple[Callable[[Any], Any] | None, str]] = {
    ("tags", "any"): (_ids, "with any of the tags {}"),
    ("tags", "all"): (_ids, "with all of the tags {}"),
    ("tags", "none"): (_ids, "with none of the tags {}"),
    ("lists", "in"): (_ids, "on any of the lists {}"),
    ("lists", "not_in"): (_ids, "on none of the lists {}"),
    ("number", "begins"): (_number, "with a number that begins with {}"),
    ("created_at", "from"): (_moment, "created at {} or later"),
    ("created_at", "before"): (_moment, "created before {}"),
    ("last_call", "never"): (None, "never called"),
    ("last_call", "within_days"): (_days, "called in the last {} days"),
    ("last_call", "not_within_days"): (_days, "not called in the last {} days"),
    ("last_outcome", "in"): (_outcomes, "whose last call ended as {}"),
    ("consent", "given"): (None, "with a recorded consent"),
    ("consent", "missing"): (None, "without a recorded consent"),
    ("variables", "equals"): (_text, "whose {name} is {}"),
    ("variables", "contains"): (_text, "whose {name} contains {}"),
    ("variables", "empty"): (None, "without {name}"),
}


def kind_of(condition: Condition) -> tuple[str, str]:
    """Return the key of a checked condition in KINDS."""
    return str(condition["field"]).partition(".")[0], str(condition["is"])


def variable_of(condition: Condition) -> str:
    """Return the name of the variable that a checked condition is about."""
    return str(condition["field"]).partition(".")[2]


def read(given: Any) -> dict[str, Any]:
    """Return a condition as it is stored. Raises NotACondition."""
    if not isinstance(given, dict) or set(given) - {"field", "is", "value"}:
        raise NotACondition('Write a condition like {"field": "last_call", "is": "not_within_days", "value": 30}.')
    field, test = given.get("field"), given.get("is")
    name = "variables" if isinstance(field, str) and VARIABLE.fullmatch(field) else field
    if field == "variables" or not isinstance(name, str) or not isinstance(test, str) or (name, test) not in KINDS:
        allowed = ", ".join(f"{name}{'.NAME' * (name == 'variables')} {test}" for name, test in KINDS)
        raise NotACondition(f"There is no such condition. Choose the field and `is` among: {allowed}.")
    reader, _ = KINDS[name, test]
    if reader is None:
        if given.get("value") is not None:
            raise NotACondition(f"The condition {field} {test} has no value.")
        return {"field": field, "is": test}
    return {"field": field, "is": test, "value": reader(given.get("value"))}


def sentence(conditions: Iterable[Condition], names: Names, moment: Callable[[str], str] = str) -> str:
    """Return checked conditions as a sentence.

    `names`: of the tags and lists that exist. `moment` shows a stored moment to whoever reads the sentence.
    """
    return f"Contacts {', '.join(_words(condition, names, moment) for condition in conditions)}."


def _words(condition: Condition, names: Names, moment: Callable[[str], str]) -> str:
    reader, words = KINDS[kind_of(condition)]
    shown, value = "", condition.get("value")
    if reader is _ids:
        last = "and" if condition["is"] == "all" else "or"
        shown = _joined([f"“{names.get(each, 'deleted')}”" for each in value or ()], last)
    elif reader is _outcomes:
        shown = _joined([OUTCOMES[each] for each in value or ()], "or")
    elif reader is _moment:
        shown = moment(str(value))
    elif reader is not None:
        shown = f"“{value}”" if reader is _text else str(value)
    return words.format(shown, name=variable_of(condition))


def _joined(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def named_ids(conditions: Iterable[Condition]) -> dict[str, set[str]]:
    """Return the public ids in the conditions, of tags and of lists, by field."""
    found: dict[str, set[str]] = {"tags": set(), "lists": set()}
    for condition in conditions:
        if condition["field"] in found:
            found[condition["field"]].update(condition["value"])
    return found
