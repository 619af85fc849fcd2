"""Convert the numbers in a workbook's cells to text: numbers, dates and times. Pure."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta

# Built-in formats of dates and times, in Western and East Asian Excel.
DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
BUILT_IN = {45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0"}
NOT_A_LETTER = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
DATE_LETTER = re.compile(r"[dmyhs]", re.IGNORECASE)
ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
ZEROS = re.compile(r"0+")
LAST_DAY = 2_958_466  # the first day of the year 10000
EXACT = 10**15  # a spreadsheet keeps 15 significant digits


class Styles:
    """The number formats of the cell styles, filled in while `styles.xml` is parsed."""

    def __init__(self, dates_1904: bool) -> None:
        self.dates_1904 = dates_1904
        self._own: dict[str, str] = {}
        self._formats: list[str] = []
        self._in_cells = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self._own[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:1000]
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._formats.append(attributes.get("numFmtId", "0"))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def of(self, style: str) -> str:
        """Return the format code of a style; "" for a plain number."""
        number = self._formats[int(style)] if style.isdecimal() and int(style) < len(self._formats) else "0"
        if number in self._own:
            return self._own[number]
        known = int(number) if number.isdecimal() else 0
        return BUILT_IN.get(known, "yyyy-mm-dd") if known in DATE_FORMATS else ""


def as_text(raw: str, code: str, dates_1904: bool) -> str:
    """Return a numeric cell as text: integers without a decimal point, dates and times in ISO 8601."""
    try:
        value = float(raw)
    except ValueError:
        return raw
    if not math.isfinite(value):
        return raw
    bare = NOT_A_LETTER.sub("", code).partition(";")[0]
    if DATE_LETTER.search(bare) and 0 <= value < LAST_DAY:
        return _moment(value, elapsed=bool(ELAPSED.search(bare)), dates_1904=dates_1904)
    if value.is_integer() and abs(value) < EXACT:
        whole = str(int(value))
        return whole.zfill(len(bare)) if ZEROS.fullmatch(bare) else whole
    # As the sheet shows it. A number with lost digits gets an exponent, and is rejected as a phone number.
    return f"{value:.15g}"


def _moment(value: float, *, elapsed: bool, dates_1904: bool) -> str:
    seconds = round(value * 86_400)
    if elapsed or seconds < 86_400:
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    # Excel treats 1900 as a leap year.
    first = date(1904, 1, 1) if dates_1904 else date(1899, 12, 31 if value < 60 else 30)
    found = datetime.combine(first, time()) + timedelta(seconds=seconds)
    return found.date().isoformat() if seconds % 86_400 == 0 else found.isoformat()
