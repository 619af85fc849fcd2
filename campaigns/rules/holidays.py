"""Public holidays for the legal calling hours. They are computed: a fixed list of dates would end unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

FIRST, LAST = 2025, 2045
ONE_DAY = timedelta(days=1)
Fixed = tuple[tuple[int, int], ...]
GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY = -2, 1, 39, 50  # days after Easter


def easter(year: int) -> date:
    """Return Easter Sunday (Oudin's algorithm)."""
    golden, century = year % 19, year // 100
    moon = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon -= (moon // 28) * (1 - (29 // (moon + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    month = 3 + (moon - weekday + 40) // 44
    return date(year, month, moon - weekday + 28 - 31 * (month // 4))


def _every_year(days: Callable[[int], Iterable[date]]) -> frozenset[date]:
    return frozenset(day for year in range(FIRST, LAST + 1) for day in days(year))


def _christian(fixed: Fixed, after_easter: tuple[int, ...]) -> frozenset[date]:
    return _every_year(
        lambda year: (
            *(date(year, month, day) for month, day in fixed),
            *(easter(year) + timedelta(days=days) for days in after_easter),
        )
    )


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """Return the number-th such weekday of a month; for -1 the last one."""
    if number < 0:
        end = date(year + month // 12, month % 12 + 1, 1) - ONE_DAY
        return end - timedelta(days=(end.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _american(year: int) -> Iterable[date]:
    """5 U.S.C. 6103. A holiday on a weekend is also observed on the nearest weekday."""
    for month, day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25)):
        holiday = date(year, month, day)
        yield holiday
        yield holiday + {5: -ONE_DAY, 6: ONE_DAY}.get(holiday.weekday(), timedelta())
    for month, weekday, number in ((1, 0, 3), (2, 0, 3), (5, 0, -1), (9, 0, 1), (10, 0, 2), (11, 3, 4)):
        yield _nth(year, month, weekday, number)


def _australian(year: int) -> Iterable[date]:
    """The holidays of every state and territory. A holiday on a weekend is also observed on the next weekdays."""
    yield from (easter(year) + timedelta(days=days) for days in (GOOD_FRIDAY, EASTER_MONDAY))
    yield date(year, 4, 25)
    for month, day in ((1, 1), (1, 26), (12, 25), (12, 26)):
        holiday = date(year, month, day)
        yield holiday
        if holiday.weekday() >= 5:
            yield holiday + timedelta(days=2)  # Saturday: Monday. Sunday: Tuesday, because Monday may be taken
            yield holiday + timedelta(days=7 - holiday.weekday())


def _south_african(year: int) -> Iterable[date]:
    """Public Holidays Act 36 of 1994: a holiday on a Sunday is also observed on the Monday."""
    yield from (easter(year) + timedelta(days=days) for days in (GOOD_FRIDAY, EASTER_MONDAY))
    for month, day in ((1, 1), (3, 21), (4, 27), (5, 1), (6, 16), (8, 9), (9, 24), (12, 16), (12, 25), (12, 26)):
        holiday = date(year, month, day)
        yield holiday
        if holiday.weekday() == 6:
            yield holiday + ONE_DAY


FRANCE = _christian(  # Code du travail, L3133-1
    ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)), (EASTER_MONDAY, ASCENSION, WHIT_MONDAY)
)
SPAIN = _christian(  # national holidays, and Maundy Thursday, which most regions observe
    ((1, 1), (1, 6), (5, 1), (8, 15), (10, 12), (11, 1), (12, 6), (12, 8), (12, 25)), (GOOD_FRIDAY - 1, GOOD_FRIDAY)
)
ITALY = _christian(
    ((1, 1), (1, 6), (4, 25), (5, 1), (6, 2), (8, 15), (10, 4), (11, 1), (12, 8), (12, 25), (12, 26)), (EASTER_MONDAY,)
)
UNITED_STATES = _every_year(_american)
AUSTRALIA = _every_year(_australian)
SOUTH_AFRICA = _every_year(_south_african)
