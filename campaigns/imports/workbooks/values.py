"""Convert the values of a workbook's cells to text: numbers, dates and times. Pure."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta

EXACT = 10**15  # a spreadsheet keeps 15 significant digits
KEPT_CELL = 10_001  # characters: one more than an import accepts

Value = str | bool | int | float | date | time | timedelta


def as_text(value: Value, zeros: int = 0) -> str:
    """Return a value as text: integers without a decimal point, dates and times in ISO 8601.

    `zeros` is the number of digits that the sheet shows of an integer, with leading zeros.
    """
    if isinstance(value, str):
        return value[: 2 * KEPT_CELL].replace("\r\n", "\n").replace("\xa0", " ")[:KEPT_CELL]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, zeros)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _clock(value / timedelta(seconds=1))
    return _clock((value.hour * 60 + value.minute) * 60 + value.second + value.microsecond / 1e6)


def _number(value: float, zeros: int) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    if value == int(value) and abs(value) < EXACT:
        return str(int(value)).zfill(zeros)
    # As the sheet shows it. A number with lost digits gets an exponent, and is rejected as a phone number.
    return f"{value:.15g}"


def _moment(value: datetime) -> str:
    rounded = (value + timedelta(microseconds=500_000)).replace(microsecond=0)
    return rounded.date().isoformat() if rounded.time() == time() else rounded.isoformat()


def _clock(seconds: float) -> str:
    whole = abs(round(seconds))
    return f"{'-' if seconds < 0 else ''}{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
