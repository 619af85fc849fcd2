"""How the fields of a campaign's results are shown, as a team member chose it: titles, kinds, order, columns. Pure.

A field is a value in the structured results of calls. Its name is its key, or two keys with a dot between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MOST_FIELDS = 32  # of a campaign
MOST_COLUMNS = 8
FIRST_COLUMNS = 5  # while nobody has chosen any
LONGEST_NAME, LONGEST_TITLE = 100, 80


class Kind(StrEnum):
    """How the values of a field are shown. The value is part of the API."""

    YES_NO = "yes_no"
    CHOICE = "choice"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True)
class Field:
    """One field as it was chosen. `title` empty: its name. `kind` empty: the kind that its values show."""

    name: str
    title: str = ""
    kind: str = ""
    shown: bool = True
    column: bool = False

    @property
    def heading(self) -> str:
        return self.title or self.name


def is_name(text: str) -> bool:
    """Return whether a key can name a field: short, on one line, without invisible marks."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text == text.strip()


def read(stored: Iterable[Mapping[str, Any]] | None) -> list[Field]:
    """Return the fields as a campaign keeps them. None: nothing was chosen."""
    return [Field(**row) for row in stored or ()]


def stored(fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Return the fields as a campaign keeps them."""
    return [asdict(field) for field in fields]


def faults(fields: Sequence[Field]) -> list[str]:
    """Return what forbids these fields together, as sentences for the user."""
    names = [field.name for field in fields]
    found = []
    if len(names) > MOST_FIELDS:
        found.append(f"A campaign shows {MOST_FIELDS} fields at most.")
    if bad := [name for name in names if not is_name(name)]:
        found.append(f"“{bad[0][:LONGEST_NAME]}” is not the name of a field.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        found.append(f"“{twice[0]}” is listed twice.")
    if sum(field.column for field in fields) > MOST_COLUMNS:
        found.append(f"Choose {MOST_COLUMNS} columns at most.")
    return found


def arranged(chosen: Sequence[Field], found: Sequence[str]) -> list[Field]:
    """Return the fields in the order in which they are shown, as many as a campaign may show.

    First those that were chosen, then the others that were `found`, the most frequent first. While nothing was chosen,
    the first ones are columns of the list of recipients.
    """
    if not chosen:
        return [Field(name, column=place < FIRST_COLUMNS) for place, name in enumerate(found[:MOST_FIELDS])]
    known = {field.name for field in chosen}
    return [*chosen, *(Field(name) for name in found if name not in known)][:MOST_FIELDS]
