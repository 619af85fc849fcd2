from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from campaigns.legal_hours import RULES, legal_hours, rule_for
from campaigns.windows import is_open


def allowed(phone: str, zone: str, *moment: int) -> bool:
    year, month, day, hour, minute = moment
    local = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone))
    return is_open([legal_hours(phone)], [zone], local.astimezone(UTC))


@pytest.mark.parametrize(
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
        ("+81312345678", "Asia/Tokyo", (2026, 6, 1, 21, 0), False),
        ("+81312345678", "Asia/Tokyo", (2026, 6, 1, 8, 0), True),
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
