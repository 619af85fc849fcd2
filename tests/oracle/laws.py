"""The documented legal hours, as a small table of its own (docs/legal-hours.md and the sources named there)."""

from __future__ import annotations

from datetime import date

from tests.oracle.minutes import Hours, opening

EVERY_DAY, WORKDAYS, MON_TO_SAT, WEEKEND = range(7), range(5), range(6), (5, 6)


def _days(year: int, *days: str) -> frozenset[date]:
    return frozenset(date.fromisoformat(f"{year}-{day}") for day in days)


# Each year's calendar, read by hand.
FRENCH = _days(
    2026, "01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01", "11-11", "12-25"
) | _days(2027, "01-01", "03-29", "05-01", "05-06", "05-08", "05-17", "07-14", "08-15", "11-01", "11-11", "12-25")
SPANISH = _days(
    2026, "01-01", "01-06", "04-02", "04-03", "05-01", "08-15", "10-12", "11-01", "12-06", "12-08", "12-25"
) | _days(2027, "01-01", "01-06", "03-25", "03-26", "05-01", "08-15", "10-12", "11-01", "12-06", "12-08", "12-25")
AUSTRALIAN = _days(2026, "01-01", "01-26", "04-03", "04-06", "04-25", "12-25", "12-26", "12-28") | _days(
    2027, "01-01", "01-26", "03-26", "03-29", "04-25", "12-25", "12-26", "12-27", "12-28"
)
CAUTIOUS = Hours((opening(WORKDAYS, 9, 20), opening((5,), 10, 16)))
ELSEWHERE = Hours((opening(EVERY_DAY, 8, 21),))
LAWS = {
    "US": Hours((opening(EVERY_DAY, 8, 21),)),  # 47 CFR 64.1200(c)(1)
    "US-FL": Hours((opening(EVERY_DAY, 8, 20),)),  # Fla. Stat. 501.616(6)
    "US-SD": Hours((opening(MON_TO_SAT, 9, 21),)),  # SDCL 37-30A-3
    "CA": Hours((opening(WORKDAYS, 9, 21.5), opening(WEEKEND, 10, 18))),  # CRTC, Part III, 23
    "FR": Hours((opening(WORKDAYS, 10, 13), opening(WORKDAYS, 14, 20)), FRENCH),  # Décret n° 2022-1313
    "ES": Hours((opening(WORKDAYS, 9, 21),), SPANISH),  # RDL 1/2007, art. 96.2
    "AU": Hours((opening(WORKDAYS, 9, 20), opening((5,), 9, 17)), AUSTRALIAN),  # Industry Standard 2017, s. 8
    "IN": Hours((opening(EVERY_DAY, 9, 21),)),  # TRAI
    **dict.fromkeys(("DE", "PT", "NZ", "BR", "MX", "JP"), CAUTIOUS),
}


def law(name: str) -> Hours:
    """Return the legal hours of a country, or of an American state."""
    return LAWS.get(name, ELSEWHERE)
