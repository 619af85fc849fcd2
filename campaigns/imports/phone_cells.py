"""The numbers of one cell: people write several, parted in many ways. Pure.

A cell that is one number is never split: `030/123456` and `+49 (0) 30 / 12 34` stay one. A cell with words that are no
number is refused as a whole, since the words may say not to call it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from campaigns.imports.header_words import plain
from campaigns.imports.opt_out import forbids
from campaigns.imports.phone_headers import is_machine, kind_of_word
from campaigns.phones import NotCallable

MOST = 20  # numbers of one cell
LONGEST = 1_000  # characters of a cell of numbers
FEWEST_DIGITS = 6  # of a number; fewer after a comma are an extension
# A word parts numbers only between spaces.
SEPARATOR = re.compile(
    r"\s*(:::|[;,|&\n\r\v\f\x85\u2028\u2029\t\uFF0C\uFF1B\u3001\u060C]+)\s*"
    r"|\s+(?:ou|or|oder|o|u|und|et|and|y|e|en|och|og|ja|lub|ili|или|и|ou bien|puis|then|sonst)\s+",
    re.IGNORECASE,
)
SPACED_SLASH = re.compile(r"\s+/\s*|\s*/\s+")
LABELED = re.compile(r"\s*\(?(?P<word>[^\W\d_][^\d:()+]{0,30}?)\)?\s*[.:=]*\s*(?=[+(\d])", re.UNICODE)
LABEL_AFTER = re.compile(r"(?<=\d)\s*[(\[-]?\s*(?P<word>[^\W\d_][^\d:()+\[\]]{0,30}?)[)\]]?\s*$", re.UNICODE)
BULLET = re.compile(r"^[\s*•·\u2022\u2023-]+(?=\S)")

Normalise = Callable[[str], str]


class NotNumbers(NotCallable):
    """The cell cannot be read as numbers. The message says what to do."""


@dataclass(frozen=True)
class CellNumber:
    """A number of a cell, in E.164, and the kind that the cell itself says."""

    phone: str
    kind: str = ""


@dataclass(frozen=True)
class CellNumbers:
    """What a cell of numbers holds: those that can be called, and why each other one cannot."""

    numbers: tuple[CellNumber, ...]
    faults: tuple[str, ...] = ()


def numbers_in(cell: str, normalise: Normalise) -> CellNumbers:
    """Return the numbers of a cell. `normalise` returns a number in E.164 or raises NotCallable.

    Raises NotCallable if the cell has no number that can be called, or words that are no number.
    """
    try:
        return CellNumbers((CellNumber(normalise(cell)),))
    except NotCallable as error:
        whole = error
    if forbids(cell):
        raise NotNumbers(
            f"'{cell[:60]}' asks not to call this number; give the wish a column of its own, such as 'Do not call'."
        )
    pieces = list(_pieces(cell)) if len(cell) <= LONGEST else []
    if not pieces or len(pieces) > MOST:
        raise whole
    return _read(pieces, normalise, whole)


def parts(cell: str) -> list[str]:
    """Return the parts of a cell that may be numbers of their own."""
    return [part for _, part in _pieces(cell)]


def _pieces(cell: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a cell that are not empty, each with the separator before it."""
    separator, at = "", 0
    for found in SEPARATOR.finditer(cell):
        if part := cell[at : found.start()].strip():
            yield separator, part
        separator, at = found[1] or found[0].strip(), found.end()
    if part := cell[at:].strip():
        yield separator, part


def _read(pieces: list[tuple[str, str]], normalise: Normalise, whole: NotCallable) -> CellNumbers:
    """Raises `whole` if the pieces show that the cell is not a list of numbers."""
    good: list[CellNumber] = []
    faults: list[str] = []
    for separator, piece in pieces:
        kind, text = _label(piece)
        if is_machine(kind) or (kind and not kind_of_word(kind) and not _only_says_phone(kind)):
            if not is_machine(kind):
                raise whole
            faults.append(f"'{piece[:40]}' is not a phone.")
            continue
        digits = sum(character.isdigit() for character in text)
        if not digits or (digits < FEWEST_DIGITS and separator[:1] in {",", ";"}):
            raise whole  # words, or an extension
        for found in _by_slashes(text, normalise):
            if isinstance(found, NotCallable):
                faults.append(str(found))
            else:
                good.append(CellNumber(found, kind_of_word(kind)))
    if not good:
        raise whole if len(pieces) > 1 else NotNumbers(faults[0])
    return CellNumbers(tuple(good), tuple(faults))


def _label(piece: str) -> tuple[str, str]:
    """Return the word before or after a number, like `Mobile: 0612…` or `0612… (work)`, and the number."""
    piece = BULLET.sub("", piece)
    if found := LABELED.match(piece):
        return found["word"].strip(), piece[found.end() :]
    if found := LABEL_AFTER.search(piece):
        return found["word"].strip(), piece[: found.start()]
    return "", piece


PHONE_LABELS = frozenset({"tel", "telephone", "phone", "telefon", "telefono", "telefone", "t", "ph", "tlf", "nr", "no"})


def _only_says_phone(word: str) -> bool:
    return plain(word) in PHONE_LABELS


def _by_slashes(text: str, normalise: Normalise) -> list[str | NotCallable]:
    """Return the numbers of a part. A slash parts two numbers, unless both sides are one: `030/1234 / 0171/5678`."""
    try:
        return [normalise(text)]
    except NotCallable as error:
        if "/" not in text:
            return [error]
    for pattern in (SPACED_SLASH, re.compile("/")):
        parts = [part.strip() for part in pattern.split(text) if part.strip()]
        if len(parts) > 1:
            found = [_one(part, normalise) for part in parts]
            if pattern is not SPACED_SLASH or not any(isinstance(each, NotCallable) for each in found):
                return found
    return [_one(text, normalise)]


def _one(text: str, normalise: Normalise) -> str | NotCallable:
    try:
        return normalise(text)
    except NotCallable as error:
        return error
