"""CSV that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

MARK = "\ufeff"  # without it some spreadsheets guess another encoding
PIECE = 32 * 1024
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
PLAIN_NUMBER = re.compile(r"\+\d{7,15}")


def harmless(cells: Iterable[str]) -> list[str]:
    """Cells that no spreadsheet takes for a formula; numbers in E.164 stay as they are."""
    return [
        f"'{cell}" if cell.startswith(FORMULA) and not PLAIN_NUMBER.fullmatch(cell) else cell.replace("\0", "\ufffd")
        for cell in cells
    ]


def lines(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The rows as a file, a piece at a time."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    text.write(MARK)
    for row in rows:
        writer.writerow(harmless(row))
        if text.tell() > PIECE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
