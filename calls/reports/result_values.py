"""The values of structured results by field: what they are read as, and of what kind a field is. Pure.

A provider's result can hold anything. What is kept of it is bounded: in fields, in different texts, and in
their length. Results are read in one order, so a bound cuts off the same on every database.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calls.reports.figures.conditions import Share
from calls.reports.histogram import Spread, spread_of
from campaigns.rules.result_fields import Kind, is_name

OF_ONE_RESULT = 64  # fields
NAMES, TEXTS = 1_000, 100  # different names of a campaign, and different texts of a field
LONGEST_CHOICE = 60  # characters
CHOICES = 12  # shown of a field
MOSTLY = 0.9  # of a field's values are of its kind
EACH_AT_LEAST = 2  # a text of a choice occurs so often, on average
YES, NO = ("yes", "true"), ("no", "false")
LARGEST = 10**15  # a number beyond is rather an identifier, and not exact
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")  # a leading zero is that of a phone number


def values_of(result: Any) -> dict[str, Any]:
    """Return the values of a result by field, to two levels. What names no field, or has no value, is left out.

    The value of a list, or of an object below the second level, is None: there is one, and it is not shown.
    """
    found: dict[str, Any] = {}
    for name, value in _flat(result) if isinstance(result, dict) else ():
        if len(found) == OF_ONE_RESULT:
            break
        if is_name(name) and _says(value):
            found.setdefault(name, None if isinstance(value, dict | list) else value)
    return found


def cells_of(result: Any, names: Sequence[str]) -> list[str]:
    """Return the values of these fields as cells of a file: texts as they are, others as JSON. Empty: there is none."""
    found: dict[str, Any] = {}
    for name, value in _flat(result) if isinstance(result, dict) else ():
        found.setdefault(name, value)
    values = (found.get(name) for name in names)
    return ["" if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]


def _says(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None and value != []


def _flat(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in sorted(result):
        value = result[key]
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", value[inner]) for inner in sorted(value))
        else:
            yield key, value


def as_answer(value: Any) -> bool | None:
    """Return a value that says yes or no, as true or false. Else None."""
    if isinstance(value, bool):
        return value
    word = value.strip().casefold() if isinstance(value, str) else ""
    return True if word in YES else False if word in NO else None


def as_number(value: Any) -> float | None:
    """Return a value that is a number, also one written as text. Else None."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < LARGEST else None  # false for infinity and NaN


def as_text(value: Any) -> str:
    """Return a value as a text of a choice. Empty: it is too long, or no text."""
    if (answer := as_answer(value)) is not None:
        return "yes" if answer else "no"
    if not isinstance(value, str | int | float):
        return ""
    number = as_number(value)
    text = value.strip() if isinstance(value, str) else f"{number:.15g}" if number is not None else ""
    return text if len(text) <= LONGEST_CHOICE else ""


@dataclass
class Tally:
    """The values of one field. `texts`: the short ones by their folded form, as they were written first."""

    values: int = 0
    answers: Counter[bool] = field(default_factory=Counter)
    numbers: list[float] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    written: dict[str, str] = field(default_factory=dict)

    def add(self, value: Any) -> None:
        self.values += 1
        if (answer := as_answer(value)) is not None:
            self.answers[answer] += 1
        if (number := as_number(value)) is not None:
            self.numbers.append(number)
        text = as_text(value)
        folded = text.casefold()
        if text and (folded in self.written or len(self.written) < TEXTS):
            self.written.setdefault(folded, text)
            self.texts[folded] += 1

    @property
    def choices(self) -> list[tuple[str, int]]:
        """Return the most frequent texts with their counts. Of equally frequent ones the first by its letters."""
        ordered = sorted(self.texts.items(), key=lambda row: (-row[1], row[0]))
        return [(self.written[folded], n) for folded, n in ordered[:CHOICES]]

    @property
    def kind(self) -> Kind:
        """Return the kind that the values show."""
        enough = self.values * MOSTLY
        if self.answers.total() >= enough:
            return Kind.YES_NO
        if len(self.numbers) >= enough:
            return Kind.NUMBER
        few = sum(n for _, n in self.choices) >= enough
        return Kind.CHOICE if few and self.texts.total() >= EACH_AT_LEAST * len(self.texts) else Kind.TEXT


class Tallies:
    """The fields of many results. Of more than `NAMES` different names, those that came first are counted."""

    def __init__(self) -> None:
        self.by_name: defaultdict[str, Tally] = defaultdict(Tally)
        self.results = 0

    def add(self, result: Any) -> None:
        self.results += 1
        for name, value in values_of(result).items():
            if name in self.by_name or len(self.by_name) < NAMES:
                self.by_name[name].add(value)

    @property
    def names(self) -> list[str]:
        """Return the names of the fields, the most frequent first."""
        return sorted(self.by_name, key=lambda name: (-self.by_name[name].values, name))


@dataclass(frozen=True)
class Shown:
    """The values of a field as one kind. The whole of each share is all values of the field.

    `parts`: the answers or choices. `other`: values that are not among them, or not of the kind.
    """

    kind: Kind
    values: int
    parts: tuple[tuple[str, Share], ...] = ()
    spread: Spread | None = None
    other: int = 0


def shown_as(tally: Tally, kind: Kind) -> Shown:
    """Return the values of a field as those of a kind."""
    if kind is Kind.NUMBER:
        return Shown(kind, tally.values, spread=spread_of(tally.numbers), other=tally.values - len(tally.numbers))
    if kind is Kind.TEXT:
        return Shown(kind, tally.values)
    counted = _answers(tally) if kind is Kind.YES_NO else tally.choices
    parts = tuple((text, Share(n, tally.values)) for text, n in counted)
    return Shown(kind, tally.values, parts, other=tally.values - sum(n for _, n in counted))


def _answers(tally: Tally) -> list[tuple[str, int]]:
    """Return how often the field says yes and no. Where a team member chose this kind, 1 and 0 say so too."""
    one, zero = (sum(number == said for number in tally.numbers) for said in (1, 0))
    return [("yes", tally.answers[True] + one), ("no", tally.answers[False] + zero)]
