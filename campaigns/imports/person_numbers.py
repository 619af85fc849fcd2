"""The numbers of a person from the cells of a row: which one is called, and which are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import phonenumbers

from campaigns.imports.phone_cells import numbers_in
from campaigns.imports.phone_headers import is_machine, kind_of_word
from campaigns.phones import EXAMPLE, NotCallable

MAX_FURTHER = 4
MOBILE = "mobile"
# The columns whose numbers come first, of those that say no mobile.
ORDER = {"": 0, MOBILE: 0, "home": 1, "work": 1, "other": 2}


@dataclass(frozen=True)
class PhoneColumn:
    """A column of numbers, the kind of its numbers ("" if unknown), and the column with the word for their kind."""

    index: int
    kind: str = ""
    label: int | None = None


@dataclass(frozen=True)
class FurtherNumber:
    """A number of the row after the one that is called."""

    phone: str
    kind: str = ""  # a value of NumberKind


@dataclass(frozen=True)
class PersonNumbers:
    """The numbers of a row: the first is called.

    `unusable` says of each other number why it cannot be called; `beyond` counts usable ones over the limit.
    """

    numbers: tuple[FurtherNumber, ...]
    unusable: tuple[str, ...] = ()
    beyond: int = 0


def in_order(columns: Iterable[PhoneColumn]) -> tuple[PhoneColumn, ...]:
    """Return columns of numbers in the order in which their numbers are kept; equal ones stay as in the file."""
    return tuple(sorted(columns, key=lambda column: ORDER[column.kind]))


def numbers_of(
    cells: Sequence[str], columns: Sequence[PhoneColumn], normalise: Callable[[str, int], str]
) -> PersonNumbers:
    """Return the numbers of a row. `normalise` gets the text and the index of its column.

    The first mobile is called, by the word for its kind or by its numbering plan; if there is none, the first number.
    Raises NotCallable if the row has no number that can be called, and AsksNotToCall.
    """
    found: dict[str, str] = {}
    faults: list[NotCallable] = []
    unusable: list[str] = []
    for column in columns:
        cell = cells[column.index]
        if not cell:
            continue
        word = cells[column.label] if column.label is not None else ""
        if is_machine(word):
            continue
        try:
            read = numbers_in(cell, lambda text, index=column.index: normalise(text, index))  # type: ignore[misc]
        except NotCallable as error:
            faults.append(error)
            unusable.append(str(error))
            continue
        unusable += read.faults
        for number in read.numbers:
            kind = number.kind or kind_of_word(word) or column.kind
            found[number.phone] = found.get(number.phone, "") or kind
    if not found:
        raise faults[0] if faults else NotCallable(f"There is no phone number; write one like {EXAMPLE}.")
    numbers = [FurtherNumber(phone, kind) for phone, kind in found.items()]
    if len(numbers) == 1:
        return PersonNumbers((numbers[0],), tuple(unusable))
    first = next((number for number in numbers if _is_mobile(number)), numbers[0])
    kept = [first, *(number for number in numbers if number is not first)]
    beyond = len(kept) - 1 - MAX_FURTHER
    return PersonNumbers(tuple(kept[: 1 + MAX_FURTHER]), tuple(unusable), max(0, beyond))


def _is_mobile(number: FurtherNumber) -> bool:
    """Return whether the word says mobile and the numbering plan does not deny it, or the plan says mobile."""
    plan = _plan_kind(number.phone)
    return plan == MOBILE or (number.kind == MOBILE and plan != "fixed")


def _plan_kind(phone: str) -> str:
    """Return "mobile" or "fixed" if the numbering plan tells, else ""."""
    kind = phonenumbers.number_type(phonenumbers.parse(phone, None))
    if kind == phonenumbers.PhoneNumberType.MOBILE:
        return MOBILE
    return "fixed" if kind == phonenumbers.PhoneNumberType.FIXED_LINE else ""
