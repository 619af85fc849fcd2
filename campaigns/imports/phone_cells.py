"""The numbers of one cell: people write several, parted in many ways. Pure.

A cell that is one number is never split: `030/123456` and `+49 (0) 30 / 12 34` stay one. A cell with words that are no
number is refused as a whole, since the words may say not to call it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from campaigns.imports.header_words import plain, words
from campaigns.imports.opt_out import forbids
from campaigns.imports.phone_headers import is_kind, is_not_own, kind_of_word
from campaigns.phones import NotCallable, TwoReadings

MOST = 20  # numbers of one cell
LONGEST = 500  # characters of a cell of numbers; a longer one is not taken apart
FEWEST_DIGITS = 6  # of a number; fewer after a comma are an extension
EXTENDING = frozenset(",;-\N{EN DASH}\N{EM DASH}")
FULL_DIGITS = 9  # fewer beside a number with its area are one without: `030 1234567 / 8901234` is no number of Munich
# Words beside a number that say no more than that it is one, and letters for a kind.
PHONE_LABELS = frozenset(
    words(
        "tel|telephone|phone|telefon|telefono|telefone|t|p|ph|tlf|nr|no|number|numero|nummer|main|primary|principal|"
        "direct|direkt|haupt|whatsapp|whats app"
    )
)
LETTERS = {"m": "mobile", "h": "home", "w": "work"}
# A word parts numbers only between spaces.
SEPARATOR = re.compile(
    r"\s+([-\u2013\u2014])\s+|\s*(:::|[;,|&\n\r\v\f\x85\u2028\u2029\t\uFF0C\uFF1B\u3001\u060C]+)\s*"
    r"|\s+(?:ou|or|oder|o|u|und|et|and|y|e|en|och|og|ja|lub|ili|или|и|ou bien|puis|then|sonst)\s+",
    re.IGNORECASE,
)
SPACED_SLASH = re.compile(r"\s+/\s*|\s*/\s+")
LABELED = re.compile(r"\s*\(?(?P<word>[^\W\d_][^\d:()+]{0,30}?)\)?\s*[.:=]*\s*(?=[+(\d])", re.UNICODE)
LABEL_AFTER = re.compile(r"(?<=\d)\s*[(\[-]?\s*(?P<word>[^\W\d_][^\d:()+\[\]]{0,30}?)[)\]]?\s*$", re.UNICODE)
BULLET = re.compile(r"^[\s*•·\u2022\u2023-]+(?=\S)")

Normalise = Callable[[str], str]


class AsksNotToCall(ValueError):
    """A remark in the cell asks not to call the person. The message says what to do."""


@dataclass(frozen=True)
class CellNumber:
    """A number of a cell, in E.164, and the kind that the cell itself says."""

    phone: str
    kind: str = ""


@dataclass(frozen=True)
class CellNumbers:
    """What a cell of numbers holds: those that can be called, and why each other one cannot.

    `unassigned` are kept, and not called while the numbering plan does not use them.
    """

    numbers: tuple[CellNumber, ...]
    faults: tuple[str, ...] = ()
    unassigned: tuple[CellNumber, ...] = ()


def numbers_in(cell: str, normalise: Normalise, normalise_further: Normalise) -> CellNumbers:
    """Return the numbers of a cell. `normalise` returns a number in E.164 or raises NotCallable.

    `normalise_further` also returns numbers that can only be kept. Raises NotCallable if the cell has no number, or
    words that are no number, TwoReadings if it is one number of two, and AsksNotToCall.
    """
    try:
        return CellNumbers((CellNumber(normalise(cell)),))
    except TwoReadings:
        raise  # it is one number: its parts must not be read as others
    except NotCallable as error:
        whole = error
    if forbids(cell):
        raise AsksNotToCall(
            f"'{cell[:60]}' asks not to call; give the wish a column of its own, such as 'Do not call'."
        )
    if len(cell) > LONGEST:
        raise whole
    pieces = [_Piece.of(separator, text) for separator, part in _split(cell) for text in _slashed(part, normalise)]
    if not 0 < len(pieces) <= MOST or not all(piece.is_number for piece in pieces):
        raise whole
    if _are_one(pieces, normalise):
        raise NotCallable(
            f"'{cell[:60]}' can be one number or several; write one number without anything else between its digits."
        )
    good: list[CellNumber] = []
    unassigned: list[CellNumber] = []
    faults: list[str] = []
    full = any(piece.begins_in_full for piece in pieces)
    for piece in pieces:
        if is_not_own(piece.word):
            faults.append(f"'{piece.text[:40]}' is a fax, a pager or somebody else's number.")
        elif full and not piece.begins_in_full and piece.digits < FULL_DIGITS:
            faults.append(f"'{piece.text[:40]}' does not say its area; write it in full.")
        else:
            try:
                good.append(CellNumber(normalise(piece.text), piece.kind))
            except NotCallable as error:
                try:
                    unassigned.append(CellNumber(normalise_further(piece.text), piece.kind))
                except NotCallable:
                    faults.append(str(error))
    if not good and not unassigned:
        raise whole
    return CellNumbers(tuple(good), tuple(faults), tuple(unassigned))


def parts(cell: str) -> list[str]:
    """Return the parts of a cell that may be numbers of their own."""
    return [part for _, part in _split(cell)] if len(cell) <= LONGEST else [cell]


def numbers_within(cell: str, normalise: Normalise) -> Iterator[str]:
    """Yield all that may be a number in a cell, whatever else it says, and both numbers where digits fit two."""
    found = parts(cell) if len(cell) <= LONGEST else []
    pieces = [_Piece.of("", text) for part in found for text in _slashed(part, normalise)]
    texts = ["".join(piece.text for piece in pieces)] if _are_one(pieces, normalise) else [each.text for each in pieces]
    for text in dict.fromkeys([cell, *texts]):
        try:
            yield normalise(text)
        except TwoReadings as error:
            yield from error.numbers
        except NotCallable:
            continue


@dataclass(frozen=True)
class _Piece:
    """A part of a cell: a number, the word beside it, and the separator before it."""

    separator: str
    word: str
    text: str

    @classmethod
    def of(cls, separator: str, part: str) -> _Piece:
        word, text = _label(part)
        return cls(separator, word, text)

    @property
    def kind(self) -> str:
        return LETTERS.get(plain(self.word)) or kind_of_word(self.word)

    @property
    def digits(self) -> int:
        return sum(character.isdigit() for character in self.text)

    @property
    def begins_in_full(self) -> bool:
        """Return whether the number begins with a plus or a trunk prefix: then it has its area or country."""
        return self.text.lstrip(" '(")[:1] in {"+", "0"}

    @property
    def is_number(self) -> bool:
        """Return whether this may be a number: not a remark, and not an extension after a comma."""
        word = plain(self.word)
        if self.word and not (word in LETTERS or word in PHONE_LABELS or is_kind(self.word) or is_not_own(self.word)):
            return False
        fewest = FEWEST_DIGITS if self.separator[:1] in EXTENDING else 1
        return self.digits >= fewest


def _split(cell: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a cell that are not empty, each with the separator before it."""
    separator, at = "", 0
    for found in SEPARATOR.finditer(cell):
        if part := cell[at : found.start()].strip():
            yield separator, part
        separator, at = found[0].strip() or "\n", found.end()
    if part := cell[at:].strip():
        yield separator, part


def _slashed(part: str, normalise: Normalise) -> Iterator[str]:
    """Yield the numbers of a part. A slash parts two numbers, unless both sides are one: `030/1234 / 0171/5678`."""
    if "/" not in part or _fits(_label(part)[1], normalise):
        yield part
        return
    spaced = [each for each in SPACED_SLASH.split(part) if each.strip()]
    if len(spaced) > 1:
        for each in spaced:
            yield from _slashed(each.strip(), normalise)
    else:
        yield from (each.strip() for each in part.split("/") if each.strip())


def _are_one(pieces: list[_Piece], normalise: Normalise) -> bool:
    """Return whether parts may be one number together, like `050 123/4567`: one alone may be somebody else's."""
    if len(pieces) < 2 or any(piece.word for piece in pieces):
        return False
    if all(piece.begins_in_full and _fits(piece.text, normalise) for piece in pieces):
        return False
    try:
        normalise("".join(piece.text for piece in pieces))
    except TwoReadings:
        return True
    except NotCallable:
        return False
    return True


def _fits(text: str, normalise: Normalise) -> bool:
    try:
        normalise(text)
    except TwoReadings:
        return True
    except NotCallable:
        return False
    return True


def _label(piece: str) -> tuple[str, str]:
    """Return the word before or after a number, like `Mobile: 0612…` or `0612… (work)`, and the number."""
    piece = BULLET.sub("", piece)
    if found := LABELED.match(piece):
        return found["word"].strip(), piece[found.end() :]
    if found := LABEL_AFTER.search(piece):
        return found["word"].strip(), piece[: found.start()]
    return "", piece
