"""CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets guess another encoding
CHUNK_SIZE = 32 * 1024  # characters
PLAIN_NUMBER = re.compile(r"\+\d{7,15}")
# What gets an apostrophe in front. A text that looks as if it had one already gets another, so that each can be undone.
GUARDED = re.compile(r"'*[=+\-@\t\r\n]")
# What gets one after its first character. Where the decimal sign is a comma, spreadsheets end a cell at a semicolon,
# and quotes that do not begin their cell mean nothing to them: they would read the rest as a cell of its own.
GUARDED_INSIDE = re.compile(r"""([;\t\r\n])(['"]*[=+\-@])""")
_UNGUARDED_INSIDE = re.compile(r"""([;\t\r\n])'(['"]*[=+\-@])""")


def harmless(cells: Iterable[str]) -> list[str]:
    """Return the cells so that no spreadsheet reads one, or a part of one, as a formula.

    Numbers in E.164 stay unchanged. `as_written` undoes it.
    """
    return [_guarded(cell) for cell in cells]


def _guarded(cell: str) -> str:
    if PLAIN_NUMBER.fullmatch(cell):
        return cell
    start = "'" if GUARDED.match(cell) else ""
    return start + GUARDED_INSIDE.sub(r"\1'\2", cell).replace("\0", "\ufffd")


def as_written(cell: str) -> str:
    """Return the text of a cell of a file that was written with `harmless`."""
    text = cell[1:] if cell.startswith("'") and GUARDED.match(cell) else cell
    return _UNGUARDED_INSIDE.sub(r"\1\2", text)


def time_cell(moment: datetime | None) -> str:
    """Return a moment as every file writes it: in UTC, like 2026-05-12T09:30:00.000000Z. "" for none.

    A parser that learns a column's form from its first rows reads all of them, texts sort as moments do, and an import
    of the file changes nothing.
    """
    if moment is None:
        return ""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def lines(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the rows as a CSV file, in chunks."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write(BYTE_ORDER_MARK)
    for row in rows:
        writer.writerow(harmless(row))
        if text.tell() > CHUNK_SIZE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
