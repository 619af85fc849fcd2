"""What the file of contacts holds beside the columns of the list, so that an import of it loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Substr

from campaigns.models import Contact, ContactNumber, ContactTag
from tenants.db.reading import by_key
from tenants.spreadsheets import time_cell

MAX_NAMES = 900  # of variables: an import reads at most 1,000 columns
AT_ONCE = 2_000

FIELDS = {
    "Kind": "phone_kind",
    "Language": "language",
    "Consent basis": "consent_basis",
    "Consent at (UTC)": "consent_at",
    "Consent evidence": "consent_evidence",
}

Column = tuple[str, Callable[[Any], str]]


@dataclass
class _Used:
    """What at least one of the contacts has: fields, variables by name, and how many further numbers at most, tags."""

    fields: set[str] = field(default_factory=set)
    variables: dict[str, None] = field(default_factory=dict)
    numbers: int = 0
    tags: bool = False


def added_columns(rows: QuerySet[Contact]) -> list[Column]:
    """Return the columns in which at least one of the contacts has a value. Reads all contacts once."""
    used = _used(rows.order_by())
    found: list[Column] = []
    for place in range(used.numbers):
        found.append((f"Number {place + 2} (E.164)", partial(_further, "phone", place)))
        found.append((f"Kind {place + 2}", partial(_further, "kind", place)))
    if used.tags:
        found.append(("Tags", _tags))
    for title, name in FIELDS.items():
        if name in used.fields:
            found.append((title, partial(_field, name)))
    return found + [(f"variables.{name}", partial(_variable, name)) for name in sorted(used.variables)[:MAX_NAMES]]


def _used(rows: QuerySet[Contact]) -> _Used:
    found = _Used()
    names = list(FIELDS.values())
    last = ContactNumber.objects.filter(contact=OuterRef("pk")).order_by("-position").values("position")[:1]
    tagged = Exists(ContactTag.objects.filter(contact=OuterRef("pk")))
    values = rows.annotate(evidence=Substr("consent_evidence", 1, 1), last=Subquery(last), has_tags=tagged)
    columns = ["evidence" if name == "consent_evidence" else name for name in names]
    read = by_key(values.values_list("pk", "variables", "last", "has_tags", *columns), AT_ONCE, itemgetter(0))
    for _, variables, count, tagged, *fields in chain.from_iterable(read):
        found.variables.update(dict.fromkeys(variables or ()))
        found.numbers = max(found.numbers, count or 0)
        found.tags = found.tags or tagged
        found.fields.update(name for name, value in zip(names, fields, strict=True) if value)
    return found


def _field(name: str, row: Contact) -> str:
    value = getattr(row, name)
    return time_cell(value) if isinstance(value, datetime) else str(value or "")


def _further(name: str, place: int, row: Contact) -> str:
    numbers = list(row.further_numbers.all())
    return str(getattr(numbers[place], name)) if place < len(numbers) else ""


def _tags(row: Contact) -> str:
    return "; ".join(tag.name for tag in row.tags.all())


def _variable(name: str, row: Contact) -> str:
    return str((row.variables or {}).get(name, ""))
