"""CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

BYTE_ORDER_MARK = "\ufeff"  # without it some spreadsheets guess another encoding
CHUNK_SIZE = 32 * 1024  # characters
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
PLAIN_NUMBER = re.compile(r"\+\d{7,15}")


def harmless(cells: Iterable[str]) -> list[str]:
    """Return the cells so that no spreadsheet reads one as a formula. Numbers in E.164 stay unchanged."""
    return [
        f"'{cell}" if cell.startswith(FORMULA) and not PLAIN_NUMBER.fullmatch(cell) else cell.replace("\0", "\ufffd")
        for cell in cells
    ]


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
