"""CSV for people who open it in a spreadsheet: no cell of ours is run as a formula there."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
PLAIN_NUMBER = re.compile(r"\+\d{7,15}")


def harmless(cells: Iterable[str]) -> list[str]:
    """Cells that no spreadsheet takes for a formula; numbers in E.164 stay as they are."""
    return [
        f"'{cell}" if cell.startswith(FORMULA) and not PLAIN_NUMBER.fullmatch(cell) else cell.replace("\0", "\ufffd")
        for cell in cells
    ]


def lines(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV, harmless ones."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(harmless(row) for row in rows)
    return text.getvalue()
