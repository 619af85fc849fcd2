"""The numbers of a person from the cells of a row: which one is called, and which are kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from campaigns.imports.phone_cells import numbers_in, numbers_within
from campaigns.imports.phone_headers import is_not_own, kind_of_word
from campaigns.imports.row_countries import CountryColumn
from campaigns.phones import EXAMPLE, NotCallable, number_kind

MAX_FURTHER = 4
MOBILE = "mobile"
# The columns whose numbers come first, of those that say no mobile.
ORDER = {"": 0, MOBILE: 0, "home": 1, "work": 1, "other": 2}


@dataclass(frozen=True)
class PhoneColumn:
    """A column of numbers, and the kind of its numbers ("" if unknown)."""

    index: int
    kind: str = ""
    label: int | None = None  # the column with the word for their kind
    country: int | None = None  # the column with their country code
    countries: tuple[tuple[CountryColumn, ...], ...] = ()  # those with the country of the person: see `deciding`


class Normalise(Protocol):
    """Returns a number of a column in E.164, or raises NotCallable."""

    def __call__(self, text: str, column: PhoneColumn) -> str: ...


@dataclass(frozen=True)
class FurtherNumber:
    """A number of the row after the one that is called."""

    phone: str
    kind: str = ""  # a value of NumberKind


@dataclass(frozen=True)
class PersonNumbers:
    """The numbers of a row: the first is called.

    `unusable` says of each other number why it cannot be called; `beyond` are usable ones over the limit.
    """

    numbers: tuple[FurtherNumber, ...]
    unusable: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


def in_order(columns: Iterable[PhoneColumn]) -> tuple[PhoneColumn, ...]:
    """Return columns of numbers in the order in which their numbers are kept; equal ones stay as in the file."""
    return tuple(sorted(columns, key=lambda column: ORDER[column.kind]))


def numbers_of(
    cells: Sequence[str], columns: Sequence[PhoneColumn], normalise: Normalise, normalise_further: Normalise
) -> PersonNumbers:
    """Return the numbers of a row. Those that only `normalise_further` returns are kept behind the others.

    The first mobile is called, by the word for its kind or by its numbering plan; if there is none, the first number.
    Raises NotCallable if the row has no number that can be called, and AsksNotToCall.
    """
    found: dict[str, str] = {}
    unassigned: dict[str, str] = {}
    faults: list[NotCallable] = []
    unusable: list[str] = []
    for column in columns:
        cell = cells[column.index]
        if not cell:
            continue
        word = cells[column.label] if column.label is not None else ""
        if is_not_own(word):
            continue
        try:
            read = numbers_in(cell, partial(normalise, column=column), partial(normalise_further, column=column))
        except NotCallable as error:
            faults.append(error)
            unusable.append(str(error))
            continue
        unusable += read.faults
        for number in read.numbers:
            kind = number.kind or kind_of_word(word) or column.kind
            found[number.phone] = found.get(number.phone, "") or kind
        for number in read.unassigned:
            kind = number.kind or kind_of_word(word) or column.kind
            unassigned[number.phone] = unassigned.get(number.phone, "") or kind
    if not found:
        if unassigned and not faults:
            faults.append(
                NotCallable(f"The number {next(iter(unassigned))} is one that the numbering plan does not use.")
            )
        raise faults[0] if faults else NotCallable(f"There is no phone number; write one like {EXAMPLE}.")
    numbers = [FurtherNumber(phone, kind) for phone, kind in (found | unassigned).items()]
    if len(numbers) == 1:
        return PersonNumbers((numbers[0],), tuple(unusable))
    first = next((number for number in numbers if number.phone in found and _is_mobile(number)), numbers[0])
    return _limited([first, *(number for number in numbers if number is not first)], unusable)


def readable_numbers(cells: Sequence[str], columns: Sequence[PhoneColumn], normalise: Normalise) -> Iterator[str]:
    """Yield all that may be a number of the person in a row that may be faulty."""
    for column in columns:
        if column.label is None or not is_not_own(cells[column.label]):
            yield from numbers_within(cells[column.index], partial(normalise, column=column))


def numbers_in_order(
    cells: Sequence[str], columns: Sequence[PhoneColumn], normalise: Normalise, normalise_further: Normalise
) -> PersonNumbers:
    """Return the numbers of a row of our own file: the first column has the one that is called.

    Raises NotCallable if it cannot be called: the others may be the first numbers of other contacts.
    """
    found: dict[str, str] = {}
    unusable: list[str] = []
    for column in columns:
        try:
            if cells[column.index].strip() or not found:
                read = normalise_further if found else normalise
                phone = read(cells[column.index], column)
                found.setdefault(phone, kind_of_word(cells[column.label]) if column.label is not None else column.kind)
        except NotCallable as error:
            if not found:
                raise
            unusable.append(str(error))
    return _limited([FurtherNumber(phone, kind) for phone, kind in found.items()], unusable)


def _limited(numbers: Sequence[FurtherNumber], unusable: Iterable[str]) -> PersonNumbers:
    kept, beyond = numbers[: 1 + MAX_FURTHER], numbers[1 + MAX_FURTHER :]
    return PersonNumbers(tuple(kept), tuple(unusable), tuple(number.phone for number in beyond))


def _is_mobile(number: FurtherNumber) -> bool:
    """Return whether the word says mobile and the numbering plan does not deny it, or the plan says mobile."""
    plan = number_kind(number.phone)
    return plan == MOBILE or (number.kind == MOBILE and plan != "fixed")
