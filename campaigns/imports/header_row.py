"""Which row of a file names its columns: the first one, or one below a title, a date or a note. Pure.

A row with a number or an e-mail address is data: it is no header, and rows above a header never have one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from campaigns.imports.consent import consent_field
from campaigns.imports.field_headers import is_field
from campaigns.imports.known_exports import known_export
from campaigns.imports.opt_out import OptOut, opt_out_header
from campaigns.imports.own_files import own_file
from campaigns.imports.phone_headers import phone_header

SEARCHED = 40  # rows that are not blank
FOLLOWING = 5  # rows below a header that are compared with it
NUMBER = re.compile(r"[\s'\"=]*[+(]?\d[\d\s().+/\-\u2010-\u2015\xa0]{5,}[\s'\"]*")
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ,]+\d{1,2}[:.h]\d{2}.*)?")
ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]{2,}")
SENTENCE = 60  # characters: no name of a column that people write is longer

Row = Sequence[str]


def header_index(rows: Sequence[Row]) -> int:
    """Return the index of the row that names the columns, of the rows at the top of a file that are not blank.

    The first row, unless a later one is a better header and all rows above that are titles.
    """
    searched = rows[:SEARCHED]
    for index, row in enumerate(searched):
        if _is_header(row) and all(_is_title(title, row) for title in rows[:index]) and not _better_below(rows, index):
            return index
    return _by_shape(searched)


def is_data(row: Row) -> bool:
    """Return whether a row has a number or an e-mail address in a cell of its own."""
    return any(len(cell) <= SENTENCE * 4 and (_is_number(cell) or ADDRESS.fullmatch(cell.strip())) for cell in row)


def quality(rows: Sequence[Row], index: int) -> tuple[int, int, int]:
    """Return how well a row names the columns of the rows below: known names, columns, and rows that are as wide."""
    row = rows[index]
    below = rows[index + 1 : index + 1 + FOLLOWING]
    known = sum(_is_known(cell) for cell in _filled(row)) if not is_data(row) else 0
    alike = sum(len(each) == len(row) for each in below) if len(row) > 1 else 0
    return known, len(row), alike


def _filled(row: Row) -> list[str]:
    return [cell for cell in row if cell.strip()]


def _is_number(cell: str) -> bool:
    text = cell.strip()
    return NUMBER.fullmatch(text) is not None and DATE.fullmatch(text) is None


def _is_known(cell: str) -> bool:
    """Return whether a whole cell is a name that columns have."""
    if len(cell) > SENTENCE:
        return False
    what = phone_header(cell)
    return bool((what and what.exact) or is_field(cell) or consent_field(cell)) or opt_out_header(cell) is OptOut.KNOWN


def _is_header(row: Row) -> bool:
    """Return whether a row names a column of numbers, and every cell can be a name."""
    cells = _filled(row)
    if is_data(row) or any(len(cell) > SENTENCE * 4 for cell in cells):
        return False
    if known_export(row) is not None or own_file(row) is not None:
        return True
    exact = [cell for cell in cells if (what := phone_header(cell)) and what.exact and len(cell) <= SENTENCE]
    loose = [cell for cell in cells if phone_header(cell) and len(cell) <= SENTENCE]
    return bool(exact) or (bool(loose) and any(_is_known(cell) for cell in cells))


def _is_title(title: Row, header: Row) -> bool:
    """Return whether a row above a header is a title, a date or a note: it names no column."""
    cells, columns = _filled(title), _filled(header)
    if is_data(title):
        return False
    if len(cells) < len(columns):
        return True
    return not any(_is_known(cell) for cell in cells) and (
        len(columns) == 1 or sum(_is_known(cell) for cell in columns) > 1
    )


def _better_below(rows: Sequence[Row], index: int) -> bool:
    """Return whether a row names groups of columns, or is a title of one word, above the header itself."""
    for row in rows[index + 1 : SEARCHED]:
        if is_data(row):
            return False
        cells = _filled(row)
        if len(cells) > len(_filled(rows[index])) and _is_header(row) and sum(map(_is_known, cells)) > 1:
            return True
    return False


def _by_shape(rows: Sequence[Row]) -> int:
    """Return the first row with several cells, if all rows above have one cell and rows of data follow."""
    for index, row in enumerate(rows):
        count = len(_filled(row))
        if count > 1:
            below = rows[index + 1 : index + 1 + FOLLOWING]
            follows = any(is_data(each) and len(_filled(each)) > 1 for each in below)
            return index if follows and not is_data(row) else 0
    return 0
