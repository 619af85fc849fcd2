from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import geocoder

from campaigns.rules import holidays
from campaigns.rules.legal_hours import COUNTRIES, ELSEWHERE, RULES, LegalRule, legal_hours, rule_for
from campaigns.rules.windows import is_open, next_opening
from tests.tables import cases


def allowed(phone: str, zone: str, *moment: int) -> bool:
    year, month, day, hour, minute = moment
    local = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone))
    return is_open([legal_hours(phone)], [zone], local.astimezone(UTC))


@cases(
    ("phone", "zone", "moment", "expected"),
    [
        ("+12125551234", "America/New_York", (2026, 6, 1, 7, 59), False),
        ("+12125551234", "America/New_York", (2026, 6, 1, 8, 0), True),
        ("+12125551234", "America/New_York", (2026, 6, 1, 20, 59), True),
        ("+12125551234", "America/New_York", (2026, 6, 1, 21, 0), False),
        ("+13055551234", "America/New_York", (2026, 6, 1, 20, 0), False),  # Florida
        ("+14055551234", "America/Chicago", (2026, 6, 1, 20, 0), False),  # Oklahoma
        ("+14105551234", "America/New_York", (2026, 6, 1, 20, 0), False),  # Maryland
        ("+14105551234", "America/New_York", (2026, 6, 1, 19, 59), True),
        ("+14165551234", "America/Toronto", (2026, 6, 1, 8, 30), False),
        ("+14165551234", "America/Toronto", (2026, 6, 1, 21, 29), True),
        ("+14165551234", "America/Toronto", (2026, 6, 6, 9, 30), False),  # a Saturday
        ("+14165551234", "America/Toronto", (2026, 6, 6, 17, 59), True),
        ("+33123456789", "Europe/Paris", (2026, 6, 1, 9, 59), False),
        ("+33123456789", "Europe/Paris", (2026, 6, 1, 12, 59), True),
        ("+33123456789", "Europe/Paris", (2026, 6, 1, 13, 30), False),
        ("+33123456789", "Europe/Paris", (2026, 6, 1, 19, 59), True),
        ("+33123456789", "Europe/Paris", (2026, 6, 6, 11, 0), False),  # a Saturday
        ("+33123456789", "Europe/Paris", (2026, 7, 14, 11, 0), False),
        ("+33123456789", "Europe/Paris", (2026, 4, 6, 11, 0), False),  # Easter Monday
        ("+33123456789", "Europe/Paris", (2026, 5, 14, 11, 0), False),  # Ascension
        ("+33123456789", "Europe/Paris", (2026, 5, 25, 11, 0), False),  # Whit Monday
        ("+442079460018", "Europe/London", (2026, 6, 1, 20, 59), True),
        ("+14255551234", "America/Los_Angeles", (2026, 6, 1, 20, 0), False),  # Washington
        ("+12145551234", "America/Chicago", (2026, 6, 1, 8, 59), False),  # Texas
        ("+12145551234", "America/Chicago", (2026, 6, 7, 11, 59), False),  # a Sunday
        ("+12145551234", "America/Chicago", (2026, 6, 7, 12, 0), True),
        ("+15025551234", "America/New_York", (2026, 6, 1, 9, 59), False),  # Kentucky
        ("+14015551234", "America/New_York", (2026, 6, 6, 17, 0), False),  # Rhode Island, a Saturday
        ("+14015551234", "America/New_York", (2026, 7, 3, 11, 0), False),  # the Fourth of July is a Saturday
        ("+12055551234", "America/Chicago", (2026, 6, 7, 12, 0), False),  # Alabama, a Sunday
        ("+12055551234", "America/Chicago", (2026, 11, 26, 12, 0), False),  # Thanksgiving
        ("+61298765432", "Australia/Sydney", (2026, 6, 1, 8, 59), False),
        ("+61298765432", "Australia/Sydney", (2026, 6, 1, 19, 59), True),
        ("+61298765432", "Australia/Sydney", (2026, 6, 6, 16, 59), True),  # a Saturday
        ("+61298765432", "Australia/Sydney", (2026, 6, 6, 17, 0), False),
        ("+61298765432", "Australia/Sydney", (2026, 6, 7, 12, 0), False),
        ("+61298765432", "Australia/Sydney", (2026, 1, 26, 12, 0), False),
        ("+61298765432", "Australia/Sydney", (2026, 12, 28, 12, 0), False),  # Boxing Day is a Saturday
        ("+61298765432", "Australia/Sydney", (2026, 4, 3, 12, 0), False),  # Good Friday
        ("+911123456789", "Asia/Kolkata", (2026, 6, 7, 20, 59), True),
        ("+911123456789", "Asia/Kolkata", (2026, 6, 7, 8, 59), False),
        ("+34912345678", "Europe/Madrid", (2026, 6, 1, 20, 59), True),
        ("+34912345678", "Europe/Madrid", (2026, 6, 6, 12, 0), False),  # a Saturday
        ("+34912345678", "Europe/Madrid", (2026, 10, 12, 12, 0), False),
        ("+390612345678", "Europe/Rome", (2026, 6, 1, 9, 59), False),
        ("+390612345678", "Europe/Rome", (2026, 6, 2, 12, 0), False),
        ("+390612345678", "Europe/Rome", (2026, 6, 6, 18, 59), True),
        ("+27111234567", "Africa/Johannesburg", (2026, 6, 6, 13, 0), False),
        ("+27111234567", "Africa/Johannesburg", (2026, 6, 6, 12, 59), True),
        ("+27111234567", "Africa/Johannesburg", (2026, 8, 10, 12, 0), False),  # the ninth is a Sunday
        ("+81312345678", "Asia/Tokyo", (2026, 6, 1, 20, 0), False),
        ("+81312345678", "Asia/Tokyo", (2026, 6, 1, 9, 0), True),
        *(
            (phone, zone, moment, expected)
            for phone, zone in (
                ("+4930123456", "Europe/Berlin"),
                ("+3223456789", "Europe/Brussels"),
                ("+31201234567", "Europe/Amsterdam"),
                ("+41441234567", "Europe/Zurich"),
                ("+4315123456", "Europe/Vienna"),
                ("+351212345678", "Europe/Lisbon"),
                ("+35312345678", "Europe/Dublin"),
                ("+6493456789", "Pacific/Auckland"),
                ("+551123456789", "America/Sao_Paulo"),
                ("+525512345678", "America/Mexico_City"),
            )
            for moment, expected in (
                ((2026, 6, 1, 8, 59), False),
                ((2026, 6, 1, 19, 59), True),
                ((2026, 6, 1, 20, 0), False),
                ((2026, 6, 6, 15, 59), True),
                ((2026, 6, 6, 16, 0), False),
                ((2026, 6, 7, 12, 0), False),
            )
        ),
    ],
)
def test_the_legal_hours_of_a_number(phone: str, zone: str, moment: tuple[int, ...], expected: bool) -> None:
    assert allowed(phone, zone, *moment) is expected


def test_a_number_of_no_country_has_the_careful_default() -> None:
    assert rule_for("+999123456789").country == ""
    assert "counsel" in rule_for("+999123456789").source


def test_every_rule_names_its_source_and_when_it_was_reviewed() -> None:
    for rule in RULES:
        assert rule.source
        assert rule.reviewed >= date(2026, 1, 1)
        assert rule.hours.windows


def test_no_area_code_stands_in_two_states() -> None:
    codes = [code for rule in RULES for code in rule.area_codes]
    assert len(codes) == len(set(codes))


def test_the_requested_countries_have_a_row_of_their_own() -> None:
    asked = "US CA FR GB DE ES IT BE NL CH AT PT IE AU NZ IN BR MX JP ZA"
    for country in asked.split():
        assert [rule for rule in RULES if rule.country == country and not rule.area_codes], country
    assert {rule.country for rule in RULES} == set(COUNTRIES)


def test_a_row_without_a_law_says_that_counsel_must_confirm() -> None:
    for rule in (*RULES, ELSEWHERE):
        assert rule.statute or "counsel" in rule.source, rule
        assert rule.statute == ("default" not in rule.source), rule


def test_nobody_is_called_at_night_anywhere() -> None:
    for rule in (*RULES, ELSEWHERE):
        for window in rule.hours.windows:
            assert 8 * 60 <= window.opens < window.closes <= 21 * 60 + 30, rule


def test_every_area_code_of_a_state_is_in_its_row() -> None:
    """Compare the numbering plan of the phone number library with our lists."""
    for area in range(201, 990):
        number = phonenumbers.parse(f"+1{area}5551234")
        state = geocoder.description_for_number(number, "en").removesuffix(" State")
        rows = [rule for rule in RULES if rule.region == state]
        if state and rows:
            assert [str(area) in rule.area_codes for rule in rows] == [True], (area, state)


def _minutes(rule: LegalRule, day: date) -> set[int]:
    """Return the open minutes of one local day, one by one."""
    if day in rule.hours.holidays:
        return set()
    return {
        minute
        for window in rule.hours.windows
        if day.weekday() in window.days
        for minute in range(window.opens, window.closes)
    }


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+12145551234", "America/Chicago"),
        ("+14015551234", "America/New_York"),
        ("+61298765432", "Australia/Sydney"),
        ("+61882123456", "Australia/Adelaide"),
        ("+34912345678", "Europe/Madrid"),
        ("+390612345678", "Europe/Rome"),
        ("+27111234567", "Africa/Johannesburg"),
        ("+911123456789", "Asia/Kolkata"),
        ("+4930123456", "Europe/Berlin"),
        ("+6493456789", "Pacific/Auckland"),
    ],
)
def test_a_year_of_a_row_is_open_exactly_in_its_minutes(phone: str, zone: str) -> None:
    """Check both clock changes and every holiday against a table of minutes; the zone gives the local time."""
    rule, place = rule_for(phone), ZoneInfo(zone)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year < 2027:
        local = moment.astimezone(place)
        expected = local.hour * 60 + local.minute in _minutes(rule, local.date())
        assert is_open([rule.hours], [zone], moment) == expected, local
        if not expected and (opening := next_opening([rule.hours], [zone], moment)):
            wall = opening.astimezone(place)
            assert wall.hour * 60 + wall.minute in _minutes(rule, wall.date())
        moment += timedelta(minutes=197)


def test_holidays_match_the_official_calendars() -> None:
    def of(days: frozenset[date], year: int) -> str:
        return " ".join(sorted(f"{day:%m-%d}" for day in days if day.year == year))

    assert of(holidays.UNITED_STATES, 2026) == "01-01 01-19 02-16 05-25 06-19 07-03 07-04 09-07 10-12 11-11 11-26 12-25"
    assert of(holidays.AUSTRALIA, 2027) == "01-01 01-26 03-26 03-29 04-25 12-25 12-26 12-27 12-28"
    assert of(holidays.SOUTH_AFRICA, 2027) == (
        "01-01 03-21 03-22 03-26 03-29 04-27 05-01 06-16 08-09 09-24 12-16 12-25 12-26 12-27"
    )
    assert of(holidays.SPAIN, 2026) == "01-01 01-06 04-02 04-03 05-01 08-15 10-12 11-01 12-06 12-08 12-25"
    assert of(holidays.ITALY, 2026) == "01-01 01-06 04-06 04-25 05-01 06-02 08-15 10-04 11-01 12-08 12-25 12-26"
