"""Number formats of cell styles: which show leading zeros, and whether any shows dates. Pure."""

from __future__ import annotations

import re

DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
NOT_A_LETTER = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
DATE_LETTER = re.compile(r"[dmyhs]", re.IGNORECASE)
ZEROS = re.compile(r"0{2,}")


def shown_zeros(code: str) -> int:
    """Return how many digits a format like 00000 shows; 0 for any other format."""
    bare = NOT_A_LETTER.sub("", code).partition(";")[0]
    return len(bare) if ZEROS.fullmatch(bare) else 0


class Formats:
    """The number formats of the cell styles of an .xlsx workbook, filled in while `styles.xml` is parsed."""

    def __init__(self) -> None:
        self._own: dict[str, str] = {}
        self._styles: list[str] = []
        self._in_cells = False

    def take(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self._own[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:1000]
        elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            self._in_cells = name == "cellXfs"
        elif name == "xf" and self._in_cells:
            self._styles.append(attributes.get("numFmtId", "0"))

    def zeros(self, style: str) -> int:
        """Return how many digits a cell of this style shows, with leading zeros; 0 if it shows the number as it is."""
        known = style.isdecimal() and int(style) < len(self._styles)
        return shown_zeros(self._own.get(self._styles[int(style)], "")) if known else 0

    @property
    def have_zeros(self) -> bool:
        return any(shown_zeros(self._own.get(number, "")) for number in set(self._styles))

    @property
    def have_dates(self) -> bool:
        used = set(self._styles)
        own = any(DATE_LETTER.search(NOT_A_LETTER.sub("", self._own.get(number, ""))) for number in used)
        return own or any(number.isdecimal() and int(number) in DATE_FORMATS for number in used)
