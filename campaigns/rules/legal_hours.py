"""Legal calling hours by country and area code, as data. `docs/legal-hours.md` explains how to read and change them.

These rows are conservative defaults, not legal advice: **counsel must confirm them** for every country before calls are
placed there. They say when a contact may be called. Whether the contact may be called at all (consent, objection
registers, call frequency) is another question. An area code says where a number was issued, not where its owner is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from campaigns.phones import country_of
from campaigns.rules import holidays
from campaigns.rules.windows import Hours, Window

EVERY_DAY = frozenset(range(7))
WEEKDAYS = frozenset(range(5))
SATURDAY, SUNDAY = frozenset({5}), frozenset({6})
WEEKEND = SATURDAY | SUNDAY
MON_TO_SAT = EVERY_DAY - SUNDAY
REVIEWED = date(2026, 11, 21)


@dataclass(frozen=True)
class LegalRule:
    """One row: where it applies, when calls are allowed, its legal source, and the date of the last review."""

    country: str  # "": every other country
    area_codes: frozenset[str]  # empty: the whole country
    hours: Hours
    source: str
    reviewed: date = REVIEWED
    region: str = ""  # the name of the area, such as a state
    statute: bool = True  # False: no law is known; the hours are a cautious default


def _at(days: frozenset[int], opens: float, closes: float) -> Window:
    return Window(days, int(opens * 60), int(closes * 60))


def _daily(opens: float, closes: float) -> Hours:
    return Hours((_at(EVERY_DAY, opens, closes),))


# State, hours, source, area codes. If a source allows longer hours on some days, the shorter hours apply.
MON_TO_SAT_8_TO_8 = Hours((_at(MON_TO_SAT, 8, 20),), holidays.UNITED_STATES)
US_STATES: tuple[tuple[str, Hours, str, str], ...] = (
    ("Alabama", MON_TO_SAT_8_TO_8, "Ala. Code 8-19A-14", "205 251 256 334 659 938"),
    ("Connecticut", _daily(9, 20), "Conn. Gen. Stat. 42-288a", "203 475 860 959"),
    (
        "Florida",
        _daily(8, 20),
        "Fla. Stat. 501.616(6)",
        "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
    ),
    ("Kentucky", _daily(10, 21), "KRS 367.46955", "270 364 502 606 859"),
    (
        "Louisiana",
        MON_TO_SAT_8_TO_8,
        "La. R.S. 45:844.11 ff. and the Public Service Commission's Do Not Call General Order",
        "225 318 337 457 504 985",
    ),
    ("Maryland", _daily(8, 20), "Maryland Stop the Spam Calls Act of 2023", "227 240 301 410 443 667"),
    ("Massachusetts", _daily(8, 20), "M.G.L. c. 159C, s. 3", "339 351 413 508 617 774 781 857 978"),
    ("Minnesota", _daily(9, 21), "Minn. Stat. 325E.30", "218 320 507 612 651 763 924 952"),
    ("Mississippi", MON_TO_SAT_8_TO_8, "Miss. Code 77-3-701 ff.", "228 471 601 662 769"),
    ("Nevada", _daily(9, 20), "NRS 598.0918", "702 725 775"),
    ("New Mexico", _daily(9, 21), "N.M. Stat. 57-12-22", "505 575"),
    (
        "Oklahoma",
        _daily(8, 20),
        "Oklahoma Telephone Solicitation Act of 2022, 15 O.S. 775C.4",
        "405 539 572 580 918",
    ),
    (
        "Rhode Island",
        Hours((_at(WEEKDAYS, 9, 18), _at(SATURDAY, 10, 17)), holidays.UNITED_STATES),
        "R.I. Gen. Laws 5-61-3.6",
        "401",
    ),
    ("South Dakota", Hours((_at(MON_TO_SAT, 9, 21),)), "SDCL 37-30A-3", "605"),
    (
        "Texas",
        Hours((_at(MON_TO_SAT, 9, 21), _at(SUNDAY, 12, 21))),
        "Tex. Bus. & Com. Code 301.051",
        "210 214 254 281 325 346 361 409 430 432 469 512 621 682 713 726 737 806 817 830 832 903 915 936 940 945 956 "
        "972 979",
    ),
    (
        "Utah",
        Hours((_at(MON_TO_SAT, 8, 21),), holidays.UNITED_STATES),
        "Utah Code 13-25a-103",
        "385 435 801",
    ),
    ("Washington", _daily(8, 20), "RCW 19.158.110, RCW 80.36.390", "206 253 360 425 509 564"),
)
CANADA = Hours((_at(WEEKDAYS, 9, 21.5), _at(WEEKEND, 10, 18)))
FRANCE = Hours((_at(WEEKDAYS, 10, 13), _at(WEEKDAYS, 14, 20)), holidays.FRANCE)
SPAIN = Hours((_at(WEEKDAYS, 9, 21),), holidays.SPAIN)
ITALY = Hours((_at(MON_TO_SAT, 10, 19),), holidays.ITALY)  # the shorter hours of Saturdays and days before holidays
AUSTRALIA = Hours((_at(WEEKDAYS, 9, 20), _at(SATURDAY, 9, 17)), holidays.AUSTRALIA)
SOUTH_AFRICA = Hours((_at(WEEKDAYS, 8, 20), _at(SATURDAY, 9, 13)), holidays.SOUTH_AFRICA)
CAUTIOUS = Hours((_at(WEEKDAYS, 9, 20), _at(SATURDAY, 10, 16)))
NO_STATUTE = "Conservative default; no statutory hours known here, counsel must confirm"


def _country(codes: str, hours: Hours, source: str) -> tuple[LegalRule, ...]:
    return tuple(LegalRule(code, frozenset(), hours, source) for code in codes.split())


RULES: tuple[LegalRule, ...] = (
    *(
        LegalRule("US", frozenset(codes.split()), hours, source, region=state)
        for state, hours, source, codes in US_STATES
    ),
    *_country("US", _daily(8, 21), "47 CFR 64.1200(c)(1)"),
    *_country("CA", CANADA, "CRTC Unsolicited Telecommunications Rules, Part III, 23"),
    *_country("FR GP GF MQ RE YT BL MF PM", FRANCE, "Décret n° 2022-1313 du 13 octobre 2022"),
    *_country("ES", SPAIN, "Real Decreto Legislativo 1/2007, art. 96.2"),
    *_country("IT VA", ITALY, "Codice di condotta per le attività di telemarketing e teleselling (2023)"),
    *_country(
        "AU CX CC", AUSTRALIA, "Telecommunications (Telemarketing and Research Calls) Industry Standard 2017, s. 8"
    ),
    *_country("IN", _daily(9, 21), "TRAI, Telecom Commercial Communications Customer Preference Regulations"),
    *_country("ZA", SOUTH_AFRICA, "Consumer Protection Act 68 of 2008, s. 12, and its notice of hours"),
    *(
        replace(rule, statute=False)
        for rule in (
            *_country("GB GG JE IM", _daily(8, 21), "Conservative default; no statutory hours, counsel must confirm"),
            *_country("DE BE NL CH AT PT IE NZ BR MX JP", CAUTIOUS, NO_STATUTE),
        )
    ),
)
ELSEWHERE = LegalRule(
    "", frozenset(), _daily(8, 21), "Conservative default; ask counsel for this country", statute=False
)
COUNTRIES = {
    "AT": "Austria",
    "AU": "Australia",
    "BE": "Belgium",
    "BL": "Saint Barthélemy",
    "BR": "Brazil",
    "CA": "Canada",
    "CC": "Cocos Islands",
    "CH": "Switzerland",
    "CX": "Christmas Island",
    "DE": "Germany",
    "ES": "Spain",
    "FR": "France",
    "GB": "United Kingdom",
    "GF": "French Guiana",
    "GG": "Guernsey",
    "GP": "Guadeloupe",
    "IE": "Ireland",
    "IM": "Isle of Man",
    "IN": "India",
    "IT": "Italy",
    "JE": "Jersey",
    "JP": "Japan",
    "MF": "Saint Martin",
    "MQ": "Martinique",
    "MX": "Mexico",
    "NL": "Netherlands",
    "NZ": "New Zealand",
    "PM": "Saint Pierre and Miquelon",
    "PT": "Portugal",
    "RE": "Réunion",
    "US": "United States",
    "VA": "Vatican City",
    "YT": "Mayotte",
    "ZA": "South Africa",
}


def _by_country() -> dict[str, list[LegalRule]]:
    found = defaultdict(list)
    for rule in RULES:
        found[rule.country].append(rule)
    return dict(found)


BY_COUNTRY = _by_country()


@lru_cache(maxsize=32_768)
def rule_for(e164: str) -> LegalRule:
    """Return the row for a number: of its area code, else of its country, else the default."""
    area = e164[2:5] if e164.startswith("+1") else ""
    rows = BY_COUNTRY.get(country_of(e164), [])
    for rule in rows:
        if area in rule.area_codes:
            return rule
    return next((rule for rule in rows if not rule.area_codes), ELSEWHERE)


def legal_hours(e164: str) -> Hours:
    """Return the hours in which a number may be called."""
    return rule_for(e164).hours
