"""Hours in which the law lets people be called, as data.

These rows are conservative defaults, not legal advice: **counsel must confirm them** for every country before calls are
placed there. They say when a person may be called; whether that person may be called at all (consent, registers of
objection, call frequency) is another question. An area code tells where a number was issued, not where its owner is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from campaigns.phones import country_of
from campaigns.windows import Hours, Window

EVERY_DAY = frozenset(range(7))
WEEKDAYS = frozenset(range(5))
WEEKEND = frozenset({5, 6})
REVIEWED = date(2026, 11, 20)


@dataclass(frozen=True)
class LegalRule:
    """One row: where it holds, when calls are allowed, who says so, and when somebody last looked."""

    country: str  # "" : everywhere else
    area_codes: frozenset[str]  # empty: the whole country
    hours: Hours
    source: str
    reviewed: date = REVIEWED


def _daily(opens: int, closes: int) -> Hours:
    return Hours((Window(EVERY_DAY, opens * 60, closes * 60),))


def _easter(year: int) -> date:
    """Easter Sunday (Oudin's algorithm)."""
    golden, century = year % 19, year // 100
    moon = (century - century // 4 - (8 * century + 13) // 25 + 19 * golden + 15) % 30
    moon -= (moon // 28) * (1 - (29 // (moon + 1)) * ((21 - golden) // 11))
    weekday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    month = 3 + (moon - weekday + 40) // 44
    return date(year, month, moon - weekday + 28 - 31 * (month // 4))


def _french_holidays(first: int, last: int) -> frozenset[date]:
    """Code du travail, L3133-1."""
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    after_easter = (1, 39, 50)  # Easter Monday, Ascension, Whit Monday
    return frozenset(
        [date(year, month, day) for year in range(first, last + 1) for month, day in fixed]
        + [_easter(year) + timedelta(days=days) for year in range(first, last + 1) for days in after_easter]
    )


US_STATES = {
    "Fla. Stat. 501.616(6)": (
        "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954"
    ),
    "Oklahoma Telephone Solicitation Act of 2022, 15 O.S. 775C.4": "405 539 572 580 918",
    "Maryland Stop the Spam Calls Act of 2023": "227 240 301 410 443 667",
}
CANADA = Hours((Window(WEEKDAYS, 9 * 60, 21 * 60 + 30), Window(WEEKEND, 10 * 60, 18 * 60)))
FRANCE = Hours(
    (Window(WEEKDAYS, 10 * 60, 13 * 60), Window(WEEKDAYS, 14 * 60, 20 * 60)), holidays=_french_holidays(2025, 2045)
)

RULES: tuple[LegalRule, ...] = (
    *(LegalRule("US", frozenset(codes.split()), _daily(8, 20), source) for source, codes in US_STATES.items()),
    LegalRule("US", frozenset(), _daily(8, 21), "47 CFR 64.1200(c)(1)"),
    LegalRule("CA", frozenset(), CANADA, "CRTC Unsolicited Telecommunications Rules, Part III, 23"),
    *(
        LegalRule(country, frozenset(), FRANCE, "Décret n° 2022-1313 du 13 octobre 2022")
        for country in ("FR", "GP", "GF", "MQ", "RE", "YT", "BL", "MF")
    ),
    *(
        LegalRule(country, frozenset(), _daily(8, 21), "Conservative default; no statutory hours")
        for country in ("GB", "GG", "JE", "IM")
    ),
)
ELSEWHERE = LegalRule("", frozenset(), _daily(8, 21), "Conservative default; ask counsel for this country")


@lru_cache(maxsize=32_768)
def rule_for(e164: str) -> LegalRule:
    """The row that holds for a number: its area code's, else its country's, else the default."""
    country = country_of(e164)
    area = e164[2:5] if e164.startswith("+1") else ""
    rows = [rule for rule in RULES if rule.country == country]
    for rule in rows:
        if area in rule.area_codes:
            return rule
    return next((rule for rule in rows if not rule.area_codes), ELSEWHERE)


def legal_hours(e164: str) -> Hours:
    return rule_for(e164).hours
